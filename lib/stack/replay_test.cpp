// SPDX-License-Identifier: BSD-3-Clause
#include "stack/replay.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/checksum.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/icmp.hpp"
#include "wire/ipv4.hpp"

namespace linnet::stack {
namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMillisecond = 1'000'000;

const MacAddress kHost({0x02, 0, 0, 0, 0, 0xaa});
const MacAddress kPeer({0x02, 0, 0, 0, 0, 0xbb});
const MacAddress kPort1({0x02, 0x4c, 0x4e, 0, 0, 1});
const MacAddress kPort2({0x02, 0x4c, 0x4e, 0, 0, 2});

template <typename... Headers>
Bytes joined(const Headers&... headers) {
  Bytes out;
  const auto append = [&out](const auto& header) {
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&header);
    out.insert(out.end(), bytes, bytes + sizeof header);
  };
  (append(headers), ...);
  return out;
}

Bytes arp(std::uint16_t operation, MacAddress from, Ipv4Address sender, MacAddress to,
          Ipv4Address target) {
  const wire::ArpPacket packet{be16(1), be16(0x0800), 6,  4,     be16(operation),
                               from,    sender,       to, target};
  return joined(wire::EthernetHeader{to, from, be16(wire::ethertype::kArp)}, packet);
}

Bytes echo(MacAddress from, MacAddress to, Ipv4Address source, Ipv4Address destination) {
  wire::Ipv4Header ip{};
  ip.set_header_length(20);
  ip.total_length = be16(28);
  ip.ttl = 64;
  ip.protocol = wire::protocol::kIcmp;
  ip.source = source;
  ip.destination = destination;
  ChecksumSum ip_sum;
  ip_sum.add(std::as_bytes(std::span(&ip, 1)));
  ip.checksum = ip_sum.checksum();
  wire::IcmpHeader icmp{8, 0, be16(0), be32(0x12340001)};
  ChecksumSum icmp_sum;
  icmp_sum.add(std::as_bytes(std::span(&icmp, 1)));
  icmp.checksum = icmp_sum.checksum();
  return joined(wire::EthernetHeader{to, from, be16(wire::ethertype::kIpv4)}, ip, icmp);
}

struct Record {
  std::int64_t stamp_ns;
  Bytes frame;
};

void put32(Bytes& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8)
    out.push_back(static_cast<std::uint8_t>(value >> shift));
}

class ReplayTest : public testing::Test {
 protected:
  ReplayTest() {
    char name[] = "/tmp/linnet-replay-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~ReplayTest() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ / name; }

  void write_capture(const std::string& name, const std::vector<Record>& records) const {
    Bytes out;
    for (const std::uint32_t word : {0xa1b23c4du, 0x00040002u, 0u, 0u, 65535u, 1u})
      put32(out, word);
    for (const Record& record : records) {
      put32(out, static_cast<std::uint32_t>(record.stamp_ns / kSecond));
      put32(out, static_cast<std::uint32_t>(record.stamp_ns % kSecond));
      put32(out, static_cast<std::uint32_t>(record.frame.size()));
      put32(out, static_cast<std::uint32_t>(record.frame.size()));
      out.insert(out.end(), record.frame.begin(), record.frame.end());
    }
    std::ofstream(path(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(out.data()), std::ssize(out));
  }
  Bytes bytes_of(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
  }
  std::vector<Record> records_of(const std::string& name) const {
    const Bytes bytes = bytes_of(name);
    const auto word = [&](std::size_t at) {
      std::uint32_t value;
      std::memcpy(&value, bytes.data() + at, sizeof value);
      return value;
    };
    std::vector<Record> out;
    for (std::size_t at = 24; at + 16 <= bytes.size();) {
      const std::uint32_t length = word(at + 8);
      out.push_back({word(at) * kSecond + word(at + 4),
                     Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(at + 16),
                           bytes.begin() + static_cast<std::ptrdiff_t>(at + 16 + length))});
      at += 16 + length;
    }
    return out;
  }

  // A router with 10.0.0.1/24 and 10.0.1.1/24 on two ports, which read in1 and in2.
  ReplayReport replay(const std::string& out) {
    static int serial = 0;
    Options options;
    options.pool.name = "replay" + std::to_string(serial++);
    options.pool.packets = 2048;
    options.seed = 7;
    auto stack = std::move(Stack::create(options)).value();
    std::vector<device::ReplayPort*> ports;
    for (unsigned number = 1; number <= 2; ++number) {
      const std::string n = std::to_string(number);
      device::ReplayPort::Options wanted;
      wanted.input = path("in" + n);
      wanted.output = path(out + n);
      wanted.port.name = "r" + n;
      wanted.port.pool = &stack->pool();
      wanted.number = number;
      auto port = device::ReplayPort::create(wanted);
      EXPECT_TRUE(port.ok()) << port.error().text();
      ports.push_back(port->get());
      EXPECT_TRUE(stack->add_device(std::move(port).value()).ok());
      EXPECT_TRUE(stack->set_link(*ports.back(), true).ok());
      route::Address address;
      address.interface =
          Ipv4Interface{Ipv4Address(10, 0, static_cast<std::uint8_t>(number - 1), 1), 24};
      EXPECT_TRUE(stack->add_address(*ports.back(), address).ok());
    }
    stack->ip_settings().ip_forward = true;
    auto report = run_replay(*stack, ports);
    EXPECT_TRUE(report.ok()) << report.error().text();
    EXPECT_TRUE(stack->account().balanced());
    return report.ok() ? *report : ReplayReport{};
  }

  std::filesystem::path directory_;
};

const Ipv4Address kRouter(10, 0, 0, 1), kSource(10, 0, 0, 2);
const Ipv4Address kRouter2(10, 0, 1, 1), kFar(10, 0, 1, 2), kSilent(10, 0, 1, 99);

// Pings the router, then a host behind it, then one that does not answer.
void write_conversation(const std::function<void(const std::string&, std::vector<Record>)>& write) {
  write("in1", {{100 * kSecond, arp(1, kHost, kSource, MacAddress::broadcast(), kRouter)},
                {100 * kSecond + kMillisecond, echo(kHost, kPort1, kSource, kRouter)},
                {101 * kSecond, echo(kHost, kPort1, kSource, kFar)},
                {200 * kSecond, arp(1, kHost, kSource, kPort1, kRouter)},
                {200 * kSecond, echo(kHost, kPort1, kSource, kSilent)}});
  write("in2", {{101 * kSecond + 5 * kMillisecond, arp(2, kPeer, kFar, kPort2, kRouter2)}});
}

const Record* find(const std::vector<Record>& records, std::uint16_t ethertype, int icmp_type) {
  for (const Record& record : records) {
    if (record.frame[12] != ethertype >> 8 || record.frame[13] != (ethertype & 255)) continue;
    if (icmp_type < 0 || record.frame[34] == icmp_type) return &record;
  }
  return nullptr;
}

TEST_F(ReplayTest, AnswersAreWrittenAtTheTimesOfTheCapture) {
  write_conversation([&](auto& name, auto records) { write_capture(name, records); });
  const ReplayReport report = replay("out");
  EXPECT_EQ(report.received, 6u);
  const std::vector<Record> near = records_of("out1");
  const std::vector<Record> far = records_of("out2");
  EXPECT_EQ(report.written, near.size() + far.size());
  const Record* const pong = find(near, wire::ethertype::kIpv4, 0);
  ASSERT_NE(pong, nullptr);
  EXPECT_EQ(pong->stamp_ns, 100 * kSecond + kMillisecond);
  EXPECT_EQ(pong->frame.size(), 60u);
  // The forwarded echo waited for its neighbour: it left when the answer of the capture came.
  const Record* const forwarded = find(far, wire::ethertype::kIpv4, 8);
  ASSERT_NE(forwarded, nullptr);
  EXPECT_EQ(forwarded->stamp_ns, 101 * kSecond + 5 * kMillisecond);
  EXPECT_EQ(forwarded->frame[22], 63);  // TTL
  // No one answered for the last: three requests a second apart, then unreachable.
  const Record* const unreachable = find(near, wire::ethertype::kIpv4, 3);
  ASSERT_NE(unreachable, nullptr);
  EXPECT_GE(unreachable->stamp_ns, 203 * kSecond);
  EXPECT_LT(unreachable->stamp_ns, 204 * kSecond);
}

TEST_F(ReplayTest, TheSameCapturesWriteTheSameBytes) {
  write_conversation([&](auto& name, auto records) { write_capture(name, records); });
  replay("a");
  replay("b");
  EXPECT_GT(bytes_of("a1").size(), 24u);
  EXPECT_EQ(bytes_of("a1"), bytes_of("b1"));
  EXPECT_EQ(bytes_of("a2"), bytes_of("b2"));
}

TEST_F(ReplayTest, StampsThatGoBackDoNotTurnTimeBack) {
  const Bytes ping = echo(kHost, kPort1, kSource, kRouter);
  write_capture("in1", {{50 * kSecond, arp(1, kHost, kSource, MacAddress::broadcast(), kRouter)},
                        {40 * kSecond, ping},
                        {50 * kSecond + 1000, ping}});
  write_capture("in2", {});
  EXPECT_EQ(replay("out").received, 3u);
  std::int64_t last = 0;
  for (const Record& record : records_of("out1")) {
    EXPECT_GE(record.stamp_ns, last);
    last = record.stamp_ns;
  }
  EXPECT_GE(last, 50 * kSecond + 1000);
}

TEST_F(ReplayTest, EmptyCapturesEndAtOnce) {
  write_capture("in1", {});
  write_capture("in2", {});
  EXPECT_EQ(replay("out").received, 0u);
}

}  // namespace
}  // namespace linnet::stack
