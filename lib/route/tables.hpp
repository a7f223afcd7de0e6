// SPDX-License-Identifier: BSD-3-Clause
// The routing tables (local, main, default, numbered), the rules that order them, and the look-up.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ipv4.hpp"
#include "base/result.hpp"
#include "device/device.hpp"
#include "route/route.hpp"
#include "table/rcu.hpp"

namespace linnet::route {

// A next hop as a command names it.
struct HopSpec {
  std::optional<Ipv4Address> gateway{};
  std::optional<std::uint16_t> device{};  // index; found from the gateway where it is left out
  std::uint16_t weight = 1;
  bool onlink = false;  // take the gateway as reachable on `device` without a look-up
  friend bool operator==(const HopSpec&, const HopSpec&) = default;
};

// A route as a command names it and `list` tells it.
struct RouteSpec {
  Ipv4Prefix prefix{};
  std::uint32_t table = kTableMain;
  Type type = Type::Unicast;
  std::optional<Scope> scope{};  // left out: as `ip route` chooses
  std::uint8_t tos = 0;
  std::uint32_t metric = 0;
  Protocol protocol = Protocol::Boot;
  std::optional<Ipv4Address> source{};
  std::uint16_t mtu = 0;
  std::vector<HopSpec> hops{};  // empty for types that go nowhere
  bool dead = false;            // told by `list`: every hop's device is down
  friend bool operator==(const RouteSpec&, const RouteSpec&) = default;
};

// A policy rule (Linux: ip rule); `table` is looked up when everything given matches.
struct Rule {
  std::uint32_t priority = 0;
  Ipv4Prefix from{};
  Ipv4Prefix to{};
  std::optional<std::uint8_t> tos{};
  std::optional<std::uint32_t> mark{};
  std::uint32_t mark_mask = 0xffffffff;
  std::string input_device{};  // empty: any
  std::string output_device{};
  Type action = Type::Unicast;  // Unicast: look `table` up; Blackhole, Unreachable, Prohibit end it
  std::uint32_t table = kTableMain;
  friend bool operator==(const Rule&, const Rule&) = default;
};

// What a look-up for many destinations says of its answers.
enum class Looked : std::uint8_t {
  Same,     // all have the same
  Mixed,    // they may differ
  NeedKeys  // there are none: the rules look at more, use the Key form for every packet
};

class Tables {
 public:
  Tables(const device::DeviceTable& devices, table::Rcu& rcu);
  ~Tables();

  // --- Control core. Errors are Linux's ("File exists", "No such process", "Nexthop has invalid
  // gateway", "Network is unreachable" ...) and change nothing.
  // As `ip route add`: an equal prefix, TOS and metric in the table is an error.
  Result<> add(const RouteSpec& spec);
  // As `ip route replace` and `append`.
  Result<> replace(const RouteSpec& spec);
  Result<> append(const RouteSpec& spec);
  // As `ip route del`: the first route that agrees with everything `spec` names.
  Result<> remove(const RouteSpec& spec);
  // Removes every route that `chosen` says; returns how many.
  std::size_t remove_if(const std::function<bool(const RouteSpec&)>& chosen);
  // Every route of a table (0: of all), ordered by prefix, then metric.
  void list(std::uint32_t table, const std::function<void(const RouteSpec&)>& visit) const;
  std::size_t size(std::uint32_t table) const;
  // Bytes held for routes and look-up structures.
  std::size_t memory_bytes() const;
  // A device went up or down or changed its MTU: live hops are computed anew (Linux: fib_sync_*).
  // Routes all of whose devices are administratively down go; those without link stay unused.
  void device_changed(std::uint16_t device);
  // An address of ours went: so do the routes of table main that prefer it as their source, unless
  // it is still local (Linux: fib_sync_down_addr).
  void address_gone(Ipv4Address address);
  // A device lost its last address: routes that lead only through it go (Linux: fib_disable_ip).
  void device_disabled(std::uint16_t device);

  // A look-up told to a person: what `ip route get` shows. An output device that no route leads
  // through has the destination on its link, as far as anybody knows.
  struct Answer {
    RouteSpec route;
    HopSpec hop;  // the chosen one
  };
  Result<Answer> get(const Key& key, std::uint32_t flow_hash = 0) const;

  Result<> add_rule(const Rule& rule);
  Result<> remove_rule(const Rule& rule);
  std::vector<Rule> rules() const;

  // --- Lanes. Answers stay valid until the lane's next quiescent state. nullptr: no route.
  // `count` at most 64. With only the standard rules a look-up reads the destination alone.
  Looked lookup(const Ipv4Address* destinations, unsigned count, const Route** answers) const;
  // With an output device: the longest route that leads through it (Route::hop_on), or one that
  // leads nowhere.
  const Route* lookup(const Key& key) const;
  // Moves with every change of tables and rules: an answer to a look-up that began at an even
  // number holds, and stays valid, for as long as this is still the same. Odd: a change is on.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  class Change;
  std::atomic<std::uint64_t> generation_{0};
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace linnet::route
