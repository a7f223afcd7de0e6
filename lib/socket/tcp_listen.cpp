// SPDX-License-Identifier: BSD-3-Clause
// Listeners: half-open connections, cookies, the accept queue (RFC 9293 3.10.7.2, 4987).
// Reading: Linux tcp_v4_conn_request, tcp_conn_request, tcp_check_req, inet_csk_reqsk_queue_*.
#include <algorithm>
#include <cerrno>

#include "socket/drops.hpp"
#include "socket/tcp_sockets.hpp"
#include "wire/ipv4.hpp"
#include "wire/tcp.hpp"

namespace linnet::socket {

using packet::Turn;
using tcp::Count;

namespace {

constexpr std::uint32_t kHeaders = sizeof(wire::Ipv4Header) + sizeof(wire::TcpHeader);

}  // namespace

void TcpSockets::listen(Turn&, LaneSession& session, const Message& request) {
  const auto refuse = [&](int error) {
    Message answer;
    answer.kind = static_cast<std::uint8_t>(EventKind::Failed);
    answer.program = request.program;
    answer.value = static_cast<std::uint64_t>(error);
    context_.programs.tell(session, answer);
  };
  const auto backlog = static_cast<std::uint32_t>(std::min<std::uint64_t>(
      request.value, context_.system.settings.somaxconn.load(std::memory_order_relaxed)));
  if (Socket* const there = context_.handles.find(request.handle, session)) {
    if (there->role == Role::Listener) static_cast<Listener*>(there)->backlog = backlog;
    return;
  }
  const OptionSet options = session.take_early(request.program);
  const auto ticket = static_cast<Ticket>(request.cookie);
  if (!context_.system.ports.holds(ticket, session.number, Space::Tcp, request.local))
    return refuse(EINVAL);
  const std::uint32_t number = listeners_.make();
  if (number == kNone) return refuse(ENOBUFS);
  Listener& listener = listeners_[number];
  listener.number = number;
  listener.local = request.local;
  listener.ticket = ticket;
  listener.backlog = backlog;
  listener.options = options;
  context_.enlist(listener, session, request.program);
  if (!bound_.add(listener)) {
    context_.strike(listener);
    listeners_.destroy(number);
    return refuse(ENOBUFS);
  }
  context_.programs.tell(session, Context::event(EventKind::Opened, listener));
}

void TcpSockets::close(Turn&, Listener& listener) {
  bound_.remove(listener);
  context_.strike(listener);
  listeners_.destroy(listener.number);
}

// The listener of a half-open connection; nullptr: it was closed meanwhile.
Listener* TcpSockets::listener_of(const HalfOpenEntry& entry) {
  LaneSession* const session = context_.programs.find(entry.session);
  Socket* const found =
      session == nullptr ? nullptr : context_.handles.find(entry.listener, *session);
  return found != nullptr ? static_cast<Listener*>(found) : nullptr;
}

// Linux sk_acceptq_is_full: a backlog of N lets N + 1 wait. One count for all lanes.
bool TcpSockets::backlog_full(const Listener& listener) const {
  return context_.system.ports.backlog(listener.ticket) > listener.backlog;
}

tcp::PassiveOptions TcpSockets::passive_options(const Listener& listener, const Flow& flow) const {
  const tcp::Settings& settings = context_.system.tcp_settings;
  const tcp::SocketOptions& options = listener.options.tcp;
  const ip::OutputRoute way =
      context_.output.route_for(request_for(flow, listener.options, tcp::Ecn::NotCapable));
  const std::uint32_t mtu = way.reachable ? std::max(way.mtu, kHeaders + 88) : 576;
  tcp::PassiveOptions out;
  out.mss = static_cast<std::uint16_t>(std::min<std::uint32_t>(mtu - kHeaders, 65535));
  if (options.max_segment != 0) out.mss = std::min(out.mss, options.max_segment);
  // What the connection will begin with: a right edge that was promised never moves back
  // (RFC 9293 SHLD-14).
  const tcp::WindowOffer offer = tcp::first_offer(settings, options, out.mss);
  out.window = offer.window;
  out.window_scaling = settings.tcp_window_scaling != 0;
  out.scale = offer.scale;
  out.sack = settings.tcp_sack != 0;
  out.timestamps = settings.tcp_timestamps != 0;
  out.ecn = settings.tcp_ecn != 0;
  return out;
}

void TcpSockets::take_listener(Turn& turn, Listener& listener, Arrived& arrived,
                               std::optional<tcp::Seq> initial) {
  const tcp::Segment& segment = arrived.segment;
  if (segment.has(tcp::flag::kRst)) return end(turn, arrived, Drop::TcpNoSocket);
  if (segment.has(tcp::flag::kAck)) {
    if (!segment.has(tcp::flag::kSyn) && listener.overflow.recent(turn.now)) {
      const tcp::SynCookies cookies(context_.system.cookie_key, context_.system.timestamp_key);
      const auto handshake = cookies.check(bytes_of(arrived.flow), segment,
                                           passive_options(listener, arrived.flow), turn.now);
      if (handshake) {
        counters_.add(Count::SyncookiesRecv);
        if (accept(turn, listener, arrived, *handshake, nullptr)) return;
        return end(turn, arrived, Drop::TcpAcceptFull);
      }
      counters_.add(Count::SyncookiesFailed);
    }
    return reset(turn, arrived, listener.options.device);
  }
  if (!segment.has(tcp::flag::kSyn) || segment.has(tcp::flag::kFin))
    return end(turn, arrived, Drop::TcpNoSocket);
  take_syn(turn, listener, arrived, initial);
}

// A SYN for which there is room gets an entry, else a cookie, else nothing.
void TcpSockets::take_syn(Turn& turn, Listener& listener, Arrived& arrived,
                          std::optional<tcp::Seq> initial) {
  const tcp::Settings& settings = context_.system.tcp_settings;
  const Flow& flow = arrived.flow;
  if (backlog_full(listener)) {
    counters_.add(Count::ListenOverflows);
    counters_.add(Count::ListenDrops);
    return end(turn, arrived, Drop::TcpSynDropped);
  }
  const std::uint32_t cookies = settings.tcp_syncookies;
  const bool full =
      listener.half_open >=
      std::max<std::uint32_t>(std::min(listener.backlog, settings.tcp_max_syn_backlog.get()), 8);
  const tcp::PassiveOptions options = passive_options(listener, flow);
  const auto answer_with_cookie = [&] {
    listener.overflow.happened(turn.now);
    if (cookies == 0) {
      counters_.add(Count::TCPReqQFullDrop);
      counters_.add(Count::ListenDrops);
      return end(turn, arrived, Drop::TcpSynDropped);
    }
    counters_.add(Count::TCPReqQFullDoCookies);
    counters_.add(Count::SyncookiesSent);
    const tcp::SynCookies maker(context_.system.cookie_key, context_.system.timestamp_key);
    send_bare(turn, flow, listener.options,
              maker.make(bytes_of(flow), arrived.segment, options, turn.now));
    end(turn, arrived, Drop::TcpHalfOpen);
  };
  // An ISN beyond TIME-WAIT's numbers (RFC 6191) is none that a cookie could be.
  if ((cookies == 2 || full) && !initial) return answer_with_cookie();
  const tcp::Seq ours =
      initial ? *initial
              : tcp::initial_sequence(context_.system.initial_key, bytes_of(flow), turn.now);
  const std::uint32_t stamp = tcp::timestamp_offset(context_.system.timestamp_key, bytes_of(flow));
  std::optional<tcp::FastOpenCookie> cookie;
  if (try_fast_open(turn, listener, arrived, ours, cookie)) return;
  const std::uint32_t number =
      half_open_.make(*this, flow, arrived.hash, listener,
                      tcp::HalfOpen(arrived.segment, options, ours, stamp, turn.now));
  if (number == kNone) return answer_with_cookie();
  HalfOpenEntry& entry = half_open_[number];
  if (!flows_.insert(arrived.hash, value_of(Entry::HalfOpen, number))) {
    half_open_.destroy(number);
    return answer_with_cookie();
  }
  entry.number = number;
  entry.session = listener.session->number;
  entry.device = arrived.device;
  ++listener.half_open;
  tcp::SegmentOut syn_ack = entry.state.syn_ack(turn.now);
  if (cookie) cookie->put(syn_ack.options);
  send_bare(turn, flow, listener.options, syn_ack);
  context_.wheel.arm(entry, entry.state.deadline());
  end(turn, arrived, Drop::TcpHalfOpen);
}

void TcpSockets::remove(HalfOpenEntry& entry) {
  if (Listener* const listener = listener_of(entry)) --listener->half_open;
  context_.wheel.cancel(entry);
  flows_.erase(entry.hash, value_of(Entry::HalfOpen, entry.number));
  half_open_.destroy(entry.number);
}

// Linux: tcp_rtx_synack.
void TcpSockets::send_again(Turn& turn, const Flow& flow, const OptionSet& options,
                            const tcp::SegmentOut& syn_ack) {
  counters_.add(Count::RetransSegs);
  counters_.add(Count::TCPSynRetrans);
  send_bare(turn, flow, options, syn_ack);
}

void TcpSockets::half_open_due(time::Timer& timer, time::Instant now, void* context) {
  auto& entry = static_cast<HalfOpenEntry&>(timer);
  auto& turn = *static_cast<Turn*>(context);
  TcpSockets& self = entry.owner;
  Listener* const listener = self.listener_of(entry);
  const tcp::Settings& settings = self.context_.system.tcp_settings;
  if (listener == nullptr) return self.remove(entry);
  const auto longest = time::Duration::milliseconds(settings.tcp_rto_max_ms);
  switch (entry.state.on_timer(now, settings.tcp_synack_retries, longest)) {
    case tcp::HalfOpenTimer::GiveUp:
      return self.remove(entry);
    case tcp::HalfOpenTimer::Resend:
      self.counters_.add(Count::TCPTimeouts);
      self.send_again(turn, entry.flow, listener->options, entry.state.syn_ack(now));
      break;
    case tcp::HalfOpenTimer::Nothing:
      break;
  }
  self.context_.wheel.arm(entry, entry.state.deadline());
}

void TcpSockets::take_half_open(Turn& turn, HalfOpenEntry& entry, Arrived& arrived) {
  Listener* const listener = listener_of(entry);
  if (listener == nullptr) {
    // It was closed; another may stand in its place.
    remove(entry);
    return take(turn, arrived);
  }
  tcp::SegmentOut answer;
  switch (entry.state.input(arrived.segment, turn.now, answer)) {
    case tcp::HalfOpenVerdict::Ignore:
      return end(turn, arrived, Drop::TcpHalfOpen);
    case tcp::HalfOpenVerdict::Answer:
      if ((answer.flags & tcp::flag::kSyn) != 0)
        send_again(turn, entry.flow, listener->options, answer);
      else
        send_bare(turn, entry.flow, listener->options, answer);
      return end(turn, arrived, Drop::TcpHalfOpen);
    case tcp::HalfOpenVerdict::Remove:
      counters_.add(Count::EmbryonicRsts);
      counters_.add(Count::AttemptFails);
      remove(entry);
      return end(turn, arrived, Drop::TcpHalfOpen);
    case tcp::HalfOpenVerdict::Established:
      break;
  }
  const tcp::Handshake handshake = entry.state.handshake(arrived.segment);
  if (accept(turn, *listener, arrived, handshake, &entry)) return;
  if (context_.system.tcp_settings.tcp_abort_on_overflow != 0) {
    remove(entry);
    return reset(turn, arrived, listener->options.device);
  }
  end(turn, arrived, Drop::TcpAcceptFull);
}

// The handshake is complete: a connection takes the place of the half-open entry. False: there is
// no room for it now.
bool TcpSockets::accept(Turn& turn, Listener& listener, Arrived& arrived,
                        const tcp::Handshake& handshake, HalfOpenEntry* from) {
  if (backlog_full(listener)) {
    counters_.add(Count::ListenOverflows);
    return false;
  }
  TcpSocket* const socket = place(turn.now, listener, arrived, from);
  if (socket == nullptr) return false;
  const ip::OutputRoute way =
      context_.output.route_for(request_for(socket->flow, *socket->options, tcp::Ecn::NotCapable));
  socket->connection->accept(turn, handshake, way.reachable ? way.mtu : 576);
  hear(turn, *socket, arrived);
  return true;
}

// A connection for the listener's queue, in the table; it is to be begun. nullptr: no room.
TcpSocket* TcpSockets::place(time::Instant now, Listener& listener, const Arrived& arrived,
                             HalfOpenEntry* from) {
  const std::uint32_t number = connections_.make();
  if (number == kNone) return nullptr;
  TcpSocket& socket = connections_[number];
  socket.number = number;
  if (!begin_awake(now, socket, listener.options)) {
    end_unused(socket);
    return nullptr;
  }
  const std::uint32_t value = value_of(Entry::Connection, number);
  const std::uint32_t mine = from != nullptr ? value_of(Entry::HalfOpen, from->number) : 0;
  const bool placed = from != nullptr ? flows_.replace(arrived.hash, mine, value)
                                      : flows_.insert(arrived.hash, value);
  if (!placed) {
    end_unused(socket);
    return nullptr;
  }
  if (from != nullptr) {
    --listener.half_open;
    context_.wheel.cancel(*from);
    half_open_.destroy(from->number);
  }
  socket.flow = arrived.flow;
  socket.hash = arrived.hash;
  socket.device = arrived.device;
  socket.passive = true;
  socket.listener = listener.handle;
  socket.ticket = listener.ticket;
  socket.in_backlog = true;
  context_.enlist(socket, *listener.session, 0);
  socket.backlog_generation = context_.system.ports.enter_backlog(listener.ticket);
  context_.system.ports.connection_began(context_.lane, socket.flow.local_port);
  return &socket;
}

}  // namespace linnet::socket
