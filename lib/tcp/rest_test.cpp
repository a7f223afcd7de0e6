// SPDX-License-Identifier: BSD-3-Clause
// A connection that rests and wakes between two bursts goes on as its twin that never rested: the
// same segments at the same times, the same TCP_INFO.
#include <sstream>

#include "tcp/connection_fixture.hpp"

namespace linnet::tcp::tests {
namespace {

struct RestPlan {
  const char* control;
  unsigned loss, reorder;  // of 1000
  bool timestamps, ecn;
  unsigned least;  // rests that must come to be, of kBursts
};

void write_info(std::ostream& out, const Info& info) {
  out << unsigned{info.state} << ' ' << unsigned{info.ca_state} << ' ' << unsigned{info.retransmits}
      << ' ' << unsigned{info.options} << " rto " << info.rto << " ato " << info.ato << " mss "
      << info.snd_mss << '/' << info.rcv_mss << " lost " << info.lost << " rtt " << info.rtt << '/'
      << info.rttvar << " cwnd " << info.snd_cwnd << '/' << info.snd_ssthresh << " reordering "
      << info.reordering << " rcv " << info.rcv_rtt << ' ' << info.rcv_space << ' '
      << info.rcv_ssthresh << " retrans " << info.total_retrans << " acked " << info.bytes_acked
      << ' ' << info.bytes_received << " segs " << info.segs_out << ' ' << info.segs_in << ' '
      << info.data_segs_in << ' ' << info.data_segs_out << " min " << info.min_rtt << " rate "
      << info.delivery_rate << " busy " << info.busy_time << ' ' << info.rwnd_limited
      << " delivered " << info.delivered << ' ' << info.delivered_ce << " sent " << info.bytes_sent
      << ' ' << info.bytes_retrans << ' ' << info.dsack_dups << ' ' << info.reord_seen << " wnd "
      << info.snd_wnd << " last " << info.last_data_sent << ' ' << info.last_data_recv << ' '
      << info.last_ack_recv << " pacing " << info.pacing_rate << '\n';
}

class TwinRun : public PairFixture {
 public:
  static constexpr unsigned kBursts = 40;
  void TestBody() override {}

  std::string run_bursts(const RestPlan& plan, bool rests) {
    for (Side* side : {&a_, &b_}) {
      side->options.congestion_control = find_congestion_control(plan.control);
      side->options.keep_alive = true;
      side->options.keep_idle = 1;
      side->settings.tcp_timestamps = plan.timestamps ? 1 : 0;
      side->settings.tcp_ecn = plan.ecn ? 1 : 0;
    }
    establish();
    run(Duration::milliseconds(500));
    watch(a_, ab_, b_);
    watch(b_, ba_, a_);
    for (unsigned i = 0; i < kBursts; ++i) {
      ab_.loss = ba_.loss = plan.loss;
      ab_.reorder = ba_.reorder = plan.reorder;
      ab_.mark_congestion = plan.ecn && i % 8 == 3;
      a_.to_write += random_.below(i % 5 == 0 ? 100'000 : 4'000);
      if (i % 3 != 0) b_.to_write += random_.below(20'000);
      run(Duration::milliseconds(static_cast<std::int64_t>(200 + random_.below(3000))));
      for (Side* side : {&a_, &b_}) {
        log_ << described(*side);
        if (rests) rest(*side);
      }
    }
    run(Duration::seconds(60));
    EXPECT_EQ(a_.wrong + b_.wrong, 0u);
    EXPECT_EQ(a_.read, b_.to_write);
    EXPECT_EQ(b_.read, a_.to_write);
    for (const Side* side : {&a_, &b_})
      for (const Count what : {Count::TCPTimeouts, Count::TCPLossProbes, Count::TCPKeepAlive,
                               Count::DelayedACKs, Count::CurrEstab})
        log_ << side->count(what) << ' ';
    return log_.str();
  }
  unsigned rested() const { return rested_; }

 private:
  std::string described(const Side& side) {
    Info info{};
    side.connection->info(clock_.now(), info);
    std::ostringstream out;
    write_info(out, info);
    return out.str();
  }
  void watch(Side& from, Direction& way, Side& to) {
    from.on_sent = [this, &from, &way, &to](packet::Turn& turn, Wire& wire) {
      log_ << from.name << ' ' << turn.now.since_origin_ns() << ' ' << wire.head.seq.value() << ' '
           << wire.head.ack.value() << ' ' << unsigned{wire.head.flags} << ' ' << wire.head.window
           << ' ' << wire.data.size() << ' ' << wire.head.options.ts_value << ' '
           << wire.head.options.ts_echo << ' ' << unsigned{wire.head.options.sack_count} << ' '
           << static_cast<unsigned>(wire.head.ecn) << '\n';
      carry(wire, way, to);
    };
  }
  void rest(Side& side) {
    Rested left;
    const std::string before = described(side);
    if (!side.connection->rest(clock_.now(), left)) return;
    ++rested_;
    side.connection = std::make_unique<Connection>(side.engine, side.options, left);
    EXPECT_EQ(described(side), before);
    side.connection->resume();
    // Twice the same: what was restored is all that had been kept.
    Rested again;
    ASSERT_TRUE(side.connection->rest(clock_.now(), again));
    side.connection = std::make_unique<Connection>(side.engine, side.options, again);
    side.connection->resume();
  }

  std::ostringstream log_;
  unsigned rested_ = 0;
};

class RestTwins : public testing::TestWithParam<RestPlan> {};

TEST_P(RestTwins, A_connection_that_rests_between_bursts_behaves_as_one_that_never_did) {
  TwinRun always, sometimes;
  const std::string expected = always.run_bursts(GetParam(), false);
  const std::string got = sometimes.run_bursts(GetParam(), true);
  EXPECT_GE(sometimes.rested(), GetParam().least);
  EXPECT_EQ(always.rested(), 0u);
  std::istringstream one(expected), two(got);
  std::string a, b;
  for (unsigned line = 1; std::getline(one, a); ++line) {
    ASSERT_TRUE(std::getline(two, b)) << "line " << line;
    ASSERT_EQ(a, b) << "line " << line;
  }
  EXPECT_FALSE(std::getline(two, b));
}

INSTANTIATE_TEST_SUITE_P(Plans, RestTwins,
                         testing::Values(RestPlan{"cubic", 0, 0, true, false, 60},
                                         RestPlan{"cubic", 0, 0, false, false, 60},
                                         RestPlan{"cubic", 10, 0, true, false, 20},
                                         RestPlan{"cubic", 0, 20, true, false, 20},
                                         RestPlan{"cubic", 0, 0, true, true, 40},
                                         RestPlan{"reno", 10, 5, true, false, 20},
                                         RestPlan{"dctcp", 0, 0, true, true, 40},
                                         // What BBR knows of the path does not fit.
                                         RestPlan{"bbr", 0, 0, true, false, 0}));

class RestOne : public PairFixture {};

// Whatever moves keeps it awake.
TEST_F(RestOne, A_connection_with_something_to_do_does_not_rest) {
  Rested left;
  establish();
  EXPECT_FALSE(a_.connection->rest(clock_.now(), left)) << "it was heard of a moment ago";
  run(Duration::seconds(1));
  ab_.drop = [](const Wire&) { return true; };
  a_.to_write = 100;
  run(Duration::milliseconds(150));
  EXPECT_FALSE(a_.connection->rest(clock_.now(), left)) << "something is in flight";
  ab_.drop = nullptr;
  run(Duration::seconds(5));
  b_.reading = false;
  a_.to_write += 100;
  run(Duration::seconds(5));
  EXPECT_FALSE(b_.connection->rest(clock_.now(), left)) << "something was not read";
  b_.reading = true;
  run(Duration::seconds(5));
  EXPECT_TRUE(b_.connection->rest(clock_.now(), left));
  b_.connection = std::make_unique<Connection>(b_.engine, b_.options, left);
  b_.connection->resume();
  packet::Turn now = turn();
  b_.connection->shutdown_send(now);
  run(Duration::seconds(1));
  EXPECT_FALSE(a_.connection->rest(clock_.now(), left)) << "the peer has closed";
}

TEST_F(RestOne, What_came_twice_is_not_remembered_where_nobody_will_be_told) {
  a_.settings.tcp_sack = 0;
  establish();
  ab_.duplicate = 1000;
  a_.to_write = 100;
  run(Duration::seconds(1));
  ab_.duplicate = 0;
  run(Duration::seconds(5));
  Rested left;
  EXPECT_TRUE(b_.connection->rest(clock_.now(), left));
}

TEST_F(RestOne, What_is_left_of_a_connection_is_small) {
  EXPECT_LE(sizeof(Rested), 448u);
}

}  // namespace
}  // namespace linnet::tcp::tests
