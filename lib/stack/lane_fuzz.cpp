// SPDX-License-Identifier: BSD-3-Clause
// Frames of any bytes to a whole router with two ports, from Ethernet input to the transmitter.
// Input: records of what (bit 0: the port, 1: to our address, 2: the IPv4 header's checksum is made
// right, 3: time passes), a length, and that many bytes of a frame.
#include <algorithm>
#include <array>
#include <memory>

#include "base/checksum.hpp"
#include "device/memory_port.hpp"
#include "stack/stack.hpp"
#include "support/fuzz_eal.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"

namespace {

using namespace linnet;

struct Router {
  Router() {
    stack::Options options;
    options.pool.name = "router";
    options.pool.packets = 2048;
    options.pool.cache = 0;
    options.pool.ops = tests::poison_ops();
    options.seed = 7;
    options.origin = now;
    auto made = stack::Stack::create(options);
    LINNET_CHECK(made.ok());
    stack = std::move(made).value();
    tests::arm(stack->pool());
    for (unsigned i = 0; i < 2; ++i) {
      const std::string number = std::to_string(i);
      auto port = std::make_unique<device::MemoryPort>("p" + number, mac(i));
      ports[i] = port.get();
      LINNET_CHECK(stack->add_device(std::move(port)).ok());
      LINNET_CHECK(stack->set_link(*ports[i], true).ok());
      route::Address address{.interface = *Ipv4Interface::parse("10.0." + number + ".1/24")};
      LINNET_CHECK(stack->add_address(*ports[i], address).ok());
    }
    stack->ip_settings().ip_forward = true;
  }
  static MacAddress mac(unsigned port) {
    return MacAddress({2, 0, 0, 0, 0, static_cast<std::uint8_t>(port)});
  }
  void inject(unsigned what, std::span<const std::uint8_t> bytes) {
    packet::Packet frame = stack->pool().allocate();
    if (!frame) return;
    if (!bytes.empty())
      std::memcpy(frame.put(static_cast<std::uint32_t>(bytes.size())), bytes.data(), bytes.size());
    if (auto* const ether = frame.header<wire::EthernetHeader>(); ether && (what & 2) != 0)
      ether->destination = mac(what & 1);
    auto* const ip = frame.header<wire::Ipv4Header>(sizeof(wire::EthernetHeader));
    if (ip != nullptr && (what & 4) != 0) {
      const std::size_t length = ip->header_length();
      if (length >= 20 && sizeof(wire::EthernetHeader) + length <= frame.length()) {
        ip->checksum = be16();
        ip->checksum = internet_checksum({reinterpret_cast<const std::byte*>(ip), length});
      }
    }
    tests::expose_only_data(frame.mbuf());
    ports[what & 1]->inject(std::move(frame));
  }
  void turn() {
    now = now + time::Duration::milliseconds(1);
    stack->lane(0).turn(now);
    for (device::MemoryPort* port : ports) {
      while (packet::Packet frame = port->take()) {
        LINNET_CHECK(frame.consistent());
        LINNET_CHECK_OP(frame.length(), <=, 1514u);
        rte_pktmbuf_free(frame.release());
      }
    }
  }

  time::Instant now = time::Instant::from_ns(1'000'000'000);
  std::unique_ptr<stack::Stack> stack;
  std::array<device::MemoryPort*, 2> ports{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Router* const router = new Router;
  std::span<const std::uint8_t> input(data, size);
  while (input.size() >= 2) {
    const unsigned what = input[0];
    const std::size_t length = std::min<std::size_t>({input[1] * 8u, input.size() - 2, 2000});
    router->inject(what, input.subspan(2, length));
    input = input.subspan(2 + length);
    if ((what & 8) != 0) {
      router->now = router->now + time::Duration::milliseconds(700);
      router->stack->control_turn(router->now);
    }
    router->turn();
  }
  // Resolution gives up after seconds, reassembly after half a minute: then nothing may be left.
  for (int i = 0; i < 4 || (i < 120 && router->stack->account().held != 0); ++i) {
    if (i >= 4) router->now = router->now + time::Duration::milliseconds(500);
    router->turn();
  }
  const stack::Account account = router->stack->account();
  LINNET_CHECK(account.balanced());
  LINNET_CHECK_OP(account.held, ==, 0u);
  LINNET_CHECK_OP(router->stack->pool().in_use(), ==, 0u);
  return 0;
}
