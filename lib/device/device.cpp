// SPDX-License-Identifier: BSD-3-Clause
#include "device/device.hpp"

namespace linnet::device {

Result<> Device::set_admin_up(bool up) {
  admin_up_.store(up, std::memory_order_relaxed);
  return Ok{};
}

Result<> Device::set_mtu(std::uint32_t bytes) {
  if (bytes < min_mtu() || bytes > max_mtu()) {
    return Error{"MTU out of the device's range", std::to_string(bytes), -1,
                 std::to_string(min_mtu()) + " to " + std::to_string(max_mtu())};
  }
  publish_mtu(bytes);
  return Ok{};
}

Result<> Device::set_mac(MacAddress mac) {
  if (!mac.is_station()) return Error{"not a station's MAC address", mac.text()};
  publish_mac(mac);
  return Ok{};
}

Result<> Device::set_promiscuous(bool on) {
  promiscuous_.store(on, std::memory_order_relaxed);
  return Ok{};
}

Result<> Device::set_all_multicast(bool on) {
  all_multicast_.store(on, std::memory_order_relaxed);
  return Ok{};
}

std::uint64_t Device::prepare(packet::Turn& /*turn*/, packet::Burst& burst) {
  return burst.bytes();
}

Statistics Device::statistics() const {
  Statistics sum;
  for (const QueueCounters& queue : counters_) {
    sum.rx_packets += queue.rx_packets.value();
    sum.rx_bytes += queue.rx_bytes.value();
    sum.rx_dropped += queue.rx_dropped.value();
    sum.tx_packets += queue.tx_packets.value();
    sum.tx_bytes += queue.tx_bytes.value();
    sum.tx_dropped += queue.tx_dropped.value();
  }
  return sum;
}

Result<Device*> DeviceTable::add(std::unique_ptr<Device> device) {
  const std::string& name = device->name();
  if (name.empty() || name.size() > 15 || name.find_first_of(" /\t\n:") != std::string::npos) {
    return Error{"not a device name", name, -1,
                 "1 to 15 characters without spaces, slashes or colons"};
  }
  if (find(name) != nullptr) return Error{"a device of this name exists", name};
  if (devices_.size() == kMaxDevices) {
    return Error{"too many devices, at most " + std::to_string(kMaxDevices), name};
  }
  device->index_ = static_cast<std::uint16_t>(devices_.size());
  slots_[device->index_] = device.get();
  devices_.push_back(std::move(device));
  return devices_.back().get();
}

Device* DeviceTable::find(std::string_view name) const {
  for (const auto& device : devices_) {
    if (device->name() == name) return device.get();
  }
  return nullptr;
}

}  // namespace linnet::device
