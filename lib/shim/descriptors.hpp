// SPDX-License-Identifier: BSD-3-Clause
// The process's table of descriptors (Linux: struct files_struct). One a process, because the C
// calls name nothing but numbers.
#pragma once

#include <memory>
#include <shared_mutex>
#include <vector>

#include "shim/file.hpp"

namespace linnet::shim {

class Descriptors {
 public:
  static Descriptors& of_process();

  // The lowest free number, at least `least`; -1: none is left.
  int add(std::shared_ptr<File> file, int least = 0);
  // Null: not one of ours.
  std::shared_ptr<File> get(int fd) const;
  // Takes the number away; the file is the caller's to close if it was the last.
  std::shared_ptr<File> remove(int fd);
  // All numbers of a program that ends.
  void remove_all(const Program& program);

 private:
  mutable std::shared_mutex mutex_;
  std::vector<std::shared_ptr<File>> files_;
  std::size_t lowest_free_ = 0;
};

}  // namespace linnet::shim
