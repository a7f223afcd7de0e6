// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/arp.hpp"

#include "wire/ipv4.hpp"

namespace linnet::neigh {

std::optional<Drop> check_arp(const wire::ArpPacket& arp, MacAddress frame_source, MacAddress own) {
  if (arp.hardware_type.host() != wire::kArpEthernet ||
      arp.protocol_type.host() != wire::ethertype::kIpv4 || arp.hardware_size != 6 ||
      arp.protocol_size != 4)
    return Drop::ArpHardware;
  const std::uint16_t operation = arp.operation.host();
  if (operation != wire::kArpRequest && operation != wire::kArpReply) return Drop::ArpOperation;
  if (!arp.sender_mac.is_station() || arp.sender_mac != frame_source) return Drop::ArpSource;
  if (arp.sender_mac == own) return Drop::ArpOwn;
  // 0.0.0.0 is the sender of a probe (RFC 5227), the rest of 0/8 is nobody.
  const Ipv4Address sender = arp.sender_ip;
  if (sender.is_multicast() || sender.is_class_e() || sender.is_loopback() ||
      (sender.is_zero_net() && !(sender.is_any() && operation == wire::kArpRequest)))
    return Drop::ArpSenderAddress;
  const Ipv4Address target = arp.target_ip;
  if (target.is_multicast() || target.is_loopback()) return Drop::ArpTargetAddress;
  return std::nullopt;
}

bool is_gratuitous(const wire::ArpPacket& arp) {
  if (arp.sender_ip != arp.target_ip) return false;
  return arp.operation.host() != wire::kArpReply || arp.target_mac == arp.sender_mac;
}

void ArpSender::send(packet::Turn& turn, const Fields& fields) {
  const device::Device* const device = devices_.at(fields.device);
  if (device == nullptr || !device->has_neighbours()) return;
  packet::Packet packet = turn.generate(packet::Pool::Priority::Control);
  if (!packet) return;
  const wire::ArpPacket arp{.hardware_type = be16(wire::kArpEthernet),
                            .protocol_type = be16(wire::ethertype::kIpv4),
                            .hardware_size = 6,
                            .protocol_size = 4,
                            .operation = be16(fields.operation),
                            .sender_mac = device->mac(),
                            .sender_ip = fields.sender_ip,
                            .target_mac = fields.target_mac,
                            .target_ip = fields.target_ip};
  std::byte* const bytes = packet.put(sizeof arp);
  if (bytes == nullptr) return turn.drop(std::move(packet), link::Drop::NoHeadroom);
  std::memcpy(bytes, &arp, sizeof arp);
  packet.meta().output_device = fields.device;
  output_.send(turn, fields.device,
               wire::EthernetHeader{fields.destination, device->mac(), be16(wire::ethertype::kArp)},
               std::move(packet));
}

// net.ipv4.conf.all.arp_announce (Linux: arp_solicit). The waiting packet's source may be another
// host's when we forward: then it is never announced.
Ipv4Address ArpSender::source_for(std::uint16_t device, Ipv4Address target,
                                  const packet::Packet* waiting) const {
  const std::uint32_t level = settings_.arp_announce.load(std::memory_order_relaxed);
  const auto* const header =
      waiting == nullptr || level >= 2 ? nullptr : waiting->header<wire::Ipv4Header>();
  if (header != nullptr && host_.kind_of(header->source) == Host::Kind::Local &&
      (level == 0 || host_.same_subnet(device, target, header->source)))
    return header->source;
  return host_.source_for(device, target);
}

void ArpSender::solicit(packet::Turn& turn, std::uint16_t device, Ipv4Address target,
                        std::optional<MacAddress> station, const packet::Packet* waiting) {
  send(turn, Fields{.device = device,
                    .operation = wire::kArpRequest,
                    .sender_ip = source_for(device, target, waiting),
                    .target_ip = target,
                    .target_mac = station.value_or(MacAddress()),
                    .destination = station.value_or(MacAddress::broadcast())});
}

void ArpSender::reply(packet::Turn& turn, std::uint16_t device, Ipv4Address address, Ipv4Address to,
                      MacAddress to_mac) {
  send(turn, Fields{device, wire::kArpReply, address, to, to_mac, to_mac});
}

void ArpSender::probe(packet::Turn& turn, std::uint16_t device, Ipv4Address address) {
  send(turn, Fields{device, wire::kArpRequest, Ipv4Address(), address, MacAddress(),
                    MacAddress::broadcast()});
}

void ArpSender::announce(packet::Turn& turn, std::uint16_t device, Ipv4Address address) {
  send(turn,
       Fields{device, wire::kArpRequest, address, address, MacAddress(), MacAddress::broadcast()});
}

}  // namespace linnet::neigh
