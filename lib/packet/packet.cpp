// SPDX-License-Identifier: BSD-3-Clause
#include "packet/packet.hpp"

#include <algorithm>
#include <cstring>

#include "base/checksum.hpp"
#include "packet/pool.hpp"

namespace linnet::packet {

void Packet::leaked() const {
  check_failed(__FILE__, __LINE__, "a packet was lost: its handle was destroyed while it held one");
}

void PacketRef::rewind_to(std::uint16_t buffer_offset) const {
  const int back = int{mbuf_->data_off} - int{buffer_offset};
  LINNET_CHECK_OP(-back, <=, static_cast<int>(contiguous()));
  mbuf_->data_off = buffer_offset;
  mbuf_->data_len = static_cast<std::uint16_t>(mbuf_->data_len + back);
  mbuf_->pkt_len = static_cast<std::uint32_t>(static_cast<int>(mbuf_->pkt_len) + back);
}

std::byte* PacketRef::put_last(std::uint32_t n) const {
  rte_mbuf* const last = rte_pktmbuf_lastseg(mbuf_);
  if (rte_mbuf_refcnt_read(last) > 1 || !RTE_MBUF_DIRECT(last)) return nullptr;
  if (n > 65535) return nullptr;
  char* const bytes = rte_pktmbuf_append(mbuf_, static_cast<std::uint16_t>(n));
  if (bytes != nullptr) bytes_in_use(bytes, n);
  return reinterpret_cast<std::byte*>(bytes);
}

std::uint32_t PacketRef::tailroom_of_last() const {
  const rte_mbuf* const last = rte_pktmbuf_lastseg(mbuf_);
  if (rte_mbuf_refcnt_read(last) > 1 || !RTE_MBUF_DIRECT(last)) return 0;
  return rte_pktmbuf_tailroom(last);
}

void Packet::chain(Packet&& tail) const {
  rte_mbuf* first = tail.release();
  const std::uint32_t bytes = first->pkt_len;
  unsigned count = first->nb_segs;
  if (first->data_len == 0 && first->next != nullptr) {
    rte_mbuf* const rest = std::exchange(first->next, nullptr);
    first->nb_segs = 1;
    rte_pktmbuf_free_seg(first);
    first = rest;
    --count;
  }
  LINNET_CHECK_OP(mbuf_->nb_segs + count, <=, 65535u);
  rte_pktmbuf_lastseg(mbuf_)->next = first;
  mbuf_->nb_segs = static_cast<std::uint16_t>(mbuf_->nb_segs + count);
  mbuf_->pkt_len += bytes;
}

void PacketRef::trim_chain(std::uint32_t new_length) const {
  rte_mbuf* segment = mbuf_;
  std::uint32_t left = new_length;
  std::uint16_t count = 1;
  while (left > segment->data_len && segment->next != nullptr) {
    left -= segment->data_len;
    segment = segment->next;
    ++count;
  }
  // The buffer's other users may still need what this packet gives up.
  if (rte_mbuf_refcnt_read(segment) == 1 && RTE_MBUF_DIRECT(segment))
    bytes_out_of_use(rte_pktmbuf_mtod_offset(segment, char*, left), segment->data_len - left);
  segment->data_len = static_cast<std::uint16_t>(left);
  rte_pktmbuf_free(std::exchange(segment->next, nullptr));
  mbuf_->nb_segs = count;
  mbuf_->pkt_len = new_length;
}

void Packet::skip(std::uint32_t n) {
  LINNET_CHECK_OP(n, <=, length());
  while (n >= mbuf_->data_len && mbuf_->next != nullptr) {
    n -= mbuf_->data_len;
    rte_mbuf* const rest = std::exchange(mbuf_->next, nullptr);
    rest->pkt_len = mbuf_->pkt_len - mbuf_->data_len;
    rest->nb_segs = static_cast<std::uint16_t>(mbuf_->nb_segs - 1);
    mbuf_->nb_segs = 1;
    PacketRef(rest).meta() = meta();
    rte_pktmbuf_free_seg(std::exchange(mbuf_, rest));
  }
  pull(n);
}

bool Packet::gather_slow(std::uint32_t n, Pool& pool) {
  if (n > length()) return false;
  // A fresh first segment takes the front bytes; the old segments keep what is behind them.
  Packet front = pool.allocate();
  if (!front) return false;
  rte_mbuf* const fresh = front.mbuf();
  if (n > rte_pktmbuf_tailroom(fresh)) {
    rte_pktmbuf_free(front.release());
    return false;
  }
  const Meta saved = meta();
  const int shift = int{fresh->data_off} - int{mbuf_->data_off};
  copy_out(0, {reinterpret_cast<std::byte*>(rte_pktmbuf_mtod(fresh, char*)), n});
  fresh->data_len = static_cast<std::uint16_t>(n);
  fresh->port = mbuf_->port;
  fresh->ol_flags |= mbuf_->ol_flags & ~(RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL);
  fresh->tx_offload = mbuf_->tx_offload;
  // The old mbufs lose the first n bytes; those that become empty are freed. A shared segment's
  // bytes are not touched: only our own reference's offsets move.
  rte_mbuf* rest = release();
  const std::uint32_t total = rest->pkt_len;
  std::uint32_t left = n;
  while (rest != nullptr && left >= rest->data_len) {
    left -= rest->data_len;
    rte_mbuf* const next = std::exchange(rest->next, nullptr);
    rest->nb_segs = 1;
    rte_pktmbuf_free_seg(rest);
    rest = next;
  }
  std::uint16_t count = 1;
  if (rest != nullptr) {
    rest->data_off = static_cast<std::uint16_t>(rest->data_off + left);
    rest->data_len = static_cast<std::uint16_t>(rest->data_len - left);
    for (const rte_mbuf* s = rest; s != nullptr; s = s->next)
      ++count;
  }
  fresh->next = rest;
  fresh->nb_segs = count;
  fresh->pkt_len = total;
  mbuf_ = front.release();
  // Remembered positions move with the data. What was pulled before (the link header) is not in the
  // fresh buffer any more; its offset still names headroom, which no one reads as a header.
  meta() = saved;
  auto move = [shift](std::uint16_t& offset) {
    if (offset != 0) offset = static_cast<std::uint16_t>(std::max(0, int{offset} + shift));
  };
  move(meta().link_offset);
  move(meta().network_offset);
  move(meta().transport_offset);
  return true;
}

bool Packet::make_headroom(std::uint32_t n, Pool& pool) {
  if (n <= mbuf_->data_off && !shared()) return true;
  if (n > RTE_PKTMBUF_HEADROOM) return false;
  // Gathering moves the front bytes into a fresh buffer, which has full headroom.
  return gather_slow(std::min<std::uint32_t>(length(), 64), pool);
}

bool PacketRef::copy_out_of_chain(std::uint32_t offset, std::span<std::byte> out) const {
  if (std::uint64_t{offset} + out.size() > length()) return false;
  const rte_mbuf* segment = mbuf_;
  while (segment != nullptr && offset >= segment->data_len) {
    offset -= segment->data_len;
    segment = segment->next;
  }
  std::size_t done = 0;
  while (done < out.size()) {
    if (segment == nullptr) return false;
    const std::size_t n = std::min<std::size_t>(segment->data_len - offset, out.size() - done);
    std::memcpy(out.data() + done, rte_pktmbuf_mtod_offset(segment, const char*, offset), n);
    done += n;
    offset = 0;
    segment = segment->next;
  }
  return true;
}

bool PacketRef::copy_in(std::uint32_t offset, std::span<const std::byte> bytes) const {
  if (std::uint64_t{offset} + bytes.size() > length()) return false;
  rte_mbuf* segment = mbuf_;
  while (segment != nullptr && offset >= segment->data_len) {
    offset -= segment->data_len;
    segment = segment->next;
  }
  std::size_t done = 0;
  while (done < bytes.size()) {
    if (segment == nullptr || rte_mbuf_refcnt_read(segment) > 1 || !RTE_MBUF_DIRECT(segment))
      return false;
    const std::size_t n = std::min<std::size_t>(segment->data_len - offset, bytes.size() - done);
    std::memcpy(rte_pktmbuf_mtod_offset(segment, char*, offset), bytes.data() + done, n);
    done += n;
    offset = 0;
    segment = segment->next;
  }
  return true;
}

std::uint16_t PacketRef::checksum_sum(std::uint32_t offset, std::uint32_t count) const {
  LINNET_CHECK_OP(std::uint64_t{offset} + count, <=, std::uint64_t{length()});
  const rte_mbuf* segment = mbuf_;
  ChecksumSum sum;
  if (std::uint64_t{offset} + count <= segment->data_len) [[likely]] {
    sum.add({rte_pktmbuf_mtod_offset(segment, const std::byte*, offset), count});
    return sum.folded();
  }
  while (count > 0 && offset >= segment->data_len) {
    offset -= segment->data_len;
    segment = segment->next;
  }
  std::size_t done = 0;
  while (done < count) {
    const std::size_t n = std::min<std::size_t>(segment->data_len - offset, count - done);
    sum.add_at({rte_pktmbuf_mtod_offset(segment, const std::byte*, offset), n}, done);
    done += n;
    offset = 0;
    segment = segment->next;
  }
  return sum.folded();
}

Packet PacketRef::clone(Pool& pool) const {
  rte_mbuf* const twin = rte_pktmbuf_clone(mbuf_, pool.raw());
  if (twin == nullptr) return Packet();
  Packet out(twin);
  out.meta() = meta();
  return out;
}

Packet PacketRef::copy(Pool& pool, std::uint32_t offset, std::uint32_t count) const {
  LINNET_CHECK_OP(std::uint64_t{offset} + count, <=, std::uint64_t{length()});
  rte_mbuf* const twin = rte_pktmbuf_copy(mbuf_, pool.raw(), offset, count);
  if (twin == nullptr) return Packet();
  Packet out(twin);
  out.meta() = meta();
  return out;
}

std::uint32_t PacketRef::truesize_of_chain() const {
  std::uint32_t bytes = 0;
  for (const rte_mbuf* s = mbuf_; s != nullptr; s = s->next)
    bytes += s->buf_len;
  return bytes;
}

bool PacketRef::consistent() const {
  std::uint32_t bytes = 0;
  unsigned count = 0;
  for (const rte_mbuf* s = mbuf_; s != nullptr; s = s->next) {
    if (s->data_off > s->buf_len || s->data_len > s->buf_len - s->data_off) return false;
    bytes += s->data_len;
    if (++count > mbuf_->nb_segs) return false;
  }
  return bytes == mbuf_->pkt_len && count == mbuf_->nb_segs;
}

}  // namespace linnet::packet
