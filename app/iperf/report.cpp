// SPDX-License-Identifier: BSD-3-Clause
#include "app/iperf/report.hpp"

#include <sys/utsname.h>

#include <cstdio>
#include <ctime>

#include "app/start.hpp"

namespace linnet::app::iperf {
namespace {

template <typename... Values>
std::string format(const char* pattern, Values... values) {
  char room[256];
  const int length = std::snprintf(room, sizeof room, pattern, values...);
  return std::string(room, static_cast<std::size_t>(std::max(0, std::min(length, 255))));
}

double rate_of(const Row& row) {
  return row.to > row.from ? static_cast<double>(row.counts.bytes) * 8 / (row.to - row.from) : 0;
}

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole > 0 ? 100 * static_cast<double>(part) / static_cast<double>(whole) : 0;
}

std::string label(const Row& row) {
  return row.id == 0 ? "SUM" : format("%3d", row.id);
}

nlohmann::ordered_json name_of(const Stream& stream) {
  const SocketName local = local_name(stream.fd()), peer = peer_name(stream.fd());
  return {{"socket", stream.id()},
          {"local_host", to_text(local)},
          {"local_port", local.port()},
          {"remote_host", to_text(peer)},
          {"remote_port", peer.port()}};
}

nlohmann::ordered_json now_json() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[64];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {{"time", text}, {"timesecs", now}};
}

std::string system_text() {
  utsname name{};
  return uname(&name) == 0 ? std::string(name.sysname) + " " + name.nodename + " " + name.machine
                           : "";
}

Rows side_of(const std::vector<Account>& accounts, bool senders, bool sends) {
  Rows rows;
  for (const Account& account : accounts)
    if (account.sends == sends) rows.push_back(senders ? account.sender : account.receiver);
  return rows;
}

}  // namespace

std::string format_amount(double value, double unit, const char* name) {
  constexpr const char* kPrefixes[] = {"", "K", "M", "G", "T"};
  unsigned power = 0;
  for (; value >= unit * 0.9995 && power < 4; ++power)
    value /= unit;
  const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return format("%.*f %s%s", digits, value, kPrefixes[power], name);
}

Row sum_of(const Rows& rows, bool sends) {
  Row out;
  out.sends = sends;
  if (rows.empty()) return out;
  out.from = rows.front().from;
  for (const Row& row : rows) {
    out.to = std::max(out.to, row.to);
    out.counts.bytes += row.counts.bytes;
    out.counts.blocks += row.counts.blocks;
    out.counts.packets += row.counts.packets;
    out.counts.lost += row.counts.lost;
    out.counts.out_of_order += row.counts.out_of_order;
    out.counts.jitter += row.counts.jitter / static_cast<double>(rows.size());
    if (row.counts.retransmits >= 0)
      out.counts.retransmits =
          std::max<std::int64_t>(out.counts.retransmits, 0) + row.counts.retransmits;
  }
  return out;
}

Report::Report(const Options& options) : options_(options) {
  start_ = {{"connected", Json::array()},
            {"version", "linnet-iperf, speaks iperf 3.12"},
            {"system_info", system_text()},
            {"timestamp", now_json()}};
}

void Report::line(const std::string& text) const {
  if (!options_.json) say(stdout, text + "\n");
}

void Report::listening() {
  const std::string rule(59, '-');
  line(rule + "\nServer listening on " + std::to_string(options_.port) + "\n" + rule);
}

void Report::connecting() {
  start_["connecting_to"] = {{"host", options_.host}, {"port", options_.port}};
  line("Connecting to host " + options_.host + ", port " + std::to_string(options_.port));
}

void Report::accepted(const SocketName& client) {
  start_["accepted_connection"] = {{"host", to_text(client)}, {"port", client.port()}};
  line("Accepted connection from " + to_text(client) + ", port " + std::to_string(client.port()));
}

void Report::begin(const Parameters& parameters, const Cookie& cookie,
                   const std::vector<std::unique_ptr<Stream>>& streams) {
  parameters_ = parameters;
  const Parameters& p = parameters_;
  for (const auto& stream : streams) {
    const Json names = name_of(*stream);
    start_["connected"].push_back(names);
    line(format("[%3d] local %s port %u connected to %s port %u", stream->id(),
                to_text(local_name(stream->fd())).c_str(),
                unsigned{local_name(stream->fd()).port()}, to_text(peer_name(stream->fd())).c_str(),
                unsigned{peer_name(stream->fd()).port()}));
  }
  start_["cookie"] = std::string(cookie.data());
  start_["test_start"] = {{"protocol", p.udp ? "UDP" : "TCP"},
                          {"num_streams", p.streams},
                          {"blksize", p.length},
                          {"omit", p.omit},
                          {"duration", p.seconds},
                          {"bytes", p.bytes},
                          {"blocks", p.blocks},
                          {"reverse", p.reverse ? 1 : 0},
                          {"tos", p.tos},
                          {"target_bitrate", p.rate},
                          {"bidir", p.both_ways ? 1 : 0}};
  header(false);
}

void Report::header(bool at_end) {
  const char* more = "";
  if (parameters_.udp)
    more = "         Jitter    Lost/Total Datagrams";
  else
    more = at_end ? "         Retr" : "         Retr  Cwnd";
  line(std::string("[ ID] Interval           Transfer     Bitrate") + more);
}

void Report::print(const Row& row, const std::string& note) {
  const Stream::Counts& c = row.counts;
  std::string text =
      format("[%s] %6.2f-%-6.2f sec  %11s  %9s/sec", label(row).c_str(), row.from, row.to,
             format_amount(static_cast<double>(c.bytes), 1024, "Bytes").c_str(),
             format_amount(rate_of(row), 1000, "bits").c_str());
  if (parameters_.udp && !row.sends) {
    text += format("  %.3f ms  %llu/%llu (%.2g%%)", c.jitter * 1000,
                   static_cast<unsigned long long>(c.lost),
                   static_cast<unsigned long long>(c.packets), percent(c.lost, c.packets));
  } else if (parameters_.udp) {
    text += format("  %llu", static_cast<unsigned long long>(c.packets));
  } else if (c.retransmits >= 0) {
    text += format("  %5lld", static_cast<long long>(c.retransmits));
    if (c.window > 0) text += "   " + format_amount(c.window, 1024, "Bytes");
  }
  line(text + note);
}

Report::Json Report::to_json(const Row& row) const {
  const Stream::Counts& c = row.counts;
  Json json = Json::object();
  if (row.id != 0) json["socket"] = row.id;
  json["start"] = row.from;
  json["end"] = row.to;
  json["seconds"] = row.to - row.from;
  json["bytes"] = c.bytes;
  json["bits_per_second"] = rate_of(row);
  if (!parameters_.udp && c.retransmits >= 0) json["retransmits"] = c.retransmits;
  if (c.window > 0) {
    json["snd_cwnd"] = c.window;
    json["rtt"] = c.rtt;
  }
  if (parameters_.udp && !row.sends) {
    json["jitter_ms"] = c.jitter * 1000;
    json["lost_packets"] = c.lost;
    json["lost_percent"] = percent(c.lost, c.packets);
  }
  if (parameters_.udp) json["packets"] = c.packets;
  json["sender"] = row.sends;
  return json;
}

void Report::interval(const Rows& rows, bool omitted) {
  const std::string note = omitted ? "  (omitted)" : "";
  Json streams = Json::array();
  for (const Row& row : rows) {
    print(row, note);
    streams.push_back(to_json(row));
    streams.back()["omitted"] = omitted;
  }
  Json all = {{"streams", std::move(streams)}};
  bool first = true;
  for (const bool sends : {true, false}) {
    Rows of;
    for (const Row& row : rows)
      if (row.sends == sends) of.push_back(row);
    if (of.empty()) continue;
    const Row sum = sum_of(of, sends);
    if (of.size() > 1) print(sum, note);
    Json& to = all[first ? "sum" : "sum_bidir_reverse"];
    to = to_json(sum);
    to["omitted"] = omitted;
    first = false;
  }
  if (options_.json) intervals_.push_back(std::move(all));
}

// iperf3 tells of a UDP stream what the receiver saw, in one object.
Report::Json Report::udp_json(const Account& account) const {
  Row row = account.receiver;
  row.counts.bytes = account.sender.counts.bytes;
  Json json = to_json(row);
  json["out_of_order"] = row.counts.out_of_order;
  json["sender"] = account.sends;
  return json;
}

void Report::add_sums(const std::vector<Account>& accounts, Json& end) const {
  // The first direction is the client's as it sends, or the only one.
  const bool first = parameters_.both_ways ? !options_.server : accounts.front().sends;
  for (const bool sends : {first, !first}) {
    const Rows senders = side_of(accounts, true, sends),
               receivers = side_of(accounts, false, sends);
    if (senders.empty()) continue;
    const std::string tail = sends == first ? "" : "_bidir_reverse";
    end["sum_sent" + tail] = to_json(sum_of(senders, true));
    end["sum_received" + tail] = to_json(sum_of(receivers, false));
    end["sum_sent" + tail]["sender"] = end["sum_received" + tail]["sender"] = sends;
  }
}

void Report::add_udp_sums(const std::vector<Account>& accounts, Json& end) const {
  const bool first = parameters_.both_ways ? !options_.server : accounts.front().sends;
  for (const bool sends : {first, !first}) {
    Account sum{sum_of(side_of(accounts, true, sends), true),
                sum_of(side_of(accounts, false, sends), false), sends};
    if (sum.sender.to == 0) continue;
    end[sends == first ? "sum" : "sum_bidir_reverse"] = udp_json(sum);
  }
}

void Report::print_end(const std::vector<Account>& accounts) {
  line("- - - - - - - - - - - - - - - - - - - - - - - - -");
  header(true);
  const auto print_pair = [&](const Account& account) {
    print(account.sender, "                  sender");
    print(account.receiver, "                  receiver");
  };
  for (const Account& account : accounts)
    print_pair(account);
  for (const bool sends : {true, false}) {
    const Rows senders = side_of(accounts, true, sends);
    if (senders.size() > 1)
      print_pair({sum_of(senders, true), sum_of(side_of(accounts, false, sends), false), sends});
  }
}

void Report::finish(const std::vector<Account>& accounts, const Results& ours,
                    const Results& theirs) {
  print_end(accounts);
  Json streams = Json::array();
  for (const Account& account : accounts) {
    if (parameters_.udp) {
      streams.push_back({{"udp", udp_json(account)}});
      continue;
    }
    Json sender = to_json(account.sender), receiver = to_json(account.receiver);
    sender["sender"] = receiver["sender"] = account.sends;
    streams.push_back({{"sender", std::move(sender)}, {"receiver", std::move(receiver)}});
  }
  end_ = {{"streams", std::move(streams)}};
  if (parameters_.udp) add_udp_sums(accounts, end_);
  add_sums(accounts, end_);
  end_["cpu_utilization_percent"] = {
      {"host_total", ours.cpu_total},   {"host_user", ours.cpu_user},
      {"host_system", ours.cpu_system}, {"remote_total", theirs.cpu_total},
      {"remote_user", theirs.cpu_user}, {"remote_system", theirs.cpu_system}};
  const bool we_send = accounts.front().sends;
  if (!parameters_.udp) {
    end_["sender_tcp_congestion"] = we_send ? ours.congestion : theirs.congestion;
    end_["receiver_tcp_congestion"] = we_send ? theirs.congestion : ours.congestion;
  }
  if (!options_.server) line("\niperf Done.");
  flush();
}

void Report::fail(const std::string& why) {
  if (!options_.json) return say(stderr, "linnet-iperf: error - " + why + "\n");
  say(stdout,
      Json{{"start", start_}, {"intervals", intervals_}, {"end", end_}, {"error", why}}.dump(
          2, ' ', false, Json::error_handler_t::replace) +
          "\n");
}

void Report::flush() {
  if (!options_.json) return;
  say(stdout, Json{{"start", start_}, {"intervals", intervals_}, {"end", end_}}.dump(
                  2, ' ', false, Json::error_handler_t::replace) +
                  "\n");
}

}  // namespace linnet::app::iperf
