// SPDX-License-Identifier: BSD-3-Clause
#include "control/words.hpp"

#include <gtest/gtest.h>

namespace linnet::control {
namespace {

using Words = std::vector<std::string>;

TEST(Words, BlanksPartAndCommentsEnd) {
  EXPECT_EQ(*split_words("  ip\tlink   show \r\n"), (Words{"ip", "link", "show"}));
  EXPECT_EQ(*split_words("# all of it"), Words{});
  EXPECT_EQ(*split_words("ip link # the rest"), (Words{"ip", "link"}));
  EXPECT_EQ(*split_words("a#b"), (Words{"a#b"}));
  EXPECT_EQ(*split_words(""), Words{});
}

TEST(Words, QuotesHoldTogether) {
  EXPECT_EQ(*split_words(R"(a "b c" 'd "e' f\ g)"), (Words{"a", "b c", "d \"e", "f g"}));
  EXPECT_EQ(*split_words(R"(a"b"'c'd)"), (Words{"abcd"}));
  EXPECT_EQ(*split_words(R"("" '')"), (Words{"", ""}));
  EXPECT_EQ(*split_words(R"("a\"b\\c" 'a\b' \#x "#y")"), (Words{"a\"b\\c", "a\\b", "#x", "#y"}));
  EXPECT_EQ(*split_words("a\\"), (Words{"a\\"}));
}

TEST(Words, AnOpenQuoteIsNamed) {
  const auto result = split_words("ip link \"tap0 up");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().position, 2);
  EXPECT_EQ(result.error().word, "\"tap0 up");
  EXPECT_FALSE(split_words("'"));
}

TEST(Words, JoiningIsTheReverse) {
  for (const Words& words : {Words{"ip", "a b", "", "\"q\"", "#c", "x\\y", "it's"}, Words{"a"}})
    EXPECT_EQ(*split_words(join_words(words)), words);
}

}  // namespace
}  // namespace linnet::control
