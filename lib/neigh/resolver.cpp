// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/resolver.hpp"

#include "neigh/owner.hpp"
#include "route/route.hpp"

namespace linnet::neigh {
namespace {

using packet::Burst;
using packet::Packet;
using packet::Turn;

constexpr unsigned kMessagesPerTurn = 256;  // of each source

// Spreads keys over a lane's cache. No secret: a collision costs a look-up in the table.
unsigned cache_slot(std::uint64_t key, unsigned slots) {
  return static_cast<unsigned>((key * 0x9e3779b97f4a7c15ULL) >> 40) & (slots - 1);
}

// Whether the next hop is the route's gateway, and so the same for all that take the hop.
bool through_gateway(const packet::Meta& meta) {
  return meta.hop != nullptr && meta.hop->gateway == meta.next_hop &&
         meta.hop->device == meta.output_device;
}

// Where the packets that go the way of the one at `first` end.
unsigned row_end(const Burst& burst, unsigned first) {
  const packet::Meta& way = burst[first].meta();
  unsigned last = first + 1;
  while (last < burst.size() && burst[last].meta().output_device == way.output_device &&
         burst[last].meta().next_hop == way.next_hop)
    ++last;
  return last;
}

}  // namespace

void Resolver::connect_unresolved(packet::Stage stage) {
  if (owner_ != nullptr) owner_->cache.connect_unresolved(stage);
}

[[gnu::always_inline]] inline bool Resolver::usable(Turn& turn, std::uint32_t index,
                                                    std::uint64_t key, PublishedHeader& out) {
  if (!table_.read_header(index, key, out) || !has_mac(out.state)) [[unlikely]]
    return false;
  table_.mark_used(index, turn.now);
  if (out.state == Nud::Stale) [[unlikely]]
    used_stale(turn, index, key);
  return true;
}

// By the slot that the hop or the lane's cache remembers.
[[gnu::always_inline]] inline bool Resolver::header_for(Turn& turn, const packet::Meta& meta,
                                                        std::uint64_t key, PublishedHeader& out) {
  const std::uint32_t hint = through_gateway(meta)
                                 ? meta.hop->neighbour_hint.load(std::memory_order_relaxed)
                                 : cache_[cache_slot(key, kCacheSlots)];
  return usable(turn, hint, key, out) || look_up(turn, meta, key, out);
}

// Packets in a row to one neighbour share a look at its entry and go out together.
void Resolver::output(Turn& turn, Burst& burst) {
  PublishedHeader link;
  const unsigned count = burst.size();
  unsigned first = 0;
  while (first < count) {
    const packet::Meta& meta = burst[first].meta();
    const std::uint64_t key = key_of(meta.output_device, meta.next_hop);
    if (!header_for(turn, meta, key, link)) [[unlikely]] {
      without_header(turn, burst.take(first));
      ++first;
      continue;
    }
    // All that take the hop of a gateway go to one neighbour.
    const unsigned last = through_gateway(meta) ? count : row_end(burst, first);
    first = output_.send_row(turn, meta.output_device, link.header, burst, first, last);
  }
  burst.clear();
}

void Resolver::output_one(Turn& turn, Packet&& packet) {
  const packet::Meta& meta = packet.meta();
  PublishedHeader link;
  if (!header_for(turn, meta, key_of(meta.output_device, meta.next_hop), link)) [[unlikely]]
    return without_header(turn, std::move(packet));
  output_.send_known(turn, meta.output_device, link.header, std::move(packet));
}

// By the table; the slot is remembered.
[[gnu::noinline]] bool Resolver::look_up(Turn& turn, const packet::Meta& meta, std::uint64_t key,
                                         PublishedHeader& out) {
  if (special_header(meta, out)) return true;
  const std::uint32_t index = table_.find(key);
  if (index == Table::kNone || !usable(turn, index, key, out)) return false;
  if (through_gateway(meta))
    meta.hop->neighbour_hint.store(index, std::memory_order_relaxed);
  else
    cache_[cache_slot(key, kCacheSlots)] = index;
  return true;
}

// Next hops that need no neighbour.
bool Resolver::special_header(const packet::Meta& meta, PublishedHeader& out) const {
  const device::Device* const device = system_.devices().at(meta.output_device);
  if (device == nullptr || device->link_layer() == device::LinkLayer::None) return false;
  MacAddress destination;
  if (!device->loopback()) {
    if (meta.next_hop.is_limited_broadcast())
      destination = MacAddress::broadcast();
    else if (meta.next_hop.is_multicast())
      destination = wire::multicast_mac(meta.next_hop.host());
    else
      return false;
  }
  out.header = {destination, device->mac(), be16(wire::ethertype::kIpv4)};
  return true;
}

void Resolver::used_stale(Turn& turn, std::uint32_t index, std::uint64_t key) {
  if (owner_ != nullptr) return owner_->cache.use(turn, index, key);
  if (!table_.nudge(index)) return;
  const Message message{
      .kind = MessageKind::Used, .device = device_of(key), .address = address_of(key)};
  if (!system_.mailbox().post(lane_, message)) table_.unnudge(index);
}

void Resolver::without_header(Turn& turn, Packet&& packet) {
  const device::Device* const device = system_.devices().at(packet.meta().output_device);
  if (device != nullptr && device->link_layer() == device::LinkLayer::None)
    return output_.send_plain(turn, device->index(), std::move(packet));
  if (owner_ != nullptr) return owner_->cache.resolve(turn, std::move(packet));
  packet.meta().hop = nullptr;  // valid in this turn only
  hand_over(turn, MessageKind::OutputPacket, std::move(packet));
}

void Resolver::hand_over(Turn& turn, MessageKind kind, Packet&& packet) {
  Message message{.kind = kind, .packet = packet.mbuf()};
  // Counted before the owner can see it.
  turn.ledger.held.add();
  if (system_.mailbox().post(lane_, message)) {
    static_cast<void>(packet.release());
    return;
  }
  turn.ledger.held.subtract();
  turn.drop(std::move(packet), Drop::HandOffFull);
}

void Resolver::arp_input(Turn& turn, Burst& burst) {
  burst.drain([&](Packet&& packet) {
    if (owner_ != nullptr)
      owner_->arp.input(turn, std::move(packet));
    else
      hand_over(turn, MessageKind::ArpPacket, std::move(packet));
  });
}

void Resolver::turn(Turn& turn) {
  if (owner_ == nullptr) return;
  system_.mailbox().drain(kMessagesPerTurn, [&](const Message& message) { handle(turn, message); });
}

void Resolver::handle(Turn& turn, const Message& message) {
  const std::uint64_t key = key_of(message.device, message.address);
  switch (message.kind) {
    case MessageKind::OutputPacket: {
      turn.ledger.held.subtract();
      Burst one;
      one.push(Packet(message.packet));
      return output(turn, one);
    }
    case MessageKind::ArpPacket:
      turn.ledger.held.subtract();
      return owner_->arp.input(turn, Packet(message.packet));
    case MessageKind::Used: {
      const std::uint32_t index = table_.find(key);
      if (index != Table::kNone) owner_->cache.use(turn, index, key);
      return;
    }
    case MessageKind::Confirm:
      return owner_->cache.confirm(turn, key);
    default:
      return owner_->carry_out(turn, message);
  }
}

void Resolver::confirm(Turn& turn, std::uint16_t device, Ipv4Address next_hop) {
  static constexpr time::Duration kGrain = time::Duration::milliseconds(100);
  const std::uint64_t key = key_of(device, next_hop);
  const std::uint32_t index = table_.find(key);
  PublishedHeader link;
  if (index == Table::kNone || !table_.read_header(index, key, link) || !has_mac(link.state))
    return;
  if (link.state == Nud::Reachable && turn.now - table_.confirmed(index) < kGrain) return;
  if (owner_ != nullptr) return owner_->cache.confirm(turn, key);
  const Message message{.kind = MessageKind::Confirm, .device = device, .address = next_hop};
  // A hint only: the next one comes with the next acknowledgement.
  static_cast<void>(system_.mailbox().post(lane_, message));
}

void Resolver::clear(Turn& turn) {
  if (owner_ == nullptr) return;
  while (system_.mailbox().waiting()) {
    system_.mailbox().drain(kMessagesPerTurn, [&](const Message& message) {
      if (message.packet == nullptr) return;
      turn.ledger.held.subtract();
      turn.drop(Packet(message.packet), Drop::EntryDeleted);
    });
  }
  owner_->clear(turn);
}

}  // namespace linnet::neigh
