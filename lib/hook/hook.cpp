// SPDX-License-Identifier: BSD-3-Clause
#include "hook/hook.hpp"

#include <algorithm>

namespace linnet::hook {
namespace {

constexpr int kMaxRepeats = 4;

// One packet through one chain. Empty packet: it was dropped or stolen.
void judge(const std::vector<Entry>& chain, Point point, packet::Turn& turn,
           packet::Packet& packet) {
  for (const Entry& entry : chain) {
    Verdict verdict = Verdict::Repeat;
    for (int i = 0; i < kMaxRepeats && verdict == Verdict::Repeat; ++i) {
      verdict = entry.run(entry.self, turn, point, packet);
    }
    if (verdict == Verdict::Accept) continue;
    if (verdict != Verdict::Stolen) turn.drop(std::move(packet), Drop::Verdict);
    return;
  }
}

}  // namespace

void Hooks::add(Point point, Entry entry) {
  auto& chain = chains_[static_cast<unsigned>(point)];
  const auto behind =
      std::upper_bound(chain.begin(), chain.end(), entry,
                       [](const Entry& a, const Entry& b) { return a.priority < b.priority; });
  chain.insert(behind, entry);
}

void Hooks::remove(Point point, void* self) {
  std::erase_if(chains_[static_cast<unsigned>(point)],
                [self](const Entry& entry) { return entry.self == self; });
}

void Hooks::run_chain(Point point, packet::Turn& turn, packet::Burst& burst) {
  const auto& chain = chains_[static_cast<unsigned>(point)];
  unsigned kept = 0;
  for (unsigned i = 0; i < burst.size(); ++i) {
    packet::Packet packet = burst.take(i);
    judge(chain, point, turn, packet);
    if (packet) burst.slots()[kept++] = packet.release();
  }
  burst.set_size(kept);
}

}  // namespace linnet::hook
