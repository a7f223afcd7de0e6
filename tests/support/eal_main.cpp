// SPDX-License-Identifier: BSD-3-Clause
// main() of every GoogleTest binary that needs packets: one EAL start, without hugepages or root.
#include <gtest/gtest.h>
#include <rte_eal.h>

#include <cstring>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  const char* const arguments[] = {
      "test", "--no-huge", "--no-shconf",         "--no-pci", "--no-telemetry",
      "-m",   "256",       "--log-level=*:error", "-l",       "0"};
  char* eal[std::size(arguments)];
  for (std::size_t i = 0; i < std::size(arguments); ++i)
    eal[i] = strdup(arguments[i]);
  if (rte_eal_init(static_cast<int>(std::size(arguments)), eal) < 0) {
    std::fprintf(stderr, "EAL did not start\n");
    return 1;
  }
  const int result = RUN_ALL_TESTS();
  rte_eal_cleanup();
  for (char* word : eal)
    std::free(word);
  return result;
}
