// SPDX-License-Identifier: BSD-3-Clause
// The programs of the loss matrix: what they do on a connection between two stacks, and whether
// every byte was the right one.
#pragma once

#include <cstdint>
#include <string>

#include "tcp/link.hpp"

namespace linnet::tests {

enum class Shape { Bulk, BothWays, RequestResponse, HalfClose };
inline constexpr const char* kShapeNames[] = {"bulk", "both", "rr", "half"};

struct TransferResult {
  bool complete = false;
  std::string fault;        // empty: none
  std::uint64_t bytes = 0;  // carried, both ways together
  double seconds = 0;       // from the first call to the last byte
  std::uint32_t retransmissions = 0;
};

// `bytes` each way that the shape uses.
TransferResult transfer(TwoStacks& stacks, Shape shape, std::uint64_t bytes,
                        const char* congestion = "cubic");

}  // namespace linnet::tests
