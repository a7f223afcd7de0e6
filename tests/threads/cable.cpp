// SPDX-License-Identifier: BSD-3-Clause
#include "threads/cable.hpp"

#include <rte_mempool.h>

#include <cstring>
#include <utility>

namespace linnet::tests {
namespace {

struct Stack {
  std::mutex mutex;
  std::vector<void*> objects;
};

Stack& stack_of(const rte_mempool* pool) {
  return *static_cast<Stack*>(pool->pool_data);
}

int make(rte_mempool* pool) {
  pool->pool_data = new Stack;
  return 0;
}
void end(rte_mempool* pool) {
  delete static_cast<Stack*>(pool->pool_data);
}
int put(rte_mempool* pool, void* const* objects, unsigned count) {
  Stack& stack = stack_of(pool);
  const std::lock_guard lock(stack.mutex);
  stack.objects.insert(stack.objects.end(), objects, objects + count);
  return 0;
}
int get(rte_mempool* pool, void** objects, unsigned count) {
  Stack& stack = stack_of(pool);
  const std::lock_guard lock(stack.mutex);
  if (stack.objects.size() < count) return -ENOBUFS;
  for (unsigned i = 0; i < count; ++i) {
    objects[i] = stack.objects.back();
    stack.objects.pop_back();
  }
  return 0;
}
unsigned count(const rte_mempool* pool) {
  Stack& stack = stack_of(pool);
  const std::lock_guard lock(stack.mutex);
  return static_cast<unsigned>(stack.objects.size());
}

}  // namespace

const char* traced_pool_ops() {
  static const char* const name = [] {
    rte_mempool_ops ops{};
    std::strcpy(ops.name, "traced");
    ops.alloc = make;
    ops.free = end;
    ops.enqueue = put;
    ops.dequeue = get;
    ops.get_count = count;
    return rte_mempool_register_ops(&ops) >= 0 ? "traced" : "";
  }();
  return name;
}

ThreadPort::ThreadPort(std::string name, MacAddress mac, packet::Pool& pool)
    : Device(device::Kind::Memory, std::move(name)), pool_(pool) {
  publish_mac(mac);
  publish_mtu(1500);
  publish_link(true);
}

void ThreadPort::connect(ThreadPort& other, std::function<unsigned(const Frame&)> place) {
  other_ = &other;
  place_ = std::move(place);
}

unsigned ThreadPort::receive(unsigned queue, packet::Burst& burst) {
  unsigned count = 0;
  std::uint64_t bytes = 0;
  Queue& own = queues_[queue];
  const std::lock_guard lock(own.mutex);
  while (!own.frames.empty() && !burst.full()) {
    packet::Packet frame = pool_.allocate();
    if (!frame) break;
    const Frame& from = own.frames.front();
    std::memcpy(frame.put(static_cast<std::uint32_t>(from.size())), from.data(), from.size());
    own.frames.pop_front();
    frame.reset_meta(index());
    bytes += frame.length();
    burst.push(std::move(frame));
    ++count;
  }
  counters(queue).rx_packets.add(count);
  counters(queue).rx_bytes.add(bytes);
  return count;
}

unsigned ThreadPort::transmit(unsigned /*queue*/, packet::Burst& burst) {
  const unsigned count = burst.size();
  burst.drain([&](packet::Packet&& packet) {
    Frame frame(packet.length());
    packet.copy_out(0, frame);
    rte_pktmbuf_free(packet.release());
    if (other_ == nullptr) return;
    const unsigned number = sent_.fetch_add(1, std::memory_order_relaxed);
    // Evenly spread, by the golden ratio: no generator that lanes would share.
    if (number * 2654435761u % 1000 < loss_.load(std::memory_order_relaxed)) return;
    Queue& to = other_->queues_[place_(frame)];
    const std::lock_guard lock(to.mutex);
    if (to.frames.size() < kLongest) to.frames.push_back(std::move(frame));
  });
  return count;
}

}  // namespace linnet::tests
