// SPDX-License-Identifier: BSD-3-Clause
// A program that lies: whatever stands in the request ring of its session, its handles, buffers and
// tickets right, stale or made up, its counters in the rings moved. A stream and a datagram socket
// of another program work on beside it, and when the liar is gone everything is back.
//   Input: records of an operation and what it takes.
#include <linnet/embed.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "shim/embed.hpp"
#include "socket/options.hpp"
#include "support/fuzz_input.hpp"
#include "support/fuzz_stack.hpp"

namespace {

using namespace linnet;
using socket::BufferRef;
using socket::Endpoint;
using socket::Handle;
using socket::Message;
using tests::FuzzInput;

constexpr Ipv4Address kUs(192, 0, 2, 1), kLoopback(127, 0, 0, 1);
constexpr std::uint16_t kGoodStream = 7000, kGoodDatagram = 7001;
constexpr std::size_t kMostBuffers = 96;  // that it takes: a liar may not have the whole pool

// What any program can do in its session's memory.
class Liar {
 public:
  explicit Liar(ln_stack& stack)
      : stack_(stack),
        system_(stack.stack().sockets()),
        session_(*std::move(system_.sessions.create({64, 256})).value()) {}
  ~Liar() {
    system_.sessions.close(session_);
    stack_.settle();
  }
  Liar(const Liar&) = delete;
  Liar& operator=(const Liar&) = delete;

  void act(FuzzInput& input) {
    const std::uint8_t what = input.byte();
    if (what < 150) return ask(input);
    if (what < 190) return hear();
    if (what < 205) return take_buffer(input);
    if (what < 220) return bind(input);
    if (what < 230) return rest(input);
    if (what < 240) {
      stack_.advance_to(stack_.now() + time::Duration::milliseconds(input.word()));
      return;
    }
    if (what == 255) return move_counters(input);
    stack_.settle();
  }

 private:
  // --- What it says.
  void ask(FuzzInput& input) {
    Message message;
    const std::uint8_t kind = input.byte();
    message.kind = kind < 250 ? kind % 15 : kind;
    message.flags = input.byte();
    const std::uint8_t which = input.byte();
    message.socket_kind = socket::Kind{which < 250 ? static_cast<std::uint8_t>(which % 6) : which};
    message.program = input.byte();
    message.handle = handle(input);
    message.buffer = buffer(input);
    message.local = endpoint(input);
    message.peer = endpoint(input);
    message.option = option(input);
    message.value = value(input);
    message.cookie = (message.program & 64) != 0 || tickets_.empty()
                         ? input.word()
                         : tickets_[input.byte() % tickets_.size()];
    // A buffer that it has may come back twice: it goes on to be named.
    if (!session_.requests(0).push(message)) stack_.settle();
  }

  Handle handle(FuzzInput& input) {
    const std::uint8_t how = input.byte();
    if (how == 0 || handles_.empty()) return {};
    Handle out = handles_[how % handles_.size()];
    if (how >= 250) out.generation += input.byte();
    if (how >= 252) out.slot = input.number();
    return out;
  }

  BufferRef buffer(FuzzInput& input) {
    const std::uint8_t how = input.byte();
    if (how < 40) return {};
    BufferRef out = buffers_.empty() ? BufferRef{} : buffers_[how % buffers_.size()];
    if (out.index != BufferRef::kNone && how < 230) {
      out.length = std::min(out.length, input.word());
      return out;
    }
    if ((how & 1) != 0) out.index = input.word();
    if ((how & 2) != 0) out.offset = input.word();
    out.length = input.word();
    return out;
  }

  static Endpoint endpoint(FuzzInput& input) {
    static constexpr Ipv4Address kAddresses[] = {Ipv4Address(),
                                                 kLoopback,
                                                 kUs,
                                                 Ipv4Address(192, 0, 2, 9),
                                                 Ipv4Address(255, 255, 255, 255),
                                                 Ipv4Address(224, 0, 0, 1)};
    static constexpr std::uint16_t kPorts[] = {0, 80, 81, 82, kGoodStream, kGoodDatagram};
    Endpoint out;
    const std::uint8_t how = input.byte();
    out.address = kAddresses[how % std::size(kAddresses)];
    out.port = how < 250 ? input.one_of(kPorts) : input.word();
    out.device = (how & 32) == 0   ? packet::kNoDevice
                 : (how & 64) == 0 ? static_cast<std::uint16_t>(how & 3)
                                   : input.word();
    return out;
  }

  std::uint32_t option(FuzzInput& input) {
    static constexpr std::uint32_t kLevels[] = {socket::level::kSocket, socket::level::kIp,
                                                socket::level::kTcp,    socket::level::kUdp,
                                                socket::level::kRaw,    socket::level::kPacket};
    const std::uint8_t how = input.byte();
    if (how < 140) return socket::option(kLevels[how % std::size(kLevels)], input.byte());
    if (how < 200 && !buffers_.empty()) return buffers_[how % buffers_.size()].index;
    return how < 230 ? input.byte() : input.number();
  }

  static std::uint64_t value(FuzzInput& input) {
    const std::uint8_t how = input.byte();
    if (how < 100) return how;
    return how < 200 ? std::uint64_t{input.word()}
                     : std::uint64_t{input.number()} << 32 | input.number();
  }

  // --- What it is told.
  void hear() {
    stack_.settle();
    Message event;
    while (session_.events(0).pop(event)) {
      if (event.handle && !std::ranges::count(handles_, event.handle))
        handles_.push_back(event.handle);
      if (handles_.size() > 32) handles_.erase(handles_.begin());
      if (event.buffer.index != BufferRef::kNone) keep(event.buffer);
    }
  }

  // Those that it does not name any more it still has: they are not lost when it is gone.
  void keep(const BufferRef& buffer) {
    buffers_.push_back(buffer);
    if (buffers_.size() > 32) buffers_.erase(buffers_.begin());
  }

  void take_buffer(FuzzInput& input) {
    if (taken_ == kMostBuffers) return;
    const auto buffer = system_.buffers.take(session_.number());
    if (!buffer) return;
    ++taken_;
    std::byte* const bytes = system_.buffers.address(*buffer);
    std::memset(bytes, 'l', buffer->length);
    const std::vector<std::uint8_t> head = input.bytes(input.byte() % 64);
    if (!head.empty()) std::memcpy(bytes, head.data(), head.size());
    keep(*buffer);
  }

  void bind(FuzzInput& input) {
    socket::BindRequest request;
    request.space = socket::Space{static_cast<std::uint8_t>(input.byte() % 3)};
    request.local = endpoint(input);
    request.local.device = packet::kNoDevice;
    const std::uint8_t how = input.byte();
    request.reuse_address = (how & 1) != 0;
    request.reuse_port = (how & 2) != 0;
    request.user = 1000;  // the good one is another user's
    request.session = session_.number();
    const socket::Ports::Bound bound = system_.ports.bind(request);
    if (bound.error != 0) return;
    tickets_.push_back(bound.ticket);
    if ((how & 4) != 0) system_.ports.listen(bound.ticket);
  }

  // It sleeps, or says so.
  void rest(FuzzInput& input) {
    if ((input.byte() & 1) != 0)
      session_.begin_sleep();
    else
      session_.end_sleep();
  }

  void move_counters(FuzzInput& input) {
    const auto& header = *reinterpret_cast<const socket::SessionHeader*>(session_.block());
    const bool requests = (input.byte() & 1) != 0;
    auto& ring = *reinterpret_cast<socket::RingShared*>(
        session_.block() + (requests ? header.request_offset[0] : header.event_offset[0]));
    (requests ? ring.written : ring.read).fetch_add(input.number());
  }

  ln_stack& stack_;
  socket::System& system_;
  socket::Session& session_;
  std::vector<Handle> handles_;
  std::vector<BufferRef> buffers_;
  std::vector<socket::Ticket> tickets_;
  std::size_t taken_ = 0;
};

// The program beside it.
class Good {
 public:
  Good() {
    const int listener = ln_socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in here = name(kLoopback, kGoodStream);
    LINNET_CHECK_OP(ln_bind(listener, address(here), sizeof here), ==, 0);
    LINNET_CHECK_OP(ln_listen(listener, 1), ==, 0);
    client_ = ln_socket(AF_INET, SOCK_STREAM, 0);
    LINNET_CHECK_OP(ln_connect(client_, address(here), sizeof here), ==, 0);
    server_ = ln_accept(listener, nullptr, nullptr);
    LINNET_CHECK_OP(server_, >=, 0);
    ln_close(listener);
    const sockaddr_in there = name(kLoopback, kGoodDatagram);
    datagrams_ = ln_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    LINNET_CHECK_OP(ln_bind(datagrams_, address(there), sizeof there), ==, 0);
    sender_ = ln_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    LINNET_CHECK_OP(ln_connect(sender_, address(there), sizeof there), ==, 0);
    socklen_t length = sizeof sender_name_;
    LINNET_CHECK_OP(ln_getsockname(sender_, reinterpret_cast<sockaddr*>(&sender_name_), &length),
                    ==, 0);
  }

  void check() {
    std::array<char, 64> sent{}, came{};
    for (char& byte : sent)
      byte = static_cast<char>('a' + count_++ % 26);
    LINNET_CHECK_OP(ln_send(client_, sent.data(), sent.size(), 0), ==, 64);
    LINNET_CHECK_OP(ln_recv(server_, came.data(), came.size(), MSG_DONTWAIT), ==, 64);
    LINNET_CHECK(sent == came);
    // Others may write to it, too, until it is full.
    std::array<char, 2048> any{};
    while (ln_recv(datagrams_, any.data(), any.size(), 0) >= 0) {
    }
    LINNET_CHECK_OP(ln_send(sender_, sent.data(), sent.size(), 0), ==, 64);
    sockaddr_in from{};
    socklen_t length = sizeof from;
    LINNET_CHECK_OP(ln_recvfrom(datagrams_, any.data(), any.size(), 0,
                                reinterpret_cast<sockaddr*>(&from), &length),
                    ==, 64);
    LINNET_CHECK_OP(from.sin_port, ==, sender_name_.sin_port);
    LINNET_CHECK(std::equal(sent.begin(), sent.end(), any.begin()));
  }

 private:
  static sockaddr_in name(Ipv4Address address, std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr.s_addr = htonl(address.host());
    out.sin_port = htons(port);
    return out;
  }
  static const sockaddr* address(const sockaddr_in& name) {
    return reinterpret_cast<const sockaddr*>(&name);
  }

  int client_ = -1, server_ = -1, datagrams_ = -1, sender_ = -1;
  sockaddr_in sender_name_{};
  unsigned count_ = 0;
};

class World {
 public:
  World() {
    good_ = std::make_unique<Good>();
    bound_ = stack_->stack().sockets().ports.size();
  }

  void run(FuzzInput& input) {
    {
      Liar liar(*stack_);
      while (input.left() > 0)
        liar.act(input);
      stack_->settle();
      good_->check();
    }
    // More than any orphan, TIME-WAIT or half-open entry may take.
    for (unsigned i = 0; i < 60; ++i)
      ln_embed_advance(stack_, 60'000'000'000);
    std::array<std::byte, 2048> sent;
    while (ln_embed_take(stack_, 0, sent.data(), sent.size(), nullptr) >= 0) {
    }
    good_->check();
    ln_embed_advance(stack_, 1'000'000'000);
    tests::check_at_rest(stack_, bound_);
  }

 private:
  ln_stack* const stack_ = tests::make_fuzz_stack();
  std::unique_ptr<Good> good_;
  std::size_t bound_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World* const world = new World;
  FuzzInput input(data, size);
  world->run(input);
  return 0;
}
