// SPDX-License-Identifier: BSD-3-Clause
#include "socket/bpf.hpp"

#include "support/lane_fixture.hpp"

namespace linnet::socket {
namespace {

using Program = std::vector<BpfInstruction>;

BpfFilter filter_of(const Program& program) {
  return BpfFilter::make(std::as_bytes(std::span(program)));
}

class BpfTest : public tests::LaneFixture {
 protected:
  std::uint32_t run(const Program& program, const tests::Bytes& bytes, std::uint32_t skip = 0) {
    const BpfFilter filter = filter_of(program);
    EXPECT_TRUE(filter);
    packet::Packet packet = receive(bytes);
    const std::uint32_t result = filter.run(packet, skip, {0x0800, 4, 3});
    packet::Turn now = turn();
    now.deliver(std::move(packet));
    return result;
  }
};

// tcpdump -dd 'udp port 53' on Ethernet, IPv4 alone.
const Program kUdpPort53 = {
    {0x28, 0, 0, 12}, {0x15, 0, 10, 0x0800}, {0x30, 0, 0, 23}, {0x15, 0, 8, 17},
    {0x28, 0, 0, 20}, {0x45, 6, 0, 0x1fff},  {0xb1, 0, 0, 14}, {0x48, 0, 0, 14},
    {0x15, 2, 0, 53}, {0x48, 0, 0, 16},      {0x15, 0, 1, 53}, {0x06, 0, 0, 262144},
    {0x06, 0, 0, 0},
};

tests::Bytes frame(std::uint16_t destination_port, std::uint8_t protocol = 17) {
  tests::Bytes out(60);
  out[12] = 8;
  out[14] = 0x46;  // a header of 24 bytes
  out[23] = protocol;
  out[38] = 0x11;
  out[40] = static_cast<std::uint8_t>(destination_port >> 8);
  out[41] = static_cast<std::uint8_t>(destination_port);
  return out;
}

TEST_F(BpfTest, WhatTcpdumpCompilesSelectsAsItShould) {
  EXPECT_EQ(run(kUdpPort53, frame(53)), 262144u);
  EXPECT_EQ(run(kUdpPort53, frame(54)), 0u);
  EXPECT_EQ(run(kUdpPort53, frame(53, 6)), 0u);
  tests::Bytes fragment = frame(53);
  fragment[21] = 1;
  EXPECT_EQ(run(kUdpPort53, fragment), 0u);
}

TEST_F(BpfTest, LoadsOutsideOfThePacketEndTheRun) {
  EXPECT_EQ(run({{0x30, 0, 0, 3}, {0x06, 0, 0, 1}}, {1, 2, 3, 4}), 1u);
  EXPECT_EQ(run({{0x30, 0, 0, 4}, {0x06, 0, 0, 1}}, {1, 2, 3, 4}), 0u);
  EXPECT_EQ(run({{0x20, 0, 0, 1}, {0x06, 0, 0, 1}}, {1, 2, 3, 4}), 0u);
  EXPECT_EQ(run({{0x30, 0, 0, 2}, {0x06, 0, 0, 1}}, {1, 2, 3, 4}, 2), 0u) << "what is skipped";
  // An index that would wrap around.
  EXPECT_EQ(run({{0x01, 0, 0, 0xffffffff}, {0x50, 0, 0, 2}, {0x06, 0, 0, 1}}, {1, 2, 3, 4}), 0u);
}

TEST_F(BpfTest, ArithmeticAndAncillaryValues) {
  EXPECT_EQ(run({{0x00, 0, 0, 100}, {0x34, 0, 0, 7}, {0x94, 0, 0, 5}, {0x16, 0, 0, 0}}, {1}), 4u);
  EXPECT_EQ(run({{0x00, 0, 0, 9}, {0x3c, 0, 0, 0}, {0x06, 0, 0, 1}}, {1}), 0u)
      << "division by a register of zero";
  EXPECT_EQ(
      run({{0x00, 0, 0, 9}, {0x02, 0, 0, 15}, {0x60, 0, 0, 15}, {0x84, 0, 0, 0}, {0x16, 0, 0, 0}},
          {1}),
      0u - 9);
  EXPECT_EQ(run({{0x28, 0, 0, 0xfffff000}, {0x16, 0, 0, 0}}, {1}), 0x0800u);
  EXPECT_EQ(run({{0x20, 0, 0, 0xfffff004}, {0x16, 0, 0, 0}}, {1}), 4u);
  EXPECT_EQ(run({{0x20, 0, 0, 0xfffff008}, {0x16, 0, 0, 0}}, {1}), 3u);
}

TEST_F(BpfTest, UnsoundProgramsAreRefused) {
  const Program good = {{0x15, 0, 0, 1}, {0x06, 0, 0, 1}};
  EXPECT_TRUE(filter_of(good));
  EXPECT_FALSE(BpfFilter::make(std::span<const std::byte>()));
  for (const Program& bad :
       std::vector<Program>{{{0x30, 0, 0, 1}},                            // no RET
                            {{0x15, 1, 0, 1}, {0x06, 0, 0, 1}},           // jumps behind the end
                            {{0x05, 0, 0, 1}, {0x06, 0, 0, 1}},           // likewise
                            {{0x05, 0, 0, 0xffffffff}, {0x06, 0, 0, 1}},  // back
                            {{0x34, 0, 0, 0}, {0x06, 0, 0, 1}},           // division by zero
                            {{0x64, 0, 0, 32}, {0x06, 0, 0, 1}},          // a shift by all bits
                            {{0x02, 0, 0, 16}, {0x06, 0, 0, 1}},          // no such cell
                            {{0x60, 0, 0, 16}, {0x06, 0, 0, 1}},          //
                            {{0x20, 0, 0, 0xfffff00c}, {0x06, 0, 0, 1}},  // unknown ancillary
                            {{0xb0, 0, 0, 0}, {0x06, 0, 0, 1}},           // unknown codes
                            {{0xffff, 0, 0, 0}, {0x06, 0, 0, 1}},
                            {{0x65, 0, 0, 0}, {0x0e, 0, 0, 1}}})
    EXPECT_FALSE(filter_of(bad)) << bad[0].code;
  EXPECT_FALSE(filter_of(Program(4097, {0x06, 0, 0, 0})));
}

TEST_F(BpfTest, AProgramMayStandAnywhereInABufferAndChangeOnceItWasTaken) {
  const Program good = {{0x06, 0, 0, 7}, {0xffff, 0, 0, 0}};
  std::vector<std::byte> bytes(1 + sizeof(BpfInstruction) + 3);
  std::memcpy(bytes.data() + 1, good.data(), sizeof(BpfInstruction));
  const BpfFilter filter = BpfFilter::make(std::span(bytes).subspan(1));
  ASSERT_TRUE(filter) << "what is no whole instruction is not looked at";
  std::ranges::fill(bytes, std::byte{0xff});
  packet::Packet packet = receive(tests::Bytes{1});
  EXPECT_EQ(filter.run(packet, 0, {}), 7u);
  packet::Turn now = turn();
  now.deliver(std::move(packet));
}

// Any program that passes the check runs to its end on any packet.
TEST_F(BpfTest, RandomProgramsThatPassTheCheckEnd) {
  time::Random random(5);
  unsigned sound = 0;
  for (int i = 0; i < 200000; ++i) {
    Program program(1 + random.below(8));
    for (BpfInstruction& at : program) {
      at = {static_cast<std::uint16_t>(random.below(256)),
            static_cast<std::uint8_t>(random.below(4)), static_cast<std::uint8_t>(random.below(4)),
            static_cast<std::uint32_t>(random.below(4) == 0 ? random.next() : random.below(20))};
    }
    program.back().code = 0x16;
    if (!filter_of(program)) continue;
    ++sound;
    run(program, tests::Bytes(random.below(20) + 1, 0x5a));
  }
  EXPECT_GT(sound, 1000u);
}

}  // namespace
}  // namespace linnet::socket
