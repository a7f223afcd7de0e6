// SPDX-License-Identifier: BSD-3-Clause
#include "ip/fragment.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/checksum.hpp"
#include "ip/options.hpp"
#include "wire/ipv4.hpp"

namespace linnet::ip {
namespace {

// A header of 20 to 60 bytes that fragments are given.
struct Template {
  std::array<std::byte, wire::kIpv4MaxHeader> bytes;
  unsigned size = 0;

  wire::Ipv4Header& fixed() { return *reinterpret_cast<wire::Ipv4Header*>(bytes.data()); }
  std::span<std::byte> options() {
    return std::span(bytes).subspan(wire::kIpv4MinHeader, size - wire::kIpv4MinHeader);
  }
};

// The header of the fragments behind the first: only options with the copied flag.
Template later_header(Template& first) {
  Template later = first;
  std::array<std::byte, 40> options;
  const std::size_t size = fragment_options(first.options(), options);
  std::memcpy(later.bytes.data() + wire::kIpv4MinHeader, options.data(), size);
  later.size = static_cast<unsigned>(wire::kIpv4MinHeader + size);
  later.fixed().set_header_length(later.size);
  return later;
}

// A packet that holds `header` and the datagram's bytes [offset, offset + count), in as many
// buffers as that takes; empty where the pool is.
packet::Packet build(packet::Turn& turn, const packet::Packet& datagram, const Template& header,
                     std::uint32_t offset, std::uint32_t count) {
  packet::Packet out = turn.generate(packet::Pool::Priority::Data);
  if (!out) return out;
  std::memcpy(out.put(header.size), header.bytes.data(), header.size);
  while (count > 0) {
    if (out.tailroom() == 0) {
      packet::Packet more = turn.pool.allocate();
      if (!more) {
        turn.drop(std::move(out), Drop::FragmentNoBuffer);
        return packet::Packet();
      }
      out.chain(std::move(more));
    }
    const std::uint32_t part = std::min(count, out.tailroom());
    datagram.copy_out(offset, {out.put(part), part});
    offset += part;
    count -= part;
  }
  return out;
}

// The datagram's Meta with the positions of the fragment's own headers.
void copy_meta(const packet::Packet& from, const packet::Packet& to, unsigned header_size) {
  packet::Meta& meta = to.meta();
  meta = from.meta();
  meta.link_offset = 0;
  meta.network_offset = to.data_offset();
  meta.transport_offset = static_cast<std::uint16_t>(meta.network_offset + header_size);
  meta.flags &= static_cast<std::uint8_t>(~packet::Meta::kHasOptions);
  if (header_size > wire::kIpv4MinHeader) meta.flags |= packet::Meta::kHasOptions;
}

// Writes what differs from fragment to fragment, then the checksum.
void finish_header(const packet::Packet& piece, unsigned header_size, unsigned fragment_field) {
  auto& ip = *piece.header<wire::Ipv4Header>();
  ip.fragment = be16(static_cast<std::uint16_t>(fragment_field));
  ip.total_length = be16(static_cast<std::uint16_t>(piece.length()));
  ip.checksum = be16();
  ip.checksum = internet_checksum(piece.first_bytes().first(header_size));
}

Template read_header(const packet::Packet& datagram) {
  Template header;
  LINNET_CHECK(datagram.copy_out(0, std::span(header.bytes).first(wire::kIpv4MinHeader)));
  header.size = header.fixed().header_length();
  LINNET_CHECK_OP(header.size, >=, wire::kIpv4MinHeader);
  LINNET_CHECK(datagram.copy_out(0, std::span(header.bytes).first(header.size)));
  return header;
}

}  // namespace

void fragment(packet::Turn& turn, packet::Packet&& datagram, std::uint32_t mtu,
              const packet::Stage& emit) {
  mtu = std::max<std::uint32_t>(mtu, wire::kIpv4MinMtu);  // a 60-byte header and 8 bytes behind it
  Template first = read_header(datagram);
  Template later = later_header(first);
  const unsigned field = first.fixed().fragment.host();
  const std::uint32_t payload = datagram.length() - first.size;
  const std::uint32_t origin = (field & wire::Ipv4Header::kOffsetMask) * 8u;
  if (origin + payload > 65535) {  // its last pieces could not tell where they belong
    turn.drop(std::move(datagram), Drop::FragmentTooLong);
    return;
  }
  packet::Burst burst;
  std::uint32_t done = 0;
  do {
    const Template& header = done == 0 ? first : later;
    std::uint32_t count = payload - done;
    const bool last = count <= mtu - header.size;
    if (!last) count = (mtu - header.size) & ~7u;
    packet::Packet piece = build(turn, datagram, header, first.size + done, count);
    if (!piece) {
      if (!burst.empty()) emit(turn, burst);
      turn.drop(std::move(datagram), Drop::FragmentNoBuffer);
      return;
    }
    // A fragment of a fragment counts from its own offset, and its last piece is the datagram's
    // last one only where it was itself.
    const unsigned more = last ? field & wire::Ipv4Header::kMoreFragments
                               : unsigned{wire::Ipv4Header::kMoreFragments};
    finish_header(piece, header.size,
                  (field & wire::Ipv4Header::kDontFragment) | more | (origin + done) / 8);
    copy_meta(datagram, piece, header.size);
    burst.push(std::move(piece));
    if (burst.full()) emit(turn, burst);
    done += count;
  } while (done < payload);
  if (!burst.empty()) emit(turn, burst);
  turn.deliver(std::move(datagram));
}

}  // namespace linnet::ip
