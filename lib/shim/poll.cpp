// SPDX-License-Identifier: BSD-3-Clause
#include "shim/poll.hpp"

#include <linnet/socket.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <vector>

#include "shim/descriptors.hpp"
#include "shim/program.hpp"

namespace linnet::shim {
namespace {

constexpr int kAlwaysPolled = POLLERR | POLLHUP | POLLNVAL;

// One call's descriptors, taken apart into ours and the kernel's.
class Question {
 public:
  explicit Question(std::span<pollfd> fds) : fds_(fds), files_(fds.size()) {
    for (std::size_t i = 0; i < fds.size(); ++i) {
      if (fds[i].fd < LN_FD_BASE) {
        kernel_.push_back({fds[i].fd, fds[i].events, 0});
        places_.push_back(i);
        continue;
      }
      files_[i] = Descriptors::of_process().get(fds[i].fd);
      if (files_[i] != nullptr && program_ == nullptr) program_ = &files_[i]->program();
    }
  }

  Program* program() const { return program_; }
  std::vector<pollfd>& kernel() { return kernel_; }
  std::span<const std::shared_ptr<File>> files() const { return files_; }

  // Fills in revents; how many have some.
  int look() {
    if (!kernel_.empty()) ::poll(kernel_.data(), kernel_.size(), 0);
    int count = 0;
    for (std::size_t i = 0; i < fds_.size(); ++i) {
      pollfd& asked = fds_[i];
      if (asked.fd < LN_FD_BASE) continue;
      const auto ready = files_[i] == nullptr ? std::uint32_t{POLLNVAL} : files_[i]->ready();
      asked.revents =
          static_cast<short>(ready & static_cast<unsigned>(asked.events | kAlwaysPolled));
      count += asked.revents != 0 ? 1 : 0;
    }
    for (std::size_t i = 0; i < kernel_.size(); ++i) {
      fds_[places_[i]].revents = kernel_[i].revents;
      count += kernel_[i].revents != 0 ? 1 : 0;
    }
    return count;
  }

 private:
  const std::span<pollfd> fds_;
  std::vector<std::shared_ptr<File>> files_;
  std::vector<pollfd> kernel_;
  std::vector<std::size_t> places_;  // of the kernel's, in fds_
  Program* program_ = nullptr;
};

// None is ours: the kernel's own call does it.
int poll_kernel(std::span<pollfd> fds, time::Duration timeout, const sigset_t* mask) {
  timespec limit{};
  limit.tv_sec = timeout.count_ns() / 1'000'000'000;
  limit.tv_nsec = timeout.count_ns() % 1'000'000'000;
  const bool endless = timeout < time::Duration();
  const int got = ::ppoll(fds.data(), fds.size(), endless ? nullptr : &limit, mask);
  return got >= 0 ? got : -errno;
}

}  // namespace

int poll_all(std::span<pollfd> fds, time::Duration timeout, const sigset_t* mask) {
  Question question(fds);
  Program* const program = question.program();
  if (program == nullptr && question.kernel().size() == fds.size())
    return poll_kernel(fds, timeout, mask);
  if (program == nullptr) return question.look();
  Host& host = program->host();
  const bool endless = timeout < time::Duration();
  const time::Instant deadline = endless ? time::Instant::never() : host.now() + timeout;
  host.drive();
  program->pump();
  int count = question.look();
  if (count > 0 || timeout == time::Duration() || !host.may_sleep()) return count;
  Program::Sleeper sleeper(*program, deadline);
  std::vector<std::unique_ptr<WaiterWatch>> watches;
  for (const std::shared_ptr<File>& file : question.files()) {
    if (file != nullptr) watches.push_back(std::make_unique<WaiterWatch>(*file, sleeper.waiter()));
  }
  Host::Slept slept = Host::Slept::Woken;
  while (true) {
    sleeper.waiter().reset();
    count = question.look();
    if (count > 0 || slept == Host::Slept::TimedOut) return count;
    if (slept == Host::Slept::Interrupted) return -EINTR;
    slept = sleeper.sleep(question.kernel(), mask);
  }
}

}  // namespace linnet::shim
