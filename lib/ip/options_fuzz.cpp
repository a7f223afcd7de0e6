// SPDX-License-Identifier: BSD-3-Clause
// Options of any bytes, in a buffer that ends where they end.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "base/check.hpp"
#include "ip/options.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linnet;
  using Verdict = ip::Options::Verdict;
  size = std::min<std::size_t>(size, 40);
  const std::unique_ptr<std::byte[]> buffer(new std::byte[size]);
  if (size > 0) std::memcpy(buffer.get(), data, size);
  const std::span<std::byte> options(buffer.get(), size);
  const ip::Options found = ip::parse_options(options);
  std::array<std::byte, 40> out;
  const std::size_t copied = ip::fragment_options(options, out);
  LINNET_CHECK_OP(copied, <=, 40u);
  LINNET_CHECK_OP(copied % 4, ==, 0u);
  if (found.verdict != Verdict::Good) {
    LINNET_CHECK_OP(found.bad_offset, <, size);
    return 0;
  }
  // What goes into later fragments is well formed, and going through again changes nothing.
  const std::span<std::byte> later(out.data(), copied);
  LINNET_CHECK(ip::parse_options(later).verdict == Verdict::Good);
  std::array<std::byte, 40> again;
  LINNET_CHECK_OP(ip::fragment_options(later, again), ==, copied);
  if (ip::update_options(options, found, Ipv4Address(192, 0, 2, 1), 1) != Verdict::Good) return 0;
  const std::size_t answered = ip::reply_options(options, found, out);
  LINNET_CHECK_OP(answered, <=, 40u);
  LINNET_CHECK_OP(answered % 4, ==, 0u);
  const ip::Options kept = ip::parse_options({out.data(), answered});
  LINNET_CHECK(kept.verdict != Verdict::SourceRoute);
  return 0;
}
