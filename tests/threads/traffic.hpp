// SPDX-License-Identifier: BSD-3-Clause
// What programs do in tests of many threads: every call of the shim that matters, from several
// threads at once. Each returns what every flow came to, in the order of flows.
#pragma once

#include <string>
#include <vector>

#include "threads/world.hpp"

namespace linnet::tests {

using Results = std::vector<std::string>;

// So many connections from four threads to one listener, whose side has an accepting thread and
// three that echo by epoll. Half of the clients wait by poll, half in recv.
Results echo_over_tcp(World& world, unsigned flows, unsigned bytes);
// So many sockets from four threads to one, which two threads echo from.
Results echo_over_udp(World& world, unsigned flows, unsigned bytes);
// One connection: a thread writes, one reads, on either side; `bytes` each way.
Results stream_both_ways(World& world, unsigned bytes);
// Threads open, connect and close sockets of all kinds without talking, and shut them under each
// other's calls.
Results churn(World& world, unsigned rounds);

}  // namespace linnet::tests
