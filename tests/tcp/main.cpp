// SPDX-License-Identifier: BSD-3-Clause
// tcp_scripts FILE|FOLDER...: runs each packet script (of a folder, all *.pkt) as it stands and
// with the numbers of both ends just before their wrap; one line for each that fails, and a count.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "tcp/runner.hpp"

namespace {

using linnet::tests::Runner;
using linnet::tests::Script;
using linnet::tests::Variation;

// A start of the clock at which a number that is `value` at the plain start is `target`: it grows
// by one in `step_ns`.
std::int64_t start_for(std::uint32_t value, std::uint32_t target, std::int64_t step_ns) {
  return Variation().start_ns + static_cast<std::int64_t>(target - value) * step_ns;
}

std::vector<Variation> variations(const Runner& plain) {
  std::vector<Variation> out;
  if (const auto isn = plain.local_isn()) {
    // The SYN takes the last number; the first segment crosses the wrap.
    for (const std::uint32_t before : {1u, 700u}) {
      Variation one;
      one.name = "sequence numbers wrap after " + std::to_string(before);
      one.peer_isn = 0u - before;
      one.start_ns = start_for(*isn, 0u - before, 4'000);
      out.push_back(one);
    }
  }
  if (const auto stamp = plain.local_ts()) {
    Variation one;
    one.name = "timestamps wrap";
    one.peer_ts = 0u - 30u;
    one.start_ns = start_for(*stamp, 0u - 30u, 1'000'000);
    out.push_back(one);
  }
  return out;
}

// The number of failures.
int run_script(const std::string& path) {
  std::string why;
  const auto script = linnet::tests::read_script(path, why);
  if (!script) {
    std::printf("FAIL %s\n", why.c_str());
    return 1;
  }
  Runner plain(*script, Variation());
  if (const auto wrong = plain.run()) {
    std::printf("FAIL %s\n", wrong->c_str());
    return 1;
  }
  int failed = 0;
  for (const Variation& variation : variations(plain)) {
    Runner runner(*script, variation);
    const auto wrong = runner.run();
    if (!wrong) continue;
    std::printf("FAIL (%s) %s\n", variation.name.c_str(), wrong->c_str());
    ++failed;
  }
  return failed;
}

std::vector<std::string> scripts_of(int count, char** arguments) {
  std::vector<std::string> out;
  for (int i = 1; i < count; ++i) {
    if (!std::filesystem::is_directory(arguments[i])) {
      out.emplace_back(arguments[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(arguments[i]))
      if (entry.path().extension() == ".pkt") out.push_back(entry.path().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

int main(int count, char** arguments) {
  int failed = 0;
  const std::vector<std::string> paths = scripts_of(count, arguments);
  for (const std::string& path : paths) {
    try {
      failed += run_script(path);
    } catch (const std::exception& error) {
      std::printf("FAIL %s: a word is missing or no number (%s)\n", path.c_str(), error.what());
      ++failed;
    }
  }
  std::printf("%zu scripts, %d failures\n", paths.size(), failed);
  return failed == 0 && !paths.empty() ? 0 : 1;
}
