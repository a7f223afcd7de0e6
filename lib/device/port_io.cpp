// SPDX-License-Identifier: BSD-3-Clause
// The data path of a port.
#include <cstring>

#include "device/port.hpp"
#include "packet/drops.hpp"
#include "wire/ethernet.hpp"

namespace linnet::device {
namespace {

using packet::Burst;
using packet::Packet;
using packet::Turn;

constexpr std::uint32_t kLongestHeader = sizeof(wire::EthernetHeader) + 4;  // with a VLAN tag

}  // namespace

Port::SharedQueue::~SharedQueue() {
  pending.drain([](Packet&& frame) { rte_pktmbuf_free(frame.release()); });
  void* frame = nullptr;
  while (rte_ring_sc_dequeue(ring, &frame) == 0)
    rte_pktmbuf_free(static_cast<rte_mbuf*>(frame));
  rte_ring_free(ring);
}

unsigned Port::receive(unsigned queue, Burst& burst) {
  if (queue >= queues_ || gone()) [[unlikely]]
    return 0;
  if (stale_.load(std::memory_order_relaxed) != 0) [[unlikely]]
    discard_stale(static_cast<std::uint16_t>(queue));
  if (shared_[queue] != nullptr) send_shared(*shared_[queue], static_cast<std::uint16_t>(queue));
  rte_mbuf** const frames = burst.slots() + burst.size();
  const unsigned count = rte_eth_rx_burst(port(), static_cast<std::uint16_t>(queue), frames,
                                          static_cast<std::uint16_t>(burst.room()));
  if (count == 0) return 0;
  const std::uint16_t device = index();
  std::uint64_t bytes = 0;
  for (unsigned i = 0; i < count; ++i) {
    packet::PacketRef(frames[i]).reset_meta(device);
    bytes += frames[i]->pkt_len;
  }
  burst.set_size(burst.size() + count);
  counters(queue).rx_packets.add(count);
  counters(queue).rx_bytes.add(bytes);
  return count;
}

void Port::discard_stale(std::uint16_t queue) {
  const std::uint32_t bit = 1u << queue;
  if ((stale_.fetch_and(~bit, std::memory_order_relaxed) & bit) == 0) return;
  // No driver's queue is longer; one that makes frames without end must not keep us here.
  constexpr unsigned kLongestQueue = 4096;
  rte_mbuf* frames[Burst::kCapacity];
  for (unsigned total = 0; total < kLongestQueue;) {
    const unsigned count = rte_eth_rx_burst(port(), queue, frames, Burst::kCapacity);
    if (count == 0) return;
    rte_pktmbuf_free_bulk(frames, count);
    counters(queue).rx_dropped.add(count);
    total += count;
  }
}

std::uint64_t Port::prepare(Turn& turn, Burst& burst) {
  const std::uint32_t longest = mtu() + kLongestHeader;
  const unsigned segments = max_segments_;
  const auto sendable = [&](const rte_mbuf* frame) {
    // A length below the least wraps to a huge one.
    return frame->pkt_len - wire::kEthernetMinFrame <= longest - wire::kEthernetMinFrame &&
           frame->nb_segs <= segments;
  };
  const unsigned count = burst.size();
  std::uint64_t bytes = 0;
  unsigned good = 0;
  for (; good < count && sendable(burst.peek(good)); ++good)
    bytes += burst.peek(good)->pkt_len;
  if (good == count) [[likely]]
    return bytes;
  // The rest is looked at one by one; what can be sent closes up behind the good ones.
  burst.set_size(good);
  for (unsigned i = good; i < count; ++i) {
    Packet frame(burst.slots()[i]);
    if (frame.large()) {
      burst.push(std::move(frame));  // takes_large has seen to it
    } else if (frame.length() > longest) {
      turn.drop(std::move(frame), Drop::TxTooLong);
    } else if (sendable(frame.mbuf())) {
      burst.push(std::move(frame));
    } else {
      make_sendable(turn, burst, std::move(frame));
    }
  }
  return burst.bytes();
}

// Drivers of virtual ports send a frame as it is: what pads it must be zeros and not what lay in
// the buffer before (CVE-2003-0001). A buffer that another packet shares is not written to.
void Port::make_sendable(Turn& turn, Burst& burst, Packet&& frame) {
  Packet out = std::move(frame);
  const std::uint32_t length = out.length();
  const std::uint32_t pad = length < wire::kEthernetMinFrame ? wire::kEthernetMinFrame - length : 0;
  const bool chain = out.mbuf()->nb_segs > max_segments_;
  if (chain && length + RTE_PKTMBUF_HEADROOM > turn.pool.data_room()) {
    return turn.drop(std::move(out), Drop::TxTooLong);
  }
  std::byte* tail = pad > 0 && !chain && !out.shared() ? out.put(pad) : nullptr;
  if (chain || (pad > 0 && tail == nullptr)) {
    Packet whole = out.copy(turn.pool, 0, length);
    if (!whole) return turn.drop(std::move(out), packet::Drop::NoBuffer);
    rte_pktmbuf_free(out.release());
    out = std::move(whole);
    if (pad > 0) tail = out.put(pad);
  }
  if (pad > 0) std::memset(tail, 0, pad);
  burst.push(std::move(out));
}

unsigned Port::transmit(unsigned queue, Burst& burst) {
  const auto offered = static_cast<std::uint16_t>(burst.size());
  const unsigned sent =
      queue < queues_
          ? rte_eth_tx_burst(port(), static_cast<std::uint16_t>(queue), burst.slots(), offered)
          : hand_over(queue, burst);
  burst.remove_front(sent);
  return sent;
}

unsigned Port::hand_over(unsigned lane, Burst& burst) {
  return rte_ring_mp_enqueue_burst(shared_[lane % queues_]->ring,
                                   reinterpret_cast<void**>(burst.slots()), burst.size(), nullptr);
}

void Port::send_shared(SharedQueue& shared, std::uint16_t queue) {
  Burst& pending = shared.pending;
  const unsigned more = rte_ring_sc_dequeue_burst(
      shared.ring, reinterpret_cast<void**>(pending.slots() + pending.size()), pending.room(),
      nullptr);
  pending.set_size(pending.size() + more);
  if (pending.empty()) return;
  pending.remove_front(
      rte_eth_tx_burst(port(), queue, pending.slots(), static_cast<std::uint16_t>(pending.size())));
}

}  // namespace linnet::device
