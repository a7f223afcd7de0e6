// SPDX-License-Identifier: BSD-3-Clause
// A program and its lane in turns on one thread: blocking calls take the turns that they wait for.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linnet/socket.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "shim/current.hpp"
#include "shim/stack_host.hpp"
#include "stack/lane_state.hpp"

namespace {

using namespace linnet;

class Polling : public testing::Test {
 protected:
  void SetUp() override {
    time::TscClock clock;
    stack::Options options;
    options.pool.name = "polling";
    options.pool.packets = 4096;
    options.seed = 1;
    options.origin = clock.now();
    stack_ = std::move(stack::Stack::create(options)).value();
    host_ = std::make_unique<shim::PollingHost>(*stack_);
    program_ = std::move(shim::Program::create(host_->parts())).value();
    shim::choose_for_thread(program_);
  }
  void TearDown() override {
    program_->end();
    for (int i = 0; i < 8; ++i)
      host_->drive();
    EXPECT_TRUE(stack_->account().balanced());
  }

  std::unique_ptr<stack::Stack> stack_;
  std::unique_ptr<shim::PollingHost> host_;
  std::shared_ptr<shim::Program> program_;
};

// Both ends of a connection, and whom the listener took it from.
struct Ends {
  Socket listener = Socket::stream(), client = Socket::stream();
  SocketName from;
  Socket server = opened();

  Socket opened() {
    const SocketName here(INADDR_LOOPBACK, 7000);
    EXPECT_EQ(listener.bind(here), 0);
    EXPECT_EQ(listener.listen(8), 0);
    EXPECT_EQ(client.connect(here), 0);
    return listener.accept(&from);
  }
};

// As on Linux: what a write has taken is sent, though the program ends before a lane has looked.
TEST_F(Polling, WhatAProgramAskedForBeforeItEndedIsDone) {
  const SocketName here(INADDR_LOOPBACK, 7000);
  Socket listener = Socket::stream();
  ASSERT_EQ(listener.bind(here), 0);
  ASSERT_EQ(listener.listen(8), 0);
  const auto other = std::move(shim::Program::create(host_->parts())).value();
  shim::choose_for_thread(other);
  Socket client = Socket::stream();
  ASSERT_EQ(client.connect(here), 0);
  std::array<std::byte, 3000> bytes{};
  ASSERT_EQ(client.send(bytes), 3000);
  EXPECT_EQ(client.shutdown(SHUT_WR), 0);
  other->end();
  shim::choose_for_thread(program_);

  Socket server = listener.accept();
  ASSERT_TRUE(server);
  std::size_t received = 0;
  ssize_t count = 0;
  while ((count = server.receive(bytes)) > 0)
    received += static_cast<std::size_t>(count);
  EXPECT_EQ(count, 0) << errno;  // its FIN, no reset
  EXPECT_EQ(received, 3000u);
}

// What it had read is not unread because the lane has not heard of it yet (RFC 2525 section 2.17).
TEST_F(Polling, AProgramThatHadReadAllEndsWithoutAReset) {
  const SocketName here(INADDR_LOOPBACK, 7000);
  const auto other = std::move(shim::Program::create(host_->parts())).value();
  shim::choose_for_thread(other);
  Socket listener = Socket::stream();
  ASSERT_EQ(listener.bind(here), 0);
  ASSERT_EQ(listener.listen(8), 0);
  shim::choose_for_thread(program_);
  Socket client = Socket::stream();
  ASSERT_EQ(client.connect(here), 0);
  std::array<std::byte, 3000> bytes{};
  ASSERT_EQ(client.send(bytes), 3000);
  shim::choose_for_thread(other);
  Socket server = listener.accept();
  ASSERT_TRUE(server);
  ASSERT_EQ(server.receive(bytes, MSG_WAITALL), 3000);
  other->end();
  shim::choose_for_thread(program_);
  EXPECT_EQ(client.receive(bytes), 0) << errno;
}

TEST_F(Polling, BlockingCallsTakeTheTurnsThatTheyWaitFor) {
  Ends ends;
  Socket &client = ends.client, &server = ends.server;
  ASSERT_TRUE(server);
  EXPECT_EQ(ends.from.address(), INADDR_LOOPBACK);

  std::array<std::byte, 64> bytes{};
  bytes[0] = std::byte{7};
  ASSERT_EQ(client.send(bytes), 64);
  std::array<std::byte, 128> room{};
  ASSERT_EQ(server.receive(room), 64);
  EXPECT_EQ(room[0], std::byte{7});
}

TEST_F(Polling, BuffersThatGoBackWithAnAnswerCanBeUsedAgain) {
  Ends ends;
  Socket &client = ends.client, &server = ends.server;
  ASSERT_TRUE(server);
  std::array<std::byte, 64> bytes{};
  ASSERT_EQ(client.send(bytes), 64);
  const std::uint32_t before = stack_->pool().in_use();
  for (unsigned i = 0; i < 200; ++i) {
    ASSERT_EQ(server.receive(bytes), 64);
    ASSERT_EQ(server.send(bytes), 64);
    ASSERT_EQ(client.receive(bytes), 64);
    ASSERT_EQ(client.send(bytes), 64);
  }
  EXPECT_LT(stack_->pool().in_use(), before + 50);
}

// It is the one thread's without a lock; a number that was closed and given anew is the new one's.
TEST_F(Polling, ADescriptorIsFoundByItsThreadAndByAnyOther) {
  Socket one = Socket::stream();
  const int number = one.get();
  const auto type = [number] {
    int kind = 0;
    socklen_t length = sizeof kind;
    return ln_getsockopt(number, SOL_SOCKET, SO_TYPE, &kind, &length) == 0 ? kind : -errno;
  };
  const auto elsewhere = [&] {
    int found = 0;
    std::thread([&] { found = type(); }).join();
    return found;
  };
  EXPECT_EQ(type(), SOCK_STREAM);
  EXPECT_EQ(elsewhere(), SOCK_STREAM);
  one = {};
  EXPECT_EQ(type(), -EBADF);
  EXPECT_EQ(elsewhere(), -EBADF);
  ASSERT_EQ(ln_socket(AF_INET, SOCK_DGRAM, 0), number);
  EXPECT_EQ(type(), SOCK_DGRAM);
  EXPECT_EQ(ln_close(number), 0);
}

// What is remembered of a destination goes with the tables that it is from.
TEST_F(Polling, ConnectSeesRoutesAsTheyAre) {
  const SocketName far(0xcb007101, 7000);  // 203.0.113.1
  const auto connect = [&] {
    const Socket client = Socket::stream(SOCK_NONBLOCK);
    return client.connect(far) == 0 ? 0 : errno;
  };
  route::RouteSpec route;
  route.prefix = *Ipv4Prefix::parse("203.0.113.0/24");
  route.hops = {{.device = stack_->devices().find("lo")->index()}};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(connect(), ENETUNREACH);
    EXPECT_EQ(connect(), ENETUNREACH);
    ASSERT_TRUE(stack_->routes().add(route));
    EXPECT_EQ(connect(), EINPROGRESS);
    EXPECT_EQ(connect(), EINPROGRESS);
    ASSERT_TRUE(stack_->routes().remove(route));
  }
}

TEST_F(Polling, ACallThatSendsTakesNoTurn) {
  const SocketName here(INADDR_LOOPBACK, 7000);
  Socket listener = Socket::stream();
  ASSERT_EQ(listener.bind(here), 0);
  ASSERT_EQ(listener.listen(8), 0);
  Socket client = Socket::stream();
  ASSERT_EQ(client.connect(here), 0);
  const std::uint64_t before = stack_->lane(0).statistics().turns.value();
  const std::array<std::byte, 64> bytes{};
  ASSERT_EQ(client.send(bytes), 64);
  ASSERT_EQ(client.send(bytes), 64);
  EXPECT_EQ(stack_->lane(0).statistics().turns.value(), before);
}

// A program of one step at a time, as a benchmark's.
class Looking : public Polling {
 protected:
  // Whether `fd`, watched by its number, has something within so many looks.
  bool has(int fd, unsigned looks = 4) {
    for (; looks != 0; --looks) {
      std::array<epoll_event, 8> events;
      const int count = set_->wait(events, 0);
      for (int i = 0; i < count; ++i) {
        if (events[static_cast<std::size_t>(i)].data.u64 == static_cast<std::uint64_t>(fd))
          return true;
      }
    }
    return false;
  }
  void watch(int fd, std::uint32_t events) {
    ASSERT_EQ(set_->add(fd, events, static_cast<std::uint64_t>(fd)), 0);
  }
  std::uint64_t sent() {
    const tcp::Counters& counters = stack_->lane(0).state().sockets.tcp_counters();
    return counters.value(tcp::Count::OutSegs);
  }
  void SetUp() override {
    Polling::SetUp();
    set_ = std::make_unique<Epoll>();
    listener_ = Socket::stream(SOCK_NONBLOCK);
    ASSERT_EQ(listener_.bind(here_), 0);
    ASSERT_EQ(listener_.listen(8), 0);
    watch(listener_.get(), EPOLLIN);
    client_ = Socket::stream(SOCK_NONBLOCK);
    ASSERT_EQ(client_.connect(here_), -1);
    watch(client_.get(), EPOLLOUT);
    ASSERT_TRUE(has(client_.get()));
    ASSERT_EQ(set_->change(client_.get(), EPOLLIN, static_cast<std::uint64_t>(client_.get())), 0);
  }
  void TearDown() override {
    client_ = {};
    server_ = {};
    listener_ = {};
    set_.reset();
    Polling::TearDown();
  }
  void accept() {
    ASSERT_TRUE(has(listener_.get()));
    server_ = listener_.accept(nullptr, SOCK_NONBLOCK);
    ASSERT_TRUE(server_);
    EXPECT_FALSE(listener_.accept());
    watch(server_.get(), EPOLLIN);
  }

  const SocketName here_{INADDR_LOOPBACK, 7000};
  std::unique_ptr<Epoll> set_;
  Socket listener_, client_, server_;
  std::array<std::byte, 64> bytes_{};
};

// SYN, SYN-ACK, ACK with the request, answer with FIN, FIN, ACK.
TEST_F(Looking, AConnectionOfOneRequestTakesSixSegments) {
  ASSERT_EQ(client_.send(bytes_), 64);
  accept();
  ASSERT_TRUE(has(server_.get()));
  ASSERT_EQ(server_.receive(bytes_), 64);
  ASSERT_EQ(server_.send(bytes_), 64);
  server_ = {};
  ASSERT_TRUE(has(client_.get()));
  EXPECT_EQ(client_.receive(bytes_), 64);
  ASSERT_TRUE(has(client_.get()));
  EXPECT_EQ(client_.receive(bytes_), 0);
  client_ = {};
  EXPECT_FALSE(has(listener_.get()));
  EXPECT_EQ(sent(), 6u);
}

TEST_F(Looking, AnAckWaitsForAnAnswerAndNotForThreeLooks) {
  accept();
  const std::uint64_t before = sent();
  ASSERT_EQ(client_.send(bytes_), 64);
  ASSERT_TRUE(has(server_.get(), 2));
  EXPECT_EQ(sent(), before + 1);
  ASSERT_EQ(server_.receive(bytes_), 64);
  ASSERT_EQ(server_.send(bytes_), 64);
  ASSERT_TRUE(has(client_.get(), 2));
  EXPECT_EQ(sent(), before + 2);
  // One of the first, which no delay holds back.
  EXPECT_EQ(client_.receive(bytes_), 64);
  EXPECT_FALSE(has(client_.get(), 2));
  EXPECT_EQ(sent(), before + 3);
}

// A call that waits promises no answer: what came is acknowledged as it comes.
TEST_F(Looking, NoAckWaitsForAProgramThatWaitsInACall) {
  accept();
  ASSERT_EQ(client_.send(bytes_), 64);
  const std::uint64_t before = sent();
  ASSERT_EQ(ln_fcntl(server_.get(), F_SETFL, 0), 0);
  ASSERT_EQ(server_.receive(bytes_), 64);
  EXPECT_EQ(sent(), before + 2);
}

int dissolve(int fd) {
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  return ln_connect(fd, &nobody, sizeof nobody);
}

// The lanes look at all of it at once, when the tickets of those before are long given up.
TEST_F(Polling, ADatagramSocketIsConnectedAnewBeforeALaneHasLooked) {
  constexpr std::uint32_t kFirst = INADDR_LOOPBACK, kSecond = INADDR_LOOPBACK + 1;
  for (const bool bound : {false, true}) {
    Socket server = Socket::datagram(), client = Socket::datagram();
    ASSERT_EQ(server.bind(SocketName(kSecond, 7000)), 0);
    if (bound) {
      ASSERT_EQ(client.bind(SocketName(INADDR_ANY, 7001)), 0);
    }
    for (const std::uint32_t address : {kFirst, kSecond, kFirst, kSecond}) {
      ASSERT_EQ(client.connect(SocketName(address, 7000)), 0);
      if (address == kFirst) {
        ASSERT_EQ(dissolve(client.get()), 0);
      }
    }
    std::array<std::byte, 8> bytes{};
    EXPECT_EQ(client.send(bytes), 8) << errno;
    EXPECT_EQ(server.receive(bytes), 8);
    int error = -7;
    socklen_t length = sizeof error;
    EXPECT_EQ(ln_getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &length), 0);
    EXPECT_EQ(error, 0) << bound;
    ASSERT_EQ(dissolve(client.get()), 0);
    ASSERT_EQ(client.connect(SocketName(kFirst, 7000)), 0);
    ASSERT_EQ(dissolve(client.get()), 0);
    const SocketName to(kSecond, 7000);
    EXPECT_EQ(ln_sendto(client.get(), "x", 1, 0, to.get(), SocketName::size()), 1) << errno;
    EXPECT_EQ(server.receive(bytes), 1);
    EXPECT_EQ(ln_getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &length), 0);
    EXPECT_EQ(error, 0) << bound;
  }
}

TEST_F(Polling, WaitsEndAtTheirTimeAndByTheKernelsDescriptors) {
  Epoll set;
  const auto start = std::chrono::steady_clock::now();
  std::array<epoll_event, 4> events;
  EXPECT_EQ(ln_epoll_wait(set.get(), events.data(), 4, 5), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(5));

  const int signal = eventfd(1, EFD_NONBLOCK);
  epoll_event wanted{.events = EPOLLIN, .data = {.u64 = 42}};
  ASSERT_EQ(ln_epoll_ctl(set.get(), EPOLL_CTL_ADD, signal, &wanted), 0);
  ASSERT_EQ(ln_epoll_wait(set.get(), events.data(), 4, -1), 1);
  EXPECT_EQ(std::uint64_t{events[0].data.u64}, 42u);
  close(signal);
}

}  // namespace
