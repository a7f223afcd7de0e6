// SPDX-License-Identifier: BSD-3-Clause
// Runs every case on the kernel's sockets and on ours and compares what they tell.
//   differential_test [PART OF A NAME...]   exit 0: they agree but for the exceptions; 77: not
//   allowed
#include <algorithm>
#include <cstdio>

#include "cases.hpp"
#include "exceptions.hpp"

int main(int argc, char** argv) {
  using namespace linnet::differential;
  const std::vector<std::string> parts(argv + 1, argv + argc);
  const auto wanted = [&](const std::string& name) {
    return parts.empty() || std::any_of(parts.begin(), parts.end(), [&](const std::string& part) {
             return name.find(part) != std::string::npos;
           });
  };
  // Ours first: DPDK's threads stay in the namespace in which they were made.
  const auto ours = linnet_calls();
  if (ours == nullptr) {
    std::fprintf(stderr, "no stack: %s\n", ln_embed_error());
    return 1;
  }
  const auto kernel = kernel_calls();
  if (kernel == nullptr) {
    std::fprintf(stderr, "a network namespace is not allowed here\n");
    return 77;
  }
  std::vector<Case> cases = state_cases();
  for (const auto& more : {option_cases(), story_cases(), notice_cases()})
    cases.insert(cases.end(), more.begin(), more.end());
  unsigned agreed = 0, excused = 0, failed = 0;
  for (const Case& each : cases) {
    if (!wanted(each.name)) continue;
    kernel->patience_ms = 1;
    std::string expected = each.run(*kernel), got = each.run(*ours);
    if (expected != got) {  // on a busy machine the kernel's packets may have taken longer
      kernel->patience_ms = 50;
      expected = each.run(*kernel);
      got = each.run(*ours);
    }
    const char* const reason = reason_to_differ(each.name);
    if (expected == got) {
      ++agreed;
      if (reason == nullptr || reason_is_of_many(each.name)) continue;
      ++failed;
      std::printf("FAIL %s: is an exception and agrees\n", each.name.c_str());
    } else if (reason != nullptr) {
      ++excused;
    } else {
      ++failed;
      std::printf("FAIL %s\n  kernel %s\n  ours   %s\n", each.name.c_str(), expected.c_str(),
                  got.c_str());
    }
  }
  std::printf("%u agree, %u differ for a reason that is known, %u fail\n", agreed, excused, failed);
  return failed == 0 ? 0 : 1;
}
