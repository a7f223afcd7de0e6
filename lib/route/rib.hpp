// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/ipv4.hpp"

namespace linnet::route {

// The routes of one table as the control core keeps them: for each prefix a list of (TOS, Info
// number) in the order in which they are tried (Linux: the leaf's fib_alias list). 16 bytes a route
// and a word of hash table.
class Rib {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  struct Node {
    std::uint32_t address;  // host order
    std::uint32_t info;
    std::uint32_t next;  // in the bucket, where a prefix's nodes keep their order
    std::uint8_t length;
    std::uint8_t tos;
    bool used;
    Ipv4Prefix prefix() const { return Ipv4Prefix(Ipv4Address::from_host(address), length); }
  };
  static_assert(sizeof(Node) == 16);

  // The first node of a prefix and the one after `node` of the same prefix; kNone at the end.
  std::uint32_t first(Ipv4Prefix prefix) const;
  std::uint32_t next(std::uint32_t node) const;
  // Fetches what `first` will read, in two steps, so that several prefixes' misses overlap.
  void prefetch_bucket(Ipv4Prefix prefix) const;
  void prefetch_node(Ipv4Prefix prefix) const;
  const Node& at(std::uint32_t node) const { return nodes_[node]; }

  // Puts a route behind `after`, a node of the same prefix, or before all of them (kNone).
  std::uint32_t insert(Ipv4Prefix prefix, std::uint8_t tos, std::uint32_t info,
                       std::uint32_t after);
  void set_info(std::uint32_t node, std::uint32_t info) { nodes_[node].info = info; }
  void erase(std::uint32_t node);

  std::size_t size() const { return size_; }
  bool has_length(unsigned length) const { return of_length_[length] != 0; }
  // Nodes 0..limit()-1 may be in use: `at(i).used` says.
  std::uint32_t limit() const { return static_cast<std::uint32_t>(nodes_.size()); }
  std::size_t memory_bytes() const {
    return nodes_.capacity() * sizeof(Node) + buckets_.capacity() * sizeof(std::uint32_t);
  }

 private:
  std::size_t bucket(std::uint32_t address, unsigned length) const;
  std::uint32_t find(std::uint32_t from, std::uint32_t address, unsigned length) const;
  void grow();

  std::vector<Node> nodes_;
  std::vector<std::uint32_t> buckets_;  // a power of two, or empty
  std::uint32_t free_ = kNone;
  std::size_t size_ = 0;
  std::array<std::uint32_t, 33> of_length_{};
};

}  // namespace linnet::route
