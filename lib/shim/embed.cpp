// SPDX-License-Identifier: BSD-3-Clause
#include "shim/embed.hpp"

#include <algorithm>
#include <mutex>

#include "stack/eal.hpp"

namespace {

using linnet::Error;
using linnet::Ok;
using linnet::Result;
using linnet::device::MemoryPort;
using linnet::packet::Packet;
using linnet::time::Duration;
using linnet::time::Instant;
namespace stack = linnet::stack;

// Lanes' wheels step in milliseconds: what one instant's turns did not get through goes on then.
constexpr Duration kTick = Duration::milliseconds(1);
// Turns at one instant end when nothing is left to do then; packets that run in a circle over the
// loopback device go on a tick later.
constexpr unsigned kTurnsPerInstant = 4096;

// DPDK's environment: started with the first stack, never ended, because it cannot start twice.
Result<> start_eal_once(unsigned memory_mb) {
  static std::mutex mutex;
  static std::unique_ptr<stack::Eal>* started = nullptr;
  const std::lock_guard lock(mutex);
  if (started != nullptr || stack::Eal::started_in_process()) return Ok{};
  stack::EalOptions options;
  options.memory_mb = memory_mb;
  options.hugepages = stack::Hugepages::No;
  options.log_level = 4;
  auto eal = stack::Eal::start(options);
  if (!eal) return eal.error();
  // It lives as long as the process: buffers of stacks may be freed by static destructors.
  started = new std::unique_ptr<stack::Eal>(std::move(eal).value());
  return Ok{};
}

std::string unique_name() {
  static std::atomic<unsigned> serial{0};
  return "embed" + std::to_string(serial.fetch_add(1));
}

template <typename T>
T or_default(T value, T otherwise) {
  return value != T{} ? value : otherwise;
}

}  // namespace

Result<std::unique_ptr<ln_stack>> ln_stack::create(const ln_embed_options& options) {
  if (Result<> eal = start_eal_once(or_default(options.memory_mb, 128u)); !eal) return eal.error();
  std::unique_ptr<ln_stack> self(new ln_stack);
  self->now_ns_ = or_default<std::int64_t>(options.start_ns, 1'000'000'000);
  stack::Options wanted;
  wanted.lanes = or_default(options.lanes, 1u);
  wanted.pool.name = unique_name();
  wanted.pool.packets = or_default(options.packets, 4096u);
  wanted.pool.cache = 0;
  wanted.neighbour_capacity = or_default(options.neighbours, 256u);
  wanted.seed = options.seed;
  wanted.origin = self->now();
  auto made = stack::Stack::create(wanted);
  if (!made) return made.error();
  self->stack_ = std::move(made).value();
  self->host_ = std::make_unique<EmbedHost>(*self);
  auto program = linnet::shim::Program::create(self->host_->parts());
  if (!program) return program.error();
  self->program_ = std::move(program).value();
  self->settle();
  return self;
}

ln_stack::~ln_stack() {
  if (program_ == nullptr) return;
  program_->end();
  settle();  // the lanes let go of the session
}

Result<int> ln_stack::add_port(std::unique_ptr<MemoryPort> port) {
  MemoryPort* const made = port.get();
  if (made->mtu() < made->min_mtu() || made->mtu() > made->max_mtu())
    return Error{"MTU out of range, 68 to 65535", std::to_string(made->mtu())};
  if (auto added = stack_->add_device(std::move(port)); !added) return added.error();
  if (Result<> up = stack_->set_link(*made, true); !up) return up.error();
  ports_.push_back(made);
  settle();
  return static_cast<int>(ports_.size() - 1);
}

MemoryPort* ln_stack::port(int number) const {
  const bool there = number >= 0 && static_cast<std::size_t>(number) < ports_.size();
  return there ? ports_[static_cast<std::size_t>(number)] : nullptr;
}

bool ln_stack::queue(MemoryPort& port, const std::byte* bytes, std::size_t length) {
  Packet packet = stack_->pool().allocate();
  if (!packet) return false;
  const auto append = [&](const Packet& segment) {
    const auto part = static_cast<std::uint32_t>(std::min<std::size_t>(length, segment.tailroom()));
    if (part > 0) std::copy_n(bytes, part, segment.put(part));
    bytes += part;
    length -= part;
  };
  append(packet);
  while (length > 0) {
    Packet more = stack_->pool().allocate();
    if (!more) {
      rte_pktmbuf_free(packet.release());
      return false;
    }
    append(more);
    packet.chain(std::move(more));
  }
  port.inject(std::move(packet));
  return true;
}

bool ln_stack::turn_lanes() {
  bool busy = false;
  for (unsigned i = 0; i < stack_->lanes(); ++i) {
    busy |= stack_->lane(i).turn(now());
    stack_->lane(i).after_turn();
  }
  return busy;
}

// The lanes stay offline: nothing is reclaimed while a turn runs, for all is one thread's.
void ln_stack::settle() {
  const auto run = [this] {
    for (unsigned i = 0; i < kTurnsPerInstant && turn_lanes(); ++i)
      program_->pump();  // room in the event rings, and threads that wait are woken
  };
  run();
  {
    const std::lock_guard lock(host_->control());
    stack_->control_turn(now());
  }
  run();
  program_->pump();
}

Instant ln_stack::next_deadline() const {
  Instant next = Instant::never();
  for (unsigned i = 0; i < stack_->lanes(); ++i)
    next = std::min(next, stack_->lane(i).next_deadline());
  if (next != Instant::never()) next = std::max(next, now() + kTick);
  return std::min(next, program_->next_deadline(now()));
}

void ln_stack::set_now(Instant now) {
  now_ns_.store(now.since_origin_ns(), std::memory_order_release);
  settle();
  program_->wake_due(now);
}

void ln_stack::advance_to(Instant until) {
  settle();
  for (Instant due = next_deadline(); due <= until; due = next_deadline())
    set_now(due);
  if (until > now()) set_now(until);
}

EmbedHost::EmbedHost(ln_stack& owner) : StackHost(owner.stack()), owner_(owner) {}

Instant EmbedHost::now() {
  return owner_.now();
}

bool EmbedHost::drive() {
  if (!drives()) return false;
  owner_.settle();
  return true;
}

linnet::shim::Host::Slept EmbedHost::sleep(std::span<pollfd> descriptors, Instant deadline,
                                           const sigset_t* mask) {
  if (now() >= deadline) return Slept::TimedOut;
  const Slept slept = linnet::shim::kernel_sleep(descriptors, Duration::nanoseconds(-1), mask);
  return slept == Slept::Woken && now() >= deadline ? Slept::TimedOut : slept;
}
