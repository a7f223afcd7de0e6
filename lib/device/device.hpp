// SPDX-License-Identifier: BSD-3-Clause
// One interface for every kind of device (Linux: net_device): DPDK port, loopback, in-memory port.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mac.hpp"
#include "base/result.hpp"
#include "device/drops.hpp"
#include "packet/burst.hpp"
#include "packet/turn.hpp"

namespace linnet::device {

inline constexpr unsigned kMaxDevices = 64;  // indexes 0..63; what users see is index + 1
inline constexpr unsigned kMaxQueues = 16;   // one a lane

enum class Kind : std::uint8_t { Port, Loopback, Memory };
// What stands in front of the IP header on the device's wire. None: nothing, and the device has no
// neighbours (Linux: ARPHRD_NONE, IFF_NOARP), as a tun device.
enum class LinkLayer : std::uint8_t { Ethernet, None };

// Written by the lane that owns the queue, read by the control core.
struct alignas(64) QueueCounters {
  packet::Counter rx_packets, rx_bytes, tx_packets, tx_bytes;
  packet::Counter rx_dropped;  // frames the layers above dropped with a link or device reason
  packet::Counter tx_dropped;  // frames that could not be handed to the driver
  // Of transport packets to us, where there are several lanes: came to the lane that owns their
  // flow, or to another one.
  packet::Counter rx_owned, rx_elsewhere;
};

// Sums over a device's queues, plus what only the driver knows.
struct Statistics {
  std::uint64_t rx_packets = 0, rx_bytes = 0, rx_errors = 0, rx_dropped = 0, rx_missed = 0;
  std::uint64_t rx_no_buffer = 0;  // the pool was empty when the driver wanted a buffer
  std::uint64_t tx_packets = 0, tx_bytes = 0, tx_errors = 0, tx_dropped = 0;
};

// How a device spreads what it receives over the lanes' queues.
struct Spreading {
  unsigned queues = 1;   // lanes beyond these receive nothing of their own
  bool by_hash = false;  // the device puts flows on queues by a hash that we set and read back
  std::string why{};     // where it does not: why
};

class Device {
 public:
  Device(Kind kind, std::string name, LinkLayer link_layer = LinkLayer::Ethernet)
      : kind_(kind), link_layer_(link_layer), name_(std::move(name)) {}
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  Kind kind() const { return kind_; }
  const std::string& name() const { return name_; }
  std::uint16_t index() const { return index_; }  // given by the DeviceTable

  // Facts that lanes read while the control core may change them.
  MacAddress mac() const { return unpack(mac_.load(std::memory_order_relaxed)); }
  std::uint64_t mac_packed() const { return mac_.load(std::memory_order_relaxed); }
  std::uint32_t mtu() const { return mtu_.load(std::memory_order_relaxed); }  // bytes of IP packet
  bool admin_up() const { return admin_up_.load(std::memory_order_relaxed); }
  bool link_up() const { return link_up_.load(std::memory_order_relaxed); }
  bool running() const { return admin_up() && link_up(); }
  bool promiscuous() const { return promiscuous_.load(std::memory_order_relaxed); }
  bool all_multicast() const { return all_multicast_.load(std::memory_order_relaxed); }
  bool gone() const { return gone_.load(std::memory_order_relaxed); }  // unplugged
  bool loopback() const { return kind_ == Kind::Loopback; }
  LinkLayer link_layer() const { return link_layer_; }
  bool has_neighbours() const { return !loopback() && link_layer_ == LinkLayer::Ethernet; }

  // Control core. Each leaves the device unchanged where it returns an error.
  virtual Result<> set_admin_up(bool up);
  virtual Result<> set_mtu(std::uint32_t bytes);
  virtual Result<> set_mac(MacAddress mac);
  virtual Result<> set_promiscuous(bool on);
  virtual Result<> set_all_multicast(bool on);
  // Asks the driver for the link state and publishes it; the control core calls it now and then.
  virtual void refresh_link() {}
  // The driver's own account, added to our queue counters.
  virtual Statistics statistics() const;
  virtual std::uint32_t min_mtu() const { return 68; }
  virtual std::uint32_t max_mtu() const { return 65535; }
  virtual Spreading spreading() const { return {.why = "it has one queue"}; }
  // Whether the driver cuts large packets, most of them at least (TSO).
  virtual bool cuts_large() const { return false; }
  // Whether lanes get their share of what comes in by the device itself; else a lane that receives
  // gives packets on by their flow. Fixed before lanes run.
  bool spreads() const { return spreads_; }
  // Facts for `show`: driver name, offloads in use, and the like.
  virtual std::string driver() const { return "memory"; }

  // Data path, lane's own queue. `receive` appends up to `burst.room()` frames (data() at the
  // Ethernet header, or at the IP header where there is no link layer; Meta reset, input_device
  // set), counts them in the queue's counters, and returns how many. `transmit` takes frames from
  // the front and returns how many it took; the rest stays; who calls it counts them.
  // `prepare` comes before the first `transmit` of a burst: it makes the frames such as the device
  // can send (padded, in one piece), drops by name those it never can, and returns the bytes of
  // what is left in the burst. A DPDK port is spared it where all frames are known to be plain (one
  // segment, no shorter and no longer than frames may be).
  // `takes_large` makes a large packet such that the driver cuts it, and says whether it does; the
  // packet then goes to `prepare` and `transmit` like others. Software can cut it either way.
  virtual unsigned receive(unsigned queue, packet::Burst& burst) = 0;
  virtual bool takes_large(unsigned /*queue*/, packet::PacketRef /*large*/) { return false; }
  virtual std::uint64_t prepare(packet::Turn& turn, packet::Burst& burst);
  virtual unsigned transmit(unsigned queue, packet::Burst& burst) = 0;

  // Sleeping: a descriptor that becomes readable when `queue` has frames, -1 where the device has
  // none and must be polled. `arm_receive_wakeup(true)` before sleeping, false after.
  virtual int receive_wakeup_fd(unsigned /*queue*/) { return -1; }
  virtual bool arm_receive_wakeup(unsigned /*queue*/, bool /*on*/) { return false; }
  // Whether frames can come to `queue` while its lane sleeps.
  virtual bool needs_watch(unsigned /*queue*/) const { return true; }

  QueueCounters& counters(unsigned queue) { return counters_[queue]; }
  const QueueCounters& counters(unsigned queue) const { return counters_[queue]; }

 protected:
  void publish_mac(MacAddress mac) { mac_.store(mac.packed(), std::memory_order_relaxed); }
  void publish_mtu(std::uint32_t bytes) { mtu_.store(bytes, std::memory_order_relaxed); }
  void publish_link(bool up) { link_up_.store(up, std::memory_order_relaxed); }
  void set_spreads(bool spreads) { spreads_ = spreads; }
  void publish_gone() { gone_.store(true, std::memory_order_relaxed); }

 private:
  friend class DeviceTable;
  static MacAddress unpack(std::uint64_t packed) {
    std::array<std::uint8_t, 6> bytes;
    for (unsigned i = 0; i < 6; ++i)
      bytes[i] = static_cast<std::uint8_t>(packed >> (8 * i));
    return MacAddress(bytes);
  }

  const Kind kind_;
  const LinkLayer link_layer_;
  const std::string name_;
  std::uint16_t index_ = packet::kNoDevice;
  bool spreads_ = false;
  std::atomic<std::uint64_t> mac_{0};
  std::atomic<std::uint32_t> mtu_{1500};
  std::atomic<bool> admin_up_{false};
  std::atomic<bool> link_up_{false};
  std::atomic<bool> promiscuous_{false};
  std::atomic<bool> all_multicast_{false};
  std::atomic<bool> gone_{false};
  std::array<QueueCounters, kMaxQueues> counters_;
};

// All devices, by index and by name. Filled by the control core before lanes run; a device lives as
// long as the table.
class DeviceTable {
 public:
  // Refuses a name that is taken, empty, longer than 15 bytes or with spaces or slashes (as Linux).
  Result<Device*> add(std::unique_ptr<Device> device);

  Device* at(unsigned index) const { return index < kMaxDevices ? slots_[index] : nullptr; }
  Device* find(std::string_view name) const;
  unsigned size() const { return static_cast<unsigned>(devices_.size()); }
  const std::vector<std::unique_ptr<Device>>& all() const { return devices_; }

 private:
  std::vector<std::unique_ptr<Device>> devices_;
  std::array<Device*, kMaxDevices> slots_{};
};

}  // namespace linnet::device
