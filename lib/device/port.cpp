// SPDX-License-Identifier: BSD-3-Clause
// The control side of a port: how it is set up and changed.
#include "device/port.hpp"

#include <fcntl.h>
#include <poll.h>
#include <rte_errno.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "device/attach.hpp"
#include "device/tap_signals.hpp"
#include "wire/ethernet.hpp"

namespace linnet::device {
namespace {

constexpr std::uint32_t kDefaultMtu = 1500;
constexpr std::uint32_t kFrameOverhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
constexpr std::uint16_t kDescriptors = 1024;
// net_tap reads each frame into a chain of one buffer a descriptor: more of them only make each
// system call longer; the queue is the kernel's.
constexpr std::uint16_t kTapDescriptors = 16;
constexpr unsigned kSharedRing = 1024;

// Bytes by which a driver's frame is longer than its MTU (ethdev: eth_dev_get_overhead_len).
std::uint32_t overhead_of(const rte_eth_dev_info& info) {
  if (info.max_mtu != UINT16_MAX && info.max_rx_pktlen > info.max_mtu) {
    return info.max_rx_pktlen - info.max_mtu;
  }
  return kFrameOverhead;
}

Error failed(const PortOptions& options, const char* what, int error) {
  return Error{std::string("the driver refused to ") + what + " (" + rte_strerror(-error) + ")",
               options.name};
}

// A station address that is the same at every start: for drivers that have none.
MacAddress address_from(const std::string& name) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : name)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::array<std::uint8_t, 6> bytes;
  std::memcpy(bytes.data(), &hash, bytes.size());
  bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0xfcu) | 0x02u);  // one station, locally given
  return MacAddress(bytes);
}

// Another address than the other end's, as lasting as that.
MacAddress address_beside(MacAddress peer) {
  std::array<std::uint8_t, 6> bytes = peer.bytes();
  bytes[0] = static_cast<std::uint8_t>(((bytes[0] | 0x02u) ^ 0x40u) & 0xfeu);
  return MacAddress(bytes);
}

}  // namespace

Result<std::unique_ptr<Port>> Port::create(const PortOptions& options) {
  LINNET_CHECK(options.pool != nullptr);
  if (options.lanes == 0 || options.lanes > kMaxQueues) {
    return Error{"lanes out of range", std::to_string(options.lanes), -1,
                 "1 to " + std::to_string(kMaxQueues)};
  }
  const RealTimeSignalsHeld held;
  Result<std::uint16_t> attached = attach_port(options.devargs);
  if (!attached) return attached.error();
  std::unique_ptr<Ethdev> ethdev = options.lowest ? std::make_unique<LowestEthdev>(*attached)
                                                  : std::make_unique<Ethdev>(*attached);
  std::unique_ptr<Port> port(new Port(options, std::move(ethdev)));
  Result<> ready = port->set_up();
  if (!ready) return ready.error();
  return port;
}

Port::Port(const PortOptions& options, std::unique_ptr<Ethdev> ethdev)
    : Device(Kind::Port, options.name), options_(options), ethdev_(std::move(ethdev)) {}

Port::~Port() {
  rte_eth_dev_callback_unregister(port(), RTE_ETH_EVENT_INTR_RMV, &Port::on_removed, this);
  if (driver_ == "net_af_xdp") options_.pool->excuse_missing();
  detach_port(port());
}

Result<> Port::set_up() {
  rte_eth_dev_info info{};
  const int error = ethdev_->info(info);
  if (error != 0) return failed(options_, "describe itself", error);
  driver_ = info.driver_name;
  choose_limits(info);
  choose_segmentation(info);
  if (options_.mtu != 0 && (options_.mtu < min_mtu_ || options_.mtu > max_mtu_)) {
    return Error{"MTU out of the range of port " + options_.name, std::to_string(options_.mtu), -1,
                 std::to_string(min_mtu_) + " to " + std::to_string(max_mtu_)};
  }
  started_mtu_ = options_.mtu != 0 ? options_.mtu : std::min(kDefaultMtu, max_mtu_);
  Result<> done = start(info);
  if (!done) return done;
  done = make_shared_queues();
  if (!done) return done;
  publish_mtu(started_mtu_);
  // Refused where it is what the port has already; then ours is what we keep to.
  ethdev_->set_mtu(static_cast<std::uint16_t>(started_mtu_));
  rte_eth_dev_callback_register(port(), RTE_ETH_EVENT_INTR_RMV, &Port::on_removed, this);
  choose_addresses();
  find_wakeups();
  refresh_link();
  return Ok{};
}

// What may be sent and received: the driver's limits, and where it knows no chains of buffers, the
// length of one buffer.
void Port::choose_limits(const rte_eth_dev_info& info) {
  max_segments_ = 1;
  if ((info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0) {
    const std::uint16_t limit = info.tx_desc_lim.nb_mtu_seg_max;
    max_segments_ = limit == 0 ? UINT16_MAX : limit;
  }
  const std::uint32_t overhead = overhead_of(info);
  const std::uint32_t longest = std::max<std::uint32_t>(info.max_rx_pktlen, overhead + 68);
  std::uint32_t limit = std::min<std::uint32_t>(info.max_mtu, longest - overhead);
  const std::uint32_t buffer = options_.pool->data_room() - RTE_PKTMBUF_HEADROOM - kFrameOverhead;
  const bool scatters = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
  const bool wants_scatter = options_.mtu > buffer;
  if (max_segments_ == 1 || !scatters || !wants_scatter) limit = std::min(limit, buffer);
  max_mtu_ = limit;
  min_mtu_ = std::clamp<std::uint32_t>(info.min_mtu, 68, max_mtu_);
  const auto pairs = std::min<unsigned>(info.max_rx_queues, info.max_tx_queues);
  const unsigned wanted =
      options_.queues == 0 ? options_.lanes : std::min(options_.queues, options_.lanes);
  queues_ = std::clamp(wanted, 1u, std::max(pairs, 1u));
}

Result<> Port::start(const rte_eth_dev_info& info) {
  int error = configure(info, true);
  // A driver that cannot interrupt may say so only here (PCI devices without MSI-X); likewise one
  // that takes no hash key.
  if (error != 0) error = configure(info, false);
  if (error != 0 && large_buffers_ != 0) {
    large_buffers_ = 0;
    error = configure(info, true);
    if (error != 0) error = configure(info, false);
  }
  if (error != 0 && spread_key_bytes_ != 0) {
    options_.spread_seed = 0;
    error = configure(info, true);
    if (error != 0) error = configure(info, false);
  }
  if (error != 0) return failed(options_, "start the port", error);
  check_spreading();
  return Ok{};
}

int Port::configure(const rte_eth_dev_info& info, bool interrupts) {
  rte_eth_conf conf{};
  const std::uint32_t buffer = options_.pool->data_room() - RTE_PKTMBUF_HEADROOM - kFrameOverhead;
  conf.rxmode.mtu = started_mtu_;
  if (started_mtu_ > buffer) conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
  conf.rxmode.offloads &= info.rx_offload_capa;
  conf.txmode.offloads =
      (RTE_ETH_TX_OFFLOAD_MULTI_SEGS & info.tx_offload_capa) | segmentation_offloads();
  conf.intr_conf.rxq = interrupts ? 1 : 0;
  conf.intr_conf.rmv = (*info.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0 ? 1 : 0;
  choose_spreading(info, conf);
  const auto queues = static_cast<std::uint16_t>(queues_);
  int error = rte_eth_dev_configure(port(), queues, queues, &conf);
  if (error != 0) return error;
  error = set_up_queues(info, conf);
  if (error != 0) return error;
  return rte_eth_dev_start(port());
}

int Port::set_up_queues(const rte_eth_dev_info& info, const rte_eth_conf& conf) {
  const bool tap = driver_ == "net_tap";
  std::uint16_t rx = options_.rx_descriptors, tx = options_.tx_descriptors;
  if (rx == 0) rx = tap ? kTapDescriptors : kDescriptors;
  if (tx == 0) tx = kDescriptors;
  int error = rte_eth_dev_adjust_nb_rx_tx_desc(port(), &rx, &tx);
  if (error != 0) return error;
  rte_eth_rxconf rx_conf = info.default_rxconf;
  rte_eth_txconf tx_conf = info.default_txconf;
  rx_conf.offloads = conf.rxmode.offloads;
  tx_conf.offloads = conf.txmode.offloads;
  const int socket = rte_eth_dev_socket_id(port());
  for (unsigned i = 0; i < queues_ && error == 0; ++i) {
    const auto queue = static_cast<std::uint16_t>(i);
    error = rte_eth_rx_queue_setup(port(), queue, rx, static_cast<unsigned>(socket), &rx_conf,
                                   options_.pool->raw());
    if (error == 0) {
      error = rte_eth_tx_queue_setup(port(), queue, tx, static_cast<unsigned>(socket), &tx_conf);
    }
  }
  return error;
}

Result<> Port::make_shared_queues() {
  if (options_.lanes <= queues_) return Ok{};
  for (unsigned queue = 0; queue < queues_ && queue + queues_ < options_.lanes; ++queue) {
    const std::string name = "tx" + std::to_string(port()) + "." + std::to_string(queue);
    rte_ring* const ring = rte_ring_create(name.c_str(), kSharedRing, SOCKET_ID_ANY, RING_F_SC_DEQ);
    if (ring == nullptr) return Error{"no memory for the lanes' shared queue", options_.name};
    shared_[queue] = std::make_unique<SharedQueue>();
    shared_[queue]->ring = ring;
  }
  return Ok{};
}

void Port::choose_addresses() {
  rte_ether_addr raw{};
  std::array<std::uint8_t, 6> bytes{};
  if (rte_eth_macaddr_get(port(), &raw) == 0) std::memcpy(bytes.data(), raw.addr_bytes, 6);
  const MacAddress own(bytes);
  // The kernel's netdev at the other end of a tap bears the port's address, and follows it.
  peer_has_mac_ = driver_ == "net_tap";
  if (!own.is_station()) {
    publish_mac(address_from(options_.name));
    foreign_mac_ = true;
  } else {
    publish_mac(peer_has_mac_ ? address_beside(own) : own);
  }
  if (options_.mac) (void)set_mac(*options_.mac);
  // Groups are chosen in software by the link layer; the driver lets all of them in.
  needs_promiscuous_ = ethdev_->set_all_multicast(true) != 0;
  if (options_.promiscuous) (void)Device::set_promiscuous(true);
  apply_promiscuous();
}

// A driver that refuses filters nothing, or too much, which only it knows: the link layer looks at
// every frame's address either way.
void Port::apply_promiscuous() {
  ethdev_->set_promiscuous(promiscuous() || foreign_mac_ || needs_promiscuous_);
}

void Port::find_wakeups() {
  for (unsigned queue = 0; queue < queues_; ++queue) {
    if (driver_ == "net_tap") {
      const int tap = rte_eth_dev_rx_intr_ctl_q_get_fd(port(), static_cast<std::uint16_t>(queue));
      if (tap >= 0) silence_tap(tap);
    }
    // A queue that other lanes send through is looked at often: nothing wakes its owner for them.
    if (shared_[queue] != nullptr) continue;
    const int fd = ethdev_->receive_interrupt_fd(static_cast<std::uint16_t>(queue));
    if (fd >= 0) wakeups_[queue].fd = fd;
  }
}

int Port::receive_wakeup_fd(unsigned queue) {
  return queue < queues_ && !gone() ? wakeups_[queue].fd : -1;
}

bool Port::arm_receive_wakeup(unsigned queue, bool on) {
  if (receive_wakeup_fd(queue) < 0) return false;
  Wakeup& wakeup = wakeups_[queue];
  const int error = ethdev_->set_receive_interrupt(static_cast<std::uint16_t>(queue), on);
  if (on && error == 0 && !wakeup.event) {
    wakeup.event = true;
    ::fcntl(wakeup.fd, F_SETFL, ::fcntl(wakeup.fd, F_GETFL) | O_NONBLOCK);
  }
  if (!on && wakeup.event) {
    std::uint64_t count;
    while (::read(wakeup.fd, &count, sizeof count) > 0) {
    }
  }
  // net_tap refuses to arm, and its descriptor is the tap itself, which is always armed.
  return error == 0 || error == -ENOTSUP;
}

Result<> Port::set_admin_up(bool up) {
  if (up && !admin_up() && was_up_) {
    stale_.store((1u << queues_) - 1, std::memory_order_relaxed);
  }
  was_up_ |= up;
  return Device::set_admin_up(up);
}

Result<> Port::set_mtu(std::uint32_t bytes) {
  if (bytes < min_mtu_ || bytes > max_mtu_) return Device::set_mtu(bytes);  // says the range
  const int error = ethdev_->set_mtu(static_cast<std::uint16_t>(bytes));
  // -EPERM: the rights of root were given up.
  const bool only_ours = error == -EBUSY || error == -EPERM;
  if (only_ours && bytes > started_mtu_) {
    return Error{"the MTU can be made longer only when the port starts; configure it with that",
                 std::to_string(bytes), -1, "at most " + std::to_string(started_mtu_)};
  }
  if (error != 0 && !only_ours && error != -ENOTSUP) {
    return failed(options_, "set the MTU", error);
  }
  return Device::set_mtu(bytes);
}

Result<> Port::set_mac(MacAddress mac) {
  if (!mac.is_station()) return Device::set_mac(mac);  // says what is wrong
  if (!peer_has_mac_) {
    rte_ether_addr raw{};
    std::memcpy(raw.addr_bytes, mac.bytes().data(), 6);
    foreign_mac_ = ethdev_->set_mac(raw) != 0;
    apply_promiscuous();
  }
  return Device::set_mac(mac);
}

Result<> Port::set_promiscuous(bool on) {
  Result<> set = Device::set_promiscuous(on);
  apply_promiscuous();
  return set;
}

// net_tap does not notice that its netdev was deleted; its descriptor does.
bool Port::unplugged() {
  if (ethdev_->removed()) return true;
  pollfd tap{wakeups_[0].fd, POLLIN, 0};
  return driver_ == "net_tap" && ::poll(&tap, 1, 0) == 1 && (tap.revents & POLLERR) != 0;
}

void Port::refresh_link() {
  if (!gone() && unplugged()) publish_gone();
  if (gone()) return publish_link(false);
  rte_eth_link link{};
  const int error = ethdev_->link(link);
  publish_link(error != 0 || link.link_status == RTE_ETH_LINK_UP);
}

Statistics Port::statistics() const {
  Statistics sum = Device::statistics();
  rte_eth_stats driver{};
  if (gone() || ethdev_->statistics(driver) != 0) return sum;
  sum.rx_errors += driver.ierrors;
  sum.rx_missed += driver.imissed;
  sum.rx_no_buffer += driver.rx_nombuf;
  sum.tx_errors += driver.oerrors;
  return sum;
}

int Port::on_removed(std::uint16_t, rte_eth_event_type, void* self, void*) {
  auto* const port = static_cast<Port*>(self);
  port->publish_gone();
  port->publish_link(false);
  return 0;
}

}  // namespace linnet::device
