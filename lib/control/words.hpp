// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace linnet::control {

// Cuts a line into words as a shell does: blanks part them, '...' and "..." hold them together,
// a backslash takes the next byte as it is (not inside '...'), # at a word's start begins a
// comment. An error (a quote without its end) carries the word's place.
Result<std::vector<std::string>> split_words(std::string_view line);

// The reverse: quotes what needs it.
std::string join_words(const std::vector<std::string>& words);

}  // namespace linnet::control
