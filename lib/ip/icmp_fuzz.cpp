// SPDX-License-Identifier: BSD-3-Clause
// ICMP messages of any bytes to a host. Input: what (bit 0: the checksum is made right, 1: to a
// broadcast address, 2: redirects are taken, 3: the message is refused instead of delivered, 4:
// echo to broadcasts is answered), then the number of option words and the IP source's last byte,
// then options and message.
#include <algorithm>
#include <array>
#include <cstring>

#include "base/checksum.hpp"
#include "ip/options.hpp"
#include "ip/test_host.hpp"
#include "support/fuzz_eal.hpp"
#include "wire/icmp.hpp"

namespace {

using namespace linnet;

// Every packet that leaves is well formed and goes to one host.
void take_sent(void*, packet::Turn& turn, packet::Burst& burst) {
  burst.drain([&](packet::Packet&& packet) {
    const auto& header = *packet.header<wire::Ipv4Header>();
    const unsigned header_length = header.header_length();
    LINNET_CHECK(packet.consistent());
    LINNET_CHECK_OP(std::uint32_t{header.total_length.host()}, ==, packet.length());
    LINNET_CHECK_OP(packet.checksum_sum(0, header_length), ==, 0xffff);
    LINNET_CHECK_OP(packet.checksum_sum(header_length, packet.length() - header_length), ==,
                    0xffff);
    LINNET_CHECK(header.source == Ipv4Address(192, 0, 2, 1));
    LINNET_CHECK(!header.destination.is_multicast());
    LINNET_CHECK(header.destination != Ipv4Address(192, 0, 2, 255));
    turn.ledger.sent.add();
    rte_pktmbuf_free(packet.release());
  });
}

struct Fixture {
  Fixture() {
    host.output.connect(packet::Stage{nullptr, &take_sent});
    host.icmp.on_error(
        wire::protocol::kUdp,
        [](void*, packet::Turn&, const ip::ErrorReport& report) {
          LINNET_CHECK_OP(report.quoted_payload.size(), >=, 8u);
          LINNET_CHECK_OP(report.quoted->header_length(), >=, 20u);
          return true;
        },
        nullptr);
    host.icmp.on_redirect(
        [](void*, packet::Turn&, const ip::Icmp::RedirectReport& report) {
          LINNET_CHECK_OP(report.gateway.host() >> 8, ==, Ipv4Address(192, 0, 2, 0).host() >> 8);
        },
        nullptr);
  }
  ip::TestHost host;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Fixture* const fixture = new Fixture;
  tests::FuzzLane& lane = tests::FuzzLane::instance();
  if (size < 3) return 0;
  const unsigned what = data[0];
  const std::size_t options = data[1] % 11 * 4u;
  const std::uint8_t from = data[2];
  data += 3;
  size = std::min<std::size_t>(size - 3, 1400);
  if (size < options) return 0;

  std::array<std::uint8_t, 2000> bytes{};
  auto& header = *reinterpret_cast<wire::Ipv4Header*>(bytes.data());
  header.set_header_length(static_cast<unsigned>(20 + options));
  header.total_length = be16(static_cast<std::uint16_t>(20 + size));
  header.ttl = 64;
  header.protocol = wire::protocol::kIcmp;
  header.source = Ipv4Address(192, 0, 2, from);
  header.destination = Ipv4Address(192, 0, 2, (what & 2) != 0 ? 255 : 1);
  std::memcpy(bytes.data() + 20, data, size);
  const std::span<std::uint8_t> message(bytes.data() + 20 + options, size - options);
  if ((what & 1) != 0 && message.size() >= sizeof(wire::IcmpHeader)) {
    auto& icmp = *reinterpret_cast<wire::IcmpHeader*>(message.data());
    icmp.checksum = be16();
    icmp.checksum = internet_checksum(std::as_bytes(message));
  }
  ip::TestHost& host = fixture->host;
  host.settings.accept_redirects = what >> 2 & 1;
  host.settings.icmp_echo_ignore_broadcasts = ~what >> 4 & 1;

  lane.advance(time::Duration::milliseconds(500));
  packet::Turn turn = lane.turn();
  packet::Packet packet = lane.receive({bytes.data(), 20 + size});
  packet.meta().network_offset = packet.data_offset();
  packet.meta().input_device = 1;
  packet.pull(static_cast<std::uint32_t>(20 + options));
  packet.meta().transport_offset = packet.data_offset();
  if ((what & 8) != 0) {
    host.icmp.refuse(turn, std::move(packet), {wire::IcmpType::TimeExceeded, 0},
                     packet::reason_of(ip::Drop::TtlExceeded));
  } else {
    packet::Burst burst;
    burst.push(std::move(packet));
    host.icmp.input(turn, burst);
  }
  lane.check_balance();
  return 0;
}
