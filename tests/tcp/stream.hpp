// SPDX-License-Identifier: BSD-3-Clause
// What both programs send, and words about packets.
#pragma once

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tcp/packet.hpp"

namespace linnet::tests {

// Byte `at` of the stream that the program on the stack sends, and of the peer's.
inline std::uint8_t local_byte(std::uint32_t at) {
  return static_cast<std::uint8_t>(at * 131 + (at >> 8) * 17);
}
inline std::uint8_t peer_byte(std::uint32_t at) {
  return static_cast<std::uint8_t>(at * 37 + (at >> 8) * 101 + 11);
}

inline std::vector<std::string> split(const std::string& text) {
  std::stringstream words(text);
  std::vector<std::string> out;
  for (std::string word; words >> word;)
    out.push_back(word);
  return out;
}

// "1001:2001"
inline std::pair<std::uint32_t, std::uint32_t> range(const std::string& word) {
  const auto colon = word.find(':');
  return {static_cast<std::uint32_t>(std::stoll(word.substr(0, colon))),
          static_cast<std::uint32_t>(std::stoll(word.substr(colon + 1)))};
}

inline std::string describe(const TcpPacket& packet, std::uint32_t isn, std::uint32_t peer_isn) {
  std::stringstream out;
  out << packet.flag_letters() << " seq " << packet.seq - isn << " ack "
      << (packet.has('A') ? packet.ack - peer_isn : 0) << " len " << packet.payload.size()
      << " win " << packet.window;
  if (packet.mss) out << " mss " << *packet.mss;
  if (packet.window_scale) out << " ws " << int{*packet.window_scale};
  if (packet.sack_permitted) out << " sackok";
  if (packet.timestamps) out << " ts";
  if (packet.fast_open) out << " fo of " << packet.fast_open->size();
  for (const auto& [begin, end] : packet.sack)
    out << " sack " << begin - peer_isn << ':' << end - peer_isn;
  return out.str();
}

}  // namespace linnet::tests
