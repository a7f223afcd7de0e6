// SPDX-License-Identifier: BSD-3-Clause
#include "base/ipv4.hpp"

#include <charconv>

namespace linnet {
inline namespace base {
namespace {

// A decimal number of at most `max` with no leading zero, all of `text`.
std::optional<unsigned> parse_decimal(std::string_view text, unsigned max) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Ipv4Address> Ipv4Address::parse(std::string_view text) {
  std::uint32_t host = 0;
  for (int i = 0; i < 4; ++i) {
    const auto dot = text.find('.');
    if ((dot == std::string_view::npos) != (i == 3)) return std::nullopt;
    const auto octet = parse_decimal(text.substr(0, dot), 255);
    if (!octet) return std::nullopt;
    host = host << 8 | *octet;
    text.remove_prefix(i == 3 ? text.size() : dot + 1);
  }
  return from_host(host);
}

std::string Ipv4Address::text() const {
  const std::uint32_t h = host();
  std::string out = std::to_string(h >> 24);
  for (int shift = 16; shift >= 0; shift -= 8)
    out += '.' + std::to_string(h >> shift & 255);
  return out;
}

std::optional<Ipv4Interface> Ipv4Interface::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = Ipv4Address::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return Ipv4Interface{*address, 32};
  const auto length = parse_decimal(text.substr(slash + 1), 32);
  if (!length) return std::nullopt;
  return Ipv4Interface{*address, static_cast<std::uint8_t>(*length)};
}

std::string Ipv4Interface::text() const {
  return address.text() + '/' + std::to_string(length);
}

std::optional<Ipv4Prefix> Ipv4Prefix::parse(std::string_view text) {
  if (text == "default") return Ipv4Prefix{};
  const auto parsed = Ipv4Interface::parse(text);
  if (!parsed || parsed->prefix().address() != parsed->address) return std::nullopt;
  return parsed->prefix();
}

std::string Ipv4Prefix::text() const {
  return address_.text() + '/' + std::to_string(length_);
}

}  // namespace base
}  // namespace linnet
