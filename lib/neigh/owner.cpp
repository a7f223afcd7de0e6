// SPDX-License-Identifier: BSD-3-Clause
#include "neigh/owner.hpp"

namespace linnet::neigh {

void Owner::carry_out(packet::Turn& turn, const Message& message) {
  const std::uint64_t key = key_of(message.device, message.address);
  Table& table = system_.table();
  bool done = true;
  switch (message.kind) {
    case MessageKind::Set:
      return cache.set(turn, message);
    case MessageKind::Delete:
      return cache.remove(turn, key);
    case MessageKind::AddProxy:
      done = table.add_proxy(key);
      break;
    case MessageKind::DeleteProxy:
      return table.remove_proxy(key);
    case MessageKind::Flush:
      if ((message.flags & Message::kForgetAddresses) != 0) conflicts.forget_device(message.device);
      return cache.flush(turn, message.device, message.state,
                         (message.flags & Message::kPermanents) != 0);
    case MessageKind::ProbeAddress:
      done = conflicts.probe(turn, message.device, message.address);
      break;
    case MessageKind::AnnounceAddress:
      done = conflicts.announce(turn, message.device, message.address);
      break;
    case MessageKind::ForgetAddress:
      return conflicts.forget(message.device, message.address);
    default:
      check_failed(__FILE__, __LINE__, "a lane's message from the control core");
  }
  if (!done) table.refused_changes.fetch_add(1, std::memory_order_relaxed);
}

void Owner::clear(packet::Turn& turn) {
  cache.clear(turn);
  conflicts.forget_device(packet::kNoDevice);
}

}  // namespace linnet::neigh
