// SPDX-License-Identifier: BSD-3-Clause
// What is sent in pieces, and what is lent.
#include <linux/udp.h>

#include <cerrno>

#include "shim/test_lane.hpp"
#include "shim/test_wire.hpp"

namespace linnet::shim {
namespace {

class Sending : public CallsTest {
 protected:
  static std::string received(int fd) {
    char text[64];
    const ssize_t count = ln_recv(fd, text, sizeof text, MSG_DONTWAIT);
    return count >= 0 ? std::string(text, static_cast<std::size_t>(count)) : "none";
  }
  static void cork(int fd, int on) {
    EXPECT_EQ(ln_setsockopt(fd, IPPROTO_UDP, UDP_CORK, &on, sizeof on), 0);
  }
};

TEST_F(Sending, ADatagramGoesWhenItsCorkIsTakenAway) {
  const int fd = connected(SOCK_DGRAM);
  cork(fd, 1);
  EXPECT_EQ(ln_send(fd, "ab", 2, 0), 2);
  EXPECT_EQ(ln_send(fd, "cd", 2, 0), 2);
  EXPECT_EQ(received(fd), "none");
  cork(fd, 0);
  EXPECT_EQ(received(fd), "abcd");
  cork(fd, 0);
  EXPECT_EQ(received(fd), "none") << "there was nothing any more";
  EXPECT_EQ(ln_send(fd, "ef", 2, MSG_MORE), 2);
  cork(fd, 0);
  EXPECT_EQ(received(fd), "ef");
  ln_close(fd);
}

// Linux: udp_flush_pending_frames.
TEST_F(Sending, WhatWasCorkedGoesWithThePieceThatIsTooLong) {
  const int fd = connected(SOCK_DGRAM);
  const std::string lot(40'000, 'x');
  EXPECT_EQ(ln_send(fd, lot.data(), lot.size(), MSG_MORE), 40'000);
  EXPECT_EQ(ln_send(fd, lot.data(), lot.size(), MSG_MORE), -1);
  EXPECT_EQ(errno, EMSGSIZE);
  EXPECT_EQ(ln_send(fd, "ab", 2, 0), 2);
  EXPECT_EQ(received(fd), "ab");
  ln_close(fd);
}

// The first piece says where to and how.
TEST_F(Sending, LaterPiecesChangeNeitherAddressNorTypeOfService) {
  const int fd = ln_socket(AF_INET, SOCK_DGRAM, 0);
  const sockaddr_in first = name("10.0.0.2", 7), second = name("10.0.0.3", 8);
  EXPECT_EQ(
      ln_sendto(fd, "ab", 2, MSG_MORE, reinterpret_cast<const sockaddr*>(&first), sizeof first), 2);
  EXPECT_EQ(ln_sendto(fd, "cd", 2, 0, reinterpret_cast<const sockaddr*>(&second), sizeof second),
            2);
  char text[8];
  sockaddr_in from{};
  socklen_t length = sizeof from;
  EXPECT_EQ(ln_recvfrom(fd, text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &length), 4);
  EXPECT_EQ(ntohs(from.sin_port), 7);
  ln_close(fd);
}

// POLLOUT promises that a buffer is taken, however long it is.
TEST_F(Sending, ALentBufferGoesWholeWhereThereIsAnyCredit) {
  lane_->credit = 100;
  const int fd = connected();
  lane_->holds = true;
  ln_buffer buffer{};
  ASSERT_EQ(ln_send_buffer_get(fd, &buffer), 0);
  ASSERT_GT(buffer.length, 1000u);
  const auto length = static_cast<std::uint64_t>(buffer.length);
  EXPECT_EQ(ln_send_buffer(fd, &buffer, 1, MSG_DONTWAIT), 1);
  EXPECT_EQ(lane_->unacknowledged, length);
  EXPECT_EQ(ln_send(fd, "x", 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);
  pollfd poll{fd, POLLOUT, 0};
  EXPECT_EQ(ln_poll(&poll, 1, 0), 0);
  socket::Message space;
  space.program = lane_->last_program;
  space.handle = lane_->last_handle;
  space.option = 0;
  space.value = length - 100;  // what it took beyond the credit
  lane_->tell(EventKind::Space, space);
  EXPECT_EQ(ln_poll(&poll, 1, 0), 0);
  space.value = 100;
  lane_->tell(EventKind::Space, space);
  EXPECT_EQ(ln_poll(&poll, 1, 0), 1);
  EXPECT_EQ(ln_send(fd, "x", 1, MSG_DONTWAIT), 1);
  ln_close(fd);
}

TEST_F(Sending, ALentBufferThatFindsTheConnectionEndedIsNotTaken) {
  const int fd = connected(), other = connected(SOCK_DGRAM);
  socket::Message failed;
  failed.program = 1;
  ln_buffer buffer{};
  ASSERT_EQ(ln_send_buffer_get(fd, &buffer), 0);
  host_.lane = nullptr;
  for (int mark = 0; mark < 1024; ++mark)  // the ring is full
    ASSERT_EQ(ln_setsockopt(other, SOL_SOCKET, SO_MARK, &mark, sizeof mark), 0);
  failed.handle = {1, 1};
  failed.value = ECONNRESET;
  lane_->tell(EventKind::Failed, failed);
  EXPECT_EQ(ln_send_buffer(fd, &buffer, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  host_.lane = lane_.get();
  EXPECT_EQ(ln_send_buffer_drop(fd, &buffer, 1), 0);
  lane_->turn();
  ln_close(fd);
  ln_close(other);
}

// Linux: SOCK_MIN_SNDBUF.
TEST_F(WireTest, LentBuffersGoThroughTheSmallestSendBuffer) {
  const auto [client, server] = join();
  const int least = 1;
  ASSERT_EQ(ln_setsockopt(client, SOL_SOCKET, SO_SNDBUF, &least, sizeof least), 0);
  ln_embed_use(stack_[0]);
  std::size_t sent = 0, got = 0;
  std::vector<char> room(65536);
  for (int round = 0; round < 200 && sent < 50'000; ++round) {
    ln_buffer buffer{};
    ASSERT_EQ(ln_send_buffer_get(client, &buffer), 0);
    std::fill_n(static_cast<char*>(buffer.data), buffer.length, static_cast<char>(round));
    pollfd poll{client, POLLOUT, 0};
    const bool writable = ln_poll(&poll, 1, 0) == 1;
    const int taken = ln_send_buffer(client, &buffer, 1, MSG_DONTWAIT);
    EXPECT_TRUE(taken == 1 || !writable);
    if (taken == 1)
      sent += buffer.length;
    else
      ln_send_buffer_drop(client, &buffer, 1);
    run(2);
    for (ssize_t count; (count = ln_recv(server, room.data(), room.size(), MSG_DONTWAIT)) > 0;)
      got += static_cast<std::size_t>(count);
  }
  run(50);
  for (ssize_t count; (count = ln_recv(server, room.data(), room.size(), MSG_DONTWAIT)) > 0;)
    got += static_cast<std::size_t>(count);
  EXPECT_GE(sent, 50'000u);
  EXPECT_EQ(got, sent);
  ln_close(client);
  ln_close(server);
  run(3);
}

}  // namespace
}  // namespace linnet::shim
