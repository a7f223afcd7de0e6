// SPDX-License-Identifier: BSD-3-Clause
// A doubly linked list whose links stand in its elements: no allocation, removal from anywhere in
// constant time. The list owns nothing; an element is on at most one list for each of its hooks.
//
//      list.head_ <-> element.hook <-> element.hook <-> (back to head_)
#pragma once

#include <cstddef>

#include "base/check.hpp"

namespace linnet {
inline namespace base {

// Stands in the element. Must be off every list when it is destroyed.
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { LINNET_CHECK(!linked()); }

  bool linked() const { return next_ != nullptr; }
  // Takes the element off its list; nothing if it is on none.
  void unlink() {
    if (!linked()) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }

 private:
  template <typename T, ListHook T::* Hook>
  friend class IntrusiveList;
  void insert_before(ListHook& position) {
    LINNET_CHECK(!linked());
    next_ = &position;
    previous_ = position.previous_;
    previous_->next_ = this;
    position.previous_ = this;
  }

  ListHook* next_ = nullptr;
  ListHook* previous_ = nullptr;
};

template <typename T, ListHook T::* Hook>
class IntrusiveList {
 public:
  IntrusiveList() { head_.next_ = head_.previous_ = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    LINNET_CHECK(empty());
    head_.next_ = head_.previous_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }
  void push_back(T& element) { (element.*Hook).insert_before(head_); }
  void push_front(T& element) { (element.*Hook).insert_before(*head_.next_); }
  static void remove(T& element) { (element.*Hook).unlink(); }

  // The ends, or nullptr where the list is empty.
  T* front() const { return empty() ? nullptr : owner(head_.next_); }
  T* back() const { return empty() ? nullptr : owner(head_.previous_); }
  T* pop_front() {
    T* const element = front();
    if (element != nullptr) remove(*element);
    return element;
  }
  // The element behind `element`, or nullptr at the end.
  T* next(const T& element) const {
    ListHook* const hook = (element.*Hook).next_;
    return hook == &head_ ? nullptr : owner(hook);
  }
  // Moves all of `other` behind this list's elements: constant time.
  void splice_back(IntrusiveList& other) {
    if (other.empty()) return;
    ListHook* const first = other.head_.next_;
    ListHook* const last = other.head_.previous_;
    head_.previous_->next_ = first;
    first->previous_ = head_.previous_;
    last->next_ = &head_;
    head_.previous_ = last;
    other.head_.next_ = other.head_.previous_ = &other.head_;
  }

 private:
  static T* owner(ListHook* hook) {
    alignas(T) static char probe[sizeof(T)];
    const auto offset = reinterpret_cast<char*>(&(reinterpret_cast<T*>(probe)->*Hook)) - probe;
    return reinterpret_cast<T*>(reinterpret_cast<char*>(hook) - offset);
  }

  ListHook head_;
};

}  // namespace base
}  // namespace linnet
