// SPDX-License-Identifier: BSD-3-Clause
#include "support/poison.hpp"

#include <rte_errno.h>
#include <rte_mempool.h>

#include <cstring>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "packet/sanitizer.hpp"

namespace linnet::tests {

using packet::bytes_in_use;
using packet::bytes_out_of_use;

#ifdef LINNET_ADDRESS_SANITIZER
namespace {

constexpr char kName[] = "linnet_poison";

// The free buffers of one pool, oldest first.
struct Queue {
  explicit Queue(std::size_t size) : slots(size) {}
  std::vector<void*> slots;
  std::size_t first = 0;
  std::size_t count = 0;
  bool armed = false;
};

Queue& queue_of(const rte_mempool* pool) {
  return *static_cast<Queue*>(pool->pool_data);
}

int create(rte_mempool* pool) {
  pool->pool_data = new Queue(pool->size);
  return 0;
}

void destroy(rte_mempool* pool) {
  delete static_cast<Queue*>(pool->pool_data);
}

int enqueue(rte_mempool* pool, void* const* objects, unsigned n) {
  Queue& queue = queue_of(pool);
  LINNET_CHECK_OP(queue.count + n, <=, queue.slots.size());  // else one was freed twice
  for (unsigned i = 0; i < n; ++i) {
    queue.slots[(queue.first + queue.count++) % queue.slots.size()] = objects[i];
    if (queue.armed) bytes_out_of_use(objects[i], pool->elt_size);
  }
  return 0;
}

int dequeue(rte_mempool* pool, void** objects, unsigned n) {
  Queue& queue = queue_of(pool);
  if (queue.count < n) return -ENOBUFS;
  for (unsigned i = 0; i < n; ++i) {
    objects[i] = queue.slots[queue.first];
    queue.first = (queue.first + 1) % queue.slots.size();
    --queue.count;
    bytes_in_use(objects[i], pool->elt_size);
  }
  return 0;
}

unsigned free_count(const rte_mempool* pool) {
  return static_cast<unsigned>(queue_of(pool).count);
}

void register_ops() {
  static const int index = [] {
    rte_mempool_ops ops{};
    std::strncpy(ops.name, kName, sizeof(ops.name) - 1);
    ops.alloc = create;
    ops.free = destroy;
    ops.enqueue = enqueue;
    ops.dequeue = dequeue;
    ops.get_count = free_count;
    return rte_mempool_register_ops(&ops);
  }();
  LINNET_CHECK_OP(index, >=, 0);
}

}  // namespace

std::string poison_ops() {
  register_ops();
  return kName;
}

void arm(packet::Pool& pool) {
  Queue& queue = queue_of(pool.raw());
  queue.armed = true;
  for (std::size_t i = 0; i < queue.count; ++i)
    bytes_out_of_use(queue.slots[(queue.first + i) % queue.slots.size()], pool.raw()->elt_size);
}

void disarm(packet::Pool& pool) {
  queue_of(pool.raw()).armed = false;
  rte_mempool_obj_iter(
      pool.raw(),
      [](rte_mempool* raw, void*, void* object, unsigned) { bytes_in_use(object, raw->elt_size); },
      nullptr);
}
#else
std::string poison_ops() {
  return {};
}
void arm(packet::Pool&) {}
void disarm(packet::Pool&) {}
#endif

void expose_only_data(const rte_mbuf* mbuf) {
  for (; mbuf != nullptr; mbuf = mbuf->next) {
    const char* const data = rte_pktmbuf_mtod(mbuf, const char*);
    bytes_out_of_use(mbuf->buf_addr, mbuf->data_off);
    bytes_out_of_use(data + mbuf->data_len, rte_pktmbuf_tailroom(mbuf));
  }
}

PoisonedPool::PoisonedPool(packet::Pool::Options options) {
  options.ops = poison_ops();
  options.cache = 0;
  auto made = packet::Pool::create(options);
  LINNET_CHECK(made);
  pool_ = std::move(made).value();
  arm(*pool_);
}

PoisonedPool::~PoisonedPool() {
  disarm(*pool_);
}

}  // namespace linnet::tests
