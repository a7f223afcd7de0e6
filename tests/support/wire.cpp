// SPDX-License-Identifier: BSD-3-Clause
#include "support/wire.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace linnet::tests {
namespace {

// Turns of one moment: a stack that still has work after so many is in a loop.
constexpr unsigned kMostTurns = 100'000;

bool chance(time::Random& random, double probability) {
  if (probability <= 0) return false;
  return static_cast<double>(random.next() >> 11) * 0x1.0p-53 < probability;
}

}  // namespace

Modes& modes() {
  static Modes all;
  return all;
}

// --- Segment

void Segment::impair(Plug& plug, const Impairment& by, time::Instant& free, const Bytes& frame,
                     time::Instant from, const std::function<void(Bytes, time::Instant)>& onward) {
  time::Random& random = wire_.random();
  if (plug.cut || chance(random, by.loss)) {
    ++plug.lost;
    return;
  }
  time::Instant at = from;
  if (by.bits_per_second != 0) {
    const auto bits = static_cast<std::int64_t>(frame.size() * 8);
    const auto rate = static_cast<std::int64_t>(by.bits_per_second);
    const auto takes = time::Duration::nanoseconds(bits * 1'000'000'000 / rate);
    free = std::max(free, from);
    if (free - from > takes * by.queue) {
      ++plug.lost;
      return;
    }
    free = free + takes;
    at = free;
  }
  const unsigned copies = chance(random, by.duplicate) ? 2 : 1;
  for (unsigned i = 0; i < copies; ++i) {
    Bytes bytes = frame;
    if (!bytes.empty() && chance(random, by.corrupt)) {
      bytes[random.below(bytes.size())] ^= static_cast<std::uint8_t>(1u << random.below(8));
    }
    if (!bytes.empty() && chance(random, by.truncate)) bytes.resize(random.below(bytes.size()));
    time::Instant arrival = at + by.delay;
    if (by.jitter.count_ns() > 0) {
      const auto most = static_cast<std::uint64_t>(by.jitter.count_ns());
      arrival =
          arrival + time::Duration::nanoseconds(static_cast<std::int64_t>(random.below(most)));
    }
    if (chance(random, by.reorder)) arrival = arrival + by.reorder_by;
    onward(std::move(bytes), arrival);
  }
}

void Segment::carry(Plug& from, const Bytes& frame) {
  ++from.sent;
  impair(from, from.out, from.out_free_, frame, wire_.now(),
         [&](const Bytes& bytes, time::Instant at) {
           for (Plug* to : plugs_) {
             if (to == &from) continue;
             impair(*to, to->in, to->in_free_, bytes, at, [&](Bytes last, time::Instant when) {
               wire_.at(when, [to, last = std::move(last)] {
                 ++to->arrived;
                 to->arrive(last);
               });
             });
           }
         });
}

// --- Station

Station::Station(Wire& wire, Segment& segment, MacAddress own, std::vector<Ipv4Address> theirs)
    : mac(own), addresses(std::move(theirs)), wire_(wire), segment_(segment) {
  segment.join(*this);
}

void Station::send(const Bytes& frame) {
  segment_.carry(*this, frame);
}

void Station::send(const MacAddress& to, const Bytes& datagram) {
  send(Ether{to, mac, 0x0800}.with(datagram));
}

bool Station::for_us(const FrameSeen& frame) const {
  return frame.bytes.size() >= 14 && (frame.destination == mac || frame.destination.is_group());
}

void Station::arrive(const Bytes& frame) {
  seen.push_back(Seen{parse_frame(frame), wire_.now()});
  const Seen here = seen.back();
  if (for_us(here)) {
    answer_arp(here);
    answer_echo(here);
  }
  if (script) script(here);
}

void Station::answer_arp(const FrameSeen& frame) {
  if (!answers_arp || !frame.arp || frame.arp->operation != 1) return;
  const Ipv4Address asked = frame.arp->target_ip;
  if (std::find(addresses.begin(), addresses.end(), asked) == addresses.end()) return;
  const Arp reply{.operation = 2,
                  .sender_mac = mac,
                  .sender_ip = asked,
                  .target_mac = frame.arp->sender_mac,
                  .target_ip = frame.arp->sender_ip};
  send(Ether{frame.source, mac, 0x0806}.with(reply.bytes()));
}

void Station::answer_echo(const FrameSeen& frame) {
  if (!answers_echo || frame.destination != mac || !frame.icmp || frame.icmp->type != 8) return;
  if (!frame.icmp->checksum_good || !frame.ip->checksum_good) return;
  const Ipv4Address asked = frame.ip->destination;
  if (std::find(addresses.begin(), addresses.end(), asked) == addresses.end()) return;
  const Ip header{.source = asked, .destination = frame.ip->source, .protocol = 1};
  send(frame.source,
       header.with(Icmp{.type = 0, .rest = frame.icmp->rest}.with(frame.icmp->payload)));
}

std::vector<Seen> Station::chosen(bool (*wanted)(const Seen&)) const {
  std::vector<Seen> found;
  for (const Seen& frame : seen) {
    if (for_us(frame) && wanted(frame)) found.push_back(frame);
  }
  return found;
}
std::vector<Seen> Station::datagrams() const {
  return chosen([](const Seen& frame) { return frame.ip.has_value(); });
}
std::vector<Seen> Station::icmps() const {
  return chosen([](const Seen& frame) { return frame.icmp.has_value(); });
}
std::vector<Seen> Station::arps() const {
  return chosen([](const Seen& frame) { return frame.arp.has_value(); });
}

// --- Wire

Wire::Wire(std::uint64_t seed) : now_(time::Instant::from_ns(1'000'000'000'000)), random_(seed) {}

Wire::~Wire() {
  finish();
}

Segment& Wire::add_segment() {
  segments_.push_back(std::make_unique<Segment>(*this));
  return *segments_.back();
}

Node& Wire::add_node(const std::string& name, const Node::Options& options) {
  nodes_.push_back(std::make_unique<Node>(*this, name, options));
  return *nodes_.back();
}

Station& Wire::add_station(Segment& segment, MacAddress mac, std::vector<Ipv4Address> addresses) {
  stations_.push_back(std::make_unique<Station>(*this, segment, mac, std::move(addresses)));
  return *stations_.back();
}

void Wire::at(time::Instant when, std::function<void()> what) {
  events_.emplace(std::pair(std::max(when, now_).since_origin_ns(), serial_++), std::move(what));
}

time::Instant Wire::next_moment() const {
  time::Instant next = time::Instant::never();
  if (!events_.empty()) next = time::Instant::from_ns(events_.begin()->first.first);
  for (const auto& node : nodes_)
    next = std::min(next, node->next_deadline(now_));
  return next;
}

void Wire::step(time::Instant to) {
  now_ = std::max(now_, to);
  for (unsigned turns = 0; turns < kMostTurns; ++turns) {
    bool busy = false;
    while (!events_.empty() && events_.begin()->first.first <= now_.since_origin_ns()) {
      const auto event = events_.extract(events_.begin());
      event.mapped()();
      busy = true;
    }
    for (const auto& node : nodes_)
      busy |= node->turn(now_);
    if (!busy) {
      for (const auto& node : nodes_)
        node->control(now_);
      return;
    }
  }
  complain("a stack has work without end at one moment");
}

void Wire::run_for(time::Duration by) {
  const time::Instant end = now_ + by;
  step(now_);
  for (time::Instant next = next_moment(); next <= end; next = next_moment())
    step(next);
  step(end);
}

bool Wire::quiet() const {
  if (!events_.empty()) return false;
  return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
    return !node->worked_ && node->stack_->account().held == 0;
  });
}

void Wire::run_until_quiet(time::Duration limit) {
  const time::Instant end = now_ + limit;
  step(now_);
  while (!quiet()) {
    const time::Instant next = next_moment();
    if (next > end) {
      complain("not quiet after " + std::to_string(limit.count_ms()) + " ms");
      return;
    }
    step(next);
  }
}

void Wire::complain(std::string what) {
  if (complaints_.size() < 20) complaints_.push_back(std::move(what));
}

std::vector<std::string> Wire::finish() {
  events_.clear();
  for (auto& node : nodes_) {
    // A stack that lost a packet aborts as it ends: it is left alone, so that the numbers are told.
    if (!node->finish(now_, complaints_)) static_cast<void>(node.release());
  }
  nodes_.clear();
  return std::exchange(complaints_, {});
}

}  // namespace linnet::tests
