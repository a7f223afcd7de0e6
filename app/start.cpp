// SPDX-License-Identifier: BSD-3-Clause
#include "app/start.hpp"

#include "app/doctor.hpp"
#include "control/execute.hpp"

namespace linnet::app {
namespace {

// The devices that commands of the startup file can name.
std::vector<std::string> device_names(const Options& options) {
  std::vector<std::string> names = {"lo"};
  for (const PortOption& port : options.ports)
    names.push_back(port.name);
  return names;
}

}  // namespace

void say(FILE* stream, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

void complain(const char* program, const Error& error, const std::string& mend) {
  say(stderr, std::string(program) + ": error: " + error.text() + ".\n  mend: " + mend + "\n");
}

Result<> check_startup(const Options& options) {
  if (options.startup.empty()) return Ok{};
  return control::check_file(options.startup, device_names(options));
}

Exit start_daemon(const char* program, const Options& options, const Machine& machine,
                  std::unique_ptr<Daemon>& daemon) {
  bool fatal = false;
  for (const Finding& finding : examine(options, machine)) {
    if (finding.severity != Severity::Fatal) continue;
    say(stderr, std::string(program) + ": " + to_text(finding));
    fatal = true;
  }
  if (fatal) return kNotStarted;
  if (const Result<> startup = check_startup(options); !startup) {
    complain(program, startup.error(), "linnetd --check-config");
    return kUsage;
  }
  auto log = Log::open(options.log, options.log_level);
  if (!log) {
    complain(program, log.error(), std::string(program) + " --log ./linnetd.log");
    return kNotStarted;
  }
  daemon = std::make_unique<Daemon>(options, machine, std::move(log).value());
  if (const Result<> started = daemon->start(); !started) {
    complain(program, started.error(), "tail " + options.log + "; linnetd --doctor");
    return kNotStarted;
  }
  return kEnded;
}

int stop_daemon(const char* program, const Options& options, Daemon& daemon, int code, bool tells) {
  const stack::Account account = daemon.stop();
  if (tells) say(stdout, account_text(account));
  if (account.balanced() && account.held == 0) return code;
  complain(program, Error{"the account of packets does not balance at the end"},
           "tail " + options.log);
  return kFailed;
}

}  // namespace linnet::app
