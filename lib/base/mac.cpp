// SPDX-License-Identifier: BSD-3-Clause
#include "base/mac.hpp"

#include <charconv>
#include <cstdio>

namespace linnet {
inline namespace base {

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
  std::array<std::uint8_t, 6> bytes{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) {
      if (at == end || (*at != ':' && *at != '-')) return std::nullopt;
      ++at;
    }
    const char* const limit = end - at > 2 ? at + 2 : end;
    const auto [next, error] = std::from_chars(at, limit, bytes[i], 16);
    if (error != std::errc{}) return std::nullopt;
    at = next;
  }
  if (at != end) return std::nullopt;
  return MacAddress(bytes);
}

std::string MacAddress::text() const {
  char out[18];
  std::snprintf(out, sizeof out, "%02x:%02x:%02x:%02x:%02x:%02x", bytes_[0], bytes_[1], bytes_[2],
                bytes_[3], bytes_[4], bytes_[5]);
  return out;
}

}  // namespace base
}  // namespace linnet
