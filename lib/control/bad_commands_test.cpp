// SPDX-License-Identifier: BSD-3-Clause
// Commands that must be refused, each with the wrong word in braces, or empty braces where a word
// is missing. Every one must name that word and its place, and leave all state as it was.
#include "control/control_fixture.hpp"
#include "control/words.hpp"

namespace linnet::control {
namespace {

constexpr const char* kBad[] = {
    // What is not there at all.
    "{foo}",
    "{ipx} link",
    "ip {}",
    "ip {foo}",
    "ip {tunnel} show",
    "ip {xfrm}",
    "ip {linkx}",
    "ip {-6} route",
    "ip {-x} link",
    "{-z} ip link",
    "-j {-q} ip link",
    "ip -s {--verbose} link",
    "-j {}",
    "{IP} link",
    "ip {LINK}",
    "ip {\"\"} show",
    "show {}",
    "show {foo}",
    "show {dropsx}",
    "show {-x} drops",
    "show drops {foo}",
    "show drops nonzero {again}",
    "show drops nonzero {nonzero}",
    "show lanes {all}",
    "show account {x}",
    "show pools {x}",
    "show ports {tap0}",
    "show version {1}",
    "show config {all}",
    "help {foo}",
    "help ip {foo}",
    "help ip route {add}",
    // ip link
    "ip link {foo}",
    "ip link {add} dummy0",
    "ip link show {nosuch}",
    "ip link show dev {nosuch}",
    "ip link show dev {}",
    "ip link show tap0 {tap1}",
    "ip link show {a/b}",
    "ip link show {abcdefghijklmnop}",
    "ip link show up {up}",
    "ip link set {}",
    "ip link set tap0 {}",
    "ip link set up {}",
    "ip link set dev {} ",
    "ip link set {nosuch} up",
    "ip link set dev {nosuch} up",
    "ip link set tap0 {tap1} up",
    "ip link set dev tap0 {dev} tap1 up",
    "ip link set tap0 {upp}",
    "ip link set tap0 up {down}",
    "ip link set tap0 down {up}",
    "ip link set tap0 up {up}",
    "ip link set tap0 mtu {}",
    "ip link set tap0 mtu {x}",
    "ip link set tap0 mtu {-1}",
    "ip link set tap0 mtu {67}",
    "ip link set tap0 mtu {65536}",
    "ip link set tap0 mtu {99999999999}",
    "ip link set tap0 mtu {1500x}",
    "ip link set tap0 mtu {0x}",
    "ip link set tap0 mtu 1500 {mtu} 1500",
    "ip link set tap0 address {}",
    "ip link set tap0 address {02:00:00:00:00}",
    "ip link set tap0 address {02:00:00:00:00:0g}",
    "ip link set tap0 address {02:00:00:00:00:01:02}",
    "ip link set tap0 address {ff:ff:ff:ff:ff:ff}",
    "ip link set tap0 address {01:00:5e:00:00:01}",
    "ip link set tap0 address {00:00:00:00:00:00}",
    "ip link set tap0 promisc {}",
    "ip link set tap0 promisc {yes}",
    "ip link set tap0 promisc {1}",
    "ip link set tap0 allmulticast {maybe}",
    "ip link set tap0 {name} eth0",
    "ip link set tap0 {txqueuelen} 100",
    // ip address
    "ip addr {foo}",
    "ip addr {save}",
    "ip addr show {nosuch}",
    "ip addr show dev {nosuch}",
    "ip addr show scope {}",
    "ip addr show scope {galactic}",
    "ip addr show scope {256}",
    "ip addr show to {}",
    "ip addr show to {10.0.0.0/33}",
    "ip addr show to {10.0.0.1/8}",
    "ip addr show primary {secondary}",
    "ip addr show tap0 {tap1}",
    "ip addr add {}",
    "ip addr add 10.5.0.1/24 {}",
    "ip addr add 10.5.0.1/24 dev {}",
    "ip addr add 10.5.0.1/24 dev {nosuch}",
    "ip addr add 10.5.0.1/24 {tap0}",
    "ip addr add dev tap0 {}",
    "ip addr add {10.5.0.256/24} dev tap0",
    "ip addr add {10.5.0/24} dev tap0",
    "ip addr add {10.5.0.1/33} dev tap0",
    "ip addr add {10.5.0.1/-1} dev tap0",
    "ip addr add {10.5.0.1/} dev tap0",
    "ip addr add {010.5.0.1/24} dev tap0",
    "ip addr add {10.5.0.1/024} dev tap0",
    "ip addr add {::1/128} dev tap0",
    "ip addr add {localhost} dev tap0",
    "ip addr add 10.5.0.1/24 {10.5.0.2/24} dev tap0",
    "ip addr add 10.5.0.1/24 local {10.5.0.2/24} dev tap0",
    "ip addr add 10.5.0.1/24 broadcast {} ",
    "ip addr add 10.5.0.1/24 broadcast {x} dev tap0",
    "ip addr add 10.5.0.1/24 brd + {brd} - dev tap0",
    "ip addr add 10.5.0.1/24 scope {foo} dev tap0",
    "ip addr add 10.5.0.1/24 dev tap0 {peer} 10.5.0.2",
    "ip addr add 10.5.0.1/24 dev tap0 {label} x",
    "ip addr add 10.5.0.1/24 dev tap0 noprefixroute {noprefixroute}",
    "ip addr add 10.5.0.1/24 dev tap0 {dev} tap1",
    "ip addr del {}",
    "ip addr del 10.0.0.1/24 {}",
    "ip addr del 10.0.0.1/24 dev {nosuch}",
    "ip addr del 10.0.0.1/24 {brd} + dev tap0",
    "ip addr del {x} dev tap0",
    "ip addr flush {}",
    "ip addr flush {nosuch}",
    "ip addr flush dev tap0 {foo}",
    "ip addr flush scope global {}",
    // ip route
    "ip route {foo}",
    "ip route {test} 10.0.0.0/8",
    "ip route show {foo}",
    "ip route show table {}",
    "ip route show table {foo}",
    "ip route show table {4294967296}",
    "ip route show dev {nosuch}",
    "ip route show via {x}",
    "ip route show proto {foo}",
    "ip route show proto {256}",
    "ip route show scope {x}",
    "ip route show type {x}",
    "ip route show tos {100}",
    "ip route show tos {zz}",
    "ip route show root {10.0.0.1/8}",
    "ip route show match {}",
    "ip route show exact {x}",
    "ip route show 10.0.0.0/8 {11.0.0.0/8}",
    "ip route show metric {-1}",
    "ip route show src {10.0.0.0/8}",
    "ip route add {}",
    "ip route add {foo}",
    "ip route add {10.20.0.0/33} via 10.0.0.2",
    "ip route add {10.20.0.1/16} via 10.0.0.2",
    "ip route add {10.20.0.0/16/8} via 10.0.0.2",
    "ip route add {10.20.0} via 10.0.0.2",
    "ip route add 10.20.0.0/16 {10.21.0.0/16} via 10.0.0.2",
    "ip route add 10.20.0.0/16 via {}",
    "ip route add 10.20.0.0/16 via {10.0.0.0/24}",
    "ip route add 10.20.0.0/16 via {inet6} fe80::1",
    "ip route add 10.20.0.0/16 via 10.0.0.2 {via} 10.0.0.3",
    "ip route add 10.20.0.0/16 via 10.0.0.2 dev {nosuch}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 dev {}",
    "ip route add 10.20.0.0/16 {tap0}",
    "ip route add 10.20.0.0/16 dev tap0 {oif} tap1",
    "ip route add 10.20.0.0/16 via 10.0.0.2 src {}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 src {10.0.0.1/32}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 metric {}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 metric {x}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 metric {4294967296}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 metric 1 {preference} 2",
    "ip route add 10.20.0.0/16 via 10.0.0.2 table {}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 table {0}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 table {all}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 table {blue}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 scope {}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 scope {far}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 proto {}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 proto {me}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 tos {}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 tos {0x100}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 mtu {}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 mtu {67}",
    "ip route add 10.20.0.0/16 via 10.0.0.2 mtu {lock} 1400",
    "ip route add 10.20.0.0/16 via 10.0.0.2 {window} 10",
    "ip route add 10.20.0.0/16 via 10.0.0.2 onlink {onlink}",
    "ip route add 10.20.0.0/16 nexthop {}",
    "ip route add 10.20.0.0/16 nexthop weight 1 {}",
    "ip route add 10.20.0.0/16 nexthop via {x}",
    "ip route add 10.20.0.0/16 nexthop via 10.0.0.2 weight {0}",
    "ip route add 10.20.0.0/16 nexthop via 10.0.0.2 weight {257}",
    "ip route add 10.20.0.0/16 nexthop via 10.0.0.2 weight {}",
    "ip route add 10.20.0.0/16 nexthop via 10.0.0.2 dev {nosuch}",
    "ip route add 10.20.0.0/16 nexthop via 10.0.0.2 nexthop {foo}",
    "ip route add 10.20.0.0/16 weight {257} via 10.0.0.2",
    "ip route add 10.20.0.0/16 via 10.0.0.2 nexthop via {10.0.0.3}",
    "ip route add blackhole 10.20.0.0/16 dev {tap0}",
    "ip route add unreachable 10.20.0.0/16 via {10.0.0.2}",
    "ip route add prohibit {}",
    "ip route add {blackholes} 10.20.0.0/16",
    "ip route add throw {prohibit} 10.20.0.0/16",
    "ip route add to {}",
    "ip route replace {}",
    "ip route append 10.20.0.0/16 {foo}",
    "ip route change 10.20.0.0/16 via {x}",
    "ip route del {}",
    "ip route del {foo}",
    "ip route del default {foo}",
    "ip route del default dev {nosuch}",
    "ip route get {}",
    "ip route get {10.0.0.0/8}",
    "ip route get {foo}",
    "ip route get 10.0.0.2 {10.0.0.3}",
    "ip route get 10.0.0.2 from {x}",
    "ip route get 10.0.0.2 iif {nosuch}",
    "ip route get 10.0.0.2 oif {}",
    "ip route get 10.0.0.2 mark {x}",
    "ip route get 10.0.0.2 {uid} 0",
    "ip route flush {}",
    "ip route flush {foo}",
    "ip route flush table {foo}",
    // ip rule
    "ip rule {foo}",
    "ip rule show {foo}",
    "ip rule add {foo}",
    "ip rule add from {}",
    "ip rule add from {10.1.0.1/16}",
    "ip rule add from {x}",
    "ip rule add to {300.0.0.0/8}",
    "ip rule add from all {from} all",
    "ip rule add priority {}",
    "ip rule add priority {x}",
    "ip rule add priority 5 {order} 6",
    "ip rule add tos {1ff}",
    "ip rule add fwmark {}",
    "ip rule add fwmark {x}",
    "ip rule add fwmark {1/}",
    "ip rule add fwmark {1/2/3}",
    "ip rule add table {}",
    "ip rule add table {red}",
    "ip rule add table {0}",
    "ip rule add iif {}",
    "ip rule add iif {abcdefghijklmnop}",
    "ip rule add oif {abcdefghijklmnop}",
    "ip rule add type {foo}",
    "ip rule add type {local}",
    "ip rule add prohibit {blackhole}",
    "ip rule add table 100 {prohibit}",
    "ip rule add prohibit {table} 100",
    "ip rule add {nat} 10.0.0.1",
    "ip rule del {}",
    "ip rule del {foo}",
    // ip neigh
    "ip neigh {foo}",
    "ip neigh show {foo}",
    "ip neigh show dev {nosuch}",
    "ip neigh show nud {}",
    "ip neigh show nud {sleepy}",
    "ip neigh show proxy {proxy}",
    "ip neigh add {}",
    "ip neigh add {foo} lladdr 02:00:00:00:00:09 dev tap0",
    "ip neigh add 10.0.0.9 {}",
    "ip neigh add 10.0.0.9 {10.0.0.8} dev tap0",
    "ip neigh add 10.0.0.9 lladdr {} ",
    "ip neigh add 10.0.0.9 lladdr {02:00} dev tap0",
    "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 {}",
    "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev {nosuch}",
    "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev tap0 nud {}",
    "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev tap0 nud {all}",
    "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev tap0 {router}",
    "ip neigh add proxy {} ",
    "ip neigh add proxy {x} dev tap0",
    "ip neigh add proxy 10.0.0.9 {}",
    "ip neigh add proxy 10.0.0.9 dev {nosuch}",
    "ip neigh add proxy 10.0.0.9 dev tap0 lladdr {02:00:00:00:00:09}",
    "ip neigh replace 10.0.0.9 dev {}",
    "ip neigh change 10.0.0.9 lladdr {x} dev tap0",
    "ip neigh del {}",
    "ip neigh del 10.0.0.77 {}",
    "ip neigh del 10.0.0.77 {nud} permanent dev tap0",
    "ip neigh flush {}",
    "ip neigh flush dev {nosuch}",
    "ip neigh flush all {foo}",
    "ip tcp_metrics {}",
    "ip tcp_metrics {show}",
    "ip tcp_metrics flush {192.0.2.1}",
    "ip tcp_metrics flush all {foo}",
    "ip neigh {gte} 10.0.0.77 dev tap0",
    // sysctl
    "sysctl {}",
    "sysctl {foo}",
    "sysctl {net.ipv4.foo}",
    "sysctl {net.ipv6.conf.all.forwarding}=1",
    "sysctl {net.ipv4.ip_forward=2}",
    "sysctl {net.ipv4.ip_forward=-1}",
    "sysctl {net.ipv4.ip_forward=}",
    "sysctl {net.ipv4.ip_forward=1=1}",
    "sysctl {net.ipv4.ip_forward=yes}",
    "sysctl {net.ipv4.ip_default_ttl=0}",
    "sysctl {net.ipv4.ip_default_ttl=256}",
    "sysctl -w {net.ipv4.ip_forward}",
    "sysctl -w {}",
    "sysctl {-x} net.ipv4.ip_forward",
    "sysctl -a {net.ipv4.ip_forward}",
    "sysctl net.ipv4.ip_forward = {}",
    "sysctl net.ipv4.ip_forward = {9}",
    "sysctl {\"net.ipv4.tcp_rmem=4096 87380\"}",
    "sysctl {\"net.ipv4.tcp_rmem=4096 87380 6291456 1\"}",
    "sysctl {\"net.ipv4.tcp_rmem=0 87380 6291456\"}",
    "sysctl net.ipv4.tcp_wmem = 4096 16384 {}",
    "sysctl {net.ipv4.tcp_rmem_max=4096}",
    "sysctl {\"net.ipv4.ip_local_port_range=2000 1999\"}",
    "sysctl {\"net.ipv4.ip_local_port_range=0 1999\"}",
    "sysctl {net.ipv4.tcp_congestion_control=vegas}",
    "sysctl {net.ipv4.tcp_congestion_control=}",
    "sysctl {net.ipv4.tcp_available_congestion_control=bbr}",
    "sysctl net.ipv4.ip_forward=1 {net.ipv4.nothing=1}",
    "sysctl net.ipv4.ip_forward=1 {net.ipv4.ip_default_ttl=999}",
};

struct Case {
  std::string line;
  std::string word;
  std::size_t position;  // from 1; for a missing word that of the word before
};

Case case_of(std::string text) {
  Case out;
  const auto open = text.find('{');
  const auto close = text.find('}');
  out.word = text.substr(open + 1, close - open - 1);
  const std::string before = text.substr(0, open);
  out.position = 1;
  bool in_word = false;
  for (const char c : before) {
    if (c != ' ' && !in_word) in_word = true;
    if (c == ' ' && in_word) {
      in_word = false;
      ++out.position;
    }
  }
  if (out.word.empty()) --out.position;
  text.erase(close, 1);
  text.erase(open, 1);
  out.line = text;
  return out;
}

class BadCommands : public ControlFixture {};

TEST_F(BadCommands, A9_EachNamesTheWrongWordAndChangesNothing) {
  furnish();
  static_assert(std::size(kBad) >= 200);
  const std::string before = digest();
  for (const char* text : kBad) {
    const Case bad = case_of(text);
    const std::string error = refused(bad.line, kExitUsage);
    const bool quoted = bad.word == "\"\"";
    const std::string place = "(word " + std::to_string(bad.position) + ")";
    EXPECT_NE(error.find(place), std::string::npos) << text << "\n" << error;
    if (!bad.word.empty() && !quoted) {
      const std::string named =
          '"' + (bad.word.starts_with('"') ? split_words(bad.word).value().front()
                                           : bad.word.substr(0, bad.word.find(' ')));
      EXPECT_NE(error.find(named), std::string::npos) << text << "\n" << error;
    }
    EXPECT_TRUE(error.starts_with("Error: ") && error.ends_with(".\n")) << text << "\n" << error;
    ASSERT_EQ(digest(), before) << text;
  }
}

// Nothing is wrong with the words; the stack itself says no.
TEST_F(BadCommands, A9_WhatTheStackRefusesChangesNothing) {
  furnish();
  const std::string before = digest();
  for (const char* line :
       {"ip addr add 10.0.0.1/24 dev tap0", "ip addr add 224.0.0.1/24 dev tap0",
        "ip addr add 0.0.0.0/0 dev tap0", "ip addr del 10.0.0.9/24 dev tap0",
        "ip route add default via 10.0.0.254", "ip route add 10.20.0.0/16",
        "ip route add 10.20.0.0/16 via 172.16.0.1",
        "ip route add 10.20.0.0/16 via 10.0.0.2 src 192.0.2.1", "ip route del 10.20.0.0/16",
        "ip route change 10.20.0.0/16 via 10.0.0.2", "ip rule del priority 4711",
        "ip rule add from 10.1.0.0/16 table 100 priority 77",
        "ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:78 dev tap0",
        "ip neigh del 10.0.0.78 dev tap0",
        "ip neigh change 10.0.0.78 lladdr 02:00:00:00:00:01 dev tap0"}) {
    const Reply reply = run(line);
    EXPECT_EQ(reply.code, kExitRefused) << line << "\n" << reply.out << reply.err;
    turn();
    EXPECT_EQ(digest(), before) << line;
  }
}

}  // namespace
}  // namespace linnet::control
