// SPDX-License-Identifier: BSD-3-Clause
// What this room allocates, all of it before the first packet.
#include <algorithm>
#include <bit>
#include <utility>

#include "ip/icmp_state.hpp"
#include "ip/reassembly_state.hpp"

namespace linnet::ip {
namespace {

constexpr std::uint32_t kMaxEntries = 4096;
constexpr std::uint32_t kMinEntries = 64;
constexpr std::uint32_t kBytesAnEntry = 2048;  // the usual buffer

}  // namespace

Icmp::Icmp(Output& output, const device::DeviceTable& devices, const route::Tables& tables,
           const route::Addresses& addresses, const Settings& settings, SipKey key)
    : state_(std::make_unique<State>(output, devices, tables, addresses, settings, key)) {}

Icmp::~Icmp() = default;

FragmentStore::FragmentStore(std::uint32_t entries, SipKey key)
    : key_(key),
      mask_(std::bit_ceil(entries) - 1),
      buckets_(std::make_unique<Bucket[]>(mask_ + 1)),
      source_buckets_(std::make_unique<SourceBucket[]>(mask_ + 1)),
      datagrams_(std::make_unique<FragmentDatagram[]>(entries)),
      sources_(std::make_unique<FragmentSource[]>(entries)),
      slots_(entries) {
  LINNET_CHECK_OP(entries, <, std::uint32_t{FragmentSlot::kNone});
  for (std::uint32_t i = 0; i < entries; ++i) {
    free_.push_back(datagrams_[i]);
    free_sources_.push_back(sources_[i]);
    slots_[i].next = std::exchange(free_slot_, static_cast<std::uint16_t>(i));
  }
}

FragmentStore::~FragmentStore() {
  LINNET_CHECK_OP(datagrams_in_use_, ==, 0u);
  while (free_.pop_front() != nullptr) {
  }
  while (free_sources_.pop_front() != nullptr) {
  }
}

Reassembly::State::State(time::TimerWheel& wheel_in, const Settings& settings_in, SipKey key,
                         packet::Stage stage)
    : wheel(wheel_in),
      settings(settings_in),
      expired(stage),
      store(
          std::clamp(settings_in.ipfrag_high_thresh.load(std::memory_order_relaxed) / kBytesAnEntry,
                     kMinEntries, kMaxEntries),
          key) {}

Reassembly::Reassembly(time::TimerWheel& wheel, const Settings& settings, SipKey key,
                       packet::Stage expired)
    : state_(std::make_unique<State>(wheel, settings, key, expired)) {}

Reassembly::~Reassembly() {
  LINNET_CHECK_OP(held_packets(), ==, 0u);
  while (FragmentDatagram* const datagram = state_->store.banned().front())
    state_->close(*datagram);
}

}  // namespace linnet::ip
