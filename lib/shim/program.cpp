// SPDX-License-Identifier: BSD-3-Clause
#include "shim/program.hpp"

#include <unistd.h>

#include <algorithm>

#include "shim/descriptors.hpp"
#include "shim/socket.hpp"

namespace linnet::shim {

using socket::Message;

Result<std::shared_ptr<Program>> Program::create(const Parts& parts) {
  std::shared_ptr<Program> program(new Program(parts));
  auto session = parts.sessions.create();
  if (!session) return session.error();
  program->session_ = *session;
  program->number_ = (*session)->number();
  program->lanes_ = (*session)->lanes();
  program->numbers_.emplace_back();  // 0 is nobody's number
  return program;
}

Program::Program(const Parts& parts) : parts_(parts), alone_(parts.host.lanes_are_ours()) {
  if (!alone_) return;
  for (Writer& writer : writers_)
    writer.mutex.leave_open();
  pump_mutex_.leave_open();
  numbers_mutex_.leave_open();
}

Program::~Program() {
  end();
}

void Program::end() {
  if (ended_.exchange(true, std::memory_order_acq_rel)) return;
  // Whoever writes into a ring now has asked before: the session is his until he is done.
  for (Writer& writer : writers_) {
    const std::lock_guard lock(writer.mutex);
  }
  Descriptors::of_process().remove_all(*this);
  std::vector<std::shared_ptr<Socket>> sockets;
  {
    const std::scoped_lock lock(pump_mutex_, numbers_mutex_);
    if (const std::uint32_t spare = take_spare(); spare != kNoSpare)
      parts_.buffers.give_back(number_, {spare});
    sockets.swap(numbers_);
    free_numbers_.clear();
    unnamed_.clear();
    parts_.sessions.close(*session_);
  }
  const std::lock_guard lock(sleep_mutex_);
  if (leader_ != nullptr) leader_->waiter_.wake();
  for (Sleeper* sleeper : sleepers_)
    sleeper->waiter_.wake();
}

std::uint32_t Program::enter(std::shared_ptr<Socket> socket) {
  const std::lock_guard lock(numbers_mutex_);
  if (ended()) return 0;  // nobody speaks to it any more
  if (free_numbers_.empty()) {
    numbers_.push_back(std::move(socket));
    return static_cast<std::uint32_t>(numbers_.size() - 1);
  }
  const std::uint32_t number = free_numbers_.back();
  free_numbers_.pop_back();
  numbers_[number] = std::move(socket);
  return number;
}

// Who has no sockets any more has no buffer either.
void Program::leave(std::uint32_t number) {
  if (const std::uint32_t spare = take_spare(); spare != kNoSpare) give_back({spare});
  std::shared_ptr<Socket> gone;  // freed after the lock
  const std::lock_guard lock(numbers_mutex_);
  if (number >= numbers_.size()) return;
  gone = std::move(numbers_[number]);
  free_numbers_.push_back(number);
}

std::shared_ptr<Socket> Program::find(std::uint32_t number) {
  const std::lock_guard lock(numbers_mutex_);
  return number < numbers_.size() ? numbers_[number] : nullptr;
}

std::optional<socket::BufferRef> Program::take_buffer() {
  if (ended()) return std::nullopt;
  if (const std::uint32_t spare = take_spare(); spare != kNoSpare)
    return parts_.buffers.all_of(spare);
  return parts_.buffers.take(number_);
}

std::uint32_t Program::take_spare() {
  const std::uint32_t spare = spare_.load(std::memory_order_relaxed);
  if (spare == kNoSpare) return spare;
  if (!alone_) return spare_.exchange(kNoSpare);
  spare_.store(kNoSpare, std::memory_order_relaxed);
  return spare;
}

void Program::starve(std::uint32_t number) {
  {
    const std::lock_guard lock(starved_mutex_);
    starved_.push_back(number);
    any_starved_.store(true, std::memory_order_release);
  }
  look_again();
}

// Whoever waits for events sleeps for a short time only from now on.
void Program::look_again() {
  const std::lock_guard lock(sleep_mutex_);
  if (leader_ != nullptr) return leader_->waiter_.wake();
  if (outside_waits_.load(std::memory_order_relaxed) == 0) return;
  const std::uint64_t one = 1;
  // It can only fail with a counter that is full: then the signal is there already.
  [[maybe_unused]] const ssize_t put = write(wake_fd(), &one, sizeof one);
}

// Nothing tells when a buffer comes back to the pool: one is tried for.
void Program::feed_starved() {
  const auto buffer = take_buffer();
  if (!buffer) return;
  give_back(*buffer);
  std::vector<std::uint32_t> fed;
  {
    const std::lock_guard lock(starved_mutex_);
    fed.swap(starved_);
    any_starved_.store(false, std::memory_order_release);
  }
  for (const std::uint32_t number : fed) {
    if (const std::shared_ptr<Socket> socket = find(number)) socket->buffers_back();
  }
}

bool Program::try_requests(unsigned lane, const Message* messages, std::size_t count) {
  const std::lock_guard lock(writers_[lane].mutex);
  if (ended()) return true;  // the lanes have forgotten us: nothing is lost
  socket::RingWriter& ring = session_->requests(lane);
  if (!ring.has_room(static_cast<std::uint32_t>(count))) return false;
  for (std::size_t i = 0; i < count; ++i)
    LINNET_CHECK(ring.push(messages[i]));
  return true;
}

void Program::request(unsigned lane, std::span<const Message> messages) {
  while (!try_requests(lane, messages.data(), messages.size()))
    wait_for_ring(lane);
}

void Program::wait_for_ring(unsigned lane) {
  host().kick(lane);
  const bool driven = host().drive();
  pump();
  // The lane empties its ring in a moment; nothing tells when.
  if (!driven && host().may_sleep()) poll(nullptr, 0, 1);
}

void Program::post(unsigned lane, const Message& message) {
  if (!try_request(lane, message)) {
    late_.emplace_back(lane, message);
    any_late_.store(true, std::memory_order_release);
    look_again();
  }
  host().kick(lane);
}

void Program::carry_out(unsigned lane) {
  // A lane whose turns are ours does not rest.
  if (!alone_) host().kick(lane);
  if (host().drive_at_once()) pump();
}

void Program::pump() {
  const std::lock_guard lock(pump_mutex_);
  if (ended()) return;
  if (!late_.empty()) [[unlikely]] {
    std::erase_if(late_, [this](const auto& late) {
      if (!try_request(late.first, late.second)) return false;
      host().kick(late.first);
      return true;
    });
    any_late_.store(!late_.empty(), std::memory_order_release);
  }
  for (unsigned lane = 0; lane < lanes_; ++lane) {
    if (!session_->events(lane).empty()) take_events(lane);
  }
  if (any_starved_.load(std::memory_order_acquire)) feed_starved();
}

void Program::take_events(unsigned lane) {
  Message event;
  while (session_->events(lane).pop(event))
    dispatch(lane, event);
  if (!alone_ && session_->lane_waits(lane)) host().kick(lane);
}

void Program::remember(unsigned lane, socket::Handle handle, std::shared_ptr<Socket> socket) {
  unnamed_[key_of(lane, handle)] = std::move(socket);
}

void Program::dispatch(unsigned lane, const Message& event) {
  const bool closed = event.kind == static_cast<std::uint8_t>(socket::EventKind::Closed);
  // Nobody else takes a socket's number away meanwhile.
  if (alone_ && event.program != 0 && !closed && event.program < numbers_.size()) [[likely]] {
    if (Socket* const socket = numbers_[event.program].get()) {
      if (socket->on_event(lane, event)) leave(event.program);
      return;
    }
  }
  std::shared_ptr<Socket> socket = find(event.program);
  if (event.program == 0 || closed) {
    const auto unnamed = unnamed_.find(key_of(lane, event.handle));
    if (event.program == 0 && unnamed != unnamed_.end()) socket = unnamed->second;
    if (closed && unnamed != unnamed_.end()) unnamed_.erase(unnamed);
  }
  if (socket == nullptr) {
    if (event.buffer.index != socket::BufferRef::kNone) give_back(event.buffer);
    return;
  }
  if (socket->on_event(lane, event)) leave(socket->number());
}

unsigned Program::sleepers() const {
  const std::lock_guard lock(sleep_mutex_);
  const auto counts = [](const Sleeper* sleeper) {
    return sleeper->asleep_ && !sleeper->for_lane_ && !sleeper->waiter_.woken();
  };
  const auto others = std::count_if(sleepers_.begin(), sleepers_.end(), counts);
  return static_cast<unsigned>(others) + (leader_ != nullptr && counts(leader_) ? 1 : 0);
}

unsigned Program::blocked() const {
  const std::lock_guard lock(sleep_mutex_);
  const auto counts = [](const Sleeper* sleeper) { return !sleeper->for_lane_; };
  const auto others = std::count_if(sleepers_.begin(), sleepers_.end(), counts);
  return static_cast<unsigned>(others) + (leader_ != nullptr && counts(leader_) ? 1 : 0);
}

time::Instant Program::next_deadline(time::Instant after) const {
  const std::lock_guard lock(sleep_mutex_);
  time::Instant next = time::Instant::never();
  const auto take = [&](const Sleeper& sleeper) {
    if (sleeper.deadline_ > after) next = std::min(next, sleeper.deadline_);
  };
  if (leader_ != nullptr) take(*leader_);
  for (const Sleeper* sleeper : sleepers_)
    take(*sleeper);
  return next;
}

void Program::wake_due(time::Instant now) {
  const std::lock_guard lock(sleep_mutex_);
  if (leader_ != nullptr && leader_->deadline_ <= now) leader_->waiter_.wake();
  for (Sleeper* sleeper : sleepers_) {
    if (sleeper->deadline_ <= now) sleeper->waiter_.wake();
  }
}

Program::Sleeper::Sleeper(Program& program, time::Instant deadline, bool for_lane)
    : program_(program), waiter_(Waiter::of_thread()), deadline_(deadline), for_lane_(for_lane) {
  const std::lock_guard lock(program_.sleep_mutex_);
  program_.sleepers_.push_back(this);
}

Program::Sleeper::~Sleeper() {
  const std::lock_guard lock(program_.sleep_mutex_);
  if (program_.leader_ == this)
    program_.leader_ = nullptr;
  else
    std::erase(program_.sleepers_, this);
  // Whoever the leader woke may leave as well: somebody has to drain the rings for the rest.
  if (program_.leader_ == nullptr && !program_.sleepers_.empty())
    program_.sleepers_.front()->waiter_.wake();
}

Host::Slept Program::Sleeper::sleep(std::span<pollfd> others, const sigset_t* mask) {
  bool leads;
  {
    const std::lock_guard lock(program_.sleep_mutex_);
    if (program_.ended()) return Host::Slept::Interrupted;
    if (program_.leader_ == nullptr) {
      program_.leader_ = this;
      std::erase(program_.sleepers_, this);
    }
    leads = program_.leader_ == this;
    asleep_ = !leads;
  }
  descriptors_.assign(others.begin(), others.end());
  descriptors_.push_back({waiter_.fd(), POLLIN, 0});
  if (leads) {
    descriptors_.push_back({program_.wake_fd(), POLLIN, 0});
    program_.session_->begin_sleep();
    program_.pump();  // what came before the announcement
    const std::lock_guard lock(program_.sleep_mutex_);
    asleep_ = true;
  }
  Host::Slept slept = Host::Slept::Woken;
  time::Instant until = deadline_;
  if (leads && program_.must_look()) until = std::min(until, program_.host().now() + kBufferRetry);
  if (!waiter_.woken()) slept = program_.host().sleep(descriptors_, until, mask);
  if (slept == Host::Slept::TimedOut && until < deadline_) slept = Host::Slept::Woken;
  if (leads) {
    program_.session_->end_sleep();
    program_.pump();
  }
  std::copy_n(descriptors_.begin(), others.size(), others.begin());
  const std::lock_guard lock(program_.sleep_mutex_);
  asleep_ = false;
  return slept;
}

}  // namespace linnet::shim
