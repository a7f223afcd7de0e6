// SPDX-License-Identifier: BSD-3-Clause
#include "wire/tcp.hpp"

#include <algorithm>
#include <cstring>

namespace linnet::wire {
namespace {

using Bytes = std::span<const std::byte>;

std::uint8_t read8(Bytes at) {
  return std::to_integer<std::uint8_t>(at[0]);
}
std::uint32_t read32(Bytes at) {
  be32 value;
  std::memcpy(&value, at.first<4>().data(), sizeof value);
  return value.host();
}

bool read_mss(Bytes value, TcpOptions& out) {
  if (value.size() != 2) return false;
  const auto mss = static_cast<std::uint16_t>(read8(value) << 8 | read8(value.subspan(1)));
  if (mss != 0) out.mss = mss;  // a segment of no bytes says nothing
  return true;
}

bool read_window_scale(Bytes value, TcpOptions& out) {
  if (value.size() != 1) return false;
  out.window_scale = std::min(read8(value), kTcpMaxWindowScale);
  return true;
}

bool read_timestamps(Bytes value, TcpOptions& out) {
  if (value.size() != 8) return false;
  out.has_timestamps = true;
  out.ts_value = read32(value);
  out.ts_echo = read32(value.subspan(4));
  return true;
}

bool read_sack(Bytes value, TcpOptions& out) {
  if (value.size() < 8 || value.size() % 8 != 0) return false;
  const auto count = std::min<std::size_t>(value.size() / 8, TcpOptions::kMaxSackBlocks);
  out.sack_count = static_cast<std::uint8_t>(count);
  for (std::size_t i = 0; i < count; ++i)
    out.sack[i] = {Seq(read32(value.subspan(8 * i))), Seq(read32(value.subspan(8 * i + 4)))};
  return true;
}

bool read_fast_open(Bytes value, bool experiment, TcpOptions& out) {
  const bool cookie =
      value.size() >= 4 && value.size() <= TcpOptions::kMaxFastOpenCookie && value.size() % 2 == 0;
  if (!value.empty() && !cookie) return false;
  out.has_fast_open = true;
  out.fast_open_experiment = experiment;
  out.fast_open_length = static_cast<std::uint8_t>(value.size());
  std::transform(value.begin(), value.end(), out.fast_open.begin(),
                 [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
  return true;
}

// Experiments of others are nobody's business (RFC 6994 section 3).
bool read_experiment(Bytes value, TcpOptions& out) {
  const bool fast_open = value.size() >= 2 &&
                         read8(value) == tcp_option::kFastOpenExperiment >> 8 &&
                         read8(value.subspan(1)) == (tcp_option::kFastOpenExperiment & 0xff);
  return !fast_open || read_fast_open(value.subspan(2), true, out);
}

// False: the length is illegal for this kind.
bool read_option(std::uint8_t kind, Bytes value, bool syn, TcpOptions& out) {
  switch (kind) {
    case tcp_option::kMss:
      return !syn || read_mss(value, out);
    case tcp_option::kWindowScale:
      return !syn || read_window_scale(value, out);
    case tcp_option::kSackPermitted:
      if (syn) out.sack_permitted = out.sack_permitted || value.empty();
      return !syn || value.empty();
    case tcp_option::kFastOpen:
      return !syn || read_fast_open(value, false, out);
    case tcp_option::kExperiment:
      return !syn || read_experiment(value, out);
    case tcp_option::kSack:
      return syn || read_sack(value, out);
    case tcp_option::kTimestamps:
      return read_timestamps(value, out);
    default:
      return true;
  }
}

// Writes into the space of 40 bytes, or only counts.
class Emitter {
 public:
  explicit Emitter(std::byte* out) : out_(out) {}
  unsigned length() const { return length_; }
  unsigned room() const { return kTcpMaxOptions - length_; }

  void put8(unsigned value) {
    if (out_ != nullptr) out_[length_] = static_cast<std::byte>(value);
    ++length_;
  }
  void put16(unsigned value) {
    put8(value >> 8 & 0xff);
    put8(value & 0xff);
  }
  void put32(std::uint32_t value) {
    put16(value >> 16);
    put16(value & 0xffff);
  }
  void option(std::uint8_t kind, unsigned length) {
    put8(kind);
    put8(length);
  }
  void nops(unsigned count) {
    while (count-- != 0)
      put8(tcp_option::kNop);
  }

 private:
  std::byte* out_;
  unsigned length_ = 0;
};

void emit_fast_open(const TcpOptions& options, Emitter& out) {
  const bool experiment = options.fast_open_experiment;
  const unsigned length = (experiment ? 4u : 2u) + options.fast_open_length;
  const unsigned padding = (4 - length % 4) % 4;
  if (out.room() < length + padding) return;
  out.option(experiment ? tcp_option::kExperiment : tcp_option::kFastOpen, length);
  if (experiment) out.put16(tcp_option::kFastOpenExperiment);
  for (unsigned i = 0; i < options.fast_open_length; ++i)
    out.put8(options.fast_open[i]);
  out.nops(padding);
}

void emit_sack(const TcpOptions& options, Emitter& out) {
  const unsigned count = std::min<unsigned>(options.sack_count, (out.room() - 4) / 8);
  if (count == 0) return;
  out.nops(2);
  out.option(tcp_option::kSack, 2 + 8 * count);
  for (unsigned i = 0; i < count; ++i) {
    out.put32(options.sack[i].begin.value());
    out.put32(options.sack[i].end.value());
  }
}

// Linux: tcp_options_write.
unsigned emit(const TcpOptions& options, Emitter out) {
  if (options.mss) {
    out.option(tcp_option::kMss, 4);
    out.put16(*options.mss);
  }
  if (options.has_timestamps) {
    if (options.sack_permitted)
      out.option(tcp_option::kSackPermitted, 2);
    else
      out.nops(2);
    out.option(tcp_option::kTimestamps, 10);
    out.put32(options.ts_value);
    out.put32(options.ts_echo);
  } else if (options.sack_permitted) {
    out.nops(2);
    out.option(tcp_option::kSackPermitted, 2);
  }
  if (options.window_scale) {
    out.nops(1);
    out.option(tcp_option::kWindowScale, 3);
    out.put8(*options.window_scale);
  }
  if (options.sack_count != 0 && out.room() >= 12) emit_sack(options, out);
  if (options.has_fast_open) emit_fast_open(options, out);
  return out.length();
}

}  // namespace

ParsedTcpOptions parse_tcp_options(std::span<const std::byte> bytes, bool syn) {
  ParsedTcpOptions out;
  if (read_aligned_timestamps(bytes, out.options)) return out;
  bytes = bytes.first(std::min<std::size_t>(bytes.size(), kTcpMaxOptions));
  while (!bytes.empty()) {
    const std::uint8_t kind = read8(bytes);
    if (kind == tcp_option::kEnd) break;
    if (kind == tcp_option::kNop) {
      bytes = bytes.subspan(1);
      continue;
    }
    const std::size_t length = bytes.size() > 1 ? read8(bytes.subspan(1)) : 0;
    if (length < 2 || length > bytes.size()) {
      ++out.malformed;
      break;
    }
    if (!read_option(kind, bytes.subspan(2, length - 2), syn, out.options)) ++out.malformed;
    bytes = bytes.subspan(length);
  }
  return out;
}

unsigned emit_any_tcp_options(const TcpOptions& options, std::span<std::byte, kTcpMaxOptions> out) {
  return emit(options, Emitter(out.data()));
}

unsigned tcp_options_length(const TcpOptions& options) {
  return emit(options, Emitter(nullptr));
}

}  // namespace linnet::wire
