// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/time_wait.hpp"

#include <gtest/gtest.h>

namespace linnet::tcp {
namespace {

class TimeWaiting : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  TimeWaiting() {
    left_.send_next = Seq(GetParam() + 5000);
    left_.receive_next = Seq(GetParam());
    left_.receive_window = 65536;
    left_.local_scale = 7;
    left_.timestamps = true;
    left_.ts_recent = GetParam();
    left_.ts_recent_at = now_;
    left_.ts_offset = 40;
    left_.expires = now_ + time::Duration::seconds(60);
    entry_ = TimeWaitEntry(left_);
  }
  Segment segment(std::uint8_t flags, std::uint32_t seq_offset, std::int32_t ts_offset) const {
    Segment out;
    out.flags = flags;
    out.seq = left_.receive_next + seq_offset;
    out.ack = left_.send_next;
    out.options.has_timestamps = true;
    out.options.ts_value = left_.ts_recent + static_cast<std::uint32_t>(ts_offset);
    return out;
  }
  TimeWaitVerdict input(const Segment& segment) {
    return entry_.input(segment, settings_, now_, answer_);
  }
  void wait_ms(std::int64_t n) { now_ = now_ + time::Duration::milliseconds(n); }

  Settings settings_;
  time::Instant now_ = time::Instant::from_ns(9'000'000'000);
  TimeWait left_;
  TimeWaitEntry entry_{left_};
  SegmentOut answer_;
};
INSTANTIATE_TEST_SUITE_P(Starts, TimeWaiting, ::testing::Values(1u, 0u - 1u, 0x7fffffffu));

TEST_P(TimeWaiting, T14_AResetChangesNothing) {
  for (const std::uint32_t at : {0u, 1u, 100u, 0xffffffffu}) {
    EXPECT_EQ(input(segment(flag::kRst, at, 1)), TimeWaitVerdict::Ignore);
    EXPECT_EQ(input(segment(flag::kRst | flag::kAck, at, 1)), TimeWaitVerdict::Ignore);
  }
  EXPECT_EQ(entry_.deadline(), left_.expires);
  settings_.tcp_rfc1337 = 0;
  EXPECT_EQ(input(segment(flag::kRst, 1, 1)), TimeWaitVerdict::Ignore);
  EXPECT_EQ(input(segment(flag::kRst, 0, -1)), TimeWaitVerdict::Ignore);
  EXPECT_EQ(input(segment(flag::kRst, 0, 1)), TimeWaitVerdict::Remove);
}

TEST_P(TimeWaiting, T14_ARepeatedFinIsAcknowledgedAndWaitedForAgain) {
  wait_ms(10'000);
  EXPECT_EQ(input(segment(flag::kFin | flag::kAck, 0xffffffff, 0)), TimeWaitVerdict::Answer);
  EXPECT_EQ(answer_.flags, flag::kAck);
  EXPECT_EQ(answer_.seq, left_.send_next);
  EXPECT_EQ(answer_.ack, left_.receive_next);
  EXPECT_EQ(answer_.window, 512);
  EXPECT_EQ(answer_.options.ts_value, timestamp_at(now_, 40));
  EXPECT_EQ(entry_.deadline(), now_ + time::Duration::seconds(60));
}

TEST_P(TimeWaiting, T14_OldDuplicatesAreAnsweredAtALimitedRate) {
  int answers = 0;
  for (int i = 0; i < 1000; ++i) {
    Segment old = segment(flag::kAck, 0u - 3000u, -50);
    old.payload_length = 1000;
    answers += input(old) == TimeWaitVerdict::Answer ? 1 : 0;
    wait_ms(1);
  }
  EXPECT_EQ(answers, 2);
}

TEST_P(TimeWaiting, T14_BareAcksAreNotAnswered) {
  EXPECT_EQ(input(segment(flag::kAck, 0, 5)), TimeWaitVerdict::Ignore);
}

TEST_P(TimeWaiting, T14_ASynThatIsProvablyNewerOpensAgain) {
  EXPECT_EQ(input(segment(flag::kSyn, 1, 0)), TimeWaitVerdict::Reuse);
  EXPECT_EQ(input(segment(flag::kSyn, 0u - 9000u, 1)), TimeWaitVerdict::Reuse);
  EXPECT_EQ(input(segment(flag::kSyn, 9000, -1)), TimeWaitVerdict::Answer);
  wait_ms(500);
  EXPECT_EQ(input(segment(flag::kSyn, 0, 0)), TimeWaitVerdict::Answer);
  wait_ms(500);
  EXPECT_EQ(input(segment(flag::kSyn | flag::kAck, 9000, 9)), TimeWaitVerdict::Answer);
  EXPECT_TRUE(entry_.next_initial().after(left_.send_next + 65535));
}

TEST_P(TimeWaiting, ConnectTakesItOverOnlyWithTimestampsAndAfterTheDelay) {
  wait_ms(1000);
  EXPECT_FALSE(entry_.may_reuse(settings_, now_));
  wait_ms(1);
  EXPECT_TRUE(entry_.may_reuse(settings_, now_));
  settings_.tcp_tw_reuse = 0;
  EXPECT_FALSE(entry_.may_reuse(settings_, now_));
  settings_.tcp_tw_reuse = 1;
  left_.timestamps = false;
  EXPECT_FALSE(TimeWaitEntry(left_).may_reuse(settings_, now_));
}

}  // namespace
}  // namespace linnet::tcp
