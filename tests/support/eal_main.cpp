// SPDX-License-Identifier: BSD-3-Clause
// main() of every GoogleTest binary that needs packets: one EAL start, without hugepages or root.
#include <gtest/gtest.h>
#include <rte_eal.h>

#include <string>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  // A worker lcore beside the main one, for tests of lanes on threads of their own.
  // EAL moves the pointers about, so the words are owned beside them.
  std::string words[] = {"test", "--no-huge", "--no-shconf",         "--no-pci", "--no-telemetry",
                         "-m",   "256",       "--log-level=*:error", "--lcores", "0@0,1@0"};
  char* arguments[std::size(words)];
  for (std::size_t i = 0; i < std::size(words); ++i)
    arguments[i] = words[i].data();
  if (rte_eal_init(static_cast<int>(std::size(arguments)), arguments) < 0) {
    std::fprintf(stderr, "EAL did not start\n");
    return 1;
  }
  const int result = RUN_ALL_TESTS();
  rte_eal_cleanup();
  return result;
}
