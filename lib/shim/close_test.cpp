// SPDX-License-Identifier: BSD-3-Clause
// What ends with a descriptor, and what a call must not hold when it ends.
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <thread>

#include "shim/test_lane.hpp"

namespace linnet::shim {
namespace {

class Closing : public CallsTest {
 protected:
  // `call` of another thread sleeps on the descriptor, that is closed, and no lane speaks: what the
  // call returns, and errno.
  std::pair<ssize_t, int> ended(int fd, const std::function<ssize_t()>& call) {
    host_.drives = false;
    std::atomic<bool> out = false;
    std::pair<ssize_t, int> result;
    std::thread caller([&] {
      choose_for_thread(program_);
      result.first = call();
      result.second = errno;
      out = true;
    });
    while (program_->blocked() == 0 && !out)
      std::this_thread::yield();
    EXPECT_EQ(ln_close(fd), 0);
    for (int i = 0; i < 1000 && !out; ++i)
      ::poll(nullptr, 0, 1);
    EXPECT_TRUE(out) << "it sleeps for ever";
    if (!out) {
      program_->end();
      caller.join();
      return {};
    }
    caller.join();
    host_.drives = true;
    return result;
  }
  static constexpr std::pair<ssize_t, int> kGone{-1, EBADF};
};

TEST_F(Closing, EndsWhatOtherThreadsWaitForOnADatagramSocket) {
  char text[8];
  ln_buffer buffers[2];
  for (const bool borrows : {false, true}) {
    const int fd = connected(SOCK_DGRAM);
    EXPECT_EQ(ended(fd,
                    [&] {
                      return borrows ? ln_recv_borrow(fd, buffers, 2, 0)
                                     : ln_recv(fd, text, sizeof text, 0);
                    }),
              kGone);
  }
}

TEST_F(Closing, EndsWhatOtherThreadsWaitForOnAStream) {
  char text[8];
  ln_buffer buffers[2];
  const int reads = connected();
  EXPECT_EQ(ended(reads, [&] { return ln_recv(reads, text, sizeof text, 0); }), kGone);
  const int borrows = connected();
  EXPECT_EQ(ended(borrows, [&] { return ln_recv_borrow(borrows, buffers, 2, 0); }), kGone);
  lane_->credit = 1;
  const int writes = connected();
  lane_->holds = true;
  EXPECT_EQ(ln_send(writes, "x", 1, 0), 1);
  EXPECT_EQ(ended(writes, [&] { return ln_send(writes, "xy", 2, 0); }), kGone);
}

TEST_F(Closing, EndsAListenersAcceptAndAnEpollSetsWait) {
  const int listener = ln_socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in here = name("10.0.0.1", 80);
  EXPECT_EQ(ln_bind(listener, reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
  EXPECT_EQ(ln_listen(listener, 5), 0);
  EXPECT_EQ(ended(listener, [&] { return ln_accept(listener, nullptr, nullptr); }), kGone);
  const int set = ln_epoll_create1(0);
  epoll_event event;
  EXPECT_EQ(ended(set, [&] { return ln_epoll_wait(set, &event, 1, -1); }), kGone);
}

// The lane's answer has not come when the descriptor goes: it names what nobody wants any more.
TEST_F(Closing, EndsAConnectThatNoLaneHasAnswered) {
  const int fd = ln_socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in to = name("10.0.0.2", 7);
  EXPECT_EQ(
      ended(fd, [&] { return ln_connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to); }),
      kGone);
  EXPECT_EQ(lane_->close_flags, 0u);
  lane_->turn();
  program_->pump();
  lane_->turn();
  EXPECT_EQ(lane_->close_flags, socket::message_flag::kAbort);
}

// Linux: inet_release does not ask for O_NONBLOCK.
TEST_F(Closing, LingersOnANonBlockingSocketAsWell) {
  const int fd = connected();
  const struct linger linger{1, 5};
  EXPECT_EQ(ln_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
  EXPECT_EQ(ln_fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  host_.drives = false;
  std::atomic<bool> out = false;
  std::thread closer([&] {
    EXPECT_EQ(ln_close(fd), 0);
    out = true;
  });
  while (program_->blocked() == 0 && !out)
    std::this_thread::yield();
  EXPECT_FALSE(out) << "what is on its way has not arrived";
  lane_->turn();
  closer.join();
  host_.drives = true;
}

int closed_by_signal = -1;

// As a handler that gives up what it wrote to.
TEST_F(Closing, TheHandlerOfSIGPIPEMayCloseTheDescriptor) {
  struct sigaction before{}, handler{};
  handler.sa_handler = [](int) { ln_close(closed_by_signal); };
  ASSERT_EQ(sigaction(SIGPIPE, &handler, &before), 0);
  const int fd = closed_by_signal = connected();
  EXPECT_EQ(ln_shutdown(fd, SHUT_WR), 0);
  std::atomic<bool> out = false;
  std::thread writer([&] {
    EXPECT_EQ(ln_send(fd, "x", 1, 0), -1);
    EXPECT_EQ(errno, EPIPE);
    out = true;
  });
  for (int i = 0; i < 1000 && !out; ++i)
    ::poll(nullptr, 0, 1);
  if (!out) {
    writer.detach();
    FAIL() << "the handler waits for a lock of its own thread";
  }
  writer.join();
  EXPECT_EQ(ln_close(fd), -1);
  ASSERT_EQ(sigaction(SIGPIPE, &before, nullptr), 0);
}

}  // namespace
}  // namespace linnet::shim
