// SPDX-License-Identifier: BSD-3-Clause
// Ports whose queues are used by lanes on real threads, and the cable between two of them. Frames
// travel as bytes under a lock, so that ThreadSanitizer sees an order only where there is one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "device/device.hpp"
#include "packet/pool.hpp"

namespace linnet::tests {

class ThreadPort final : public device::Device {
 public:
  using Frame = std::vector<std::byte>;

  ThreadPort(std::string name, MacAddress mac, packet::Pool& pool);

  // Before lanes run: the other end, and which of its queues a frame comes to.
  void connect(ThreadPort& other, std::function<unsigned(const Frame&)> place);
  // After lanes have run: what is still sent is lost.
  void disconnect() { other_ = nullptr; }
  // Lost of 1000, from now on.
  void lose(unsigned per_mille) { loss_.store(per_mille, std::memory_order_relaxed); }

  unsigned receive(unsigned queue, packet::Burst& burst) override;
  unsigned transmit(unsigned queue, packet::Burst& burst) override;

 private:
  struct alignas(64) Queue {
    std::mutex mutex;
    std::deque<Frame> frames;
  };
  static constexpr std::size_t kLongest = 8192;  // frames in a queue; more are lost

  packet::Pool& pool_;
  ThreadPort* other_ = nullptr;
  std::function<unsigned(const Frame&)> place_;
  std::atomic<unsigned> loss_{0}, sent_{0};
  std::array<Queue, device::kMaxQueues> queues_;
};

// Pool operations that ThreadSanitizer can follow: those of DPDK's library are compiled without it,
// so that a buffer's way from one lane to another would look like no order at all.
const char* traced_pool_ops();

}  // namespace linnet::tests
