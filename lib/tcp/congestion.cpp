// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/congestion.hpp"

#include "tcp/congestion_algorithms.hpp"

namespace linnet::tcp {

const CongestionControl* find_congestion_control(std::string_view name) {
  for (const CongestionControl* control : {&reno(), &cubic(), &bbr(), &dctcp()}) {
    if (control->name() == name) return control;
  }
  return nullptr;
}

std::string_view available_congestion_controls() {
  return "reno cubic bbr dctcp";
}

}  // namespace linnet::tcp
