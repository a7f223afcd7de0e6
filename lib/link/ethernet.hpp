// SPDX-License-Identifier: BSD-3-Clause
// Ethernet II input and output of one lane (Linux: eth_type_trans, __netif_receive_skb_core).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "device/device.hpp"
#include "device/transmitter.hpp"
#include "link/drops.hpp"
#include "packet/turn.hpp"
#include "wire/ethernet.hpp"

namespace linnet::link {

class EthernetInput {
 public:
  EthernetInput() = default;

  // The stage for an ethertype, as it stands in the frame; at most kMaxHandlers. A second one for
  // the same type replaces the first.
  void handle(std::uint16_t ethertype, packet::Stage stage);
  // Frames that one device received in this turn, data() at the Ethernet header. Each is checked
  // and goes, with the header pulled, to its ethertype's stage, in order within an ethertype.
  void input(packet::Turn& turn, device::Device& device, packet::Burst& burst);

 private:
  static constexpr unsigned kMaxHandlers = 4;
  struct Handler {
    be16 ethertype;
    packet::Stage stage;
  };
  unsigned find(be16 ethertype) const;
  void sort(packet::Turn& turn, device::Device& device, packet::Burst& burst, unsigned first);
  unsigned sort_out(packet::Turn& turn, device::Device& device, packet::Packet& frame);

  std::array<Handler, kMaxHandlers> handlers_{};
  unsigned count_ = 0;
};

// The way out: puts a link header in front of a network packet and gives it to the transmitter.
class EthernetOutput {
 public:
  explicit EthernetOutput(device::Transmitter& transmitter) : transmitter_(transmitter) {}

  // `packet`: data() at the network header; `header`: complete, for the device's wire.
  void send(packet::Turn& turn, std::uint16_t device, const wire::EthernetHeader& header,
            packet::Packet&& packet) {
    std::byte* const room = packet.push(sizeof header);
    if (room == nullptr) [[unlikely]] {
      send_without_room(turn, device, header, std::move(packet));
      return;
    }
    std::memcpy(room, &header, sizeof header);
    transmitter_.send(turn, device, std::move(packet));
  }
  // As `send` by a device that is there.
  void send_known(packet::Turn& turn, std::uint16_t device, const wire::EthernetHeader& header,
                  packet::Packet&& packet) {
    // A length below the shortest wraps to a huge one.
    const bool plain = packet.length() - kShortestPayload <=
                           transmitter_.longest_payload(device) - kShortestPayload &&
                       packet.plain();
    std::byte* const room = packet.push(sizeof header);
    if (room == nullptr) [[unlikely]]
      return send_without_room(turn, device, header, std::move(packet));
    std::memcpy(room, &header, sizeof header);
    const std::uint64_t bytes = packet.length();
    rte_mbuf* const frame = packet.release();
    transmitter_.send_all(turn, device, &frame, 1, plain, bytes);
  }

  // For a device without a link layer: the packet goes as it is.
  void send_plain(packet::Turn& turn, std::uint16_t device, packet::Packet&& packet) {
    transmitter_.send(turn, device, std::move(packet));
  }

  // As `send` for the packets from `first` on, before `last`, that have the Meta::hop of the first
  // one; those go to one neighbour. Returns where they end; the burst gives them up.
  unsigned send_row(packet::Turn& turn, std::uint16_t device, const wire::EthernetHeader& header,
                    packet::Burst& burst, unsigned first, unsigned last);

 private:
  void send_without_room(packet::Turn& turn, std::uint16_t device,
                         const wire::EthernetHeader& header, packet::Packet&& packet);
  static constexpr std::uint32_t kShortestPayload =
      wire::kEthernetMinFrame - sizeof(wire::EthernetHeader);
  device::Transmitter& transmitter_;
};

}  // namespace linnet::link
