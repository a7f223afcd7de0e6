// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "base/checksum.hpp"
#include "base/ipv4.hpp"

namespace linnet::wire {

// The sum over the pseudo header that UDP and TCP put in front of what they sum (RFC 768, RFC 9293
// section 3.1), but for the length.
inline ChecksumSum pseudo_header_sum(Ipv4Address source, Ipv4Address destination,
                                     std::uint8_t protocol) {
  ChecksumSum sum;
  sum.add(source.network());
  sum.add(destination.network());
  sum.add_host(protocol);
  return sum;
}

}  // namespace linnet::wire
