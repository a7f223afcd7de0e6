// SPDX-License-Identifier: BSD-3-Clause
// Sockets without connections: UDP, ping, raw IP, packet. What they have in common stands here;
// how each kind is found and how it sends, in files of their own.
#pragma once

#include <cstdint>
#include <span>

#include "socket/bound_table.hpp"
#include "socket/bpf.hpp"
#include "socket/context.hpp"
#include "udp/input.hpp"

namespace linnet::socket {

struct DatagramSocket : Socket {
  explicit DatagramSocket(Kind kind_in) : Socket(Role::Datagram, kind_in) {}

  Endpoint local{}, peer{};  // peer.port 0 (raw: address any): not connected
  OptionSet options{};
  std::uint32_t protocol = 0;  // raw: IP protocol; packet: ethertype, 3: all
  std::uint32_t charged = 0;   // bytes of truesize with the program, of this lane's packets
  // What this lane has taken of the buffer that all lanes of the socket share (`Ports`).
  std::uint32_t taken = 0;
  Ticket ticket = 0;  // 0: shared with nobody
  std::uint32_t generation = 0;
  bool shut_read = false, shut_write = false;

  ListHook in_group;  // of the same binding
  std::uint32_t group = kNoGroup;
  bool in_connected = false;
  ListHook in_kind;  // raw and packet sockets: all of the lane
  BpfFilter filter{};

  // A datagram that a program is sending in several buffers.
  packet::Packet train{};
  Message train_first{};
  bool train_too_long = false;

  bool connected() const { return peer.port != 0; }
  Flow flow() const { return {local.address, peer.address, local.port, peer.port}; }
};

class Datagrams {
 public:
  Datagrams(Context& context, udp::Input& udp);
  ~Datagrams();

  // --- Requests of programs. A socket that is named is one of ours.
  void open(packet::Turn& turn, LaneSession& session, const Message& request);
  void set_peer(packet::Turn& turn, DatagramSocket& socket, const Message& request);
  void send_to(packet::Turn& turn, DatagramSocket& socket, const Message& request);
  void set_option(DatagramSocket& socket, const Message& request);
  void shutdown(DatagramSocket& socket, std::uint64_t how);
  // A buffer of a Data event came back.
  void uncharge(DatagramSocket& socket, std::uint32_t truesize) {
    socket.charged -= std::min(socket.charged, truesize);
    if (socket.taken > socket.charged) give_back_space(socket);
  }
  void close(packet::Turn& turn, DatagramSocket& socket);

  // --- Packets. Stages: data() at the transport header.
  void udp_input(packet::Turn& turn, packet::Burst& burst);
  // As `udp_input` for a packet that another lane gave.
  void input_owned(packet::Turn& turn, packet::Packet&& packet);
  void echo_reply_input(packet::Turn& turn, packet::Burst& burst);
  // ICMP errors about what we sent. False: no socket of ours did.
  bool udp_error(packet::Turn& turn, const ip::ErrorReport& report);
  bool echo_error(packet::Turn& turn, const ip::ErrorReport& report);

  // Copies for raw sockets of a datagram, data() at its IPv4 header. True: one wanted it.
  bool raw_input(packet::Turn& turn, packet::PacketRef packet);
  // Copies for packet sockets of frames that came in or go out.
  bool taps() const { return !packets_.empty(); }
  void tap(packet::Turn& turn, std::uint16_t device, packet::Burst& burst, bool outgoing);

  std::uint32_t size() const { return slab_.used(); }

 private:
  using Connected = table::FlowTable;
  struct Space {
    Space(const FlowHash& hash, std::uint8_t protocol_in)
        : protocol(protocol_in), connected(64, 1u << 20), bound(hash, protocol_in) {}
    const std::uint8_t protocol;
    Connected connected;
    BoundTable<DatagramSocket> bound;
  };

  Space& space_of(const DatagramSocket& socket) { return socket.kind == Kind::Ping ? ping_ : udp_; }
  bool enter(DatagramSocket& socket);
  void leave(DatagramSocket& socket);
  DatagramSocket* find(Space& space, const Flow& flow, std::uint16_t device);
  // Of the receive buffer, bytes of truesize.
  std::uint32_t space_of_all(const DatagramSocket& socket) const;
  std::uint32_t share_of(std::uint32_t space) const;
  bool take_space(DatagramSocket& socket, std::uint32_t size);
  void give_back_space(DatagramSocket& socket);
  void share_with_lanes(DatagramSocket& socket, Ticket ticket);
  // Hands the packet to the socket's program; `skip` bytes in front are not the program's. Ends it.
  bool given_away(packet::Turn& turn, packet::Packet& packet, const Flow& flow);
  void deliver_to_one(packet::Turn& turn, packet::Packet&& packet, const Flow& flow,
                      const Message& like);
  void deliver(packet::Turn& turn, DatagramSocket& socket, packet::Packet&& packet,
               std::uint32_t skip, const Message& like);
  void hear(packet::Turn& turn, DatagramSocket& socket, packet::PacketRef packet,
            std::uint32_t skip, const BpfFilter::Ancillary& about, const Message& like);
  int send_raw(packet::Turn& turn, DatagramSocket& socket, packet::Packet&& packet,
               const Message& request);
  int send_packet(packet::Turn& turn, DatagramSocket& socket, packet::Packet&& packet,
                  const Message& request);
  void attach_filter(DatagramSocket& socket, const Message& request);
  void watch();
  void tell_error(DatagramSocket& socket, int error);
  bool report(packet::Turn& turn, Space& space, const Flow& flow, const ip::ErrorReport& report);
  void finish(packet::Turn& turn, DatagramSocket& socket, packet::Packet&& packet,
              const Message& request);
  int send_udp(packet::Turn& turn, DatagramSocket& socket, packet::Packet&& packet,
               const Message& request);
  int send_ping(packet::Turn& turn, DatagramSocket& socket, packet::Packet&& packet,
                const Message& request);
  ip::SendRequest request_for(const DatagramSocket& socket, const Message& request) const;
  // 0, or why the datagram cannot go that way.
  int judge(const DatagramSocket& socket, const ip::SendRequest& request,
            const ip::OutputRoute& way) const;
  int refuse(packet::Turn& turn, packet::Packet&& packet, int error) const;

  Context& context_;
  udp::Input& input_;
  Slab<DatagramSocket> slab_;
  Space udp_, ping_;
  using Kinds = IntrusiveList<DatagramSocket, &DatagramSocket::in_kind>;
  Kinds raw_, packets_;
};

// What Output::send answered, as an errno; 0: sent.
int error_of(ip::SendResult result);

}  // namespace linnet::socket
