// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "packet/chain.hpp"
#include "packet/turn.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/tcp.hpp"

namespace linnet::device {

// Cuts a large packet (packet::PacketRef::large) into complete TCP segments, as hardware would
// (Linux: tcp_gso_segment, inet_gso_segment). Each gets the headers with its own sequence number,
// lengths and checksums; FIN and PSH stay on the last, CWR on the first, URG where the pointer
// still points ahead; IDs go up by one but for atomic datagrams, which have none (RFC 6864 4.1).
// Payload is moved over or referred to, little of it copied.
//
// The pieces are generated; the large packet is delivered when the last of them was made. Where no
// buffer is left it is dropped as SegmentNoBuffer with all that was not made yet.
class Segmentation {
 public:
  // Takes the packet; data() at its IP header behind `link_header` bytes, which Meta tells the
  // positions of.
  Segmentation(packet::Turn& turn, packet::Packet&& large, std::uint32_t link_header);
  Segmentation(const Segmentation&) = delete;
  Segmentation& operator=(const Segmentation&) = delete;
  // Whether a buffer was missing; known when `next` has given its last.
  bool failed() const { return failed_; }
  ~Segmentation() { LINNET_CHECK(!large_); }

  // Bytes of IP and TCP header of a large packet, by its Meta.
  static std::uint32_t headers_of(packet::PacketRef large);
  // How many pieces it makes; `link_header` as above.
  static std::uint32_t count_of(packet::PacketRef large, std::uint32_t link_header) {
    return large.pieces(link_header + headers_of(large));
  }

  // The next piece; empty when there is none any more. Call it until then.
  packet::Packet next();

 private:
  static constexpr std::uint32_t kMostHeaders = sizeof(wire::EthernetHeader) +
                                                wire::kIpv4MaxHeader + wire::kTcpMinHeader +
                                                wire::kTcpMaxOptions;

  void fail();
  bool take_payload(packet::Packet& piece, std::uint32_t count);
  void copy_payload(packet::Packet& piece, std::uint32_t count);
  void pass_buffer();
  void move_buffer(packet::Chain& chain);
  void finish(packet::Packet& piece, std::uint32_t count);
  template <typename T>
  T& header_at(std::uint32_t offset) {
    return *reinterpret_cast<T*>(headers_.data() + offset);
  }

  packet::Turn& turn_;
  packet::Packet large_;
  const std::uint32_t link_;    // bytes of link header
  const std::uint32_t all_;     // bytes of all headers
  std::uint32_t ip_ = 0;        // bytes of IP header
  std::uint32_t each_ = 0;      // bytes of data in a piece
  std::uint32_t left_ = 0;      // bytes of data that are in no piece yet
  std::uint32_t done_ = 0;      // bytes of data that are
  rte_mbuf* before_ = nullptr;  // the buffer in front of at_; nullptr: at_ is the first
  rte_mbuf* at_ = nullptr;      // where the next byte of data lies ...
  std::uint32_t offset_ = 0;    // ... this far from its data()
  std::uint16_t urgent_ = 0;    // the large packet's pointer, 0 without URG
  std::uint8_t flags_ = 0;      // its flags
  bool failed_ = false;
  std::array<std::byte, kMostHeaders> headers_;  // of the next piece
};

}  // namespace linnet::device
