// SPDX-License-Identifier: BSD-3-Clause
#include "shim/epoll.hpp"

#include <linnet/socket.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace linnet::shim {
namespace {

// Always told, asked for or not.
constexpr std::uint32_t kAlways = EPOLLERR | EPOLLHUP;
constexpr std::uint32_t kModes = EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE;
constexpr unsigned kDeepest = 5;  // Linux: EP_MAX_NESTS

static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
              EPOLLHUP == POLLHUP && EPOLLPRI == POLLPRI);

}  // namespace

Epoll::~Epoll() {
  let_go();  // it was not closed where the stack ended first
  for (const int fd : {kernel_.load(), outside_, outside_event_, outside_timer_}) {
    if (fd >= 0) close(fd);
  }
}

// --- What watched files tell; with their locks held.

void Epoll::queue(Item& item) {
  if (!item.queued.linked()) {
    ready_list_.push_back(item);
    ++ready_count_;
  }
  if (outside_event_ >= 0) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t put = write(outside_event_, &one, sizeof one);
  }
  publish(POLLIN | POLLRDNORM, POLLIN | POLLRDNORM);
}

void Epoll::unqueue(Item& item) {
  if (!item.queued.linked()) return;
  item.queued.unlink();
  if (!item.gone) --ready_count_;
}

void Epoll::item_ready(Item& item, std::uint32_t events) {
  const std::lock_guard lock(mutex_);
  if (item.gone || !item.armed || (events & (item.event.events | kAlways)) == 0) return;
  queue(item);
}

void Epoll::item_gone(Item& item) {
  const std::lock_guard lock(mutex_);
  unqueue(item);
  item.gone = true;
  gone_list_.push_back(item);
}

// --- epoll_ctl.

void Epoll::drop_gone() {
  for (;;) {
    decltype(items_)::node_type gone;  // freed without the lock: a file may end with it
    const std::lock_guard lock(mutex_);
    const Item* const item = gone_list_.pop_front();
    if (item == nullptr) return;
    gone = items_.extract(Key{item->fd, item->file.get()});
  }
}

bool Epoll::reaches(const File& target, unsigned depth) {
  if (&target == this || depth > kDeepest) return true;
  std::vector<std::shared_ptr<File>> sets;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, item] : items_) {
      if (!item.gone && item.file->kind() == File::Kind::Epoll) sets.push_back(item.file);
    }
  }
  return std::any_of(sets.begin(), sets.end(), [&](const std::shared_ptr<File>& set) {
    return static_cast<Epoll&>(*set).reaches(target, depth + 1);
  });
}

int Epoll::add(int fd, const std::shared_ptr<File>& target, const epoll_event& event) {
  Item* added = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto [at, is_new] = items_.try_emplace(Key{fd, target.get()}, *this, fd, target);
    if (!is_new) return -EEXIST;
    added = &at->second;
    added->event = event;
  }
  target->watch(*added);
  item_ready(*added, target->ready());
  return 0;
}

int Epoll::remove(const Key& key) {
  decltype(items_)::node_type node;
  {
    const std::lock_guard lock(mutex_);
    node = items_.extract(key);
    if (node.empty()) return -ENOENT;
    unqueue(node.mapped());
    node.mapped().gone = true;
  }
  node.mapped().file->unwatch(node.mapped());
  return 0;
}

int Epoll::make_kernel() {
  const int made = epoll_create1(EPOLL_CLOEXEC);
  if (made < 0) return -errno;
  const std::lock_guard lock(mutex_);
  kernel_ = made;
  publish(ready(),
          POLLIN);  // threads that sleep in epoll_wait look at this one as well from now on
  return 0;
}

int Epoll::control_kernel(int operation, int fd, const epoll_event* event) {
  if (kernel_ < 0) {
    if (operation != EPOLL_CTL_ADD) return -ENOENT;
    if (const int bad = make_kernel(); bad != 0) return bad;
  }
  epoll_event copy = event != nullptr ? *event : epoll_event{};
  return epoll_ctl(kernel_, operation, fd, &copy) == 0 ? 0 : -errno;
}

int Epoll::control(int operation, int fd, const std::shared_ptr<File>& target,
                   const epoll_event* event) {
  if (operation != EPOLL_CTL_DEL && event == nullptr) return -EFAULT;
  const std::lock_guard serial(control_mutex_);
  drop_gone();
  if (target == nullptr) return control_kernel(operation, fd, event);
  if (target.get() == this) return -EINVAL;
  if (operation != EPOLL_CTL_DEL && (event->events & EPOLLEXCLUSIVE) != 0) return -EINVAL;
  switch (operation) {
    case EPOLL_CTL_ADD:
      if (target->kind() == File::Kind::Epoll && static_cast<Epoll&>(*target).reaches(*this))
        return -ELOOP;
      return add(fd, target, *event);
    case EPOLL_CTL_DEL:
      return remove({fd, target.get()});
    case EPOLL_CTL_MOD: {
      Item* item = nullptr;
      {
        const std::lock_guard lock(mutex_);
        const auto found = items_.find({fd, target.get()});
        if (found == items_.end()) return -ENOENT;
        item = &found->second;
        item->event = *event;
        item->armed = true;
      }
      item_ready(*item, target->ready());
      return 0;
    }
    default:
      return -EINVAL;
  }
}

// --- epoll_wait.

// Linux: ep_send_events. What is level-triggered goes back to the end of the list.
std::size_t Epoll::collect(std::span<epoll_event> events) {
  const std::lock_guard lock(mutex_);
  if (ready_list_.empty() && ready() == 0) return 0;
  std::size_t count = 0;
  for (std::size_t left = ready_count_; left > 0 && count < events.size(); --left) {
    Item& item = *ready_list_.front();
    unqueue(item);
    const std::uint32_t now = item.file->ready() & (item.event.events | kAlways) & ~kModes;
    if (now == 0) continue;
    events[count].events = now;
    events[count].data = item.event.data;
    ++count;
    if ((item.event.events & EPOLLONESHOT) != 0) {
      item.armed = false;
    } else if ((item.event.events & EPOLLET) == 0) {
      ready_list_.push_back(item);
      ++ready_count_;
    }
  }
  publish(ready_list_.empty() ? 0 : POLLIN | POLLRDNORM, 0);
  return count;
}

std::size_t Epoll::collect_kernel(std::span<epoll_event> events) const {
  if (kernel_ < 0 || events.empty()) return 0;
  const int got = epoll_wait(kernel_, events.data(), static_cast<int>(events.size()), 0);
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

// Our files and the kernel's go first by turns: neither keeps the others from being told of.
std::size_t Epoll::look(std::span<epoll_event> events) {
  if (kernel_ < 0) [[likely]]
    return collect(events);
  const bool kernel_first = kernel_first_.load(std::memory_order_relaxed);
  kernel_first_.store(!kernel_first, std::memory_order_relaxed);
  std::size_t count = kernel_first ? collect_kernel(events) : 0;
  count += collect(events.subspan(count));
  return kernel_first ? count : count + collect_kernel(events.subspan(count));
}

// What was signalled so far is looked at behind it.
void Epoll::arm_outside() {
  for (const int fd : {outside_event_, outside_timer_}) {
    std::uint64_t count;
    [[maybe_unused]] const ssize_t got = read(fd, &count, sizeof count);
  }
  program().begin_outside_wait();
  outside_armed_ = true;
  program().pump();
  if (!program().must_look()) return;
  itimerspec soon{};
  soon.it_value.tv_nsec = Program::kBufferRetry.count_ns();
  timerfd_settime(outside_timer_, 0, &soon, nullptr);
}

void Epoll::disarm_outside() {
  program().end_outside_wait();
  outside_armed_ = false;
}

int Epoll::wait(std::span<epoll_event> events, time::Instant deadline, bool may_block,
                const sigset_t* mask) {
  if (outside_armed_) disarm_outside();
  program().host().look();
  program().pump();
  std::size_t count = look(events);
  if (count == 0 && !may_block && outside_ >= 0) {
    arm_outside();
    count = look(events);
  }
  if (count > 0 || !may_block || !program().host().may_sleep()) return static_cast<int>(count);
  Program::Sleeper sleeper(program(), deadline);
  const WaiterWatch watch(*this, sleeper.waiter());
  Host::Slept slept = Host::Slept::Woken;
  while (true) {
    sleeper.waiter().reset();
    count = look(events);
    if (count > 0 || slept == Host::Slept::TimedOut) return static_cast<int>(count);
    if (is_closed()) return -EBADF;
    if (slept == Host::Slept::Interrupted) return -EINTR;
    pollfd kernel{kernel_, POLLIN, 0};
    slept = sleeper.sleep({&kernel, kernel_ >= 0 ? 1u : 0u}, mask);
  }
}

int Epoll::kernel_fd() {
  const std::lock_guard serial(control_mutex_);
  if (outside_ >= 0) return outside_;
  const int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  const int outside = epoll_create1(EPOLL_CLOEXEC);
  epoll_event wanted{.events = EPOLLIN, .data = {}};
  bool good = event >= 0 && timer >= 0 && outside >= 0 &&
              epoll_ctl(outside, EPOLL_CTL_ADD, event, &wanted) == 0 &&
              epoll_ctl(outside, EPOLL_CTL_ADD, timer, &wanted) == 0 &&
              epoll_ctl(outside, EPOLL_CTL_ADD, program().wake_fd(), &wanted) == 0;
  if (good && kernel_ < 0) good = make_kernel() == 0;
  good = good && epoll_ctl(outside, EPOLL_CTL_ADD, kernel_, &wanted) == 0;
  if (!good) {
    const int error = errno;
    for (const int fd : {event, timer, outside}) {
      if (fd >= 0) close(fd);
    }
    return -error;
  }
  const std::lock_guard lock(mutex_);
  outside_event_ = event;
  outside_timer_ = timer;
  outside_ = outside;
  return outside;
}

// Watches nothing any more.
void Epoll::let_go() {
  decltype(items_) items;
  {
    const std::lock_guard lock(mutex_);
    items.swap(items_);
    for (auto& [key, item] : items) {
      unqueue(item);
      item.gone = true;
    }
  }
  for (auto& [key, item] : items)
    item.file->unwatch(item);
}

int Epoll::on_close() {
  const std::lock_guard serial(control_mutex_);
  let_go();
  if (outside_armed_) disarm_outside();
  const std::lock_guard lock(mutex_);
  closed_ = true;
  publish(POLLHUP);  // `close_last` wakes who waits
  return 0;
}

bool Epoll::is_closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace linnet::shim
