// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/handover.hpp"

#include <array>
#include <chrono>
#include <cstring>
#include <istream>
#include <ostream>
#include <sstream>
#include <thread>
#include <vector>

#include "app/bench/load.hpp"
#include "app/bench/slots.hpp"
#include "base/checksum.hpp"
#include "device/device.hpp"
#include "socket/drops.hpp"
#include "stack/eal.hpp"
#include "stack/runner.hpp"
#include "stack/stack.hpp"
#include "time/clock.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/pseudo_header.hpp"
#include "wire/tcp.hpp"

namespace linnet::bench {
namespace {

constexpr unsigned kLanes = 2;
const Ipv4Address kOurs(198, 18, 0, 1), kTheirs(198, 18, 0, 2);
const MacAddress kMac({2, 0, 0, 0, 0, 1});

struct Frame {
  wire::EthernetHeader ethernet{kMac, MacAddress({2, 0, 0, 0, 0, 2}), be16(wire::ethertype::kIpv4)};
  wire::Ipv4Header ip{};
  wire::TcpHeader tcp{};
};

Frame reset_from(std::uint16_t port) {
  Frame frame;
  frame.ip.set_header_length(sizeof frame.ip);
  frame.ip.total_length = be16(sizeof frame.ip + sizeof frame.tcp);
  frame.ip.ttl = 64;
  frame.ip.protocol = wire::protocol::kTcp;
  frame.ip.source = kTheirs;
  frame.ip.destination = kOurs;
  frame.ip.checksum = internet_checksum(std::as_bytes(std::span(&frame.ip, 1)));
  frame.tcp.source_port = be16(port);
  frame.tcp.destination_port = be16(9);
  frame.tcp.set_header_length(sizeof frame.tcp);
  frame.tcp.flags = 0x04;
  ChecksumSum sum = wire::pseudo_header_sum(kTheirs, kOurs, wire::protocol::kTcp);
  sum.add_host(sizeof frame.tcp);
  sum.add(std::as_bytes(std::span(&frame.tcp, 1)));
  frame.tcp.checksum = sum.checksum();
  return frame;
}

// Makes frames for each lane without end: of its own flows, or of the other lane's.
class Placer final : public device::Device {
 public:
  Placer(stack::Stack& stack, unsigned flows)
      : Device(device::Kind::Memory, "placed"), stack_(stack) {
    const socket::FlowHash& hash = stack.sockets().flow_hash;
    publish_mac(kMac);
    publish_link(true);
    set_spreads(true);
    for (std::uint16_t port = 1024; frames_[0].size() + frames_[1].size() < flows; ++port) {
      auto& of_owner =
          frames_[hash.owner(hash.of({kOurs, kTheirs, 9, port}, wire::protocol::kTcp))];
      if (of_owner.size() < flows / kLanes) of_owner.push_back(reset_from(port));
    }
  }
  // Lanes do not run.
  void place(bool wrong) {
    wrong_ = wrong;
    for (unsigned lane = 0; lane < kLanes; ++lane)
      next_[lane].made = next_[lane].ended = ended(owner_of(lane));
  }
  std::uint64_t ended(unsigned lane) const {
    return stack_.lane(lane).ledger().dropped(packet::reason_of(socket::Drop::TcpNoSocket));
  }

  unsigned receive(unsigned queue, packet::Burst& burst) override {
    rte_mbuf** const made = burst.slots() + burst.size();
    const unsigned count = burst.room();
    const unsigned owner = owner_of(queue);
    auto& [next, all, known] = next_[queue];
    // No more than the owner takes: its core may be another's for a while. Negative where what a
    // slot before left in the rings ends now. The owner writes that count for each packet, so it is
    // read only where what is known of it does not suffice.
    if (static_cast<std::int64_t>(all - known) > kUnderWay) known = ended(owner);
    if (static_cast<std::int64_t>(all - known) > kUnderWay) return 0;
    if (rte_pktmbuf_alloc_bulk(stack_.pool().raw(), made, count) != 0) return 0;
    all += count;
    const std::vector<Frame>& frames = frames_[owner];
    for (unsigned i = 0; i < count; ++i) {
      std::memcpy(rte_pktmbuf_mtod(made[i], void*), &frames[next], sizeof(Frame));
      next = next + 1 == frames.size() ? 0 : next + 1;
      made[i]->data_len = sizeof(Frame);
      made[i]->pkt_len = sizeof(Frame);
      packet::PacketRef(made[i]).reset_meta(index());
    }
    burst.set_size(burst.size() + count);
    counters(queue).rx_packets.add(count);
    return count;
  }
  // Announcements of our address go nowhere.
  unsigned transmit(unsigned /*queue*/, packet::Burst& burst) override {
    const unsigned count = burst.size();
    burst.drain([](packet::Packet&& frame) { rte_pktmbuf_free(frame.release()); });
    return count;
  }

 private:
  struct alignas(64) Place {
    std::size_t frame = 0;
    std::uint64_t made = 0;
    std::uint64_t ended = 0;  // as it was when it was looked at last
  };
  static constexpr std::int64_t kUnderWay = 1024;
  unsigned owner_of(unsigned queue) const { return wrong_ ? kLanes - 1 - queue : queue; }

  stack::Stack& stack_;
  bool wrong_ = false;
  std::array<std::vector<Frame>, kLanes> frames_;
  std::array<Place, kLanes> next_;
};

class Handover {
 public:
  static Result<std::unique_ptr<Handover>> create(const HandoverOptions& options) {
    std::unique_ptr<Handover> self(new Handover);
    stack::Options wanted;
    wanted.pool.name = "bench";
    wanted.pool.packets = options.packets;
    wanted.lanes = kLanes;
    wanted.seed = 1;
    time::TscClock clock;
    wanted.origin = clock.now();
    auto stack = stack::Stack::create(wanted);
    if (!stack) return stack.error();
    self->stack_ = std::move(stack).value();
    auto placer = std::make_unique<Placer>(*self->stack_, options.flows);
    self->placer_ = placer.get();
    auto added = self->stack_->add_device(std::move(placer));
    if (!added) return added.error();
    if (Result<> up = self->stack_->set_link(**added, true); !up) return up.error();
    route::Address address;
    address.interface = {kOurs, 24};
    if (Result<> has = self->stack_->add_address(**added, address); !has) return has.error();
    stack::RunnerOptions runner;
    runner.rests = false;
    for (unsigned lane = 0; lane < kLanes; ++lane)
      self->runners_.push_back(std::make_unique<stack::LaneRunner>(
          self->stack_->lane(lane), self->stack_->rcu(), self->stack_->devices(), runner));
    return self;
  }

  // Both lanes in turns on this thread: cycles of one packet from its device to its end.
  std::string turns(bool wrong, std::uint64_t packets) {
    placer_->place(wrong);
    const Sum before = sum();
    const double start = Stopwatch::cpu_seconds();
    time::TscClock clock;
    while (sum().ended - before.ended < packets) {
      for (int i = 0; i < 64; ++i) {
        for (const auto& runner : runners_)
          runner->take_turns(clock, 1);
      }
    }
    return told(before, Stopwatch::cpu_seconds() - start);
  }
  Result<std::string> run(bool wrong, double seconds, const stack::Eal& eal) {
    placer_->place(wrong);
    const Sum before = sum();
    const double start = Stopwatch::cpu_seconds();
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      if (Result<> started = runners_[lane]->start(*eal.lane_lcore(lane)); !started)
        return started.error();
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    for (const auto& runner : runners_)
      runner->stop();
    return told(before, Stopwatch::cpu_seconds() - start);
  }

 private:
  Handover() = default;
  struct Sum {
    std::uint64_t ended = 0, lost = 0;
  };
  Sum sum() const {
    return {stack_->dropped(packet::reason_of(socket::Drop::TcpNoSocket)),
            stack_->dropped(packet::reason_of(socket::Drop::HandOverFull))};
  }
  std::string told(const Sum& before, double seconds) const {
    const Sum now = sum();
    const double cycles = seconds * Stopwatch::nominal_frequency();
    std::ostringstream out;
    out << "{\"packets\": " << now.ended - before.ended << ", \"cycles\": " << cycles
        << ", \"lost\": " << now.lost - before.lost << "}";
    return out.str();
  }

  std::unique_ptr<stack::Stack> stack_;
  Placer* placer_ = nullptr;
  std::vector<std::unique_ptr<stack::LaneRunner>> runners_;
};

}  // namespace

Result<> run_handover(const HandoverOptions& options, std::istream& in, std::ostream& out) {
  auto eal = stack::Eal::start(eal_for(options, kLanes));
  if (!eal) return eal.error();
  auto handover = Handover::create(options);
  if (!handover) return handover.error();
  out << "{\"ready\": true}" << std::endl;
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string verb, where;
    double much = 0;
    words >> verb >> where >> much;
    if (verb == "quit") return Ok{};
    const bool known = (verb == "turns" || verb == "run") && (where == "right" || where == "wrong");
    if (!known || much <= 0)
      return Error{"not a command", line, -1, "turns or run, right or wrong, how much"};
    const bool wrong = where == "wrong";
    if (verb == "turns") {
      out << (*handover)->turns(wrong, static_cast<std::uint64_t>(much)) << std::endl;
      continue;
    }
    const Result<std::string> ran = (*handover)->run(wrong, much, **eal);
    if (!ran) return ran.error();
    out << *ran << std::endl;
  }
  return Ok{};
}

}  // namespace linnet::bench
