// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ipv4.hpp"
#include "device/device.hpp"
#include "route/route.hpp"
#include "table/rcu.hpp"

namespace linnet::route {

// A next hop as it was checked.
struct InfoHop {
  std::optional<Ipv4Address> gateway;
  std::uint16_t device = 0;
  std::uint16_t weight = 1;
  bool onlink = false;
  friend bool operator==(const InfoHop&, const InfoHop&) = default;
};

// What a route says apart from its prefix, table and TOS (Linux: fib_info).
struct Info {
  Type type = Type::Unicast;
  Scope scope = Scope::Universe;
  Protocol protocol = Protocol::Boot;
  std::uint32_t metric = 0;
  std::optional<Ipv4Address> source;
  std::uint16_t mtu = 0;
  std::vector<InfoHop> hops;

  // Whether it needs a hop that works to be used.
  bool needs_hop() const { return !hops.empty() && scope != Scope::Host; }
  friend bool operator==(const Info&, const Info&) = default;
};

// Every Info once, however many routes share it, by number; and for each number the Route that
// lanes read. A million routes have few of them. A change of a device republishes the Routes
// that use it and touches no look-up structure.
class Infos {
 public:
  static constexpr std::uint32_t kMax = 1 << 22;
  static constexpr std::uint32_t kNone = 0;

  Infos(const device::DeviceTable& devices, table::Rcu& rcu);
  ~Infos();
  Infos(const Infos&) = delete;
  Infos& operator=(const Infos&) = delete;

  // --- Control core.
  // The number of an equal Info, with one more reference; kNone where kMax are in use.
  std::uint32_t acquire(const Info& info);
  void release(std::uint32_t id);
  const Info& at(std::uint32_t id) const { return records_[id].info; }
  // Whether packets can take it: some hop works, or none is needed.
  bool usable(std::uint32_t id) const { return records_[id].usable; }
  // Whether every hop's device is administratively down (Linux: RTNH_F_DEAD).
  bool dead(std::uint32_t id) const { return records_[id].dead; }

  struct Change {
    std::uint32_t id;
    bool now_dead;
  };
  // Computes all that use the device anew; returns those whose use began or ended, or that died.
  std::vector<Change> device_changed(std::uint16_t device);
  // The devices that the hops lead through, a bit each; 0 for types that go nowhere.
  std::uint64_t devices_of(std::uint32_t id) const;
  // Numbers in use that `chosen` says.
  template <typename Chosen>
  std::vector<std::uint32_t> find_if(Chosen chosen) const {
    std::vector<std::uint32_t> found;
    for (std::uint32_t id = 1; id < records_.size(); ++id) {
      if (records_[id].references != 0 && chosen(records_[id].info)) found.push_back(id);
    }
    return found;
  }
  // Numbers 1..limit()-1 are or were in use.
  std::uint32_t limit() const { return static_cast<std::uint32_t>(records_.size()); }
  std::size_t memory_bytes() const;

  // --- Lanes. nullptr for a Throw route: look on elsewhere. `id` from a look-up of this turn.
  const Route* route(std::uint32_t id) const { return Reader(*this)[id]; }
  // As `route`, for many in a row: where they lie stays in a register.
  class Reader {
   public:
    explicit Reader(const Infos& infos) : slots_(infos.slots_) {}
    const Route* operator[](std::uint32_t id) const {
      return slots_[id].load(std::memory_order_acquire);
    }

   private:
    const std::atomic<const Route*>* slots_;
  };

 private:
  struct Record {
    Info info;
    std::uint32_t references = 0;
    bool usable = false;
    bool dead = false;
  };
  struct Shared;
  using Slot = std::atomic<const Route*>;

  bool hop_works(const Info& info, const InfoHop& hop) const;
  void refresh(Record& record) const;
  const Route* make_route(const Info& info) const;
  void publish(std::uint32_t id);

  const device::DeviceTable& devices_;
  table::Rcu& rcu_;
  std::vector<Record> records_;
  std::unordered_multimap<std::size_t, std::uint32_t> by_hash_;
  std::shared_ptr<Shared> shared_;  // with releases that wait for lanes
  Slot* slots_;
};

}  // namespace linnet::route
