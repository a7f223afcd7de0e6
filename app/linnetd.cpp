// SPDX-License-Identifier: BSD-3-Clause
// The daemon's main: options, the doctor's word, the daemon.
#include <sys/stat.h>

#include <string>

#include "app/daemon.hpp"
#include "app/doctor.hpp"
#include "app/options.hpp"
#include "app/start.hpp"

namespace {

using namespace linnet;

using app::check_startup;
using app::kEnded;
using app::kFailed;
using app::kNotStarted;
using app::kUsage;
using app::say;

void complain(const Error& error, const std::string& mend) {
  app::complain("linnetd", error, mend);
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
  std::unique_ptr<app::Daemon> daemon;
  const app::Exit started = app::start_daemon("linnetd", options, machine, daemon);
  if (started != kEnded) return started;
  const bool measured = options.end_after != 0 || options.replaying();
  if (options.replaying()) {
    if (const auto replayed = daemon->replay(); !replayed) {
      complain(replayed.error(), "tail " + options.log);
      return kFailed;
    }
  } else {
    if (!measured) say(stdout, "linnetd: ready: " + daemon->summary() + "\n");
    daemon->serve();
  }
  return app::stop_daemon("linnetd", options, *daemon, kEnded, measured);
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
