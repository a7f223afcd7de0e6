// SPDX-License-Identifier: BSD-3-Clause
// Socket options as a table: what is an int with bounds stands here; what is more is code.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "shim/on_demand.hpp"
#include "tcp/fast_open.hpp"
#include "time/instant.hpp"

namespace linnet::shim {

// IP_LOCAL_PORT_RANGE, which the system's headers may not name yet.
inline constexpr int kLocalPortRange = 51;

struct OptionRow {
  enum For : std::uint8_t { kStream = 1, kDatagram = 2, kBoth = 3 };
  enum Kind : std::uint8_t {
    Number,  // out of bounds: EINVAL
    Switch,  // any number: 0 or 1
    Fixed,   // can be read, not set
  };
  int level;
  int name;
  Kind kind;
  For applies;
  int initial;
  int least, most;
  bool travels;  // lanes are told
};

// nullptr: the table has none such.
const OptionRow* find_option(int level, int name);

// What one socket's options are. Those of most sockets were never set and take no memory.
class OptionValues {
 public:
  struct Values {
    std::vector<std::pair<const OptionRow*, int>> set{};  // of the table
    bool linger = false;
    int linger_seconds = 0;
    time::Duration receive_timeout{};  // zero: none
    time::Duration send_timeout{};
    int send_buffer = 0;                         // as asked for; 0: not set
    int receive_buffer = 0;                      // likewise
    int device = -1;                             // SO_BINDTODEVICE: index
    std::uint16_t unicast_device = 0xffff;       // IP_UNICAST_IF: index
    int congestion = 0;                          // socket::Congestion; 0: the default
    std::uint64_t max_pacing_rate = UINT64_MAX;  // bytes a second; this one: not set
    // TCP_FASTOPEN_KEY; empty: not set
    std::shared_ptr<const tcp::FastOpenKeySet> fast_open_keys{};
  };

  int get(const OptionRow& row) const;
  int get(int level, int name) const;
  void set(const OptionRow& row, int value);
  const Values* operator->() const { return &*values_; }
  Values& change() { return values_.change(); }

  // Calls `visit(row, value)` for each that was set and travels.
  template <typename Visit>
  void each_travelling(Visit&& visit) const {
    for (const auto& [row, value] : values_->set) {
      if (row->travels) visit(*row, value);
    }
  }

  // What every look at a socket asks for.
  int low_water() const { return low_water_; }             // SO_RCVLOWAT, at least 1
  bool urgent_in_line() const { return urgent_in_line_; }  // SO_OOBINLINE
  bool tells_waiting() const { return tells_waiting_; }    // TCP_INQ

 private:
  OnDemand<Values> values_;
  int low_water_ = 1;
  bool urgent_in_line_ = false, tells_waiting_ = false;
};

}  // namespace linnet::shim
