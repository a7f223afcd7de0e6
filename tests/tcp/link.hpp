// SPDX-License-Identifier: BSD-3-Clause
// Two embedded stacks and the wire between them, in virtual time: loses, delays, reorders,
// duplicates and corrupts. Everything follows from one seed.
#pragma once

#include <linnet/embed.h>

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <vector>

namespace linnet::tests {

struct WireOptions {
  double loss = 0, reorder = 0, duplicate = 0, corrupt = 0;  // shares of packets, each way
  std::int64_t rtt_ns = 10'000'000;
  double rate = 12.5e6;           // bytes a second each way
  std::uint32_t queue = 200'000;  // bytes
  unsigned mtu = 1500;
  unsigned seed = 1;
};

class TwoStacks {
 public:
  explicit TwoStacks(const WireOptions& options);
  ~TwoStacks();
  TwoStacks(const TwoStacks&) = delete;
  TwoStacks& operator=(const TwoStacks&) = delete;

  ln_stack* stack(int side) const { return sides_[side].stack; }
  std::int64_t now() const { return now_; }
  std::uint64_t packets() const { return packets_; }
  // Which packets of `side` never arrive, besides those lost at random. `bytes` of the datagram.
  std::function<bool(int side, const std::vector<std::uint8_t>& bytes)> drop;

  // Lets everything happen, `work` after each event, until it says that all is done. False: `limit`
  // has passed.
  bool run(std::int64_t limit_ns, const std::function<bool()>& work);
  // The account of both stacks balances.
  bool balanced() const;

 private:
  struct Side {
    ln_stack* stack = nullptr;
    int port = -1;
    std::int64_t free_at = 0;  // when the wire from here is free again
  };
  struct Flying {
    int to = 0;
    std::vector<std::uint8_t> bytes;
  };

  bool chance(double share) { return std::uniform_real_distribution<>(0, 1)(random_) < share; }
  void collect(int side);
  void carry(int side, std::vector<std::uint8_t> bytes, std::int64_t sent_ns);
  std::int64_t next_event() const;

  WireOptions options_;
  Side sides_[2];
  std::multimap<std::int64_t, Flying> flying_;
  std::mt19937 random_;
  std::int64_t now_ = 1'000'000'000;
  std::uint64_t packets_ = 0;
};

}  // namespace linnet::tests
