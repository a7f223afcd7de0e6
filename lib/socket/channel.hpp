// SPDX-License-Identifier: BSD-3-Clause
// What joins one program to the lanes: a request and an event ring for each lane, in one flat block
// of memory that names its parts by offsets, and a way to wake whoever sleeps.
//
//   block: | SessionHeader | lane 0: request ring, event ring | lane 1: ... |
//
// Waking without lost wake-ups. Program: `begin_sleep`, look at all event rings once more, wait on
// `wake_fd`, `end_sleep`. Lane: writes events, then (after the turn, outside of the data path)
// `wake_if_asleep`. Either the program sees the events or the lane sees the sleeper. The other way
// round `Sessions::wake_lane` does the same for a lane that rests: a program calls it after it has
// written requests, and after it has read events if `lane_waits` says so.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.hpp"
#include "socket/ring.hpp"

namespace linnet::socket {

inline constexpr unsigned kMaxLanes = 16;

// At the start of the block; offsets are bytes from there.
struct SessionHeader {
  static constexpr std::uint64_t kMagic = 0x31746e6e694c0001;
  std::uint64_t magic = kMagic;
  std::uint32_t lanes = 0;
  std::uint32_t request_slots = 0;  // of each request ring
  std::uint32_t event_slots = 0;
  std::uint32_t bytes = 0;                                // of the block
  std::array<std::uint32_t, kMaxLanes> request_offset{};  // RingShared, then the messages
  std::array<std::uint32_t, kMaxLanes> event_offset{};
  alignas(64) std::atomic<std::uint32_t> sleepers{0};  // threads that wait or are about to
  // A lane has events that did not fit: it wants to be woken when there is room.
  std::array<std::atomic<std::uint32_t>, kMaxLanes> wants_room{};
};

class Session {
 public:
  struct Options {
    std::uint32_t request_slots = 1024;  // powers of two
    std::uint32_t event_slots = 4096;
  };
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Its number: 0..Sessions::kMax-1.
  std::uint16_t number() const { return number_; }
  unsigned lanes() const { return header().lanes; }

  // --- The program. One thread at a time for each of these, by a lock of the program's own.
  RingWriter& requests(unsigned lane) { return program_[lane].requests; }
  RingReader& events(unsigned lane) { return program_[lane].events; }
  // Readable when a lane had something to say to a sleeping program (an eventfd, non-blocking).
  int wake_fd() const { return wake_fd_; }
  void begin_sleep() {
    header().sleepers.fetch_add(1, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  // Takes the signal back as well; other sleepers look for themselves.
  void end_sleep();

  // After events of the lane were taken out: whether it waits for room and is to be woken
  // (Sessions::wake_lane).
  bool lane_waits(unsigned lane) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return header().wants_room[lane].load(std::memory_order_relaxed) != 0;
  }

  // --- The lane.
  // Before the lane looks at the room once more and goes on with other things.
  void want_room(unsigned lane, bool wants) {
    header().wants_room[lane].store(wants ? 1 : 0, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  RingReader& lane_requests(unsigned lane) { return lane_[lane].requests; }
  RingWriter& lane_events(unsigned lane) { return lane_[lane].events; }
  // Writes an eventfd: not inside a turn.
  void wake_if_asleep() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (header().sleepers.load(std::memory_order_relaxed) != 0) signal();
  }
  // The program is gone: what it had is to be closed.
  bool closing() const { return closing_.load(std::memory_order_acquire); }

  std::byte* block() { return block_.get(); }

 private:
  friend class Sessions;
  Session(std::uint16_t number, unsigned lanes, const Options& options);
  SessionHeader& header() const { return *reinterpret_cast<SessionHeader*>(block_.get()); }
  void signal();

  struct Free {
    void operator()(std::byte* block) const;
  };
  struct alignas(64) ProgramEnd {
    RingWriter requests;
    RingReader events;
  };
  struct alignas(64) LaneEnd {
    RingReader requests;
    RingWriter events;
  };

  std::unique_ptr<std::byte, Free> block_;
  const std::uint16_t number_;
  int wake_fd_ = -1;
  std::atomic<bool> closing_{false};
  std::atomic<std::uint32_t> let_go_{0};  // a bit a lane
  std::array<ProgramEnd, kMaxLanes> program_;
  std::array<LaneEnd, kMaxLanes> lane_;
};

}  // namespace linnet::socket
