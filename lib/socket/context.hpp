// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>

#include "device/device.hpp"
#include "device/transmitter.hpp"
#include "ip/icmp.hpp"
#include "ip/local.hpp"
#include "ip/output.hpp"
#include "packet/turn.hpp"
#include "route/addresses.hpp"
#include "socket/hand_over.hpp"
#include "socket/handles.hpp"
#include "socket/programs.hpp"
#include "socket/system.hpp"
#include "time/timer_wheel.hpp"

namespace linnet::socket {

// What the sockets of one lane stand on.
struct Context {
  System& system;
  const unsigned lane;
  const device::DeviceTable& devices;
  const route::Addresses& addresses;
  ip::Output& output;
  ip::Icmp& icmp;
  time::TimerWheel& wheel;
  device::Transmitter& transmitter;
  ip::Local& local;
  Programs programs;
  Handles handles{};
  Giver giver{system.hand_over, lane};
  // Whether a packet came where its flow is owned: so a port's spreading is measured.
  void note_place(packet::PacketRef packet, unsigned owner) const {
    device::Device* const device = devices.at(packet.meta().input_device);
    if (device == nullptr) return;
    device::QueueCounters& counters = device->counters(lane);
    (owner == lane ? counters.rx_owned : counters.rx_elsewhere).add();
  }
  // Who is told that a neighbour answers; the room of neighbours is not known here.
  using Confirm = void (*)(void* self, packet::Turn& turn, std::uint16_t device,
                           Ipv4Address next_hop);
  Confirm neighbour_answers = nullptr;
  void* neighbours = nullptr;

  void confirm(packet::Turn& turn, const ip::OutputRoute& way) const {
    if (neighbour_answers == nullptr || !way.reachable || way.device == packet::kNoDevice) return;
    if (devices.at(way.device)->has_neighbours())
      neighbour_answers(neighbours, turn, way.device, way.next_hop);
  }
  // A new socket of a session.
  void enlist(Socket& socket, LaneSession& session, std::uint32_t program) {
    socket.session = &session;
    socket.program = program;
    session.sockets.push_back(socket);
    handles.add(socket);
  }
  // The program does not know it any more.
  void strike(Socket& socket) {
    handles.remove(socket);
    socket.in_session.unlink();
    socket.waiting.unlink();
    socket.session = nullptr;
  }
  static Message event(EventKind kind, const Socket& socket) {
    Message out;
    out.kind = static_cast<std::uint8_t>(kind);
    out.socket_kind = socket.kind;
    out.program = socket.program;
    out.handle = socket.handle;
    return out;
  }
};

// A packet on its way to a program, segment by segment: each becomes one Data event.
class Parcel {
 public:
  // Takes the packet's segments; `skip` bytes at the front are not the program's. The packet is
  // settled in the ledger by the caller (delivered).
  Parcel(packet::Packet&& packet, std::uint32_t skip);
  ~Parcel() { LINNET_CHECK(first_ == nullptr); }
  Parcel(const Parcel&) = delete;
  Parcel& operator=(const Parcel&) = delete;

  std::uint32_t truesize() const { return truesize_; }
  // Writes all events; the first as `event` is, the others without addresses. There is room.
  void tell(Context& context, LaneSession& session, Message event);

 private:
  rte_mbuf* first_;
  std::uint32_t count_ = 0;     // segments
  std::uint32_t truesize_ = 0;  // of those
};

// Linux's icmp_err_convert: what an ICMP error means to a socket. `fatal`: it ends a call even
// where nobody asked for errors.
struct SocketError {
  int error = 0;  // errno; 0: it means nothing
  bool fatal = false;
};
SocketError socket_error(const ip::IcmpError& error);

}  // namespace linnet::socket
