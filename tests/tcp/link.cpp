// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/link.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace linnet::tests {
namespace {

// A lab that cannot be built is no result of a test.
void must(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "%s: %s\n", what, ln_embed_error());
  std::abort();
}

}  // namespace

TwoStacks::TwoStacks(const WireOptions& options) : options_(options), random_(options.seed) {
  for (int side = 0; side < 2; ++side) {
    ln_embed_options embed{};
    embed.size = sizeof embed;
    embed.start_ns = now_;
    embed.seed = options.seed * 2 + static_cast<unsigned>(side);
    Side& one = sides_[side];
    one.stack = ln_embed_create(&embed);
    must(one.stack != nullptr, "ln_embed_create");
    one.port = ln_embed_add_ip_port(one.stack, "tun0", options.mtu);
    must(one.port >= 0, "ln_embed_add_ip_port");
    const char* address =
        side == 0 ? "ip addr add 192.0.2.1/24 dev tun0" : "ip addr add 192.0.2.2/24 dev tun0";
    must(ln_embed_command(one.stack, address, nullptr, 0) == 0, "ip addr add");
    // Where 30 % are lost each way, half of all retransmissions stay without an answer: one in
    // 25,000 is the first of fifteen such, and Linux's default would give up.
    must(ln_embed_sysctl_set(one.stack, "net.ipv4.tcp_retries2", "40") == 0, "tcp_retries2");
  }
}

TwoStacks::~TwoStacks() {
  for (const Side& side : sides_)
    ln_embed_destroy(side.stack);
}

void TwoStacks::collect(int side) {
  std::vector<std::uint8_t> bytes(65536);
  std::int64_t sent_ns = 0;
  while (true) {
    const ssize_t length =
        ln_embed_take(sides_[side].stack, sides_[side].port, bytes.data(), bytes.size(), &sent_ns);
    if (length < 0) return;
    carry(side, {bytes.begin(), bytes.begin() + length}, sent_ns);
  }
}

void TwoStacks::carry(int side, std::vector<std::uint8_t> bytes, std::int64_t sent_ns) {
  ++packets_;
  Side& from = sides_[side];
  const std::int64_t wait = std::max<std::int64_t>(from.free_at - sent_ns, 0);
  if (static_cast<double>(wait) * options_.rate / 1e9 > options_.queue) return;
  const auto takes =
      static_cast<std::int64_t>(1e9 * static_cast<double>(bytes.size()) / options_.rate);
  from.free_at = sent_ns + wait + takes;
  if ((drop && drop(side, bytes)) || chance(options_.loss)) return;
  std::int64_t arrival = from.free_at + options_.rtt_ns / 2;
  if (chance(options_.reorder)) arrival += options_.rtt_ns / 8 + 200'000;
  if (chance(options_.corrupt)) {
    const std::size_t at = random_() % bytes.size();
    bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1u << random_() % 8));
  }
  if (chance(options_.duplicate)) flying_.emplace(arrival + 50'000, Flying{1 - side, bytes});
  flying_.emplace(arrival, Flying{1 - side, std::move(bytes)});
}

std::int64_t TwoStacks::next_event() const {
  std::int64_t next = flying_.empty() ? INT64_MAX : flying_.begin()->first;
  for (const Side& side : sides_) {
    const std::int64_t deadline = ln_embed_next_deadline(side.stack);
    if (deadline >= 0) next = std::min(next, deadline);
  }
  return next;
}

bool TwoStacks::run(std::int64_t limit_ns, const std::function<bool()>& work) {
  const std::int64_t end = now_ + limit_ns;
  while (!work()) {
    for (int side = 0; side < 2; ++side)
      collect(side);
    const std::int64_t next = next_event();
    if (next > end) return false;
    now_ = std::max(now_, next);
    for (const Side& side : sides_)
      ln_embed_advance_to(side.stack, now_);
    for (int side = 0; side < 2; ++side)
      collect(side);
    while (!flying_.empty() && flying_.begin()->first <= now_) {
      const Flying one = std::move(flying_.begin()->second);
      flying_.erase(flying_.begin());
      const Side& to = sides_[one.to];
      must(ln_embed_inject(to.stack, to.port, one.bytes.data(), one.bytes.size()) == 0,
           "ln_embed_inject");
    }
  }
  return true;
}

bool TwoStacks::balanced() const {
  for (const Side& side : sides_) {
    ln_embed_account account{};
    if (ln_embed_get_account(side.stack, &account) != 0) return false;
    if (account.received + account.generated !=
        account.sent + account.delivered + account.held + account.dropped)
      return false;
  }
  return true;
}

}  // namespace linnet::tests
