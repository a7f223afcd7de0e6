// SPDX-License-Identifier: BSD-3-Clause
// What the C functions about names have in common.
#pragma once

#include "shim/names.hpp"

namespace linnet::shim {

// A host that is a number already; nothing is asked.
std::optional<Ipv4Address> numeric_host(const char* text);

}  // namespace linnet::shim
