// SPDX-License-Identifier: BSD-3-Clause
// Routes and frames for benchmarks: the same for every program that is measured, from one seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ipv4.hpp"
#include "base/mac.hpp"
#include "base/result.hpp"

namespace linnet::bench {

// `count` different prefixes with the lengths of the Internet's table (RIPE RIS, rounded): most are
// /24, some /22 to /16, few longer. One is always a default route's worth: 0.0.0.0/0 is not among
// them.
std::vector<Ipv4Prefix> internet_like_prefixes(std::size_t count, std::uint64_t seed);

struct FrameOptions {
  std::string path;           // pcap file to be written
  unsigned flows = 1;         // different destinations, spread over the prefixes
  unsigned frame_bytes = 60;  // without frame check sequence: 60 is a 64-byte frame on a wire
  MacAddress destination;     // the router's
  std::uint64_t seed = 1;
};

// UDP packets from 198.18.0.x (RFC 2544) to addresses inside the prefixes, one a flow.
Result<> write_frames(const std::vector<Ipv4Prefix>& prefixes, const FrameOptions& options);

}  // namespace linnet::bench
