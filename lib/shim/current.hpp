// SPDX-License-Identifier: BSD-3-Clause
// Which program new sockets belong to.
#pragma once

#include <memory>

#include "shim/program.hpp"

namespace linnet::shim {

// The calling thread's choice, else the process's; null: there is neither.
std::shared_ptr<Program> current_program();
void choose_for_thread(const std::shared_ptr<Program>& program);
void choose_for_process(const std::shared_ptr<Program>& program);

}  // namespace linnet::shim
