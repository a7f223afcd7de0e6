// SPDX-License-Identifier: BSD-3-Clause
// Fast Open (RFC 7413): which SYN is let in, what a SYN of ours carries, what is learned of it.
// Reading: Linux tcp_try_fastopen, tcp_fastopen_queue_check, tcp_fastopen_cookie_check.
#include <algorithm>
#include <cerrno>

#include "socket/drops.hpp"
#include "socket/tcp_sockets.hpp"

namespace linnet::socket {

using packet::Turn;
using tcp::Count;
using Verdict = tcp::FastOpenKeySet::Verdict;

// --- The server's side.

void TcpSockets::set_option(Listener& listener, std::uint32_t option, std::uint64_t value) {
  const std::uint32_t word = option >> 8 & 0xff;
  if (option == name::kFastOpen) {
    listener.fast_open = static_cast<std::uint32_t>(std::min<std::uint64_t>(value, 0x7fffffff));
    return;
  }
  if ((option & ~0xff00u) != name::kFastOpenKey) {
    listener.options.set(option, value);
    return;
  }
  tcp::FastOpenKeySet& keys = listener.fast_open_keys;
  std::uint64_t* const words[] = {&keys.primary.k0, &keys.primary.k1, &keys.backup.k0,
                                  &keys.backup.k1};
  if (word < 4) {
    *words[word] = value;
    return;
  }
  listener.has_fast_open_keys = value != 0;
  keys.has_backup = value > 1;
}

// True: the SYN is used up, a connection stands. Else the usual handshake goes on, and `answer` is
// the cookie that its SYN-ACK gives.
bool TcpSockets::try_fast_open(Turn& turn, Listener& listener, Arrived& arrived, tcp::Seq initial,
                               std::optional<tcp::FastOpenCookie>& answer) {
  const tcp::Settings& settings = context_.system.tcp_settings;
  const std::uint32_t allowed = settings.tcp_fastopen;
  const auto cookie = tcp::FastOpenCookie::of(arrived.segment.options);
  const bool has_data = arrived.segment.payload_length != 0;
  if (!cookie && !has_data) return false;
  if (cookie && cookie->length == 0) counters_.add(Count::TCPFastOpenCookieReqd);
  if ((allowed & tcp::fast_open::kServer) == 0) return false;
  std::uint32_t limit = listener.fast_open;
  if (limit == 0 && (allowed & tcp::fast_open::kEveryListener) != 0) limit = listener.backlog;
  if (limit == 0) return false;
  if (!listener.early.admits(limit, turn.now)) {
    counters_.add(Count::TCPFastOpenListenOverflow);
    return false;
  }
  const Ipv4Address client = arrived.flow.peer, server = arrived.flow.local;
  const tcp::FastOpenKeySet keys =
      listener.has_fast_open_keys ? listener.fast_open_keys : settings.fast_open_keys.load();
  const bool free =
      (allowed & tcp::fast_open::kServerWithoutCookie) != 0 || listener.options.fast_open_no_cookie;
  const Verdict verdict = !free && cookie ? keys.check(*cookie, client, server) : Verdict::Bad;
  if (free || verdict != Verdict::Bad) {
    // A cookie of the key that is on its way out is changed for a new one.
    tcp::FastOpenCookie fresh = keys.make(client, server);
    fresh.experiment = cookie && cookie->experiment;
    const bool old = verdict == Verdict::Old;
    if (open_early(turn, listener, arrived, initial, old ? &fresh : nullptr)) {
      counters_.add(Count::TCPFastOpenPassive);
      if (old) counters_.add(Count::TCPFastOpenPassiveAltKey);
      return true;
    }
    counters_.add(Count::TCPFastOpenPassiveFail);
    return false;
  }
  if (!cookie) return false;
  if (cookie->length != 0) counters_.add(Count::TCPFastOpenPassiveFail);
  answer = keys.make(client, server);
  answer->experiment = cookie->experiment;
  return false;
}

bool TcpSockets::open_early(Turn& turn, Listener& listener, Arrived& arrived, tcp::Seq initial,
                            const tcp::FastOpenCookie* answer) {
  TcpSocket* const socket = place(turn.now, listener, arrived, nullptr);
  if (socket == nullptr) return false;
  listener.early.enter();
  socket->early = true;
  const ip::OutputRoute way =
      context_.output.route_for(request_for(socket->flow, *socket->options, tcp::Ecn::NotCapable));
  socket->connection->open_passive(
      turn, std::move(arrived.segment), initial,
      tcp::timestamp_offset(context_.system.timestamp_key, bytes_of(socket->flow)),
      way.reachable ? way.mtu : 576, answer);
  return true;
}

// RFC 7413 section 5.1: what a RST ended before the handshake was over counts on for a while.
void TcpSockets::leave_early(Turn& turn, TcpSocket& socket) {
  const tcp::Connection& connection = *socket.connection;
  if (connection.state() == tcp::State::SynReceived) return;
  socket.early = false;
  Socket* const found = context_.handles.find(socket.listener);
  if (found == nullptr) return;
  tcp::FastOpenQueue& queue = static_cast<Listener*>(found)->early;
  const bool reset = connection.state() == tcp::State::Closed && connection.error() == ECONNRESET;
  reset ? queue.leave_by_reset(turn.now) : queue.leave();
}

// --- The client's side.

tcp::FastOpenAttempt TcpSockets::attempt_for(Turn& turn, const Flow& flow, const OptionSet& options,
                                             bool& proves_path) {
  const tcp::Settings& settings = context_.system.tcp_settings;
  const std::uint32_t allowed = settings.tcp_fastopen;
  tcp::FastOpenAttempt out;
  if ((allowed & tcp::fast_open::kClient) == 0) return out;
  const std::uint32_t pause = settings.tcp_fastopen_blackhole_timeout_sec;
  fast_open_cache_.follow(settings.metrics_flushes);
  const auto known = fast_open_cache_.look(flow.local, flow.peer, turn.now);
  if (known.refrains || fast_open_cache_.disabled(pause, turn.now)) return out;
  proves_path = fast_open_cache_.suspects();
  out.peer_mss = known.mss;
  if ((allowed & tcp::fast_open::kClientWithoutCookie) != 0 || options.fast_open_no_cookie) {
    out.carries_data = true;
    return out;
  }
  out.option = known.cookie;
  out.carries_data = known.cookie.length != 0;
  return out;
}

void TcpSockets::fast_open(Turn& turn, tcp::Connection& connection, const tcp::FastOpenNews& news) {
  const auto& socket = *static_cast<const TcpSocket*>(connection.user);
  switch (news.kind) {
    case tcp::FastOpenNews::Kind::Answer:
      return fast_open_cache_.learn(socket.flow.local, socket.flow.peer, news, turn.now);
    case tcp::FastOpenNews::Kind::BlackHole:
      if (context_.system.tcp_settings.tcp_fastopen_blackhole_timeout_sec == 0) return;
      counters_.add(Count::TCPFastOpenBlackhole);
      return fast_open_cache_.black_hole(turn.now);
    case tcp::FastOpenNews::Kind::Works:
      if (socket.proves_path) fast_open_cache_.works();
      return;
  }
}

}  // namespace linnet::socket
