// SPDX-License-Identifier: BSD-3-Clause
#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace linnet {
inline namespace base {

void check_failed(const char* file, int line, const char* expression) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, expression);
  std::abort();
}

void check_failed(const char* file, int line, const char* expression, long long left,
                  long long right) {
  std::fprintf(stderr, "%s:%d: check failed: %s (%lld, %lld)\n", file, line, expression, left,
               right);
  std::abort();
}

}  // namespace base
}  // namespace linnet
