// SPDX-License-Identifier: BSD-3-Clause
// Errors of the control side as values. A function that returns an Error has changed nothing.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/check.hpp"

namespace linnet {
inline namespace base {

// What went wrong, for a person. `message` is one sentence without a final stop.
struct Error {
  std::string message;
  std::string word{};      // the word of the input that is wrong, where one is to blame
  int position = -1;       // its place in the input, counted in words from 0; -1 where unknown
  std::string expected{};  // what would have been right there

  // "message" or `message: "word" (word 3), expected ...`.
  std::string text() const;
};

struct Ok {};

// A value or an Error.
template <typename T = Ok>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(runtime/explicit)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // The value; the result must be ok.
  T& value() & {
    LINNET_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    LINNET_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    LINNET_CHECK(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // The error; the result must not be ok.
  const Error& error() const {
    LINNET_CHECK(!ok());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

}  // namespace base
}  // namespace linnet
