// SPDX-License-Identifier: BSD-3-Clause
#include "device/ethdev.hpp"

#include <cerrno>
#include <cstring>

namespace linnet::device {

int Ethdev::info(rte_eth_dev_info& out) {
  return rte_eth_dev_info_get(port_, &out);
}

int Ethdev::set_mtu(std::uint16_t bytes) {
  return rte_eth_dev_set_mtu(port_, bytes);
}

int Ethdev::set_promiscuous(bool on) {
  return on ? rte_eth_promiscuous_enable(port_) : rte_eth_promiscuous_disable(port_);
}

int Ethdev::set_all_multicast(bool on) {
  return on ? rte_eth_allmulticast_enable(port_) : rte_eth_allmulticast_disable(port_);
}

int Ethdev::set_mac(rte_ether_addr& mac) {
  return rte_eth_dev_default_mac_addr_set(port_, &mac);
}

int Ethdev::link(rte_eth_link& out) {
  return rte_eth_link_get_nowait(port_, &out);
}

int Ethdev::statistics(rte_eth_stats& out) {
  return rte_eth_stats_get(port_, &out);
}

int Ethdev::spreading(rte_eth_rss_conf& out) {
  return rte_eth_dev_rss_hash_conf_get(port_, &out);
}

int Ethdev::receive_interrupt_fd(std::uint16_t queue) {
  return rte_eth_dev_rx_intr_ctl_q_get_fd(port_, queue);
}

int Ethdev::set_receive_interrupt(std::uint16_t queue, bool on) {
  return on ? rte_eth_dev_rx_intr_enable(port_, queue) : rte_eth_dev_rx_intr_disable(port_, queue);
}

bool Ethdev::removed() {
  return rte_eth_dev_is_removed(port_) == 1;
}

int LowestEthdev::info(rte_eth_dev_info& out) {
  const int error = Ethdev::info(out);
  if (error != 0) return error;
  out.max_rx_queues = 1;
  out.max_tx_queues = 1;
  out.rx_offload_capa = 0;
  out.tx_offload_capa = 0;
  out.rx_queue_offload_capa = 0;
  out.tx_queue_offload_capa = 0;
  out.flow_type_rss_offloads = 0;
  out.reta_size = 0;
  out.hash_key_size = 0;
  out.tx_desc_lim.nb_seg_max = 1;
  out.tx_desc_lim.nb_mtu_seg_max = 1;
  return 0;
}

}  // namespace linnet::device
