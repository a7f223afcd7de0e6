// SPDX-License-Identifier: BSD-3-Clause
// epoll(7) over our descriptors and the kernel's. Reading: Linux fs/eventpoll.c.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>

#include "base/intrusive_list.hpp"
#include "shim/program.hpp"

namespace linnet::shim {

class Epoll final : public File {
 public:
  explicit Epoll(std::shared_ptr<Program> program) : File(File::Kind::Epoll, std::move(program)) {}
  ~Epoll() override;

  // -errno or 0. `target`: what `fd` names; null: one of the kernel's.
  int control(int operation, int fd, const std::shared_ptr<File>& target, const epoll_event* event);
  // How many events were written, 0 at the deadline, or -errno.
  int wait(std::span<epoll_event> events, time::Instant deadline, bool may_block,
           const sigset_t* mask);
  // The kernel's descriptor for loops outside; -errno.
  int kernel_fd();
  // Whether `target` is this set or is in it, at any depth.
  bool reaches(const File& target, unsigned depth = 0);

 protected:
  int on_close() override;

 private:
  // A number may become another file's while the first one lives on by another name.
  using Key = std::pair<int, const File*>;
  struct HashKey {
    std::size_t operator()(const Key& key) const {
      return std::hash<const File*>()(key.second) ^ static_cast<std::size_t>(key.first);
    }
  };
  struct Item final : Watch {
    Item(Epoll& owner, int number, std::shared_ptr<File> what)
        : set(owner), fd(number), file(std::move(what)) {}
    void on_ready(std::uint32_t events) override { set.item_ready(*this, events); }
    void on_gone() override { set.item_gone(*this); }

    Epoll& set;
    const int fd;
    const std::shared_ptr<File> file;
    epoll_event event{};
    ListHook queued;    // in ready_list_, or in gone_list_ where it is gone
    bool armed = true;  // EPOLLONESHOT was not used up
    bool gone = false;
  };

  void item_ready(Item& item, std::uint32_t events);
  void item_gone(Item& item);
  void queue(Item& item);
  void unqueue(Item& item);
  int add(int fd, const std::shared_ptr<File>& target, const epoll_event& event);
  int control_kernel(int operation, int fd, const epoll_event* event);
  int make_kernel();
  void let_go();
  int remove(const Key& key);
  std::size_t collect(std::span<epoll_event> events);
  std::size_t collect_kernel(std::span<epoll_event> events) const;
  void drop_gone();
  std::size_t look(std::span<epoll_event> events);
  void arm_outside();
  void disarm_outside();
  bool is_closed() const;

  std::mutex control_mutex_;  // adding and removing; before mutex_ of files
  // Under mutex_.
  std::unordered_map<Key, Item, HashKey> items_;
  IntrusiveList<Item, &Item::queued> ready_list_;
  std::size_t ready_count_ = 0;
  IntrusiveList<Item, &Item::queued> gone_list_;  // their files were closed
  std::atomic<int> kernel_{-1};                   // the kernel's descriptors among ours; set once
  std::atomic<bool> kernel_first_{false};         // in the next look
  int outside_ = -1;                              // what kernel_fd gives
  int outside_event_ = -1;
  int outside_timer_ = -1;  // for what nothing tells of
  bool outside_armed_ = false;
};

}  // namespace linnet::shim
