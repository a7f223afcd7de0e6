// SPDX-License-Identifier: BSD-3-Clause
#include "app/in_process.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <linnet/socket.hpp>
#include <thread>

#include "app/start.hpp"
#include "shim/current.hpp"
#include "shim/stack_host.hpp"

namespace linnet::app {
namespace {

std::string usage_text(const InProcess& program) {
  return std::string(program.usage) +
         "\nThe options before -- are linnetd's: ports, startup file, lanes ... `linnetd --help` "
         "tells them.\n";
}

// The program on its thread, the control core's loop on this one.
int serve(const InProcess& program, Daemon& daemon, std::span<const std::string> words) {
  auto made = shim::Program::create(daemon.host().parts());
  if (!made) {
    complain(program.name, made.error(), "linnetd --doctor");
    return kFailed;
  }
  const std::shared_ptr<shim::Program> session = std::move(made).value();
  shim::choose_for_process(session);
  std::atomic<bool> ended{false}, serving{true};
  int code = kEnded;
  std::thread thread([&] {
    code = program.run(words);
    ended = true;
    if (serving) kill(getpid(), SIGTERM);  // ends the loop below
  });
  daemon.serve();
  serving = false;
  const bool by_itself = ended;
  session->end();  // its calls fail from here on
  thread.join();
  daemon.settle();
  return by_itself ? code : kEnded;
}

}  // namespace

int run_in_process(int argc, char** argv, const InProcess& program) {
  const std::vector<std::string> all(argv + 1, argv + argc);
  const auto dashes = std::find(all.begin(), all.end(), "--");
  const std::vector<std::string> ours(all.begin(), dashes);
  const std::vector<std::string> own(dashes == all.end() ? dashes : dashes + 1, all.end());
  const auto options = parse_options(ours);
  if (!options) {
    complain(program.name, options.error(), std::string(program.name) + " --help");
    return kUsage;
  }
  if (options->action == Action::Help) {
    say(stdout, usage_text(program));
    return kEnded;
  }
  if (options->action != Action::Run || options->replaying() || !program.check(own)) {
    say(stderr, usage_text(program));
    return kUsage;
  }
  umask(027);
  const Machine machine;
  std::unique_ptr<Daemon> daemon;
  if (const Exit started = start_daemon(program.name, *options, machine, daemon); started != kEnded)
    return started;
  say(stderr, std::string(program.name) + ": ready: " + daemon->summary() + "\n");
  const int code = serve(program, *daemon, own);
  return stop_daemon(program.name, *options, *daemon, code, false);
}

std::uint16_t port_number(const std::string& text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() ? port : std::uint16_t{0};
}

bool find_host(const char* program, const std::string& host, std::uint16_t port, SocketName& out) {
  const int code = look_up(host.c_str(), std::to_string(port).c_str(), out);
  if (code == EAI_SYSTEM) failed(program, host.c_str());
  if (code != 0 && code != EAI_SYSTEM)
    say(stderr, std::string(program) + ": " + host + ": " + ln_gai_strerror(code) + "\n");
  return code == 0;
}

int failed(const char* program, const char* what) {
  say(stderr, std::string(program) + ": " + what + ": " + std::strerror(errno) + "\n");
  return kFailed;
}

}  // namespace linnet::app
