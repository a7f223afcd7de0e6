// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>

#include "app/options.hpp"
#include "base/result.hpp"

namespace linnet::app {

// The daemon's own lines in the log, next to DPDK's: "2026-01-31T12:00:00Z linnetd warning: ...".
// Control core only; lanes do not log.
class Log {
 public:
  static Result<Log> open(const std::string& path, LogLevel level);
  ~Log();
  Log(Log&& other) noexcept : fd_(other.fd_), level_(other.level_) { other.fd_ = -1; }
  Log& operator=(Log&&) = delete;

  // Control characters become question marks, so that no word can forge a line.
  void write(LogLevel level, std::string_view text) const;

 private:
  Log(int fd, LogLevel level) : fd_(fd), level_(level) {}
  int fd_;
  LogLevel level_;
};

}  // namespace linnet::app
