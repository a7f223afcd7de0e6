// SPDX-License-Identifier: BSD-3-Clause
// The owner lane's side of the neighbour cache: records, timers, the NUD machine at work, garbage
// collection (Linux: net/core/neighbour.c).
#pragma once

#include <memory>

#include "link/ethernet.hpp"
#include "neigh/arp.hpp"
#include "neigh/nud.hpp"
#include "neigh/pending.hpp"
#include "neigh/system.hpp"
#include "time/timer_wheel.hpp"

namespace linnet::neigh {

class Cache {
 public:
  Cache(System& system, time::TimerWheel& wheel, link::EthernetOutput& output, ArpSender& arp);
  ~Cache();

  void connect_unresolved(packet::Stage stage) { unresolved_ = stage; }

  // A packet for a neighbour: sent where the entry has a MAC, else held while we ask.
  void resolve(packet::Turn& turn, packet::Packet&& packet);
  // A packet went to the entry at `index`, which was STALE and this key's.
  void use(packet::Turn& turn, std::uint32_t index, std::uint64_t key);
  // An upper layer heard from the neighbour.
  void confirm(packet::Turn& turn, std::uint64_t key);

  // What an ARP packet tells of its sender (Linux: neigh_update as arp_process calls it).
  struct Lesson {
    std::uint64_t key;
    MacAddress mac;
    bool answer = false;    // a reply to us: proves reachability if we asked
    bool override = false;  // a changed MAC is taken also within locktime
    bool create = false;    // makes an entry where there is none
  };
  // Whether there was, or is now, an entry that it is about.
  bool learn(packet::Turn& turn, const Lesson& lesson);

  // What the control core asks for.
  void set(packet::Turn& turn, const Message& message);
  void remove(packet::Turn& turn, std::uint64_t key);
  void flush(packet::Turn& turn, std::uint16_t device, Nud state, bool permanents);
  void clear(packet::Turn& turn);

 private:
  struct Record : time::Timer {
    Record() : Timer(&Cache::on_timer) {}
    Cache* cache = nullptr;
    std::uint64_t key = 0;  // 0: free
    MacAddress mac;
    Nud state = Nud::None;
    std::uint8_t probes = 0;
    time::Instant created, confirmed, updated;
    time::Duration reachable_time;
    PendingList waiting;
  };
  struct GcTimer : time::Timer {
    explicit GcTimer(Cache& owner) : Timer(&Cache::on_gc_timer), cache(owner) {}
    Cache& cache;
  };
  static constexpr std::uint32_t kGcSlice = 256;       // records a turn of the periodic walk
  static constexpr std::uint32_t kMakeRoomSlice = 32;  // records looked at for one newcomer

  static void on_timer(time::Timer& timer, time::Instant now, void* turn);
  static void on_gc_timer(time::Timer& timer, time::Instant now, void* turn);

  Record* find(std::uint64_t key);
  std::uint32_t index_of(const Record& record) const {
    return static_cast<std::uint32_t>(&record - records_.get());
  }
  Record* create(packet::Turn& turn, std::uint64_t key, bool counts_for_gc);
  void erase(packet::Turn& turn, Record& record);
  void apply(packet::Turn& turn, Record& record, NudEvent event);
  void enter(packet::Turn& turn, Record& record, Nud state);
  void arm(packet::Turn& turn, Record& record);
  void publish(const Record& record);
  NudEvent timer_event(const Record& record, time::Instant now) const;
  std::uint32_t probe_limit(Nud state) const;
  void solicit(packet::Turn& turn, Record& record);
  void send(packet::Turn& turn, Record& record, packet::Packet&& packet);
  void send_waiting(packet::Turn& turn, Record& record);
  void report_waiting(packet::Turn& turn, Record& record);
  void give_up(packet::Turn& turn, packet::Packet&& packet);
  bool may_ask() const;
  void publish_gauges();

  // Garbage collection.
  static bool counts_for_gc(Nud state) { return state != Nud::Permanent; }
  std::uint32_t gc_limit() const;
  bool make_room(packet::Turn& turn);
  bool evictable(const Record& record, time::Instant now) const;
  bool outdated(const Record& record, time::Instant now) const;
  void scan(packet::Turn& turn, std::uint32_t records, std::uint32_t until);
  void collect_garbage(packet::Turn& turn);

  Table& table_;
  const Settings& settings_;
  const device::DeviceTable& devices_;
  time::TimerWheel& wheel_;
  link::EthernetOutput& output_;
  ArpSender& arp_;
  packet::Stage unresolved_{};
  std::unique_ptr<Record[]> records_;
  PendingPool pending_;
  GcTimer gc_timer_;
  std::uint32_t gc_entries_ = 0;  // all but permanent ones
  std::uint32_t incomplete_ = 0;
  std::uint32_t high_water_ = 0;  // records at and above were never used
  std::uint32_t hand_ = 0;        // where the search for room goes on
  std::uint32_t sweep_left_ = 0;  // records that a search above gc_thresh2 still looks at
  std::uint32_t gc_hand_ = 0;     // where the periodic walk goes on
  time::Instant last_sweep_;
};

}  // namespace linnet::neigh
