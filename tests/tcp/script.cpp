// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/script.hpp"

#include <cmath>
#include <fstream>
#include <sstream>

namespace linnet::tests {
namespace {

std::string trim(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes what stands between < and > out of `text`.
bool take_options(std::string& text, std::vector<std::string>& options) {
  const auto open = text.find('<');
  if (open == std::string::npos) return true;
  const auto close = text.find('>', open);
  if (close == std::string::npos) return false;
  std::stringstream inside(text.substr(open + 1, close - open - 1));
  for (std::string one; std::getline(inside, one, ',');)
    options.push_back(trim(one));
  text.erase(open, close - open + 1);
  return true;
}

bool take_time(const std::string& word, Step& step) {
  const bool within = word.rfind("..", 0) == 0;
  const auto span = parse_span(word.substr(within ? 2 : 1));
  if (!span) return false;
  step.when = within ? Step::When::Within : Step::When::After;
  step.span_ns = *span;
  return true;
}

std::optional<Step> parse_line(std::string text, int line) {
  Step step;
  step.line = line;
  step.text = text;
  if (!take_options(text, step.options)) return std::nullopt;
  if (const auto equals = text.find('='); equals != std::string::npos) {
    step.result = trim(text.substr(equals + 1));
    text.erase(equals);
  }
  std::stringstream words(text);
  for (std::string word; words >> word;) {
    const bool time = word[0] == '+' || word.rfind("..", 0) == 0;
    if (step.verb.empty() && time) {
      if (!take_time(word, step)) return std::nullopt;
    } else if (step.verb.empty()) {
      step.verb = word;
    } else {
      step.words.push_back(word);
    }
  }
  if (step.verb.empty()) return std::nullopt;
  return step;
}

}  // namespace

std::optional<std::int64_t> parse_span(const std::string& word) {
  std::size_t used = 0;
  double value = 0;
  try {
    value = std::stod(word, &used);
  } catch (const std::exception&) {
    return std::nullopt;
  }
  const std::string unit = word.substr(used);
  const double factor = unit == "s" ? 1e9 : unit == "ms" ? 1e6 : unit == "us" ? 1e3 : 0;
  if (factor == 0 || value < 0) return std::nullopt;
  return std::llround(value * factor);
}

std::optional<Script> read_script(const std::string& path, std::string& why) {
  std::ifstream file(path);
  if (!file) {
    why = path + ": cannot be read";
    return std::nullopt;
  }
  Script out{path, {}};
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const std::string text = trim(line.substr(0, line.find('#')));
    if (text.empty()) continue;
    auto step = parse_line(text, number);
    if (!step) {
      why = path + ":" + std::to_string(number) + ": no step: " + text;
      return std::nullopt;
    }
    out.steps.push_back(std::move(*step));
  }
  return out;
}

}  // namespace linnet::tests
