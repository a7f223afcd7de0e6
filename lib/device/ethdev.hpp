// SPDX-License-Identifier: BSD-3-Clause
// The calls of DPDK's ethdev that a driver may refuse, behind one face, so that a port can be
// driven as if its driver could do nothing of it. Returns are ethdev's: 0 or a negative errno.
#pragma once

#include <rte_ethdev.h>

#include <cstdint>

namespace linnet::device {

class Ethdev {
 public:
  explicit Ethdev(std::uint16_t port) : port_(port) {}
  virtual ~Ethdev() = default;
  Ethdev(const Ethdev&) = delete;
  Ethdev& operator=(const Ethdev&) = delete;

  std::uint16_t port() const { return port_; }

  virtual int info(rte_eth_dev_info& out);
  virtual int set_mtu(std::uint16_t bytes);
  virtual int set_promiscuous(bool on);
  virtual int set_all_multicast(bool on);
  virtual int set_mac(rte_ether_addr& mac);
  virtual int link(rte_eth_link& out);
  virtual int statistics(rte_eth_stats& out);
  virtual int spreading(rte_eth_rss_conf& out);
  // A descriptor that becomes readable with frames on the queue; negative without one.
  virtual int receive_interrupt_fd(std::uint16_t queue);
  virtual int set_receive_interrupt(std::uint16_t queue, bool on);
  virtual bool removed();

 private:
  const std::uint16_t port_;
};

// A port of the lowest denominator: one queue, no offload, every optional call refused. A stack
// that works over it works over any driver.
class LowestEthdev final : public Ethdev {
 public:
  using Ethdev::Ethdev;

  int info(rte_eth_dev_info& out) override;
  int set_mtu(std::uint16_t) override { return -ENOTSUP; }
  int set_promiscuous(bool) override { return -ENOTSUP; }
  int set_all_multicast(bool) override { return -ENOTSUP; }
  int set_mac(rte_ether_addr&) override { return -ENOTSUP; }
  int link(rte_eth_link&) override { return -ENOTSUP; }
  int statistics(rte_eth_stats&) override { return -ENOTSUP; }
  int spreading(rte_eth_rss_conf&) override { return -ENOTSUP; }
  int receive_interrupt_fd(std::uint16_t) override { return -ENOTSUP; }
  int set_receive_interrupt(std::uint16_t, bool) override { return -ENOTSUP; }
  bool removed() override { return false; }
};

}  // namespace linnet::device
