// SPDX-License-Identifier: BSD-3-Clause
// A packet script: one case in one file, a step a line (tests/tcp/README.md has the grammar).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace linnet::tests {

struct Step {
  enum class When { Now, After, Within };
  int line = 0;
  std::string text;
  When when = When::Now;
  std::int64_t span_ns = 0;
  std::string verb;
  std::vector<std::string> words;     // behind the verb, without options and result
  std::vector<std::string> options;   // between < and >, parted by commas
  std::optional<std::string> result;  // behind =
};

struct Script {
  std::string path;
  std::vector<Step> steps;
};

// Nothing and a sentence in `why`: the file cannot be read or a line is wrong.
std::optional<Script> read_script(const std::string& path, std::string& why);

// "200ms", "1.5s", "30us"; nothing: it is no time.
std::optional<std::int64_t> parse_span(const std::string& word);

}  // namespace linnet::tests
