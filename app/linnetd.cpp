// SPDX-License-Identifier: BSD-3-Clause
// The daemon's main: options, the doctor's word, the daemon.
#include <sys/stat.h>

#include <cstdio>
#include <string>

#include "app/daemon.hpp"
#include "app/doctor.hpp"
#include "app/options.hpp"
#include "control/execute.hpp"

namespace {

using namespace linnet;

enum Exit { kEnded = 0, kNotStarted = 1, kUsage = 2, kFailed = 3 };

void say(FILE* stream, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

void complain(const Error& error, const std::string& mend) {
  say(stderr, "linnetd: error: " + error.text() + ".\n  mend: " + mend + "\n");
}

// The devices that commands of the startup file can name.
std::vector<std::string> device_names(const app::Options& options) {
  std::vector<std::string> names = {"lo"};
  for (const app::PortOption& port : options.ports)
    names.push_back(port.name);
  return names;
}

Result<> check_startup(const app::Options& options) {
  if (options.startup.empty()) return Ok{};
  return control::check_file(options.startup, device_names(options));
}

int diagnose(const app::Options& options, const app::Machine& machine) {
  const app::Findings findings = examine(options, machine);
  for (const app::Finding& finding : findings)
    say(stdout, app::to_text(finding));
  const Result<> startup = check_startup(options);
  if (!startup) complain(startup.error(), "linnetd --check-config");
  if (findings.empty() && startup) say(stdout, "Nothing stands in the way of a start.\n");
  return app::any_fatal(findings) || !startup ? kNotStarted : kEnded;
}

int check_config(const app::Options& options) {
  if (const Result<> startup = check_startup(options); !startup) {
    complain(startup.error(), "edit " + options.startup);
    return kNotStarted;
  }
  say(stdout, "The configuration is sound.\n");
  return kEnded;
}

int run(const app::Options& options, const app::Machine& machine) {
  bool fatal = false;
  for (const app::Finding& finding : examine(options, machine)) {
    if (finding.severity != app::Severity::Fatal) continue;
    say(stderr, "linnetd: " + app::to_text(finding));
    fatal = true;
  }
  if (fatal) return kNotStarted;
  if (const Result<> startup = check_startup(options); !startup) {
    complain(startup.error(), "linnetd --check-config");
    return kUsage;
  }
  auto log = app::Log::open(options.log, options.log_level);
  if (!log) {
    complain(log.error(), "linnetd --log ./linnetd.log");
    return kNotStarted;
  }
  app::Daemon daemon(options, machine, std::move(log).value());
  if (const Result<> started = daemon.start(); !started) {
    complain(started.error(), "tail " + options.log + "; linnetd --doctor");
    return kNotStarted;
  }
  const bool measured = options.end_after != 0 || options.replaying();
  if (options.replaying()) {
    if (const auto replayed = daemon.replay(); !replayed) {
      complain(replayed.error(), "tail " + options.log);
      return kFailed;
    }
  } else {
    if (!measured) say(stdout, "linnetd: ready: " + daemon.summary() + "\n");
    daemon.serve();
  }
  const stack::Account account = daemon.stop();
  if (measured) say(stdout, app::account_text(account));
  if (account.balanced() && account.held == 0) return kEnded;
  complain(Error{"the account of packets does not balance at the end"}, "tail " + options.log);
  return kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto options = app::parse_options(words);
  if (!options) {
    complain(options.error(), "linnetd --help");
    return kUsage;
  }
  // Files that we make are nobody else's to write.
  umask(027);
  const app::Machine machine;
  switch (options->action) {
    case app::Action::Help:
      say(stdout, app::help_text());
      return kEnded;
    case app::Action::HelpMarkdown:
      say(stdout, app::options_page());
      return kEnded;
    case app::Action::Version:
      say(stdout, "linnetd " LINNET_VERSION "\n");
      return kEnded;
    case app::Action::CheckConfig:
      return check_config(*options);
    case app::Action::Doctor:
      return diagnose(*options, machine);
    case app::Action::Run:
      return run(*options, machine);
  }
}
