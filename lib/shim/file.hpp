// SPDX-License-Identifier: BSD-3-Clause
// What a descriptor stands for (Linux: struct file): readiness, and who waits for it.
//
// Locks, in the order in which they may nest: File::mutex_ of a socket, its watch list, then the
// same two of an epoll set that watches it. A lane takes none of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "shim/mutex.hpp"

namespace linnet::shim {

class File;
class Program;

// Somebody's interest in a file; linked while it is wanted.
class Watch {
 public:
  Watch() = default;
  virtual ~Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  // Something happened: POLL* bits. Called with the file's locks held: only notes it down.
  virtual void on_ready(std::uint32_t events) = 0;
  // The file is closed; the watch is no longer linked.
  virtual void on_gone() {}

 private:
  friend class File;
  Watch* next_ = nullptr;
  Watch** link_ = nullptr;  // what points at us; nullptr: not linked
};

class File {
 public:
  enum class Kind : std::uint8_t { Stream, Datagram, Epoll };

  File(Kind kind, std::shared_ptr<Program> program);
  virtual ~File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  Kind kind() const { return kind_; }
  Program& program() const { return *program_; }
  const std::shared_ptr<Program>& program_reference() const { return program_; }

  // POLL* bits that hold now; no lock needed.
  std::uint32_t ready() const { return ready_.load(std::memory_order_acquire); }
  void watch(Watch& watch);
  void unwatch(Watch& watch);

  bool nonblocking() const { return nonblocking_.load(std::memory_order_relaxed); }
  void set_nonblocking(bool on) { nonblocking_.store(on, std::memory_order_relaxed); }

  // The last descriptor was closed. 0 or an errno.
  int close_last();

  // Descriptors that name this file.
  void add_name() { names_.fetch_add(1, std::memory_order_relaxed); }
  bool drop_name() { return names_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

 protected:
  virtual int on_close() = 0;
  // Publishes what holds now and tells the watches what did not hold before; `happened`: what they
  // hear of all the same, because edge triggering counts events. With mutex_ held.
  void publish(std::uint32_t ready, std::uint32_t happened = 0) {
    const std::uint32_t before = ready_.load(std::memory_order_relaxed);
    ready_.store(ready, std::memory_order_release);
    if (const std::uint32_t told = (ready & ~before) | happened; told != 0) tell(told);
  }
  // What only threads want to hear that wait for a lane's answer; no bit of poll's.
  static constexpr std::uint32_t kAnswered = 1u << 26;

  mutable Mutex mutex_;  // the derived class's state
  // The last descriptor is gone: calls of other threads end. Under mutex_.
  bool closed_ = false;

 private:
  void tell(std::uint32_t happened);

  const Kind kind_;
  const std::shared_ptr<Program> program_;
  std::atomic<bool> nonblocking_{false};
  std::atomic<std::uint32_t> ready_{0};
  std::atomic<int> names_{0};
  Mutex watch_mutex_;
  Watch* watches_ = nullptr;
};

}  // namespace linnet::shim
