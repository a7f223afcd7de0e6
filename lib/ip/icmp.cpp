// SPDX-License-Identifier: BSD-3-Clause
// ICMP that comes in. Reading: RFC 792, RFC 1122 section 3.2.2, RFC 1812 section 4.3.3, RFC 6633
// and 6918 (what is obsolete), Linux: icmp_rcv.
#include "ip/icmp.hpp"

#include <algorithm>
#include <array>

#include "base/checksum.hpp"
#include "ip/header_of.hpp"
#include "ip/icmp_state.hpp"
#include "ip/options.hpp"

namespace linnet::ip {
namespace {

using packet::Meta;
using packet::Packet;
using packet::Turn;
using wire::IcmpHeader;
using wire::IcmpType;
using wire::Ipv4Header;

// How much of a quoted payload a receiver of errors is shown: any transport header.
constexpr std::size_t kQuotedPayload = 128;
// RFC 1122 section 3.2.2: an error quotes the header and at least 8 bytes behind it.
constexpr std::uint32_t kLeastQuotedPayload = 8;
constexpr std::uint8_t kLastUnreachableCode = 15;  // RFC 1812 section 5.2.7.1

// RFC 792: identifier, sequence, then originate, receive and transmit time.
struct TimestampMessage {
  IcmpHeader header;
  be32 originate;
  be32 receive;
  be32 transmit;
};
static_assert(sizeof(TimestampMessage) == 20 && alignof(TimestampMessage) == 1);

// The option bytes of the packet's IP header.
std::span<const std::byte> options_of(const Packet& packet) {
  const Ipv4Header& ip = header_of(packet);
  return {reinterpret_cast<const std::byte*>(&ip + 1), ip.header_length() - sizeof(Ipv4Header)};
}

// The packet an error quotes, copied into one piece.
struct Quote {
  std::array<std::byte, wire::kIpv4MaxHeader + kQuotedPayload> bytes;
  std::size_t size = 0;

  const Ipv4Header& header() const { return *reinterpret_cast<const Ipv4Header*>(bytes.data()); }
  std::span<const std::byte> payload() const {
    return std::span(bytes).first(size).subspan(header().header_length());
  }
  // False: it is too short for a header and 8 bytes.
  bool read(const Packet& packet) {
    const std::size_t there = packet.length() - sizeof(IcmpHeader);
    size = std::min(there, bytes.size());
    if (!packet.copy_out(sizeof(IcmpHeader), std::span(bytes).first(size))) return false;
    return size >= sizeof(Ipv4Header) && header().header_length() >= sizeof(Ipv4Header) &&
           size >= header().header_length() + kLeastQuotedPayload;
  }
};

}  // namespace

void Icmp::input(Turn& turn, packet::Burst& burst) {
  burst.drain([&](Packet&& packet) { state_->take(turn, std::move(packet)); });
}

void Icmp::on_error(std::uint8_t protocol, ErrorHandler handler, void* self) {
  state_->receivers[protocol] = {handler, self};
}

void Icmp::on_echo_reply(packet::Stage stage) {
  state_->echo_replies = stage;
}

void Icmp::on_redirect(RedirectHandler handler, void* self) {
  state_->redirect_handler = handler;
  state_->redirect_self = self;
}

const Icmp::Counts& Icmp::counts() const {
  return state_->counts;
}

void Icmp::State::count_in(IcmpType type) {
  switch (type) {
    case IcmpType::Echo:
      ++counts.in_echos;
      break;
    case IcmpType::EchoReply:
      ++counts.in_echo_reps;
      break;
    case IcmpType::Timestamp:
      ++counts.in_timestamps;
      break;
    case IcmpType::Unreachable:
      ++counts.in_dest_unreachs;
      break;
    case IcmpType::TimeExceeded:
      ++counts.in_time_excds;
      break;
    case IcmpType::ParameterProblem:
      ++counts.in_parm_probs;
      break;
    case IcmpType::Redirect:
      ++counts.in_redirects;
      break;
    case IcmpType::SourceQuench:
      ++counts.in_src_quenchs;
      break;
    default:
      break;
  }
}

bool Icmp::State::to_group(const Packet& packet, Ipv4Address destination) const {
  if (packet.meta().cast != packet::LinkCast::Host) return true;
  if (destination.is_multicast() || destination.is_limited_broadcast()) return true;
  const route::Route* const route = tables.lookup(route::Key{.destination = destination});
  return route != nullptr && route->type == route::Type::Broadcast;
}

void Icmp::State::take(Turn& turn, Packet&& packet) {
  ++counts.in_msgs;
  IcmpHeader header;
  if (!packet.copy_out(0, std::as_writable_bytes(std::span(&header, 1)))) {
    ++counts.in_errors;
    return turn.drop(std::move(packet), Drop::IcmpTruncated);
  }
  const bool checked = (packet.meta().flags & Meta::kChecksumGood) != 0;
  if (!checked && packet.checksum_sum(0, packet.length()) != 0xffff) {
    ++counts.in_csum_errors;
    ++counts.in_errors;
    return turn.drop(std::move(packet), Drop::IcmpChecksum);
  }
  const IcmpType type{header.type};
  count_in(type);
  const bool group = to_group(packet, header_of(packet).destination);
  switch (type) {
    case IcmpType::Echo:
    case IcmpType::Timestamp:
      return take_request(turn, std::move(packet), type, group);
    case IcmpType::EchoReply:
      if (echo_replies) {
        packet::Burst one;
        one.push(std::move(packet));
        return echo_replies(turn, one);
      }
      [[fallthrough]];
    case IcmpType::TimestampReply:
      return turn.drop(std::move(packet), Drop::IcmpNoReceiver);
    case IcmpType::Unreachable:
    case IcmpType::TimeExceeded:
    case IcmpType::ParameterProblem:
    case IcmpType::Redirect:
      if (group) return turn.drop(std::move(packet), Drop::IcmpToGroup);
      return type == IcmpType::Redirect ? take_redirect(turn, std::move(packet), header)
                                        : take_error(turn, std::move(packet), header);
    case IcmpType::SourceQuench:
    case IcmpType::InformationRequest:
    case IcmpType::InformationReply:
    case IcmpType::AddressMaskRequest:
    case IcmpType::AddressMaskReply:
      return turn.drop(std::move(packet), Drop::IcmpDeprecated);
    default:
      return turn.drop(std::move(packet), Drop::IcmpUnknown);
  }
}

// RFC 1122 sections 3.2.2.6 and 3.2.2.8.
void Icmp::State::take_request(Turn& turn, Packet&& packet, IcmpType type, bool group) {
  const bool deaf =
      (group && settings.icmp_echo_ignore_broadcasts.load(std::memory_order_relaxed) != 0) ||
      (type == IcmpType::Echo &&
       settings.icmp_echo_ignore_all.load(std::memory_order_relaxed) != 0);
  if (deaf) return turn.drop(std::move(packet), Drop::IcmpEchoIgnored);
  if (type == IcmpType::Timestamp && packet.length() < sizeof(TimestampMessage)) {
    ++counts.in_errors;
    return turn.drop(std::move(packet), Drop::IcmpTruncated);
  }
  if (!single_host(header_of(packet).source, (packet.meta().flags & Meta::kLooped) != 0))
    return turn.drop(std::move(packet), Drop::MartianSource);
  answer(turn, std::move(packet), type, group);
}

// Turns the request into its answer: the data is not copied, however many buffers it fills.
void Icmp::State::answer(Turn& turn, Packet&& request, IcmpType type, bool group) {
  const Ipv4Header ip = header_of(request);
  SendRequest send;
  send.destination = ip.source;
  send.source =
      group ? addresses.source_for(request.meta().input_device, ip.source) : ip.destination;
  send.protocol = wire::protocol::kIcmp;
  send.tos = ip.tos;
  send.mark = request.meta().mark;

  // Record route and timestamp take this host's entry and go back with the answer.
  std::array<std::byte, 40> came{};
  std::array<std::byte, 40> options;
  if (const auto there = options_of(request); !there.empty()) {
    std::copy(there.begin(), there.end(), came.begin());
    const auto bytes = std::span(came).first(there.size());
    const Options found = parse_options(bytes);
    if (found.verdict != Options::Verdict::Good ||
        update_options(bytes, found, send.source, settings.ut_milliseconds(turn.now)) !=
            Options::Verdict::Good) {
      const bool bad = found.verdict != Options::Verdict::Good;
      const std::uint32_t pointer =
          wire::kIpv4MinHeader + (bad ? found.bad_offset : found.timestamp);
      send_error(turn, request, {IcmpType::ParameterProblem, 0, pointer << 24});
      return turn.drop(std::move(request), Drop::BadOption);
    }
    send.options = std::span(options).first(reply_options(bytes, found, options));
  }

  const bool stamp = type == IcmpType::Timestamp;
  if (stamp) request.trim(sizeof(TimestampMessage));
  if (!request.gather(stamp ? sizeof(TimestampMessage) : sizeof(IcmpHeader), turn.pool)) {
    ++counts.out_errors;
    return turn.drop(std::move(request), Drop::IcmpNoBuffer);
  }
  const IcmpType answer_type = stamp ? IcmpType::TimestampReply : IcmpType::EchoReply;
  auto& header = *request.header<IcmpHeader>();
  const be16 before(static_cast<std::uint16_t>(header.type << 8 | header.code));
  header.type = static_cast<std::uint8_t>(answer_type);
  if (stamp) {
    auto& message = *request.header<TimestampMessage>();
    message.receive = be32(settings.ut_milliseconds(turn.now));
    message.transmit = message.receive;
    header.checksum = be16();
    header.checksum = internet_checksum(request.first_bytes());
  } else {
    const be16 after(static_cast<std::uint16_t>(header.type << 8 | header.code));
    header.checksum = checksum_adjust(header.checksum, before, after);
    // A message of zeros alone sums to +0, whose complement the update can not tell from that of
    // -0: this value is right for both (RFC 1624 section 3).
    if (header.checksum == be16()) header.checksum = be16(0xffff);
  }
  turn.ledger.delivered.add();
  turn.ledger.generated.add();
  request.reset_meta();
  request.meta().flags = Meta::kGenerated;
  request.meta().input_device = packet::kNoDevice;
  count_out(answer_type);
  if (output.send(turn, std::move(request), send) != SendResult::Sent) ++counts.out_errors;
}

// An error about a packet of ours goes to the protocol that sent it (RFC 1122 section 3.2.2: to be
// demultiplexed by the quoted header).
void Icmp::State::take_error(Turn& turn, Packet&& packet, const IcmpHeader& header) {
  const auto end = [&](Drop why) {
    ++counts.in_errors;
    turn.drop(std::move(packet), why);
  };
  Quote quote;
  if (!quote.read(packet)) return end(Drop::IcmpTruncated);
  const IcmpType type{header.type};
  if (type == IcmpType::Unreachable && header.code > kLastUnreachableCode)
    return end(Drop::IcmpUnknown);
  const Ipv4Header& quoted = quote.header();
  const Ipv4Header& ip = header_of(packet);
  // What is quoted was sent by the address that gets the error, and was its datagram's beginning.
  if (quoted.version() != 4 || quoted.source != ip.destination || quoted.fragment_offset() != 0)
    return end(Drop::IcmpBadQuote);
  const Receiver receiver = receivers[quoted.protocol];
  if (receiver.handler == nullptr) return turn.drop(std::move(packet), Drop::IcmpNoReceiver);
  const ErrorReport report{
      {type, header.code, header.rest.host()}, ip.source, &quoted, quote.payload()};
  if (!receiver.handler(receiver.self, turn, report))
    return turn.drop(std::move(packet), Drop::IcmpNoReceiver);
  turn.deliver(std::move(packet));
}

// RFC 1122 section 3.2.2.2: the new gateway is on the network the redirect came from, and the
// sender is the gateway that is in use for the destination.
bool Icmp::State::redirect_is_sane(const Packet& packet, const Ipv4Header& quoted,
                                   Ipv4Address gateway) const {
  const Ipv4Header& ip = header_of(packet);
  if (quoted.version() != 4 || quoted.source != ip.destination) return false;
  const std::uint16_t device = packet.meta().input_device;
  bool on_link = false;
  for (const route::Address& address : addresses.of_device(device))
    on_link |= address.interface.prefix().contains(gateway) && address.interface.address != gateway;
  if (!on_link || to_group(packet, gateway)) return false;
  const route::Route* const route =
      tables.lookup(route::Key{.destination = quoted.destination, .source = quoted.source});
  if (route == nullptr || route->type != route::Type::Unicast) return false;
  for (unsigned i = 0; i < route->live_hops; ++i) {
    if (route->hops[i].device == device && route->hops[i].gateway == ip.source) return true;
  }
  return false;
}

void Icmp::State::take_redirect(Turn& turn, Packet&& packet, const IcmpHeader& header) {
  // A router learns its routes elsewhere (RFC 1812 section 5.2.7.2).
  const bool wanted = settings.accept_redirects.load(std::memory_order_relaxed) != 0 &&
                      settings.ip_forward.load(std::memory_order_relaxed) == 0 &&
                      redirect_handler != nullptr;
  if (!wanted) return turn.drop(std::move(packet), Drop::IcmpRedirectIgnored);
  Quote quote;
  if (!quote.read(packet)) {
    ++counts.in_errors;
    return turn.drop(std::move(packet), Drop::IcmpTruncated);
  }
  const Ipv4Address gateway(header.rest);
  if (!redirect_is_sane(packet, quote.header(), gateway)) {
    ++counts.in_errors;
    return turn.drop(std::move(packet), Drop::IcmpBadQuote);
  }
  const RedirectReport report{quote.header().destination, gateway, packet.meta().input_device};
  redirect_handler(redirect_self, turn, report);
  turn.deliver(std::move(packet));
}

}  // namespace linnet::ip
