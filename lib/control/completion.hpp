// SPDX-License-Identifier: BSD-3-Clause
// Tab completion and usage texts, both made from the catalog.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace linnet::control {

// The first word of a request that asks for completion rather than a deed.
inline constexpr std::string_view kCompleteWord = "--complete";

// What the last of `words` (it may be empty) can be continued to: whole words, in order.
std::vector<std::string> complete(std::span<const std::string> words,
                                  std::span<const std::string> devices);
std::string lines_of(std::span<const std::string> words);

// How the commands of a group are written ("ip link"), or, of any other title, a list of all.
std::string usage_of(std::string_view title);

// docs/commands.md.
std::string reference_page();

}  // namespace linnet::control
