// SPDX-License-Identifier: BSD-3-Clause
#include "app/capture_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace linnet::app {
namespace {

constexpr std::uint32_t kEthernet = 1;               // LINKTYPE_ETHERNET
constexpr std::uint32_t kLargestFrame = 256 * 1024;  // the most that libpcap takes
constexpr std::size_t kFileHeader = 24, kRecordHeader = 16, kSmallestBlock = 12;

struct Bytes {
  const std::string& name;
  const std::uint8_t* at;
  std::size_t left;
  bool swapped = false;  // written by a machine of the other byte order

  std::uint32_t word(std::size_t offset) const {
    std::uint32_t value = 0;
    std::memcpy(&value, at + offset, sizeof value);
    return swapped ? __builtin_bswap32(value) : value;
  }
  std::uint32_t half(std::size_t offset) const {
    std::uint16_t value = 0;
    std::memcpy(&value, at + offset, sizeof value);
    return swapped ? __builtin_bswap16(value) : value;
  }
  void skip(std::size_t count) {
    at += count;
    left -= count;
  }
};

Error cut_off(const Bytes& bytes, std::uint64_t frames) {
  return Error{"this capture is cut off after " + std::to_string(frames) + " whole frames",
               bytes.name, -1,
               "a whole capture; `editcap " + bytes.name + " NEW` saves what is left"};
}

Error wrong_link(const Bytes& bytes, std::uint32_t type) {
  return Error{"this capture holds frames of link type " + std::to_string(type), bytes.name, -1,
               "Ethernet (link type 1)"};
}

Result<std::uint64_t> walk_pcap(Bytes bytes) {
  if (bytes.left < kFileHeader) return cut_off(bytes, 0);
  // The upper bits hold the length of the frame check sequence.
  const std::uint32_t link = bytes.word(20) & 0xffff;
  if (link != kEthernet) return wrong_link(bytes, link);
  bytes.skip(kFileHeader);
  std::uint64_t frames = 0;
  for (; bytes.left > 0; ++frames) {
    if (bytes.left < kRecordHeader) return cut_off(bytes, frames);
    const std::uint32_t captured = bytes.word(8);
    if (captured > kLargestFrame)
      return Error{"this capture is damaged at frame " + std::to_string(frames + 1), bytes.name, -1,
                   "records as the pcap format has them"};
    if (bytes.left - kRecordHeader < captured) return cut_off(bytes, frames);
    bytes.skip(kRecordHeader + captured);
  }
  return frames;
}

Result<std::uint64_t> walk_pcapng(Bytes bytes) {
  enum : std::uint32_t {
    Interface = 1,
    Obsolete = 2,
    Simple = 3,
    Enhanced = 6,
    Section = 0x0a0d0d0a
  };
  std::uint64_t frames = 0;
  while (bytes.left > 0) {
    if (bytes.left < kSmallestBlock) return cut_off(bytes, frames);
    if (bytes.word(0) == Section) {
      bytes.swapped = false;
      bytes.swapped = bytes.word(8) != 0x1a2b3c4d;
    }
    const std::uint32_t type = bytes.word(0), length = bytes.word(4);
    if (length < kSmallestBlock || length % 4 != 0)
      return Error{"this capture is damaged after " + std::to_string(frames) + " frames",
                   bytes.name, -1, "blocks as the pcapng format has them"};
    if (length > bytes.left) return cut_off(bytes, frames);
    if (type == Interface && bytes.half(8) != kEthernet) return wrong_link(bytes, bytes.half(8));
    if (type == Obsolete || type == Simple || type == Enhanced) ++frames;
    bytes.skip(length);
  }
  return frames;
}

}  // namespace

Result<std::uint64_t> check_capture_bytes(const std::string& name, const std::uint8_t* data,
                                          std::size_t length) {
  Bytes bytes{name, data, length};
  if (length >= 4) {
    const std::uint32_t magic = bytes.word(0);
    if (magic == 0x0a0d0d0a) return walk_pcapng(bytes);
    if (magic == 0xa1b2c3d4 || magic == 0xa1b23c4d) return walk_pcap(bytes);
    bytes.swapped = true;
    if (const std::uint32_t other = bytes.word(0); other == 0xa1b2c3d4 || other == 0xa1b23c4d)
      return walk_pcap(bytes);
  }
  return Error{"this is no capture", name, -1, "a file in pcap or pcapng format"};
}

Result<std::uint64_t> check_capture(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return Error{std::string("this capture cannot be read (") + std::strerror(errno) + ")", path};
  struct stat status{};
  const bool regular = fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  if (!regular || status.st_size == 0) {
    close(file);
    return Error{"this is no capture", path, -1, "a file in pcap or pcapng format"};
  }
  const auto length = static_cast<std::size_t>(status.st_size);
  void* const map = mmap(nullptr, length, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (map == MAP_FAILED) return Error{"this capture cannot be read", path};
  auto checked = check_capture_bytes(path, static_cast<const std::uint8_t*>(map), length);
  munmap(map, length);
  return checked;
}

}  // namespace linnet::app
