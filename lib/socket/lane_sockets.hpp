// SPDX-License-Identifier: BSD-3-Clause
// All sockets of one lane, and its side of the channels to programs.
//
//   begin(turn): what other lanes handed over, requests of programs, events that waited for room
//   ... timers and received bursts call the stages ...
//   end(turn): tells programs what happened
//   after_turn(): wakes who sleeps; outside of the data path
#pragma once

#include "socket/context.hpp"
#include "socket/datagrams.hpp"
#include "socket/tcp_sockets.hpp"
#include "udp/input.hpp"

namespace linnet::socket {

class LaneSockets {
 public:
  LaneSockets(System& system, unsigned lane, const device::DeviceTable& devices,
              const route::Addresses& addresses, ip::Output& output, ip::Icmp& icmp,
              time::TimerWheel& wheel, device::Transmitter& transmitter, ip::Local& local);

  // The stages of protocols 6 and 17.
  packet::Stage tcp_stage() { return packet::Stage::of<&TcpSockets::input>(tcp_); }
  packet::Stage udp_stage() { return packet::Stage::of<&udp::Input::input>(udp_); }

  // Shows packet sockets what a device received, data() at the link header. Nothing without them.
  void received(packet::Turn& turn, std::uint16_t device, packet::Burst& burst) {
    if (datagrams_.taps()) [[unlikely]]
      datagrams_.tap(turn, device, burst, false);
  }

  // True: there was something to do.
  bool begin(packet::Turn& turn, Answers answers);
  bool end(packet::Turn& turn, Answers answers);
  void after_turn();
  // Ends all sockets without a word, for shutdown of the stack.
  void clear(packet::Turn& turn);

  // --- Control core: what sockets there are. `ask` from any thread, then the lane answers in its
  // turns until `survey.done`; or `survey` on the thread that gives the lane its turns. False: the
  // lane answers another one.
  bool ask(Survey& survey);
  void survey(time::Instant now, Survey& survey);
  // The lane takes no more turns: takes the question back.
  void withdraw(Survey& survey);

  // Who hears that a neighbour answers: ACKs of ours came by way of it.
  void on_neighbour_answers(Context::Confirm confirm, void* self) {
    context_.neighbour_answers = confirm;
    context_.neighbours = self;
  }

  TcpSockets& tcp() { return tcp_; }
  Datagrams& datagrams() { return datagrams_; }
  udp::Input& udp() { return udp_; }
  const tcp::Counters& tcp_counters() const { return tcp_counters_; }
  // Packets that were given to other lanes.
  std::uint64_t handovers() const { return context_.giver.packets(); }
  // Requests that made no sense: an unknown kind, a socket of another kind.
  std::uint64_t bad_requests() const { return bad_requests_.value(); }

 private:
  void tell_orphans();
  unsigned take_handed_over(packet::Turn& turn);
  void take_packet(packet::Turn& turn, packet::Packet&& packet);
  bool take_fragment(packet::Turn& turn, packet::Packet& packet);
  unsigned take_packets(packet::Turn& turn, HandOver::Packets& ring);
  unsigned take_messages(packet::Turn& turn, HandOver::Messages& ring);
  bool take_message(packet::Turn& turn);
  unsigned take_requests(packet::Turn& turn, LaneSession& session);
  void carry_out(packet::Turn& turn, LaneSession& session, const Message& request);
  void carry_out(packet::Turn& turn, TcpSocket& socket, const Message& request);
  void carry_out(packet::Turn& turn, Listener& listener, const Message& request);
  void carry_out(packet::Turn& turn, DatagramSocket& socket, const Message& request);
  void without_socket(packet::Turn& turn, LaneSession& session, const Message& request);
  void take_back(LaneSession& session, std::uint32_t buffer, Socket* socket);
  void answer_query(packet::Turn& turn, Socket& socket, const Message& request);
  void go_on(packet::Turn& turn, LaneSession& session);
  unsigned end_session(packet::Turn& turn, LaneSession& session);
  void close(packet::Turn& turn, Socket& socket);

  bool survey_some(time::Instant now, Survey& survey);
  void survey_others(Survey& survey);

  Context context_;
  std::atomic<Survey*> question_{nullptr};
  std::uint32_t question_cursor_ = 0;
  LaneMessage message_{};   // of another lane
  bool postponed_ = false;  // it waits for room in its program's event ring
  tcp::Counters tcp_counters_;
  udp::Input udp_;
  TcpSockets tcp_;
  Datagrams datagrams_;
  packet::Counter bad_requests_;
};

}  // namespace linnet::socket
