// SPDX-License-Identifier: BSD-3-Clause
// What lanes ask Tables.
#include "route/tables_state.hpp"

namespace linnet::route {

Looked Tables::lookup(const Ipv4Address* destinations, unsigned count,
                      const Route** answers) const {
  return state_->view()->lookup(state_->infos, destinations, count, answers);
}

const Route* Tables::lookup(const Key& key) const {
  return state_->view()->lookup(state_->infos, key);
}

}  // namespace linnet::route
