// SPDX-License-Identifier: BSD-3-Clause
// Files, users and what earlier runs left behind.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "app/doctor.hpp"
#include "app/words.hpp"

namespace linnet::app {
namespace {

bool may_write_folder(const std::string& folder) {
  return faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
}

bool is_folder(const std::string& path) {
  struct stat status{};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// Whether `user` may make and remove files in `folder`; groups beside the first are not asked for.
bool user_may_write(const User& user, const std::string& folder) {
  struct stat status{};
  if (stat(folder.c_str(), &status) != 0 || user.uid == 0) return user.uid == 0;
  const mode_t mode = status.st_mode;
  if (status.st_uid == user.uid) return (mode & S_IWUSR) != 0;
  if (status.st_gid == user.gid) return (mode & S_IWGRP) != 0;
  return (mode & S_IWOTH) != 0 && (mode & S_ISVTX) == 0;
}

// A file that tells a process with root's rights what to do must not be writable by everybody.
void examine_trust(const std::string& path, const std::string& what, Findings& findings) {
  struct stat status{};
  if (path.empty() || stat(path.c_str(), &status) != 0) return;
  if ((status.st_mode & S_IWOTH) != 0)
    findings.push_back(
        {Severity::Fatal, "Everybody may write the " + what + " " + path, "chmod o-w " + path});
}

void examine_startup(const Options& options, Findings& findings) {
  if (options.startup.empty()) return;
  if (!read_whole_file(options.startup)) {
    findings.push_back({Severity::Fatal, "The startup file " + options.startup + " cannot be read",
                        "ls -l " + options.startup});
    return;
  }
  examine_trust(options.startup, "startup file", findings);
}

void examine_writable(const std::string& path, const std::string& what, const std::string& option,
                      Findings& findings) {
  if (path.empty()) return;
  const bool exists = access(path.c_str(), F_OK) == 0;
  const bool writable =
      exists ? !is_folder(path) && faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0
             : may_write_folder(folder_of(path));
  if (!writable)
    findings.push_back({Severity::Fatal, "The " + what + " " + path + " cannot be written",
                        "linnetd --" + option + " ./linnetd." + option});
}

enum class SocketState { Free, Answers, Stale, NoSocket };

SocketState socket_state(const std::string& path) {
  struct stat status{};
  if (lstat(path.c_str(), &status) != 0) return SocketState::Free;
  if (!S_ISSOCK(status.st_mode)) return SocketState::NoSocket;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int done = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const bool refused = done != 0 && errno == ECONNREFUSED;
  close(fd);
  return refused ? SocketState::Stale : SocketState::Answers;
}

void examine_socket(const Options& options, Findings& findings) {
  const std::string& path = options.control_socket;
  const std::string folder = folder_of(path);
  // A missing directory is made by linnetd, one level deep.
  const bool usable = is_folder(folder)
                          ? may_write_folder(folder)
                          : access(folder.c_str(), F_OK) != 0 && is_folder(folder_of(folder)) &&
                                may_write_folder(folder_of(folder));
  if (!usable) {
    findings.push_back(
        {Severity::Fatal,
         "The directory of the control socket " + path + " is missing or closed to us",
         "install -d -m 0750 " + folder});
    return;
  }
  switch (socket_state(path)) {
    case SocketState::Free:
      return;
    case SocketState::Answers:
      findings.push_back({Severity::Fatal, "Another linnetd answers at the control socket " + path,
                          "linnetd --control-socket " + folder + "/second.sock"});
      return;
    case SocketState::NoSocket:
      findings.push_back(
          {Severity::Fatal,
           "A file that is no socket lies where the control socket belongs, at " + path,
           "rm " + path});
      return;
    case SocketState::Stale:
      findings.push_back(
          {Severity::Warning,
           "An earlier linnetd left its control socket " + path + " behind; a start replaces it",
           "rm " + path});
  }
}

void examine_user(const Options& options, const Machine& machine, Findings& findings) {
  if (options.run_as.empty()) {
    if (machine.has(Capability::SetUid))
      findings.push_back({Severity::Warning,
                          "Without run-as linnetd keeps all of its rights while it runs",
                          "linnetd --run-as nobody"});
    return;
  }
  const auto user = machine.find_user(options.run_as);
  if (!user) {
    findings.push_back({Severity::Fatal, "There is no user \"" + options.run_as + "\" to run as",
                        "useradd --system --no-create-home " + options.run_as});
    return;
  }
  if (user->uid != geteuid() &&
      (!machine.has(Capability::SetUid) || !machine.has(Capability::SetGid)))
    findings.push_back({Severity::Fatal, "Only root can become the user \"" + options.run_as + "\"",
                        "sudo linnetd ..."});
  for (const std::string& path : {options.control_socket, options.pid_file}) {
    const std::string folder = folder_of(path);
    if (path.empty() || !is_folder(folder) || user_may_write(*user, folder)) continue;
    findings.push_back(
        {Severity::Fatal,
         "The user \"" + options.run_as + "\" could not remove " + path + " at the end",
         "install -d -m 0750 -o " + options.run_as + " /run/linnet"});
  }
}

// EAL holds a shared lock on each hugepage file that it uses.
bool is_abandoned(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool free = flock(file, LOCK_EX | LOCK_NB) == 0;
  close(file);
  return free;
}

// EAL's primary holds a write lock on the config file of its runtime directory.
bool is_dead_runtime(const std::string& config) {
  const int file = open(config.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return false;
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool free = fcntl(file, F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
  close(file);
  return free;
}

}  // namespace

void examine_files(const Options& options, const Machine& machine, Findings& findings) {
  examine_trust(options.config, "configuration file", findings);
  examine_startup(options, findings);
  examine_writable(options.log, "log file", "log", findings);
  examine_writable(options.pid_file, "pid file", "pid-file", findings);
  if (options.replaying()) return;
  examine_socket(options, findings);
  examine_user(options, machine, findings);
}

void examine_leftovers(const Options&, const Machine& machine, Findings& findings) {
  unsigned pages = 0;
  for (const std::string& name : machine.list("/dev/hugepages"))
    if (name.find("map_") != std::string::npos &&
        is_abandoned(machine.path("/dev/hugepages/" + name)))
      ++pages;
  if (pages != 0)
    findings.push_back({Severity::Warning,
                        "A DPDK program that is gone left " + std::to_string(pages) +
                            " hugepage files behind, which keep their memory",
                        "rm /dev/hugepages/*map_*"});
  for (const std::string& name : machine.list("/run/dpdk")) {
    const std::string folder = "/run/dpdk/" + name;
    if (!is_dead_runtime(machine.path(folder + "/config"))) continue;
    findings.push_back({Severity::Warning, "A DPDK program that is gone left " + folder + " behind",
                        "rm -r " + folder});
  }
}

}  // namespace linnet::app
