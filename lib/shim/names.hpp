// SPDX-License-Identifier: BSD-3-Clause
// Names of hosts: where they are looked up, and the look-up itself: the hosts file, then DNS.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ipv4.hpp"

namespace linnet::shim {

// ln_resolver_options with its defaults.
struct NameSources {
  std::string servers{};                // empty: $LINNET_NAMESERVERS, else those of `resolv_file`
  std::optional<std::string> search{};  // none: that of `resolv_file`
  std::string hosts_file = "/etc/hosts";
  std::string resolv_file = "/etc/resolv.conf";
  unsigned timeout_ms = 0;  // 0: that of `resolv_file`
  unsigned attempts = 0;    // 0: that of `resolv_file`
};

struct Server {
  Ipv4Address address{};
  std::uint16_t port = 53;
};
// "192.0.2.1,192.0.2.2:5353"; nothing: a word is wrong, or there is none.
std::optional<std::vector<Server>> parse_servers(std::string_view text);
// The words of a text, without blanks and commas between them.
std::vector<std::string> split_words(std::string_view text);

enum class Found {
  Yes,
  NoName,  // it does not exist
  NoData,  // it exists and has nothing of what was asked for
  Again,   // no server answered, or none could
  Failed,  // an answer made no sense
  NoMemory,
  System,  // errno says what: no stack, or the stack has ended
};

struct HostEntry {
  std::string name{};  // the canonical one
  std::vector<std::string> aliases{};
  std::vector<Ipv4Address> addresses{};
};

// By the calling thread's stack; sleeps until the answer is there.
Found find_by_name(const std::string& name, HostEntry& out);
Found find_by_address(Ipv4Address address, HostEntry& out);
// The domain that names of this host stand in; empty: none is known.
std::string local_domain();

}  // namespace linnet::shim
