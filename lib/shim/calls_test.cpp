// SPDX-License-Identifier: BSD-3-Clause
// The calls against a lane that echoes: what is the program's side alone.
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <thread>
#include <vector>

#include "shim/epoll.hpp"
#include "shim/test_lane.hpp"

namespace linnet::shim {
namespace {

TEST_F(CallsTest, StreamBytesComeBackInPiecesAndWhole) {
  const int fd = connected();
  const std::string text(5000, 'x');
  EXPECT_EQ(ln_send(fd, text.data(), text.size(), 0), 5000);
  std::string back(6000, '\0');
  EXPECT_EQ(ln_recv(fd, back.data(), 10, MSG_PEEK), 10);
  EXPECT_EQ(ln_recv(fd, back.data(), 3, 0), 3);
  int readable = 0;
  EXPECT_EQ(ln_ioctl(fd, FIONREAD, &readable), 0);
  EXPECT_EQ(readable, 4997);
  EXPECT_EQ(ln_recv(fd, back.data(), back.size(), 0), 4997);
  EXPECT_EQ(ln_recv(fd, back.data(), 1, 0), -1);
  EXPECT_EQ(errno, EAGAIN);  // the driver never sleeps
  EXPECT_EQ(ln_shutdown(fd, SHUT_WR), 0);
  EXPECT_EQ(ln_recv(fd, back.data(), 1, 0), 0);
  EXPECT_EQ(ln_send(fd, "x", 1, MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(ln_close(fd), 0);
  EXPECT_EQ(ln_close(fd), -1);
  EXPECT_EQ(errno, EBADF);
}

// Nobody reads the ring between two calls of the one thread.
TEST_F(CallsTest, WhatWasReadGoesWithTheAnswer) {
  const int fd = connected(), other = connected();
  char byte = 0;
  const auto exchange = [&](int answer_on, bool ours, unsigned want) {
    EXPECT_EQ(ln_send(fd, "x", 1, 0), 1);
    host_.drives = false;
    host_.ours = ours;
    program_->pump();
    EXPECT_EQ(ln_recv(fd, &byte, 1, 0), 1);
    EXPECT_EQ(ln_send(answer_on, "y", 1, MSG_DONTWAIT), 1);
    lane_->turn();
    host_.drives = true;
    EXPECT_EQ(ln_recv(answer_on, &byte, 1, 0), 1);
    EXPECT_EQ(byte, 'y');
    EXPECT_EQ(lane_->exchanges, want);
  };
  exchange(fd, true, 1);
  exchange(fd, true, 2);
  exchange(other, true, 2);  // of another connection
  exchange(fd, false, 2);    // the lane may be reading
  ln_close(fd);
  ln_close(other);
}

TEST_F(CallsTest, WhatIsWrittenNextTakesTheBufferThatWasReadToItsEnd) {
  const int fd = connected();
  char bytes[3] = {};
  EXPECT_EQ(ln_send(fd, "abc", 3, 0), 3);
  const std::uint32_t first = lane_->last_buffer;
  EXPECT_EQ(ln_recv(fd, bytes, 2, 0), 2);
  EXPECT_EQ(ln_send(fd, "xyz", 3, 0), 3);
  EXPECT_NE(lane_->last_buffer, first) << "there is a byte in it";
  EXPECT_EQ(ln_recv(fd, bytes, 1, 0), 1);
  EXPECT_EQ(bytes[0], 'c');
  EXPECT_EQ(ln_recv(fd, bytes, 3, 0), 3);
  EXPECT_EQ(lane_->returned_buffer, socket::BufferRef::kNone);
  const std::uint32_t kept = lane_->last_buffer;
  EXPECT_EQ(ln_send(fd, "uvw", 3, 0), 3);
  EXPECT_EQ(lane_->last_buffer, kept);
  EXPECT_EQ(ln_recv(fd, bytes, 3, 0), 3);
  EXPECT_EQ(bytes[2], 'w');
  ln_close(fd);
}

// What was received may still stand in the queue of who sent it, on the same machine.
TEST_F(CallsTest, NothingIsWrittenIntoBytesThatOthersHave) {
  const int fd = connected();
  char byte = 0;
  EXPECT_EQ(ln_send(fd, "a", 1, 0), 1);
  const std::uint32_t shared = lane_->last_buffer;
  rte_mbuf* const mbuf = pool_->at(shared);
  rte_mbuf_refcnt_update(mbuf, 1);
  EXPECT_EQ(ln_recv(fd, &byte, 1, 0), 1);
  EXPECT_EQ(lane_->returned_buffer, shared);
  EXPECT_EQ(ln_send(fd, "b", 1, 0), 1);
  EXPECT_NE(lane_->last_buffer, shared);
  EXPECT_EQ(*rte_pktmbuf_mtod(mbuf, char*), 'a');
  rte_pktmbuf_free(mbuf);
  ln_close(fd);
}

TEST_F(CallsTest, SendStopsAtTheCreditAndGoesOnWithSpace) {
  lane_->credit = 3000;
  lane_->holds = false;
  const int fd = connected();
  lane_->holds = true;
  const std::string text(5000, 'x');
  EXPECT_EQ(ln_send(fd, text.data(), text.size(), 0), 3000);
  EXPECT_EQ(ln_send(fd, text.data(), text.size(), 0), -1);
  EXPECT_EQ(errno, EAGAIN);
  pollfd poll{fd, POLLOUT, 0};
  EXPECT_EQ(ln_poll(&poll, 1, 0), 0);
  int queued = 0;
  EXPECT_EQ(ln_ioctl(fd, TIOCOUTQ, &queued), 0);
  EXPECT_EQ(queued, 3000);
  socket::Message space;
  space.program = lane_->last_program;
  space.handle = lane_->last_handle;
  space.value = 1000;
  space.option = 1000;
  lane_->tell(EventKind::Space, space);
  EXPECT_EQ(ln_poll(&poll, 1, 0), 0) << "too little to wake anybody for";
  space.option = 1500;
  lane_->tell(EventKind::Space, space);
  EXPECT_EQ(ln_poll(&poll, 1, 0), 1);
  EXPECT_EQ(poll.revents, POLLOUT);
  EXPECT_EQ(ln_send(fd, text.data(), 1000, 0), 1000);
  EXPECT_EQ(ln_poll(&poll, 1, 0), 0);
  EXPECT_EQ(ln_send(fd, text.data(), text.size(), 0), 1000);
  // A bound was set while the program wrote: it has spent more than it may have.
  space.value = static_cast<std::uint64_t>(std::int64_t{-500});
  space.option = 0;
  lane_->tell(EventKind::Space, space);
  space.value = 400;
  lane_->tell(EventKind::Space, space);
  EXPECT_EQ(ln_send(fd, text.data(), text.size(), 0), -1);
  space.value = 300;
  lane_->tell(EventKind::Space, space);
  EXPECT_EQ(ln_send(fd, text.data(), text.size(), 0), 200);
  ln_close(fd);
}

TEST_F(CallsTest, RefusedConnectTellsOnceAndMayBeTriedAgain) {
  lane_->connect_error = ECONNREFUSED;
  const int fd = ln_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const sockaddr_in to = name("10.0.0.2", 7);
  const auto* const address = reinterpret_cast<const sockaddr*>(&to);
  EXPECT_EQ(ln_connect(fd, address, sizeof to), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  EXPECT_EQ(ln_connect(fd, address, sizeof to), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
  lane_->connect_error = 0;
  lane_->holds = true;
  EXPECT_EQ(ln_connect(fd, address, sizeof to), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  EXPECT_EQ(ln_connect(fd, address, sizeof to), -1);
  EXPECT_EQ(errno, EALREADY);
  ln_close(fd);
}

TEST_F(CallsTest, AcceptedConnectionHasTheDataThatCameBeforeAccept) {
  const int fd = ln_socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in here = name("10.0.0.1", 80);
  EXPECT_EQ(ln_bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
  EXPECT_EQ(ln_listen(fd, 5), 0);
  EXPECT_EQ(ln_accept(fd, nullptr, nullptr), -1);
  EXPECT_EQ(errno, EAGAIN);
  lane_->arrive(lane_->last_program, "hello");
  pollfd poll{fd, POLLIN, 0};
  EXPECT_EQ(ln_poll(&poll, 1, 0), 1);
  sockaddr_in peer{};
  socklen_t length = sizeof peer;
  const int connection = ln_accept4(fd, reinterpret_cast<sockaddr*>(&peer), &length, SOCK_NONBLOCK);
  ASSERT_GE(connection, LN_FD_BASE);
  EXPECT_EQ(ntohs(peer.sin_port), 4000);
  char text[16] = {};
  EXPECT_EQ(ln_read(connection, text, sizeof text), 5);
  EXPECT_STREQ(text, "hello");
  lane_->arrive(lane_->last_program, "nobody reads this");
  program_->pump();
  ln_close(fd);
  EXPECT_EQ(lane_->close_flags, 0u);  // the listener's; the waiting connection was reset before
  ln_close(connection);
}

TEST_F(CallsTest, DatagramsKeepTheirBoundsAndTellTheirSender) {
  const int fd = ln_socket(AF_INET, SOCK_DGRAM, 0);
  const sockaddr_in to = name("10.0.0.2", 7);
  const auto* const address = reinterpret_cast<const sockaddr*>(&to);
  const int on = 1;
  EXPECT_EQ(ln_setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on), 0);
  EXPECT_EQ(ln_sendto(fd, "one", 3, 0, address, sizeof to), 3);
  const std::string lot(6000, 'y');
  EXPECT_EQ(ln_sendto(fd, lot.data(), lot.size(), 0, address, sizeof to), 6000);
  char text[8] = {}, control[64];
  sockaddr_in from{};
  iovec part{text, sizeof text};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  EXPECT_EQ(ln_recvmsg(fd, &message, 0), 3);
  EXPECT_EQ(ntohs(from.sin_port), 7);
  const cmsghdr* const info = CMSG_FIRSTHDR(&message);
  ASSERT_NE(info, nullptr);
  EXPECT_EQ(info->cmsg_type, IP_PKTINFO);
  EXPECT_EQ(ln_recv(fd, text, sizeof text, MSG_PEEK | MSG_TRUNC), 6000);
  message.msg_control = nullptr;
  EXPECT_EQ(ln_recvmsg(fd, &message, 0), 8);
  EXPECT_EQ(message.msg_flags & MSG_TRUNC, MSG_TRUNC);
  EXPECT_EQ(ln_recv(fd, text, sizeof text, 0), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(ln_sendto(fd, "x", 1, 0, nullptr, 0), -1);
  EXPECT_EQ(errno, EDESTADDRREQ);
  ln_close(fd);
}

TEST_F(CallsTest, EpollTellsLevelsEdgesAndOneShots) {
  const int fd = connected(SOCK_DGRAM);
  const int set = ln_epoll_create1(0);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 5}};
  EXPECT_EQ(ln_epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
  EXPECT_EQ(ln_epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), -1);
  EXPECT_EQ(errno, EEXIST);
  epoll_event out[4];
  EXPECT_EQ(ln_epoll_wait(set, out, 4, 0), 0);
  ln_send(fd, "x", 1, 0);
  EXPECT_EQ(ln_epoll_wait(set, out, 4, 0), 1);
  EXPECT_EQ(ln_epoll_wait(set, out, 4, 0), 1);    // level
  EXPECT_EQ(std::uint64_t{out[0].data.u64}, 5u);  // epoll_event is packed
  event.events = EPOLLIN | EPOLLET;
  EXPECT_EQ(ln_epoll_ctl(set, EPOLL_CTL_MOD, fd, &event), 0);
  EXPECT_EQ(ln_epoll_wait(set, out, 4, 0), 1);
  EXPECT_EQ(ln_epoll_wait(set, out, 4, 0), 0);
  ln_send(fd, "x", 1, 0);
  EXPECT_EQ(ln_epoll_wait(set, out, 4, 0), 1);  // more came: an edge
  event.events = EPOLLIN | EPOLLONESHOT;
  EXPECT_EQ(ln_epoll_ctl(set, EPOLL_CTL_MOD, fd, &event), 0);
  EXPECT_EQ(ln_epoll_wait(set, out, 4, 0), 1);
  ln_send(fd, "x", 1, 0);
  EXPECT_EQ(ln_epoll_wait(set, out, 4, 0), 0);
  event.events = EPOLLIN | EPOLLEXCLUSIVE;
  EXPECT_EQ(ln_epoll_ctl(set, EPOLL_CTL_MOD, fd, &event), -1);
  EXPECT_EQ(errno, EINVAL);
  ln_close(fd);
  EXPECT_EQ(ln_epoll_wait(set, out, 4, 0), 0);
  ln_close(set);
}

TEST_F(CallsTest, KernelDescriptorsAreWaitedForBesideOurs) {
  const int fd = connected(SOCK_DGRAM);
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  pollfd fds[2] = {{fd, POLLIN, 0}, {pipe[0], POLLIN, 0}};
  EXPECT_EQ(ln_poll(fds, 2, 0), 0);
  ASSERT_EQ(::write(pipe[1], "x", 1), 1);
  EXPECT_EQ(ln_poll(fds, 2, 0), 1);
  EXPECT_EQ(fds[1].revents, POLLIN);
  const int set = ln_epoll_create1(0);
  epoll_event event{.events = EPOLLIN, .data = {.fd = pipe[0]}};
  EXPECT_EQ(ln_epoll_ctl(set, EPOLL_CTL_ADD, pipe[0], &event), 0);
  event.data.fd = fd;
  EXPECT_EQ(ln_epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
  ln_send(fd, "x", 1, 0);
  epoll_event out[4];
  EXPECT_EQ(ln_epoll_wait(set, out, 4, 0), 2);
  ln_fd_set readable;
  ln_fd_zero(&readable);
  ln_fd_add(fd, &readable);
  EXPECT_EQ(ln_select(fd + 1, &readable, nullptr, nullptr, nullptr), 1);
  EXPECT_EQ(ln_fd_isset(fd, &readable), 1);
  ln_close(set);
  ln_close(fd);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_F(CallsTest, BlockingCallsOfOtherThreadsSleepUntilTheLaneSpeaks) {
  const int fd = connected();
  host_.drives = false;
  std::atomic<ssize_t> got{-7};
  std::thread reader([&] {
    char text[8];
    got = ln_recv(fd, text, sizeof text, 0);
  });
  while (program_->sleepers() == 0)
    std::this_thread::yield();
  EXPECT_EQ(got, -7);
  EXPECT_EQ(ln_send(fd, "hello", 5, 0), 5);
  lane_->turn();
  reader.join();
  EXPECT_EQ(got, 5);
  host_.drives = true;
  ln_close(fd);
}

TEST_F(CallsTest, TimeoutsAreOfTheStacksTime) {
  const int fd = connected();
  const timeval second{1, 0};
  EXPECT_EQ(ln_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second), 0);
  host_.drives = false;
  std::thread reader([&] {
    char text[8];
    EXPECT_EQ(ln_recv(fd, text, sizeof text, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
  });
  while (program_->sleepers() == 0)
    std::this_thread::yield();
  EXPECT_EQ(program_->next_deadline(host_.now()).since_origin_ns(), 2'000'000'000);
  host_.now_ns = 2'000'000'000;
  program_->wake_due(host_.now());
  reader.join();
  host_.drives = true;
  ln_close(fd);
}

TEST_F(CallsTest, OptionsReadBackAsLinuxTellsThem) {
  const int fd = ln_socket(AF_INET, SOCK_STREAM, 0);
  int value = 5000;
  socklen_t length = sizeof value;
  EXPECT_EQ(ln_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof value), 0);
  EXPECT_EQ(ln_getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &length), 0);
  EXPECT_EQ(value, 10000);
  value = 1;
  EXPECT_EQ(ln_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value), 0);
  EXPECT_EQ(ln_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "bbr", 3), 0);
  EXPECT_EQ(ln_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "none", 4), -1);
  EXPECT_EQ(errno, ENOENT);
  char name_of[16];
  length = sizeof name_of;
  EXPECT_EQ(ln_getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name_of, &length), 0);
  EXPECT_STREQ(name_of, "bbr");
  EXPECT_EQ(ln_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 4), 0);
  EXPECT_EQ(ln_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, nullptr, 4), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(ln_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "eth9", 4), -1);
  EXPECT_EQ(errno, ENODEV);
  std::uint64_t rate = 5'000'000'000;
  EXPECT_EQ(ln_setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof rate), 0);
  length = sizeof value;
  EXPECT_EQ(ln_getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &value, &length), 0);
  EXPECT_EQ(value, -1);  // more than its 32 bits can say
  rate = 0;
  length = sizeof rate;
  EXPECT_EQ(ln_getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &length), 0);
  EXPECT_EQ(rate, 5'000'000'000u);
  EXPECT_TRUE(lane_->options.empty());  // nothing stands there yet
  const sockaddr_in to = name("10.0.0.2", 7);
  EXPECT_EQ(ln_connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  EXPECT_EQ(lane_->options[socket::name::kNoDelay], 1u);
  EXPECT_EQ(lane_->options[socket::name::kReceiveBuffer], 5000u);
  EXPECT_EQ(lane_->options[socket::name::kCongestion], 3u);
  EXPECT_EQ(lane_->options[socket::name::kMaxPacingRate], 5'000'000'000u);
  value = -1;
  EXPECT_EQ(ln_setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &value, sizeof value), 0);
  EXPECT_EQ(lane_->options[socket::name::kMaxPacingRate], UINT64_MAX);
  ln_close(fd);
}

TEST_F(CallsTest, BuffersAreBorrowedAndGivenWithoutACopy) {
  const int fd = connected();
  ln_buffer buffer{};
  ASSERT_EQ(ln_send_buffer_get(fd, &buffer), 0);
  EXPECT_GE(buffer.length, 1400u);
  std::memcpy(buffer.data, "zero", 4);
  buffer.length = 4;
  const void* const place = buffer.data;
  EXPECT_EQ(ln_send_buffer(fd, &buffer, 1, 0), 1);
  ln_buffer back[4];
  ASSERT_EQ(ln_recv_borrow(fd, back, 4, 0), 1);
  EXPECT_EQ(back[0].length, 4u);
  EXPECT_EQ(back[0].data, place);
  EXPECT_EQ(ln_recv_return(fd, back, 1), 0);
  ASSERT_EQ(ln_send_buffer_get(fd, &buffer), 0);
  EXPECT_EQ(ln_send_buffer_drop(fd, &buffer, 1), 0);
  ln_close(fd);
}

TEST_F(CallsTest, UrgentByteStandsBesideTheStream) {
  const int fd = connected();
  socket::Message event;
  event.program = lane_->last_program;
  event.handle = lane_->last_handle;
  event.value = 2;
  lane_->tell(EventKind::Urgent, event);
  lane_->data(event, "abUcd");
  pollfd poll{fd, POLLPRI, 0};
  EXPECT_EQ(ln_poll(&poll, 1, 0), 1);
  char text[8] = {};
  int mark = 0;
  EXPECT_EQ(ln_recv(fd, text, sizeof text, 0), 2);
  EXPECT_EQ(ln_ioctl(fd, SIOCATMARK, &mark), 0);
  EXPECT_EQ(mark, 1);
  EXPECT_EQ(ln_recv(fd, text, 1, MSG_OOB), 1);
  EXPECT_EQ(text[0], 'U');
  EXPECT_EQ(ln_recv(fd, text, sizeof text, 0), 2);
  EXPECT_EQ(std::string(text, 2), "cd");
  ln_close(fd);
}

TEST_F(CallsTest, WaitallSeesWhatComesWhileTheWindowIsOpened) {
  const int fd = connected();
  socket::Message event;
  event.program = lane_->last_program;
  event.handle = lane_->last_handle;
  lane_->data(event, "hello");
  lane_->on_consumed = [&] {
    lane_->on_consumed = nullptr;
    lane_->data(event, "world");
  };
  char text[16];
  EXPECT_EQ(ln_recv(fd, text, 10, MSG_WAITALL), 10);
  ln_close(fd);
}

TEST_F(CallsTest, SendWithoutABufferTriesAgainThoughNothingIsOutstanding) {
  const int fd = connected();
  std::vector<ln_buffer> lent(1);
  while (ln_send_buffer_get(fd, &lent.back()) == 0)
    lent.emplace_back();
  lent.pop_back();
  EXPECT_EQ(ln_send(fd, "x", 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);
  host_.drives = false;
  std::atomic<ssize_t> sent{-7};
  std::thread writer([&] { sent = ln_send(fd, "x", 1, 0); });
  while (program_->sleepers() == 0)
    std::this_thread::yield();
  EXPECT_EQ(program_->next_deadline(host_.now()).since_origin_ns(), 1'001'000'000);
  EXPECT_EQ(ln_send_buffer_drop(fd, lent.data(), static_cast<int>(lent.size())), 0);
  host_.now_ns = 1'001'000'000;
  program_->wake_due(host_.now());
  for (int i = 0; i < 1000 && sent == -7; ++i)
    ::poll(nullptr, 0, 1);
  EXPECT_EQ(sent, 1);
  host_.drives = true;
  if (sent == -7) ln_shutdown(fd, SHUT_WR);
  writer.join();
  ln_close(fd);
}

// Two of three are satisfied at once, and the one that drained the rings leaves first.
TEST_F(CallsTest, NobodyIsToldToWriteWhileNoBufferIsFree) {
  const int fd = connected();
  std::vector<socket::BufferRef> taken;
  while (const auto buffer = buffers_.take(program_->session()))
    taken.push_back(*buffer);
  pollfd poll{fd, POLLOUT, 0};
  EXPECT_EQ(ln_send(fd, "x", 1, 0), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(ln_poll(&poll, 1, 0), 0) << "a loop of poll and send would spin";
  buffers_.give_back(program_->session(), taken.back());
  taken.pop_back();
  EXPECT_EQ(ln_poll(&poll, 1, 0), 1);
  EXPECT_EQ(poll.revents, POLLOUT);
  EXPECT_EQ(ln_send(fd, "x", 1, 0), 1);
  for (const socket::BufferRef& buffer : taken)
    buffers_.give_back(program_->session(), buffer);
  ln_close(fd);
}

TEST_F(CallsTest, TheThirdSleeperDrainsTheRingsWhenTwoHaveLeft) {
  const int fd = connected();
  host_.drives = false;
  std::atomic<Waiter*> waiters[2] = {};
  std::atomic<bool> out[2] = {}, may_leave[2] = {};
  std::vector<std::thread> threads;
  const auto sleeps = [&](unsigned i) {
    Program::Sleeper sleeper(*program_, time::Instant::never());
    sleeper.waiter().reset();
    waiters[i] = &sleeper.waiter();
    sleeper.sleep();
    out[i] = true;
    while (!may_leave[i])
      std::this_thread::yield();
  };
  for (unsigned i = 0; i < 2; ++i) {
    threads.emplace_back(sleeps, i);
    while (program_->sleepers() != i + 1)
      std::this_thread::yield();
  }
  std::atomic<ssize_t> got{-7};
  std::thread reader([&] {
    char text[8];
    got = ln_recv(fd, text, sizeof text, 0);
  });
  while (program_->sleepers() != 3)
    std::this_thread::yield();
  for (unsigned i = 0; i < 2; ++i)
    waiters[i].load()->wake();
  for (unsigned i = 0; i < 2; ++i) {
    while (!out[i])
      std::this_thread::yield();
  }
  for (unsigned i = 0; i < 2; ++i) {
    may_leave[i] = true;
    threads[i].join();
  }
  EXPECT_EQ(ln_send(fd, "hello", 5, 0), 5);
  lane_->turn();
  for (int i = 0; i < 1000 && got == -7; ++i)
    ::poll(nullptr, 0, 1);
  EXPECT_EQ(got, 5);
  program_->pump();
  reader.join();
  host_.drives = true;
  ln_close(fd);
}

TEST_F(CallsTest, ConnectionThatComesWhileItsListenerClosesIsReset) {
  const int fd = ln_socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in here = name("10.0.0.1", 80);
  EXPECT_EQ(ln_bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
  EXPECT_EQ(ln_listen(fd, 5), 0);
  lane_->arrive(lane_->last_program, "hello");
  EXPECT_EQ(ln_close(fd), 0);
  lane_->turn();
  EXPECT_EQ(lane_->close_flags, socket::message_flag::kAbort);
}

TEST_F(CallsTest, WhatTheOldConnectionSaysIsNotTakenForTheNewOne) {
  const int fd = connected();
  socket::Message old;
  old.program = lane_->last_program;
  old.handle = lane_->last_handle;
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  EXPECT_EQ(ln_connect(fd, &nobody, sizeof nobody), 0);
  lane_->data(old, "late");
  lane_->tell(EventKind::EndOfStream, old);
  const sockaddr_in to = name("10.0.0.2", 7);
  int error = 0;
  socklen_t length = sizeof error;
  EXPECT_EQ(ln_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
  EXPECT_EQ(ln_connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  lane_->data(old, "later");
  char text[8];
  EXPECT_EQ(ln_recv(fd, text, sizeof text, 0), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(ln_send(fd, "hello", 5, 0), 5);
  EXPECT_EQ(ln_recv(fd, text, sizeof text, 0), 5);
  ln_close(fd);
}

TEST_F(CallsTest, NumberIsFreeAgainWhenTheLaneRefusesWhatWasClosed) {
  lane_->refuse_error = ENETUNREACH;
  host_.lane = nullptr;  // it answers later
  const int fd = ln_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const sockaddr_in to = name("10.0.0.2", 7);
  EXPECT_EQ(ln_connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  EXPECT_EQ(ln_close(fd), 0);
  lane_->turn();
  program_->pump();
  host_.lane = lane_.get();
  lane_->refuse_error = 0;
  const std::uint32_t number = lane_->last_program;
  const int next = connected();
  EXPECT_EQ(lane_->last_program, number);
  ln_close(next);
}

TEST_F(CallsTest, AnswerThatNobodyWaitsForGivesItsBufferBack) {
  const int fd = connected();
  tcp_info info{};
  socklen_t length = sizeof info;
  EXPECT_EQ(ln_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), -1);  // this lane is mute
  socket::Message answer;
  answer.program = lane_->last_program;
  answer.handle = lane_->last_handle;
  answer.cookie = 1;
  const auto buffer = buffers_.take(program_->session());
  ASSERT_TRUE(buffer.has_value());
  answer.buffer = *buffer;
  lane_->tell(EventKind::Answer, answer);
  program_->pump();
  EXPECT_EQ(pool_->in_use(), 0u);
  ln_close(fd);
}

TEST_F(CallsTest, EpollSleeperHearsOfTheFirstKernelDescriptor) {
  const int set = ln_epoll_create1(0);
  host_.drives = false;
  std::atomic<int> got{-7};
  std::thread waiter([&] {
    epoll_event out[1];
    got = ln_epoll_wait(set, out, 1, -1);
  });
  while (program_->sleepers() == 0)
    std::this_thread::yield();
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  epoll_event event{.events = EPOLLIN, .data = {.fd = pipe[0]}};
  EXPECT_EQ(ln_epoll_ctl(set, EPOLL_CTL_ADD, pipe[0], &event), 0);
  EXPECT_EQ(::write(pipe[1], "x", 1), 1);
  for (int i = 0; i < 1000 && got == -7; ++i)
    ::poll(nullptr, 0, 1);
  EXPECT_EQ(got, 1);
  host_.drives = true;
  const int fd = connected(SOCK_DGRAM);
  if (got == -7) ln_epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);  // it wakes up all the same
  waiter.join();
  for (const int end : pipe)
    ::close(end);
  ln_close(set);
  ln_close(fd);
}

// The stack ends: neither was closed.
TEST_F(CallsTest, EpollSetThatGoesBeforeItsFilesIsWatchedByNone) {
  auto file = std::make_shared<Epoll>(program_);
  {
    Epoll set(program_);
    epoll_event event{.events = EPOLLIN, .data = {}};
    ASSERT_EQ(set.control(EPOLL_CTL_ADD, 1, file, &event), 0);
  }
  EXPECT_EQ(file->close_last(), 0);  // tells whoever watches
}

TEST(Waiter, WokenBetweenSleepsLeavesNoSignalBehind) {
  Waiter waiter;
  // A signal whose word a reset has taken already: as between the two steps of `wake`.
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(waiter.fd(), &one, sizeof one), 8);
  waiter.reset();
  pollfd poll{waiter.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&poll, 1, 0), 0);
}

}  // namespace
}  // namespace linnet::shim
