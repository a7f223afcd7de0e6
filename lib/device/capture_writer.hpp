// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "base/result.hpp"
#include "packet/packet.hpp"

namespace linnet::device {

// Writes Ethernet frames to a capture file: pcap with nanosecond stamps, little-endian on every
// machine (draft-ietf-opsawg-pcap), so that equal frames make equal files.
class CaptureWriter {
 public:
  CaptureWriter() = default;
  ~CaptureWriter();
  CaptureWriter(const CaptureWriter&) = delete;
  CaptureWriter& operator=(const CaptureWriter&) = delete;

  // Makes the file anew.
  Result<> open(const std::string& path);
  // Appends the whole frame; stamped in nanoseconds since 1970, earlier times as that. What cannot
  // be written is told by `close`.
  void write(std::int64_t stamp_ns, const packet::Packet& frame);
  // An error if any byte is not in the file.
  Result<> close();
  std::uint64_t frames() const { return frames_; }

 private:
  std::string path_;
  std::FILE* file_ = nullptr;
  bool failed_ = false;
  std::uint64_t frames_ = 0;
};

}  // namespace linnet::device
