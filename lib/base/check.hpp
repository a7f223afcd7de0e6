// SPDX-License-Identifier: BSD-3-Clause
// Assertions for broken invariants: states that no input can cause. They stay on in a release.
#pragma once

namespace linnet {
inline namespace base {

// Writes one line to standard error and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* expression);
[[noreturn]] void check_failed(const char* file, int line, const char* expression, long long left,
                               long long right);

}  // namespace base
}  // namespace linnet

// Aborts with the expression unless it holds.
#define LINNET_CHECK(expression)                               \
  do {                                                         \
    if (!(expression)) [[unlikely]]                            \
      ::linnet::check_failed(__FILE__, __LINE__, #expression); \
  } while (false)

// Aborts with both values unless `left op right` holds; both must be integers.
#define LINNET_CHECK_OP(left, op, right)                                   \
  do {                                                                     \
    const auto check_left_ = (left);                                       \
    const auto check_right_ = (right);                                     \
    if (!(check_left_ op check_right_)) [[unlikely]]                       \
      ::linnet::check_failed(__FILE__, __LINE__, #left " " #op " " #right, \
                             static_cast<long long>(check_left_),          \
                             static_cast<long long>(check_right_));        \
  } while (false)
