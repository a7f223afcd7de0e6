// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <utility>

#include "packet/packet.hpp"
#include "packet/pool.hpp"

namespace linnet::packet {

// A second buffer costs more than to copy so little (bytes).
inline constexpr std::uint32_t kCopied = 256;

// Puts buffers behind a packet one by one: it remembers the last.
class Chain {
 public:
  explicit Chain(PacketRef packet)
      : head_(packet.mbuf()), last_(rte_pktmbuf_lastseg(packet.mbuf())) {}

  // Takes over a buffer that is in no chain.
  void append(rte_mbuf* buffer) {
    last_->next = buffer;
    last_ = buffer;
    LINNET_CHECK_OP(head_->nb_segs, <, 65535);
    ++head_->nb_segs;
    head_->pkt_len += buffer->data_len;
  }
  // Refers to `count` bytes that lie in `buffer` from data() + `offset` on, which stay shared.
  // False: no buffer.
  [[nodiscard]] bool refer(Pool& pool, rte_mbuf* buffer, std::uint32_t offset,
                           std::uint32_t count) {
    Packet reference = pool.allocate();
    if (!reference) [[unlikely]]
      return false;
    rte_mbuf* const twin = reference.release();
    rte_pktmbuf_attach(twin, buffer);
    twin->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
    twin->data_off = static_cast<std::uint16_t>(buffer->data_off + offset);
    twin->data_len = static_cast<std::uint16_t>(count);
    append(twin);
    return true;
  }

 private:
  rte_mbuf* head_;
  rte_mbuf* last_;
};

}  // namespace linnet::packet
