// SPDX-License-Identifier: BSD-3-Clause
#include "socket/buffers.hpp"

namespace linnet::socket {
namespace {

constexpr std::uint8_t mark(std::uint16_t session) {
  return static_cast<std::uint8_t>(session + 1);
}

}  // namespace

Buffers::Buffers(packet::Pool& pool)
    : pool_(pool), owner_(new std::atomic<std::uint8_t>[pool.index_limit()] {}) {}

std::optional<BufferRef> Buffers::take(std::uint16_t session) {
  packet::Packet packet = pool_.allocate();
  if (!packet) return std::nullopt;
  const std::uint32_t room = packet.tailroom();
  packet::bytes_in_use(packet.data(), room);
  BufferRef ref{pool_.index_of(packet.mbuf()), packet.data_offset(),
                static_cast<std::uint16_t>(room)};
  packet.release();
  owner_[ref.index].store(mark(session), std::memory_order_release);
  return ref;
}

BufferRef Buffers::all_of(std::uint32_t index) const {
  const rte_mbuf* const mbuf = pool_.at(index);
  const BufferRef ref{index, RTE_PKTMBUF_HEADROOM,
                      static_cast<std::uint16_t>(mbuf->buf_len - RTE_PKTMBUF_HEADROOM)};
  packet::bytes_in_use(address(ref), ref.length);
  return ref;
}

BufferRef Buffers::hand_out(std::uint16_t session, rte_mbuf* segment) {
  const BufferRef ref{pool_.index_of(segment), segment->data_off, segment->data_len};
  LINNET_CHECK(pool_.at(ref.index) == segment);
  owner_[ref.index].store(mark(session), std::memory_order_release);
  return ref;
}

bool Buffers::release_from(std::uint16_t session, std::uint32_t index) {
  if (index >= pool_.index_limit()) return false;
  std::uint8_t expected = mark(session);
  return owner_[index].compare_exchange_strong(expected, 0, std::memory_order_acq_rel);
}

packet::Packet Buffers::take_over(std::uint16_t session, const BufferRef& ref) {
  if (!release_from(session, ref.index)) return {};
  rte_mbuf* const mbuf = pool_.at(ref.index);
  if (ref.offset > mbuf->buf_len || ref.length > mbuf->buf_len - ref.offset) {
    owner_[ref.index].store(mark(session), std::memory_order_release);
    return {};
  }
  mbuf->data_off = ref.offset;
  mbuf->data_len = ref.length;
  mbuf->pkt_len = ref.length;
  mbuf->nb_segs = 1;
  mbuf->next = nullptr;
  // What its driver said of the packet that it may have brought in.
  mbuf->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
  packet::Packet packet(mbuf);
  packet.reset_meta();
  packet.meta().flags = packet::Meta::kGenerated;
  packet.meta().input_device = packet::kNoDevice;
  return packet;
}

std::uint32_t Buffers::free_returned(std::uint16_t session, std::uint32_t index) {
  if (!release_from(session, index)) return 0;
  rte_mbuf* const mbuf = pool_.at(index);
  const std::uint32_t size = mbuf->buf_len;
  rte_pktmbuf_free_seg(mbuf);
  return size;
}

std::uint32_t Buffers::reclaim(std::uint16_t session) {
  std::uint32_t count = 0;
  for (std::uint32_t index = 0; index < pool_.index_limit(); ++index)
    count += free_returned(session, index) != 0 ? 1 : 0;
  return count;
}

}  // namespace linnet::socket
