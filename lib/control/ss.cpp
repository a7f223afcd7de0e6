// SPDX-License-Identifier: BSD-3-Clause
// `ss` (iproute2: misc/ss.c) and `nstat` (misc/nstat.c).
#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

#include "control/command.hpp"
#include "socket/lane_sockets.hpp"
#include "socket/survey.hpp"
#include "stack/lane_state.hpp"

namespace linnet::control {
namespace {

using socket::Kind;
using socket::SocketRow;

struct SsRequest {
  bool tcp = false, udp = false, raw = false, packet = false;
  bool all = false, listening = false, numeric = false;
  bool processes = false, extended = false, memory = false, info = false, headless = false;
  bool any_kind() const { return tcp || udp || raw || packet; }
};

constexpr std::string_view kStates[] = {"UNKNOWN",    "ESTAB",      "SYN-SENT",  "SYN-RECV",
                                        "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "UNCONN",
                                        "CLOSE-WAIT", "LAST-ACK",   "LISTEN",    "CLOSING"};

// Letters of one word, as getopt takes them: -tuanp.
Result<> take_letters(Cursor& cursor, SsRequest& request) {
  for (const char letter : cursor.word().substr(1)) {
    bool SsRequest::* member = nullptr;
    switch (letter) {
      case 't':
        member = &SsRequest::tcp;
        break;
      case 'u':
        member = &SsRequest::udp;
        break;
      case 'w':
        member = &SsRequest::raw;
        break;
      case '0':
        member = &SsRequest::packet;
        break;
      case 'a':
        member = &SsRequest::all;
        break;
      case 'l':
        member = &SsRequest::listening;
        break;
      case 'n':
        member = &SsRequest::numeric;
        break;
      case 'p':
        member = &SsRequest::processes;
        break;
      case 'e':
        member = &SsRequest::extended;
        break;
      case 'm':
        member = &SsRequest::memory;
        break;
      case 'i':
        member = &SsRequest::info;
        break;
      case 'H':
        member = &SsRequest::headless;
        break;
      case '4':
        continue;
      default:
        return cursor.wrong("unknown option", "letters of -tuw0alnpemiH4");
    }
    request.*member = true;
  }
  return Ok{};
}

std::string_view netid(const SocketRow& row) {
  switch (row.kind) {
    case Kind::Stream:
      return "tcp";
    case Kind::Datagram:
      return "udp";
    case Kind::Ping:
      return "icmp";
    case Kind::Raw:
      return "raw";
    case Kind::PacketRaw:
      return "p_raw";
    case Kind::PacketDatagram:
      return "p_dgr";
  }
  return "?";
}

bool wanted(const SsRequest& request, const SocketRow& row) {
  const bool any = !request.any_kind();
  switch (row.kind) {
    case Kind::Stream:
      if (!request.tcp && !any) return false;
      break;
    case Kind::Datagram:
      if (!request.udp && !any) return false;
      break;
    case Kind::Ping:
    case Kind::Raw:
      if (!request.raw && !any) return false;
      break;
    case Kind::PacketRaw:
    case Kind::PacketDatagram:
      if (!request.packet && !any) return false;
      break;
  }
  const bool listens = row.state == 10 || row.state == 7;
  if (request.all) return true;
  // Linux's ss shows neither listeners nor what is passing away by default.
  return request.listening ? listens : !listens && row.state != 6 && row.state != 3;
}

std::string place(const Context& context, const socket::Endpoint& end, std::uint16_t device) {
  std::string out = end.address.text();
  if (device != packet::kNoDevice) out += '%' + context.name(device);
  return out + ':' + (end.port == 0 ? "*" : std::to_string(end.port));
}

std::string printed(const char* format, double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

// 1.5Mbps, as ss writes rates.
std::string rate(double bytes_per_second) {
  double bits = bytes_per_second * 8;
  const char* unit = "bps";
  for (const char* const larger : {"Kbps", "Mbps", "Gbps", "Tbps"}) {
    if (bits < 1000) break;
    bits /= 1000;
    unit = larger;
  }
  return printed("%.3g", bits) + unit;
}

double milliseconds(std::uint32_t microseconds) {
  return microseconds / 1000.0;
}

// What -i tells, in the order of ss.
std::string info_text(const SocketRow& row) {
  const tcp::Info& i = row.info;
  std::string out;
  const auto flag = [&](bool on, const char* name) {
    if (on) out += ' ' + std::string(name);
  };
  const auto number = [&](const char* name, std::uint64_t value, bool always = false) {
    if (always || value != 0) out += ' ' + std::string(name) + ':' + std::to_string(value);
  };
  flag((i.options & tcp::Info::kTimestamps) != 0, "ts");
  flag((i.options & tcp::Info::kSack) != 0, "sack");
  flag((i.options & tcp::Info::kEcn) != 0, "ecn");
  flag((i.options & tcp::Info::kEcnSeen) != 0, "ecnseen");
  out += ' ' + std::string(row.congestion);
  if ((i.options & tcp::Info::kWindowScale) != 0) {
    out += " wscale:" + std::to_string(unsigned{i.snd_wscale}) + ',' +
           std::to_string(unsigned{i.rcv_wscale});
  }
  if (i.rto != 0) out += " rto:" + printed("%g", milliseconds(i.rto));
  number("backoff", i.backoff);
  if (i.rtt != 0)
    out +=
        " rtt:" + printed("%g", milliseconds(i.rtt)) + '/' + printed("%g", milliseconds(i.rttvar));
  if (i.ato != 0) out += " ato:" + printed("%g", milliseconds(i.ato));
  number("mss", i.snd_mss, true);
  number("pmtu", i.pmtu);
  number("rcvmss", i.rcv_mss);
  number("advmss", i.advmss);
  number("cwnd", i.snd_cwnd, true);
  if (i.snd_ssthresh < 0xffff) number("ssthresh", i.snd_ssthresh);
  number("bytes_sent", i.bytes_sent);
  number("bytes_retrans", i.bytes_retrans);
  number("bytes_acked", i.bytes_acked);
  number("bytes_received", i.bytes_received);
  number("segs_out", i.segs_out);
  number("segs_in", i.segs_in);
  number("data_segs_out", i.data_segs_out);
  number("data_segs_in", i.data_segs_in);
  if (i.rtt != 0 && i.snd_mss != 0) out += " send " + rate(1e6 * i.snd_cwnd * i.snd_mss / i.rtt);
  number("lastsnd", i.last_data_sent);
  number("lastrcv", i.last_data_recv);
  number("lastack", i.last_ack_recv);
  if (i.pacing_rate != 0 && i.pacing_rate != UINT64_MAX)
    out += " pacing_rate " + rate(static_cast<double>(i.pacing_rate));
  if (i.delivery_rate != 0) out += " delivery_rate " + rate(static_cast<double>(i.delivery_rate));
  number("delivered", i.delivered);
  flag(i.delivery_rate_app_limited, "app_limited");
  if (i.busy_time != 0) number("busy_ms", i.busy_time / 1000);
  number("unacked", i.unacked);
  if (i.retrans != 0 || i.total_retrans != 0)
    out += " retrans:" + std::to_string(i.retrans) + '/' + std::to_string(i.total_retrans);
  number("lost", i.lost);
  number("sacked", i.sacked);
  number("dsack_dups", i.dsack_dups);
  if (i.reordering != 3) number("reordering", i.reordering);
  if (i.rcv_rtt != 0) out += " rcv_rtt:" + printed("%g", milliseconds(i.rcv_rtt));
  number("rcv_space", i.rcv_space);
  number("rcv_ssthresh", i.rcv_ssthresh);
  number("notsent", i.notsent_bytes);
  if (i.min_rtt != 0 && i.min_rtt != UINT32_MAX)
    out += " minrtt:" + printed("%g", milliseconds(i.min_rtt));
  number("rcv_ooopack", i.rcv_ooopack);
  number("snd_wnd", i.snd_wnd);
  return out;
}

std::string trailing(const SsRequest& request, const SocketRow& row) {
  std::string out;
  if (request.processes && !row.orphan) {
    out += " users:((\"program" + std::to_string(row.session) +
           "\",fd=" + std::to_string(row.program) + "))";
  }
  if (request.extended && !row.orphan) {
    std::array<char, 24> id{};
    std::snprintf(id.data(), id.size(), "%" PRIx64, row.id);
    out += " lane:" + std::to_string(row.lane) + " sk:" + id.data();
  }
  const bool second = (request.info && row.has_info) || request.memory;
  if (second) out += "\n\t";
  if (request.memory) {
    out += " skmem:(r" + std::to_string(row.receive_memory) + ",rb" +
           std::to_string(row.receive_limit) + ",t" + std::to_string(row.send_queue) + ",tb" +
           std::to_string(row.send_limit) + ",f0,w0,o0,bl0,d0)";
  }
  if (request.info && row.has_info) out += info_text(row);
  return out;
}

Json json_of(const Context& context, const SocketRow& row) {
  Json out;
  out["netid"] = netid(row);
  out["state"] = kStates[row.state];
  out["recv_q"] = row.receive_queue;
  out["send_q"] = row.send_queue;
  out["local"] = place(context, row.local, row.device);
  out["peer"] = place(context, row.peer, packet::kNoDevice);
  out["lane"] = row.lane;
  if (!row.orphan) out["program"] = row.session;
  if (!row.has_info) return out;
  const tcp::Info& i = row.info;
  out["congestion"] = row.congestion;
  out["rto"] = i.rto;
  out["rtt"] = i.rtt;
  out["rttvar"] = i.rttvar;
  out["mss"] = i.snd_mss;
  out["cwnd"] = i.snd_cwnd;
  out["bytes_acked"] = i.bytes_acked;
  out["bytes_received"] = i.bytes_received;
  out["retrans"] = i.total_retrans;
  return out;
}

// The rows of one lane; asks again with more room while there are more.
std::vector<SocketRow> rows_of(const Context& context, unsigned lane) {
  for (std::size_t room = 256;; room *= 4) {
    socket::Survey survey(room);
    if (!context.stack.lane(lane).survey_sockets(survey, context.now)) return {};
    if (!survey.truncated) return std::move(survey.rows);
  }
}

// Listeners and datagram sockets stand on every lane: shown once.
bool stands_everywhere(const SocketRow& row) {
  return row.kind != Kind::Stream || row.state == 10;
}

Result<std::string> run_ss(const Context& context, const SsRequest& request, const Format& format) {
  std::vector<SocketRow> rows;
  for (unsigned lane = 0; lane < context.stack.lanes(); ++lane) {
    for (const SocketRow& row : rows_of(context, lane)) {
      if (wanted(request, row) && (lane == 0 || !stands_everywhere(row))) rows.push_back(row);
    }
  }
  if (format.json) {
    Json json = Json::array();
    for (const SocketRow& row : rows)
      json.push_back(json_of(context, row));
    return write_json(json, format);
  }
  std::vector<std::array<std::string, 6>> cells;
  if (!request.headless)
    cells.push_back(
        {"Netid", "State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port"});
  for (const SocketRow& row : rows) {
    cells.push_back({std::string(netid(row)), std::string(kStates[row.state]),
                     std::to_string(row.receive_queue), std::to_string(row.send_queue),
                     place(context, row.local, row.device),
                     place(context, row.peer, packet::kNoDevice)});
  }
  std::array<std::size_t, 6> widths{};
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i)
      widths[i] = std::max(widths[i], line[i].size());
  }
  std::string out;
  for (std::size_t n = 0; n < cells.size(); ++n) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (i > 0) out += ' ';
      out += i < 4 ? left(cells[n][i], widths[i]) : right(std::string_view(cells[n][i]), widths[i]);
    }
    const std::size_t head = request.headless ? 0 : 1;
    if (n >= head) out += trailing(request, rows[n - head]);
    out += '\n';
  }
  return out;
}

Result<Action> parse_ss(Cursor& cursor, const Verb& verb, const Format& format) {
  SsRequest request;
  while (!cursor.done()) {
    if (cursor.word().size() < 2 || cursor.word()[0] != '-') return unknown_word(cursor, verb);
    if (Result<> taken = take_letters(cursor, request); !taken) return taken.error();
    cursor.next();
  }
  return Action{
      [request, format](const Context& context) { return run_ss(context, request, format); }};
}

struct NstatRequest {
  bool zeros = false;
};

// Every lane's counters added up, by Linux's names.
std::vector<std::pair<std::string, std::uint64_t>> counters_of(const Context& context) {
  std::vector<std::pair<std::string, std::uint64_t>> out;
  for (std::size_t i = 0; i < std::size(udp::kCounterNames); ++i) {
    std::uint64_t sum = 0;
    for (unsigned lane = 0; lane < context.stack.lanes(); ++lane)
      sum += context.stack.lane(lane).state().sockets.udp().counters().value(
          static_cast<udp::Count>(i));
    out.emplace_back("Udp" + std::string(udp::kCounterNames[i]), sum);
  }
  for (std::size_t i = 0; i < tcp::kCounterCount; ++i) {
    std::uint64_t sum = 0;
    for (unsigned lane = 0; lane < context.stack.lanes(); ++lane)
      sum +=
          context.stack.lane(lane).state().sockets.tcp_counters().value(static_cast<tcp::Count>(i));
    out.emplace_back(
        std::string(tcp::kCounterNames[i].group) + std::string(tcp::kCounterNames[i].name), sum);
  }
  return out;
}

Result<std::string> run_nstat(const Context& context, const NstatRequest& request,
                              const Format& format) {
  Json json = Json::object();
  std::string out = "#linnet\n";
  for (const auto& [name, value] : counters_of(context)) {
    if (value == 0 && !request.zeros) continue;
    json[name] = value;
    out += left(name, 32) + left(std::to_string(value), 19) + "0.0\n";
  }
  if (!format.json) return out;
  Json whole;
  whole["linnet"] = json;
  return write_json(whole, format);
}

Result<Action> parse_nstat(Cursor& cursor, const Verb& verb, const Format& format) {
  NstatRequest request;
  for (; !cursor.done(); cursor.next()) {
    for (const char letter : cursor.word()) {
      if (letter == 'z')
        request.zeros = true;
      else if (letter != '-' && letter != 'a' && letter != 's')
        return unknown_word(cursor, verb);
    }
  }
  return Action{
      [request, format](const Context& context) { return run_nstat(context, request, format); }};
}

constexpr Command kSsCommands[] = {{"ss", "", parse_ss}, {"nstat", "", parse_nstat}};

}  // namespace

std::span<const Command> socket_commands() {
  return kSsCommands;
}

}  // namespace linnet::control
