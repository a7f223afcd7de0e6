// SPDX-License-Identifier: BSD-3-Clause
#include "support/layouts.hpp"

#include <cstring>

#include "base/check.hpp"

namespace linnet::tests {
namespace {

// A buffer of `count` bytes of the frame at `at`.
rte_mbuf* one_piece(rte_mempool* pool, const Bytes& frame, std::size_t at, std::size_t count,
                    unsigned headroom) {
  rte_mbuf* const mbuf = rte_pktmbuf_alloc(pool);
  if (mbuf == nullptr) return nullptr;
  mbuf->data_off = static_cast<std::uint16_t>(headroom);
  LINNET_CHECK_OP(headroom + count, <=, mbuf->buf_len);
  if (count > 0) std::memcpy(rte_pktmbuf_mtod(mbuf, void*), frame.data() + at, count);
  mbuf->data_len = static_cast<std::uint16_t>(count);
  mbuf->pkt_len = static_cast<std::uint32_t>(count);
  return mbuf;
}

bool append(rte_mbuf*& chain, rte_mbuf* piece) {
  if (piece == nullptr) {
    rte_pktmbuf_free(chain);
    chain = nullptr;
    return false;
  }
  if (chain == nullptr) {
    chain = piece;
    return true;
  }
  LINNET_CHECK_OP(rte_pktmbuf_chain(chain, piece), ==, 0);
  return true;
}

std::vector<std::size_t> lengths_of(const Layout& layout, std::size_t total) {
  std::vector<std::size_t> out;
  std::size_t at = 0;
  for (const unsigned piece : layout.pieces) {
    const std::size_t count = std::min<std::size_t>(piece, total - at);
    out.push_back(count);
    at += count;
  }
  const std::size_t rest = layout.repeat != 0 ? layout.repeat : total;
  while (at < total) {
    // A chain has at most 64 pieces: what is left then lies in the last one.
    const std::size_t count = out.size() >= 60 ? total - at : std::min(rest, total - at);
    out.push_back(count);
    at += count;
  }
  return out;
}

}  // namespace

std::vector<Layout> all_layouts() {
  std::vector<Layout> out;
  out.push_back({.name = "one piece"});
  // The Ethernet header, the IPv4 header's fields and end, the transport header's end.
  for (const unsigned cut : {1u,  6u,  12u, 13u, 14u, 15u, 16u, 18u, 22u, 26u,
                             30u, 33u, 34u, 35u, 38u, 41u, 42u, 43u, 54u, 60u})
    out.push_back({.name = "cut at " + std::to_string(cut), .pieces = {cut}});
  out.push_back({.name = "headers apart", .pieces = {14, 20, 8}});
  out.push_back({.name = "every byte of the headers", .pieces = std::vector<unsigned>(42, 1)});
  out.push_back({.name = "an empty piece first", .pieces = {0}});
  out.push_back({.name = "empty pieces between", .pieces = {14, 0, 20, 0, 0, 8, 0}});
  for (const unsigned length : {1u, 2u, 3u, 7u, 13u, 31u, 64u})
    out.push_back({.name = "pieces of " + std::to_string(length), .repeat = length});
  out.push_back({.name = "no headroom", .headroom = 0});
  out.push_back({.name = "one byte of headroom", .headroom = 1});
  out.push_back({.name = "13 bytes of headroom", .headroom = 13});
  out.push_back({.name = "shared", .shared = true});
  out.push_back({.name = "shared, cut at 34", .pieces = {34}, .shared = true});
  out.push_back({.name = "indirect", .indirect = true});
  out.push_back({.name = "indirect, cut at 20", .pieces = {20}, .indirect = true});
  return out;
}

rte_mbuf* lay_out(rte_mempool* pool, const Bytes& frame, const Layout& layout,
                  std::vector<rte_mbuf*>& keep) {
  rte_mbuf* chain = nullptr;
  std::size_t at = 0;
  for (const std::size_t count : lengths_of(layout, frame.size())) {
    if (!append(chain, one_piece(pool, frame, at, count, layout.headroom))) return nullptr;
    at += count;
  }
  if (layout.indirect) {
    rte_mbuf* const clone = rte_pktmbuf_clone(chain, pool);
    rte_pktmbuf_free(chain);
    return clone;
  }
  if (layout.shared) {
    rte_mbuf* const clone = rte_pktmbuf_clone(chain, pool);
    LINNET_CHECK(clone != nullptr);
    keep.push_back(clone);
  }
  return chain;
}

rte_mbuf* lay_out_plainly(rte_mempool* pool, const Bytes& frame) {
  const std::size_t room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
  rte_mbuf* chain = nullptr;
  for (std::size_t at = 0; at < frame.size() || chain == nullptr; at += room) {
    const std::size_t count = std::min(room, frame.size() - at);
    if (!append(chain, one_piece(pool, frame, at, count, RTE_PKTMBUF_HEADROOM))) return nullptr;
  }
  return chain;
}

}  // namespace linnet::tests
