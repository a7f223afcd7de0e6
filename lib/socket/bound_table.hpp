// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "base/intrusive_list.hpp"
#include "base/siphash.hpp"
#include "socket/flow.hpp"
#include "socket/slab.hpp"
#include "socket/socket.hpp"
#include "table/flow_table.hpp"

namespace linnet::socket {

inline constexpr std::uint32_t kNoGroup = 0xffffffff;

// Sockets by local address and port: a keyed table of groups, each the sockets that share a
// binding (SO_REUSEPORT, SO_REUSEADDR, different devices). T is a Socket with `local`, `options`,
// `in_group` (a ListHook) and `group`, at first kNoGroup.
template <typename T>
class BoundTable {
 public:
  BoundTable(const FlowHash& hash, std::uint8_t protocol)
      : hash_(hash), protocol_(protocol), table_(64, kMost), groups_(kMost) {}

  // False: no room.
  [[nodiscard]] bool add(T& socket) {
    const std::uint32_t hash = hash_of(socket.local.address, socket.local.port);
    std::uint32_t number = find_group(hash, socket.local.address, socket.local.port);
    if (number == kNone) {
      number = groups_.make(socket.local.address, socket.local.port);
      if (number == kNone) return false;
      if (!table_.insert(hash, number)) {
        groups_.destroy(number);
        return false;
      }
    }
    groups_[number].members.push_front(socket);
    socket.group = number;
    return true;
  }
  void remove(T& socket) {
    if (socket.group == kNone) return;
    Group& group = groups_[socket.group];
    socket.in_group.unlink();
    if (group.members.empty()) {
      table_.erase(hash_of(group.address, group.port), socket.group);
      groups_.destroy(socket.group);
    }
    socket.group = kNone;
  }
  // The socket for what came to an address and port on a device: one bound to the address before
  // one bound to any, one bound to the device before others; among several with SO_REUSEPORT the
  // one that the flow's hash chooses, the same on every lane; else the newest.
  T* find(Ipv4Address address, std::uint16_t port, std::uint16_t device, std::uint32_t flow_hash) {
    if (T* const found = choose(address, port, device, flow_hash)) return found;
    return choose(Ipv4Address(), port, device, flow_hash);
  }
  // Calls `visit(T&)` for every socket that the address and port reach on the device.
  template <typename Visit>
  void for_all(Ipv4Address address, std::uint16_t port, std::uint16_t device, Visit&& visit) {
    for (const Ipv4Address at : {address, Ipv4Address()}) {
      const std::uint32_t number = find_group(hash_of(at, port), at, port);
      if (number == kNone) continue;
      const Members& members = groups_[number].members;
      for (T* socket = members.front(); socket != nullptr; socket = members.next(*socket)) {
        if (on_device(*socket, device)) visit(*socket);
      }
    }
  }

 private:
  static constexpr std::uint32_t kNone = kNoGroup;
  static constexpr std::uint32_t kMost = 65536;
  using Members = IntrusiveList<T, &T::in_group>;
  struct Group {
    Group(Ipv4Address address_in, std::uint16_t port_in) : address(address_in), port(port_in) {}
    Ipv4Address address;
    std::uint16_t port;
    Members members;
  };

  std::uint32_t hash_of(Ipv4Address address, std::uint16_t port) const {
    return hash_.of({address, {}, port, 0}, protocol_);
  }
  std::uint32_t find_group(std::uint32_t hash, Ipv4Address address, std::uint16_t port) {
    return table_.find(hash, [&](std::uint32_t number) {
      const Group& group = groups_[number];
      return group.address == address && group.port == port;
    });
  }
  static bool on_device(const T& socket, std::uint16_t device) {
    return socket.options.device == packet::kNoDevice || socket.options.device == device;
  }
  T* choose(Ipv4Address address, std::uint16_t port, std::uint16_t device,
            std::uint32_t flow_hash) {
    const std::uint32_t number = find_group(hash_of(address, port), address, port);
    if (number == kNone) return nullptr;
    const Members& members = groups_[number].members;
    T* best = nullptr;
    std::uint64_t best_score = 0;
    for (T* socket = members.front(); socket != nullptr; socket = members.next(*socket)) {
      if (!on_device(*socket, device)) continue;
      // The largest of keyed hashes with the flow: evenly spread, and few flows move when a socket
      // comes or goes.
      std::uint64_t score = 1;
      if (socket->options.reuse_port) {
        const std::uint64_t name = std::uint64_t{socket->session->number} << 32 | socket->program;
        score = 1 + (siphash13({0, 0}, flow_hash, name) >> 2);
      }
      if (socket->options.device != packet::kNoDevice) score |= std::uint64_t{1} << 63;
      if (score > best_score) {
        best = socket;
        best_score = score;
      }
    }
    return best;
  }

  const FlowHash& hash_;
  const std::uint8_t protocol_;
  table::FlowTable table_;
  Slab<Group> groups_;
};

}  // namespace linnet::socket
