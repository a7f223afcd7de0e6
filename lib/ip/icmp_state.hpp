// SPDX-License-Identifier: BSD-3-Clause
// What the parts of ICMP share; private to icmp.cpp and icmp_error.cpp.
#pragma once

#include <array>

#include "ip/icmp.hpp"
#include "ip/icmp_limit.hpp"

namespace linnet::ip {

struct Icmp::State {
  State(Output& output_in, const device::DeviceTable& devices_in, const route::Tables& tables_in,
        const route::Addresses& addresses_in, const Settings& settings_in, SipKey key)
      : output(output_in),
        devices(devices_in),
        tables(tables_in),
        addresses(addresses_in),
        settings(settings_in),
        limit(key) {}

  // Input, by kind of message. Each ends the packet.
  void take(packet::Turn& turn, packet::Packet&& packet);
  void take_request(packet::Turn& turn, packet::Packet&& packet, wire::IcmpType type,
                    bool to_group);
  void take_error(packet::Turn& turn, packet::Packet&& packet, const wire::IcmpHeader& header);
  void take_redirect(packet::Turn& turn, packet::Packet&& packet, const wire::IcmpHeader& header);
  void answer(packet::Turn& turn, packet::Packet&& request, wire::IcmpType type, bool to_group);
  void count_in(wire::IcmpType type);
  bool to_group(const packet::Packet& packet, Ipv4Address destination) const;
  bool redirect_is_sane(const packet::Packet& packet, const wire::Ipv4Header& quoted,
                        Ipv4Address gateway) const;

  // Errors that are made here.
  void send_error(packet::Turn& turn, const packet::Packet& cause, const IcmpError& error);
  bool may_cause_error(const packet::Packet& cause, const wire::Ipv4Header& ip,
                       const route::Route* to_destination) const;
  bool within_limits(packet::Turn& turn, const packet::Packet& cause, Ipv4Address destination,
                     const IcmpError& error);
  SendRequest error_request(const packet::Packet& cause, const wire::Ipv4Header& ip,
                            const route::Route* to_destination) const;
  void withhold(packet::Turn& turn, Drop why);
  void count_out(wire::IcmpType type);
  // One host's address: nothing that stands for none or for many (RFC 1122 section 3.2.2).
  bool single_host(Ipv4Address source, bool looped) const;

  struct Receiver {
    ErrorHandler handler = nullptr;
    void* self = nullptr;
  };

  Output& output;
  const device::DeviceTable& devices;
  const route::Tables& tables;
  const route::Addresses& addresses;
  const Settings& settings;
  IcmpLimit limit;
  std::array<Receiver, 256> receivers{};
  packet::Stage echo_replies{};
  RedirectHandler redirect_handler = nullptr;
  void* redirect_self = nullptr;
  Counts counts;
};

}  // namespace linnet::ip
