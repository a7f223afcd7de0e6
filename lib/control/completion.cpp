// SPDX-License-Identifier: BSD-3-Clause
#include "control/completion.hpp"

#include "control/catalog.hpp"

namespace linnet::control {
namespace {

// Gathers what begins with the word that is being typed.
class Candidates {
 public:
  Candidates(std::string_view typed, std::span<const std::string> devices)
      : typed_(typed), devices_(devices) {}

  void offer(std::string_view word) {
    if (!word.empty() && word.starts_with(typed_)) words_.emplace_back(word);
  }
  void offer(Operand operand) {
    if (operand == Operand::Device) {
      for (const std::string& device : devices_)
        offer(device);
    }
    for (const std::string_view choice : choices(operand))
      offer(choice);
  }
  void offer_options() {
    if (!typed_.starts_with('-')) return;
    for (const OptionInfo& option : options())
      offer(option.name);
  }
  std::vector<std::string> take() { return std::move(words_); }

 private:
  std::string_view typed_;
  std::span<const std::string> devices_;
  std::vector<std::string> words_;
};

void offer_groups(std::string_view root, Candidates& candidates) {
  candidates.offer_options();
  if (root.empty()) candidates.offer("ip");
  for (const Group& group : groups()) {
    if (group.root == root) candidates.offer(group.name);
  }
}

// Behind a verb: a keyword, what follows one, or what stands alone.
void offer_operands(const Verb& verb, std::span<const std::string> words, Candidates& candidates) {
  std::size_t at = 0;
  while (at + 1 < words.size()) {
    const Keyword* keyword = find_keyword(verb.keywords, words[at++]);
    if (keyword == nullptr || keyword->operand == Operand::None) continue;
    if (at + 1 == words.size()) return candidates.offer(keyword->operand);
    ++at;
  }
  candidates.offer(verb.first);
  for (const Keyword& keyword : verb.keywords) {
    if (keyword.means.empty()) candidates.offer(keyword.name);
  }
}

}  // namespace

std::vector<std::string> complete(std::span<const std::string> words,
                                  std::span<const std::string> devices) {
  if (words.empty()) return {};
  Candidates candidates(words.back(), devices);
  const auto skip_options = [&words] {
    while (words.size() > 1 && find_option(words.front()) != nullptr)
      words = words.subspan(1);
  };
  std::string_view root;
  skip_options();
  if (words.size() > 1 && words.front() == "ip") {
    root = "ip";
    words = words.subspan(1);
    skip_options();
  }
  if (words.size() == 1) {
    offer_groups(root, candidates);
    return candidates.take();
  }
  const Group* group = find_group(root, words.front());
  if (group == nullptr) return {};
  words = words.subspan(1);
  const Verb* verb = &group->verbs.front();
  if (!verb->name.empty()) {
    if (words.size() == 1) {
      for (const Verb& each : group->verbs)
        candidates.offer(each.name);
      candidates.offer("help");
      return candidates.take();
    }
    verb = find_verb(*group, words.front());
    if (verb == nullptr) return {};
    words = words.subspan(1);
  }
  offer_operands(*verb, words, candidates);
  return candidates.take();
}

std::string lines_of(std::span<const std::string> words) {
  std::string out;
  for (const std::string& word : words)
    out += word + '\n';
  return out;
}

std::string usage_of(std::string_view title) {
  std::string out;
  for (const Group& group : groups()) {
    const bool all = title.empty();
    if (!all && group.title() != title) continue;
    if (all) out += std::string(out.empty() ? "" : "\n") + std::string(group.summary) + '\n';
    for (const Verb& verb : group.verbs) {
      out += (all ? "  " : "Usage: ") + group.title();
      if (!verb.name.empty()) out += ' ' + std::string(verb.name);
      if (!verb.usage.empty() && !all) out += ' ' + std::string(verb.usage);
      out += '\n';
      if (!all) out += "  " + std::string(verb.summary) + '\n';
    }
  }
  return out;
}

std::string reference_page() {
  std::string out =
      "# Commands\n\n"
      "Made by `linnet --help-markdown` from the command catalog (`lib/control/catalog*.cpp`); a "
      "test fails where they differ.\n\n"
      "The same commands are typed to the client (`linnet ip link`), stand in the startup file and "
      "in files for `linnet -batch`. Objects, verbs and many keywords may be abbreviated as "
      "iproute2 does it: `ip a`, `ip r s t all`. A command that fails has changed nothing, and its "
      "error names the wrong word, its place and what was expected. Exit codes: 0 done, 1 a word "
      "is "
      "wrong or a device is not there, 2 the stack refused it.\n\n"
      "## Options\n\nIn front of a command or behind `ip` or `show`.\n\n| option | also | |\n"
      "|---|---|---|\n";
  for (const OptionInfo& option : options()) {
    out += "| `" + std::string(option.name) + "` |";
    for (const std::string_view name : option.also)
      out += " `" + std::string(name) + '`';
    out += " | " + std::string(option.summary) + " |\n";
  }
  for (const Group& group : groups()) {
    out += "\n## " + group.title() + "\n\n" + std::string(group.summary) + ".\n";
    for (const Verb& verb : group.verbs) {
      out += "\n```\n" + group.title();
      if (!verb.name.empty()) out += ' ' + std::string(verb.name);
      if (!verb.usage.empty()) out += ' ' + std::string(verb.usage);
      out +=
          "\n```\n" + std::string(verb.summary) + " Example: `" + std::string(verb.example) + "`\n";
    }
  }
  return out;
}

}  // namespace linnet::control
