// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "socket/socket.hpp"

namespace linnet::socket {

// The sockets of a lane by handle. A handle that is stale, another session's or made up finds
// nothing. Grows by chunks when sockets are made.
class Handles {
 public:
  void add(Socket& socket) {
    if (free_ == kNone) grow();
    Slot& slot = at(free_);
    socket.handle = {free_, slot.generation};
    free_ = slot.next;
    slot.socket = &socket;
  }
  void remove(Socket& socket) {
    if (!socket.handle) return;
    Slot& slot = at(socket.handle.slot);
    slot.socket = nullptr;
    slot.next = free_;
    if (++slot.generation == 0) slot.generation = 1;
    free_ = socket.handle.slot;
    socket.handle = {};
  }
  Socket* find(Handle handle, const LaneSession& session) const {
    if (handle.slot >= chunks_.size() * kChunk) return nullptr;
    const Slot& slot = at(handle.slot);
    const bool good = slot.generation == handle.generation && slot.socket != nullptr &&
                      slot.socket->session == &session;
    return good ? slot.socket : nullptr;
  }
  // Of a handle that the lane kept for itself.
  Socket* find(Handle handle) const {
    if (handle.slot >= chunks_.size() * kChunk) return nullptr;
    const Slot& slot = at(handle.slot);
    return slot.generation == handle.generation ? slot.socket : nullptr;
  }
  std::size_t memory_bytes() const { return chunks_.size() * kChunk * sizeof(Slot); }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::uint32_t kChunk = 1024;
  struct Slot {
    Socket* socket = nullptr;
    std::uint32_t generation = 1;
    std::uint32_t next = kNone;
  };
  Slot& at(std::uint32_t number) const { return chunks_[number / kChunk][number % kChunk]; }
  void grow() {
    const auto first = static_cast<std::uint32_t>(chunks_.size()) * kChunk;
    chunks_.emplace_back(new Slot[kChunk]);
    for (std::uint32_t i = kChunk; i-- > 0;) {
      at(first + i).next = free_;
      free_ = first + i;
    }
  }

  std::vector<std::unique_ptr<Slot[]>> chunks_;
  std::uint32_t free_ = kNone;
};

}  // namespace linnet::socket
