// SPDX-License-Identifier: BSD-3-Clause
// Large packets that a port's driver cuts (TSO).
#include "base/checksum.hpp"
#include "device/port.hpp"
#include "device/segmentation.hpp"
#include "wire/pseudo_header.hpp"

namespace linnet::device {
namespace {

constexpr std::uint64_t kNeeded =
    RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;

}  // namespace

// net_tap says it can, and writes wrong checksums for a chain with an odd length in it (22.11).
void Port::choose_segmentation(const rte_eth_dev_info& info) {
  large_buffers_ = 0;
  if (!options_.tso || driver_ == "net_tap") return;
  if ((info.tx_offload_capa & kNeeded) != kNeeded) return;
  // virtio has no such offload: who cuts there is another stack, which writes the IP header anew.
  cut_offloads_ = kNeeded | (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM);
  large_buffers_ = info.tx_desc_lim.nb_seg_max != 0 ? info.tx_desc_lim.nb_seg_max : UINT16_MAX;
}

std::uint64_t Port::segmentation_offloads() const {
  return large_buffers_ != 0 ? cut_offloads_ : 0;
}

// What hardware does with an urgent pointer and CWR differs; both are rare.
bool Port::takes_large(unsigned queue, packet::PacketRef large) {
  constexpr std::uint32_t kLink = sizeof(wire::EthernetHeader);
  rte_mbuf* mbuf = large.mbuf();
  if (mbuf->nb_segs > large_buffers_ || large.shared()) return false;
  const std::uint32_t headers = Segmentation::headers_of(large);
  if (large.contiguous() < kLink + headers || headers + large.piece_payload() > mtu()) return false;
  auto& ip = *large.header<wire::Ipv4Header>(kLink);
  auto& tcp = *large.header<wire::TcpHeader>(kLink + headers - large.transport_header());
  if ((tcp.flags & (wire::tcp_flag::kUrg | wire::tcp_flag::kCwr)) != 0) return false;
  // The driver's part of the work begins with the pseudo header's sum, without the length.
  const ChecksumSum sum = wire::pseudo_header_sum(ip.source, ip.destination, ip.protocol);
  tcp.checksum = be16::from_raw(sum.folded());
  mbuf->l2_len = kLink;
  mbuf->l3_len = (headers - large.transport_header()) & 0x1ff;
  const std::uint64_t before = mbuf->ol_flags;
  mbuf->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
  if ((cut_offloads_ & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0) {
    mbuf->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
    ip.checksum = be16();
  }
  const auto at = static_cast<std::uint16_t>(queue % queues_);
  if (rte_eth_tx_prepare(port(), at, &mbuf, 1) == 1) return true;
  mbuf->ol_flags = before;
  return false;
}

}  // namespace linnet::device
