// SPDX-License-Identifier: BSD-3-Clause
// TCP options of any bytes, in a buffer that ends where they end. Input: a byte whose bit 0 says
// whether the segment is a SYN, then the options.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "base/check.hpp"
#include "wire/tcp.hpp"

namespace {

using namespace linnet;
using wire::TcpOptions;

std::span<const std::uint8_t> cookie(const TcpOptions& options) {
  return std::span(options.fast_open).first(options.fast_open_length);
}

void check_equal(const TcpOptions& a, const TcpOptions& b, unsigned sack_blocks) {
  LINNET_CHECK(a.mss == b.mss);
  LINNET_CHECK(a.window_scale == b.window_scale);
  LINNET_CHECK_OP(a.sack_permitted, ==, b.sack_permitted);
  LINNET_CHECK_OP(a.has_timestamps, ==, b.has_timestamps);
  LINNET_CHECK_OP(a.ts_value, ==, b.ts_value);
  LINNET_CHECK_OP(a.ts_echo, ==, b.ts_echo);
  LINNET_CHECK_OP(unsigned{b.sack_count}, ==, sack_blocks);
  for (unsigned i = 0; i < sack_blocks; ++i)
    LINNET_CHECK(a.sack[i].begin == b.sack[i].begin && a.sack[i].end == b.sack[i].end);
  LINNET_CHECK_OP(a.has_fast_open, ==, b.has_fast_open);
  LINNET_CHECK_OP(a.fast_open_experiment, ==, b.fast_open_experiment);
  LINNET_CHECK(std::ranges::equal(cookie(a), cookie(b)));
}

void check_legal(const TcpOptions& options, bool syn) {
  LINNET_CHECK_OP(unsigned{options.sack_count}, <=, TcpOptions::kMaxSackBlocks);
  const unsigned length = options.fast_open_length;
  LINNET_CHECK(length == 0 || (options.has_fast_open && length >= 4 && length % 2 == 0 &&
                               length <= TcpOptions::kMaxFastOpenCookie));
  if (options.window_scale)
    LINNET_CHECK_OP(unsigned{*options.window_scale}, <=, unsigned{wire::kTcpMaxWindowScale});
  if (options.mss) LINNET_CHECK_OP(unsigned{*options.mss}, !=, 0u);
  if (syn)
    LINNET_CHECK_OP(unsigned{options.sack_count}, ==, 0u);
  else
    LINNET_CHECK(!options.mss && !options.window_scale && !options.sack_permitted &&
                 !options.has_fast_open);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool syn = (data[0] & 1) != 0;
  size = std::min<std::size_t>(size - 1, wire::kTcpMaxOptions);
  const std::unique_ptr<std::byte[]> buffer(new std::byte[size]);
  if (size > 0) std::memcpy(buffer.get(), data + 1, size);
  const auto parsed = wire::parse_tcp_options({buffer.get(), size}, syn);
  const TcpOptions& options = parsed.options;
  check_legal(options, syn);

  // What was read is written so that it is read again, but for blocks that have no room beside
  // timestamps.
  std::array<std::byte, wire::kTcpMaxOptions> out;
  const unsigned written = wire::emit_tcp_options(options, out);
  LINNET_CHECK_OP(written, <=, wire::kTcpMaxOptions);
  LINNET_CHECK_OP(written % 4, ==, 0u);
  LINNET_CHECK_OP(wire::tcp_options_length(options), ==, written);
  const auto again = wire::parse_tcp_options(std::span(out).first(written), syn);
  LINNET_CHECK_OP(again.malformed, ==, 0u);
  check_equal(options, again.options,
              std::min<unsigned>(options.sack_count, options.has_timestamps ? 3 : 4));

  // A final end of options changes nothing: so the short way for aligned timestamps is held
  // against the long one.
  if (parsed.malformed == 0 && size < out.size()) {
    std::memcpy(out.data(), buffer.get(), size);
    out[size] = std::byte{wire::tcp_option::kEnd};
    const auto ended = wire::parse_tcp_options(std::span(out).first(size + 1), syn);
    LINNET_CHECK_OP(ended.malformed, ==, 0u);
    check_equal(options, ended.options, options.sack_count);
  }
  return 0;
}
