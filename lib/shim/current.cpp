// SPDX-License-Identifier: BSD-3-Clause
#include "shim/current.hpp"

namespace linnet::shim {
namespace {

std::mutex mutex;
std::weak_ptr<Program>& of_process() {
  static auto* const program = new std::weak_ptr<Program>;
  return *program;
}
thread_local std::weak_ptr<Program> of_thread;

}  // namespace

std::shared_ptr<Program> current_program() {
  if (auto chosen = of_thread.lock(); chosen != nullptr && !chosen->ended()) return chosen;
  const std::lock_guard lock(mutex);
  auto program = of_process().lock();
  return program != nullptr && !program->ended() ? program : nullptr;
}

void choose_for_thread(const std::shared_ptr<Program>& program) {
  of_thread = program;
}

void choose_for_process(const std::shared_ptr<Program>& program) {
  const std::lock_guard lock(mutex);
  of_process() = program;
}

}  // namespace linnet::shim
