// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace linnet::device {

// The device that devargs name: "net_tap0" of "net_tap0,iface=dtap0".
std::string_view device_of(std::string_view devargs);
// Whether devargs name a PCI device ("0000:01:00.0", "01:00.0"): those are known to the bus before
// EAL starts.
bool names_pci_device(std::string_view devargs);

// Makes the DPDK port that `devargs` describe, or finds the one that EAL's start has made of them.
// Returns ethdev's port number. The error says what would mend it. EAL must run; control core.
Result<std::uint16_t> attach_port(const std::string& devargs);
// Stops and closes the port and takes its device away, so that it can be made again.
void detach_port(std::uint16_t port);

}  // namespace linnet::device
