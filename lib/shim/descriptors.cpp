// SPDX-License-Identifier: BSD-3-Clause
#include "shim/descriptors.hpp"

#include <linnet/socket.h>

#include <algorithm>
#include <mutex>

namespace linnet::shim {

Descriptors& Descriptors::of_process() {
  static Descriptors* const table = new Descriptors;  // outlives every static destructor's calls
  return *table;
}

int Descriptors::add(std::shared_ptr<File> file, int least) {
  const std::unique_lock lock(mutex_);
  const auto wanted = static_cast<std::size_t>(std::max(0, least - LN_FD_BASE));
  std::size_t at = std::max(lowest_free_, wanted);
  while (at < files_.size() && files_[at] != nullptr)
    ++at;
  if (at >= LN_FD_MOST) return -1;
  if (at >= files_.size()) files_.resize(at + 1);
  file->add_name();
  files_[at] = std::move(file);
  if (wanted <= lowest_free_) lowest_free_ = at + 1;
  return LN_FD_BASE + static_cast<int>(at);
}

std::shared_ptr<File> Descriptors::get(int fd) const {
  const std::shared_lock lock(mutex_);
  const auto at = static_cast<std::size_t>(fd - LN_FD_BASE);
  if (fd < LN_FD_BASE || at >= files_.size()) return nullptr;
  return files_[at];
}

std::shared_ptr<File> Descriptors::remove(int fd) {
  const std::unique_lock lock(mutex_);
  const auto at = static_cast<std::size_t>(fd - LN_FD_BASE);
  if (fd < LN_FD_BASE || at >= files_.size()) return nullptr;
  lowest_free_ = std::min(lowest_free_, at);
  return std::move(files_[at]);
}

void Descriptors::remove_all(const Program& program) {
  std::vector<std::shared_ptr<File>> gone;  // freed after the lock
  const std::unique_lock lock(mutex_);
  for (std::size_t at = 0; at < files_.size(); ++at) {
    if (files_[at] == nullptr || &files_[at]->program() != &program) continue;
    gone.push_back(std::move(files_[at]));
    lowest_free_ = std::min(lowest_free_, at);
  }
}

}  // namespace linnet::shim
