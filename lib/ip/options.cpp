// SPDX-License-Identifier: BSD-3-Clause
// Reading: RFC 791 section 3.1; RFC 6814 for what is obsolete; Linux: ip_options_compile,
// ip_options_echo, ip_options_fragment.
#include "ip/options.hpp"

#include <algorithm>
#include <cstring>

#include "wire/ipv4.hpp"

namespace linnet::ip {
namespace {

namespace kind = wire::ip_option;

constexpr std::size_t kMaxOptions = wire::kIpv4MaxHeader - wire::kIpv4MinHeader;
constexpr std::uint8_t kAbsent = 0xff;

// Timestamp flags (RFC 791): stamps only; address and stamp; stamps where the address is given.
constexpr unsigned kStampOnly = 0;
constexpr unsigned kStampAndAddress = 1;
constexpr unsigned kStampPrespecified = 3;
constexpr unsigned kOverflowFull = 15;

unsigned at(std::span<const std::byte> bytes, std::size_t i) {
  return std::to_integer<unsigned>(bytes[i]);
}

void set(std::span<std::byte> bytes, std::size_t i, unsigned value) {
  bytes[i] = static_cast<std::byte>(value);
}

Options bad(Options found, std::size_t offset) {
  found.verdict = Options::Verdict::Bad;
  found.bad_offset = static_cast<std::uint8_t>(offset);
  return found;
}

// Bytes of one timestamp entry; 0 for flags that RFC 791 does not define: such an option is passed
// on as it came.
unsigned stamp_size(unsigned flags) {
  switch (flags) {
    case kStampOnly:
      return 4;
    case kStampAndAddress:
    case kStampPrespecified:
      return 8;
    default:
      return 0;
  }
}

// The offset inside a record route or source route that is wrong, or 0. A pointer behind the option
// says that it is full; one inside it must leave room for a whole address.
unsigned route_fault(std::span<const std::byte> option) {
  const std::size_t length = option.size();
  if (length < 3) return 1;
  const unsigned pointer = at(option, 2);
  if (pointer < 4) return 2;
  return pointer <= length && pointer + 3 > length ? 2 : 0;
}

// As `route_fault`, for a timestamp.
unsigned timestamp_fault(std::span<const std::byte> option) {
  const std::size_t length = option.size();
  if (length < 4) return 1;
  const unsigned pointer = at(option, 2);
  if (pointer < 5) return 2;
  if (pointer > length) return 0;
  const unsigned entry = std::max(4u, stamp_size(at(option, 3) & 15));
  return pointer + entry - 1 > length ? 2 : 0;
}

// The length of the option at the start of `rest`, or 0 where its length byte is missing or wrong.
std::size_t option_length(std::span<const std::byte> rest) {
  if (rest.size() < 2) return 0;
  const std::size_t length = at(rest, 1);
  return length >= 2 && length <= rest.size() ? length : 0;
}

// The option at `offset`, which parse_options has found good.
template <typename Byte>
std::span<Byte> option_at(std::span<Byte> options, std::size_t offset) {
  return options.subspan(offset, at(options, offset + 1));
}

void write_u32(std::span<std::byte> option, std::size_t offset, be32 value) {
  std::memcpy(option.subspan(offset, 4).data(), &value, 4);
}

void record_route(std::span<std::byte> option, Ipv4Address own) {
  const unsigned pointer = at(option, 2);
  if (pointer > option.size()) return;
  write_u32(option, pointer - 1, own.network());
  set(option, 2, pointer + 4);
}

void record_time(std::span<std::byte> option, Ipv4Address own, std::uint32_t ut_milliseconds) {
  const unsigned pointer = at(option, 2);
  const unsigned flags = at(option, 3) & 15;
  const unsigned entry = stamp_size(flags);
  if (entry == 0) return;
  if (pointer > option.size()) {
    // RFC 791: the overflow counter tells how many modules found no room; an option with
    // prespecified addresses is simply done.
    if (flags != kStampPrespecified) set(option, 3, at(option, 3) + 16);
    return;
  }
  if (flags == kStampPrespecified) {
    be32 wanted;
    std::memcpy(&wanted, option.subspan(pointer - 1, 4).data(), 4);
    if (wanted != own.network()) return;
  }
  if (flags == kStampAndAddress) write_u32(option, pointer - 1, own.network());
  write_u32(option, pointer - 1 + entry - 4, be32(ut_milliseconds));
  set(option, 2, pointer + entry);
}

std::size_t pad(std::span<std::byte, 40> out, std::size_t size) {
  const std::size_t padded = (size + 3) & ~std::size_t{3};
  std::fill(out.begin() + size, out.begin() + padded, std::byte{kind::kEnd});
  return padded;
}

}  // namespace

Options parse_options(std::span<const std::byte> options) {
  Options found;
  bool security = false;
  options = options.first(std::min(options.size(), kMaxOptions));
  for (std::size_t i = 0; i < options.size();) {
    const unsigned type = at(options, i);
    if (type == kind::kEnd) break;
    if (type == kind::kNop) {
      ++i;
      continue;
    }
    const std::size_t length = option_length(options.subspan(i));
    if (length == 0) return bad(found, i);
    const auto option = options.subspan(i, length);
    unsigned fault = 0;
    switch (type) {
      case kind::kRecordRoute:
        if (found.record_route != kAbsent) return bad(found, i);
        found.record_route = static_cast<std::uint8_t>(i);
        fault = route_fault(option);
        break;
      case kind::kTimestamp:
        if (found.timestamp != kAbsent) return bad(found, i);
        found.timestamp = static_cast<std::uint8_t>(i);
        fault = timestamp_fault(option);
        break;
      case kind::kLooseSourceRoute:
      case kind::kStrictSourceRoute:
        fault = route_fault(option);
        if (fault != 0) break;
        found.verdict = Options::Verdict::SourceRoute;
        found.bad_offset = static_cast<std::uint8_t>(i);
        return found;
      case kind::kRouterAlert:  // RFC 2113: value 0 asks the router to look
        if (length < 4) {
          fault = 1;
        } else if (at(option, 2) == 0 && at(option, 3) == 0) {
          found.router_alert = true;
        }
        break;
      case kind::kSecurity:  // RFC 1108 section 2: at most once, passed on unread
        if (security) return bad(found, i);
        security = true;
        if (length < 3) fault = 1;
        break;
      default:  // RFC 1122 3.2.1.8: unknown options are passed over
        break;
    }
    if (fault != 0) return bad(found, i + fault);
    i += length;
  }
  return found;
}

Options::Verdict update_options(std::span<std::byte> options, const Options& found, Ipv4Address own,
                                std::uint32_t ut_milliseconds) {
  if (found.timestamp != kAbsent) {
    const auto option = option_at(options, found.timestamp);
    const unsigned flags = at(option, 3) & 15;
    if (at(option, 2) > option.size() && stamp_size(flags) != 0 && flags != kStampPrespecified &&
        at(option, 3) >> 4 == kOverflowFull)
      return Options::Verdict::Bad;
    record_time(option, own, ut_milliseconds);
  }
  if (found.record_route != kAbsent) record_route(option_at(options, found.record_route), own);
  return Options::Verdict::Good;
}

std::size_t reply_options(std::span<const std::byte> options, const Options& found,
                          std::span<std::byte, 40> out) {
  std::size_t size = 0;
  const auto keep = [&](std::uint8_t offset) {
    if (offset == kAbsent) return;
    const auto option = option_at(options, offset);
    std::copy(option.begin(), option.end(), out.begin() + size);
    size += option.size();
  };
  keep(std::min(found.record_route, found.timestamp));
  keep(std::max(found.record_route, found.timestamp));
  return pad(out, size);
}

std::size_t fragment_options(std::span<const std::byte> options, std::span<std::byte, 40> out) {
  options = options.first(std::min(options.size(), kMaxOptions));
  std::size_t size = 0;
  for (std::size_t i = 0; i < options.size();) {
    const unsigned type = at(options, i);
    if (type == kind::kEnd) break;
    if (type == kind::kNop) {
      ++i;
      continue;
    }
    const std::size_t length = option_length(options.subspan(i));
    if (length == 0) break;
    if ((type & kind::kCopied) != 0) {
      const auto option = options.subspan(i, length);
      std::copy(option.begin(), option.end(), out.begin() + size);
      size += length;
    }
    i += length;
  }
  return pad(out, size);
}

}  // namespace linnet::ip
