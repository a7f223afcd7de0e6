// SPDX-License-Identifier: BSD-3-Clause
#include "socket/channel.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

namespace linnet::socket {
namespace {

constexpr std::size_t kLine = 64;

constexpr std::size_t ring_bytes(std::uint32_t slots) {
  return sizeof(RingShared) + std::size_t{slots} * sizeof(Message);
}

}  // namespace

void Session::Free::operator()(std::byte* block) const {
  std::free(block);
}

Session::Session(std::uint16_t number, unsigned lanes, const Options& options) : number_(number) {
  LINNET_CHECK_OP(lanes, <=, kMaxLanes);
  const std::size_t head = (sizeof(SessionHeader) + kLine - 1) / kLine * kLine;
  const std::size_t lane_bytes =
      ring_bytes(options.request_slots) + ring_bytes(options.event_slots);
  const std::size_t bytes = head + lanes * lane_bytes;
  block_.reset(static_cast<std::byte*>(std::aligned_alloc(kLine, bytes)));
  LINNET_CHECK(block_ != nullptr);
  auto& shared = *new (block_.get()) SessionHeader;
  shared.lanes = lanes;
  shared.request_slots = options.request_slots;
  shared.event_slots = options.event_slots;
  shared.bytes = static_cast<std::uint32_t>(bytes);
  std::size_t at = head;
  for (unsigned i = 0; i < lanes; ++i) {
    const auto make = [&](std::uint32_t slots, std::uint32_t& offset) {
      offset = static_cast<std::uint32_t>(at);
      at += ring_bytes(slots);
      new (block_.get() + offset) RingShared;
      return reinterpret_cast<Message*>(block_.get() + offset + sizeof(RingShared));
    };
    Message* const requests = make(options.request_slots, shared.request_offset[i]);
    Message* const events = make(options.event_slots, shared.event_offset[i]);
    auto& request_ring = *reinterpret_cast<RingShared*>(block_.get() + shared.request_offset[i]);
    auto& event_ring = *reinterpret_cast<RingShared*>(block_.get() + shared.event_offset[i]);
    program_[i].requests = RingWriter(request_ring, requests, options.request_slots);
    lane_[i].requests = RingReader(request_ring, requests, options.request_slots);
    lane_[i].events = RingWriter(event_ring, events, options.event_slots);
    program_[i].events = RingReader(event_ring, events, options.event_slots);
  }
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

Session::~Session() {
  if (wake_fd_ >= 0) close(wake_fd_);
}

void Session::end_sleep() {
  header().sleepers.fetch_sub(1, std::memory_order_relaxed);
  std::uint64_t count;
  // Nothing to read is the usual case where nobody signalled.
  [[maybe_unused]] const ssize_t got = read(wake_fd_, &count, sizeof count);
}

void Session::signal() {
  const std::uint64_t one = 1;
  // It can only fail with a counter that is full: then the signal is there already.
  [[maybe_unused]] const ssize_t put = write(wake_fd_, &one, sizeof one);
}

}  // namespace linnet::socket
