// SPDX-License-Identifier: BSD-3-Clause
// The server on real Unix sockets, in virtual time.
#include "control/server.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

namespace linnet::control {
namespace {

using time::Duration;
using time::Instant;
using Words = std::vector<std::string>;

// A client that never blocks, so that one thread can play both sides.
class TestClient {
 public:
  explicit TestClient(const std::string& path) {
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  TestClient(const TestClient&) = delete;
  ~TestClient() { hang_up(); }

  bool connected() const { return connected_; }
  void hang_up() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void half_close() { shutdown(fd_, SHUT_WR); }
  bool send_bytes(std::string_view bytes) {
    return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  bool send_words(const Words& words) { return send_bytes(*encode_request(words)); }
  // The reply if it is whole by now.
  std::optional<Reply> receive() {
    char bytes[65536];
    ssize_t count;
    if (auto whole = reader_.take("", reply_); whole && *whole) return std::exchange(reply_, {});
    while ((count = recv(fd_, bytes, sizeof bytes, 0)) > 0) {
      auto whole = reader_.take(std::string_view(bytes, static_cast<std::size_t>(count)), reply_);
      if (whole && *whole) return std::exchange(reply_, {});
    }
    closed_ = count == 0;
    return std::nullopt;
  }
  bool closed() {
    receive();
    return closed_;
  }

 private:
  int fd_ = -1;
  bool connected_ = false;
  bool closed_ = false;
  ReplyReader reader_;
  Reply reply_;
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    options_.path = testing::TempDir() + "linnet" + std::to_string(getpid()) + ".sock";
  }
  ~ServerTest() override {
    server_.reset();
    unlink(options_.path.c_str());
  }

  Result<> start() {
    auto server = Server::open(options_, [this](std::span<const std::string> words) {
      ++calls_;
      std::string all;
      for (const std::string& word : words)
        all += '[' + word + ']';
      if (!words.empty() && words[0] == "big") return Reply{0, std::string(3 << 20, 'x'), ""};
      return Reply{words.empty() ? 7 : 0, all, "to the other stream"};
    });
    if (!server) return server.error();
    server_ = std::move(server).value();
    return Ok{};
  }
  void serve(unsigned calls = 3) {
    for (unsigned i = 0; i < calls; ++i)
      server_->serve(now_);
  }

  Server::Options options_;
  std::unique_ptr<Server> server_;
  Instant now_ = Instant::from_ns(1'000'000'000);
  unsigned calls_ = 0;
};

TEST_F(ServerTest, AnswersInOrderOnOneConnection) {
  ASSERT_TRUE(start().ok());
  TestClient client(options_.path);
  ASSERT_TRUE(client.connected());
  client.send_words({"ip", "link", "", "a b"});
  client.send_words({});
  serve();
  const auto first = client.receive();
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, (Reply{0, "[ip][link][][a b]", "to the other stream"}));
  const auto second = client.receive();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->code, 7);
  EXPECT_EQ(server_->counts().requests, 2u);
}

TEST_F(ServerTest, ItsDescriptorIsReadableWhenThereIsWork) {
  ASSERT_TRUE(start().ok());
  const auto readable = [this] {
    pollfd descriptor{server_->fd(), POLLIN, 0};
    return poll(&descriptor, 1, 0) == 1;
  };
  EXPECT_FALSE(readable());
  TestClient client(options_.path);
  EXPECT_TRUE(readable());
  serve();
  EXPECT_FALSE(readable());
  client.send_words({"x"});
  EXPECT_TRUE(readable());
  serve();
  EXPECT_FALSE(readable());
}

TEST_F(ServerTest, A7_TheSocketIsForOwnerAndGroupOnly) {
  const mode_t mask = umask(0);
  ASSERT_TRUE(start().ok());
  struct stat status{};
  ASSERT_EQ(stat(options_.path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0660u);
  EXPECT_EQ(umask(mask), 0u) << "the umask was not put back";
  EXPECT_NE(fcntl(server_->fd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(ServerTest, A7_AnOversizedRequestEndsItsClientAlone) {
  ASSERT_TRUE(start().ok());
  TestClient bad(options_.path), good(options_.path);
  bad.send_bytes(std::string("\xff\xff\xff\xff", 4) + std::string(1000, 'a'));
  good.send_words({"x"});
  serve();
  const auto reply = bad.receive();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->code, kExitUsage);
  EXPECT_TRUE(bad.closed());
  EXPECT_TRUE(good.receive());
  EXPECT_FALSE(good.closed());
  EXPECT_EQ(server_->counts().malformed, 1u);
  EXPECT_EQ(server_->clients(), 1u);
}

TEST_F(ServerTest, A7_WordsWithoutAnEndAreMalformed) {
  ASSERT_TRUE(start().ok());
  TestClient bad(options_.path);
  bad.send_bytes(std::string("\0\0\0\3abc", 7));
  serve();
  EXPECT_EQ(bad.receive()->code, kExitUsage);
  EXPECT_EQ(calls_, 0u);
}

TEST_F(ServerTest, A7_ASlowClientDelaysNobodyAndIsClosedInTime) {
  ASSERT_TRUE(start().ok());
  TestClient slow(options_.path), quick(options_.path);
  const std::string request = *encode_request(Words{"one", "two"});
  // A byte a second: the whole request would take 12.
  for (std::size_t i = 0; i < 4; ++i) {
    slow.send_bytes(std::string_view(request).substr(i, 1));
    serve(1);
    quick.send_words({"q"});
    serve(1);
    EXPECT_TRUE(quick.receive()) << i;
    now_ = now_ + Duration::seconds(1);
  }
  EXPECT_EQ(server_->next_deadline(), Instant::from_ns(1'000'000'000) + options_.request_timeout);
  now_ = now_ + Duration::seconds(2);
  serve();
  EXPECT_TRUE(slow.closed());
  EXPECT_FALSE(quick.closed());
  EXPECT_EQ(server_->counts().timed_out, 1u);
  EXPECT_EQ(server_->next_deadline(), Instant::never());
}

TEST_F(ServerTest, A7_AClientThatDoesNotReadDelaysNobodyAndIsClosedInTime) {
  ASSERT_TRUE(start().ok());
  TestClient deaf(options_.path), quick(options_.path);
  deaf.send_words({"big"});
  deaf.send_words({"big"});
  serve();
  EXPECT_EQ(calls_, 1u) << "a second answer was made before the first was read";
  quick.send_words({"q"});
  serve();
  EXPECT_TRUE(quick.receive());
  now_ = now_ + options_.reply_timeout;
  serve();
  EXPECT_EQ(server_->clients(), 1u);
  EXPECT_EQ(server_->counts().timed_out, 1u);
}

TEST_F(ServerTest, AnAnswerOfMegabytesArrivesWhole) {
  ASSERT_TRUE(start().ok());
  TestClient client(options_.path);
  client.send_words({"big"});
  std::optional<Reply> reply;
  for (int i = 0; i < 1000 && !reply; ++i) {
    serve(1);
    reply = client.receive();
  }
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->out.size(), 3u << 20);
}

TEST_F(ServerTest, A7_AnswersThatWaitAreBoundedAllTogether) {
  options_.max_waiting_bytes = 1 << 20;
  ASSERT_TRUE(start().ok());
  TestClient deaf(options_.path), other(options_.path);
  deaf.send_words({"big"});
  serve();
  other.send_words({"big"});
  serve();
  EXPECT_EQ(other.receive()->code, kExitRefused);
  EXPECT_EQ(calls_, 1u);
}

TEST_F(ServerTest, A7_TheLongestSilentClientMakesRoom) {
  options_.max_clients = 2;
  ASSERT_TRUE(start().ok());
  TestClient first(options_.path);
  serve();
  now_ = now_ + Duration::seconds(1);
  TestClient second(options_.path);
  serve();
  now_ = now_ + Duration::seconds(1);
  TestClient third(options_.path);
  serve();
  EXPECT_TRUE(first.closed());
  EXPECT_FALSE(second.closed());
  third.send_words({"x"});
  serve();
  EXPECT_TRUE(third.receive());
  EXPECT_EQ(server_->counts().evicted, 1u);
}

TEST_F(ServerTest, A7_AManyRequestsAreServedAFewAtATime) {
  options_.requests_per_call = 4;
  ASSERT_TRUE(start().ok());
  TestClient flood(options_.path), quick(options_.path);
  std::string many;
  for (int i = 0; i < 100; ++i)
    many += *encode_request(Words{"x"});
  flood.send_bytes(many);
  quick.send_words({"q"});
  serve(2);  // the first call accepts
  EXPECT_TRUE(quick.receive());
  EXPECT_EQ(calls_, 4u);
  EXPECT_EQ(server_->next_deadline(), Instant{}) << "the rest would wait for an event";
  serve(25);
  EXPECT_EQ(calls_, 101u);
  EXPECT_EQ(server_->next_deadline(), Instant::never());
}

TEST_F(ServerTest, AHalfClosedClientIsStillAnswered) {
  ASSERT_TRUE(start().ok());
  TestClient client(options_.path);
  client.send_words({"x"});
  client.half_close();
  serve();
  EXPECT_TRUE(client.receive());
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(server_->clients(), 0u);
}

TEST_F(ServerTest, AClientThatDiesIsForgotten) {
  ASSERT_TRUE(start().ok());
  TestClient client(options_.path);
  client.send_words({"big"});
  serve();
  client.hang_up();
  serve();
  EXPECT_EQ(server_->clients(), 0u);
}

TEST_F(ServerTest, ADeadDaemonsSocketIsReplacedALiveOnesIsNot) {
  ASSERT_TRUE(start().ok());
  const auto again = Server::open(options_, [](auto) { return Reply{}; });
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().word, options_.path);
  server_.reset();
  EXPECT_NE(access(options_.path.c_str(), F_OK), 0) << "the socket's file was left";
  // A socket that nobody listens on.
  const int dead = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, options_.path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(dead);
  EXPECT_TRUE(start().ok());
}

TEST_F(ServerTest, APathThatIsNoSocketIsLeftAlone) {
  std::ofstream(options_.path) << "precious";
  EXPECT_FALSE(start());
  EXPECT_EQ(access(options_.path.c_str(), F_OK), 0);
}

TEST_F(ServerTest, BadPathsAndGroupsAreNamed) {
  options_.group = "no-such-group-here";
  EXPECT_EQ(start().error().word, "no-such-group-here");
  options_.group.clear();
  const std::string path = options_.path;
  options_.path = std::string(200, 'x');
  EXPECT_EQ(start().error().word, options_.path);
  options_.path = "/nonexistent/linnet.sock";
  EXPECT_EQ(start().error().word, options_.path);
  options_.path = path;
}

TEST(Protocol, AReplyIsReadInPiecesOfAnySize) {
  const Reply reply{2, std::string(2'500'000, 'o'), "err"};
  const std::string bytes = encode_reply(reply) + encode_reply(Reply{});
  for (const std::size_t piece : {std::size_t{1} << 16, std::size_t{999'983}}) {
    ReplyReader reader;
    Reply got;
    std::size_t at = 0;
    bool whole = false;
    while (!whole && at < bytes.size()) {
      whole = *reader.take(std::string_view(bytes).substr(at, piece), got);
      at += piece;
    }
    EXPECT_TRUE(whole);
    EXPECT_EQ(got, reply);
  }
}

TEST(Protocol, WhatIsNoReplyIsRefused) {
  Reply reply;
  EXPECT_FALSE(ReplyReader().take("HTTP/1.1 400", reply));
  EXPECT_FALSE(ReplyReader().take(std::string("x\0\0\0\2ab", 7), reply));
}

TEST(Protocol, ACommandThatDoesNotFitIsRefusedAtHome) {
  EXPECT_FALSE(encode_request(Words{std::string(kMaxRequest, 'x')}));
  EXPECT_TRUE(encode_request(Words{std::string(kMaxRequest - 1, 'x')}));
  EXPECT_EQ(encode_request(Words{"a", std::string("b\0c", 3)}).error().position, 1);
}

}  // namespace
}  // namespace linnet::control
