// SPDX-License-Identifier: BSD-3-Clause
#include "route/rib.hpp"

#include "base/check.hpp"

namespace linnet::route {

std::size_t Rib::bucket(std::uint32_t address, unsigned length) const {
  std::uint64_t hash = (std::uint64_t{address} << 6 | length) * 0x9e3779b97f4a7c15;
  hash ^= hash >> 32;
  return hash & (buckets_.size() - 1);
}

std::uint32_t Rib::find(std::uint32_t from, std::uint32_t address, unsigned length) const {
  while (from != kNone && (nodes_[from].address != address || nodes_[from].length != length))
    from = nodes_[from].next;
  return from;
}

std::uint32_t Rib::first(Ipv4Prefix prefix) const {
  if (!has_length(prefix.length())) return kNone;
  const std::uint32_t address = prefix.address().host();
  return find(buckets_[bucket(address, prefix.length())], address, prefix.length());
}

void Rib::prefetch_bucket(Ipv4Prefix prefix) const {
  if (has_length(prefix.length()))
    __builtin_prefetch(&buckets_[bucket(prefix.address().host(), prefix.length())]);
}

void Rib::prefetch_node(Ipv4Prefix prefix) const {
  if (!has_length(prefix.length())) return;
  const std::uint32_t node = buckets_[bucket(prefix.address().host(), prefix.length())];
  if (node != kNone) __builtin_prefetch(&nodes_[node]);
}

std::uint32_t Rib::next(std::uint32_t node) const {
  return find(nodes_[node].next, nodes_[node].address, nodes_[node].length);
}

// Doubles the buckets. Each one is split in two and keeps its order.
void Rib::grow() {
  std::vector<std::uint32_t> old(buckets_.empty() ? 8 : buckets_.size() * 2, kNone);
  old.swap(buckets_);
  std::vector<std::uint32_t> tails(old.size() * 2, kNone);
  for (std::uint32_t node : old) {
    while (node != kNone) {
      const std::uint32_t following = nodes_[node].next;
      const std::size_t to = bucket(nodes_[node].address, nodes_[node].length);
      (tails[to] == kNone ? buckets_[to] : nodes_[tails[to]].next) = node;
      tails[to] = node;
      nodes_[node].next = kNone;
      node = following;
    }
  }
}

std::uint32_t Rib::insert(Ipv4Prefix prefix, std::uint8_t tos, std::uint32_t info,
                          std::uint32_t after) {
  if (size_ == buckets_.size()) grow();
  std::uint32_t node = free_;
  if (node == kNone) {
    node = limit();
    nodes_.emplace_back();
  } else {
    free_ = nodes_[node].next;
  }
  const std::uint32_t address = prefix.address().host();
  std::uint32_t& link =
      after != kNone ? nodes_[after].next : buckets_[bucket(address, prefix.length())];
  nodes_[node] = {address, info, link, static_cast<std::uint8_t>(prefix.length()), tos, true};
  link = node;
  ++size_;
  ++of_length_[prefix.length()];
  return node;
}

void Rib::erase(std::uint32_t node) {
  Node& gone = nodes_[node];
  LINNET_CHECK(gone.used);
  std::uint32_t* link = &buckets_[bucket(gone.address, gone.length)];
  while (*link != node)
    link = &nodes_[*link].next;
  *link = gone.next;
  --of_length_[gone.length];
  gone.used = false;
  gone.next = free_;
  free_ = node;
  if (--size_ == 0) {
    std::vector<Node>().swap(nodes_);
    std::vector<std::uint32_t>().swap(buckets_);
    free_ = kNone;
  }
}

}  // namespace linnet::route
