// SPDX-License-Identifier: BSD-3-Clause
// A network in one process and in virtual time: whole stacks and scripted stations on segments,
// with seeded impairment for each plug and direction.
//
//   Node (a Stack) -- port --.                 .-- port -- Node
//                            |---- Segment ----|
//   Station (test code) -----'                 '---- Station
//
// The loop takes the earliest of: a frame's arrival, a script's moment, a lane's deadline, a turn
// of a control core. Everything follows from one seed. Frames cross from stack to stack as bytes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ip/output.hpp"
#include "stack/stack.hpp"
#include "support/frames.hpp"
#include "time/random.hpp"

namespace linnet::tests {

// How tests are run, the same for all of a process.
struct Modes {
  bool lowest = false;     // ports are LowestPorts
  unsigned lanes = 1;      // of every stack, taking turns
  std::uint64_t seed = 1;  // of every network
};
Modes& modes();

// What a plug does to frames of one direction. Probabilities are 0..1.
struct Impairment {
  double loss = 0;
  double duplicate = 0;
  double reorder = 0;  // held back by `reorder_by`
  double corrupt = 0;  // one bit of the frame flips
  double truncate = 0;
  time::Duration delay = time::Duration::microseconds(10);
  time::Duration jitter{};  // uniform, on top of `delay`
  time::Duration reorder_by = time::Duration::milliseconds(3);
  std::uint64_t bits_per_second = 0;  // serialisation; 0: takes no time
  unsigned queue = 1000;              // frames that wait for serialisation; more are lost
};

class Wire;
class Segment;

// Where a stack or a station touches a segment.
class Plug {
 public:
  virtual ~Plug() = default;
  virtual void arrive(const Bytes& frame) = 0;

  Impairment out;  // towards the segment
  Impairment in;   // from it
  bool cut = false;
  std::uint64_t sent = 0, arrived = 0, lost = 0;

 private:
  friend class Segment;
  time::Instant out_free_{}, in_free_{};  // when the line is free again
};

// A hub: what one plug sends, every other plug gets.
class Segment {
 public:
  explicit Segment(Wire& wire) : wire_(wire) {}
  void join(Plug& plug) { plugs_.push_back(&plug); }
  void carry(Plug& from, const Bytes& frame);

 private:
  // Calls `onward(frame, at)` for what comes through, if anything does.
  void impair(Plug& plug, const Impairment& by, time::Instant& free, const Bytes& frame,
              time::Instant from, const std::function<void(Bytes, time::Instant)>& onward);
  Wire& wire_;
  std::vector<Plug*> plugs_;
};

// A frame as a station saw it.
struct Seen : FrameSeen {
  time::Instant at{};
};

// Scripted test code on a segment: says what it is told to, keeps what it sees.
class Station final : public Plug {
 public:
  Station(Wire& wire, Segment& segment, MacAddress mac, std::vector<Ipv4Address> addresses);

  MacAddress mac;
  std::vector<Ipv4Address> addresses;
  bool answers_arp = true;                         // requests for its addresses
  bool answers_echo = true;                        // to its addresses
  std::function<void(const FrameSeen&)> script{};  // called for each frame that it sees
  std::vector<Seen> seen;                          // everything on the segment but its own frames

  Ipv4Address address() const { return addresses.front(); }
  void send(const Bytes& frame);  // a whole Ethernet frame, now
  void send(const MacAddress& to, const Bytes& datagram);
  void arrive(const Bytes& frame) override;

  // What it saw of a kind, addressed to its MAC or to all.
  std::vector<Seen> datagrams() const;
  std::vector<Seen> icmps() const;
  std::vector<Seen> arps() const;
  void forget() { seen.clear(); }

 private:
  bool for_us(const FrameSeen& frame) const;
  std::vector<Seen> chosen(bool (*wanted)(const Seen&)) const;
  void answer_arp(const FrameSeen& frame);
  void answer_echo(const FrameSeen& frame);
  Wire& wire_;
  Segment& segment_;
};

// A whole stack with its ports.
class Node {
 public:
  struct Options {
    std::uint32_t packets = 1024;
    std::uint16_t data_room = 2048 + RTE_PKTMBUF_HEADROOM;
    std::uint32_t neighbours = 1024;
    bool forwarding = false;
  };
  Node(Wire& wire, std::string name, const Options& options);
  ~Node();

  // --- Configuration; a refusal ends the test with the reason.
  device::Device& add_port(const std::string& name, Segment& segment, MacAddress mac,
                           std::uint32_t mtu = 1500);
  void add_address(const std::string& port, const std::string& interface);
  // "10.0.0.0/8" by a gateway, a port, or both.
  void add_route(const std::string& prefix, const std::string& gateway,
                 const std::string& port = "");
  void add_route(const route::RouteSpec& spec);
  // A neighbour that needs no ARP.
  void add_neighbour(const std::string& port, Ipv4Address address, MacAddress mac);
  void set_link(const std::string& port, bool up);
  void loopback_up() { set_link("lo", true); }

  stack::Stack& stack() { return *stack_; }
  stack::LaneState& lane(unsigned index) { return stack_->lane(index).state(); }
  linnet::ip::Settings& ip() { return stack_->ip_settings(); }
  neigh::Settings& neigh() { return stack_->neigh_settings(); }
  device::Device& port(const std::string& name);
  Plug& plug(const std::string& port);
  std::uint16_t index(const std::string& name);
  std::optional<neigh::NeighbourInfo> neighbour(const std::string& port, Ipv4Address address);

  // A program on the stack: called before the lanes' turns, says whether it did anything.
  void add_program(std::function<bool()> program) { programs_.push_back(std::move(program)); }

  // --- Faults.
  // At most this many frames fit into the port's TX ring in one turn.
  void set_tx_ring(const std::string& port, std::size_t frames);
  // The carrier as the driver sees it.
  void set_carrier(const std::string& port, bool up);
  // Frames that came when no buffer was free.
  std::uint64_t missed() const { return missed_; }

  // Puts a packet (in buffers of this stack's pool) into a port, for the next turn.
  void inject(const std::string& port, rte_mbuf* frame);
  // What a protocol of this stack sends: `segment` is the transport header and data.
  linnet::ip::SendResult send(const linnet::ip::SendRequest& request, const Bytes& segment);

  // --- The account.
  using Drops = std::map<std::string, std::uint64_t>;  // "ip.BadChecksum" and how often
  Drops drops() const;                                 // since the last `start_counting`
  stack::Account account() const;                      // likewise
  void start_counting();
  const std::string& name() const { return name_; }

 private:
  friend class Wire;
  struct Port;
  bool turn(time::Instant now);
  unsigned lane_of(const Bytes& frame) const;
  bool drain_ports();
  void judge(const Port& port, const Bytes& frame);
  void control(time::Instant now);
  time::Instant next_deadline(time::Instant now) const;
  // False: packets are missing.
  bool finish(time::Instant now, std::vector<std::string>& complaints);
  Port& find(const std::string& name);

  Wire& wire_;
  std::string name_;
  std::unique_ptr<stack::Stack> stack_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<std::pair<packet::DropReason, std::string>> reasons_;
  std::map<std::string, std::uint64_t> drops_before_;
  stack::Account account_before_;
  std::uint64_t missed_ = 0;
  bool worked_ = false;  // since the last control turn
  std::vector<std::function<bool()>> programs_;
  time::Instant next_control_{};
};

class Wire {
 public:
  explicit Wire(std::uint64_t seed = modes().seed);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  Segment& add_segment();
  Node& add_node(const std::string& name, const Node::Options& options);
  Node& add_node(const std::string& name) { return add_node(name, Node::Options()); }
  Station& add_station(Segment& segment, MacAddress mac, std::vector<Ipv4Address> addresses);

  time::Instant now() const { return now_; }
  time::Random& random() { return random_; }
  // Calls `what` at its moment, in the order of the calls where moments are equal.
  void at(time::Instant when, std::function<void()> what);
  void after(time::Duration by, std::function<void()> what) { at(now_ + by, std::move(what)); }

  void run_for(time::Duration by);
  // Until nothing is on its way and no stack holds a packet, or the limit has passed: then it
  // complains.
  void run_until_quiet(time::Duration limit = time::Duration::seconds(120));

  // What is wrong: a frame that was not well formed, an account that does not balance, a packet
  // that is missing, with numbers. Frees what is on the wire and ends the stacks. Once.
  std::vector<std::string> finish();
  void complain(std::string what);

 private:
  void step(time::Instant to);
  time::Instant next_moment() const;
  bool quiet() const;

  time::Instant now_;
  time::Random random_;
  std::uint64_t serial_ = 0;
  std::map<std::pair<std::int64_t, std::uint64_t>, std::function<void()>> events_;
  std::vector<std::unique_ptr<Segment>> segments_;
  std::vector<std::unique_ptr<Station>> stations_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::string> complaints_;
};

}  // namespace linnet::tests
