// SPDX-License-Identifier: BSD-3-Clause
// Errors about packets that can not go on. Reading: RFC 1122 section 3.2.2, RFC 1812 section 4.3.2,
// Linux: icmp_send.
#include <algorithm>
#include <array>

#include "base/checksum.hpp"
#include "ip/icmp_state.hpp"
#include "ip/martian.hpp"

namespace linnet::ip {
namespace {

using packet::Meta;
using packet::Packet;
using packet::Turn;
using wire::IcmpHeader;
using wire::IcmpType;
using wire::Ipv4Header;

// RFC 1812 section 4.3.2.3: as much of the packet as fits, the error at most 576 bytes long.
constexpr unsigned kLongestError = 576;
constexpr std::uint32_t kHeader = sizeof(IcmpHeader);
// Precedence internetwork control (RFC 1812 section 4.3.2.5), with the cause's type of service but
// not its ECN bits: an error is not sent by a transport that reacts to marks.
constexpr std::uint8_t kErrorPrecedence = 0xc0;
constexpr std::uint8_t kTosKept = 0x1c;

// The bytes of `packet` from its IP header on, wherever data() stands now.
class FromNetwork {
 public:
  explicit FromNetwork(const Packet& packet)
      : packet_(packet),
        ahead_(std::int32_t{packet.data_offset()} - std::int32_t{packet.meta().network_offset}) {}

  std::uint32_t length() const {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(packet_.length()) + ahead_);
  }
  // False where the packet has fewer bytes.
  bool copy_out(std::uint32_t offset, std::span<std::byte> out) const {
    if (ahead_ <= 0) return packet_.copy_out(offset + static_cast<std::uint32_t>(-ahead_), out);
    const auto before = static_cast<std::uint32_t>(ahead_);
    std::size_t done = 0;
    if (offset < before) {
      // What was pulled lies in front of data() in the same buffer.
      const std::byte* const front =
          packet_.header_at<std::byte>(packet_.meta().network_offset) + offset;
      done = std::min<std::size_t>(before - offset, out.size());
      std::copy_n(front, done, out.begin());
    }
    const auto behind = static_cast<std::uint32_t>(offset + done) - before;
    return done == out.size() || packet_.copy_out(behind, out.subspan(done));
  }

 private:
  const Packet& packet_;
  const std::int32_t ahead_;  // bytes by which data() stands behind the IP header
};

}  // namespace

bool Icmp::State::single_host(Ipv4Address source, bool looped) const {
  const std::uint8_t facts = octet_facts(source);
  if ((facts & octet::kLoopback) != 0) return looped;
  if ((facts & octet::kBadSource) != 0) return false;
  const route::Route* const route = tables.lookup(route::Key{.destination = source});
  return route == nullptr || route->type != route::Type::Broadcast;
}

// RFC 1122 section 3.2.2 and RFC 1812 section 4.3.2.7: about what never to send an error.
bool Icmp::State::may_cause_error(const Packet& cause, const Ipv4Header& ip,
                                  const route::Route* to_destination) const {
  const Meta& meta = cause.meta();
  if ((meta.flags & Meta::kGenerated) != 0) return false;
  if (meta.cast != packet::LinkCast::Host) return false;
  if (ip.fragment_offset() != 0) return false;
  if (ip.destination.is_multicast() || ip.destination.is_limited_broadcast()) return false;
  if (to_destination != nullptr && to_destination->type == route::Type::Broadcast) return false;
  if (ip.protocol == wire::protocol::kIcmp) {
    std::byte type;
    if (!FromNetwork(cause).copy_out(ip.header_length(), {&type, 1})) return false;
    // A type that is not known might be an error as well (Linux: NR_ICMP_TYPES).
    const auto value = std::to_integer<std::uint8_t>(type);
    if (wire::is_icmp_error(value)) return false;
    if (value > static_cast<std::uint8_t>(IcmpType::AddressMaskReply)) return false;
  }
  return single_host(ip.source, (meta.flags & Meta::kLooped) != 0);
}

// Linux: icmp_ratemask 6168, path MTU discovery exempt (icmpv4_mask_allow), loopback exempt.
bool Icmp::State::within_limits(Turn& turn, const Packet& cause, Ipv4Address destination,
                                const IcmpError& error) {
  if ((cause.meta().flags & Meta::kLooped) != 0) return true;
  if (error.type == IcmpType::Unreachable && error.code == wire::unreachable::kFragmentationNeeded)
    return true;
  const IcmpLimit::Rates rates{settings.icmp_ratelimit_ms.load(std::memory_order_relaxed),
                               settings.icmp_msgs_per_sec.load(std::memory_order_relaxed),
                               settings.icmp_msgs_burst.load(std::memory_order_relaxed)};
  return limit.allow(destination, turn.now, rates, turn.random);
}

// From whom and how an error goes out (Linux: icmp_send, icmp_route_lookup).
SendRequest Icmp::State::error_request(const Packet& cause, const Ipv4Header& ip,
                                       const route::Route* to_destination) const {
  SendRequest request;
  request.destination = ip.source;
  request.protocol = wire::protocol::kIcmp;
  request.tos = static_cast<std::uint8_t>((ip.tos & kTosKept) | kErrorPrecedence);
  if (to_destination != nullptr && to_destination->type == route::Type::Local) {
    request.source = ip.destination;
  } else if (settings.icmp_errors_use_inbound_ifaddr.load(std::memory_order_relaxed) != 0) {
    request.source = addresses.source_for(cause.meta().input_device, Ipv4Address());
  }
  return request;
}

// An error or answer that was due and is not sent stays in the account.
void Icmp::State::withhold(Turn& turn, Drop why) {
  turn.ledger.generated.add();
  turn.ledger.count_drop(packet::reason_of(why));
}

void Icmp::State::send_error(Turn& turn, const Packet& cause, const IcmpError& error) {
  const FromNetwork whole(cause);
  Ipv4Header ip;
  if (!whole.copy_out(0, std::as_writable_bytes(std::span(&ip, 1)))) return;
  const route::Route* const route =
      tables.lookup(route::Key{.destination = ip.destination, .source = ip.source});
  if (!may_cause_error(cause, ip, route)) return;
  if (!within_limits(turn, cause, ip.source, error)) {
    ++counts.out_rate_limited;
    withhold(turn, Drop::IcmpRateLimited);
    return;
  }
  const SendRequest request = error_request(cause, ip, route);
  const OutputRoute way = output.route_for(request);
  Packet out = turn.generate();
  if (!out) {
    ++counts.out_errors;
    withhold(turn, Drop::IcmpNoBuffer);
    return;
  }
  const std::uint32_t mtu =
      way.reachable ? std::clamp(way.mtu, wire::kIpv4MinMtu, kLongestError) : kLongestError;
  const std::uint32_t room = std::min(mtu - wire::kIpv4MinHeader, out.tailroom()) - kHeader;
  const std::uint32_t quoted = std::min(whole.length(), room);
  auto& header = *reinterpret_cast<IcmpHeader*>(out.put(kHeader + quoted));
  header.type = static_cast<std::uint8_t>(error.type);
  header.code = error.code;
  header.checksum = be16();
  header.rest = be32(error.rest);
  whole.copy_out(0, out.first_bytes().subspan(kHeader));
  header.checksum = internet_checksum(out.first_bytes());
  count_out(error.type);
  if (output.send(turn, std::move(out), request) != SendResult::Sent) ++counts.out_errors;
}

void Icmp::State::count_out(IcmpType type) {
  ++counts.out_msgs;
  switch (type) {
    case IcmpType::EchoReply:
      ++counts.out_echo_reps;
      break;
    case IcmpType::TimestampReply:
      ++counts.out_timestamp_reps;
      break;
    case IcmpType::Unreachable:
      ++counts.out_dest_unreachs;
      break;
    case IcmpType::TimeExceeded:
      ++counts.out_time_excds;
      break;
    case IcmpType::ParameterProblem:
      ++counts.out_parm_probs;
      break;
    case IcmpType::Redirect:
      ++counts.out_redirects;
      break;
    default:
      break;
  }
}

void Icmp::refuse(Turn& turn, Packet&& cause, const IcmpError& error, packet::DropReason why) {
  state_->send_error(turn, cause, error);
  turn.ledger.drop(std::move(cause), why);
}

void Icmp::send_error(Turn& turn, const Packet& cause, const IcmpError& error) {
  state_->send_error(turn, cause, error);
}

}  // namespace linnet::ip
