// SPDX-License-Identifier: BSD-3-Clause
// Lanes and programs on real threads, under ThreadSanitizer, too (scripts/test tsan). More threads
// than cores: whoever holds nothing but its own may be stopped anywhere.
//   threads_test [--gtest_filter=...]
#include <gtest/gtest.h>

#include "threads/traffic.hpp"

namespace linnet::tests {
namespace {

std::unique_ptr<stack::Eal> eal;

constexpr unsigned kFlows = 256;

class Threads : public testing::TestWithParam<std::tuple<unsigned, Placement>> {
 protected:
  void SetUp() override {
    world_ = std::make_unique<World>(*eal, std::get<0>(GetParam()), std::get<1>(GetParam()));
  }
  void TearDown() override { EXPECT_EQ(world_->finish(), ""); }
  unsigned lanes() const { return std::get<0>(GetParam()); }
  bool placed_right() const { return std::get<1>(GetParam()) == Placement::Right; }

  // What each flow said came back, whatever queue it came to.
  static void expect_echoes(const Results& results, unsigned bytes) {
    ASSERT_EQ(results.size(), kFlows);
    for (unsigned i = 0; i < kFlows; ++i) {
      EXPECT_EQ(results[i].size(), bytes) << i << ": " << results[i].substr(0, 60);
      EXPECT_TRUE(results[i].starts_with("flow " + std::to_string(i) + " "))
          << i << ": " << results[i].substr(0, 60);
    }
  }
  std::unique_ptr<World> world_;
};

TEST_P(Threads, ManyConnectionsEchoWhateverQueueTheyComeTo) {
  expect_echoes(echo_over_tcp(*world_, kFlows, 600), 600);
  if (placed_right() || lanes() == 1)
    EXPECT_EQ(world_->handovers(), 0u);
  else
    EXPECT_GT(world_->handovers(), kFlows * 4u);
}

TEST_P(Threads, ManyDatagramFlowsEcho) {
  expect_echoes(echo_over_udp(*world_, kFlows, 200), 200);
}

TEST_P(Threads, AStreamIsWrittenAndReadByFourThreads) {
  world_->lose(10);
  const Results results = stream_both_ways(*world_, 300'000);
  EXPECT_EQ(results, (Results{"exact", "exact"}));
}

TEST_P(Threads, SocketsOpenAndCloseUnderEachOther) {
  for (const std::string& result : churn(*world_, 128))
    EXPECT_EQ(result, "done");
}

std::string name_of(const testing::TestParamInfo<Threads::ParamType>& info) {
  static constexpr const char* kNames[] = {"Right", "Wrong", "Scattered"};
  return std::to_string(std::get<0>(info.param)) + "Lanes" +
         kNames[static_cast<int>(std::get<1>(info.param))];
}

INSTANTIATE_TEST_SUITE_P(Lanes, Threads,
                         testing::Combine(testing::Values(1u, 2u, 4u),
                                          testing::Values(Placement::Right, Placement::Wrong,
                                                          Placement::Scattered)),
                         name_of);

}  // namespace
}  // namespace linnet::tests

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  linnet::stack::EalOptions options;
  options.memory_mb = 256;
  options.hugepages = linnet::stack::Hugepages::No;
  options.log_level = 4;
  // Two lanes' worth of cores for eight lanes.
  for (unsigned i = 0; i < 2 * linnet::tests::kMostLanes; ++i)
    options.lane_cores.push_back(i % 2);
  auto started = linnet::stack::Eal::start(options);
  if (!started) {
    std::fprintf(stderr, "EAL did not start: %s\n", started.error().text().c_str());
    return 1;
  }
  linnet::tests::eal = std::move(started).value();
  const int result = RUN_ALL_TESTS();
  linnet::tests::eal.reset();
  return result;
}
