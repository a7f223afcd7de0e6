// SPDX-License-Identifier: BSD-3-Clause
// main() of the RFC scenarios: one EAL start, and how the stacks are to be run.
//   conformance [--lowest] [--lanes N] [--seed N] [Catch2's own options and test names]
// LINNET_LOWEST=1, LINNET_LANES=N and LINNET_SEED=N in the environment do the same.
#define CATCH_CONFIG_RUNNER
#include <rte_eal.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <vector>

#include "support/test_eal.hpp"
#include "support/wire.hpp"

namespace {

using linnet::tests::modes;

void read_environment() {
  if (const char* const lowest = std::getenv("LINNET_LOWEST")) modes().lowest = *lowest == '1';
  if (const char* const lanes = std::getenv("LINNET_LANES"))
    modes().lanes = static_cast<unsigned>(std::atoi(lanes));
  if (const char* const seed = std::getenv("LINNET_SEED"))
    modes().seed = std::strtoull(seed, nullptr, 0);
}

// Takes our own words out; the rest is Catch2's.
std::vector<std::string> read_words(int argc, char** argv) {
  std::vector<std::string> rest;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    static const std::string kJunit = "--gtest_output=xml:";  // how meson asks for a report
    if (word == "--lowest") {
      modes().lowest = true;
    } else if (word == "--lanes" && i + 1 < argc) {
      modes().lanes = static_cast<unsigned>(std::atoi(argv[++i]));
    } else if (word == "--seed" && i + 1 < argc) {
      modes().seed = std::strtoull(argv[++i], nullptr, 0);
    } else if (word.rfind(kJunit, 0) == 0) {
      rest.insert(rest.end(), {"-r", "junit", "-o", word.substr(kJunit.size())});
    } else {
      rest.push_back(word);
    }
  }
  return rest;
}

}  // namespace

int main(int argc, char** argv) {
  read_environment();
  const std::vector<std::string> words = read_words(argc, argv);
  std::vector<const char*> pointers;
  for (const std::string& word : words)
    pointers.push_back(word.c_str());
  Catch::Session session;
  if (const int wrong =
          session.applyCommandLine(static_cast<int>(pointers.size()), pointers.data()))
    return wrong;
  const auto& asked = session.configData();
  const bool only_lists = asked.listTests || asked.listTags || asked.listReporters ||
                          asked.listTestNamesOnly || asked.showHelp;
  if (!only_lists && !linnet::tests::start_eal(512, 1)) {
    std::fprintf(stderr, "EAL did not start\n");
    return 1;
  }
  const int failed = session.run();
  if (!only_lists) rte_eal_cleanup();
  return failed != 0 ? 1 : 0;
}
