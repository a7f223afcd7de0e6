// SPDX-License-Identifier: BSD-3-Clause
// Runs a packet script on an embedded stack, in virtual time.
#pragma once

#include <linnet/embed.h>

#include <optional>
#include <string>
#include <thread>

#include "tcp/packet.hpp"
#include "tcp/script.hpp"

namespace linnet::tests {

// From where numbers start. The stack's own follow from its clock.
struct Variation {
  std::string name = "plain";
  std::uint32_t peer_isn = 1000;
  std::uint32_t peer_ts = 5000;
  std::int64_t start_ns = 1'000'000'000;
};

class Runner {
 public:
  Runner(const Script& script, const Variation& variation);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Nothing: all went as written. Otherwise what did not, with the line.
  std::optional<std::string> run();

  // Of the first SYN or SYN-ACK that the stack sent; for placing its numbers before their wrap.
  std::optional<std::uint32_t> local_isn() const { return local_isn_; }
  std::optional<std::uint32_t> local_ts() const { return first_ts_; }
  std::int64_t local_isn_at() const { return isn_at_; }

 private:
  // Each returns nothing, or what is wrong.
  using Verdict = std::optional<std::string>;
  Verdict step(const Step& step);
  Verdict start();
  Verdict wait(const Step& step);
  Verdict nothing_sent(const std::string& but);
  Verdict inject(const Step& step);
  Verdict inject_icmp(const Step& step);
  Verdict expect(const Step& step);
  Verdict expect_options(const Step& step, const TcpPacket& packet) const;
  Verdict quiet(const Step& step);
  Verdict call(const Step& step);
  Verdict finish();

  Verdict call_result(const Step& step, long result) const;
  bool make_socket();
  long do_listen();
  long do_connect();
  long do_accept();
  long do_send(const Step& step);
  Bytes next_bytes(const Step& step) const;
  Verdict send_in_a_thread(const Step& step);
  Verdict await_send(const Step& step);
  Verdict close_in_a_thread();
  Verdict await_close();
  long do_receive(const Step& step, Verdict& wrong);
  long do_set(const Step& step, Verdict& wrong);
  long do_poll(const Step& step, Verdict& wrong);
  Verdict check_info(const Step& step);
  Verdict check_counter(const Step& step) const;

  bool take(std::int64_t until_ns, std::int64_t& sent_ns);
  void learn(const TcpPacket& packet, std::int64_t sent_ns);
  Verdict options_of(const Step& step, TcpPacket& packet) const;
  Verdict fields_of(const Step& step, TcpPacket& packet) const;
  std::int64_t now() const { return ln_embed_now(stack_); }
  std::uint32_t peer_clock() const;

  const Script& script_;
  Variation variation_;
  ln_stack* stack_ = nullptr;
  int port_ = -1;
  unsigned mtu_ = 1500;
  int listener_ = -1, fd_ = -1;
  std::uint16_t local_port_ = 8080, peer_port_ = 40000;
  std::optional<std::uint32_t> local_isn_, first_ts_;
  std::int64_t isn_at_ = 0;
  std::int64_t last_ns_ = 0;  // when the last step happened
  std::uint32_t last_ts_ = 0;
  bool peer_stamps_ = false;
  std::uint64_t sent_ = 0, received_ = 0;  // by the program
  Bytes packet_;                           // taken last
  bool pending_ = false;                   // and not yet used up
  std::int64_t packet_ns_ = 0;
  std::thread sleeper_;  // in a blocking close or send
  long result_ = 0;      // of the latter
  int errno_ = 0;
  Bytes cookie_;     // of Fast Open, the last that was sent
  Bytes last_data_;  // the last datagram with data or SYN: what ICMP errors quote
};

}  // namespace linnet::tests
