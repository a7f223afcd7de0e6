// SPDX-License-Identifier: BSD-3-Clause
// The list of linnetd's options: name, meaning, and how each value is read. No command line here.
#pragma once

#include <span>
#include <string>

#include "app/options.hpp"

namespace linnet::app {

enum class Place : std::uint8_t { CommandLine, Anywhere };

struct OptionRow {
  const char* name;
  const char* argument;  // what the value is called in --help; nullptr: the option takes none
  Place place;
  bool repeatable;
  const char* help;
  // Reads one value into the options; an error leaves them unchanged.
  Result<> (*read)(Options& options, const std::string& value);
};

std::span<const OptionRow> option_rows();
const OptionRow* find_option(std::string_view name);

// Reads "name=wan0 devargs=net_tap0,iface=tap0 queues=1 mtu=1500 tso=on lowest=off".
Result<PortOption> parse_port(const std::string& text);

// What one value alone cannot tell: names given twice, cores against lanes, captures against ports.
Result<Options> settle(Options options);

}  // namespace linnet::app
