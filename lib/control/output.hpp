// SPDX-License-Identifier: BSD-3-Clause
// How answers are written: text as iproute2 prints it, or JSON with iproute2's names.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace linnet::control {

// Keeps the order in which fields are added, as iproute2 does.
using Json = nlohmann::ordered_json;

// What the options in front of a command ask for.
struct Format {
  bool json = false;
  bool pretty = false;
  unsigned statistics = 0;  // how often -s was given
  bool details = false;
  bool brief = false;
  bool oneline = false;
  bool only_ipv4 = false;

  // What ends a line inside an entry: -o writes it as a backslash.
  std::string_view line_end() const { return oneline ? "\\" : "\n"; }
};

// The JSON text with the newline behind it.
std::string write_json(const Json& json, const Format& format);

// Right- and left-aligned to `width`.
std::string right(std::string_view text, std::size_t width);
std::string left(std::string_view text, std::size_t width);
std::string right(std::uint64_t number, std::size_t width);

}  // namespace linnet::control
