// SPDX-License-Identifier: BSD-3-Clause
// `ss` (iproute2: misc/ss.c).
#include "control/ss.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cinttypes>
#include <cstdio>

#include "control/ss_filter.hpp"
#include "socket/lane_sockets.hpp"
#include "socket/survey.hpp"

namespace linnet::control {
namespace {

using socket::Kind;
using socket::SocketRow;

struct SsRequest {
  bool tcp = false, udp = false, raw = false, packet = false;
  bool all = false, listening = false, numeric = false;
  bool processes = false, extended = false, memory = false, info = false, headless = false;
  bool timers = false, summary = false, one_line = false;
  SsFilter filter{};
  unsigned kinds() const { return tcp + udp + raw + packet + 0u; }
};

constexpr std::string_view kStates[] = {"UNKNOWN",    "ESTAB",      "SYN-SENT",  "SYN-RECV",
                                        "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "UNCONN",
                                        "CLOSE-WAIT", "LAST-ACK",   "LISTEN",    "CLOSING"};

struct SsLetter {
  char letter;
  bool SsRequest::* member;
};
constexpr SsLetter kLetters[] = {
    {'t', &SsRequest::tcp},     {'u', &SsRequest::udp},       {'w', &SsRequest::raw},
    {'0', &SsRequest::packet},  {'a', &SsRequest::all},       {'l', &SsRequest::listening},
    {'n', &SsRequest::numeric}, {'p', &SsRequest::processes}, {'e', &SsRequest::extended},
    {'m', &SsRequest::memory},  {'i', &SsRequest::info},      {'H', &SsRequest::headless},
    {'o', &SsRequest::timers},  {'s', &SsRequest::summary},   {'O', &SsRequest::one_line},
};

constexpr std::string_view kLettersExpected = "letters of -tuw0alnopemisHO4";

// Letters of one word, as getopt takes them: -tuanp.
Result<> take_letters(Cursor& cursor, SsRequest& request) {
  for (const char letter : cursor.word().substr(1)) {
    if (letter == '4') continue;
    const auto* const found = std::find_if(std::begin(kLetters), std::end(kLetters),
                                           [&](const SsLetter& l) { return l.letter == letter; });
    if (letter == 'x') return cursor.wrong("unix sockets are the kernel's", kLettersExpected);
    if (found == std::end(kLetters)) return cursor.wrong("unknown option", kLettersExpected);
    request.*found->member = true;
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

bool is_of_kind(const SsRequest& request, const SocketRow& row) {
  const bool any = request.kinds() == 0;
  switch (row.kind) {
    case Kind::Stream:
      return request.tcp || any;
    case Kind::Datagram:
      return request.udp || any;
    case Kind::Ping:
    case Kind::Raw:
      return request.raw || any;
    case Kind::PacketRaw:
    case Kind::PacketDatagram:
      return request.packet || any;
  }
  return false;
}

// A bit for each state that is shown (Linux's ss: neither listeners nor what is passing away, where
// nothing is said).
std::uint32_t shown_states(const SsRequest& request) {
  constexpr std::uint32_t kIdle = 1u << 10 | 1u << 7, kPassing = 1u << 6 | 1u << 3;
  if (const auto states = request.filter.states()) return *states;
  if (request.all) return 0xffe;
  return request.listening ? kIdle : 0xffe & ~(kIdle | kPassing);
}

bool wanted(const Context& context, const SsRequest& request, const SocketRow& row) {
  if (!is_of_kind(request, row) || (shown_states(request) >> row.state & 1) == 0) return false;
  const socket::Settings& settings = context.stack.sockets().settings;
  return request.filter.matches(row,
                                {static_cast<std::uint16_t>(settings.ip_local_port_min.load()),
                                 static_cast<std::uint16_t>(settings.ip_local_port_max.load())});
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

// 1.200ms, 12sec, 1min5sec: iproute2's print_ms_timer, which drops what is small beside the rest.
std::string timer_span(std::uint32_t ms) {
  const std::uint32_t minutes = ms / 60'000;
  std::uint32_t seconds = ms / 1000 % 60, rest = ms % 1000;
  std::string out;
  if (minutes != 0) {
    rest = 0;
    out = std::to_string(minutes) + "min";
    if (minutes > 9) seconds = 0;
  }
  if (seconds > 9) rest = 0;
  if (seconds != 0) out += std::to_string(seconds) + (rest != 0 ? "." : "sec");
  if (rest != 0) out += printed("%03.0f", rest) + "ms";
  return out;
}

std::string timer_text(const SocketRow& row) {
  constexpr std::string_view kNames[] = {"off", "on", "keepalive", "timewait", "persist"};
  if (row.timer.kind == 0) return "";
  return " timer:(" + std::string(kNames[row.timer.kind]) + ',' + timer_span(row.timer.left_ms) +
         ',' + std::to_string(row.timer.retries) + ')';
}

std::string trailing(const SsRequest& request, const SocketRow& row) {
  std::string out;
  if (request.processes && !row.orphan) {
    out += " users:((\"program" + std::to_string(row.session) +
           "\",fd=" + std::to_string(row.program) + "))";
  }
  if (request.timers) out += timer_text(row);
  if (request.extended && !row.orphan) {
    std::array<char, 24> id{};
    std::snprintf(id.data(), id.size(), "%" PRIx64, row.id);
    out += " lane:" + std::to_string(row.lane) + " sk:" + id.data();
  }
  const bool second = (request.info && row.has_info) || request.memory;
  if (second && !request.one_line) out += "\n\t";
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

// What `ss -s` tells of the sockets that are there.
struct Summary {
  unsigned total = 0, tcp = 0, established = 0, closed = 0, orphaned = 0, time_wait = 0;
  unsigned raw = 0, udp = 0;

  void add(const SocketRow& row) {
    ++total;
    if (row.kind == Kind::Datagram) ++udp;
    if (row.kind == Kind::Raw || row.kind == Kind::Ping) ++raw;
    if (row.kind != Kind::Stream) return;
    ++tcp;
    established += row.state == 1 ? 1 : 0;
    time_wait += row.state == 6 ? 1 : 0;
    closed += row.state == 6 || row.state == 7 ? 1 : 0;
    orphaned += row.orphan && row.state != 6 && row.state != 3 ? 1 : 0;
  }
};

std::string summary_text(const Summary& sum) {
  std::string out = "Total: " + std::to_string(sum.total - sum.time_wait) +
                    "\nTCP:   " + std::to_string(sum.tcp) + " (estab " +
                    std::to_string(sum.established) + ", closed " + std::to_string(sum.closed) +
                    ", orphaned " + std::to_string(sum.orphaned) + ", timewait " +
                    std::to_string(sum.time_wait) + ")\n\nTransport Total     IP        IPv6\n";
  const unsigned tcp = sum.tcp - sum.closed;
  const std::pair<const char*, unsigned> lines[] = {{"RAW", sum.raw},
                                                    {"UDP", sum.udp},
                                                    {"TCP", tcp},
                                                    {"INET", sum.raw + sum.udp + tcp},
                                                    {"FRAG", 0}};
  for (const auto& [name, count] : lines)
    out += std::string(name) + "\t  " + left(std::to_string(count), 9) + ' ' +
           left(std::to_string(count), 9) + ' ' + left("0", 9) + '\n';
  return out + '\n';
}

// Every socket of the stack once.
std::vector<SocketRow> all_rows(const Context& context) {
  std::vector<SocketRow> rows;
  for (unsigned lane = 0; lane < context.stack.lanes(); ++lane) {
    for (const SocketRow& row : rows_of(context, lane)) {
      if (lane == 0 || !stands_everywhere(row)) rows.push_back(row);
    }
  }
  return rows;
}

// As Linux's ss: a column that would say the same of all is left out.
std::string table_of(const Context& context, const SsRequest& request,
                     const std::vector<SocketRow>& rows) {
  constexpr std::size_t kColumns = 6;
  const bool shown[kColumns] = {
      request.kinds() != 1, std::popcount(shown_states(request)) != 1, true, true, true, true};
  std::vector<std::array<std::string, kColumns>> cells;
  if (!request.headless)
    cells.push_back(
        {"Netid", "State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port"});
  for (const SocketRow& row : rows) {
    cells.push_back({std::string(netid(row)), std::string(kStates[row.state]),
                     std::to_string(row.receive_queue), std::to_string(row.send_queue),
                     place(context, row.local, row.device),
                     place(context, row.peer, packet::kNoDevice)});
  }
  std::array<std::size_t, kColumns> widths{};
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < kColumns; ++i)
      widths[i] = std::max(widths[i], line[i].size());
  }
  const std::size_t head = request.headless ? 0 : 1;
  std::string out;
  for (std::size_t n = 0; n < cells.size(); ++n) {
    std::string line;
    for (std::size_t i = 0; i < kColumns; ++i) {
      if (!shown[i]) continue;
      if (!line.empty()) line += ' ';
      line +=
          i < 4 ? left(cells[n][i], widths[i]) : right(std::string_view(cells[n][i]), widths[i]);
    }
    if (n >= head) line += trailing(request, rows[n - head]);
    out += line + '\n';
  }
  return out;
}

Result<std::string> run_ss(const Context& context, const SsRequest& request, const Format& format) {
  std::vector<SocketRow> rows = all_rows(context);
  if (request.summary) {
    Summary sum;
    for (const SocketRow& row : rows)
      sum.add(row);
    return summary_text(sum);
  }
  std::erase_if(rows, [&](const SocketRow& row) { return !wanted(context, request, row); });
  if (!format.json) return table_of(context, request, rows);
  Json json = Json::array();
  for (const SocketRow& row : rows)
    json.push_back(json_of(context, row));
  return write_json(json, format);
}

Result<Action> parse_ss(Cursor& cursor, const Verb&, const Format& format) {
  SsRequest request;
  while (!cursor.done() && cursor.word().size() > 1 && cursor.word()[0] == '-') {
    if (Result<> taken = take_letters(cursor, request); !taken) return taken.error();
    cursor.next();
  }
  if (request.summary && (!cursor.done() || format.json))
    return cursor.done() ? Error{"-s is text only", "-s", -1, "no -j"}
                         : cursor.wrong("-s takes no filter", "nothing");
  auto filter = SsFilter::parse(cursor);
  if (!filter) return filter.error();
  request.filter = std::move(filter).value();
  return Action{
      [request, format](const Context& context) { return run_ss(context, request, format); }};
}

constexpr Command kSsCommands[] = {{"ss", "", parse_ss}, {"nstat", "", parse_nstat}};

}  // namespace

std::span<const Command> socket_commands() {
  return kSsCommands;
}

}  // namespace linnet::control
