// SPDX-License-Identifier: BSD-3-Clause
// The C functions of linnet/embed.h.
#include <linnet/embed.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "base/mac.hpp"
#include "control/execute.hpp"
#include "shim/current.hpp"
#include "shim/embed.hpp"

namespace {

using linnet::Error;
using linnet::MacAddress;
using linnet::device::MemoryPort;
using linnet::time::Duration;
using linnet::time::Instant;

thread_local std::string last_error;

int fail(int error, std::string text) {
  last_error = std::move(text);
  errno = error;
  return -1;
}

int no_port(int number) {
  return fail(ENODEV, "the stack has no port " + std::to_string(number));
}

ln_embed_options complete(const ln_embed_options* given) {
  ln_embed_options options{};
  if (given == nullptr) return options;
  std::memcpy(&options, given, std::min(given->size, sizeof options));
  return options;
}

int add_port(ln_stack& stack, std::unique_ptr<MemoryPort> port) {
  const auto number = stack.add_port(std::move(port));
  return number ? *number : fail(EINVAL, number.error().text());
}

// Without the final newline of commands that print one.
int give_text(const std::string& text, char* output, std::size_t room) {
  if (output == nullptr || room == 0) return 0;
  const std::size_t count = std::min(text.size(), room - 1);
  text.copy(output, count);
  output[count] = '\0';
  return 0;
}

template <typename Words>
linnet::control::Reply run(ln_stack& stack, const Words& words) {
  const std::lock_guard lock(stack.host().control());
  return linnet::control::execute(stack.stack(), stack.now(), words);
}

// Until `reached` holds, for so long of real time; the stack runs meanwhile.
template <typename Reached>
int await(ln_stack& stack, int timeout_ms, Reached&& reached) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  while (true) {
    stack.settle();
    if (reached()) return 0;
    if (Clock::now() >= until) return fail(ETIMEDOUT, "the other threads' calls did not get there");
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

int put_packet(ln_stack& stack, int number, const void* bytes, std::size_t length) {
  MemoryPort* const port = stack.port(number);
  if (port == nullptr) return no_port(number);
  if (length > 65535) return fail(EMSGSIZE, "a packet has at most 65535 bytes");
  if (!stack.queue(*port, static_cast<const std::byte*>(bytes), length))
    return fail(ENOBUFS, "no packet buffer is free: take what the stack has sent");
  return 0;
}

}  // namespace

const char* ln_embed_error(void) {
  return last_error.c_str();
}

ln_stack* ln_embed_create(const ln_embed_options* options) {
  auto made = ln_stack::create(complete(options));
  if (!made) {
    fail(EINVAL, made.error().text());
    return nullptr;
  }
  ln_stack* const stack = std::move(made).value().release();
  ln_embed_use(stack);
  return stack;
}

int ln_embed_use(ln_stack* stack) {
  linnet::shim::choose_for_thread(stack->program());
  return 0;
}

int ln_embed_drive_here(ln_stack* stack) {
  stack->host().drive_here();
  return 0;
}

void ln_embed_destroy(ln_stack* stack) {
  delete stack;
}

int ln_embed_add_ethernet_port(ln_stack* stack, const char* name, const uint8_t* mac,
                               unsigned mtu) {
  static unsigned serial = 0;
  ++serial;
  std::array<std::uint8_t, 6> bytes{
      2, 0x4c, 0x4e, 0, static_cast<std::uint8_t>(serial >> 8), static_cast<std::uint8_t>(serial)};
  if (mac != nullptr) std::copy_n(mac, bytes.size(), bytes.begin());
  const MacAddress address(bytes);
  if (!address.is_station()) return fail(EINVAL, "not a station's MAC address: " + address.text());
  return add_port(*stack, std::make_unique<MemoryPort>(name, address, mtu));
}

int ln_embed_add_ip_port(ln_stack* stack, const char* name, unsigned mtu) {
  return add_port(*stack, std::make_unique<MemoryPort>(name, linnet::device::LinkLayer::None, mtu));
}

int ln_embed_command(ln_stack* stack, const char* line, char* output, size_t room) {
  const linnet::control::Reply reply = run(*stack, std::string_view(line));
  stack->settle();
  if (reply.code != linnet::control::kExitOk) {
    give_text("", output, room);
    return fail(reply.code == linnet::control::kExitUsage ? EINVAL : EPERM, reply.err);
  }
  return give_text(reply.out, output, room);
}

int ln_embed_sysctl_set(ln_stack* stack, const char* name, const char* value) {
  const std::string words[] = {"sysctl", "-w", std::string(name) + "=" + value};
  const linnet::control::Reply reply = run(*stack, words);
  stack->settle();
  if (reply.code == linnet::control::kExitOk) return 0;
  return fail(ln_embed_sysctl_get(stack, name, nullptr, 0) == 0 ? EINVAL : ENOENT, reply.err);
}

int ln_embed_sysctl_get(ln_stack* stack, const char* name, char* value, size_t room) {
  const std::string words[] = {"sysctl", "-n", name};
  linnet::control::Reply reply = run(*stack, words);
  if (reply.code != linnet::control::kExitOk) return fail(ENOENT, reply.err);
  while (reply.out.ends_with('\n'))
    reply.out.pop_back();
  return give_text(reply.out, value, room);
}

int ln_embed_queue(ln_stack* stack, int port, const void* bytes, size_t length) {
  return put_packet(*stack, port, bytes, length);
}

int ln_embed_inject(ln_stack* stack, int port, const void* bytes, size_t length) {
  const int result = put_packet(*stack, port, bytes, length);
  if (result == 0) stack->settle();
  return result;
}

ssize_t ln_embed_take(ln_stack* stack, int number, void* bytes, size_t room, int64_t* sent_ns) {
  MemoryPort* const port = stack->port(number);
  if (port == nullptr) return no_port(number);
  MemoryPort::Sent sent = port->take_sent();
  if (!sent.frame) return fail(EAGAIN, "the stack has sent nothing that was not taken");
  const std::uint32_t length = sent.frame.length();
  const auto count = std::min<std::size_t>(length, room);
  sent.frame.copy_out(0, {static_cast<std::byte*>(bytes), count});
  rte_pktmbuf_free(sent.frame.release());
  if (sent_ns != nullptr) *sent_ns = sent.at.since_origin_ns();
  return length;
}

int ln_embed_waiting(ln_stack* stack, int number) {
  const MemoryPort* const port = stack->port(number);
  return port != nullptr ? static_cast<int>(port->outbound()) : no_port(number);
}

int64_t ln_embed_now(ln_stack* stack) {
  return stack->now().since_origin_ns();
}

int64_t ln_embed_next_deadline(ln_stack* stack) {
  const Instant next = stack->next_deadline();
  return next == Instant::never() ? -1 : next.since_origin_ns();
}

int ln_embed_run(ln_stack* stack) {
  stack->settle();
  return 0;
}

int ln_embed_advance(ln_stack* stack, int64_t span_ns) {
  return ln_embed_advance_to(stack, ln_embed_now(stack) + span_ns);
}

int ln_embed_advance_to(ln_stack* stack, int64_t at_ns) {
  if (at_ns < ln_embed_now(stack)) return fail(EINVAL, "time does not go backwards");
  stack->advance_to(Instant::from_ns(at_ns));
  return 0;
}

int ln_embed_advance_to_deadline(ln_stack* stack) {
  const Instant next = stack->next_deadline();
  if (next == Instant::never()) return 0;
  stack->advance_to(next);
  return 1;
}

int ln_embed_sleepers(ln_stack* stack) {
  return static_cast<int>(stack->program()->sleepers());
}

int ln_embed_await_sleepers(ln_stack* stack, int count, int timeout_ms) {
  return await(*stack, timeout_ms, [&] { return ln_embed_sleepers(stack) >= count; });
}

int ln_embed_await_returns(ln_stack* stack, int count, int timeout_ms) {
  return await(*stack, timeout_ms,
               [&] { return static_cast<int>(stack->program()->blocked()) <= count; });
}

int ln_embed_get_account(ln_stack* stack, ln_embed_account* out) {
  const linnet::stack::Account account = stack->stack().account();
  *out = {account.received,
          account.generated,
          account.sent,
          account.delivered,
          account.held,
          account.dropped,
          stack->stack().pool().in_use()};
  return 0;
}
