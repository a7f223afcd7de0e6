// SPDX-License-Identifier: BSD-3-Clause
// wire.hpp's Node: a whole stack, driven by the wire.
#include <algorithm>
#include <array>
#include <deque>

#include "base/check.hpp"
#include "device/memory_port.hpp"
#include "stack/lane_state.hpp"
#include "support/layouts.hpp"
#include "support/lowest_port.hpp"
#include "support/poison.hpp"
#include "support/wire.hpp"

namespace linnet::tests {
namespace {

// The control core takes a turn so long after something happened.
constexpr auto kControlDelay = time::Duration::milliseconds(50);
// A lane's wheel steps in milliseconds: a deadline that is now was looked at already.
constexpr auto kTick = time::Duration::milliseconds(1);

// Frames offered to a lane's turn: as many as it takes.
constexpr std::size_t kAtOnce = 32;

template <typename T>
T&& need(Result<T>&& result) {
  if (!result.ok()) {
    std::fprintf(stderr, "refused: %s\n", result.error().text().c_str());
    LINNET_CHECK(result.ok());
  }
  return std::move(result).value();
}

}  // namespace

struct Node::Port final : Plug {
  Port(Node& owner, Segment& where, std::string label)
      : node(owner), segment(where), name(std::move(label)) {}
  void arrive(const Bytes& frame) override {
    rte_mbuf* const mbuf = lay_out_plainly(node.stack_->pool().raw(), frame);
    if (mbuf == nullptr) {
      ++node.missed_;
      return;
    }
    expose_only_data(mbuf);
    arrived[node.lane_of(frame)].push_back(mbuf);
  }
  ~Port() override { discard(); }
  void discard() {
    for (auto& queue : arrived) {
      for (rte_mbuf* const mbuf : queue)
        rte_pktmbuf_free(mbuf);
      queue.clear();
    }
  }
  // Moves what a lane's turn may take to where it takes it. True if there was something.
  bool offer(unsigned lane) {
    std::deque<rte_mbuf*>& queue = arrived[lane];
    bool any = false;
    while (memory->inbound() < kAtOnce && !queue.empty()) {
      memory->inject(packet::Packet(queue.front()));
      queue.pop_front();
      any = true;
    }
    return any;
  }

  Node& node;
  Segment& segment;
  const std::string name;
  device::Device* device = nullptr;
  device::MemoryPort* memory = nullptr;
  // By lane, as a NIC's receive-side scaling spreads them.
  std::array<std::deque<rte_mbuf*>, device::kMaxQueues> arrived;
};

Node::Node(Wire& wire, std::string name, const Options& options)
    : wire_(wire), name_(std::move(name)) {
  static unsigned serial = 0;
  stack::Options wanted;
  wanted.lanes = modes().lanes;
  wanted.pool.name = "wire" + std::to_string(serial++);
  wanted.pool.packets = options.packets;
  wanted.pool.data_room = options.data_room;
  wanted.pool.cache = 0;
  wanted.pool.ops = poison_ops();
  wanted.neighbour_capacity = options.neighbours;
  wanted.seed = wire.random().next();
  wanted.origin = wire.now();
  stack_ = need(stack::Stack::create(wanted));
  arm(stack_->pool());
  for (const auto& [reason, text] : stack::all_drop_reasons())
    reasons_.emplace_back(reason, text.name);
  ip().ip_forward = options.forwarding ? 1 : 0;
}

Node::~Node() = default;

device::Device& Node::add_port(const std::string& name, Segment& segment, MacAddress mac,
                               std::uint32_t mtu) {
  auto port = std::make_unique<Port>(*this, segment, name);
  std::unique_ptr<device::Device> made;
  if (modes().lowest) {
    auto lowest = std::make_unique<LowestPort>(name, mac, mtu);
    port->memory = &lowest->inner();
    made = std::move(lowest);
  } else {
    auto memory = std::make_unique<device::MemoryPort>(name, mac, mtu);
    port->memory = memory.get();
    made = std::move(memory);
  }
  port->device = need(stack_->add_device(std::move(made)));
  segment.join(*port);
  ports_.push_back(std::move(port));
  set_link(name, true);
  return *ports_.back()->device;
}

void Node::add_address(const std::string& port, const std::string& interface) {
  route::Address address;
  address.interface = interface_of(interface);
  need(stack_->add_address(this->port(port), address));
}

void Node::add_route(const std::string& prefix, const std::string& gateway,
                     const std::string& port) {
  route::RouteSpec spec;
  spec.prefix = net(prefix);
  route::HopSpec hop;
  if (!gateway.empty()) hop.gateway = tests::ip(gateway);
  if (!port.empty()) hop.device = index(port);
  spec.hops.push_back(hop);
  add_route(spec);
}

void Node::add_route(const route::RouteSpec& spec) {
  need(stack_->routes().add(spec));
}

void Node::add_neighbour(const std::string& port, Ipv4Address address, MacAddress mac) {
  need(stack_->neighbours().change(
      {.device = index(port), .address = address, .mac = mac, .state = neigh::Nud::Permanent},
      neigh::System::Change::Replace));
}

void Node::set_link(const std::string& port, bool up) {
  need(stack_->set_link(this->port(port), up));
}

Node::Port& Node::find(const std::string& name) {
  const auto found = std::find_if(ports_.begin(), ports_.end(),
                                  [&](const auto& port) { return port->name == name; });
  LINNET_CHECK(found != ports_.end());
  return **found;
}

device::Device& Node::port(const std::string& name) {
  device::Device* const device = stack_->devices().find(name);
  LINNET_CHECK(device != nullptr);
  return *device;
}
Plug& Node::plug(const std::string& port) {
  return find(port);
}
std::uint16_t Node::index(const std::string& name) {
  return port(name).index();
}
std::optional<neigh::NeighbourInfo> Node::neighbour(const std::string& port, Ipv4Address address) {
  return stack_->neighbours().find(wire_.now(), index(port), address);
}

void Node::set_tx_ring(const std::string& port, std::size_t frames) {
  find(port).memory->set_ring_size(frames);
}
void Node::set_carrier(const std::string& port, bool up) {
  find(port).memory->set_link(up);
  worked_ = true;  // the control core looks soon
}
void Node::inject(const std::string& port, rte_mbuf* frame) {
  LINNET_CHECK(frame != nullptr);
  expose_only_data(frame);
  find(port).arrived[0].push_back(frame);
}

linnet::ip::SendResult Node::send(const linnet::ip::SendRequest& request, const Bytes& segment) {
  stack::LaneState& lane = stack_->lane(0).state();
  packet::Turn turn{wire_.now(), lane.ledger, lane.pool, lane.random, 0};
  rte_mbuf* const mbuf = lay_out_plainly(stack_->pool().raw(), segment);
  LINNET_CHECK(mbuf != nullptr);
  packet::Packet packet(mbuf);
  packet.reset_meta();
  packet.meta().flags = packet::Meta::kGenerated;
  packet.meta().input_device = packet::kNoDevice;
  turn.ledger.generated.add();
  const linnet::ip::SendResult result = lane.output.send(turn, std::move(packet), request);
  lane.transmitter.flush(turn);
  worked_ = true;
  return result;
}

// --- Driven by the wire.

// The lane of a frame: one for all frames between two addresses, in both directions, as symmetric
// receive-side scaling without ports; others by their source.
unsigned Node::lane_of(const Bytes& frame) const {
  const unsigned lanes = stack_->lanes();
  if (lanes == 1 || modes().lowest) return 0;
  const FrameSeen seen = parse_frame(frame);
  if (!seen.ip) return frame.size() < 12 ? 0 : frame[11] % lanes;
  return (seen.ip->source.host() + seen.ip->destination.host()) % lanes;
}

bool Node::turn(time::Instant now) {
  bool busy = false;
  for (const auto& program : programs_)
    busy |= program();
  for (unsigned i = 0; i < stack_->lanes(); ++i) {
    for (const auto& port : ports_)
      busy |= port->offer(i);
    busy |= stack_->lane(i).turn(now);
    stack_->lane(i).after_turn();
  }
  busy |= drain_ports();
  worked_ |= busy;
  return busy;
}

bool Node::drain_ports() {
  bool any = false;
  for (const auto& port : ports_) {
    while (packet::Packet packet = port->memory->take()) {
      any = true;
      Bytes frame(packet.length());
      LINNET_CHECK(packet.copy_out(0, std::as_writable_bytes(std::span(frame))));
      rte_pktmbuf_free(packet.release());
      judge(*port, frame);
      port->segment.carry(*port, frame);
    }
  }
  return any;
}

void Node::judge(const Port& port, const Bytes& frame) {
  const FrameSeen seen = parse_frame(frame);
  bool own = false;
  for (const auto& device : stack_->devices().all()) {
    own |= seen.ip && stack_->addresses().on_device(device->index(), seen.ip->source);
  }
  std::string fault = fault_of(seen, port.device->mtu(), own);
  if (fault.empty() && seen.source != port.device->mac()) fault = "a source MAC not the port's";
  if (!fault.empty()) {
    wire_.complain(name_ + " sent " + fault + " on " + port.name + ": " + hex(frame));
  }
}

void Node::control(time::Instant now) {
  if (!worked_ || now < next_control_) return;
  worked_ = false;
  next_control_ = now + kControlDelay;
  stack_->control_turn(now);
}

time::Instant Node::next_deadline(time::Instant now) const {
  time::Instant next = time::Instant::never();
  for (unsigned i = 0; i < stack_->lanes(); ++i)
    next = std::min(next, stack_->lane(i).next_deadline());
  if (next <= now) next = now + kTick;
  return worked_ ? std::min(next, std::max(next_control_, now + kTick)) : next;
}

// --- The account.

Node::Drops Node::drops() const {
  Drops out;
  for (const auto& [reason, name] : reasons_) {
    const auto before = drops_before_.find(name);
    const std::uint64_t count =
        stack_->dropped(reason) - (before == drops_before_.end() ? 0 : before->second);
    if (count != 0) out.emplace(name, count);
  }
  return out;
}

stack::Account Node::account() const {
  stack::Account out = stack_->account();
  out.received -= account_before_.received;
  out.generated -= account_before_.generated;
  out.sent -= account_before_.sent;
  out.delivered -= account_before_.delivered;
  out.dropped -= account_before_.dropped;
  return out;
}

void Node::start_counting() {
  drops_before_.clear();
  for (const auto& [reason, name] : reasons_)
    drops_before_.emplace(name, stack_->dropped(reason));
  account_before_ = stack_->account();
}

bool Node::finish(time::Instant now, std::vector<std::string>& complaints) {
  const auto told = [&](const stack::Account& all) {
    return name_ + ": received " + std::to_string(all.received) + " + generated " +
           std::to_string(all.generated) + ", sent " + std::to_string(all.sent) + " + delivered " +
           std::to_string(all.delivered) + " + held " + std::to_string(all.held) + " + dropped " +
           std::to_string(all.dropped);
  };
  const stack::Account running = stack_->account();
  if (!running.balanced()) complaints.push_back("account does not balance: " + told(running));
  // The owner of the neighbour cache is lane 0: it goes last.
  for (unsigned i = stack_->lanes(); i-- > 0;)
    stack_->lane(i).clear(now);
  stack_->sockets().control_turn();
  const stack::Account last = stack_->account();
  if (!last.balanced() || last.held != 0) {
    complaints.push_back("account after the end: " + told(last));
  }
  for (const auto& port : ports_) {
    while (packet::Packet packet = port->memory->take())
      rte_pktmbuf_free(packet.release());
    port->discard();
    packet::Burst left;
    while (port->device->receive(0, left) > 0)
      left.drain([](packet::Packet&& packet) { rte_pktmbuf_free(packet.release()); });
  }
  packet::Pool& pool = stack_->pool();
  disarm(pool);
  if (pool.available() == pool.size()) return true;
  complaints.push_back(name_ + ": " + std::to_string(pool.size() - pool.available()) + " of " +
                       std::to_string(pool.size()) + " packets are missing");
  return false;
}

}  // namespace linnet::tests
