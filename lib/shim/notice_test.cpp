// SPDX-License-Identifier: BSD-3-Clause
// What a program is told of its sockets, and that somebody tells it.
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "shim/embed.hpp"
#include "shim/test_lane.hpp"
#include "shim/test_wire.hpp"

namespace linnet::shim {
namespace {

class Notice : public CallsTest {
 protected:
  // Of the connection that was made last.
  socket::Message last() const {
    socket::Message out;
    out.program = lane_->last_program;
    out.handle = lane_->last_handle;
    return out;
  }
  static void set_low_water(int fd, int bytes) {
    EXPECT_EQ(ln_setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes), 0);
  }
  // POLL* bits that hold.
  static int polled(int fd) {
    pollfd poll{fd, POLLIN | POLLPRI | POLLOUT, 0};
    return ln_poll(&poll, 1, 0) >= 0 ? poll.revents : -1;
  }
  static int watch(int set, int fd, std::uint32_t events, std::uint64_t data) {
    epoll_event event{.events = events, .data = {.u64 = data}};
    return ln_epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
  }
  // The data of the one event that there is; 0: none.
  static std::uint64_t next(int set) {
    epoll_event event{};
    return ln_epoll_wait(set, &event, 1, 0) == 1 ? std::uint64_t{event.data.u64} : 0;
  }
};

TEST_F(Notice, ALowerLowWaterIsAnEdge) {
  const int fd = connected(), set = ln_epoll_create1(0);
  EXPECT_EQ(watch(set, fd, EPOLLIN | EPOLLET, 7), 0);
  set_low_water(fd, 1000);
  lane_->data(last(), std::string(500, 'x'));
  EXPECT_EQ(next(set), 0u);
  EXPECT_EQ(polled(fd), POLLOUT);
  set_low_water(fd, 1);
  EXPECT_EQ(polled(fd), POLLIN | POLLOUT);
  EXPECT_EQ(next(set), 7u);
  ln_close(fd);
  ln_close(set);
}

// Linux: tcp_poll raises the target by the byte that no read finds.
TEST_F(Notice, AnUrgentByteAloneIsNothingToRead) {
  const int fd = connected();
  lane_->tell(EventKind::Urgent, last());  // the next byte
  EXPECT_EQ(polled(fd), POLLOUT) << "it has not come yet";
  lane_->data(last(), "U");
  EXPECT_EQ(polled(fd), POLLPRI | POLLOUT);
  const int on = 1;
  EXPECT_EQ(ln_setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on), 0);
  EXPECT_EQ(polled(fd), POLLIN | POLLPRI | POLLOUT);
  ln_close(fd);
}

TEST_F(Notice, OursAndTheKernelsDescriptorsAreToldByTurns) {
  const int fd = connected(SOCK_DGRAM), kernel = eventfd(1, EFD_NONBLOCK);
  const int set = ln_epoll_create1(0);
  EXPECT_EQ(watch(set, fd, EPOLLOUT, 1), 0);
  EXPECT_EQ(watch(set, kernel, EPOLLIN, 2), 0);
  unsigned ours = 0, kernels = 0;
  for (int i = 0; i < 8; ++i) {
    const std::uint64_t told = next(set);
    ours += told == 1 ? 1 : 0;
    kernels += told == 2 ? 1 : 0;
  }
  EXPECT_EQ(ours, 4u);
  EXPECT_EQ(kernels, 4u);
  ln_close(set);
  ln_close(fd);
  ::close(kernel);
}

// Linux keys what a set watches by file and number.
TEST_F(Notice, ANumberThatIsUsedAgainIsAnotherFiles) {
  const int set = ln_epoll_create1(0), first = connected(SOCK_DGRAM);
  const int copy = ln_dup(first);
  EXPECT_EQ(watch(set, first, EPOLLOUT, 1), 0);
  EXPECT_EQ(ln_close(first), 0);
  const int second = connected(SOCK_DGRAM);
  ASSERT_EQ(second, first);
  epoll_event event{.events = EPOLLOUT, .data = {.u64 = 2}};
  EXPECT_EQ(ln_epoll_ctl(set, EPOLL_CTL_MOD, second, &event), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(ln_epoll_ctl(set, EPOLL_CTL_DEL, second, &event), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(next(set), 1u) << "it lives on by its other name";
  EXPECT_EQ(watch(set, second, EPOLLOUT, 2), 0);
  EXPECT_NE(next(set), next(set));
  EXPECT_EQ(ln_close(copy), 0);
  EXPECT_EQ(next(set), 2u);
  ln_close(second);
  ln_close(set);
}

// A loop outside sleeps on the kernel's descriptor alone.
TEST_F(Notice, AFreeBufferIsLookedForWhileALoopOutsideWaits) {
  const int fd = connected(), set = ln_epoll_create1(0);
  EXPECT_EQ(watch(set, fd, EPOLLOUT | EPOLLET, 7), 0);
  const int outside = ln_epoll_kernel_fd(set);
  ASSERT_GE(outside, 0);
  EXPECT_EQ(next(set), 7u);
  std::vector<socket::BufferRef> taken;
  while (const auto buffer = buffers_.take(program_->session()))
    taken.push_back(*buffer);
  EXPECT_EQ(ln_send(fd, "x", 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(next(set), 0u);
  for (const socket::BufferRef& buffer : taken)
    buffers_.give_back(program_->session(), buffer);
  pollfd poll{outside, POLLIN, 0};
  EXPECT_EQ(::poll(&poll, 1, 1000), 1) << "nobody looks for it";
  EXPECT_EQ(next(set), 7u);
  EXPECT_EQ(next(set), 0u);
  EXPECT_EQ(::poll(&poll, 1, 10), 0) << "there is no more to look for";
  ln_close(fd);
  ln_close(set);
}

TEST_F(Notice, WhatFoundTheRingFullIsTriedAgainWhileAllSleep) {
  const int fd = connected(SOCK_DGRAM), other = connected();
  socket::Message data;
  data.program = 1;
  data.handle = {1, 1};
  EXPECT_EQ(ln_shutdown(fd, SHUT_RD), 0);
  host_.drives = false;
  host_.sleeps_until = time::Instant();
  std::thread reader([&] {
    char text[8];
    EXPECT_EQ(ln_recv(other, text, sizeof text, 0), 5);
  });
  while (host_.sleeps_until.load() != time::Instant::never())
    std::this_thread::yield();
  for (int mark = 0; mark < 1024; ++mark)
    ASSERT_EQ(ln_setsockopt(other, SOL_SOCKET, SO_MARK, &mark, sizeof mark), 0);
  lane_->data(data, "nobody reads this");
  program_->pump();
  for (int i = 0; i < 1000 && host_.sleeps_until.load() == time::Instant::never(); ++i)
    ::poll(nullptr, 0, 1);
  EXPECT_EQ(host_.sleeps_until.load(), host_.now() + Program::kBufferRetry);
  lane_->turn();
  EXPECT_EQ(ln_send(other, "hello", 5, 0), 5);
  lane_->turn();
  reader.join();
  host_.drives = true;
  ln_close(other);
  ln_close(fd);
}

// The mark waits for room in the event ring as the data does: it may come alone, before data that
// is missing.
TEST_F(WireTest, AMarkThatFoundTheEventRingFullIsToldLater) {
  socket::System& system = stack_[1]->stack().sockets();
  socket::Session& raw = **system.sessions.create({16, 16});
  const auto bound = system.ports.bind({.space = socket::Space::Tcp,
                                        .local = {*Ipv4Address::parse(kB), 80},
                                        .session = raw.number()});
  ASSERT_EQ(bound.error, 0);
  socket::Message listen;
  listen.kind = static_cast<std::uint8_t>(socket::RequestKind::Listen);
  listen.program = 1;
  listen.local = {*Ipv4Address::parse(kB), 80};
  listen.cookie = bound.ticket;
  listen.value = 8;
  ASSERT_EQ(system.ports.listen(bound.ticket), 0);
  ASSERT_TRUE(raw.requests(0).push(listen));
  run(1);
  const int client = socket_on(0), on = 1;
  ln_setsockopt(client, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
  connect_to(client, kB, 80);
  run(3);
  socket::Message event;
  std::vector<socket::EventKind> heard;
  const auto listen_to = [&] {
    heard.clear();
    while (raw.events(0).pop(event)) {
      heard.push_back(socket::EventKind{event.kind});
      if (event.buffer.index != socket::BufferRef::kNone)
        system.buffers.give_back(raw.number(), event.buffer);
    }
  };
  listen_to();
  ASSERT_EQ(heard, (std::vector{socket::EventKind::Opened, socket::EventKind::Accepted}));
  for (int i = 0; i < 16; ++i) {
    ASSERT_EQ(ln_send(client, "x", 1, 0), 1);
    run(3);
  }
  lose = [](unsigned side, const std::uint8_t*, std::size_t) { return side == 0; };
  ASSERT_EQ(ln_send(client, "a", 1, 0), 1);
  carry();
  lose = nullptr;
  ASSERT_EQ(ln_send(client, "U", 1, MSG_OOB), 1);
  carry();
  carry();
  listen_to();
  EXPECT_EQ(heard, std::vector(16, socket::EventKind::Data));
  ln_embed_advance(stack_[1], 1);
  run(1000);
  listen_to();
  EXPECT_EQ(std::count(heard.begin(), heard.end(), socket::EventKind::Urgent), 1);
  ln_close(client);
  system.sessions.close(raw);
  run(10);
}

}  // namespace
}  // namespace linnet::shim
