// SPDX-License-Identifier: BSD-3-Clause
// Input from devices without a link layer (Linux: drivers/net/tun.c, tun_get_user).
#pragma once

#include "device/device.hpp"
#include "packet/turn.hpp"

namespace linnet::link {

// IP datagrams that one device received in this turn, data() at the IP header: checked for what a
// link layer would answer for, and given to `ip` in order. Empties the burst.
void plain_input(packet::Turn& turn, device::Device& device, packet::Burst& burst,
                 packet::Stage ip);

}  // namespace linnet::link
