// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/mailbox.hpp"

#include <algorithm>

namespace linnet::neigh {

Mailbox::Mailbox(unsigned lanes, std::uint32_t lane_ring, std::uint32_t control_ring)
    : control_(control_ring, table::Producers::Many) {
  for (unsigned lane = 0; lane < lanes; ++lane)
    lanes_.push_back(std::make_unique<table::Ring<Message>>(lane_ring, table::Producers::One));
}

Mailbox::~Mailbox() {
  Message message;
  for (auto& ring : lanes_) {
    while (ring->pop(message))
      LINNET_CHECK(message.packet == nullptr);
  }
}

}  // namespace linnet::neigh
