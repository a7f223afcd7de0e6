// SPDX-License-Identifier: BSD-3-Clause
// The blocks that our ACKs report: the newest first (RFC 2018 section 4), and once the range of a
// duplicate before them (RFC 2883). Linux: tcp_sack_new_ofo_skb, tcp_dsack_set.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "tcp/segment.hpp"
#include "tcp/sequence.hpp"

namespace linnet::tcp {

class SackList {
 public:
  // A range beyond the hole is here now: joins what it touches and goes to the front.
  void add(SeqRange range) {
    unsigned kept = 0;
    for (unsigned i = 0; i < count_; ++i) {
      const SeqRange block = blocks_[i];
      if (block.begin.at_or_before(range.end) && range.begin.at_or_before(block.end)) {
        range = {earlier(range.begin, block.begin), later(range.end, block.end)};
      } else {
        blocks_[kept++] = block;
      }
    }
    kept = std::min(kept, kMost - 1);
    std::copy_backward(blocks_.begin(), blocks_.begin() + kept, blocks_.begin() + kept + 1);
    blocks_[0] = range;
    count_ = static_cast<std::uint8_t>(kept + 1);
  }
  // All before `next` is in order.
  void advance(Seq next) {
    unsigned kept = 0;
    for (unsigned i = 0; i < count_; ++i)
      if (blocks_[i].end.after(next))
        blocks_[kept++] = {later(blocks_[i].begin, next), blocks_[i].end};
    count_ = static_cast<std::uint8_t>(kept);
  }
  // What lies at or behind `from` was thrown away.
  void cut(Seq from) {
    unsigned kept = 0;
    for (unsigned i = 0; i < count_; ++i)
      if (blocks_[i].begin.before(from))
        blocks_[kept++] = {blocks_[i].begin, earlier(blocks_[i].end, from)};
    count_ = static_cast<std::uint8_t>(kept);
  }
  void clear() { count_ = 0; }
  void duplicate(SeqRange range) {
    duplicate_ = range;
    has_duplicate_ = true;
  }
  // The lowest part of `range` that is here already; empty, if none is.
  SeqRange overlap(SeqRange range) const {
    SeqRange found{range.end, range.end};
    for (unsigned i = 0; i < count_; ++i) {
      const SeqRange both{later(blocks_[i].begin, range.begin), earlier(blocks_[i].end, range.end)};
      if (both.begin.before(both.end) && both.begin.before(found.begin)) found = both;
    }
    return found;
  }
  void clear_duplicate() { has_duplicate_ = false; }
  bool empty() const { return count_ == 0 && !has_duplicate_; }
  unsigned count(unsigned room) const {
    return std::min<unsigned>(room, count_ + (has_duplicate_ ? 1u : 0u));
  }

  // At most `room` blocks into the options of an ACK.
  void write(SegmentOptions& options, unsigned room) const {
    unsigned n = 0;
    room = std::min<unsigned>(room, SegmentOptions::kMaxSackBlocks);
    if (has_duplicate_ && n < room) options.sack[n++] = duplicate_;
    for (unsigned i = 0; i < count_ && n < room; ++i)
      options.sack[n++] = blocks_[i];
    options.sack_count = static_cast<std::uint8_t>(n);
  }

 private:
  static constexpr unsigned kMost = SegmentOptions::kMaxSackBlocks;
  std::array<SeqRange, kMost> blocks_{};
  SeqRange duplicate_{};
  std::uint8_t count_ = 0;
  bool has_duplicate_ = false;
};

}  // namespace linnet::tcp
