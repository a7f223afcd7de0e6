// SPDX-License-Identifier: BSD-3-Clause
// linnet-iperf's own words: those of iperf3(1).
#pragma once

#include <optional>
#include <span>
#include <string>

#include "app/iperf/parameters.hpp"

namespace linnet::app::iperf {

extern const char* const kUsage;

struct Options {
  bool server = false;
  std::string host{};  // the server's name or number, for a client
  std::uint16_t port = kPort;
  bool json = false;
  bool once = false;      // a server ends after one test
  double interval = 1.0;  // seconds between reports; 0: none
  Parameters parameters{};
};

// An error names the word that is wrong.
Result<Options> parse_options(std::span<const std::string> words);

// "10M": a count with K, M, G, T behind it, by powers of `unit`.
std::optional<std::uint64_t> parse_amount(std::string_view text, std::uint64_t unit);

}  // namespace linnet::app::iperf
