// SPDX-License-Identifier: BSD-3-Clause
// A bounded queue of messages from one thread to another, in memory that the other side may belong
// to an untrusted process: no pointers, indexes that only one side writes, and whatever the other
// side wrote is read once and judged.
//
//   RingShared: | written (producer's line) | read (consumer's line) |   then `slots` messages
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/check.hpp"
#include "socket/message.hpp"

namespace linnet::socket {

// The part of a ring that both sides see. Counters run freely; a slot is the counter modulo size.
struct RingShared {
  alignas(64) std::atomic<std::uint32_t> written{0};
  alignas(64) std::atomic<std::uint32_t> read{0};
};
static_assert(sizeof(RingShared) == 128 && std::atomic<std::uint32_t>::is_always_lock_free);

// The producer's end; its own counter is private, so that nobody else can move it.
class RingWriter {
 public:
  RingWriter() = default;
  // `slots`: a power of two.
  RingWriter(RingShared& shared, Message* messages, std::uint32_t slots)
      : shared_(&shared), messages_(messages), slots_(slots) {
    LINNET_CHECK(std::has_single_bit(slots));
  }

  // How many messages fit now. A consumer that lies about its place gets nothing.
  std::uint32_t room() {
    const std::uint32_t used = written_ - shared_->read.load(std::memory_order_acquire);
    room_ = used <= slots_ ? slots_ - used : 0;
    return room_;
  }
  bool has_room(std::uint32_t count) { return room_ >= count || room() >= count; }

  // False: full, nothing was written. The message can be read at once.
  [[nodiscard]] bool push(const Message& message) {
    if (!has_room(1)) return false;
    messages_[written_ & (slots_ - 1)] = message;
    --room_;
    shared_->written.store(++written_, std::memory_order_release);
    return true;
  }
  // The next message, empty, to be written where it stands; it can be read after `commit`. nullptr:
  // full.
  [[nodiscard]] Message* begin() {
    if (!has_room(1)) return nullptr;
    Message& message = messages_[written_ & (slots_ - 1)];
    message = Message{};
    return &message;
  }
  void commit() {
    --room_;
    shared_->written.store(++written_, std::memory_order_release);
  }
  // The message that was pushed last, as long as it was not read; nullptr: it was. To be changed
  // only where the reader does not run meanwhile.
  Message* unread() {
    const bool read = shared_->read.load(std::memory_order_acquire) == written_;
    return read ? nullptr : &messages_[(written_ - 1) & (slots_ - 1)];
  }

 private:
  RingShared* shared_ = nullptr;
  Message* messages_ = nullptr;
  std::uint32_t slots_ = 0;
  std::uint32_t written_ = 0;
  std::uint32_t room_ = 0;  // at least so many are free
};

// The consumer's end.
class RingReader {
 public:
  RingReader() = default;
  RingReader(RingShared& shared, const Message* messages, std::uint32_t slots)
      : shared_(&shared), messages_(messages), slots_(slots) {
    LINNET_CHECK(std::has_single_bit(slots));
  }

  // Copies the oldest message out; false: none is there.
  [[nodiscard]] bool pop(Message& out) {
    if (ready_ == 0 && ready() == 0) return false;
    out = messages_[read_ & (slots_ - 1)];
    --ready_;
    shared_->read.store(++read_, std::memory_order_release);
    return true;
  }
  bool empty() { return ready_ == 0 && ready() == 0; }
  // The producer's counter made no sense: what stands in the ring is worthless.
  bool broken() const { return broken_; }

 private:
  std::uint32_t ready() {
    const std::uint32_t count = shared_->written.load(std::memory_order_acquire) - read_;
    broken_ = broken_ || count > slots_;
    ready_ = broken_ ? 0 : count;
    return ready_;
  }

  RingShared* shared_ = nullptr;
  const Message* messages_ = nullptr;
  std::uint32_t slots_ = 0;
  std::uint32_t read_ = 0;
  std::uint32_t ready_ = 0;  // at least so many are there
  bool broken_ = false;
};

}  // namespace linnet::socket
