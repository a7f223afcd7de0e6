// SPDX-License-Identifier: BSD-3-Clause
// A lane for tests of calls alone: every stream and every datagram comes back to its sender.
#pragma once

#include <gtest/gtest.h>
#include <linnet/socket.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "shim/current.hpp"
#include "shim/socket.hpp"
#include "socket/options.hpp"

namespace linnet::shim {

// Runs on whatever thread calls `turn`.
class EchoLane {
 public:
  explicit EchoLane(socket::Session& session, socket::Buffers& buffers)
      : session_(session), buffers_(buffers) {}

  bool turn() {
    socket::Message request;
    bool any = false;
    while (session_.lane_requests(0).pop(request)) {
      act(request);
      any = true;
    }
    if (any) session_.wake_if_asleep();
    return any;
  }
  void tell(socket::EventKind kind, socket::Message like) {
    like.kind = static_cast<std::uint8_t>(kind);
    ASSERT_TRUE(session_.lane_events(0).push(like));
  }
  // A connection comes to a listener; the data that it brings.
  void arrive(std::uint32_t listener, const std::string& bytes) {
    socket::Message event;
    event.program = listener;
    event.handle = {++slots_, 1};
    event.local = {Ipv4Address(10, 0, 0, 1), 80, 0};
    event.peer = {Ipv4Address(10, 0, 0, 9), 4000, 0};
    event.value = 1000;
    tell(socket::EventKind::Accepted, event);
    event.program = 0;
    data(event, bytes);
  }
  void data(socket::Message event, const std::string& bytes) {
    auto ref = buffers_.take(session_.number());
    ASSERT_TRUE(ref.has_value());
    bytes.copy(reinterpret_cast<char*>(buffers_.address(*ref)), bytes.size());
    event.buffer = {ref->index, ref->offset, static_cast<std::uint16_t>(bytes.size())};
    tell(socket::EventKind::Data, event);
  }

  std::uint64_t credit = 100'000;
  std::uint32_t last_program = 0;  // that opened something
  socket::Handle last_handle{};    // of it
  std::map<std::uint32_t, std::uint64_t> options{};
  int connect_error = 0;
  int refuse_error = 0;              // of Connect, before there is a handle
  bool holds = false;                // sends nothing back
  std::uint64_t unacknowledged = 0;  // bytes of Send while it holds
  std::uint64_t close_flags = 0;
  std::function<void()> on_consumed{};
  unsigned exchanges = 0;
  std::uint32_t last_buffer = 0;      // of Send
  std::uint32_t returned_buffer = 0;  // of Consumed

 private:
  void act(socket::Message m) {
    using socket::EventKind;
    using socket::RequestKind;
    switch (RequestKind{m.kind}) {
      case RequestKind::Open:
      case RequestKind::Listen:
        last_program = m.program;
        m.handle = last_handle = {++slots_, 1};
        m.value = 0;
        return tell(EventKind::Opened, m);
      case RequestKind::Connect:
        last_program = m.program;
        if (refuse_error != 0) {
          m.value = static_cast<std::uint64_t>(refuse_error);
          return tell(EventKind::Failed, m);
        }
        m.handle = last_handle = {++slots_, 1};
        m.value = 0;
        tell(EventKind::Opened, m);
        m.local = {Ipv4Address(10, 0, 0, 1), 40000, 0};
        m.value = connect_error != 0 ? static_cast<std::uint64_t>(connect_error) : credit;
        if (holds) return;
        return tell(connect_error != 0 ? EventKind::Failed : EventKind::Connected, m);
      case RequestKind::SetPeer:
        return tell(EventKind::Connected, m);
      case RequestKind::Query:
        m.option = 0;
        m.value = unacknowledged;
        return tell(EventKind::Answer, m);
      case RequestKind::Exchange:
        ++exchanges;
        buffers_.give_back(session_.number(), {m.option});
        [[fallthrough]];
      case RequestKind::Send:
        last_buffer = m.buffer.index;
        if (holds) unacknowledged += m.buffer.length;
        if (holds) return buffers_.give_back(session_.number(), m.buffer);
        m.value = m.buffer.length;
        tell(EventKind::Data, m);
        m.option = 0;
        return tell(EventKind::Space, m);
      case RequestKind::SendTo:
        m.local = {Ipv4Address(10, 0, 0, 1), 40000, 2};
        return tell(EventKind::Data, m);
      case RequestKind::Consumed:
        returned_buffer = m.buffer.index;
        if (on_consumed) on_consumed();
        [[fallthrough]];
      case RequestKind::Return:
        if (m.buffer.index != socket::BufferRef::kNone)
          buffers_.give_back(session_.number(), m.buffer);
        return;
      case RequestKind::SetOption:
        options[m.option] = m.value;
        return;
      case RequestKind::Shutdown:
        return m.value != SHUT_RD ? tell(EventKind::EndOfStream, m) : void();
      case RequestKind::Close:
        close_flags = m.flags;
        return tell(EventKind::Closed, m);
      default:
        return;
    }
  }

  socket::Session& session_;
  socket::Buffers& buffers_;
  std::uint32_t slots_ = 0;
};

// The calling thread gives the lane its turns, or a thread of the test does.
class TestHost final : public Host {
 public:
  time::Instant now() override { return time::Instant::from_ns(now_ns.load()); }
  void kick(unsigned) override {}
  bool drive() override {
    if (!drives || lane == nullptr) return false;
    lane->turn();
    return true;
  }
  bool lanes_are_ours() override { return ours; }
  bool may_sleep() override { return !drives; }
  Slept sleep(std::span<pollfd> descriptors, time::Instant deadline, const sigset_t*) override {
    if (now() >= deadline) return Slept::TimedOut;
    sleeps_until = deadline;
    ::poll(descriptors.data(), descriptors.size(), -1);
    return now() >= deadline ? Slept::TimedOut : Slept::Woken;
  }
  bool may_bind(Ipv4Address address) override {
    return address.is_any() || address == Ipv4Address(10, 0, 0, 1);
  }
  std::optional<Ipv4Address> source_for(Ipv4Address to, std::uint16_t) override {
    if (to == Ipv4Address(203, 0, 113, 1)) return std::nullopt;
    return Ipv4Address(10, 0, 0, 1);
  }
  int device_index(const char* name) override { return std::string(name) == "eth0" ? 2 : -1; }
  bool device_name(unsigned index, char (&name)[16]) override {
    std::string("eth0").copy(name, sizeof name);
    return index == 2;
  }

  EchoLane* lane = nullptr;
  std::atomic<bool> drives{true};
  bool ours = false;
  std::atomic<time::Instant> sleeps_until{};  // of the last sleep
  std::atomic<std::int64_t> now_ns{1'000'000'000};
};

class CallsTest : public testing::Test {
 protected:
  CallsTest() : pool_(std::move(packet::Pool::create(pool_options())).value()) {
    program_ = std::move(Program::create({sessions_, buffers_, ports_, settings_, stream_buffer_,
                                          stream_buffer_, fast_open_, host_}))
                   .value();
    lane_ = std::make_unique<EchoLane>(*sessions_.at(0), buffers_);
    host_.lane = lane_.get();
    choose_for_thread(program_);
  }
  ~CallsTest() override {
    lane_->turn();
    program_->pump();
    program_->end();
    EXPECT_EQ(pool_->in_use(), 0u);
  }
  static packet::Pool::Options pool_options() {
    static int serial = 0;
    packet::Pool::Options options;
    options.name = "calls" + std::to_string(serial++);
    options.packets = 256;
    options.cache = 0;
    return options;
  }
  static sockaddr_in name(const char* address, std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(port);
    out.sin_addr.s_addr = htonl(Ipv4Address::parse(address)->host());
    return out;
  }
  int connected(int type = SOCK_STREAM) {
    const int fd = ln_socket(AF_INET, type, 0);
    const sockaddr_in to = name("10.0.0.2", 7);
    EXPECT_EQ(ln_connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    return fd;
  }

  std::unique_ptr<packet::Pool> pool_;
  socket::Settings settings_;
  std::atomic<std::uint32_t> stream_buffer_{65536};
  std::atomic<std::uint32_t> fast_open_{0};
  socket::Sessions sessions_{1};
  socket::Buffers buffers_{*pool_};
  socket::Ports ports_{settings_, 1, 7};
  TestHost host_;
  std::shared_ptr<Program> program_;
  std::unique_ptr<EchoLane> lane_;
};

}  // namespace linnet::shim
