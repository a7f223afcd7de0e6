// SPDX-License-Identifier: BSD-3-Clause
// How a device is written, shared by `ip link` and `ip address`.
#pragma once

#include <string>

#include "control/output.hpp"
#include "device/device.hpp"

namespace linnet::control {

// iproute2: operational state as RFC 2863 names it.
std::string_view state_of(const device::Device& device);
// "UP", "LOWER_UP" ... in iproute2's order.
std::vector<std::string> flags_of(const device::Device& device);

// "2: tap0: <...> mtu 1500 qdisc noqueue state UP ...", and of `ip link` the mode as well.
std::string link_heading(const device::Device& device, bool with_mode);
// The second line, "    link/ether ...", without its end; with -d what only the driver knows.
std::string link_address_line(const device::Device& device, const Format& format);
std::string brief_link_head(const device::Device& device);
// The RX and TX lines, each with its end.
std::string link_statistics(const device::Device& device, const Format& format);
Json link_json(const device::Device& device, const Format& format, bool with_mode);
Json statistics_json(const device::Device& device);

}  // namespace linnet::control
