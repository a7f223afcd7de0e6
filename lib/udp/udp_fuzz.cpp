// SPDX-License-Identifier: BSD-3-Clause
// UDP datagrams of any bytes, in any segments, held against a plain reading of RFC 768. Input: what
// (bit 0: the checksum is made right, 1: the length is, 2: to a broadcast address, 3: no sockets
// are there), where the packet is cut in two, then the datagram.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/checksum.hpp"
#include "ip/test_host.hpp"
#include "support/fuzz_eal.hpp"
#include "udp/input.hpp"
#include "wire/udp.hpp"

namespace {

using namespace linnet;
using Bytes = std::vector<std::uint8_t>;

enum class Verdict { Good, Truncated, BadLength, BadChecksum };

struct Fixture {
  Fixture() {
    host.output.connect(packet::Stage{nullptr, [](void*, packet::Turn& turn, packet::Burst& burst) {
                                        burst.drain([&](packet::Packet&& packet) {
                                          LINNET_CHECK(packet.consistent());
                                          turn.ledger.sent.add();
                                          rte_pktmbuf_free(packet.release());
                                        });
                                      }});
    with_sockets.connect(packet::Stage{this, &Fixture::take});
  }

  static void take(void* self, packet::Turn& turn, packet::Burst& burst) {
    auto& fixture = *static_cast<Fixture*>(self);
    burst.drain([&](packet::Packet&& packet) {
      LINNET_CHECK(packet.consistent());
      fixture.taken.resize(packet.length());
      LINNET_CHECK(packet.copy_out(0, std::as_writable_bytes(std::span(fixture.taken))));
      ++fixture.count;
      turn.deliver(std::move(packet));
    });
  }

  ip::TestHost host;
  udp::Input with_sockets{host.icmp}, without{host.icmp};
  Bytes taken{};
  unsigned count = 0;
};

std::uint16_t length_of(std::span<const std::uint8_t> datagram) {
  return static_cast<std::uint16_t>(datagram[4] << 8 | datagram[5]);
}

// Pseudo header and datagram; the sum is over what the length names.
be16 sum_of(const wire::Ipv4Header& ip, std::span<const std::uint8_t> datagram) {
  const std::uint16_t length = length_of(datagram);
  Bytes all(12);
  std::memcpy(all.data(), &ip.source, 4);
  std::memcpy(all.data() + 4, &ip.destination, 4);
  all[9] = wire::protocol::kUdp;
  all[10] = datagram[4];
  all[11] = datagram[5];
  all.insert(all.end(), datagram.begin(), datagram.begin() + length);
  return internet_checksum(std::as_bytes(std::span(all)));
}

Verdict judge(const wire::Ipv4Header& ip, std::span<const std::uint8_t> datagram) {
  if (datagram.size() < 8) return Verdict::Truncated;
  if (length_of(datagram) < 8 || length_of(datagram) > datagram.size()) return Verdict::BadLength;
  if (datagram[6] == 0 && datagram[7] == 0) return Verdict::Good;
  return sum_of(ip, datagram) == be16() ? Verdict::Good : Verdict::BadChecksum;
}

// The last bytes, from `at` on, become a second segment of the packet.
void cut(packet::Packet& packet, std::uint32_t at) {
  const std::uint32_t length = packet.length();
  if (at == 0 || at >= length) return;
  packet::Packet second = tests::FuzzLane::instance().pool().allocate();
  LINNET_CHECK(second);
  LINNET_CHECK(packet.copy_out(at, {second.put(length - at), length - at}));
  tests::expose_only_data(second.mbuf());
  packet.trim(at);
  tests::expose_only_data(packet.mbuf());
  packet.chain(std::move(second));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Fixture* const fixture = new Fixture;
  tests::FuzzLane& lane = tests::FuzzLane::instance();
  if (size < 2) return 0;
  const unsigned what = data[0];
  const std::uint32_t at = 20u + data[1];
  size = std::min<std::size_t>(size - 2, 1400);
  Bytes bytes(20 + size);
  if (size != 0) std::memcpy(bytes.data() + 20, data + 2, size);
  const std::span<std::uint8_t> datagram(bytes.data() + 20, size);
  auto& header = *reinterpret_cast<wire::Ipv4Header*>(bytes.data());
  header.set_header_length(20);
  header.total_length = be16(static_cast<std::uint16_t>(bytes.size()));
  header.ttl = 64;
  header.protocol = wire::protocol::kUdp;
  header.source = Ipv4Address(192, 0, 2, 7);
  header.destination = Ipv4Address(192, 0, 2, (what & 4) != 0 ? 255 : 1);
  if (size >= 8) {
    auto& udp = *reinterpret_cast<wire::UdpHeader*>(datagram.data());
    if ((what & 2) != 0) udp.length = be16(static_cast<std::uint16_t>(size));
    if ((what & 1) != 0 && length_of(datagram) >= 8 && length_of(datagram) <= size) {
      udp.checksum = be16();
      udp.checksum = sum_of(header, datagram);
    }
  }
  const Verdict verdict = judge(header, datagram);

  lane.advance(time::Duration::milliseconds(500));
  packet::Turn turn = lane.turn();
  packet::Packet packet = lane.receive(bytes);
  cut(packet, at);
  packet.meta().network_offset = packet.data_offset();
  packet.meta().input_device = 1;
  packet.pull(20);
  packet.meta().transport_offset = packet.data_offset();
  const bool sockets = (what & 8) == 0;
  udp::Input& input = sockets ? fixture->with_sockets : fixture->without;
  const auto counted = [&](udp::Count which) { return input.counters().value(which); };
  const std::uint64_t errors = counted(udp::Count::InErrors);
  const std::uint64_t sums = counted(udp::Count::InCsumErrors);
  const std::uint64_t refused = counted(udp::Count::NoPorts);
  fixture->count = 0;
  packet::Burst burst;
  burst.push(std::move(packet));
  input.input(turn, burst);

  const bool good = verdict == Verdict::Good;
  LINNET_CHECK(burst.empty());
  LINNET_CHECK_OP(counted(udp::Count::InErrors) - errors, ==, good ? 0u : 1u);
  LINNET_CHECK_OP(counted(udp::Count::InCsumErrors) - sums, ==,
                  verdict == Verdict::BadChecksum ? 1u : 0u);
  LINNET_CHECK_OP(counted(udp::Count::NoPorts) - refused, ==, good && !sockets ? 1u : 0u);
  LINNET_CHECK_OP(fixture->count, ==, good && sockets ? 1u : 0u);
  if (fixture->count != 0)
    LINNET_CHECK(std::ranges::equal(fixture->taken, datagram.first(length_of(datagram))));
  lane.check_balance();
  return 0;
}
