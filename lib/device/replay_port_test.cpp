// SPDX-License-Identifier: BSD-3-Clause
#include "device/replay_port.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "support/lane_fixture.hpp"

namespace linnet::device {
namespace {

using packet::Burst;
using packet::Packet;
using tests::Bytes;

class ReplayPortTest : public tests::LaneFixture {
 protected:
  ReplayPortTest() {
    char name[] = "/tmp/linnet-replay-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~ReplayPortTest() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ / name; }
  // A capture of frames of 64 bytes, each full of its number, with these stamps.
  void write_capture(const std::string& name, const std::vector<std::int64_t>& stamps_ns,
                     std::size_t length = 64) {
    CaptureWriter writer;
    ASSERT_TRUE(writer.open(path(name)).ok());
    for (std::size_t i = 0; i < stamps_ns.size(); ++i) {
      const Bytes piece(std::min<std::size_t>(length, 1000), static_cast<std::uint8_t>(i));
      Packet frame = receive(piece);
      while (frame.length() < length) {
        Packet more = pool_->allocate();
        std::memcpy(more.put(static_cast<std::uint32_t>(piece.size())), piece.data(), piece.size());
        ASSERT_EQ(rte_pktmbuf_chain(frame.mbuf(), more.release()), 0);
      }
      writer.write(stamps_ns[i], frame);
      ledger_.deliver(std::move(frame));
    }
    ASSERT_TRUE(writer.close().ok());
  }
  Bytes read(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
  }
  Result<std::unique_ptr<ReplayPort>> open(const std::string& input, const std::string& output) {
    ReplayPort::Options options;
    options.input = path(input);
    options.output = path(output);
    options.port.name = "r" + std::to_string(serial_++);
    options.port.pool = pool_.get();
    options.number = 3;
    return ReplayPort::create(options);
  }

  static inline int serial_ = 0;
  std::filesystem::path directory_;
};

constexpr std::int64_t kSecond = 1'000'000'000;

TEST_F(ReplayPortTest, FramesComeOneByOneWhenLetThroughWithTheirStamps) {
  write_capture("in.pcap", {5 * kSecond, 5 * kSecond + 7000, 9 * kSecond});
  auto port = open("in.pcap", "out.pcap");
  ASSERT_TRUE(port.ok()) << port.error().text();
  ReplayPort& replay = **port;
  EXPECT_EQ(replay.mac(), *MacAddress::parse("02:4c:4e:00:00:03"));
  Burst burst;
  EXPECT_EQ(replay.receive(0, burst), 0u);
  const std::int64_t expected[] = {5 * kSecond, 5 * kSecond + 7000, 9 * kSecond};
  for (unsigned i = 0; i < 3; ++i) {
    ASSERT_EQ(replay.next_stamp_ns(), expected[i]);
    replay.let_through();
    ASSERT_EQ(replay.receive(0, burst), 1u);
    EXPECT_EQ(replay.receive(0, burst), 0u);
    Packet frame = burst.take(0);
    burst.clear();
    ledger_.received.add();
    EXPECT_EQ(bytes_of(frame), Bytes(64, static_cast<std::uint8_t>(i)));
    ledger_.deliver(std::move(frame));
  }
  EXPECT_EQ(replay.next_stamp_ns(), std::nullopt);
  EXPECT_TRUE(replay.finish().ok());
}

TEST_F(ReplayPortTest, ManyMoreFramesThanABurstArriveAndThenTheEnd) {
  write_capture("in.pcap", std::vector<std::int64_t>(1000, kSecond));
  auto port = open("in.pcap", "out.pcap");
  ASSERT_TRUE(port.ok()) << port.error().text();
  unsigned count = 0;
  for (; (*port)->next_stamp_ns(); ++count) {
    Burst burst;
    (*port)->let_through();
    ASSERT_EQ((*port)->receive(0, burst), 1u);
    ledger_.received.add();
    burst.drain([&](Packet&& frame) { ledger_.deliver(std::move(frame)); });
  }
  EXPECT_EQ(count, 1000u);
  EXPECT_TRUE((*port)->finish().ok());
}

TEST_F(ReplayPortTest, WhatIsSentIsWrittenWithTheToldTimeByteByByte) {
  write_capture("in.pcap", {});
  auto port = open("in.pcap", "out.pcap");
  ASSERT_TRUE(port.ok()) << port.error().text();
  EXPECT_EQ((*port)->next_stamp_ns(), std::nullopt);
  (*port)->set_stamp_ns(3 * kSecond + 5);
  Burst burst;
  burst.push(receive(Bytes{1, 2, 3}));
  ledger_.sent.add((*port)->transmit(0, burst));
  ASSERT_TRUE((*port)->finish().ok());
  const Bytes expected = {0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0,
                          0,    0,    0,    4,    0, 1, 0, 0, 0, 3, 0, 0, 0, 5, 0,
                          0,    0,    3,    0,    0, 0, 3, 0, 0, 0, 1, 2, 3};
  EXPECT_EQ(read("out.pcap"), expected);
  EXPECT_EQ((*port)->frames_written(), 1u);
}

TEST_F(ReplayPortTest, AFrameLostForWantOfBuffersIsAnErrorAndNotASilentGap) {
  write_capture("in.pcap", std::vector<std::int64_t>(8, kSecond));
  auto port = open("in.pcap", "out.pcap");
  ASSERT_TRUE(port.ok()) << port.error().text();
  std::vector<rte_mbuf*> all(pool_->available());
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool_->raw(), all.data(), static_cast<unsigned>(all.size())), 0);
  EXPECT_EQ((*port)->next_stamp_ns(), std::nullopt);
  rte_pktmbuf_free_bulk(all.data(), static_cast<unsigned>(all.size()));
  Result<> finished = (*port)->finish();
  ASSERT_FALSE(finished.ok());
  EXPECT_NE(finished.error().text().find("packet pool was empty"), std::string::npos);
}

TEST_F(ReplayPortTest, AJumboFrameOfTheCaptureArrivesWhole) {
  write_capture("in.pcap", {kSecond}, 9000);
  auto port = open("in.pcap", "out.pcap");
  ASSERT_TRUE(port.ok()) << port.error().text();
  ASSERT_TRUE((*port)->next_stamp_ns());
  (*port)->let_through();
  Burst burst;
  ASSERT_EQ((*port)->receive(0, burst), 1u);
  ledger_.received.add();
  burst.drain([&](Packet&& frame) {
    EXPECT_EQ(bytes_of(frame), Bytes(9000, 0));
    ledger_.deliver(std::move(frame));
  });
}

TEST_F(ReplayPortTest, FilesThatCannotBeOpenedAreNamed) {
  write_capture("in.pcap", {kSecond});
  auto missing = open("none.pcap", "out.pcap");
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().text().find("none.pcap"), std::string::npos);
  auto nowhere = open("in.pcap", "no/such/place/out.pcap");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_NE(nowhere.error().text().find("cannot write the capture"), std::string::npos);
  write_capture("a,b.pcap", {kSecond});
  auto comma = open("a,b.pcap", "out.pcap");
  ASSERT_FALSE(comma.ok());
  EXPECT_NE(comma.error().text().find("comma"), std::string::npos);
}

TEST_F(ReplayPortTest, AFullDiskIsToldWhenTheReplayEnds) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  CaptureWriter writer;
  ASSERT_TRUE(writer.open("/dev/full").ok());
  Packet frame = receive(Bytes(64, 1));
  writer.write(kSecond, frame);
  ledger_.deliver(std::move(frame));
  EXPECT_FALSE(writer.close().ok());
}

}  // namespace
}  // namespace linnet::device
