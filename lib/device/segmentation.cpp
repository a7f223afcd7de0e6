// SPDX-License-Identifier: BSD-3-Clause
#include "device/segmentation.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checksum.hpp"
#include "device/drops.hpp"
#include "wire/pseudo_header.hpp"

namespace linnet::device {
namespace {

using packet::Packet;
using packet::Pool;
using packet::Turn;
namespace flag = wire::tcp_flag;

bool unshared(const rte_mbuf* buffer) {
  return rte_mbuf_refcnt_read(buffer) == 1;
}

}  // namespace

std::uint32_t Segmentation::headers_of(packet::PacketRef large) {
  const packet::Meta& meta = large.meta();
  return static_cast<std::uint32_t>(meta.transport_offset - meta.network_offset) +
         large.transport_header();
}

Segmentation::Segmentation(Turn& turn, Packet&& large, std::uint32_t link_header)
    : turn_(turn), large_(std::move(large)), link_(link_header), all_(link_ + headers_of(large_)) {
  LINNET_CHECK_OP(all_, <=, kMostHeaders);
  if (large_.contiguous() < all_ && !large_.gather(all_, turn.pool)) [[unlikely]] {
    fail();
    return;
  }
  ip_ = all_ - link_ - large_.transport_header();
  each_ = large_.piece_payload();
  LINNET_CHECK_OP(each_, >, 0u);
  left_ = large_.length() - all_;
  at_ = large_.mbuf();
  offset_ = all_;
  std::memcpy(headers_.data(), large_.data(), all_);
  const auto& tcp = header_at<wire::TcpHeader>(link_ + ip_);
  flags_ = tcp.flags;
  urgent_ = (flags_ & flag::kUrg) != 0 ? tcp.urgent.host() : std::uint16_t{0};
}

void Segmentation::fail() {
  failed_ = true;
  turn_.drop(std::move(large_), Drop::SegmentNoBuffer);
}

Packet Segmentation::next() {
  if (!large_) return {};
  const std::uint32_t count = std::min(each_, left_);
  Packet piece = turn_.pool.allocate();
  if (piece) {
    std::byte* const room = piece.put(all_);
    LINNET_CHECK(room != nullptr);
    if (!take_payload(piece, count)) rte_pktmbuf_free(piece.release());
  }
  if (!piece) {
    fail();
    return {};
  }
  turn_.ledger.generated.add();
  finish(piece, count);
  left_ -= count;
  done_ += count;
  if (left_ == 0) turn_.deliver(std::move(large_));
  return piece;
}

// Little data is put behind the headers, more is moved over or referred to. False: no buffer.
bool Segmentation::take_payload(Packet& piece, std::uint32_t count) {
  if (count <= packet::kCopied && count <= piece.tailroom()) {
    copy_payload(piece, count);
    return true;
  }
  packet::Chain chain(piece);
  while (count != 0) {
    const std::uint32_t here = std::min(count, at_->data_len - offset_);
    const bool rest = here == at_->data_len - offset_;
    if (rest && here != 0 && before_ != nullptr && unshared(at_)) {
      move_buffer(chain);
    } else {
      if (here != 0 && !chain.refer(turn_.pool, at_, offset_, here)) return false;
      offset_ += here;
      if (rest) pass_buffer();
    }
    count -= here;
  }
  return true;
}

void Segmentation::copy_payload(Packet& piece, std::uint32_t count) {
  while (count != 0) {
    const std::uint32_t here = std::min(count, at_->data_len - offset_);
    std::memcpy(piece.put(here), packet::PacketRef(at_).data() + offset_, here);
    offset_ += here;
    count -= here;
    if (offset_ == at_->data_len) pass_buffer();
  }
}

// All of the buffer is in pieces; it stays in the large packet.
void Segmentation::pass_buffer() {
  before_ = at_;
  at_ = at_->next;
  offset_ = 0;
}

// The rest of the buffer goes into the piece, with the buffer itself.
void Segmentation::move_buffer(packet::Chain& chain) {
  rte_mbuf* const moved = at_;
  at_ = moved->next;
  before_->next = std::exchange(moved->next, nullptr);
  --large_.mbuf()->nb_segs;
  large_.mbuf()->pkt_len -= moved->data_len;
  moved->data_off = static_cast<std::uint16_t>(moved->data_off + offset_);
  moved->data_len = static_cast<std::uint16_t>(moved->data_len - offset_);
  offset_ = 0;
  chain.append(moved);
}

// Writes the headers of the piece that carries `count` bytes, and makes those of the next one.
void Segmentation::finish(Packet& piece, std::uint32_t count) {
  auto& ip = header_at<wire::Ipv4Header>(link_);
  auto& tcp = header_at<wire::TcpHeader>(link_ + ip_);
  const std::uint32_t tcp_length = all_ - link_ - ip_ + count;
  ip.total_length = be16(static_cast<std::uint16_t>(ip_ + tcp_length));
  ip.checksum = be16();
  ip.checksum = ip_ == sizeof ip ? ipv4_header_checksum20(&ip)
                                 : internet_checksum({headers_.data() + link_, ip_});
  tcp.flags = flags_;
  if (count != left_) tcp.flags &= static_cast<std::uint8_t>(~(flag::kFin | flag::kPsh));
  if (done_ != 0) tcp.flags &= static_cast<std::uint8_t>(~flag::kCwr);
  if (urgent_ > done_) {
    tcp.urgent = be16(static_cast<std::uint16_t>(urgent_ - done_));
  } else if (done_ != 0 && (flags_ & flag::kUrg) != 0) {
    tcp.urgent = be16();
    tcp.flags &= static_cast<std::uint8_t>(~flag::kUrg);
  }
  tcp.checksum = be16();
  ChecksumSum sum = wire::pseudo_header_sum(ip.source, ip.destination, ip.protocol);
  sum.add_host(static_cast<std::uint16_t>(tcp_length));
  sum.add({headers_.data() + link_ + ip_, all_ - link_ - ip_});
  sum.add(be16::from_raw(piece.checksum_sum(all_, count)));
  tcp.checksum = sum.checksum();
  std::memcpy(piece.data(), headers_.data(), all_);

  packet::Meta& meta = piece.meta();
  meta = large_.meta();
  meta.link_offset = piece.data_offset();
  meta.network_offset = static_cast<std::uint16_t>(meta.link_offset + link_);
  meta.transport_offset = static_cast<std::uint16_t>(meta.network_offset + ip_);
  tcp.sequence = be32(tcp.sequence.host() + count);
  if (!ip.dont_fragment()) ip.id = be16(static_cast<std::uint16_t>(ip.id.host() + 1));
}

}  // namespace linnet::device
