// SPDX-License-Identifier: BSD-3-Clause
#include "shim/descriptors.hpp"

#include <algorithm>
#include <vector>

namespace linnet::shim {

Descriptors& Descriptors::of_process() {
  static Descriptors* const table = new Descriptors;  // outlives every static destructor's calls
  return *table;
}

// nullptr: no chunk is there.
std::shared_ptr<File>* Descriptors::slot(std::size_t at) const {
  if (at >= LN_FD_MOST) return nullptr;
  Chunk* const chunk = chunks_[at / kChunk].load(std::memory_order_acquire);
  return chunk != nullptr ? &(*chunk)[at % kChunk] : nullptr;
}

bool Descriptors::make_slot(std::size_t at) {
  if (at >= LN_FD_MOST) return false;
  if (slot(at) == nullptr) chunks_[at / kChunk].store(new Chunk, std::memory_order_release);
  return true;
}

int Descriptors::add(std::shared_ptr<File> file, int least) {
  const std::lock_guard lock(mutex_);
  const auto wanted = static_cast<std::size_t>(std::max(0, least - LN_FD_BASE));
  std::size_t at = std::max(lowest_free_, wanted);
  while (at < end_ && slot(at) != nullptr && *slot(at) != nullptr)
    ++at;
  if (!make_slot(at)) return -1;
  end_ = std::max(end_, at + 1);
  file->add_name();
  {
    const std::lock_guard guard(mutex_of(at));
    *slot(at) = std::move(file);
  }
  if (wanted <= lowest_free_) lowest_free_ = at + 1;
  return LN_FD_BASE + static_cast<int>(at);
}

std::shared_ptr<File> Descriptors::get(int fd) const {
  const auto at = static_cast<std::size_t>(fd - LN_FD_BASE);
  if (fd < LN_FD_BASE) return nullptr;
  const std::shared_ptr<File>* const found = slot(at);
  if (found == nullptr) return nullptr;
  const std::lock_guard guard(mutex_of(at));
  return *found;
}

// With mutex_ held.
std::shared_ptr<File> Descriptors::take(std::size_t at) {
  std::shared_ptr<File>* const found = slot(at);
  if (found == nullptr) return nullptr;
  lowest_free_ = std::min(lowest_free_, at);
  const std::lock_guard guard(mutex_of(at));
  return std::move(*found);
}

std::shared_ptr<File> Descriptors::remove(int fd) {
  if (fd < LN_FD_BASE) return nullptr;
  const std::lock_guard lock(mutex_);
  return take(static_cast<std::size_t>(fd - LN_FD_BASE));
}

void Descriptors::remove_all(const Program& program) {
  std::vector<std::shared_ptr<File>> gone;  // freed after the lock
  const std::lock_guard lock(mutex_);
  for (std::size_t at = 0; at < end_; ++at) {
    const std::shared_ptr<File>* const file = slot(at);
    if (file == nullptr || *file == nullptr || &(*file)->program() != &program) continue;
    gone.push_back(take(at));
  }
}

}  // namespace linnet::shim
