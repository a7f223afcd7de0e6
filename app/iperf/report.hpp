// SPDX-License-Identifier: BSD-3-Clause
// What a test tells its user: lines as iperf3 prints them, or at its end one JSON object with
// iperf3's names.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/iperf/control.hpp"
#include "app/iperf/options.hpp"
#include "app/iperf/stream.hpp"

namespace linnet::app::iperf {

// What one stream, or a sum of streams, did in a span of time. Seconds since the start.
struct Row {
  int id = 0;  // 0: a sum
  bool sends = false;
  double from = 0, to = 0;
  Stream::Counts counts{};
};

using Rows = std::vector<Row>;

// What goes one way, added up: retransmits and lost datagrams, too; the jitter is the mean.
Row sum_of(const Rows& rows, bool sends);

// A stream's account by both its ends.
struct Account {
  Row sender{}, receiver{};
  bool sends = false;  // we were the sender
};

class Report {
 public:
  explicit Report(const Options& options);

  void listening();
  void connecting();
  void accepted(const SocketName& client);
  // The streams stand.
  void begin(const Parameters& parameters, const Cookie& cookie,
             const std::vector<std::unique_ptr<Stream>>& streams);
  void interval(const Rows& rows, bool omitted);
  void finish(const std::vector<Account>& accounts, const Results& ours, const Results& theirs);
  // The test has failed.
  void fail(const std::string& why);

 private:
  using Json = nlohmann::ordered_json;
  void line(const std::string& text) const;
  void header(bool at_end);
  void print(const Row& row, const std::string& note);
  Json to_json(const Row& row) const;
  Json udp_json(const Account& account) const;
  void add_sums(const std::vector<Account>& accounts, Json& end) const;
  void add_udp_sums(const std::vector<Account>& accounts, Json& end) const;
  void print_end(const std::vector<Account>& accounts);
  void flush();

  const Options& options_;
  Parameters parameters_{};
  Json start_ = Json::object(), intervals_ = Json::array(), end_ = Json::object();
};

// "1.10 GBytes", "9.42 Gbits": three digits, powers of `unit`.
std::string format_amount(double value, double unit, const char* name);

}  // namespace linnet::app::iperf
