// SPDX-License-Identifier: BSD-3-Clause
// Frames of any bytes to Ethernet input. Input: what (bit 0: to our address, 1: to the broadcast
// address, 2: promiscuous, 3: lowers the MTU), then the frame.
#include <algorithm>
#include <memory>

#include "device/memory_port.hpp"
#include "link/ethernet.hpp"
#include "support/fuzz_eal.hpp"

namespace {

using namespace linnet;

const MacAddress kOurs({2, 0, 0, 0, 0, 1});

// What comes out has no link header left, and remembers where it is.
void take(void*, packet::Turn& turn, packet::Burst& burst) {
  burst.drain([&](packet::Packet&& packet) {
    LINNET_CHECK(packet.consistent());
    LINNET_CHECK(packet.meta().cast != packet::LinkCast::Other);
    LINNET_CHECK_OP(packet.meta().link_offset + sizeof(wire::EthernetHeader), ==,
                    packet.data_offset());
    turn.deliver(std::move(packet));
  });
}

struct Fixture {
  Fixture() {
    port = static_cast<device::MemoryPort*>(
        *devices.add(std::make_unique<device::MemoryPort>("p0", kOurs)));
    LINNET_CHECK(port->set_admin_up(true).ok());
    input.handle(wire::ethertype::kIpv4, packet::Stage{nullptr, &take});
    input.handle(wire::ethertype::kArp, packet::Stage{nullptr, &take});
  }
  device::DeviceTable devices;
  device::MemoryPort* port;
  link::EthernetInput input;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Fixture* const fixture = new Fixture;
  tests::FuzzLane& lane = tests::FuzzLane::instance();
  if (size < 1) return 0;
  const unsigned what = data[0];
  packet::Turn turn = lane.turn();
  packet::Packet frame = lane.receive({data + 1, std::min<std::size_t>(size - 1, 2000)});
  frame.meta().input_device = fixture->port->index();
  if (auto* const header = frame.header<wire::EthernetHeader>(); header != nullptr) {
    if ((what & 1) != 0) header->destination = kOurs;
    if ((what & 2) != 0) header->destination = MacAddress::broadcast();
  }
  packet::Burst burst;
  burst.push(std::move(frame));
  fixture->input.input(turn, *fixture->port, burst);
  lane.check_balance();
  return 0;
}
