// SPDX-License-Identifier: BSD-3-Clause
// The client: passes commands to the daemon over its control socket and prints what it answers.
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "app/client.hpp"
#include "app/prompt.hpp"
#include "control/catalog.hpp"
#include "control/completion.hpp"
#include "control/words.hpp"

namespace linnet::app {
namespace {

constexpr const char kUsage[] =
    "Usage: linnet [-s SOCKET] COMMAND...       runs a command: linnet ip -j addr show\n"
    "       linnet [-s SOCKET] [-force] -batch FILE   runs a file of commands; - is standard "
    "input\n"
    "       linnet [-s SOCKET]                  a prompt, with history and tab completion\n"
    "\n"
    "  -s, --socket PATH   the daemon's control socket, also by LINNET_SOCKET\n"
    "  -b, -batch FILE     one command a line, # comments; stops at the first that fails\n"
    "  -force              goes on after a command that fails\n"
    "  -V, --version       prints the version\n"
    "  -h, --help          prints this\n"
    "\n"
    "`linnet help` lists the commands. Exit codes: 0 done, 1 a word is wrong, a device is not\n"
    "there or no daemon answers, 2 the stack refused the command.\n";

struct Options {
  std::string socket{control::kDefaultSocket};
  std::string batch;
  bool force = false;
  bool complete = false;
  std::vector<std::string> command;
};

int fail(const Error& error, const std::string& place = "") {
  std::fprintf(stderr, "Error: %s%s.\n", place.c_str(), error.text().c_str());
  return control::kExitUsage;
}

int print(const control::Reply& reply) {
  const bool written = write_out(reply);
  return written || reply.code != control::kExitOk ? reply.code : control::kExitUsage;
}

// One command of a batch. -1: no more can follow.
int run_line(Connection& connection, const std::string& line, const std::string& place) {
  const auto words = control::split_words(line);
  if (!words) return fail(words.error(), place);
  if (words->empty()) return control::kExitOk;
  const auto reply = connection.ask(*words);
  if (!reply) {
    fail(reply.error(), place);
    return -1;
  }
  const int code = print(*reply);
  if (code != control::kExitOk)
    std::fprintf(stderr, "Command failed %s\n", place.substr(0, place.size() - 2).c_str());
  return code;
}

// As `ip -batch`: the code of the last command that failed.
int run_batch(Connection& connection, const Options& options) {
  std::ifstream file;
  const bool from_input = options.batch == "-";
  if (!from_input) file.open(options.batch);
  std::istream& lines = from_input ? std::cin : file;
  if (!lines) return fail(Error{"the file of commands cannot be read", options.batch});
  std::string line;
  int result = control::kExitOk;
  for (int number = 1; std::getline(lines, line); ++number) {
    const int code =
        run_line(connection, line, options.batch + ':' + std::to_string(number) + ": ");
    if (code < 0) return control::kExitUsage;
    if (code != control::kExitOk) result = code;
    if (code != control::kExitOk && !options.force) return code;
  }
  return result;
}

int run_command(Connection& connection, const std::vector<std::string>& words) {
  const auto reply = connection.ask(words);
  return reply ? print(*reply) : fail(reply.error());
}

// Without a daemon the answer is what the catalog alone knows; never an error: a shell asks.
int run_complete(const Options& options) {
  auto connection = Connection::open(options.socket);
  const auto candidates = completions(connection ? &connection.value() : nullptr, options.command);
  std::fputs(control::lines_of(candidates).c_str(), stdout);
  return control::kExitOk;
}

int run(const Options& options) {
  if (options.complete) return run_complete(options);
  const bool interactive = options.command.empty() && options.batch.empty();
  if (interactive && isatty(STDIN_FILENO) == 0) {
    std::fputs(kUsage, stderr);
    return control::kExitUsage;
  }
  if (interactive) return run_prompt(options.socket);
  auto connection = Connection::open(options.socket);
  if (!connection) return fail(connection.error());
  return options.batch.empty() ? run_command(*connection, options.command)
                               : run_batch(*connection, options);
}

// The client's own options stand in front of the command; from its first word on all is the
// daemon's. Returns the exit code where nothing is left to do.
std::optional<int> parse(const std::vector<std::string>& words, Options& options) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool takes_value =
        word == "-s" || word == "--socket" || word == "-b" || word == "-batch" || word == "--batch";
    if (takes_value && i + 1 == words.size()) {
      return fail(Error{"a word is missing after \"" + word + '"', "", -1,
                        word == "-s" || word == "--socket" ? "a socket's path" : "a file's name"});
    }
    if (word == "-s" || word == "--socket") {
      options.socket = words[++i];
    } else if (takes_value) {
      options.batch = words[++i];
    } else if (word == "-force" || word == "--force") {
      options.force = true;
    } else if (word == "-h" || word == "--help") {
      std::fputs(kUsage, stdout);
      return control::kExitOk;
    } else if (word == "-V" || word == "--version") {
      std::puts("linnet " LINNET_VERSION);
      return control::kExitOk;
    } else if (word == "--help-markdown") {
      std::fputs(control::reference_page().c_str(), stdout);
      return control::kExitOk;
    } else {
      options.complete = word == control::kCompleteWord;
      const auto first =
          words.begin() + static_cast<std::ptrdiff_t>(i) + (options.complete ? 1 : 0);
      options.command.assign(first, words.end());
      break;
    }
  }
  if (!options.batch.empty() && !options.command.empty())
    return fail(Error{"a file of commands and a command at once", options.command.front()});
  return std::nullopt;
}

}  // namespace
}  // namespace linnet::app

int main(int argc, char** argv) {
  linnet::app::Options options;
  if (const char* socket = std::getenv("LINNET_SOCKET"); socket != nullptr && *socket != '\0')
    options.socket = socket;
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (const auto code = linnet::app::parse(words, options)) return *code;
  return linnet::app::run(options);
}
