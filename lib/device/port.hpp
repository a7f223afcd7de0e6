// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_ethdev.h>
#include <rte_ring.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "device/device.hpp"
#include "device/ethdev.hpp"
#include "packet/pool.hpp"

namespace linnet::device {

struct PortOptions {
  std::string name{};                // what users call it
  std::string devargs{};             // what DPDK calls it: "net_tap0,iface=tap0", "0000:01:00.0"
  packet::Pool* pool = nullptr;      // where received frames lie; must outlive the port
  unsigned lanes = 1;                // each gets a queue pair, as far as the port has them
  unsigned queues = 0;               // at most so many queue pairs; 0: one a lane
  std::uint16_t rx_descriptors = 0;  // 0: what suits the driver
  std::uint16_t tx_descriptors = 0;
  std::uint32_t mtu = 0;            // bytes of IP packet; 0: 1500, or less where the driver says so
  std::optional<MacAddress> mac{};  // none: the driver's
  bool promiscuous = false;
  std::uint64_t spread_seed = 0;  // of the receive side scaling's key; 0: the driver's own key
  bool tso = true;                // large packets go to a driver that cuts them
  bool lowest = false;            // as if the driver could do nothing that is optional
};

// A DPDK port (Linux: a driver's net_device). Started when made, stopped and removed when
// destroyed. A lane without a queue pair of its own receives nothing here; what it sends goes
// through a ring to the lane that owns queue (lane modulo queues), which must not sleep for long
// then: such a queue has no wakeup descriptor.
class Port final : public Device {
 public:
  // EAL must run. The error is one sentence that says what would mend it.
  static Result<std::unique_ptr<Port>> create(const PortOptions& options);
  ~Port() override;

  // The driver runs on while the port is down; what came meanwhile is thrown away at the next up.
  Result<> set_admin_up(bool up) override;
  Result<> set_mtu(std::uint32_t bytes) override;
  Result<> set_mac(MacAddress mac) override;
  Result<> set_promiscuous(bool on) override;
  void refresh_link() override;
  Statistics statistics() const override;
  std::uint32_t min_mtu() const override { return min_mtu_; }
  std::uint32_t max_mtu() const override { return max_mtu_; }
  std::string driver() const override { return driver_; }
  Spreading spreading() const override { return spreading_; }

  unsigned receive(unsigned queue, packet::Burst& burst) override;
  bool takes_large(unsigned queue, packet::PacketRef large) override;
  std::uint64_t prepare(packet::Turn& turn, packet::Burst& burst) override;
  unsigned transmit(unsigned queue, packet::Burst& burst) override;
  int receive_wakeup_fd(unsigned queue) override;
  bool arm_receive_wakeup(unsigned queue, bool on) override;
  bool needs_watch(unsigned queue) const override { return queue < queues_; }

  std::uint16_t port() const { return ethdev_->port(); }
  unsigned queues() const { return queues_; }
  bool cuts_large() const override { return large_buffers_ != 0; }
  // Longest chain that the driver sends; 1: it must be in one piece.
  unsigned max_segments() const { return max_segments_; }

 private:
  // What lanes without a queue hand to the queue's owner.
  struct SharedQueue {
    ~SharedQueue();
    rte_ring* ring = nullptr;
    packet::Burst pending;  // taken from the ring, not yet taken by the driver; the owner's
  };
  struct Wakeup {
    int fd = -1;
    bool event = false;  // fd is an eventfd to be emptied; otherwise the driver reads it
  };

  Port(const PortOptions& options, std::unique_ptr<Ethdev> ethdev);

  Result<> set_up();
  void choose_limits(const rte_eth_dev_info& info);
  Result<> start(const rte_eth_dev_info& info);
  int configure(const rte_eth_dev_info& info, bool interrupts);
  void choose_segmentation(const rte_eth_dev_info& info);
  std::uint64_t segmentation_offloads() const;
  void choose_spreading(const rte_eth_dev_info& info, rte_eth_conf& conf);
  void check_spreading();
  int set_up_queues(const rte_eth_dev_info& info, const rte_eth_conf& conf);
  Result<> make_shared_queues();
  void choose_addresses();
  void find_wakeups();
  void apply_promiscuous();
  bool unplugged();
  static int on_removed(std::uint16_t port, rte_eth_event_type event, void* self, void* result);

  void discard_stale(std::uint16_t queue);
  unsigned hand_over(unsigned lane, packet::Burst& burst);
  void send_shared(SharedQueue& shared, std::uint16_t queue);
  void make_sendable(packet::Turn& turn, packet::Burst& burst, packet::Packet&& frame);

  PortOptions options_;
  std::unique_ptr<Ethdev> ethdev_;
  std::string driver_;
  unsigned queues_ = 1;
  unsigned max_segments_ = 1;
  std::uint64_t cut_offloads_ = 0;  // what the driver is asked for to cut
  unsigned large_buffers_ = 0;      // the longest chain that the driver cuts; 0: it does not
  std::uint32_t min_mtu_ = 68;
  std::uint32_t max_mtu_ = 1500;
  std::uint32_t started_mtu_ = 1500;  // what the receive buffers were laid out for
  Spreading spreading_;
  std::array<std::uint8_t, 64> spread_key_{};
  std::uint8_t spread_key_bytes_ = 0;  // 0: the driver's own key stays
  bool peer_has_mac_ = false;          // the driver's address is that of the other end of the wire
  bool foreign_mac_ = false;           // the driver filters for another address than ours
  bool needs_promiscuous_ = false;     // the driver cannot let multicast in otherwise
  bool was_up_ = false;
  std::atomic<std::uint32_t> stale_{0};  // a bit a queue: frames wait from when the port was down
  std::array<std::unique_ptr<SharedQueue>, kMaxQueues> shared_;
  std::array<Wakeup, kMaxQueues> wakeups_;
};

}  // namespace linnet::device
