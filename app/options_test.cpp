// SPDX-License-Identifier: BSD-3-Clause
#include "app/options.hpp"

#include <gtest/gtest.h>

#include "app/option_values.hpp"
#include "app/words.hpp"

namespace linnet::app {
namespace {

using Words = std::vector<std::string>;

Result<Options> with_config(const std::string& text, Words more = {}) {
  more.insert(more.end(), {"--config", "linnet.conf"});
  return parse_options(more, [&](const std::string&) -> Result<std::string> { return text; });
}

const Words kOnePort = {"--port", "name=wan0 devargs=net_tap0,iface=tap0"};

Words one_port_and(Words more) {
  more.insert(more.end(), kOnePort.begin(), kOnePort.end());
  return more;
}

TEST(Options, readsEveryPropertyOfAPort) {
  const auto options =
      parse_options({"--port",
                     "name=wan0 devargs=net_tap0,iface=tap0,mac=fixed queues=2 mtu=9000 "
                     "tso=off lowest=on"});
  ASSERT_TRUE(options.ok()) << options.error().text();
  ASSERT_EQ(options->ports.size(), 1u);
  const PortOption& port = options->ports.front();
  EXPECT_EQ(port.name, "wan0");
  EXPECT_EQ(port.devargs, "net_tap0,iface=tap0,mac=fixed");
  EXPECT_EQ(port.queues, 2u);
  EXPECT_EQ(port.mtu, 9000u);
  EXPECT_FALSE(port.tso);
  EXPECT_TRUE(port.lowest);
}

TEST(Options, fileAndCommandLineUseTheSameNames) {
  for (const OptionRow& row : option_rows()) {
    if (row.place == Place::CommandLine) continue;
    const auto options = with_config(std::string(row.name) + " = \n");
    // Either the empty value is refused in our words or it is taken; it is never unknown.
    if (!options.ok()) {
      EXPECT_EQ(options.error().text().find("no such option"), std::string::npos) << row.name;
      EXPECT_NE(options.error().text().find("linnet.conf:1: "), std::string::npos)
          << options.error().text();
    }
  }
}

TEST(Options, readsAWholeFile) {
  const auto options = with_config(
      "# a comment\n\nport = name=wan0 devargs=net_tap0   # after it too\n"
      "port = name=lan0 devargs=net_tap1 mtu=1400\r\nlanes=1\n lane-cores = 2\n"
      "control-core = 0\nmemory = 256\nhugepages = off\npackets = 4096\npacket-size = 4096\n"
      "burst = 8\nneighbours = 128\ncontrol-socket = /tmp/s\ncontrol-group = g\nstartup = "
      "/etc/a\nrun-as = nobody\n"
      "log = /tmp/l\nlog-level = debug\npid-file = /tmp/p\nend-after = 5\nseed = 7\n");
  ASSERT_TRUE(options.ok()) << options.error().text();
  EXPECT_EQ(options->config, "linnet.conf");
  ASSERT_EQ(options->ports.size(), 2u);
  EXPECT_EQ(options->ports[1].mtu, 1400u);
  EXPECT_EQ(options->lanes, 1u);
  EXPECT_EQ(options->lane_cores, std::vector<unsigned>{2});
  EXPECT_EQ(options->control_core, 0u);
  EXPECT_EQ(options->memory_mb, 256u);
  EXPECT_EQ(options->hugepages, Hugepages::Off);
  EXPECT_EQ(options->packets, 4096u);
  EXPECT_EQ(options->packet_size, 4096u);
  EXPECT_EQ(options->burst, 8u);
  EXPECT_EQ(options->neighbours, 128u);
  EXPECT_EQ(options->control_socket, "/tmp/s");
  EXPECT_EQ(options->control_group, "g");
  EXPECT_EQ(options->startup, "/etc/a");
  EXPECT_EQ(options->run_as, "nobody");
  EXPECT_EQ(options->log, "/tmp/l");
  EXPECT_EQ(options->log_level, LogLevel::Debug);
  EXPECT_EQ(options->pid_file, "/tmp/p");
  EXPECT_EQ(options->end_after, 5u);
  EXPECT_EQ(options->seed, 7u);
}

TEST(Options, commandLineReplacesWhatTheFileSays) {
  const auto options = with_config(
      "port = name=a devargs=net_null0\nport = name=b devargs=net_null1\nmemory = 99\nburst = 4\n",
      {"--memory", "64", "--port", "name=c devargs=net_null2"});
  ASSERT_TRUE(options.ok()) << options.error().text();
  ASSERT_EQ(options->ports.size(), 1u);
  EXPECT_EQ(options->ports[0].name, "c");
  EXPECT_EQ(options->memory_mb, 64u);
  EXPECT_EQ(options->burst, 4u);
}

TEST(Options, startupFileLiesBesideTheConfigurationThatNamesIt) {
  const auto read = [](const std::string&) -> Result<std::string> {
    return std::string("startup = tap.commands\n");
  };
  EXPECT_EQ(parse_options({"--config", "conf/tap.conf"}, read)->startup, "conf/tap.commands");
  EXPECT_EQ(parse_options({"--config", "tap.conf"}, read)->startup, "./tap.commands");
  EXPECT_EQ(parse_options({"--config", "conf/tap.conf", "--startup", "my.commands"}, read)->startup,
            "my.commands");
}

TEST(Options, lanesFollowFromTheirCores) {
  const auto options = parse_options(one_port_and({"--lane-cores", "1,3"}));
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->lanes, 2u);
}

TEST(Options, capturesGoToPortsByNameOrInOrder) {
  auto options = with_config("port = name=a devargs=net_tap0\nport = name=b\n",
                             {"--replay", "b=in-b.pcap", "--replay", "in-a.pcap", "--write",
                              "out-a.pcap", "--write", "b=out=b.pcap"});
  ASSERT_TRUE(options.ok()) << options.error().text();
  EXPECT_TRUE(options->replaying());
  EXPECT_EQ(options->ports[0].replay, "in-a.pcap");
  EXPECT_EQ(options->ports[0].write, "out-a.pcap");
  EXPECT_EQ(options->ports[1].replay, "in-b.pcap");
  EXPECT_EQ(options->ports[1].write, "out=b.pcap");

  options = parse_options({"--replay", "in.pcap", "--write", "out.pcap"});
  ASSERT_TRUE(options.ok()) << options.error().text();
  ASSERT_EQ(options->ports.size(), 1u);
  EXPECT_EQ(options->ports[0].name, "port0");
}

TEST(Options, helpListsEveryOption) {
  const std::string help = help_text();
  for (const OptionRow& row : option_rows())
    EXPECT_NE(help.find(std::string("--") + row.name), std::string::npos) << row.name;
  EXPECT_EQ(help.find("stray"), std::string::npos);
  EXPECT_NE(help.find("Exit codes"), std::string::npos);
}

TEST(Options, pageOfTheDocumentationIsUpToDate) {
  const auto page = read_whole_file(LINNET_SOURCE_ROOT "/docs/options.md");
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(*page, options_page()) << "make it anew: linnetd --help-markdown > docs/options.md";
}

TEST(Options, fileThatCannotBeReadIsNamed) {
  const auto missing = parse_options({"--config", "/nonexistent/linnet.conf"});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().word, "/nonexistent/linnet.conf");
  const auto directory = parse_options({"--config", "/"});
  ASSERT_FALSE(directory.ok());
  EXPECT_EQ(directory.error().word, "/");
}

struct Refused {
  const char* name;
  Words words;
  const char* complaint;  // part of the error's text, the wrong word in it
};

class RefusedWords : public testing::TestWithParam<Refused> {};

TEST_P(RefusedWords, A9_nameTheWrongWord) {
  const auto options = parse_options(GetParam().words);
  ASSERT_FALSE(options.ok());
  EXPECT_NE(options.error().text().find(GetParam().complaint), std::string::npos)
      << options.error().text();
}

Words port_with(const std::string& property) {
  return {"--port", "name=a devargs=net_null0 " + property};
}

INSTANTIATE_TEST_SUITE_P(
    CommandLine, RefusedWords,
    testing::Values(
        Refused{"unknown", {"--prot", "x"}, "no such option: \"--prot\""},
        Refused{"abbreviation", one_port_and({"--lane", "1"}), "\"--lane\""},
        Refused{"stray", one_port_and({"start"}), "belongs to no option: \"start\""},
        Refused{"afterDashes", one_port_and({"--", "-m"}), "belongs to no option: \"-m\""},
        Refused{"noValue", {"--port"}, "--port"}, Refused{"emptyAdjacent", {"--port="}, "--port"},
        Refused{"valueForSwitch", {"--help=yes"}, "--help"},
        Refused{"negative", one_port_and({"--memory=-1"}),
                "memory: this is not a usable number: \"-1\""},
        Refused{"letters", one_port_and({"--memory", "64M"}), "\"64M\", expected a number from 16"},
        Refused{"overflow", one_port_and({"--packets", "99999999999999999999"}), "packets"},
        Refused{"twice", one_port_and({"--memory", "64", "--memory", "65"}),
                "given twice: \"memory\""},
        Refused{"twoActions", {"--help", "--version"}, "exclude each other"},
        Refused{"lanes", one_port_and({"--lanes", "17"}), "\"17\", expected a number from 0 to 16"},
        Refused{"laneCoreWord", one_port_and({"--lane-cores", "1,x"}), "\"x\""},
        Refused{"laneCoreEmpty", one_port_and({"--lane-cores", "1,"}), "lane-cores"},
        Refused{"laneCoreTwice", one_port_and({"--lane-cores", "1,1"}), "one lane only: \"1\""},
        Refused{"coresAndLanes", one_port_and({"--lane-cores", "1,2", "--lanes", "3"}),
                "\"2 cores\", expected 3"},
        Refused{"controlIsLane", one_port_and({"--lane-cores", "1", "--control-core", "1"}),
                "control core"},
        Refused{"hugepages", one_port_and({"--hugepages", "yes"}),
                "\"yes\", expected auto, on or off"},
        Refused{"logLevel", one_port_and({"--log-level", "loud"}), "\"loud\""},
        Refused{"socketPath", one_port_and({"--control-socket", std::string(108, 'a')}),
                "control-socket"},
        Refused{"burst", one_port_and({"--burst", "0"}), "\"0\", expected a number from 1 to 64"},
        Refused{"seedOfLiveStack", one_port_and({"--seed", "1"}), "seed"},
        Refused{"endAfterOfLanes", one_port_and({"--end-after", "9", "--lanes", "2"}),
                "counts the packets of one lane"},
        Refused{"endAfter", one_port_and({"--end-after", "0"}),
                "\"0\", expected a number of 1 or more"}),
    [](const auto& row) { return row.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Ports, RefusedWords,
    testing::Values(
        Refused{"noEquals", {"--port", "wan0"}, "property=value words: \"wan0\""},
        Refused{"noName", {"--port", "devargs=net_null0"}, "no name"},
        Refused{"noDevice", {"--port", "name=a"}, "no device: \"a\""},
        Refused{"emptyDevice", {"--port", "name=a devargs="}, "the device is missing"},
        Refused{"longName",
                {"--port", "name=sixteen-letters- devargs=net_null0"},
                "\"sixteen-letters-\""},
        Refused{"slash", {"--port", "name=a/b devargs=net_null0"}, "\"a/b\""},
        Refused{"loopback", {"--port", "name=lo devargs=net_null0"}, "loopback device: \"lo\""},
        Refused{"property", port_with("speed=9"), "no such property: \"speed\""},
        Refused{"propertyTwice", port_with("mtu=1500 mtu=1400"), "property twice: \"mtu\""},
        Refused{"mtu", port_with("mtu=67"), "\"67\", expected a number from 68 to 65535"},
        Refused{"mtuWord", port_with("mtu=big"), "\"big\""},
        Refused{"queues", port_with("queues=0"), "\"0\", expected a number from 1 to 16"},
        Refused{"tso", port_with("tso=yes"), "\"yes\", expected on or off"},
        Refused{"lowest", port_with("lowest=maybe"), "\"maybe\", expected on or off"},
        Refused{"sameName",
                {"--port", "name=a devargs=net_null0", "--port", "name=a devargs=net_null1"},
                "same name: \"a\""},
        Refused{"sameDevice",
                {"--port", "name=a devargs=net_null0,x", "--port", "name=b devargs=net_null0"},
                "same device: \"net_null0\""},
        Refused{"replayAlone", {"--replay", "in.pcap"}, "no pair of captures: \"port0\""},
        Refused{"writeAlone", one_port_and({"--write", "out.pcap"}),
                "no pair of captures: \"wan0\""},
        Refused{"replayOfLanes",
                {"--replay", "in.pcap", "--write", "out.pcap", "--lanes", "2"},
                "a replay has one lane: \"2\""},
        Refused{"replayWithEnd",
                {"--replay", "in.pcap", "--write", "out.pcap", "--end-after", "2"},
                "a replay ends with its captures"},
        Refused{"twoCaptures", one_port_and({"--replay", "wan0=a", "--replay", "wan0=b"}),
                "\"wan0=b\""},
        Refused{"captureEmpty", one_port_and({"--replay", "wan0="}), "missing: \"wan0=\""}),
    [](const auto& row) { return row.param.name; });

TEST(Options, A9_tooManyPortsAreRefused) {
  Words words;
  for (int i = 0; i < 33; ++i) {
    words.emplace_back("--port");
    words.push_back("name=p" + std::to_string(i) + " devargs=net_null" + std::to_string(i));
  }
  const auto options = parse_options(words);
  ASSERT_FALSE(options.ok());
  EXPECT_NE(options.error().text().find("too many ports: \"p32\""), std::string::npos)
      << options.error().text();
}

struct RefusedFile {
  const char* name;
  const char* text;
  const char* complaint;
};

class RefusedConfig : public testing::TestWithParam<RefusedFile> {};

TEST_P(RefusedConfig, A9_namesTheLineAndTheWord) {
  const auto options = with_config(GetParam().text);
  ASSERT_FALSE(options.ok());
  EXPECT_NE(options.error().text().find(GetParam().complaint), std::string::npos)
      << options.error().text();
}

INSTANTIATE_TEST_SUITE_P(
    File, RefusedConfig,
    testing::Values(
        RefusedFile{"unknownKey", "lanes = 1\n\nspeed = 9\n",
                    "linnet.conf:3: there is no such option: \"speed\""},
        RefusedFile{"abbreviatedKey", "lane = 1\n",
                    "linnet.conf:1: there is no such option: \"lane\""},
        RefusedFile{"noEquals", "lanes\n", "linnet.conf:1: this line cannot be read: \"lanes\""},
        RefusedFile{"section", "[ports]\n", "linnet.conf:1: sections are not used: \"[ports]\""},
        RefusedFile{"commandLineOnly", "doctor = yes\n",
                    "linnet.conf:1: there is no such option: \"doctor\""},
        RefusedFile{"configInConfig", "config = other\n", "\"config\""},
        RefusedFile{"badValue", "lanes = 1\nmemory = much\n",
                    "linnet.conf:2: memory: this is not a usable number: \"much\""},
        RefusedFile{"twice", "lanes = 1\nlanes = 2\n",
                    "linnet.conf:2: an option is given twice: \"lanes\""},
        RefusedFile{"badPort", "port = name=a devargs=net_null0 mtu=1\n",
                    "linnet.conf:1: port: this is not a usable number: \"1\""},
        RefusedFile{"noKey", "= 5\n", "linnet.conf:1: "}),
    [](const auto& row) { return row.param.name; });

TEST(Words, splitKeepsEmptyPiecesAndBlanksDoNot) {
  EXPECT_EQ(split("a,,b", ','), (Words{"a", "", "b"}));
  EXPECT_EQ(split("", ','), (Words{""}));
  EXPECT_EQ(split_blanks("  a \t b\r\n"), (Words{"a", "b"}));
  EXPECT_TRUE(split_blanks(" \n").empty());
  EXPECT_EQ(trim("  a b \r\n"), "a b");
  EXPECT_EQ(trim(" \t"), "");
}

}  // namespace
}  // namespace linnet::app
