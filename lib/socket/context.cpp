// SPDX-License-Identifier: BSD-3-Clause
#include "socket/context.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace linnet::socket {

Parcel::Parcel(packet::Packet&& packet, std::uint32_t skip) : first_(packet.release()) {
  rte_mbuf** link = &first_;
  while (*link != nullptr) {
    rte_mbuf* const segment = *link;
    const auto cut = static_cast<std::uint16_t>(std::min<std::uint32_t>(skip, segment->data_len));
    segment->data_off = static_cast<std::uint16_t>(segment->data_off + cut);
    segment->data_len = static_cast<std::uint16_t>(segment->data_len - cut);
    skip -= cut;
    // Of a packet without bytes one buffer stays: a program is charged for empty datagrams, too.
    if (segment->data_len == 0 && (segment->next != nullptr || count_ != 0)) {
      *link = std::exchange(segment->next, nullptr);
      segment->nb_segs = 1;
      rte_pktmbuf_free_seg(segment);
      continue;
    }
    ++count_;
    truesize_ += segment->buf_len;
    link = &segment->next;
  }
}

void Parcel::tell(Context& context, LaneSession& session, Message event) {
  event.kind = static_cast<std::uint8_t>(EventKind::Data);
  while (first_ != nullptr) {
    rte_mbuf* const segment = first_;
    first_ = std::exchange(segment->next, nullptr);
    segment->nb_segs = 1;
    segment->pkt_len = segment->data_len;
    event.flags = first_ != nullptr ? message_flag::kMore : std::uint8_t{0};
    event.buffer = context.system.buffers.hand_out(session.number, segment);
    context.programs.tell(session, event);
    event.local = event.peer = {};
    event.option = 0;
  }
}

SocketError socket_error(const ip::IcmpError& error) {
  static constexpr SocketError kUnreachable[] = {
      {ENETUNREACH, false},  {EHOSTUNREACH, false}, {ENOPROTOOPT, true},  {ECONNREFUSED, true},
      {EMSGSIZE, false},     {EOPNOTSUPP, false},   {ENETUNREACH, true},  {EHOSTDOWN, true},
      {ENONET, true},        {ENETUNREACH, true},   {EHOSTUNREACH, true}, {ENETUNREACH, false},
      {EHOSTUNREACH, false}, {EHOSTUNREACH, true},  {EHOSTUNREACH, true}, {EHOSTUNREACH, true},
  };
  switch (error.type) {
    case wire::IcmpType::Unreachable:
      return error.code < std::size(kUnreachable) ? kUnreachable[error.code] : SocketError{};
    case wire::IcmpType::TimeExceeded:
      return {EHOSTUNREACH, false};
    case wire::IcmpType::ParameterProblem:
      return {EPROTO, true};
    default:
      return {};
  }
}

}  // namespace linnet::socket
