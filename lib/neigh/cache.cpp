// SPDX-License-Identifier: BSD-3-Clause
// Reading: Linux net/core/neighbour.c (neigh_timer_handler, __neigh_event_send, __neigh_update,
// neigh_invalidate), RFC 4861 section 7.3.
#include "neigh/cache.hpp"

#include <algorithm>
#include <utility>

#include "device/drops.hpp"

namespace linnet::neigh {
namespace {

using packet::Packet;
using packet::Turn;
using time::Duration;
using time::Instant;

Duration milliseconds(const std::atomic<std::uint32_t>& setting) {
  return Duration::milliseconds(setting.load(std::memory_order_relaxed));
}

// Linux never waits less than HZ/100 for a neighbour.
constexpr Duration kShortest = Duration::milliseconds(10);

}  // namespace

Cache::Record* Cache::find(std::uint64_t key) {
  const std::uint32_t index = table_.find(key);
  return index == Table::kNone ? nullptr : &records_[index];
}

Cache::Record* Cache::create(Turn& turn, std::uint64_t key, bool counts) {
  const bool room = make_room(turn);
  if (counts && !room) return nullptr;
  EntryView entry;
  entry.key = key;
  entry.confirmed = turn.now - milliseconds(settings_.base_reachable_time_ms) * 2;
  entry.updated = turn.now;
  const std::uint32_t index = table_.insert(entry);
  if (index == Table::kNone) return nullptr;
  Record& record = records_[index];
  record.key = key;
  record.mac = MacAddress();
  record.state = Nud::None;
  record.probes = 0;
  record.created = record.updated = turn.now;
  record.confirmed = entry.confirmed;
  high_water_ = std::max(high_water_, index + 1);
  ++gc_entries_;
  if (!gc_timer_.armed())
    wheel_.arm(gc_timer_, turn.now + milliseconds(settings_.base_reachable_time_ms) / 2);
  return &record;
}

void Cache::erase(Turn& turn, Record& record) {
  wheel_.cancel(record);
  while (Packet packet = pending_.take(turn, record.waiting))
    turn.drop(std::move(packet), Drop::EntryDeleted);
  if (record.state == Nud::Incomplete) --incomplete_;
  if (counts_for_gc(record.state)) --gc_entries_;
  record.key = 0;
  record.state = Nud::None;
  table_.erase(index_of(record));
}

void Cache::publish(const Record& record) {
  EntryView entry;
  entry.key = record.key;
  entry.link.state = record.state;
  entry.link.probes = record.probes;
  entry.confirmed = record.confirmed;
  entry.updated = record.updated;
  const device::Device* const device = devices_.at(device_of(record.key));
  if (has_mac(record.state) && device != nullptr)
    entry.link.header = {record.mac, device->mac(), be16(wire::ethertype::kIpv4)};
  table_.publish(index_of(record), entry);
}

void Cache::publish_gauges() {
  table_.incomplete.store(incomplete_, std::memory_order_relaxed);
  table_.pending_packets.store(pending_.packets(), std::memory_order_relaxed);
  table_.pending_bytes.store(static_cast<std::uint32_t>(pending_.bytes()),
                             std::memory_order_relaxed);
}

// --- The machine.

void Cache::apply(Turn& turn, Record& record, NudEvent event) {
  const NudStep& step = nud_step(record.state, event);
  if (step.next != record.state)
    enter(turn, record, step.next);
  else if ((step.actions & NudStep::kRestart) != 0)
    arm(turn, record);
  const bool ask = (step.actions & NudStep::kSolicit) != 0;
  if (ask) ++record.probes;
  publish(record);
  if (ask) solicit(turn, record);
  if ((step.actions & NudStep::kSend) != 0) send_waiting(turn, record);
  // Last: what becomes of the packets may come back here and evict this very record.
  if ((step.actions & NudStep::kReport) != 0) report_waiting(turn, record);
}

void Cache::enter(Turn& turn, Record& record, Nud state) {
  if (record.state == Nud::Incomplete) --incomplete_;
  if (state == Nud::Incomplete) ++incomplete_;
  if (counts_for_gc(record.state)) --gc_entries_;
  if (counts_for_gc(state)) ++gc_entries_;
  record.state = state;
  record.updated = turn.now;
  if (state == Nud::Incomplete || state == Nud::Probe) record.probes = 0;
  if (state == Nud::Reachable) {
    // RFC 4861 6.3.2: uniform between 0.5 and 1.5 times the base.
    const Duration base = milliseconds(settings_.base_reachable_time_ms);
    const auto span = static_cast<std::uint64_t>(base.count_ns()) + 1;
    record.reachable_time =
        base / 2 + Duration::nanoseconds(static_cast<std::int64_t>(turn.random.below(span)));
  }
  arm(turn, record);
}

void Cache::arm(Turn& turn, Record& record) {
  Instant at = turn.now;
  switch (record.state) {
    case Nud::Incomplete:
    case Nud::Probe:
      at = turn.now + milliseconds(settings_.retrans_time_ms);
      break;
    case Nud::Reachable:
      at = record.confirmed + record.reachable_time;
      break;
    case Nud::Delay:
      at = turn.now + milliseconds(settings_.delay_first_probe_time_ms);
      break;
    default:
      wheel_.cancel(record);
      return;
  }
  wheel_.arm(record, std::max(at, turn.now + kShortest));
}

NudEvent Cache::timer_event(const Record& record, Instant now) const {
  const Duration delay = milliseconds(settings_.delay_first_probe_time_ms);
  if (record.state == Nud::Incomplete || record.state == Nud::Probe)
    return record.probes >= probe_limit(record.state) ? NudEvent::Exhausted : NudEvent::Retry;
  const Duration fresh_for = record.state == Nud::Delay ? delay : record.reachable_time;
  if (now <= record.confirmed + fresh_for) return NudEvent::Fresh;
  const Instant used = table_.used(index_of(record));
  return used != Instant() && now <= used + delay ? NudEvent::Expired : NudEvent::ExpiredIdle;
}

void Cache::on_timer(time::Timer& timer, Instant now, void* context) {
  Record& record = static_cast<Record&>(timer);
  Cache& cache = *record.cache;
  cache.apply(*static_cast<Turn*>(context), record, cache.timer_event(record, now));
  cache.publish_gauges();
}

std::uint32_t Cache::probe_limit(Nud state) const {
  return (state == Nud::Probe ? settings_.ucast_solicit : settings_.mcast_solicit)
      .load(std::memory_order_relaxed);
}

void Cache::solicit(Turn& turn, Record& record) {
  std::optional<MacAddress> station;
  if (record.state == Nud::Probe) station = record.mac;
  arp_.solicit(turn, device_of(record.key), address_of(record.key), station,
               pending_.newest(record.waiting));
}

// --- Packets.

bool Cache::may_ask() const {
  return incomplete_ < std::max(1u, gc_limit() / 2);
}

void Cache::resolve(Turn& turn, Packet&& packet) {
  packet::Meta& meta = packet.meta();
  const std::uint64_t key = key_of(meta.output_device, meta.next_hop);
  const device::Device* const device = devices_.at(meta.output_device);
  if (device == nullptr) return turn.drop(std::move(packet), device::Drop::NoSuchDevice);
  if (!device->running()) return turn.drop(std::move(packet), device::Drop::DeviceDown);
  Record* record = find(key);
  if (record != nullptr && has_mac(record->state)) {
    send(turn, *record, std::move(packet));
    if (record->state == Nud::Stale) apply(turn, *record, NudEvent::Used);
    return;
  }
  const bool asked = record != nullptr && record->state == Nud::Incomplete;
  if (!asked && probe_limit(Nud::Incomplete) == 0) return give_up(turn, std::move(packet));
  if (!asked && !may_ask()) return turn.drop(std::move(packet), Drop::TableFull);
  if (record == nullptr) record = create(turn, key, true);
  if (record == nullptr) return turn.drop(std::move(packet), Drop::TableFull);
  meta.hop = nullptr;  // valid in its own turn only
  table_.mark_used(index_of(*record), turn.now);
  pending_.hold(turn, record->waiting, std::move(packet),
                {settings_.unres_packets.load(std::memory_order_relaxed),
                 settings_.unres_qlen_bytes.load(std::memory_order_relaxed)});
  if (!asked) apply(turn, *record, NudEvent::Used);
  publish_gauges();
}

void Cache::send(Turn& turn, Record& record, Packet&& packet) {
  PublishedHeader link;
  LINNET_CHECK(table_.read_header(index_of(record), record.key, link));
  table_.mark_used(index_of(record), turn.now);
  output_.send(turn, device_of(record.key), link.header, std::move(packet));
}

void Cache::send_waiting(Turn& turn, Record& record) {
  const bool any = record.waiting.count > 0;
  while (Packet packet = pending_.take(turn, record.waiting))
    send(turn, record, std::move(packet));
  if (any && record.state == Nud::Stale) apply(turn, record, NudEvent::Used);
}

void Cache::give_up(Turn& turn, Packet&& packet) {
  if (!unresolved_) return turn.drop(std::move(packet), Drop::ResolutionFailed);
  packet::Burst burst;
  burst.push(std::move(packet));
  unresolved_(turn, burst);
}

void Cache::report_waiting(Turn& turn, Record& record) {
  PendingList list = std::exchange(record.waiting, PendingList{});
  packet::Burst burst;
  while (Packet packet = pending_.take(turn, list)) {
    if (!unresolved_) {
      turn.drop(std::move(packet), Drop::ResolutionFailed);
      continue;
    }
    burst.push(std::move(packet));
    if (burst.full() || list.count == 0) unresolved_(turn, burst);
  }
}

void Cache::use(Turn& turn, std::uint32_t index, std::uint64_t key) {
  table_.unnudge(index);
  Record& record = records_[index];
  if (record.key == key && record.state == Nud::Stale) apply(turn, record, NudEvent::Used);
}

void Cache::confirm(Turn& turn, std::uint64_t key) {
  Record* const record = find(key);
  if (record == nullptr || !has_mac(record->state)) return;
  record->confirmed = turn.now;
  apply(turn, *record, NudEvent::Confirmed);
}

bool Cache::learn(Turn& turn, const Lesson& lesson) {
  Record* record = find(lesson.key);
  if (record == nullptr && lesson.create) record = create(turn, lesson.key, true);
  if (record == nullptr) return false;
  if (record->state == Nud::Permanent || record->state == Nud::NoArp) return true;
  const bool valid = has_mac(record->state);
  const bool same = valid && record->mac == lesson.mac;
  // Of several answers the first one counts (Linux: locktime).
  if (valid && !same && !lesson.override &&
      turn.now <= record->updated + milliseconds(settings_.locktime_ms))
    return true;
  const bool answered =
      lesson.answer && (record->state == Nud::Incomplete || record->state == Nud::Probe);
  if (!same) {
    record->mac = lesson.mac;
    record->updated = turn.now;
    record->confirmed = turn.now - milliseconds(settings_.base_reachable_time_ms) * 2;
  }
  if (answered) record->confirmed = turn.now;
  apply(turn, *record, answered ? NudEvent::Answered : same ? NudEvent::Seen : NudEvent::Moved);
  publish_gauges();
  return true;
}

// --- The control core's wishes.

void Cache::set(Turn& turn, const Message& message) {
  const std::uint64_t key = key_of(message.device, message.address);
  const bool keep_mac = (message.flags & Message::kKeepMac) != 0;
  Record* record = find(key);
  const bool may_make = (message.flags & Message::kMustExist) == 0 && !keep_mac;
  if (record == nullptr && may_make) record = create(turn, key, counts_for_gc(message.state));
  if (record == nullptr || (keep_mac && !has_mac(record->state))) {
    table_.refused_changes.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (!keep_mac) record->mac = message.mac;
  if (message.state != Nud::Stale && message.state != Nud::Delay && message.state != Nud::Probe)
    record->confirmed = turn.now;
  enter(turn, *record, message.state);
  const bool ask = message.state == Nud::Probe;
  if (ask) ++record->probes;
  publish(*record);
  if (ask) solicit(turn, *record);
  send_waiting(turn, *record);
  publish_gauges();
}

void Cache::remove(Turn& turn, std::uint64_t key) {
  Record* const record = find(key);
  if (record != nullptr) erase(turn, *record);
  publish_gauges();
}

void Cache::flush(Turn& turn, std::uint16_t device, Nud state, bool permanents) {
  for (std::uint32_t i = 0; i < high_water_; ++i) {
    Record& record = records_[i];
    if (record.key == 0) continue;
    if (device != packet::kNoDevice && device_of(record.key) != device) continue;
    const bool fixed = record.state == Nud::Permanent || record.state == Nud::NoArp;
    if (state != Nud::None ? record.state != state : fixed && !permanents) continue;
    erase(turn, record);
  }
  publish_gauges();
}

void Cache::clear(Turn& turn) {
  flush(turn, packet::kNoDevice, Nud::None, true);
  wheel_.cancel(gc_timer_);
}

}  // namespace linnet::neigh
