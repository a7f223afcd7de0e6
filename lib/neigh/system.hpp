// SPDX-License-Identifier: BSD-3-Clause
// The neighbour cache as all lanes and the control core share it. The control core reads the table
// and asks the owner lane for changes; it never writes it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "base/result.hpp"
#include "base/siphash.hpp"
#include "device/device.hpp"
#include "neigh/host.hpp"
#include "neigh/mailbox.hpp"
#include "neigh/neighbours.hpp"
#include "neigh/table.hpp"

namespace linnet::neigh {

class System {
 public:
  struct Options {
    std::uint32_t capacity = 4096;        // entries, permanent ones included; 16 to 1048576
    std::uint32_t pending_packets = 512;  // that wait for resolution, all neighbours together
    std::uint32_t ring = 1024;            // messages from one lane to the owner
    unsigned lanes = 1;                   // 1 to device::kMaxQueues
    SipKey key{};                         // the secret of the look-up's hash
  };
  // What `ip neigh add|change|replace` names.
  struct Request {
    std::uint16_t device = 0;
    Ipv4Address address;
    std::optional<MacAddress> mac;  // left out: an entry that exists keeps its own
    Nud state = Nud::Permanent;
  };
  enum class Change { Add, Replace, Change };  // NLM_F_EXCL, NLM_F_CREATE, neither
  enum class DeviceEvent : std::uint8_t { AdminDown, CarrierDown, MacChanged };

  static Result<std::unique_ptr<System>> create(const Options& options,
                                                const device::DeviceTable& devices,
                                                const Host& host);
  ~System();

  Settings& settings() { return settings_; }

  // --- Control core: reading. `now` dates the "ago" fields. Proxy entries come last.
  void list(time::Instant now, const std::function<void(const NeighbourInfo&)>& visit) const;
  std::optional<NeighbourInfo> find(time::Instant now, std::uint16_t device,
                                    Ipv4Address address) const;
  struct Counts {
    std::uint32_t entries = 0, incomplete = 0, capacity = 0;
    std::uint32_t pending_packets = 0, pending_bytes = 0;
    std::uint64_t refused_changes =
        0;  // asked for, but the table was full when the owner came to it
  };
  Counts counts() const;

  // --- Control core: asking the owner. Errors are Linux's ("File exists", "No such file or
  // directory", "Invalid argument", "Cannot find device") and change nothing. The change is made in
  // the owner's next turn; later requests here already see it, `list` when all are carried out.
  Result<> change(const Request& request, Change how);
  Result<> remove(std::uint16_t device, Ipv4Address address);
  Result<> add_proxy(std::uint16_t device, Ipv4Address address);
  Result<> remove_proxy(std::uint16_t device, Ipv4Address address);
  // As `ip neigh flush`: of one device or all, in one state or (none named) all but PERMANENT and
  // NOARP. Returns how many entries match now.
  Result<std::size_t> flush(std::optional<std::uint16_t> device, std::optional<Nud> state);
  // Linux: neigh_ifdown, neigh_carrier_down (permanent entries stay), neigh_changeaddr.
  Result<> device_changed(std::uint16_t device, DeviceEvent event);
  // RFC 5227: probes, then AddressFree and announcements, or AddressDuplicate. The address must be
  // tentative in route::Addresses meanwhile.
  Result<> probe_address(std::uint16_t device, Ipv4Address address);
  // Gratuitous ARP for an address that was added (does nothing unless arp_notify is set).
  Result<> announce_address(std::uint16_t device, Ipv4Address address);
  // The address was removed: its probes and announcements stop.
  Result<> forget_address(std::uint16_t device, Ipv4Address address);

  // Whether the owner has come to all that was asked.
  bool carried_out() const { return mailbox_.applied() == ticket_; }

  // What the owner has to tell. False: nothing.
  bool next_event(Event& event) { return events_.pop(event); }
  // Whether the owner lane has messages to take: it must not sleep.
  bool work_for_owner() const { return mailbox_.waiting(); }

  // --- For the resolvers.
  Table& table() { return table_; }
  Mailbox& mailbox() { return mailbox_; }
  table::Ring<Event>& events() { return events_; }
  const Options& options() const { return options_; }
  const device::DeviceTable& devices() const { return devices_; }
  const Host& host() const { return host_; }

 private:
  // What a request that the owner has not come to yet will make of a key.
  struct Outstanding {
    std::uint64_t ticket;
    std::uint64_t key;
    bool proxy;
    bool exists;
  };
  System(const Options& options, const device::DeviceTable& devices, const Host& host);
  Result<> check_target(std::uint16_t device, Ipv4Address address) const;
  bool will_exist(std::uint64_t key, bool proxy);
  Result<> post(const Message& message);
  Result<> post_change(const Message& message, bool proxy, bool exists);
  NeighbourInfo info_of(const EntryView& entry, time::Instant now) const;

  Options options_;
  const device::DeviceTable& devices_;
  const Host& host_;
  Settings settings_;
  Table table_;
  Mailbox mailbox_;
  table::Ring<Event> events_;
  std::deque<Outstanding> outstanding_;
  std::uint64_t ticket_ = 0;  // of the newest request
};

}  // namespace linnet::neigh
