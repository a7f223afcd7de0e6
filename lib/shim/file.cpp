// SPDX-License-Identifier: BSD-3-Clause
#include "shim/file.hpp"

#include "shim/program.hpp"

namespace linnet::shim {

File::File(Kind kind, std::shared_ptr<Program> program)
    : kind_(kind), program_(std::move(program)) {
  if (!program_->alone()) return;
  mutex_.leave_open();
  watch_mutex_.leave_open();
}

void File::watch(Watch& watch) {
  const std::lock_guard lock(watch_mutex_);
  watch.next_ = watches_;
  watch.link_ = &watches_;
  if (watches_ != nullptr) watches_->link_ = &watch.next_;
  watches_ = &watch;
}

void File::unwatch(Watch& watch) {
  const std::lock_guard lock(watch_mutex_);
  if (watch.link_ == nullptr) return;
  *watch.link_ = watch.next_;
  if (watch.next_ != nullptr) watch.next_->link_ = watch.link_;
  watch.link_ = nullptr;
}

void File::tell(std::uint32_t happened) {
  const std::lock_guard lock(watch_mutex_);
  for (Watch* watch = watches_; watch != nullptr; watch = watch->next_)
    watch->on_ready(happened);
}

int File::close_last() {
  const int result = on_close();
  const std::lock_guard lock(watch_mutex_);
  while (watches_ != nullptr) {
    Watch* const watch = watches_;
    watches_ = watch->next_;
    watch->link_ = nullptr;
    watch->on_gone();
  }
  return result;
}

}  // namespace linnet::shim
