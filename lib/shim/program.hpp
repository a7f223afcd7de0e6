// SPDX-License-Identifier: BSD-3-Clause
// One program on one stack: its session with the lanes, its sockets by number, and the threads that
// wait in its calls.
//
//   calls --request--> request rings        (a lock a ring)
//   pump  <--events--- event rings          (one thread at a time; any that calls)
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "shim/host.hpp"
#include "shim/names.hpp"
#include "shim/waiter.hpp"
#include "socket/buffers.hpp"
#include "socket/channel.hpp"
#include "socket/message.hpp"
#include "socket/ports.hpp"
#include "socket/sessions.hpp"
#include "socket/settings.hpp"

namespace linnet::shim {

class Socket;

// What a program needs of a stack; all outlive it.
struct Parts {
  socket::Sessions& sessions;
  socket::Buffers& buffers;
  socket::Ports& ports;
  const socket::Settings& settings;
  // Bytes a new stream's buffers have (Linux: tcp_wmem and tcp_rmem, the middle ones).
  const std::atomic<std::uint32_t>& stream_send_buffer;
  const std::atomic<std::uint32_t>& stream_receive_buffer;
  // net.ipv4.tcp_fastopen.
  const std::atomic<std::uint32_t>& fast_open;
  Host& host;
};

enum class Waited { Done, TimedOut, Interrupted, WouldBlock, Closed };

class Program : public std::enable_shared_from_this<Program> {
 public:
  // How often a buffer or room in a ring is looked for while somebody waits for it.
  static constexpr time::Duration kBufferRetry = time::Duration::milliseconds(1);

  static Result<std::shared_ptr<Program>> create(const Parts& parts);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // The stack ends: the session is closed, every later call fails. The program's descriptors are
  // taken away.
  void end();
  bool ended() const { return ended_.load(std::memory_order_acquire); }
  // All calls, and the lanes' turns, are one thread's (Host::lanes_are_ours): what guards against
  // other threads costs nothing then.
  bool alone() const { return alone_; }

  Host& host() { return parts_.host; }
  socket::Ports& ports() { return parts_.ports; }
  const socket::Settings& settings() { return parts_.settings; }
  int stream_send_buffer() const {
    return static_cast<int>(parts_.stream_send_buffer.load(std::memory_order_relaxed));
  }
  int stream_receive_buffer() const {
    return static_cast<int>(parts_.stream_receive_buffer.load(std::memory_order_relaxed));
  }
  std::uint32_t fast_open() const { return parts_.fast_open.load(std::memory_order_relaxed); }
  unsigned lanes() const { return lanes_; }
  std::uint16_t session() const { return number_; }

  // Where the stack's programs look names up; any thread.
  NameSources name_sources() const {
    const std::lock_guard lock(names_mutex_);
    return name_sources_;
  }
  void set_name_sources(NameSources sources) {
    const std::lock_guard lock(names_mutex_);
    name_sources_ = std::move(sources);
  }

  // --- Sockets by number: 1 and on, in messages.
  std::uint32_t enter(std::shared_ptr<Socket> socket);
  // The number of a socket of which no lane knows is free.
  void leave(std::uint32_t number);
  // From an event: a connection whose number its lane does not know yet. Its events come without.
  void remember(unsigned lane, socket::Handle handle, std::shared_ptr<Socket> socket);

  // --- Buffers.
  std::optional<socket::BufferRef> take_buffer();
  // A buffer that was read to its end, whose bytes nobody else has: the next `take_buffer` gets it.
  // False: not wanted, it has to go back.
  bool keep(const socket::BufferRef& buffer) {
    if (spare_.load(std::memory_order_relaxed) != kNoSpare || ended() ||
        !parts_.buffers.sole(buffer.index))
      return false;
    std::uint32_t none = kNoSpare;
    if (!alone_) return spare_.compare_exchange_strong(none, buffer.index);
    spare_.store(buffer.index, std::memory_order_relaxed);
    return true;
  }
  std::byte* address(const socket::BufferRef& ref) const { return parts_.buffers.address(ref); }
  // What is left at the end, the control core takes: our number may be another program's then.
  void give_back(const socket::BufferRef& ref) {
    if (!ended()) parts_.buffers.give_back(number_, ref);
  }
  // Something waits of which nobody tells: a free buffer for a socket that has none, or room in a
  // ring for what was posted. The next pump looks for it.
  bool must_look() const {
    return any_starved_.load(std::memory_order_acquire) ||
           any_late_.load(std::memory_order_acquire);
  }
  // The socket found no free buffer: it is told (`Socket::buffers_back`) by a `pump` that finds
  // one.
  void starve(std::uint32_t number);

  // --- Requests. False: the ring is full, nothing was written. A train is written wholly or not.
  bool try_request(unsigned lane, const socket::Message& message) {
    const std::lock_guard lock(writers_[lane].mutex);
    // The lanes of one that has ended have forgotten us: nothing is lost.
    return ended() || session_->requests(lane).push(message);
  }
  // As `try_request` for a Send without flags. What was read just before, if no lane has heard of
  // it, goes with it.
  bool try_send(unsigned lane, const socket::Handle& handle, std::uint32_t program,
                const socket::BufferRef& buffer) {
    const std::lock_guard lock(writers_[lane].mutex);
    if (ended()) return true;
    socket::RingWriter& ring = session_->requests(lane);
    if (host().lanes_are_ours()) {
      constexpr auto kConsumed = static_cast<std::uint8_t>(socket::RequestKind::Consumed);
      socket::Message* const last = ring.unread();
      if (last != nullptr && last->kind == kConsumed && last->handle == handle) {
        last->kind = static_cast<std::uint8_t>(socket::RequestKind::Exchange);
        last->option = last->buffer.index;
        last->buffer = buffer;
        return true;
      }
    }
    socket::Message* const send = ring.begin();
    if (send == nullptr) return false;
    send->kind = static_cast<std::uint8_t>(socket::RequestKind::Send);
    send->program = program;
    send->handle = handle;
    send->buffer = buffer;
    ring.commit();
    return true;
  }
  // As `try_request`: `fill(Message&)` writes an empty one where it stands.
  template <typename Fill>
  bool try_write(unsigned lane, Fill&& fill) {
    const std::lock_guard lock(writers_[lane].mutex);
    if (ended()) return true;
    socket::RingWriter& ring = session_->requests(lane);
    socket::Message* const message = ring.begin();
    if (message == nullptr) return false;
    fill(*message);
    ring.commit();
    return true;
  }
  bool try_requests(unsigned lane, const socket::Message* messages, std::size_t count);
  // Waits while the ring is full. No file's lock is held.
  void request(unsigned lane, std::span<const socket::Message> messages);
  void request(unsigned lane, const socket::Message& message) {
    while (!try_request(lane, message)) [[unlikely]]
      wait_for_ring(lane);
  }
  // From an event: a full ring is tried again by the next pump.
  void post(unsigned lane, const socket::Message& message);
  // Until there may be room in a ring that was full. No file's lock is held.
  void wait_for_ring(unsigned lane);
  // Requests were written: the lanes do them, at once where their turns are this thread's to give.
  void carry_out(unsigned lane);

  // Takes the events of all lanes to their sockets.
  void pump();

  // --- Waiting. `lock` holds the file's mutex, under which `done` is asked. Returns with it held.
  template <typename Done>
  Waited wait(File& file, std::unique_lock<Mutex>& lock, time::Instant deadline, bool may_block,
              Done&& done);
  // As `wait`, for what a lane is about to answer: not a call that sleeps, in the driver's eyes.
  template <typename Done>
  Waited wait_for_lane(File& file, std::unique_lock<Mutex>& lock, Done&& done);

  // Threads that sleep in calls and were not woken.
  unsigned sleepers() const;
  // Threads in calls that sleep or were woken and have not come back.
  unsigned blocked() const;
  // The earliest timeout later than `after` of a thread that sleeps; a clock set by hand stops
  // there.
  time::Instant next_deadline(time::Instant after) const;
  void wake_due(time::Instant now);

  // A thread's wait, over as many sleeps as it takes. The first sleeper also drains the event
  // rings for all; when it leaves, another takes over.
  class Sleeper {
   public:
    Sleeper(Program& program, time::Instant deadline, bool for_lane = false);
    ~Sleeper();
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;
    Waiter& waiter() { return waiter_; }
    // `others`: descriptors of the kernel to wait for besides; their revents are set.
    Host::Slept sleep(std::span<pollfd> others = {}, const sigset_t* mask = nullptr);

   private:
    friend class Program;
    Program& program_;
    Waiter& waiter_;
    const time::Instant deadline_;
    const bool for_lane_;
    bool asleep_ = false;
    std::vector<pollfd> descriptors_;
  };

  // For a wait outside of our calls: the lanes signal `wake_fd` while it is on.
  int wake_fd() const { return session_->wake_fd(); }
  void begin_outside_wait() {
    outside_waits_.fetch_add(1, std::memory_order_relaxed);
    if (!ended()) session_->begin_sleep();
  }
  void end_outside_wait() {
    outside_waits_.fetch_sub(1, std::memory_order_relaxed);
    if (!ended()) session_->end_sleep();
  }

 private:
  explicit Program(const Parts& parts);
  static constexpr std::uint32_t kNoSpare = socket::BufferRef::kNone;
  std::uint32_t take_spare();
  void take_events(unsigned lane);
  void dispatch(unsigned lane, const socket::Message& event);
  void feed_starved();
  void look_again();
  std::shared_ptr<Socket> find(std::uint32_t number);

  struct alignas(64) Writer {
    Mutex mutex;
  };

  const Parts parts_;
  const bool alone_;
  std::atomic<std::uint32_t> spare_{kNoSpare};  // a free buffer, by its number
  socket::Session* session_ = nullptr;
  std::uint16_t number_ = 0;  // the session's
  unsigned lanes_ = 0;
  std::atomic<bool> ended_{false};
  std::array<Writer, socket::kMaxLanes> writers_;
  static std::uint64_t key_of(unsigned lane, socket::Handle handle) {
    return std::uint64_t{lane} << 32 | handle.slot;
  }

  Mutex pump_mutex_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Socket>> unnamed_;  // under pump_mutex_
  std::vector<std::pair<unsigned, socket::Message>> late_;              // posted; under pump_mutex_
  std::atomic<bool> any_late_{false};
  Mutex numbers_mutex_;
  std::vector<std::shared_ptr<Socket>> numbers_;
  std::vector<std::uint32_t> free_numbers_;
  std::mutex starved_mutex_;
  std::vector<std::uint32_t> starved_;  // sockets by number
  std::atomic<bool> any_starved_{false};
  std::atomic<int> outside_waits_{0};

  mutable std::mutex names_mutex_;
  NameSources name_sources_;

  mutable std::mutex sleep_mutex_;
  Sleeper* leader_ = nullptr;
  std::vector<Sleeper*> sleepers_;
};

template <typename Done>
Waited Program::wait(File& file, std::unique_lock<Mutex>& lock, time::Instant deadline,
                     bool may_block, Done&& done) {
  if (done()) return Waited::Done;
  lock.unlock();
  may_block ? host().drive() : host().peek();
  pump();
  lock.lock();
  if (done()) return Waited::Done;
  if (!may_block || !host().may_sleep()) return Waited::WouldBlock;
  lock.unlock();
  Host::Slept slept = Host::Slept::Woken;
  {
    Sleeper sleeper(*this, deadline);
    const WaiterWatch watch(file, sleeper.waiter());
    while (true) {
      sleeper.waiter().reset();
      lock.lock();
      const bool is_done = done();
      if (is_done || slept != Host::Slept::Woken) break;
      lock.unlock();
      slept = sleeper.sleep();
    }
    // The watch goes without the file's lock.
    lock.unlock();
  }
  lock.lock();
  if (done()) return Waited::Done;
  if (slept == Host::Slept::TimedOut) return Waited::TimedOut;
  return slept == Host::Slept::Interrupted ? Waited::Interrupted : Waited::WouldBlock;
}

template <typename Done>
Waited Program::wait_for_lane(File& file, std::unique_lock<Mutex>& lock, Done&& done) {
  if (done()) return Waited::Done;
  lock.unlock();
  host().drive();
  pump();
  lock.lock();
  if (done()) return Waited::Done;
  if (!host().may_sleep()) return Waited::WouldBlock;
  lock.unlock();
  {
    Sleeper sleeper(*this, time::Instant::never(), true);
    const WaiterWatch watch(file, sleeper.waiter());
    while (true) {
      sleeper.waiter().reset();
      lock.lock();
      if (done() || ended()) break;
      lock.unlock();
      // A signal does not end it: the lane answers in a moment.
      sleeper.sleep();
    }
    lock.unlock();
  }
  lock.lock();
  return done() ? Waited::Done : Waited::WouldBlock;
}

}  // namespace linnet::shim
