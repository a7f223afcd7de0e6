// SPDX-License-Identifier: BSD-3-Clause
// Answers of any bytes to the reader of name servers' answers, which asked for 192.0.2.1 or its
// name.
#include <ares.h>

#include "base/check.hpp"
#include "shim/dns_answer.hpp"

namespace {

using namespace linnet;

// RFC 1035, 2.3.4, where every byte is shown as \\DDD.
constexpr std::size_t kLongestName = 4 * 255;

void check_names(const shim::HostEntry& entry) {
  LINNET_CHECK_OP(entry.name.size(), <=, kLongestName);
  for (const std::string& alias : entry.aliases)
    LINNET_CHECK_OP(alias.size(), <=, kLongestName);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of its own: what is read beyond the end is seen.
  const std::vector<unsigned char> reply(data, data + size);
  shim::HostEntry forward, reverse;
  if (shim::take_addresses(reply, forward) == ARES_SUCCESS) {
    LINNET_CHECK(!forward.addresses.empty());
    LINNET_CHECK_OP(forward.addresses.size(), <=, size / 14);
    check_names(forward);
  }
  if (shim::take_pointer(reply, Ipv4Address(192, 0, 2, 1), reverse) == ARES_SUCCESS)
    check_names(reverse);
  return 0;
}
