// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "packet/packet.hpp"
#include "wire/ipv4.hpp"

namespace linnet::ip {

// The IPv4 header of a packet that `Input` has let in, wherever data() stands now.
inline const wire::Ipv4Header& header_of(packet::PacketRef packet) {
  return *packet.header_at<wire::Ipv4Header>(packet.meta().network_offset);
}

}  // namespace linnet::ip
