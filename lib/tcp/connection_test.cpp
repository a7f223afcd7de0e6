// SPDX-License-Identifier: BSD-3-Clause
// Two connections talk over an impairing pipe in virtual time: what one program writes is what the
// other reads, whatever happens on the way. Sequence numbers and timestamps begin just before their
// wrap.
#include "tcp/connection_fixture.hpp"

namespace linnet::tcp::tests {
namespace {

class Pair : public PairFixture {};

TEST_F(Pair, OpensCarriesDataAndCloses) {
  a_.to_write = 5000;
  a_.close_when_written = true;
  b_.close_on_end = true;
  establish();
  run(Duration::seconds(5), [&] { return both_ended(); });
  EXPECT_EQ(b_.read, 5000u);
  EXPECT_EQ(b_.wrong, 0u);
  EXPECT_EQ(b_.connection->state(), State::Closed);
  EXPECT_EQ(a_.connection->state(), State::TimeWait);
  EXPECT_TRUE(a_.events & event::kTimeWait);
  EXPECT_EQ(a_.count(Count::RetransSegs) + b_.count(Count::RetransSegs), 0u);
  run(Duration::seconds(70));  // the wheel is late by an eighth at most
  EXPECT_EQ(a_.connection->state(), State::Closed);
  EXPECT_TRUE(a_.events & event::kClosed);
}

struct Impairment {
  unsigned loss, duplicate, reorder;
};

class Impaired : public PairFixture, public testing::WithParamInterface<Impairment> {};

TEST_P(Impaired, BothWaysAreByteExact) {
  const Impairment bad = GetParam();
  for (Direction* way : {&ab_, &ba_}) {
    way->loss = bad.loss;
    way->duplicate = bad.duplicate;
    way->reorder = bad.reorder;
  }
  a_.to_write = 300'000;
  b_.to_write = 200'000;
  a_.half_close = b_.half_close = true;
  establish();
  run(Duration::seconds(3600), [&] { return both_ended(); });
  EXPECT_EQ(b_.read, 300'000u);
  EXPECT_EQ(a_.read, 200'000u);
  EXPECT_EQ(a_.wrong + b_.wrong, 0u);
  EXPECT_TRUE(both_ended()) << static_cast<int>(a_.connection->state()) << ' '
                            << static_cast<int>(b_.connection->state());
}

INSTANTIATE_TEST_SUITE_P(Pipe, Impaired,
                         testing::Values(Impairment{0, 0, 0}, Impairment{1, 0, 0},
                                         Impairment{10, 10, 10}, Impairment{50, 0, 100},
                                         Impairment{100, 100, 0}, Impairment{200, 20, 200},
                                         Impairment{300, 0, 0}, Impairment{0, 0, 300}));

}  // namespace
}  // namespace linnet::tcp::tests
