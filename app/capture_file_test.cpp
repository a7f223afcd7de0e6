// SPDX-License-Identifier: BSD-3-Clause
#include "app/capture_file.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace linnet::app {
namespace {

using Bytes = std::vector<std::uint8_t>;

class Writer {
 public:
  explicit Writer(bool swapped) : swapped_(swapped) {}
  Writer& word(std::uint32_t value) {
    if (swapped_) value = __builtin_bswap32(value);
    for (unsigned i = 0; i < 4; ++i)
      bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    return *this;
  }
  Writer& half_pair(std::uint16_t first, std::uint16_t second) {
    for (std::uint16_t value : {first, second}) {
      if (swapped_) value = __builtin_bswap16(value);
      bytes_.push_back(static_cast<std::uint8_t>(value));
      bytes_.push_back(static_cast<std::uint8_t>(value >> 8));
    }
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  bool swapped_;
  Bytes bytes_;
};

Bytes pcap(bool swapped, std::uint32_t magic, std::uint32_t link, unsigned frames) {
  Writer out(swapped);
  out.word(magic).half_pair(2, 4).word(0).word(0).word(65535).word(link);
  for (unsigned i = 0; i < frames; ++i)
    out.word(1).word(2).word(8).word(60).word(0).word(0);
  return out.bytes();
}

Bytes pcapng(bool swapped, std::uint16_t link, unsigned frames) {
  Writer out(swapped);
  out.word(0x0a0d0d0a).word(28).word(0x1a2b3c4d).half_pair(1, 0).word(~0U).word(~0U).word(28);
  out.word(1).word(20).half_pair(link, 0).word(65535).word(20);
  for (unsigned i = 0; i < frames; ++i)
    out.word(6).word(36).word(0).word(0).word(0).word(4).word(4).word(0).word(36);
  return out.bytes();
}

Result<std::uint64_t> check(const Bytes& bytes) {
  return check_capture_bytes("in.pcap", bytes.data(), bytes.size());
}

TEST(CaptureFile, countsFramesInEveryFormAndByteOrder) {
  for (const bool swapped : {false, true}) {
    EXPECT_EQ(check(pcap(swapped, 0xa1b2c3d4, 1, 3)).value(), 3u);
    EXPECT_EQ(check(pcap(swapped, 0xa1b23c4d, 1, 2)).value(), 2u);
    EXPECT_EQ(check(pcapng(swapped, 1, 4)).value(), 4u);
  }
  EXPECT_EQ(check(pcap(false, 0xa1b2c3d4, 1, 0)).value(), 0u);
}

TEST(CaptureFile, otherLinkTypesAreRefused) {
  for (const bool swapped : {false, true}) {
    EXPECT_NE(check(pcap(swapped, 0xa1b2c3d4, 101, 1)).error().text().find("link type 101"),
              std::string::npos);
    EXPECT_NE(check(pcapng(swapped, 113, 1)).error().text().find("link type 113"),
              std::string::npos);
  }
}

TEST(CaptureFile, D11_everyTruncationIsNoticed) {
  for (const bool swapped : {false, true})
    for (const Bytes& whole : {pcap(swapped, 0xa1b2c3d4, 1, 2), pcapng(swapped, 1, 2)}) {
      unsigned accepted = 0;
      for (std::size_t length = 0; length < whole.size(); ++length)
        if (check(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length))).ok())
          ++accepted;
      // Between two records or blocks a shorter file is a whole one.
      EXPECT_LE(accepted, 3u);
      EXPECT_EQ(check(whole).value(), 2u);
    }
}

TEST(CaptureFile, D11_impossibleLengthsAreDamage) {
  Bytes bytes = pcap(false, 0xa1b2c3d4, 1, 1);
  bytes[24 + 11] = 0xff;
  EXPECT_NE(check(bytes).error().text().find("damaged at frame 1"), std::string::npos);
  bytes = pcapng(false, 1, 1);
  bytes[28 + 4] = 0;
  EXPECT_NE(check(bytes).error().text().find("damaged"), std::string::npos);
}

TEST(CaptureFile, whatIsNoCaptureIsNamed) {
  const std::string text = "hello, world";
  const auto checked = check_capture_bytes(
      "letter.txt", reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().word, "letter.txt");
  EXPECT_FALSE(check_capture("/").ok());
  EXPECT_FALSE(check_capture("/dev/null").ok());
}

}  // namespace
}  // namespace linnet::app
