// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/fast_open.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace linnet::tcp {
namespace {

constexpr std::uint8_t kCookieBytes = 8;  // as Linux makes them

FastOpenCookie cookie_of(const SipKey& key, Ipv4Address client, Ipv4Address server) {
  // As they stand in the packet: a server farm may share the key with Linux's servers.
  const Ipv4Address addresses[] = {client, server};
  const std::uint64_t hash = siphash24(key, std::as_bytes(std::span(addresses)));
  FastOpenCookie out;
  out.length = kCookieBytes;
  std::memcpy(out.bytes.data(), &hash, sizeof hash);
  return out;
}

}  // namespace

std::optional<FastOpenCookie> FastOpenCookie::of(const wire::TcpOptions& options) {
  if (!options.has_fast_open) return std::nullopt;
  FastOpenCookie out;
  out.length = options.fast_open_length;
  out.experiment = options.fast_open_experiment;
  std::copy_n(options.fast_open.begin(), out.length, out.bytes.begin());
  return out;
}

void FastOpenCookie::put(wire::TcpOptions& options) const {
  options.has_fast_open = true;
  options.fast_open_length = length;
  options.fast_open_experiment = experiment;
  options.fast_open = bytes;
}

FastOpenCookie FastOpenKeySet::make(Ipv4Address client, Ipv4Address server) const {
  return cookie_of(primary, client, server);
}

FastOpenKeySet::Verdict FastOpenKeySet::check(const FastOpenCookie& cookie, Ipv4Address client,
                                              Ipv4Address server) const {
  const auto is_of = [&](const SipKey& key) {
    FastOpenCookie good = cookie_of(key, client, server);
    good.experiment = cookie.experiment;
    return cookie == good;
  };
  if (is_of(primary)) return Verdict::Good;
  if (has_backup && is_of(backup)) return Verdict::Old;
  return Verdict::Bad;
}

FastOpenKeySet FastOpenKeys::load() const {
  const auto word = [this](std::size_t i) { return words_[i].load(std::memory_order_relaxed); };
  return {{word(0), word(1)}, {word(2), word(3)}, has_backup_.load(std::memory_order_relaxed)};
}

void FastOpenKeys::store(const FastOpenKeySet& keys) {
  const std::uint64_t words[] = {keys.primary.k0, keys.primary.k1, keys.backup.k0, keys.backup.k1};
  for (std::size_t i = 0; i < words_.size(); ++i)
    words_[i].store(words[i], std::memory_order_relaxed);
  has_backup_.store(keys.has_backup, std::memory_order_relaxed);
}

bool FastOpenQueue::admits(std::uint32_t limit, time::Instant now) {
  expire(now);
  return pending_ + resets_ < limit;
}

void FastOpenQueue::leave_by_reset(time::Instant now) {
  expire(now);
  --pending_;
  ++resets_;
  ++slots_[static_cast<std::size_t>(newest_) % kSlots];
}

void FastOpenQueue::expire(time::Instant now) {
  const std::int64_t slot = now.since_origin_ns() / 1'000'000'000 / kSlotSeconds;
  for (unsigned i = 0; i < kSlots && newest_ < slot; ++i) {
    std::uint32_t& oldest = slots_[static_cast<std::size_t>(++newest_) % kSlots];
    resets_ -= oldest;
    oldest = 0;
  }
  newest_ = std::max(newest_, slot);
}

std::size_t FastOpenCache::set_of(Ipv4Address local, Ipv4Address server) {
  // Who connects chooses both: no key is needed.
  const std::uint64_t mixed =
      (std::uint64_t{server.host()} << 32 | local.host()) * 0x9e3779b97f4a7c15ull;
  return static_cast<std::size_t>(mixed >> (64 - std::countr_zero(kSets))) * kWays;
}

FastOpenCache::Entry* FastOpenCache::find(Ipv4Address local, Ipv4Address server) {
  const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(set_of(local, server));
  const auto at = std::find_if(first, first + kWays, [&](const Entry& entry) {
    return entry.used && entry.local == local && entry.server == server;
  });
  return at != first + kWays ? &*at : nullptr;
}

FastOpenCache::Entry& FastOpenCache::place(Ipv4Address local, Ipv4Address server) {
  if (Entry* const there = find(local, server)) return *there;
  const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(set_of(local, server));
  Entry& oldest = *std::min_element(first, first + kWays, [](const Entry& a, const Entry& b) {
    return a.used != b.used ? !a.used : a.used_at < b.used_at;
  });
  oldest = Entry();
  oldest.used = true;
  oldest.local = local;
  oldest.server = server;
  return oldest;
}

void FastOpenCache::follow(std::uint32_t flushes) {
  if (flushes == flushes_) return;
  flushes_ = flushes;
  std::fill(entries_.begin(), entries_.end(), Entry());
}

FastOpenCache::Known FastOpenCache::look(Ipv4Address local, Ipv4Address server, time::Instant now) {
  Entry* const entry = find(local, server);
  if (entry == nullptr) return {};
  entry->used_at = now;
  // A minute for the first loss, twice as long for each that follows.
  const auto pause =
      time::Duration::seconds(std::int64_t{60} << std::min<unsigned>(entry->losses, 10));
  const bool refrains = entry->losses != 0 && now - entry->lost_at < pause;
  Known out{entry->cookie, entry->mss, refrains};
  if (out.cookie.length == 0) out.cookie.experiment = entry->ask == Ask::Experiment;
  return out;
}

void FastOpenCache::learn(Ipv4Address local, Ipv4Address server, const FastOpenNews& news,
                          time::Instant now) {
  Entry& entry = place(local, server);
  entry.used_at = now;
  if (news.mss != 0) entry.mss = news.mss;
  if (news.cookie && news.cookie->length != 0)
    entry.cookie = *news.cookie;
  else if (news.unanswered && entry.cookie.length == 0)
    entry.ask = std::max(entry.ask, news.asked_by_experiment ? Ask::PlainForGood : Ask::Experiment);
  if (news.syn_dropped) {
    entry.losses = static_cast<std::uint8_t>(std::min(entry.losses + 1, 255));
    entry.lost_at = now;
  } else {
    entry.losses = 0;
  }
}

void FastOpenCache::black_hole(time::Instant now) {
  ++black_holes_;
  black_hole_at_ = now;
}

bool FastOpenCache::disabled(std::uint32_t seconds, time::Instant now) const {
  if (seconds == 0 || black_holes_ == 0) return false;
  const auto span =
      time::Duration::seconds(std::int64_t{seconds} << std::min(black_holes_ - 1, 6u));
  return now - black_hole_at_ < span;
}

}  // namespace linnet::tcp
