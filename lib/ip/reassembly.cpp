// SPDX-License-Identifier: BSD-3-Clause
// Reading: RFC 791 section 3.2, RFC 815, RFC 1858 and 3128 (tiny fragments), RFC 3168 section 5.3
// (ECN), RFC 5722 (overlaps; the same rule serves IPv4 here), Linux: net/ipv4/ip_fragment.c.
#include <algorithm>
#include <optional>

#include "base/checksum.hpp"
#include "ip/reassembly_state.hpp"
#include "wire/ipv4.hpp"

namespace linnet::ip {
namespace {

using Piece = FragmentPiece;

constexpr std::uint32_t kMaxDatagram = 65535;
// RFC 1858: with fewer bytes a TCP header's flags would lie in the next fragment.
constexpr std::uint32_t kMinTcpFirst = 16;
// Bits of an ECN set: one for each codepoint seen (Linux: ip_frag_ecn_table).
constexpr unsigned kEcnNotEct = 1u << 0;
constexpr unsigned kEcnCe = 1u << 3;

Piece read_piece(const wire::Ipv4Header& ip, std::uint32_t length) {
  Piece piece;
  piece.key.addresses = std::uint64_t{ip.source.host()} << 32 | ip.destination.host();
  piece.key.id_protocol = std::uint64_t{ip.id.host()} << 8 | ip.protocol;
  piece.source = ip.source;
  piece.header = ip.header_length();
  piece.begin = ip.fragment_offset();
  piece.end = piece.begin + (length - piece.header);
  piece.last = !ip.more_fragments();
  piece.protocol = ip.protocol;
  piece.ecn_bit = static_cast<std::uint8_t>(1u << (ip.tos & 3));
  return piece;
}

// What a fragment that is wrong by itself is dropped for.
std::optional<Drop> fault_of(const Piece& piece) {
  const std::uint32_t length = piece.end - piece.begin;
  if (length == 0 || (!piece.last && length % 8 != 0)) return Drop::FragmentBadLength;
  if (piece.header + piece.end > kMaxDatagram) return Drop::FragmentTooLong;
  if (piece.protocol == wire::protocol::kTcp) {
    if (piece.begin == 0 && length < kMinTcpFirst) return Drop::FragmentTiny;
    if (piece.begin == 8) return Drop::FragmentTiny;  // RFC 1858 section 3.2.2: offset 1
  }
  return std::nullopt;
}

}  // namespace

// Drops all fragments of a datagram; its entry stays.
void Reassembly::State::lose(packet::Turn& turn, FragmentDatagram& datagram,
                             packet::DropReason why) {
  turn.ledger.held.subtract(datagram.count);
  while (datagram.count > 0)
    turn.ledger.drop(store.take_first(datagram), why);
}

void Reassembly::State::close(FragmentDatagram& datagram) {
  wheel.cancel(datagram);
  store.close(datagram);
}

void Reassembly::State::evict(packet::Turn& turn, FragmentDatagram& datagram, Drop why) {
  counters.add(Count::ReasmFails);
  lose(turn, datagram, packet::reason_of(why));
  close(datagram);
}

// Until the timer ends, what still comes of the datagram is dropped too: its bytes can not be
// trusted.
void Reassembly::State::ban(packet::Turn& turn, FragmentDatagram& datagram, Drop why) {
  counters.add(Count::ReasmFails);
  lose(turn, datagram, packet::reason_of(why));
  store.ban(datagram, why);
}

void Reassembly::State::expire(packet::Turn& turn, FragmentDatagram& datagram) {
  packet::Packet first;
  if (datagram.count > 0) {
    counters.add(Count::ReasmTimeout);
    counters.add(Count::ReasmFails);
    if (expired && store.slot(datagram.first).begin == 0) {
      first = store.take_first(datagram);
      turn.ledger.held.subtract();
    }
    lose(turn, datagram, packet::reason_of(Drop::FragmentTimeout));
  }
  store.close(datagram);
  if (!first) return;
  packet::Burst burst;
  burst.push(std::move(first));
  expired(turn, burst);
}

FragmentDatagram* Reassembly::State::open(packet::Turn& turn, const Piece& piece) {
  FragmentDatagram* datagram = store.open(piece.key, piece.source);
  if (datagram == nullptr) {
    FragmentDatagram* const spent = store.banned().front();
    if (spent != nullptr) {
      close(*spent);
    } else {
      evict(turn, *store.holding().front(), Drop::FragmentMemory);
    }
    datagram = store.open(piece.key, piece.source);
  }
  datagram->owner = this;
  datagram->fire = [](time::Timer& timer, time::Instant, void* context) {
    auto& expiring = static_cast<FragmentDatagram&>(timer);
    static_cast<State*>(expiring.owner)->expire(*static_cast<packet::Turn*>(context), expiring);
  };
  const std::uint32_t timeout = settings.ipfrag_time_ms.load(std::memory_order_relaxed);
  wheel.arm(*datagram, turn.now + time::Duration::milliseconds(timeout));
  return datagram;
}

// Looks for the slot behind which a fragment belongs, and how it agrees with what is there.
Reassembly::State::Place Reassembly::State::find_place(const FragmentDatagram& datagram,
                                                       const Piece& piece, std::uint16_t& after) {
  after = datagram.last;
  std::uint16_t next = FragmentSlot::kNone;
  if (after != FragmentSlot::kNone && store.slot(after).end > piece.begin) {
    after = FragmentSlot::kNone;
    next = datagram.first;
    while (next != FragmentSlot::kNone && store.slot(next).begin < piece.begin) {
      after = next;
      next = store.slot(next).next;
    }
  }
  if (next != FragmentSlot::kNone) {
    const FragmentSlot& there = store.slot(next);
    if (there.begin == piece.begin && there.end == piece.end)
      return piece.last == (datagram.end == piece.end) ? Place::Duplicate : Place::Inconsistent;
    if (there.begin < piece.end) return Place::Overlap;
  }
  if (after != FragmentSlot::kNone && store.slot(after).end > piece.begin) return Place::Overlap;
  const bool end_known = datagram.end != FragmentDatagram::kEndUnknown;
  if (end_known && (piece.last || piece.end > datagram.end)) return Place::Inconsistent;
  if (piece.last && next != FragmentSlot::kNone) return Place::Inconsistent;
  return Place::Here;
}

// Makes room for `truesize` more bytes in `current`: first at the cost of the same source's oldest
// datagrams, then of anyone's. False, and why, where `current` itself had to go.
bool Reassembly::State::make_room(packet::Turn& turn, FragmentDatagram& current,
                                  std::uint32_t truesize, Drop& why) {
  const std::uint32_t buffer = turn.pool.data_room();
  // Rule R4: with four lanes on one pool half of it is the most that reassembly can pin.
  const std::uint64_t limit =
      std::min<std::uint64_t>(settings.ipfrag_high_thresh.load(std::memory_order_relaxed),
                              std::uint64_t{turn.pool.size()} * buffer / 8);
  // A source's share is never less than one datagram of as many fragments as may be.
  const std::uint64_t percent =
      std::min(settings.ipfrag_max_source_share.load(std::memory_order_relaxed), 100u);
  const std::uint64_t share =
      std::max(limit * percent / 100, std::min<std::uint64_t>(limit, kMaxFragments * buffer));
  const auto evict_oldest = [&](auto& list) {
    FragmentDatagram* oldest = list.front();
    if (oldest == &current && list.next(current) != nullptr) oldest = list.next(current);
    evict(turn, *oldest, why);
    return oldest != &current;
  };
  why = Drop::FragmentSourceLimit;
  while (current.source->truesize + std::uint64_t{truesize} > share) {
    if (!evict_oldest(current.source->datagrams)) return false;
  }
  why = Drop::FragmentMemory;
  while (store.truesize() + std::uint64_t{truesize} > limit || !store.has_slot()) {
    if (!evict_oldest(store.holding())) return false;
  }
  return true;
}

packet::Packet Reassembly::State::place(packet::Turn& turn, FragmentDatagram& datagram,
                                        const Piece& piece, packet::Packet&& fragment) {
  std::uint16_t after;
  Drop why = Drop::FragmentDuplicate;
  const Place found = find_place(datagram, piece, after);
  if (found == Place::Duplicate) {
    turn.drop(std::move(fragment), why);
    return packet::Packet();
  }
  if (found != Place::Here || datagram.count == kMaxFragments) {
    why = found == Place::Overlap        ? Drop::FragmentOverlap
          : found == Place::Inconsistent ? Drop::FragmentInconsistent
                                         : Drop::FragmentTooMany;
    if (found == Place::Overlap) counters.add(Count::ReasmOverlaps);
    ban(turn, datagram, why);
    turn.drop(std::move(fragment), why);
    return packet::Packet();
  }
  const std::uint32_t truesize = fragment.truesize();
  if (!make_room(turn, datagram, truesize, why)) {
    turn.drop(std::move(fragment), why);
    return packet::Packet();
  }
  store.insert(datagram, after, std::move(fragment), piece.begin, piece.end, truesize);
  turn.ledger.held.add();
  datagram.ecn_seen |= piece.ecn_bit;
  if (piece.last) datagram.end = piece.end;
  if (datagram.received != datagram.end) return packet::Packet();
  return complete(turn, datagram);
}

packet::Packet Reassembly::State::complete(packet::Turn& turn, FragmentDatagram& datagram) {
  const auto& ip = *store.slot(datagram.first).fragment.header<wire::Ipv4Header>();
  const std::uint32_t header = ip.header_length();
  // RFC 3168 5.3: not-ECT among fragments that say otherwise can not be told from a lost mark.
  const bool ecn_mixed = (datagram.ecn_seen & kEcnNotEct) != 0 && datagram.ecn_seen != kEcnNotEct;
  if (ecn_mixed || header + datagram.end > kMaxDatagram) {
    evict(turn, datagram, ecn_mixed ? Drop::FragmentEcn : Drop::FragmentTooLong);
    return packet::Packet();
  }
  counters.add(Count::ReasmOKs);
  return join(turn, datagram, header);
}

packet::Packet Reassembly::State::join(packet::Turn& turn, FragmentDatagram& datagram,
                                       std::uint32_t header) {
  turn.ledger.held.subtract(datagram.count);
  turn.ledger.delivered.add(datagram.count);
  turn.ledger.generated.add();
  const bool congested = (datagram.ecn_seen & kEcnCe) != 0;
  packet::Packet whole = store.take_first(datagram);
  while (datagram.count > 0) {
    packet::Packet next = store.take_first(datagram);
    next.pull(next.header<wire::Ipv4Header>()->header_length());
    whole.chain(std::move(next));
  }
  close(datagram);
  auto& ip = *whole.header<wire::Ipv4Header>();
  ip.total_length = be16(static_cast<std::uint16_t>(whole.length()));
  ip.fragment =
      be16(static_cast<std::uint16_t>(ip.fragment.host() & wire::Ipv4Header::kDontFragment));
  if (congested) ip.tos |= 3;
  ip.checksum = be16();
  ip.checksum = internet_checksum(whole.first_bytes().first(header));
  packet::Meta& meta = whole.meta();
  meta.network_offset = whole.data_offset();
  meta.transport_offset = static_cast<std::uint16_t>(meta.network_offset + header);
  return whole;
}

packet::Packet Reassembly::State::add(packet::Turn& turn, packet::Packet&& fragment) {
  counters.add(Count::ReasmReqds);
  // The header is written when the datagram is whole, so it must be ours alone.
  const auto* ip = fragment.header<wire::Ipv4Header>();
  LINNET_CHECK(ip != nullptr);
  if (!fragment.gather(ip->header_length(), turn.pool)) {
    turn.drop(std::move(fragment), Drop::FragmentNoBuffer);
    return packet::Packet();
  }
  ip = fragment.header<wire::Ipv4Header>();
  LINNET_CHECK(ip->is_fragment());
  LINNET_CHECK_OP(std::uint32_t{ip->total_length.host()}, ==, fragment.length());
  const Piece piece = read_piece(*ip, fragment.length());
  if (const std::optional<Drop> fault = fault_of(piece)) {
    turn.drop(std::move(fragment), *fault);
    return packet::Packet();
  }
  FragmentDatagram* datagram = store.find(piece.key);
  if (datagram == nullptr) datagram = open(turn, piece);
  if (datagram->source == nullptr) {
    turn.drop(std::move(fragment), datagram->banned);
    return packet::Packet();
  }
  return place(turn, *datagram, piece, std::move(fragment));
}

packet::Packet Reassembly::add(packet::Turn& turn, packet::Packet&& fragment) {
  return state_->add(turn, std::move(fragment));
}

void Reassembly::clear(packet::Turn& turn, packet::DropReason why) {
  while (FragmentDatagram* const datagram = state_->store.holding().front()) {
    state_->lose(turn, *datagram, why);
    state_->close(*datagram);
  }
  while (FragmentDatagram* const datagram = state_->store.banned().front())
    state_->close(*datagram);
}

std::uint32_t Reassembly::held_bytes() const {
  return state_->store.truesize();
}
std::uint32_t Reassembly::held_packets() const {
  return state_->store.packets();
}
std::uint32_t Reassembly::datagrams() const {
  return state_->store.datagrams();
}
const Counters& Reassembly::counters() const {
  return state_->counters;
}

}  // namespace linnet::ip
