// SPDX-License-Identifier: BSD-3-Clause
#include "stack/rest.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>

namespace linnet::stack {
namespace {

using time::Duration;
using time::Instant;

// A device that wakes through an eventfd, or that cannot wake at all.
class Doorbell final : public device::Device {
 public:
  Doorbell(std::string name, bool wakes)
      : Device(device::Kind::Port, std::move(name)),
        fd_(wakes ? ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1) {
    publish_link(true);
    static_cast<void>(set_admin_up(true));
  }
  ~Doorbell() override {
    if (fd_ >= 0) ::close(fd_);
  }
  void ring() const {
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(fd_, &one, sizeof one), static_cast<ssize_t>(sizeof one));
  }
  unsigned receive(unsigned, packet::Burst&) override { return 0; }
  unsigned transmit(unsigned, packet::Burst&) override { return 0; }
  int receive_wakeup_fd(unsigned) override { return fd_; }
  bool arm_receive_wakeup(unsigned, bool on) override {
    armed = on;
    return true;
  }

  bool armed = false;

 private:
  const int fd_;
};

class RestTest : public testing::Test {
 protected:
  Doorbell& add(const char* name, bool wakes) {
    auto device = std::make_unique<Doorbell>(name, wakes);
    Doorbell& out = *device;
    EXPECT_TRUE(devices_.add(std::move(device)).ok());
    return out;
  }
  static Instant at_us(std::int64_t us) { return Instant::from_ns(us * 1000); }

  device::DeviceTable devices_;
  Waker waker_;
  RestOptions options_;
};

TEST_F(RestTest, ALaneLooksOnForAMomentBeforeItRests) {
  Rest rest(devices_, 0, waker_, options_);
  EXPECT_FALSE(rest.due(true, at_us(1000)));
  EXPECT_FALSE(rest.due(false, at_us(1010)));
  EXPECT_FALSE(rest.due(false, at_us(1049)));
  EXPECT_TRUE(rest.due(false, at_us(1050)));
  EXPECT_FALSE(rest.due(true, at_us(1060)));
  EXPECT_FALSE(rest.due(false, at_us(1070)));
}

TEST_F(RestTest, WhereEveryPortWakesItSleepsUntilTheNextTimer) {
  Doorbell& port = add("a", true);
  Rest rest(devices_, 0, waker_, options_);
  rest.arm();
  EXPECT_TRUE(port.armed);
  EXPECT_FALSE(rest.must_poll());
  EXPECT_EQ(rest.descriptors().size(), 2u);
  EXPECT_EQ(rest.limit(at_us(0), at_us(700)), Duration::microseconds(700));
  EXPECT_EQ(rest.limit(at_us(0), Instant::never()), options_.longest_sleep);
  EXPECT_EQ(rest.limit(at_us(900), at_us(700)), Duration());
  rest.disarm();
  EXPECT_FALSE(port.armed);
}

TEST_F(RestTest, WhereAPortCannotWakeItNapsLongerEachTimeUpToABound) {
  add("a", true);
  add("b", false);
  Rest rest(devices_, 0, waker_, options_);
  Duration last;
  for (int i = 0; i < 10; ++i) {
    rest.arm();
    EXPECT_TRUE(rest.must_poll());
    const Duration nap = rest.limit(at_us(0), Instant::never());
    EXPECT_TRUE(nap > last || nap == options_.longest_nap);
    EXPECT_LE(nap, options_.longest_nap);
    last = nap;
    rest.disarm();
  }
  EXPECT_EQ(last, options_.longest_nap);
  EXPECT_FALSE(rest.due(true, at_us(1)));
  rest.arm();
  EXPECT_EQ(rest.limit(at_us(0), Instant::never()), options_.first_nap);
  rest.disarm();
}

TEST_F(RestTest, PortsThatAreDownAreNotWatched) {
  Doorbell& port = add("a", true);
  add("b", false).set_admin_up(false).ok();
  EXPECT_TRUE(port.set_admin_up(false).ok());
  port.ring();
  Rest rest(devices_, 0, waker_, options_);
  rest.arm();
  EXPECT_FALSE(rest.must_poll());
  EXPECT_EQ(rest.descriptors().size(), 1u);
  EXPECT_FALSE(port.armed);
  rest.disarm();
}

// The two tests below would hang, not fail, if the wake-up were lost: the sleep has no other end.
TEST_F(RestTest, AFrameEndsTheSleep) {
  Doorbell& port = add("a", true);
  Rest rest(devices_, 0, waker_, options_);
  std::thread sleeper([&] {
    rest.arm();
    rest.wait(Duration::seconds(3600));
    rest.disarm();
  });
  port.ring();
  sleeper.join();
}

TEST_F(RestTest, NoWakeUpIsLostHoweverTheTwoSidesMeet) {
  Rest rest(devices_, 0, waker_, options_);
  constexpr int kRounds = 2000;
  std::atomic<int> posted{0};
  std::atomic<int> seen{0};
  std::thread sleeper([&] {
    while (seen.load() < kRounds) {
      if (posted.load() > seen.load()) {
        seen.fetch_add(1);
        continue;
      }
      rest.arm();
      if (posted.load() == seen.load()) rest.wait(Duration::seconds(3600));
      rest.disarm();
    }
  });
  for (int round = 1; round <= kRounds; ++round) {
    posted.store(round);
    waker_.wake();
    while (seen.load() < round)
      std::this_thread::yield();
  }
  sleeper.join();
  EXPECT_EQ(seen.load(), kRounds);
}

}  // namespace
}  // namespace linnet::stack
