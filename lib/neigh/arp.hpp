// SPDX-License-Identifier: BSD-3-Clause
// ARP packets made and checked (RFC 826; Linux: arp_send, arp_solicit, the head of arp_process).
#pragma once

#include <optional>

#include "device/device.hpp"
#include "link/ethernet.hpp"
#include "neigh/drops.hpp"
#include "neigh/host.hpp"
#include "neigh/neighbours.hpp"
#include "packet/turn.hpp"
#include "wire/arp.hpp"

namespace linnet::neigh {

// Why an ARP packet is not to be believed, judged from its own bytes, the frame's source address
// and our own MAC. Nothing: it is well formed.
std::optional<Drop> check_arp(const wire::ArpPacket& arp, MacAddress frame_source, MacAddress own);

// Whether it only announces its sender (Linux: arp_is_garp): sender and target IP agree, and in a
// reply the two MACs as well.
bool is_gratuitous(const wire::ArpPacket& arp);

// Makes ARP packets and sends them. Where the pool is empty nothing is sent: the pool counts it.
class ArpSender {
 public:
  ArpSender(const device::DeviceTable& devices, const Host& host, const Settings& settings,
            link::EthernetOutput& output)
      : devices_(devices), host_(host), settings_(settings), output_(output) {}

  // Asks for `target`: by broadcast, or of the station that had it. `waiting` is a packet that
  // waits for the answer, where there is one: arp_announce may take the sender address from it.
  void solicit(packet::Turn& turn, std::uint16_t device, Ipv4Address target,
               std::optional<MacAddress> station, const packet::Packet* waiting);
  // Tells `to` that `address` is here.
  void reply(packet::Turn& turn, std::uint16_t device, Ipv4Address address, Ipv4Address to,
             MacAddress to_mac);
  // RFC 5227 1.1: a request with sender 0.0.0.0, and one with our address in both places.
  void probe(packet::Turn& turn, std::uint16_t device, Ipv4Address address);
  void announce(packet::Turn& turn, std::uint16_t device, Ipv4Address address);

 private:
  struct Fields {
    std::uint16_t device;
    std::uint16_t operation;
    Ipv4Address sender_ip, target_ip;
    MacAddress target_mac;   // in the ARP packet
    MacAddress destination;  // of the frame
  };
  void send(packet::Turn& turn, const Fields& fields);
  Ipv4Address source_for(std::uint16_t device, Ipv4Address target,
                         const packet::Packet* waiting) const;

  const device::DeviceTable& devices_;
  const Host& host_;
  const Settings& settings_;
  link::EthernetOutput& output_;
};

}  // namespace linnet::neigh
