// SPDX-License-Identifier: BSD-3-Clause
// The same bytes in packet buffers of many shapes (reliability row D1).
#pragma once

#include <string>
#include <vector>

#include "packet/packet.hpp"
#include "support/frames.hpp"

namespace linnet::tests {

// How a frame lies in buffers.
struct Layout {
  std::string name;
  std::vector<unsigned> pieces{};  // lengths from the front; the rest lies in one last piece
  unsigned repeat = 0;             // pieces of this length to the end (0: as `pieces` says)
  unsigned headroom = RTE_PKTMBUF_HEADROOM;
  bool shared = false;    // another packet refers to the buffers: they may not be written
  bool indirect = false;  // attached to buffers of another packet
};

// At least 32 shapes: cuts at every header's edge and inside headers, empty and one-byte segments,
// little and no headroom, shared and indirect buffers, many segments.
std::vector<Layout> all_layouts();

// The frame as `layout` has it, in buffers of `pool`. `keep` gets the packet that a shared layout
// shares with: the caller frees it after the frame was worked on. nullptr: no buffers.
rte_mbuf* lay_out(rte_mempool* pool, const Bytes& frame, const Layout& layout,
                  std::vector<rte_mbuf*>& keep);
// The frame as a driver would receive it: full buffers, chained where one is not enough.
rte_mbuf* lay_out_plainly(rte_mempool* pool, const Bytes& frame);

}  // namespace linnet::tests
