// SPDX-License-Identifier: BSD-3-Clause
#include "device/replay_port.hpp"

#include <rte_mbuf_dyn.h>

namespace linnet::device {

using packet::Burst;
using packet::Packet;

Result<std::unique_ptr<ReplayPort>> ReplayPort::create(const Options& options) {
  if (options.input.find(',') != std::string::npos) {
    return Error{"the driver cannot open a file with a comma in its name", options.input};
  }
  PortOptions inner = options.port;
  inner.devargs = "net_pcap_" + inner.name + ",rx_pcap=" + options.input;
  if (!inner.mac) {
    inner.mac = MacAddress({0x02, 0x4c, 0x4e, 0, 0, static_cast<std::uint8_t>(options.number)});
  }
  auto port = Port::create(inner);
  if (!port) return port.error();
  std::unique_ptr<ReplayPort> replay(new ReplayPort(inner.name, std::move(port).value()));
  Result<> opened = replay->writer_.open(options.output);
  if (!opened) return opened.error();
  return replay;
}

ReplayPort::ReplayPort(std::string name, std::unique_ptr<Port> port)
    : Device(Kind::Port, std::move(name)), port_(std::move(port)) {
  publish_mac(port_->mac());
  publish_mtu(port_->mtu());
  publish_link(true);
  stamp_offset_ = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, nullptr);
  LINNET_CHECK_OP(stamp_offset_, >=, 0);  // net_pcap registers it when it is made
}

ReplayPort::~ReplayPort() {
  ahead_.drain([](Packet&& frame) { rte_pktmbuf_free(frame.release()); });
}

// net_pcap does not say that its file has ended: it has when twice nothing came and nothing was
// lost meanwhile.
void ReplayPort::look_ahead() {
  for (unsigned empty = 0; ahead_.empty() && !at_end_;) {
    const Statistics before = port_->statistics();
    if (port_->receive(0, ahead_) > 0) return;
    const Statistics after = port_->statistics();
    const bool same =
        before.rx_errors == after.rx_errors && before.rx_no_buffer == after.rx_no_buffer;
    empty = same ? empty + 1 : 0;
    at_end_ = empty == 2;
  }
}

std::optional<std::int64_t> ReplayPort::next_stamp_ns() {
  look_ahead();
  if (ahead_.empty()) return std::nullopt;
  const auto microseconds =
      *RTE_MBUF_DYNFIELD(ahead_.peek(0), stamp_offset_, const rte_mbuf_timestamp_t*);
  return static_cast<std::int64_t>(microseconds) * 1000;
}

unsigned ReplayPort::receive(unsigned queue, Burst& burst) {
  if (let_through_ == 0 || queue != 0 || burst.full()) return 0;
  let_through_ = 0;
  look_ahead();
  if (ahead_.empty()) return 0;
  Packet frame = ahead_.take(0);
  ahead_.remove_front(1);
  frame.meta().input_device = index();
  counters(queue).rx_packets.add();
  counters(queue).rx_bytes.add(frame.length());
  burst.push(std::move(frame));
  return 1;
}

unsigned ReplayPort::transmit(unsigned /*queue*/, Burst& burst) {
  const unsigned count = burst.size();
  burst.drain([&](Packet&& frame) {
    writer_.write(stamp_ns_, frame);
    rte_pktmbuf_free(frame.release());
  });
  return count;
}

Result<> ReplayPort::set_mtu(std::uint32_t bytes) {
  Result<> set = port_->set_mtu(bytes);
  return set ? Device::set_mtu(bytes) : set;
}

Result<> ReplayPort::set_mac(MacAddress mac) {
  Result<> set = port_->set_mac(mac);
  return set ? Device::set_mac(mac) : set;
}

Result<> ReplayPort::finish() {
  const Statistics driver = port_->statistics();
  Result<> closed = writer_.close();
  if (driver.rx_no_buffer > 0) {
    return Error{std::to_string(driver.rx_no_buffer) +
                     " frames of the capture were lost because the packet pool was empty; give it "
                     "more packets",
                 name()};
  }
  if (driver.rx_errors > 0) {
    return Error{
        "the driver could not read " + std::to_string(driver.rx_errors) + " frames of the capture",
        name()};
  }
  return closed;
}

}  // namespace linnet::device
