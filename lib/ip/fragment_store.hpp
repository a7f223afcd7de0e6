// SPDX-License-Identifier: BSD-3-Clause
// Where reassembly keeps its fragments: everything is allocated once, nothing on the data path.
//
//   bucket (SipHash of the key) -> datagram -> slot [0..1480) -> slot [2960..4440)
//   source (SipHash of the address) -> its datagrams, oldest first
//   holding: all datagrams with fragments, oldest first      banned: those that lost theirs
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/intrusive_list.hpp"
#include "base/siphash.hpp"
#include "ip/drops.hpp"
#include "packet/packet.hpp"
#include "time/timer_wheel.hpp"

namespace linnet::ip {

// Fragments with the same key belong to one datagram (RFC 791 section 3.2).
struct FragmentKey {
  std::uint64_t addresses = 0;    // source, destination
  std::uint64_t id_protocol = 0;  // identification, protocol
  friend bool operator==(const FragmentKey&, const FragmentKey&) = default;
};

// One fragment that waits, data() at its IP header, with the payload bytes [begin, end).
struct FragmentSlot {
  static constexpr std::uint16_t kNone = 0xffff;

  packet::Packet fragment;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint16_t next = kNone;  // of the datagram in order, or of the free slots
};

struct FragmentSource;

// One datagram that waits; its timer is the timeout.
struct FragmentDatagram : time::Timer {
  static constexpr std::uint32_t kEndUnknown = 0xffffffff;

  FragmentDatagram() : Timer(nullptr) {}

  ListHook bucket_hook;
  ListHook age_hook;     // on holding, banned or free
  ListHook source_hook;  // only while holding
  void* owner = nullptr;
  FragmentSource* source = nullptr;  // nullptr: banned
  FragmentKey key;
  std::uint32_t end = kEndUnknown;  // payload bytes of the whole datagram
  std::uint32_t received = 0;       // payload bytes that are here
  std::uint32_t truesize = 0;
  std::uint16_t first = FragmentSlot::kNone;
  std::uint16_t last = FragmentSlot::kNone;
  std::uint16_t count = 0;
  std::uint8_t ecn_seen = 0;            // a bit for each ECN codepoint
  Drop banned = Drop::FragmentOverlap;  // why what still comes is dropped
};

// What one source address holds.
struct FragmentSource {
  ListHook hook;  // on its bucket or free
  Ipv4Address address;
  std::uint32_t truesize = 0;
  IntrusiveList<FragmentDatagram, &FragmentDatagram::source_hook> datagrams;
};

class FragmentStore {
 public:
  using ByAge = IntrusiveList<FragmentDatagram, &FragmentDatagram::age_hook>;

  // Room for `entries` datagrams and as many fragments.
  FragmentStore(std::uint32_t entries, SipKey key);
  ~FragmentStore();  // every datagram must have been closed

  FragmentDatagram* find(const FragmentKey& key);
  // A new datagram at the end of `holding`; nullptr where all are in use.
  FragmentDatagram* open(const FragmentKey& key, Ipv4Address source);
  // Moves a datagram without fragments to `banned`.
  void ban(FragmentDatagram& datagram, Drop why);
  // Ends a datagram without fragments, its timer off.
  void close(FragmentDatagram& datagram);

  bool has_slot() const { return free_slot_ != FragmentSlot::kNone; }
  FragmentSlot& slot(std::uint16_t index) { return slots_[index]; }
  // Puts a fragment behind the slot `after` (kNone: in front). There must be a slot.
  void insert(FragmentDatagram& datagram, std::uint16_t after, packet::Packet&& fragment,
              std::uint32_t begin, std::uint32_t end, std::uint32_t truesize);
  // Takes the first fragment out.
  packet::Packet take_first(FragmentDatagram& datagram);

  ByAge& holding() { return holding_; }
  ByAge& banned() { return banned_; }
  std::uint32_t truesize() const { return truesize_; }
  std::uint32_t packets() const { return packets_; }
  std::uint32_t datagrams() const { return datagrams_in_use_; }

 private:
  using Bucket = IntrusiveList<FragmentDatagram, &FragmentDatagram::bucket_hook>;
  using SourceBucket = IntrusiveList<FragmentSource, &FragmentSource::hook>;

  Bucket& bucket_of(const FragmentKey& key);
  SourceBucket& bucket_of(Ipv4Address source);
  FragmentSource& source_of(Ipv4Address address);
  void leave_source(FragmentDatagram& datagram);

  const SipKey key_;
  const std::uint32_t mask_;
  std::unique_ptr<Bucket[]> buckets_;
  std::unique_ptr<SourceBucket[]> source_buckets_;
  std::unique_ptr<FragmentDatagram[]> datagrams_;
  std::unique_ptr<FragmentSource[]> sources_;
  std::vector<FragmentSlot> slots_;
  std::uint16_t free_slot_ = FragmentSlot::kNone;
  ByAge free_;
  SourceBucket free_sources_;
  ByAge holding_;
  ByAge banned_;
  std::uint32_t truesize_ = 0;
  std::uint32_t packets_ = 0;
  std::uint32_t datagrams_in_use_ = 0;
};

}  // namespace linnet::ip
