// SPDX-License-Identifier: BSD-3-Clause
// What lanes make of requests that no honest program writes: the ring's other side is believed in
// nothing.
#include <gtest/gtest.h>
#include <linnet/embed.h>

#include <cerrno>

#include "shim/embed.hpp"
#include "stack/lane_state.hpp"

namespace linnet::shim {
namespace {

using socket::BufferRef;
using socket::Endpoint;
using socket::EventKind;
using socket::Handle;
using socket::Kind;
using socket::Message;
using socket::RequestKind;

constexpr Ipv4Address kLoopback(127, 0, 0, 1), kUs(192, 0, 2, 1);

class Requests : public testing::Test {
 protected:
  Requests() {
    ln_embed_options options{};
    options.size = sizeof options;
    options.packets = 512;
    stack_ = ln_embed_create(&options);
    EXPECT_EQ(ln_embed_add_ip_port(stack_, "tun0", 1500), 0);
    EXPECT_EQ(ln_embed_command(stack_, "ip addr add 192.0.2.1/24 dev tun0", nullptr, 0), 0);
    session_ = *stack_->stack().sockets().sessions.create();
  }
  ~Requests() override {
    system().sessions.close(*session_);
    stack_->settle();
    ln_embed_account account{};
    EXPECT_EQ(ln_embed_get_account(stack_, &account), 0);
    EXPECT_EQ(account.held, 0u);
    EXPECT_EQ(account.buffers_in_use, 0u);
    EXPECT_EQ(account.received + account.generated,
              account.sent + account.delivered + account.dropped);
    EXPECT_EQ(system().ports.size(), 0u);
    ln_embed_destroy(stack_);
  }

  socket::System& system() { return stack_->stack().sockets(); }
  std::uint64_t refused() { return stack_->stack().lane(0).state().sockets.bad_requests(); }
  static Message request(RequestKind kind, Handle handle = {}) {
    Message out;
    out.kind = static_cast<std::uint8_t>(kind);
    out.program = 1;
    out.handle = handle;
    return out;
  }
  void ask(const Message& message) {
    ASSERT_TRUE(session_->requests(0).push(message));
    stack_->settle();
  }
  // The next event; of a kind that no event has where there is none.
  Message heard() {
    Message event;
    event.kind = 0xff;
    static_cast<void>(session_->events(0).pop(event));
    return event;
  }
  BufferRef buffer(std::uint16_t bytes) {
    BufferRef out = *system().buffers.take(session_->number());
    out.length = bytes;
    return out;
  }
  // An open datagram socket bound to an address.
  Handle opened(const Endpoint& local) {
    const auto bound = system().ports.bind(
        {.space = socket::Space::Udp, .local = local, .session = session_->number()});
    EXPECT_EQ(bound.error, 0);
    ticket_ = bound.ticket;
    Message open = request(RequestKind::Open);
    open.socket_kind = Kind::Datagram;
    open.local = local;
    open.cookie = ticket_;
    ask(open);
    const Message event = heard();
    EXPECT_EQ(EventKind{event.kind}, EventKind::Opened);
    return event.handle;
  }

  ln_stack* stack_;
  socket::Session* session_;
  socket::Ticket ticket_ = 0;
};

TEST_F(Requests, AKindOfSocketThatThereIsNotIsRefused) {
  for (const unsigned kind : {6u, 7u, 99u, 255u}) {
    Message open = request(RequestKind::Open);
    open.socket_kind = Kind{static_cast<std::uint8_t>(kind)};
    ask(open);
    const Message event = heard();
    EXPECT_EQ(EventKind{event.kind}, EventKind::Failed) << kind;
    EXPECT_EQ(event.value, static_cast<std::uint64_t>(EINVAL)) << kind;
  }
}

TEST_F(Requests, AKindOfRequestThatThereIsNotIsCounted) {
  const Handle socket = opened({kLoopback, 7000});
  const std::uint64_t before = refused();
  for (const unsigned kind : {14u, 77u, 255u}) {
    ask(request(RequestKind{static_cast<std::uint8_t>(kind)}));
    ask(request(RequestKind{static_cast<std::uint8_t>(kind)}, socket));
  }
  EXPECT_EQ(refused(), before + 6);
}

// Free ones, ones that a lane has, numbers beyond the pool.
TEST_F(Requests, ABufferThatIsNotTheProgramsIsNeitherTakenBackNorSent) {
  const Handle socket = opened({kLoopback, 7000});
  const BufferRef returned = buffer(100);
  Message back = request(RequestKind::Return, socket);
  back.buffer = returned;
  ask(back);
  const std::uint64_t before = refused();
  ask(back);  // twice
  EXPECT_EQ(refused(), before + 1);
  for (const std::uint32_t number : {0u, 511u, 4096u, 0xfffffffeu}) {
    Message message = request(RequestKind::Consumed, socket);
    message.buffer.index = number == returned.index ? number + 1 : number;
    ask(message);
    message.kind = static_cast<std::uint8_t>(RequestKind::Exchange);
    message.option = message.buffer.index;
    ask(message);
    message.kind = static_cast<std::uint8_t>(RequestKind::SendTo);
    message.peer = {kLoopback, 7000};
    ask(message);
    const Message event = heard();
    EXPECT_EQ(EventKind{event.kind}, EventKind::Failed) << number;
    EXPECT_EQ(event.value, static_cast<std::uint64_t>(EFAULT)) << number;
  }
  EXPECT_GE(refused(), before + 9);
}

TEST_F(Requests, BytesThatDoNotLieInTheirBufferAreNotSent) {
  const Handle socket = opened({kLoopback, 7000});
  BufferRef mine = buffer(100);
  const BufferRef whole = mine;
  for (const auto& [offset, length] : {std::pair{65535u, 1u}, {60000u, 60000u}, {0u, 65535u}}) {
    mine.offset = static_cast<std::uint16_t>(offset);
    mine.length = static_cast<std::uint16_t>(length);
    Message send = request(RequestKind::SendTo, socket);
    send.buffer = mine;
    send.peer = {kLoopback, 7000};
    ask(send);
    EXPECT_EQ(EventKind{heard().kind}, EventKind::Failed) << offset << "+" << length;
  }
  Message send = request(RequestKind::SendTo, socket);
  send.buffer = whole;
  send.peer = {kLoopback, 7000};
  ask(send);
  EXPECT_EQ(EventKind{heard().kind}, EventKind::Data) << "the buffer was the program's all along";
}

// A chain of packets has a number of segments of 16 bits.
TEST_F(Requests, ADatagramOfTooManyPiecesIsRefusedWhole) {
  const Handle socket = opened({kLoopback, 7000});
  for (const bool empty : {true, false}) {
    for (unsigned i = 0; i < 200; ++i) {
      Message send = request(RequestKind::SendTo, socket);
      send.buffer = buffer(empty ? 0 : 1000);
      send.peer = {kLoopback, 7000};
      send.flags = i < 199 ? socket::message_flag::kMore : std::uint8_t{0};
      ask(send);
    }
    const Message event = heard();
    EXPECT_EQ(EventKind{event.kind}, EventKind::Failed) << empty;
    EXPECT_EQ(event.value, static_cast<std::uint64_t>(EMSGSIZE)) << empty;
    EXPECT_EQ(heard().kind, 0xff) << "nothing of it was sent";
  }
}

TEST_F(Requests, ADeviceThatThereIsNotIsNoWayToAGroup) {
  const Handle socket = opened({kUs, 7000});
  for (const unsigned device : {9u, 77u, 65534u}) {
    Message send = request(RequestKind::SendTo, socket);
    send.buffer = buffer(10);
    send.local.device = static_cast<std::uint16_t>(device);
    send.peer = {Ipv4Address(224, 0, 0, 1), 9};
    ask(send);
    const Message event = heard();
    EXPECT_EQ(EventKind{event.kind}, EventKind::Failed) << device;
    EXPECT_EQ(event.value, static_cast<std::uint64_t>(ENETUNREACH)) << device;
  }
}

TEST_F(Requests, ASocketMovesToNoAddressOrPortThatItsProgramDoesNotHold) {
  const Handle victim = opened({kLoopback, 7001});
  const Handle socket = opened({kUs, 7001});
  for (const Endpoint& wanted : {Endpoint{kLoopback, 7001}, Endpoint{kUs, 7002}}) {
    Message move = request(RequestKind::SetPeer, socket);
    move.local = wanted;
    move.peer = {kLoopback, 9};
    move.cookie = ticket_;
    ask(move);
    const Message event = heard();
    EXPECT_EQ(EventKind{event.kind}, EventKind::Failed);
    EXPECT_EQ(event.value, static_cast<std::uint64_t>(EINVAL));
    move.peer = {};
    ask(move);
    EXPECT_EQ(EventKind{heard().kind}, EventKind::Connected) << "dissolved";
  }
  const Handle sender = opened({kLoopback, 7003});
  Message send = request(RequestKind::SendTo, sender);
  send.buffer = buffer(10);
  send.peer = {kLoopback, 7001};
  ask(send);
  const Message event = heard();
  EXPECT_EQ(EventKind{event.kind}, EventKind::Data);
  EXPECT_EQ(event.handle, victim);
}

}  // namespace
}  // namespace linnet::shim
