// SPDX-License-Identifier: BSD-3-Clause
// Fragmentation (RFC 791 section 3.2; RFC 1812 section 4.2.2.7; Linux: ip_do_fragment).
#pragma once

#include <cstdint>

#include "ip/drops.hpp"
#include "packet/turn.hpp"

namespace linnet::ip {

// Splits an IPv4 datagram (data() at its header, checked, any number of segments) into fragments
// whose total length is at most `mtu` (>= 68), and hands each to `emit` in order, Meta copied. The
// datagram counts as delivered, the fragments as generated. Options marked as copied go into every
// fragment, the others only into the first; a fragment of a fragment keeps its offset and MF flag.
// Each header has its checksum. Where a buffer is missing, what is left of the datagram is dropped
// as FragmentNoBuffer. The caller has looked at the don't-fragment flag.
void fragment(packet::Turn& turn, packet::Packet&& datagram, std::uint32_t mtu,
              const packet::Stage& emit);

}  // namespace linnet::ip
