// SPDX-License-Identifier: BSD-3-Clause
// The only file that sees Boost.Program_options: its exceptions end here.
#include "app/options.hpp"

#include <boost/program_options.hpp>
#include <fstream>
#include <map>
#include <sstream>

#include "app/option_values.hpp"
#include "app/words.hpp"

namespace linnet::app {
namespace {

namespace po = boost::program_options;

constexpr std::size_t kLargestConfig = 1 << 20;  // bytes
constexpr std::size_t kLargestFile = 256 << 20;  // bytes

// A value as it was given, and where.
struct Given {
  std::string value;
  std::string where;  // "FILE:LINE: ", empty for the command line
};
using Values = std::map<std::string, std::vector<Given>>;

po::options_description describe(Place place) {
  po::options_description all("Options");
  for (const OptionRow& row : option_rows()) {
    if (place == Place::Anywhere && row.place == Place::CommandLine) continue;
    if (row.argument == nullptr)
      all.add_options()(row.name, row.help);
    else
      all.add_options()(row.name, po::value<std::string>()->value_name(row.argument), row.help);
  }
  return all;
}

// The word of the command line that Boost could not take, in our words.
Error unreadable(const po::error& problem) {
  if (const auto* unknown = dynamic_cast<const po::unknown_option*>(&problem))
    return Error{"there is no such option", unknown->get_option_name(), -1,
                 "one of those that `linnetd --help` lists"};
  if (const auto* syntax = dynamic_cast<const po::error_with_option_name*>(&problem))
    return Error{"this option is not written as it must be", syntax->get_option_name(), -1,
                 "--OPTION VALUE for options with a value, --OPTION alone for the others"};
  return Error{std::string("the command line cannot be read (") + problem.what() + ")"};
}

Result<Values> read_command_line(const std::vector<std::string>& words) {
  po::options_description all = describe(Place::CommandLine);
  po::positional_options_description stray;
  stray.add("stray-word", -1);
  all.add_options()("stray-word", po::value<std::vector<std::string>>());
  Values values;
  try {
    const auto style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const auto parsed =
        po::command_line_parser(words).options(all).positional(stray).style(style).run();
    for (const po::option& option : parsed.options) {
      if (option.position_key >= 0 || option.string_key == "stray-word")
        return Error{"this word belongs to no option",
                     option.value.empty() ? option.string_key : option.value.front(), -1,
                     "--OPTION VALUE pairs; `linnetd --help` lists them"};
      values[option.string_key].push_back({option.value.empty() ? "" : option.value.front(), ""});
    }
  } catch (const po::error& problem) {
    return unreadable(problem);
  }
  return values;
}

// Line by line, so that every complaint can name its line.
Result<Values> read_config(const std::string& path, const std::string& text) {
  if (text.size() > kLargestConfig)
    return Error{"the configuration file is too large", path, -1, "at most 1 MiB"};
  const po::options_description known = describe(Place::Anywhere);
  Values values;
  int number = 0;
  for (const std::string& line : split(text, '\n')) {
    const std::string where = path + ":" + std::to_string(++number) + ": ";
    const std::string content(trim(std::string_view(line).substr(0, line.find('#'))));
    if (content.empty()) continue;
    if (content.find('\0') != std::string::npos)
      return Error{where + "a configuration file holds text only"};
    if (content.front() == '[')
      return Error{where + "sections are not used", content, -1, "option = value"};
    try {
      std::istringstream stream(content);
      const auto parsed = po::parse_config_file(stream, known, true);
      for (const po::option& option : parsed.options) {
        if (option.unregistered)
          return Error{where + "there is no such option", option.string_key, -1,
                       "one of those that `linnetd --help` lists"};
        std::string value = option.value.front();
        // A startup file that the configuration names lies beside it, wherever we are started.
        if (option.string_key == "startup" && !value.empty() && value.front() != '/')
          value = folder_of(path) + "/" + value;
        values[option.string_key].push_back({std::move(value), where});
      }
    } catch (const po::error&) {
      return Error{where + "this line cannot be read", content, -1, "option = value"};
    }
  }
  return values;
}

Result<> take_values(Options& options, const Values& values) {
  for (const OptionRow& row : option_rows()) {
    const auto found = values.find(row.name);
    if (found == values.end()) continue;
    if (found->second.size() > 1 && !row.repeatable)
      return Error{found->second[1].where + "an option is given twice", row.name, -1, "it once"};
    for (const Given& given : found->second) {
      const auto done = row.read(options, given.value);
      if (done) continue;
      Error error = done.error();
      error.message = given.where + row.name + ": " + error.message;
      return error;
    }
  }
  return Ok{};
}

}  // namespace

Result<std::string> read_whole_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{"this file cannot be read", path, -1, "a text file that we may read"};
  std::string text;
  char chunk[65536];
  while (file.read(chunk, sizeof chunk), file.gcount() > 0) {
    text.append(chunk, static_cast<std::size_t>(file.gcount()));
    if (text.size() > kLargestFile)
      return Error{"this file is too large", path, -1, "at most 256 MiB"};
  }
  // A directory opens but cannot be read.
  if (file.bad())
    return Error{"this file cannot be read", path, -1, "a text file that we may read"};
  return text;
}

Result<Options> parse_options(const std::vector<std::string>& words, const ReadFile& read) {
  auto values = read_command_line(words);
  if (!values) return values.error();
  Options options;
  const auto config = values->find("config");
  if (config != values->end() && config->second.size() == 1) {
    const std::string& path = config->second.front().value;
    const auto text = read(path);
    if (!text) {
      Error error = text.error();
      error.message = "config: " + error.message;
      return error;
    }
    auto of_file = read_config(path, *text);
    if (!of_file) return of_file.error();
    values->merge(*of_file);
  }
  if (const auto applied = take_values(options, *values); !applied) return applied.error();
  return settle(std::move(options));
}

std::string help_text() {
  std::ostringstream out;
  out << "linnetd " LINNET_VERSION
         ": the Linux network stack in user space, on DPDK ports.\n\n"
         "  linnetd --config FILE\n"
         "  linnetd --port \"name=wan0 devargs=net_tap0,iface=wan0\" [--startup FILE]\n\n"
      << describe(Place::CommandLine)
      << "\nEvery option but those of the command line's own (config, check-config, doctor, help,\n"
         "version) may stand in the configuration file as `option = value`; what the command line\n"
         "says replaces what the file says.\n\n"
         "Exit codes: 0 ended as asked; 1 could not start, or a check found something; 2 an "
         "option,\n"
         "the configuration file or the startup file is wrong; 3 failed while running.\n";
  return out.str();
}

std::string options_page() {
  std::string out =
      "# Options of linnetd\n\n"
      "Made by `linnetd --help-markdown` from the table of options (`app/option_values.cpp`); a "
      "test "
      "fails where they differ.\n\n"
      "On the command line `--option value`; in the file that `--config` names `option = value`, "
      "one "
      "a line, # starts a comment. What the command line says replaces what the file says under "
      "the "
      "same name. `drivers-config/` has a file for each kind of port.\n\n"
      "| option | value | in the file | repeated | meaning (default) |\n|---|---|---|---|---|\n";
  for (const OptionRow& row : option_rows()) {
    std::string argument = row.argument == nullptr ? "" : "`" + std::string(row.argument) + "`";
    std::string help = row.help;
    for (std::string* cell : {&argument, &help})
      for (std::size_t at = 0; (at = cell->find('|', at)) != std::string::npos; at += 2)
        cell->insert(at, "\\");
    out += "| `" + std::string(row.name) + "` | " + argument + " | " +
           (row.place == Place::Anywhere ? "yes" : "no") + " | " + (row.repeatable ? "yes" : "no") +
           " | " + help + " |\n";
  }
  return out;
}

}  // namespace linnet::app
