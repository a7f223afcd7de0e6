// SPDX-License-Identifier: BSD-3-Clause
#include "control/words.hpp"

namespace linnet::control {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";

bool is_blank(char c) {
  return kBlanks.find(c) != std::string_view::npos;
}

// Takes what stands between the quotes; `line` begins behind the opening one. False without an end.
bool take_quoted(std::string_view& line, char quote, std::string& word) {
  while (!line.empty()) {
    char c = line.front();
    line.remove_prefix(1);
    if (c == quote) return true;
    if (c == '\\' && quote == '"' && !line.empty()) {
      c = line.front();
      line.remove_prefix(1);
    }
    word += c;
  }
  return false;
}

}  // namespace

Result<std::vector<std::string>> split_words(std::string_view line) {
  std::vector<std::string> words;
  while (true) {
    while (!line.empty() && is_blank(line.front()))
      line.remove_prefix(1);
    if (line.empty() || line.front() == '#') return words;
    std::string word;
    while (!line.empty() && !is_blank(line.front())) {
      char c = line.front();
      line.remove_prefix(1);
      if (c == '\'' || c == '"') {
        if (!take_quoted(line, c, word)) {
          return Error{"a quote is not closed", c + word, static_cast<int>(words.size()),
                       std::string("another ") + c};
        }
        continue;
      }
      if (c == '\\' && !line.empty()) {
        c = line.front();
        line.remove_prefix(1);
      }
      word += c;
    }
    words.push_back(std::move(word));
  }
}

std::string join_words(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    if (!word.empty() && word.find_first_of(" \t\r\n\v\f'\"\\#") == std::string::npos) {
      line += word;
      continue;
    }
    line += '"';
    for (const char c : word) {
      if (c == '"' || c == '\\') line += '\\';
      line += c;
    }
    line += '"';
  }
  return line;
}

}  // namespace linnet::control
