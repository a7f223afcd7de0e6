// SPDX-License-Identifier: BSD-3-Clause
#include "app/log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

namespace linnet::app {

Result<Log> Log::open(const std::string& path, LogLevel level) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0)
    return Error{std::string("the log cannot be written (") + std::strerror(errno) + ")", path};
  return Log(fd, level);
}

Log::~Log() {
  if (fd_ >= 0) close(fd_);
}

void Log::write(LogLevel level, std::string_view text) const {
  if (level > level_) return;
  static constexpr const char* kNames[] = {"error", "warning", "notice", "info", "debug"};
  char stamp[32];
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &parts);
  std::string line = std::string(stamp) + " linnetd " + kNames[static_cast<int>(level)] + ": ";
  for (const char letter : text)
    line += static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f ? '?' : letter;
  line += '\n';
  // A full disk must not stop the stack: the line is lost.
  [[maybe_unused]] const ssize_t written = ::write(fd_, line.data(), line.size());
}

}  // namespace linnet::app
