// SPDX-License-Identifier: BSD-3-Clause
#include "ip/fragment_store.hpp"

#include <utility>

namespace linnet::ip {

FragmentStore::Bucket& FragmentStore::bucket_of(const FragmentKey& key) {
  return buckets_[siphash13(key_, key.addresses, key.id_protocol) & mask_];
}

FragmentStore::SourceBucket& FragmentStore::bucket_of(Ipv4Address source) {
  return source_buckets_[siphash13(key_, source.host(), ~std::uint64_t{0}) & mask_];
}

FragmentDatagram* FragmentStore::find(const FragmentKey& key) {
  Bucket& bucket = bucket_of(key);
  FragmentDatagram* at = bucket.front();
  while (at != nullptr && at->key != key)
    at = bucket.next(*at);
  return at;
}

FragmentSource& FragmentStore::source_of(Ipv4Address address) {
  SourceBucket& bucket = bucket_of(address);
  for (FragmentSource* at = bucket.front(); at != nullptr; at = bucket.next(*at)) {
    if (at->address == address) return *at;
  }
  // There are as many sources as datagrams, and a source exists only while it has one.
  FragmentSource& fresh = *free_sources_.pop_front();
  fresh.address = address;
  bucket.push_front(fresh);
  return fresh;
}

FragmentDatagram* FragmentStore::open(const FragmentKey& key, Ipv4Address source) {
  FragmentDatagram* const datagram = free_.pop_front();
  if (datagram == nullptr) return nullptr;
  ++datagrams_in_use_;
  datagram->key = key;
  datagram->end = FragmentDatagram::kEndUnknown;
  datagram->received = 0;
  datagram->ecn_seen = 0;
  datagram->source = &source_of(source);
  datagram->source->datagrams.push_back(*datagram);
  bucket_of(key).push_front(*datagram);
  holding_.push_back(*datagram);
  return datagram;
}

void FragmentStore::leave_source(FragmentDatagram& datagram) {
  FragmentSource& source = *std::exchange(datagram.source, nullptr);
  datagram.source_hook.unlink();
  if (!source.datagrams.empty()) return;
  LINNET_CHECK_OP(source.truesize, ==, 0u);
  source.hook.unlink();
  free_sources_.push_front(source);
}

void FragmentStore::ban(FragmentDatagram& datagram, Drop why) {
  LINNET_CHECK_OP(datagram.count, ==, 0);
  leave_source(datagram);
  datagram.banned = why;
  datagram.age_hook.unlink();
  banned_.push_back(datagram);
}

void FragmentStore::close(FragmentDatagram& datagram) {
  LINNET_CHECK_OP(datagram.count, ==, 0);
  LINNET_CHECK(!datagram.armed());
  if (datagram.source != nullptr) leave_source(datagram);
  datagram.bucket_hook.unlink();
  datagram.age_hook.unlink();
  free_.push_front(datagram);
  --datagrams_in_use_;
}

void FragmentStore::insert(FragmentDatagram& datagram, std::uint16_t after,
                           packet::Packet&& fragment, std::uint32_t begin, std::uint32_t end,
                           std::uint32_t truesize) {
  const std::uint16_t index = free_slot_;
  FragmentSlot& fresh = slots_[index];
  free_slot_ = fresh.next;
  fresh.fragment = std::move(fragment);
  fresh.begin = begin;
  fresh.end = end;
  std::uint16_t& link = after == FragmentSlot::kNone ? datagram.first : slots_[after].next;
  fresh.next = std::exchange(link, index);
  if (fresh.next == FragmentSlot::kNone) datagram.last = index;
  ++datagram.count;
  datagram.received += end - begin;
  datagram.truesize += truesize;
  datagram.source->truesize += truesize;
  truesize_ += truesize;
  ++packets_;
}

packet::Packet FragmentStore::take_first(FragmentDatagram& datagram) {
  const std::uint16_t index = datagram.first;
  FragmentSlot& slot = slots_[index];
  packet::Packet fragment = std::move(slot.fragment);
  datagram.first = std::exchange(slot.next, free_slot_);
  free_slot_ = index;
  if (datagram.first == FragmentSlot::kNone) datagram.last = FragmentSlot::kNone;
  const std::uint32_t truesize = fragment.truesize();
  --datagram.count;
  datagram.received -= slot.end - slot.begin;
  datagram.truesize -= truesize;
  datagram.source->truesize -= truesize;
  truesize_ -= truesize;
  --packets_;
  return fragment;
}

}  // namespace linnet::ip
