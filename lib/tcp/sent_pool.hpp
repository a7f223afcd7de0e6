// SPDX-License-Identifier: BSD-3-Clause
// Records of sent ranges: one slab a lane, taken when it is made, so that no ACK can make the heap
// grow. A record stands for a range that was sent at one time and has one fate.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <memory>

#include "base/check.hpp"
#include "tcp/sequence.hpp"
#include "time/instant.hpp"

namespace linnet::tcp {

enum class SentState : std::uint8_t {
  Outstanding,  // in flight as far as anybody knows
  Sacked,       // the peer has it
  Lost,         // waits to be sent again
};

namespace detail {
namespace intrusive = boost::intrusive;
using TreeHook = intrusive::set_member_hook<intrusive::link_mode<intrusive::safe_link>,
                                            intrusive::optimize_size<true>>;
using ListHook = intrusive::list_member_hook<intrusive::link_mode<intrusive::safe_link>>;
}  // namespace detail

// Of the connection when something was sent (draft-cheng-iccrg-delivery-rate-estimation 3.2).
struct SentStamp {
  time::Instant first_sent{}, delivered_at{};
  std::uint64_t delivered = 0;
  bool app_limited = false;
};

struct SentRecord {
  SeqRange range{};
  SentState state = SentState::Outstanding;
  bool retransmitted = false;  // ever (Karn)
  bool app_limited = false;
  time::Instant sent{};  // the last time
  // SentStamp of the last time.
  time::Instant first_sent{}, delivered_at{};
  std::uint64_t delivered = 0;

  detail::TreeHook by_sequence;  // always
  detail::TreeHook by_loss;      // Lost: the same order
  detail::ListHook by_time;      // Outstanding: in the order of sending
};

class SentPool {
 public:
  // `capacity` records of 112 bytes; a connection needs one for what it sends in one turn and one
  // for each hole that the peer reports.
  explicit SentPool(std::uint32_t capacity);
  ~SentPool();  // every record must be back
  SentPool(const SentPool&) = delete;
  SentPool& operator=(const SentPool&) = delete;

  std::uint32_t available() const { return available_; }
  std::uint32_t capacity() const { return capacity_; }
  // A fresh record; nullptr: none is left.
  SentRecord* take() {
    if (available_ == 0) return nullptr;
    return &records_[free_[--available_]];
  }
  void give_back(SentRecord& record) {
    LINNET_CHECK_OP(available_, <, capacity_);
    record.state = SentState::Outstanding;
    record.retransmitted = record.app_limited = false;
    free_[available_++] = static_cast<std::uint32_t>(&record - records_.get());
  }

 private:
  std::uint32_t capacity_, available_;
  std::unique_ptr<SentRecord[]> records_;
  std::unique_ptr<std::uint32_t[]> free_;
};

}  // namespace linnet::tcp
