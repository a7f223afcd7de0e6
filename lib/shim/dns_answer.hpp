// SPDX-License-Identifier: BSD-3-Clause
// What an answer of a name server says; c-ares reads it. Bytes of any kind may be given.
#pragma once

#include <span>

#include "shim/names.hpp"

namespace linnet::shim {

// The addresses, in the order of the answer, with the name at the end of the aliases. ARES_SUCCESS,
// ARES_ENODATA (aliases that lead to no address among them) or what is wrong.
int take_addresses(std::span<const unsigned char> reply, HostEntry& out);
// The name of `address`. Likewise.
int take_pointer(std::span<const unsigned char> reply, Ipv4Address address, HostEntry& out);

}  // namespace linnet::shim
