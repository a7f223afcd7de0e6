// SPDX-License-Identifier: BSD-3-Clause
// Reading: Linux inet_connection_sock.c (inet_bind_conflict, inet_csk_get_port), udp.c
// (udp_lib_get_port); RFC 6056.
#include "socket/ports.hpp"

#include <algorithm>
#include <cerrno>

#include "base/check.hpp"

namespace linnet::socket {
namespace {

constexpr std::uint16_t kNoDevice = 0xffff;

bool devices_meet(std::uint16_t a, std::uint16_t b) {
  return a == kNoDevice || b == kNoDevice || a == b;
}
bool addresses_meet(Ipv4Address a, Ipv4Address b) {
  return a.is_any() || b.is_any() || a == b;
}

}  // namespace

Ports::Ports(const Settings& settings, unsigned lanes, std::uint64_t seed)
    : settings_(settings), random_(seed), bindings_(1), records_(new Record[kMaxTickets]) {
  for (unsigned i = 0; i < lanes; ++i)
    users_.emplace_back(new std::atomic<std::uint32_t>[65536]{});
}

std::uint64_t Ports::seen_of(const BindRequest& request) {
  return std::uint64_t{1} << 40 | std::uint64_t{request.session} << 24 |
         std::uint64_t{static_cast<std::uint8_t>(request.space)} << 16 | request.local.port;
}

void Ports::leave_backlog(Ticket ticket, std::uint32_t generation) {
  std::atomic<std::uint64_t>& backlog = records_[ticket].backlog;
  std::uint64_t now = backlog.load(std::memory_order_relaxed);
  while (now >> 32 == generation && static_cast<std::uint32_t>(now) != 0) {
    if (backlog.compare_exchange_weak(now, now - 1, std::memory_order_relaxed)) return;
  }
}

bool Ports::take_space(Ticket ticket, std::uint32_t generation, std::uint32_t bytes,
                       std::uint32_t limit) {
  std::atomic<std::uint64_t>& taken = records_[ticket].backlog;
  std::uint64_t now = taken.load(std::memory_order_relaxed);
  while (now >> 32 == generation && (now & UINT32_MAX) + bytes <= limit) {
    if (taken.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed)) return true;
  }
  return false;
}

void Ports::give_space(Ticket ticket, std::uint32_t generation, std::uint32_t bytes) {
  std::atomic<std::uint64_t>& taken = records_[ticket].backlog;
  std::uint64_t now = taken.load(std::memory_order_relaxed);
  while (now >> 32 == generation) {
    const std::uint64_t less = std::min<std::uint64_t>(now & UINT32_MAX, bytes);
    if (taken.compare_exchange_weak(now, now - less, std::memory_order_relaxed)) return;
  }
}

bool Ports::holds(Ticket ticket, std::uint16_t session, Space space, const Endpoint& local) const {
  if (ticket == 0 || ticket >= kMaxTickets) return false;
  const std::uint32_t address = records_[ticket].address.load(std::memory_order_relaxed);
  if (address != 0 && address != local.address.network().raw()) return false;
  BindRequest as;
  as.session = session;
  as.space = space;
  as.local.port = local.port;
  return records_[ticket].seen.load(std::memory_order_acquire) == seen_of(as);
}

bool Ports::used_by_connections(std::uint16_t port) const {
  return std::any_of(users_.begin(), users_.end(), [port](const auto& lane) {
    return lane[port].load(std::memory_order_relaxed) != 0;
  });
}

bool Ports::conflicts(const BindRequest& request, std::uint16_t port, Ticket self) const {
  const auto at = first_.find(key_of(request.space, port));
  for (Ticket t = at == first_.end() ? 0 : at->second; t != 0; t = bindings_[t].next) {
    const Binding& other = bindings_[t];
    if (t == self || !devices_meet(request.local.device, other.request.local.device) ||
        !addresses_meet(request.local.address, other.request.local.address))
      continue;
    if (request.reuse_port && other.request.reuse_port && request.user == other.request.user)
      continue;
    const bool both = request.reuse_address && other.request.reuse_address;
    // SO_REUSEADDR shares with whoever does not listen (Linux: sk2->sk_state != TCP_LISTEN).
    if (both && !other.listening) continue;
    return true;
  }
  return false;
}

std::uint16_t Ports::choose(const BindRequest& request) {
  const auto [low, count] = ephemeral_ports(settings_, request.range);
  if (count == 0) return 0;
  const auto start = static_cast<std::uint32_t>(random_.below(count));
  // The first round takes ports that nobody uses, the second shares where the rules let it.
  for (const bool sharing : {false, true}) {
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto port = static_cast<std::uint16_t>(low + (start + i) % count);
      const bool free = sharing ? !conflicts(request, port, 0) : !is_bound(request.space, port);
      if (free && (request.space != Space::Tcp || !used_by_connections(port))) return port;
    }
  }
  return 0;
}

void Ports::publish(Space space, std::uint16_t port, bool bound) {
  std::atomic<std::uint64_t>& word = bitmaps_[static_cast<unsigned>(space)][port / 64];
  const std::uint64_t bit = std::uint64_t{1} << (port % 64);
  if (bound)
    word.fetch_or(bit, std::memory_order_relaxed);
  else
    word.fetch_and(~bit, std::memory_order_relaxed);
}

Ports::Bound Ports::bind(const BindRequest& asked) {
  const std::lock_guard lock(mutex_);
  BindRequest request = asked;
  if (request.local.port == 0) {
    request.local.port = choose(request);
    if (request.local.port == 0) return {EADDRINUSE, 0, 0};
  } else {
    const std::uint16_t port = request.local.port;
    if (conflicts(request, port, 0)) return {EADDRINUSE, 0, 0};
    if (request.space == Space::Tcp && !request.reuse_address && !request.reuse_port &&
        !is_bound(Space::Tcp, port) && used_by_connections(port))
      return {EADDRINUSE, 0, 0};
  }
  Ticket ticket;
  if (!free_.empty()) {
    ticket = free_.back();
    free_.pop_back();
  } else if (bindings_.size() < kMaxTickets) {
    ticket = static_cast<Ticket>(bindings_.size());
    bindings_.emplace_back();
  } else {
    return {ENOBUFS, 0, 0};
  }
  Ticket& first = first_[key_of(request.space, request.local.port)];
  bindings_[ticket] = Binding{request, false, first};
  first = ticket;
  Record& record = records_[ticket];
  record.address.store(request.local.address.network().raw(), std::memory_order_relaxed);
  const std::uint64_t generation = (record.backlog.load(std::memory_order_relaxed) >> 32) + 1;
  record.backlog.store(generation << 32, std::memory_order_relaxed);
  records_[ticket].seen.store(seen_of(request), std::memory_order_release);
  publish(request.space, request.local.port, true);
  return {0, ticket, request.local.port};
}

int Ports::listen(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  LINNET_CHECK_OP(ticket, <, bindings_.size());
  Binding& binding = bindings_[ticket];
  if (binding.listening) return 0;
  if (conflicts(binding.request, binding.request.local.port, ticket)) return EADDRINUSE;
  binding.listening = true;
  return 0;
}

void Ports::change(Ticket ticket, bool reuse_address, bool reuse_port, std::uint16_t device) {
  const std::lock_guard lock(mutex_);
  LINNET_CHECK_OP(ticket, <, bindings_.size());
  BindRequest& request = bindings_[ticket].request;
  request.reuse_address = reuse_address;
  request.reuse_port = reuse_port;
  request.local.device = device;
}

void Ports::set_address(Ticket ticket, Ipv4Address address) {
  const std::lock_guard lock(mutex_);
  LINNET_CHECK_OP(ticket, <, bindings_.size());
  bindings_[ticket].request.local.address = address;
  records_[ticket].address.store(address.network().raw(), std::memory_order_relaxed);
}

void Ports::drop(Ticket ticket) {
  const BindRequest& request = bindings_[ticket].request;
  const auto at = first_.find(key_of(request.space, request.local.port));
  LINNET_CHECK(at != first_.end());
  Ticket* link = &at->second;
  while (*link != ticket)
    link = &bindings_[*link].next;
  *link = bindings_[ticket].next;
  if (at->second == 0) {
    publish(request.space, request.local.port, false);
    first_.erase(at);
  }
  records_[ticket].seen.store(0, std::memory_order_release);
  bindings_[ticket] = Binding{};
  free_.push_back(ticket);
}

void Ports::release(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  LINNET_CHECK_OP(ticket, <, bindings_.size());
  drop(ticket);
}

void Ports::release_session(std::uint16_t session) {
  const std::lock_guard lock(mutex_);
  for (Ticket t = 1; t < bindings_.size(); ++t) {
    if (records_[t].seen.load(std::memory_order_relaxed) != 0 &&
        bindings_[t].request.session == session)
      drop(t);
  }
}

std::size_t Ports::size() const {
  const std::lock_guard lock(mutex_);
  return bindings_.size() - 1 - free_.size();
}

}  // namespace linnet::socket
