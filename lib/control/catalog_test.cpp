// SPDX-License-Identifier: BSD-3-Clause
#include "control/catalog.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "control/command.hpp"
#include "control/completion.hpp"
#include "control/control_fixture.hpp"
#include "control/words.hpp"

namespace linnet::control {
namespace {

using Words = std::vector<std::string>;

TEST(Catalog, EveryVerbHasItsParser) {
  for (const Group& group : groups()) {
    for (const Verb& verb : group.verbs)
      EXPECT_NE(parser_of(group, verb), nullptr) << group.title() << ' ' << verb.name;
  }
}

// An example that is not taken, or a keyword that no clause takes, would make the page lie.
TEST(Catalog, EveryExampleIsACommand) {
  for (const Group& group : groups()) {
    for (const Verb& verb : group.verbs) {
      std::istringstream text{std::string(verb.example)};
      Words words;
      for (std::string word; text >> word;)
        words.push_back(word);
      const auto result = check(words);
      EXPECT_TRUE(result.ok()) << verb.example << ": " << result.error().text();
    }
  }
}

TEST(Catalog, EveryKeywordStandsInTheUsageAndIsTaken) {
  for (const Group& group : groups()) {
    for (const Verb& verb : group.verbs) {
      for (const Keyword& keyword : verb.keywords) {
        if (keyword.means.empty()) {
          EXPECT_NE(verb.usage.find(keyword.name.substr(0, 5)), std::string_view::npos)
              << group.title() << ' ' << verb.name << ": " << keyword.name;
        }
        Words words;
        for (const std::string_view word : {group.root, group.name, verb.name, keyword.name}) {
          if (!word.empty()) words.emplace_back(word);
        }
        const auto result = check(words);
        const bool taken = result.ok() || result.error().message != "unknown word";
        EXPECT_TRUE(taken) << join_words(words);
      }
    }
  }
}

TEST(Catalog, AbbreviationsMeanWhatTheyMeanToLinux) {
  for (const auto& [word, name] :
       std::vector<std::pair<std::string, std::string>>{{"a", "address"},
                                                        {"addr", "address"},
                                                        {"r", "route"},
                                                        {"ro", "route"},
                                                        {"ru", "rule"},
                                                        {"n", "neighbour"},
                                                        {"neigh", "neighbour"},
                                                        {"neighbor", "neighbour"},
                                                        {"l", "link"},
                                                        {"li", "link"}}) {
    const Group* group = find_group("ip", word);
    ASSERT_NE(group, nullptr) << word;
    EXPECT_EQ(group->name, name) << word;
  }
  const auto verb = [](std::string_view object, std::string_view word) {
    const Verb* found = find_verb(*find_group("ip", object), word);
    return found == nullptr ? std::string_view("none") : found->name;
  };
  EXPECT_EQ(verb("link", "s"), "set");
  EXPECT_EQ(verb("link", "sh"), "show");
  EXPECT_EQ(verb("link", "l"), "show");
  EXPECT_EQ(verb("link", "change"), "set");
  EXPECT_EQ(verb("address", "a"), "add");
  EXPECT_EQ(verb("address", "s"), "show");
  EXPECT_EQ(verb("address", "d"), "delete");
  EXPECT_EQ(verb("address", "f"), "flush");
  EXPECT_EQ(verb("route", "a"), "add");
  EXPECT_EQ(verb("route", "ap"), "append");
  EXPECT_EQ(verb("route", "s"), "show");
  EXPECT_EQ(verb("route", "l"), "show");
  EXPECT_EQ(verb("route", "g"), "get");
  EXPECT_EQ(verb("route", "r"), "replace");
  EXPECT_EQ(verb("route", "chg"), "change");
  EXPECT_EQ(verb("neighbour", "s"), "show");
  EXPECT_EQ(verb("rule", "del"), "delete");
  EXPECT_EQ(verb("rule", "x"), "none");
}

TEST(Catalog, TheReferencePageIsUpToDate) {
  std::ifstream file(LINNET_SOURCE_ROOT "/docs/commands.md");
  std::stringstream committed;
  committed << file.rdbuf();
  EXPECT_EQ(committed.str(), reference_page())
      << "make it anew: linnet --help-markdown > docs/commands.md";
}

TEST(Completion, OffersWhatCanFollow) {
  const Words devices = {"lo", "tap0", "tap1"};
  const auto after = [&devices](const Words& words) { return complete(words, devices); };
  EXPECT_EQ(after({"s"}), (Words{"show", "sysctl", "ss"}));
  EXPECT_EQ(after({"ip", ""}),
            (Words{"address", "route", "rule", "neighbour", "link", "tcp_metrics"}));
  EXPECT_EQ(after({"ip", "-j", "ru"}), (Words{"rule"}));
  EXPECT_EQ(after({"ip", "l", "se"}), (Words{"set"}));
  EXPECT_EQ(after({"ip", "link", "set", "t"}), (Words{"tap0", "tap1"}));
  EXPECT_EQ(after({"ip", "link", "set", "tap0", "p"}), (Words{"promisc"}));
  EXPECT_EQ(after({"ip", "link", "set", "tap0", "promisc", ""}), (Words{"on", "off"}));
  EXPECT_EQ(after({"ip", "route", "add", "default", "via", "10.0.0.1", "dev", ""}), devices);
  EXPECT_EQ(after({"ip", "route", "add", "default", "ta"}), (Words{"table"}));
  EXPECT_EQ(after({"show", "dr"}), (Words{"drops"}));
  EXPECT_EQ(after({"show", "drops", ""}), (Words{"nonzero"}));
  EXPECT_EQ(after({"nothing", ""}), Words{});
  EXPECT_EQ(after({}), Words{});
}

class CompletionTest : public ControlFixture {};

TEST_F(CompletionTest, TheDaemonKnowsItsDevices) {
  EXPECT_EQ(ok("--complete ip link show t"), "tap0\ntap1\n");
  EXPECT_EQ(execute(*stack_, clock_.now(), Words{"--complete", "ip", "link", "show", ""}).out,
            "lo\ntap0\ntap1\nup\ndev\n");
}

}  // namespace
}  // namespace linnet::control
