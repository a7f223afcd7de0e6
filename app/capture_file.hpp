// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace linnet::app {

// Whether a file is a whole capture of Ethernet frames, pcap or pcapng. The net_pcap driver takes a
// capture of raw IP as if it were Ethernet, and one that is cut off without a word: so we look
// first. Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. Returns the number of frames.
Result<std::uint64_t> check_capture(const std::string& path);
// The same for bytes in memory; `name` is what errors call it.
Result<std::uint64_t> check_capture_bytes(const std::string& name, const std::uint8_t* bytes,
                                          std::size_t length);

}  // namespace linnet::app
