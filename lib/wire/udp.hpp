// SPDX-License-Identifier: BSD-3-Clause
// UDP (RFC 768).
#pragma once

#include "base/endian.hpp"

namespace linnet::wire {

struct UdpHeader {
  be16 source_port;
  be16 destination_port;
  be16 length;    // header and payload, bytes; at least 8
  be16 checksum;  // 0: none was computed
};
static_assert(sizeof(UdpHeader) == 8 && alignof(UdpHeader) == 1);

}  // namespace linnet::wire
