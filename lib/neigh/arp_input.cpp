// SPDX-License-Identifier: BSD-3-Clause
// Reading: Linux net/ipv4/arp.c (arp_process, arp_ignore, arp_fwd_proxy), RFC 826, RFC 5227.
#include "neigh/arp_input.hpp"

#include "packet/drops.hpp"

namespace linnet::neigh {

using packet::Packet;
using packet::Turn;

void ArpInput::input(Turn& turn, Packet&& packet) {
  const packet::Meta& meta = packet.meta();
  Heard heard{.arp = {}, .device = meta.input_device, .to_us = meta.cast == packet::LinkCast::Host};
  const device::Device* const device = devices_.at(heard.device);
  if (device == nullptr || device->loopback() || meta.cast == packet::LinkCast::Other)
    return turn.drop(std::move(packet), Drop::ArpDisabled);
  if (!packet.copy_out(0, std::as_writable_bytes(std::span(&heard.arp, 1))))
    return turn.drop(std::move(packet), Drop::ArpTruncated);
  const MacAddress frame_source = packet.header_at<wire::EthernetHeader>(meta.link_offset)->source;
  Verdict verdict = check_arp(heard.arp, frame_source, device->mac());
  if (!verdict) verdict = process(turn, heard);
  if (verdict) return turn.drop(std::move(packet), *verdict);
  turn.deliver(std::move(packet));
}

ArpInput::Verdict ArpInput::process(Turn& turn, const Heard& heard) {
  if (conflicts_.contests_probe(heard.device, heard.arp)) return Drop::ArpConflict;
  if (heard.arp.sender_ip.is_any()) return answer_probe(turn, heard);
  if (const Verdict refused = refuse_sender(turn, heard); refused) return refused;
  if (heard.request() && (local(heard) || proxied(heard))) return answer_request(turn, heard);
  return update(turn, heard);
}

// Senders that nobody on the link can rightly be.
ArpInput::Verdict ArpInput::refuse_sender(Turn& turn, const Heard& heard) {
  const Ipv4Address sender = heard.arp.sender_ip;
  const Host::Kind kind = host_.kind_of(sender);
  if (kind == Host::Kind::Unicast) return std::nullopt;
  if (kind != Host::Kind::Local || !host_.on_device(heard.device, sender))
    return Drop::ArpSenderAddress;
  conflicts_.conflict(turn, heard.device, sender, heard.arp.sender_mac);
  return Drop::ArpConflict;
}

// RFC 5227 2.1.1, RFC 2131: somebody asks whether an address is free. He has none yet: nothing is
// learned.
ArpInput::Verdict ArpInput::answer_probe(Turn& turn, const Heard& heard) {
  if (!local(heard)) return Drop::ArpNotForUs;
  if (ignored(heard)) return Drop::ArpDisabled;
  sender_.reply(turn, heard.device, heard.arp.target_ip, heard.arp.sender_ip, heard.arp.sender_mac);
  return std::nullopt;
}

// A request for us teaches us its sender, with whom we will soon talk (RFC 826).
ArpInput::Verdict ArpInput::answer_request(Turn& turn, const Heard& heard) {
  if (local(heard) && ignored(heard)) return Drop::ArpDisabled;
  const wire::ArpPacket& arp = heard.arp;
  cache_.learn(turn, {.key = key_of(heard.device, arp.sender_ip),
                      .mac = arp.sender_mac,
                      .override = true,
                      .create = true});
  sender_.reply(turn, heard.device, arp.target_ip, arp.sender_ip, arp.sender_mac);
  return std::nullopt;
}

// Everything else may update an entry that exists.
ArpInput::Verdict ArpInput::update(Turn& turn, const Heard& heard) {
  const wire::ArpPacket& arp = heard.arp;
  const bool gratuitous = is_gratuitous(arp);
  const bool answer = !heard.request() && heard.to_us &&
                      (arp.target_ip.is_any() || host_.kind_of(arp.target_ip) == Host::Kind::Local);
  const bool known = cache_.learn(turn, {.key = key_of(heard.device, arp.sender_ip),
                                         .mac = arp.sender_mac,
                                         .answer = answer,
                                         .override = gratuitous,
                                         .create = accepts_new(heard, gratuitous)});
  if (known) return std::nullopt;
  return heard.request() && !gratuitous ? Drop::ArpNotForUs : Drop::ArpUnsolicited;
}

bool ArpInput::local(const Heard& heard) const {
  return host_.kind_of(heard.arp.target_ip) == Host::Kind::Local &&
         !conflicts_.probing(heard.device, heard.arp.target_ip);
}

// net.ipv4.conf.all.arp_ignore (Linux: arp_ignore).
bool ArpInput::ignored(const Heard& heard) const {
  const Ipv4Address target = heard.arp.target_ip;
  switch (settings_.arp_ignore.load(std::memory_order_relaxed)) {
    case 1:  // only addresses of the device it came in on
      return !host_.on_device(heard.device, target);
    case 2:  // and only to senders of the same subnet
      return !host_.on_device(heard.device, target) ||
             (!heard.arp.sender_ip.is_any() &&
              !host_.same_subnet(heard.device, target, heard.arp.sender_ip));
    case 3:  // no addresses of scope host
      return !host_.beyond_host(target);
    case 8:
      return true;
    default:  // 0: any local address; 4 to 7 mean nothing
      return false;
  }
}

// Whether we answer for another host (Linux: arp_fwd_proxy and pneigh_lookup): it is reached by
// another device, and that is wanted for all such hosts or for this one.
bool ArpInput::proxied(const Heard& heard) const {
  if (!host_.forwards()) return false;
  const Ipv4Address target = heard.arp.target_ip;
  if (settings_.proxy_arp.load(std::memory_order_relaxed) == 0 &&
      !table_.has_proxy(key_of(heard.device, target)))
    return false;
  const std::uint16_t way = host_.way_to(target, heard.arp.sender_ip, heard.device);
  return way != packet::kNoDevice && way != heard.device;
}

// net.ipv4.conf.all.arp_accept.
bool ArpInput::accepts_new(const Heard& heard, bool gratuitous) const {
  const std::uint32_t accept = settings_.arp_accept.load(std::memory_order_relaxed);
  if (accept == 0 || (heard.request() && !gratuitous)) return false;
  const Ipv4Address sender = heard.arp.sender_ip;
  return accept != 2 ||
         host_.same_subnet(heard.device, sender, host_.source_for(heard.device, sender));
}

}  // namespace linnet::neigh
