// SPDX-License-Identifier: BSD-3-Clause
// Any sequence of fragments. Each byte of a payload says where in the datagram it stands, so a
// datagram that comes out wrong is seen. Input: records of 6 bytes (what, id, offset, length), the
// last one may be cut.
#include <array>
#include <cstring>

#include "base/checksum.hpp"
#include "ip/reassembly.hpp"
#include "support/fuzz_eal.hpp"
#include "wire/ipv4.hpp"

namespace {

using namespace linnet;

std::uint8_t byte_at(std::size_t position) {
  return static_cast<std::uint8_t>(position ^ position >> 8);
}

struct Record {
  std::uint8_t what;  // bit 0: more fragments, 1: TCP, 2: options, 3..4: ECN, 5..6: time passes,
                      // 7: another source
  std::uint8_t id;
  be16 offset;  // its low 13 bits, in units of 8 bytes
  be16 length;
};
static_assert(sizeof(Record) == 6);

packet::Packet fragment_of(tests::FuzzLane& lane, const Record& record) {
  std::array<std::uint8_t, 2000> bytes{};
  auto& header = *reinterpret_cast<wire::Ipv4Header*>(bytes.data());
  const unsigned header_length = (record.what & 4) != 0 ? 28 : 20;
  const unsigned offset = record.offset.host() & 0x1fff;
  const unsigned length = record.length.host() % 1500;
  header.set_header_length(header_length);
  header.tos = record.what >> 3 & 3;
  header.total_length = be16(static_cast<std::uint16_t>(header_length + length));
  header.id = be16(record.id);
  header.fragment =
      be16(static_cast<std::uint16_t>(offset | ((record.what & 1) != 0 ? 0x2000 : 0)));
  header.ttl = 64;
  header.protocol = (record.what & 2) != 0 ? 6 : 17;
  header.source = Ipv4Address(10, 0, 0, (record.what & 128) != 0 ? 2 : 1);
  header.destination = Ipv4Address(192, 0, 2, 1);
  std::memset(bytes.data() + 20, 1, header_length - 20);
  for (unsigned i = 0; i < length; ++i)
    bytes[header_length + i] = byte_at(offset * 8 + i);
  packet::Packet packet = lane.receive({bytes.data(), header_length + length});
  packet.meta().network_offset = packet.data_offset();
  return packet;
}

void judge(packet::Turn& turn, packet::Packet&& whole) {
  const auto& header = *whole.header<wire::Ipv4Header>();
  const unsigned header_length = header.header_length();
  LINNET_CHECK(whole.consistent());
  LINNET_CHECK(!header.is_fragment());
  LINNET_CHECK_OP(std::uint32_t{header.total_length.host()}, ==, whole.length());
  LINNET_CHECK_OP(whole.checksum_sum(0, header_length), ==, 0xffff);
  std::array<std::byte, 65536> bytes;
  const std::size_t size = whole.length() - header_length;
  LINNET_CHECK(whole.copy_out(header_length, std::span(bytes).first(size)));
  for (std::size_t i = 0; i < size; ++i)
    LINNET_CHECK_OP(std::to_integer<unsigned>(bytes[i]), ==, unsigned{byte_at(i)});
  turn.deliver(std::move(whole));
}

void take_expired(void*, packet::Turn& turn, packet::Burst& burst) {
  burst.drain([&](packet::Packet&& packet) {
    LINNET_CHECK_OP(packet.header<wire::Ipv4Header>()->fragment_offset(), ==, 0u);
    turn.drop(std::move(packet), ip::Drop::FragmentTimeout);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tests::FuzzLane& lane = tests::FuzzLane::instance();
  ip::Settings settings;
  settings.ipfrag_high_thresh = 200'000;
  time::TimerWheel wheel(lane.now());
  ip::Reassembly reassembly(wheel, settings, SipKey{1, 2}, packet::Stage{nullptr, &take_expired});
  for (; size >= sizeof(Record); data += sizeof(Record), size -= sizeof(Record)) {
    Record record;
    std::memcpy(&record, data, sizeof(record));
    if ((record.what & 1) == 0 && (record.offset.host() & 0x1fff) == 0) continue;  // no fragment
    lane.advance(time::Duration::seconds((record.what >> 5 & 3) * 7));
    packet::Turn turn = lane.turn();
    wheel.advance(turn.now, 1000, &turn);
    packet::Packet whole = reassembly.add(turn, fragment_of(lane, record));
    if (whole) judge(turn, std::move(whole));
    LINNET_CHECK_OP(reassembly.held_bytes(), <=, 200'000u);
    LINNET_CHECK_OP(std::uint64_t{reassembly.held_packets()}, ==, lane.ledger().held.value());
  }
  packet::Turn turn = lane.turn();
  reassembly.clear(turn, packet::reason_of(ip::Drop::FragmentTimeout));
  lane.check_balance();
  return 0;
}
