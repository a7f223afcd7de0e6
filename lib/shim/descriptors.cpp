// SPDX-License-Identifier: BSD-3-Clause
#include "shim/descriptors.hpp"

#include <algorithm>
#include <vector>

#include "shim/program.hpp"

namespace linnet::shim {
namespace {

constinit thread_local std::uint16_t number_of_thread = 0;

// From 1 on; 0 where more threads than there are numbers asked for one.
std::uint16_t number_this_thread() {
  static std::atomic<std::uint32_t> last{0};
  if (number_of_thread == 0 && last.load(std::memory_order_relaxed) < UINT16_MAX) {
    const std::uint32_t number = last.fetch_add(1, std::memory_order_relaxed) + 1;
    if (number <= UINT16_MAX) number_of_thread = static_cast<std::uint16_t>(number);
  }
  return number_of_thread;
}

}  // namespace

Descriptors& Descriptors::of_process() {
  static Descriptors* const table = new Descriptors;  // outlives every static destructor's calls
  return *table;
}

// nullptr: no chunk is there.
std::shared_ptr<File>* Descriptors::slot(std::size_t at) const {
  Chunk* const chunk = chunk_of(at);
  return chunk != nullptr ? &chunk->files[at % kChunk] : nullptr;
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
  const bool alone = file->program().alone();
  {
    const std::lock_guard guard(mutex_of(at));
    *slot(at) = std::move(file);
  }
  if (alone) own(at, number_this_thread());
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

File* Descriptors::get_own(int fd) const {
  const auto at = static_cast<std::size_t>(fd - LN_FD_BASE);
  const Chunk* const chunk = fd >= LN_FD_BASE ? chunk_of(at) : nullptr;
  if (chunk == nullptr || number_of_thread == 0) return nullptr;
  const std::uint16_t owner = chunk->owners[at % kChunk].load(std::memory_order_relaxed);
  return owner == number_of_thread ? chunk->files[at % kChunk].get() : nullptr;
}

// With mutex_ held.
std::shared_ptr<File> Descriptors::take(std::size_t at) {
  std::shared_ptr<File>* const found = slot(at);
  if (found == nullptr) return nullptr;
  lowest_free_ = std::min(lowest_free_, at);
  own(at, 0);
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
