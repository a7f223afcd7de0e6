// SPDX-License-Identifier: BSD-3-Clause
// The time of a test in which bytes flow: all streams on one thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "app/iperf/report.hpp"

namespace linnet::app::iperf {

// One test, as either end has it.
struct Test {
  Parameters parameters{};
  Cookie cookie{};
  Control control{};
  std::vector<std::unique_ptr<Stream>> streams{};
};

// User and system time of this process, as a share of the time that passes.
class CpuMeter {
 public:
  CpuMeter();
  void tell(Results& results) const;

 private:
  double began_, user_, system_;
};

class Transfer {
 public:
  enum class Ended {
    Limit,    // time is up or all is sent: the client ends the test then
    Control,  // the control connection has something to say
    Silence,  // nothing came for kPatience
    Stopped,  // the process ends
  };
  static constexpr auto kPatience = std::chrono::seconds(120);

  Transfer(Test& test, const Options& options, Report& report);

  // Something else to wait for: `ready` is called when `fd` can be read.
  void watch(int fd, std::function<void()> ready);
  // Bytes flow. `limited`: only as long and as many as the parameters say.
  Ended run(bool limited);
  // Only receives on, so that a sender at the other end is not stuck, until control speaks.
  Ended drain();
  // What was counted when `run` ended.
  const Results& results() const { return results_; }

 private:
  Ended loop(bool limited, bool sending);
  bool reached_limit(Time now) const;
  bool tick(Time now);
  int wait_time(Time now, bool limited) const;
  void step(std::size_t index, Time now);
  void resume(Time now, bool sending);
  void want(std::size_t index, std::uint32_t events);
  void tell_interval(Time now);
  void begin_counting(Time now);
  void freeze(Time now);

  Test& test_;
  const double interval_;
  Report& report_;
  Epoll epoll_;
  std::vector<std::uint32_t> wanted_;  // of each stream
  std::vector<bool> over_;             // its peer has ended it
  std::function<void()> other_ready_{};
  Time began_{}, told_at_{}, moved_at_{};
  bool omitting_ = false;
  std::vector<Stream::Counts> told_;
  CpuMeter cpu_{};
  Results results_{};
};

// Joins both ends' accounts of the streams.
std::vector<Account> accounts_of(const Test& test, const Results& ours, const Results& theirs);

}  // namespace linnet::app::iperf
