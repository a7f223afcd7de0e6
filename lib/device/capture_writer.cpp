// SPDX-License-Identifier: BSD-3-Clause
#include "device/capture_writer.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

namespace linnet::device {
namespace {

constexpr std::uint32_t kMagic = 0xa1b23c4d;  // nanoseconds
constexpr std::uint32_t kVersion = 4u << 16 | 2u;
constexpr std::uint32_t kSnapLength = 262144;
constexpr std::uint32_t kEthernet = 1;  // LINKTYPE_ETHERNET
constexpr std::int64_t kSecond = 1'000'000'000;

template <std::size_t N>
bool put(std::FILE* file, const std::array<std::uint32_t, N>& words) {
  std::array<std::uint8_t, N * 4> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(words[i / 4] >> (8 * (i % 4)));
  return std::fwrite(bytes.data(), bytes.size(), 1, file) == 1;
}

}  // namespace

CaptureWriter::~CaptureWriter() {
  if (file_ != nullptr) std::fclose(file_);
}

Result<> CaptureWriter::open(const std::string& path) {
  LINNET_CHECK(file_ == nullptr);
  file_ = std::fopen(path.c_str(), "wbe");
  if (file_ == nullptr) {
    return Error{std::string("cannot write the capture (") + std::strerror(errno) + ")", path};
  }
  path_ = path;
  frames_ = 0;
  failed_ = !put<6>(file_, {kMagic, kVersion, 0, 0, kSnapLength, kEthernet});
  return Ok{};
}

void CaptureWriter::write(std::int64_t stamp_ns, const packet::Packet& frame) {
  const std::int64_t stamp = std::max<std::int64_t>(stamp_ns, 0);
  const std::uint32_t length = frame.length();
  bool written = put<4>(file_, {static_cast<std::uint32_t>(stamp / kSecond),
                                static_cast<std::uint32_t>(stamp % kSecond), length, length});
  std::array<std::byte, 2048> piece;
  for (std::uint32_t offset = 0; offset < length;) {
    const auto bytes = std::span(piece).first(std::min<std::size_t>(piece.size(), length - offset));
    written &= frame.copy_out(offset, bytes) &&
               std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size();
    offset += static_cast<std::uint32_t>(bytes.size());
  }
  failed_ |= !written;
  ++frames_;
}

Result<> CaptureWriter::close() {
  if (file_ == nullptr) return Ok{};
  failed_ |= std::fclose(std::exchange(file_, nullptr)) != 0;
  if (failed_) return Error{"the capture could not be written to its end", path_};
  return Ok{};
}

}  // namespace linnet::device
