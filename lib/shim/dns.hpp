// SPDX-License-Identifier: BSD-3-Clause
// DNS over our own sockets. c-ares makes and reads the messages, checks what answers, and goes to
// TCP where an answer is truncated; servers, rounds and times are ours, because its timeouts run on
// the kernel's clock and a stack's may be set by hand.
#pragma once

#include "shim/names.hpp"
#include "time/instant.hpp"

namespace linnet::shim {

class Program;

// resolv.conf(5), and what overrides it.
struct DnsSettings {
  std::vector<Server> servers{};
  std::vector<std::string> domains{};  // searched
  unsigned dots = 1;                   // names with so many are asked for as they are first
  time::Duration timeout = time::Duration::seconds(5);  // of one question to one server
  unsigned rounds = 2;                                  // over all servers
  bool rotate = false;                                  // each look-up begins with another server

  static DnsSettings read(const NameSources& sources);
};

class Dns {
 public:
  Dns(Program& program, DnsSettings settings)
      : program_(program), settings_(std::move(settings)), given_up_(settings_.servers.size()) {}

  Found find_by_name(const std::string& name, HostEntry& out);
  Found find_by_address(Ipv4Address address, HostEntry& out);

 private:
  class Channel;
  std::vector<std::string> candidates(const std::string& name) const;
  int ask(Channel& channel, const std::string& name, int type);

  Program& program_;
  const DnsSettings settings_;
  std::vector<bool> given_up_;  // servers that said that they cannot answer
};

}  // namespace linnet::shim
