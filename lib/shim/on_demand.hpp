// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>

namespace linnet::shim {

// What most sockets never need: a T that takes memory once it is changed, and reads as a fresh one
// until then.
template <typename T>
class OnDemand {
 public:
  OnDemand() = default;
  OnDemand(const OnDemand& other) : there_(copy(other)) {}
  OnDemand& operator=(const OnDemand& other) {
    if (this != &other) there_ = copy(other);
    return *this;
  }
  ~OnDemand() = default;

  const T& operator*() const { return there_ != nullptr ? *there_ : fresh(); }
  const T* operator->() const { return &**this; }
  T& change() {
    if (there_ == nullptr) there_ = std::make_unique<T>();
    return *there_;
  }

 private:
  static std::unique_ptr<T> copy(const OnDemand& other) {
    return other.there_ != nullptr ? std::make_unique<T>(*other.there_) : nullptr;
  }
  static const T& fresh() {
    static const T none{};
    return none;
  }

  std::unique_ptr<T> there_;
};

}  // namespace linnet::shim
