// SPDX-License-Identifier: BSD-3-Clause
// The process's table of descriptors (Linux: struct files_struct). One a process, because the C
// calls name nothing but numbers.
#pragma once

#include <linnet/socket.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "shim/file.hpp"
#include "shim/mutex.hpp"

namespace linnet::shim {

class Descriptors {
 public:
  static Descriptors& of_process();

  // The lowest free number, at least `least`; -1: none is left.
  int add(std::shared_ptr<File> file, int least = 0);
  // Null: not one of ours.
  std::shared_ptr<File> get(int fd) const;
  // As `get`, without a count and a lock, for what the calling thread has put in itself as the only
  // thread of its program: nobody else takes it away. Null: not such a one.
  File* get_own(int fd) const;
  // Takes the number away; the file is the caller's to close if it was the last.
  std::shared_ptr<File> remove(int fd);
  // All numbers of a program that ends.
  void remove_all(const Program& program);

 private:
  // Chunks stay where they are and for ever. A slot is read and written under one of a few locks,
  // so that threads on different sockets do not meet.
  static constexpr std::size_t kChunk = 1024;
  struct Chunk {
    std::array<std::shared_ptr<File>, kChunk> files;
    std::array<std::atomic<std::uint16_t>, kChunk>
        owners{};  // a thread's number; 0: any may use it
  };
  struct alignas(64) Shard {
    Mutex mutex;
  };

  Mutex& mutex_of(std::size_t at) const { return shards_[at % shards_.size()].mutex; }
  Chunk* chunk_of(std::size_t at) const {
    return at < LN_FD_MOST ? chunks_[at / kChunk].load(std::memory_order_acquire) : nullptr;
  }
  std::shared_ptr<File>* slot(std::size_t at) const;
  bool make_slot(std::size_t at);
  void own(std::size_t at, std::uint16_t thread) {
    chunk_of(at)->owners[at % kChunk].store(thread, std::memory_order_relaxed);
  }
  std::shared_ptr<File> take(std::size_t at);

  mutable std::array<Shard, 16> shards_;
  std::array<std::atomic<Chunk*>, LN_FD_MOST / kChunk> chunks_{};
  // Whoever changes which numbers are taken.
  std::mutex mutex_;
  std::size_t lowest_free_ = 0;
  std::size_t end_ = 0;  // above all that were ever taken
};

}  // namespace linnet::shim
