// SPDX-License-Identifier: BSD-3-Clause
// From the lanes and the control core to the owner lane, and events back to the control core.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/ipv4.hpp"
#include "base/mac.hpp"
#include "neigh/neighbours.hpp"
#include "packet/packet.hpp"
#include "table/ring.hpp"

namespace linnet::neigh {

enum class MessageKind : std::uint8_t {
  // From lanes.
  OutputPacket,  // wants resolution; data() at the IP header
  ArpPacket,     // data() at the ARP header
  Used,          // a packet went to a STALE entry
  Confirm,       // an upper layer knows that the neighbour answers
  // From the control core.
  Set,
  Delete,
  AddProxy,
  DeleteProxy,
  Flush,
  ProbeAddress,
  AnnounceAddress,
  ForgetAddress
};

struct Message {
  static constexpr std::uint8_t kKeepMac = 1;          // Set: the entry's own MAC stays
  static constexpr std::uint8_t kMustExist = 2;        // Set: never makes an entry
  static constexpr std::uint8_t kPermanents = 4;       // Flush: PERMANENT and NOARP too
  static constexpr std::uint8_t kForgetAddresses = 8;  // Flush: probes and announcements too

  MessageKind kind;
  Nud state = Nud::None;                     // Set: the new one; Flush: only these, None: all
  std::uint16_t device = packet::kNoDevice;  // Flush: kNoDevice is every device
  Ipv4Address address{};
  MacAddress mac{};
  std::uint8_t flags = 0;
  std::uint8_t spare = 0;
  rte_mbuf* packet = nullptr;
};
static_assert(sizeof(Message) == 24);

enum class EventKind : std::uint8_t {
  AddressFree,       // probing ended, nobody has the address
  AddressDuplicate,  // another station answered while we probed
  AddressConflict    // another station uses an address of ours that is in use
};

struct Event {
  EventKind kind;
  std::uint8_t spare = 0;
  std::uint16_t device;
  Ipv4Address address;
  MacAddress mac;  // of the other station; zero for AddressFree
  std::uint16_t spare2 = 0;
};
static_assert(sizeof(Event) == 16);

// One ring a source, so that a sender that is preempted in the middle holds up nobody else.
class Mailbox {
 public:
  Mailbox(unsigned lanes, std::uint32_t lane_ring, std::uint32_t control_ring);
  ~Mailbox();  // every packet must have been taken out

  // False: the ring is full.
  [[nodiscard]] bool post(unsigned lane, const Message& message) {
    return lanes_[lane]->push(message);
  }
  [[nodiscard]] bool post_control(const Message& message) { return control_.push(message); }

  // The owner: calls `handle(message)` for at most `budget` messages of each source.
  template <typename Handle>
  void drain(unsigned budget, Handle&& handle) {
    Message message;
    for (unsigned n = 0; n < budget && control_.pop(message); ++n) {
      handle(message);
      applied_.fetch_add(1, std::memory_order_release);
    }
    for (auto& ring : lanes_) {
      for (unsigned n = 0; n < budget && ring->pop(message); ++n)
        handle(message);
    }
  }
  bool waiting() const {
    for (const auto& ring : lanes_) {
      if (!ring->empty()) return true;
    }
    return !control_.empty();
  }
  // How many of the control core's messages the owner has carried out.
  std::uint64_t applied() const { return applied_.load(std::memory_order_acquire); }

 private:
  table::Ring<Message> control_;
  std::vector<std::unique_ptr<table::Ring<Message>>> lanes_;
  std::atomic<std::uint64_t> applied_{0};
};

}  // namespace linnet::neigh
