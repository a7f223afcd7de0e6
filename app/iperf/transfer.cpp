// SPDX-License-Identifier: BSD-3-Clause
#include "app/iperf/transfer.hpp"

#include <netinet/tcp.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace linnet::app::iperf {
namespace {

constexpr std::uint64_t kControl = 0, kOther = 1, kFirstStream = 2;

double seconds_of(const timeval& value) {
  return static_cast<double>(value.tv_sec) + static_cast<double>(value.tv_usec) / 1e6;
}

std::string congestion_of(int fd) {
  char name[16] = {};
  socklen_t length = sizeof name;
  return ln_getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length) == 0 ? name : "";
}

Stream::Counts difference(const Stream::Counts& now, const Stream::Counts& before) {
  Stream::Counts out = now;
  out.bytes -= before.bytes;
  out.blocks -= before.blocks;
  out.packets -= before.packets;
  out.lost -= std::min(now.lost, before.lost);
  out.out_of_order -= before.out_of_order;
  if (now.retransmits >= 0) out.retransmits -= std::max<std::int64_t>(before.retransmits, 0);
  return out;
}

}  // namespace

CpuMeter::CpuMeter() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  began_ = seconds_between(Time(), Clock::now());
  user_ = seconds_of(used.ru_utime);
  system_ = seconds_of(used.ru_stime);
}

void CpuMeter::tell(Results& results) const {
  const CpuMeter now;
  const double passed = std::max(now.began_ - began_, 1e-6);
  results.cpu_user = 100 * (now.user_ - user_) / passed;
  results.cpu_system = 100 * (now.system_ - system_) / passed;
  results.cpu_total = results.cpu_user + results.cpu_system;
}

Transfer::Transfer(Test& test, const Options& options, Report& report)
    : test_(test),
      interval_(options.interval),
      report_(report),
      wanted_(test.streams.size()),
      over_(test.streams.size()),
      told_(test.streams.size()) {
  epoll_.add(test.control.get(), EPOLLIN, kControl);
  for (std::size_t i = 0; i < test.streams.size(); ++i) {
    wanted_[i] = test.streams[i]->sends() ? EPOLLOUT : EPOLLIN;
    epoll_.add(test.streams[i]->fd(), wanted_[i], kFirstStream + i);
  }
}

void Transfer::watch(int fd, std::function<void()> ready) {
  other_ready_ = std::move(ready);
  epoll_.add(fd, EPOLLIN, kOther);
}

Transfer::Ended Transfer::run(bool limited) {
  const Time now = Clock::now();
  omitting_ = test_.parameters.omit > 0;
  moved_at_ = now;
  begin_counting(now);
  const Ended ended = loop(limited, true);
  freeze(Clock::now());
  return ended;
}

Transfer::Ended Transfer::drain() {
  for (std::size_t i = 0; i < test_.streams.size(); ++i)
    if (test_.streams[i]->sends()) want(i, 0);
  return loop(false, false);
}

Transfer::Ended Transfer::loop(bool limited, bool sending) {
  std::array<epoll_event, 64> events;
  while (true) {
    Time now = Clock::now();
    if (limited && tick(now)) return Ended::Limit;
    if (!limited && sending) tick(now);
    if (now - moved_at_ > kPatience) return Ended::Silence;
    const int count = epoll_.wait(events, wait_time(now, limited));
    if (count < 0) return Ended::Stopped;
    now = Clock::now();
    bool spoken = false;
    for (int i = 0; i < count; ++i) {
      const std::uint64_t what = events[static_cast<std::size_t>(i)].data.u64;
      if (what == kControl)
        spoken = true;
      else if (what == kOther)
        other_ready_();
      else
        step(what - kFirstStream, now);
    }
    if (spoken) return Ended::Control;
    resume(now, sending);
  }
}

// What is due at `now`. True: the limit is reached.
bool Transfer::tick(Time now) {
  if (omitting_ && seconds_between(began_, now) >= test_.parameters.omit) {
    tell_interval(now);
    omitting_ = false;
    begin_counting(now);
  }
  if (interval_ > 0 && seconds_between(told_at_, now) >= interval_) tell_interval(now);
  return !omitting_ && reached_limit(now);
}

bool Transfer::reached_limit(Time now) const {
  const Parameters& p = test_.parameters;
  if (p.seconds != 0) return seconds_between(began_, now) >= p.seconds;
  if (p.bytes == 0 && p.blocks == 0) return false;
  std::uint64_t bytes = 0, blocks = 0;
  for (const auto& stream : test_.streams) {
    bytes += stream->bytes();
    blocks += stream->blocks();
  }
  return p.bytes != 0 ? bytes >= p.bytes : blocks >= p.blocks;
}

// Milliseconds until something is due.
int Transfer::wait_time(Time now, bool limited) const {
  Time next = now + std::chrono::seconds(1);
  const auto due = [&](Time from, double seconds) {
    next = std::min(next, from + std::chrono::duration_cast<Clock::duration>(
                                     std::chrono::duration<double>(seconds)));
  };
  if (interval_ > 0) due(told_at_, interval_);
  if (omitting_) due(began_, test_.parameters.omit);
  if (limited && test_.parameters.seconds != 0) due(began_, test_.parameters.seconds);
  for (std::size_t i = 0; i < test_.streams.size(); ++i)
    if (test_.streams[i]->sends() && wanted_[i] == 0 && !over_[i])
      next = std::min(next, test_.streams[i]->pause_until());
  return static_cast<int>(std::ceil(std::max(0.0, seconds_between(now, next)) * 1000));
}

void Transfer::step(std::size_t index, Time now) {
  Stream& stream = *test_.streams[index];
  const std::uint64_t before = stream.bytes();
  if (!stream.step(now)) {
    over_[index] = true;
    // Level-triggered: it would be told without end.
    epoll_.remove(stream.fd());
    return;
  }
  if (stream.bytes() != before) moved_at_ = now;
  if (stream.sends() && stream.pause_until() > now) want(index, 0);
}

// Streams that had to pause go on when their time has come.
void Transfer::resume(Time now, bool sending) {
  if (!sending) return;
  for (std::size_t i = 0; i < test_.streams.size(); ++i)
    if (test_.streams[i]->sends() && wanted_[i] == 0 && test_.streams[i]->pause_until() <= now)
      want(i, EPOLLOUT);
}

void Transfer::want(std::size_t index, std::uint32_t events) {
  if (over_[index] || wanted_[index] == events) return;
  wanted_[index] = events;
  epoll_.change(test_.streams[index]->fd(), events, kFirstStream + index);
}

void Transfer::begin_counting(Time now) {
  began_ = told_at_ = now;
  for (std::size_t i = 0; i < test_.streams.size(); ++i) {
    test_.streams[i]->start(now);
    told_[i] = {};
  }
}

void Transfer::tell_interval(Time now) {
  Rows rows;
  for (std::size_t i = 0; i < test_.streams.size(); ++i) {
    const Stream& stream = *test_.streams[i];
    const Stream::Counts counts = stream.counts();
    rows.push_back({stream.id(), stream.sends(), seconds_between(began_, told_at_),
                    seconds_between(began_, now), difference(counts, told_[i])});
    told_[i] = counts;
  }
  told_at_ = now;
  report_.interval(rows, omitting_);
}

void Transfer::freeze(Time now) {
  // A rest shorter than this is no interval.
  if (interval_ > 0 && seconds_between(told_at_, now) > 0.05) tell_interval(now);
  cpu_.tell(results_);
  for (const auto& stream : test_.streams) {
    results_.streams.push_back(stream->result(seconds_between(began_, now)));
    results_.has_retransmits |= results_.streams.back().retransmits >= 0;
  }
  if (!test_.parameters.udp && !test_.streams.empty())
    results_.congestion = congestion_of(test_.streams.front()->fd());
}

std::vector<Account> accounts_of(const Test& test, const Results& ours, const Results& theirs) {
  std::vector<Account> out;
  for (std::size_t i = 0; i < test.streams.size(); ++i) {
    const bool sends = test.streams[i]->sends();
    const auto row = [&](const StreamResult& result, bool sender) {
      Row made{result.id, sender, 0, result.end, {}};
      made.counts.bytes = result.bytes;
      made.counts.packets = result.packets;
      made.counts.lost = result.errors;
      made.counts.jitter = result.jitter;
      made.counts.retransmits = sender ? result.retransmits : -1;
      return made;
    };
    const StreamResult& mine = ours.streams[i];
    StreamResult other{mine.id, 0, -1, 0, 0, 0, 0, mine.end};
    for (const StreamResult& one : theirs.streams)
      if (one.id == mine.id) other = one;
    if (other.end <= 0) other.end = mine.end;
    out.push_back({row(sends ? mine : other, true), row(sends ? other : mine, false), sends});
  }
  return out;
}

}  // namespace linnet::app::iperf
