// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/system.hpp"

#include <algorithm>

namespace linnet::neigh {
namespace {

// Linux's words for what `ip neigh` is told.
Error exists() {
  return Error{"File exists"};
}
Error missing() {
  return Error{"No such file or directory"};
}

}  // namespace

Result<std::unique_ptr<System>> System::create(const Options& options,
                                               const device::DeviceTable& devices,
                                               const Host& host) {
  if (options.capacity < 16 || options.capacity > 1u << 20) {
    return Error{"the neighbour table's size is out of range", std::to_string(options.capacity), -1,
                 "16 to 1048576 entries"};
  }
  if (options.pending_packets < 1 || options.pending_packets > 1u << 20) {
    return Error{"the number of packets that may wait for neighbours is out of range",
                 std::to_string(options.pending_packets), -1, "1 to 1048576"};
  }
  if (options.ring < 16 || options.ring > 1u << 20) {
    return Error{"the neighbour hand-off ring's size is out of range", std::to_string(options.ring),
                 -1, "16 to 1048576"};
  }
  LINNET_CHECK(options.lanes >= 1 && options.lanes <= device::kMaxQueues);
  return std::unique_ptr<System>(new System(options, devices, host));
}

System::System(const Options& options, const device::DeviceTable& devices, const Host& host)
    : options_(options),
      devices_(devices),
      host_(host),
      table_(options.capacity, options.key),
      mailbox_(options.lanes, options.ring, options.capacity + 1024),
      events_(1024, table::Producers::One) {}

System::~System() = default;

// --- Reading.

NeighbourInfo System::info_of(const EntryView& entry, time::Instant now) const {
  NeighbourInfo info;
  info.address = address_of(entry.key);
  info.device = device_of(entry.key);
  info.state = entry.link.state;
  if (has_mac(entry.link.state)) info.mac = entry.link.header.destination;
  info.confirmed_ago = now - entry.confirmed;
  // Linux dates the use of an entry that was never used by its creation.
  info.used_ago = now - (entry.used == time::Instant() ? entry.updated : entry.used);
  info.updated_ago = now - entry.updated;
  info.probes = entry.link.probes;
  return info;
}

void System::list(time::Instant now, const std::function<void(const NeighbourInfo&)>& visit) const {
  EntryView entry;
  for (std::uint32_t i = 0; i < table_.capacity(); ++i) {
    if (table_.read(i, entry)) visit(info_of(entry, now));
  }
  for (unsigned i = 0; i < Table::kMaxProxies; ++i) {
    const std::uint64_t key = table_.proxy_at(i);
    if (key == 0) continue;
    NeighbourInfo info;
    info.address = address_of(key);
    info.device = device_of(key);
    info.proxy = true;
    visit(info);
  }
}

std::optional<NeighbourInfo> System::find(time::Instant now, std::uint16_t device,
                                          Ipv4Address address) const {
  EntryView entry;
  if (!table_.find_view(key_of(device, address), entry)) return std::nullopt;
  return info_of(entry, now);
}

System::Counts System::counts() const {
  constexpr auto relaxed = std::memory_order_relaxed;
  return Counts{table_.entries(),
                table_.incomplete.load(relaxed),
                table_.capacity(),
                table_.pending_packets.load(relaxed),
                table_.pending_bytes.load(relaxed),
                table_.refused_changes.load(relaxed)};
}

// --- Asking.

Result<> System::check_target(std::uint16_t device, Ipv4Address address) const {
  const device::Device* const found = devices_.at(device);
  if (found == nullptr) return Error{"Cannot find device", std::to_string(device + 1)};
  if (found->loopback()) {
    return Error{"Invalid argument: the loopback device has no neighbours", found->name()};
  }
  if (!found->has_neighbours()) {
    return Error{"Invalid argument: a device without a link layer has no neighbours",
                 found->name()};
  }
  if (address.is_any() || address.is_multicast() || address.is_limited_broadcast())
    return Error{"Invalid argument: not a neighbour's address", address.text()};
  return Ok{};
}

Result<> System::post(const Message& message) {
  if (!mailbox_.post_control(message))
    return Error{
        "Resource temporarily unavailable: the lanes have not taken the last requests yet"};
  ++ticket_;
  return Ok{};
}

// What the owner has carried out is in the table; the rest is looked up here.
bool System::will_exist(std::uint64_t key, bool proxy) {
  const std::uint64_t applied = mailbox_.applied();
  while (!outstanding_.empty() && outstanding_.front().ticket <= applied)
    outstanding_.pop_front();
  const auto newest = std::find_if(
      outstanding_.rbegin(), outstanding_.rend(),
      [&](const Outstanding& request) { return request.key == key && request.proxy == proxy; });
  if (newest != outstanding_.rend()) return newest->exists;
  EntryView entry;
  return proxy ? table_.has_proxy(key) : table_.find_view(key, entry);
}

Result<> System::post_change(const Message& message, bool proxy, bool exists) {
  Result<> posted = post(message);
  if (posted) {
    outstanding_.push_back(
        Outstanding{ticket_, key_of(message.device, message.address), proxy, exists});
  }
  return posted;
}

Result<> System::change(const Request& request, Change how) {
  if (Result<> target = check_target(request.device, request.address); !target) return target;
  if (!has_mac(request.state)) {
    return Error{"Invalid argument: not a state to set", std::string(name_of(request.state)), -1,
                 "permanent, noarp, reachable, stale, delay or probe"};
  }
  if (request.mac && !request.mac->is_station())
    return Error{"Invalid argument: not a station's MAC address", request.mac->text()};
  const bool known = will_exist(key_of(request.device, request.address), false);
  if (known && how == Change::Add) return exists();
  if (!known && how == Change::Change) return missing();
  if (!known && !request.mac) return Error{"Invalid argument: no lladdr"};
  Message message{.kind = MessageKind::Set,
                  .state = request.state,
                  .device = request.device,
                  .address = request.address,
                  .mac = request.mac.value_or(MacAddress())};
  if (!request.mac) message.flags |= Message::kKeepMac;
  if (how == Change::Change) message.flags |= Message::kMustExist;
  return post_change(message, false, true);
}

Result<> System::remove(std::uint16_t device, Ipv4Address address) {
  if (Result<> target = check_target(device, address); !target) return target;
  if (!will_exist(key_of(device, address), false)) return missing();
  return post_change({.kind = MessageKind::Delete, .device = device, .address = address}, false,
                     false);
}

Result<> System::add_proxy(std::uint16_t device, Ipv4Address address) {
  if (Result<> target = check_target(device, address); !target) return target;
  if (will_exist(key_of(device, address), true)) return Ok{};  // as Linux: pneigh_lookup creates
  return post_change({.kind = MessageKind::AddProxy, .device = device, .address = address}, true,
                     true);
}

Result<> System::remove_proxy(std::uint16_t device, Ipv4Address address) {
  if (Result<> target = check_target(device, address); !target) return target;
  if (!will_exist(key_of(device, address), true)) return missing();
  return post_change({.kind = MessageKind::DeleteProxy, .device = device, .address = address}, true,
                     false);
}

Result<std::size_t> System::flush(std::optional<std::uint16_t> device, std::optional<Nud> state) {
  if (device && devices_.at(*device) == nullptr)
    return Error{"Cannot find device", std::to_string(*device + 1)};
  std::size_t matching = 0;
  EntryView entry;
  for (std::uint32_t i = 0; i < table_.capacity(); ++i) {
    if (!table_.read(i, entry)) continue;
    const Nud found = entry.link.state;
    if (device && device_of(entry.key) != *device) continue;
    matching += state ? found == *state : found != Nud::Permanent && found != Nud::NoArp;
  }
  Result<> posted = post({.kind = MessageKind::Flush,
                          .state = state.value_or(Nud::None),
                          .device = device.value_or(packet::kNoDevice)});
  if (!posted) return posted.error();
  return matching;
}

Result<> System::device_changed(std::uint16_t device, DeviceEvent event) {
  Message message{.kind = MessageKind::Flush, .device = device};
  if (event != DeviceEvent::CarrierDown) message.flags |= Message::kPermanents;
  if (event != DeviceEvent::MacChanged) message.flags |= Message::kForgetAddresses;
  return post(message);
}

Result<> System::probe_address(std::uint16_t device, Ipv4Address address) {
  if (Result<> target = check_target(device, address); !target) return target;
  return post({.kind = MessageKind::ProbeAddress, .device = device, .address = address});
}

Result<> System::announce_address(std::uint16_t device, Ipv4Address address) {
  if (settings_.arp_notify.load(std::memory_order_relaxed) == 0) return Ok{};
  const device::Device* const found = devices_.at(device);
  if (found == nullptr || !found->has_neighbours()) return Ok{};
  return post({.kind = MessageKind::AnnounceAddress, .device = device, .address = address});
}

Result<> System::forget_address(std::uint16_t device, Ipv4Address address) {
  return post({.kind = MessageKind::ForgetAddress, .device = device, .address = address});
}

}  // namespace linnet::neigh
