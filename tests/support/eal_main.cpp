// SPDX-License-Identifier: BSD-3-Clause
// main() of every GoogleTest binary that needs packets: one EAL start, without hugepages or root.
#include <gtest/gtest.h>

#include <cstdio>

#include "support/test_eal.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  // A worker lcore beside the main one, for tests of lanes on threads of their own.
  if (!linnet::tests::start_eal(256, 2)) {
    std::fprintf(stderr, "EAL did not start\n");
    return 1;
  }
  const int result = RUN_ALL_TESTS();
  rte_eal_cleanup();
  return result;
}
