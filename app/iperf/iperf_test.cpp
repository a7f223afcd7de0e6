// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "app/iperf/options.hpp"
#include "app/iperf/report.hpp"
#include "app/iperf/stream.hpp"
#include "app/words.hpp"

namespace linnet::app::iperf {
namespace {

Result<Options> parse(const std::string& line) {
  return parse_options(split_blanks(line));
}

TEST(IperfOptions, AreReadAsUsersOfIperf3TypeThem) {
  const auto options = parse("-c 192.0.2.1 -t 3 -P8 -R -l 64K -w 2M -C bbr -p 5300 -J -i 0.5 -O 1");
  ASSERT_TRUE(options.ok()) << options.error().text();
  const Parameters& p = options->parameters;
  EXPECT_FALSE(options->server);
  EXPECT_EQ(options->host, "192.0.2.1");
  EXPECT_EQ(options->port, 5300);
  EXPECT_TRUE(options->json);
  EXPECT_EQ(options->interval, 0.5);
  EXPECT_EQ(p.seconds, 3u);
  EXPECT_EQ(p.streams, 8u);
  EXPECT_TRUE(p.reverse);
  EXPECT_EQ(p.length, 65536u);
  EXPECT_EQ(p.window, 2u << 20);
  EXPECT_EQ(p.congestion, "bbr");
  EXPECT_EQ(p.omit, 1u);
}

TEST(IperfOptions, DefaultsAreThoseOfIperf3) {
  const auto tcp = parse("-c 192.0.2.1");
  ASSERT_TRUE(tcp.ok());
  EXPECT_EQ(tcp->parameters.seconds, 10u);
  EXPECT_EQ(tcp->parameters.length, 131072u);
  EXPECT_EQ(tcp->parameters.rate, 0u);
  const auto udp = parse("--udp --client 192.0.2.1");
  ASSERT_TRUE(udp.ok());
  EXPECT_EQ(udp->parameters.length, 0u);  // the way decides
  EXPECT_EQ(udp->parameters.rate, 1'000'000u);
  const auto server = parse("-s -1");
  ASSERT_TRUE(server.ok());
  EXPECT_TRUE(server->server && server->once);
  EXPECT_EQ(server->port, 5201);
}

TEST(IperfOptions, RatesCountInThousandsAndSizesInPowersOfTwo) {
  const auto options = parse("--client=192.0.2.1 -ub1.5G/10 -n 2m");
  ASSERT_TRUE(options.ok()) << options.error().text();
  EXPECT_EQ(options->parameters.rate, 1'500'000'000u);
  EXPECT_EQ(options->parameters.burst, 10u);
  EXPECT_EQ(options->parameters.bytes, 2u << 20);
  EXPECT_EQ(options->parameters.seconds, 0u);
}

TEST(IperfOptions, WrongWordsAreNamed) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "-c, -s"},
      {"-c 192.0.2.1 -s", "-c, -s"},
      {"-c -R", "-R"},
      {"-c 192.0.2.1 -t 3x", "3x"},
      {"-c 192.0.2.1 -t -1", "-1"},
      {"-c 192.0.2.1 -P 129", "129"},
      {"-c 192.0.2.1 -p 65536", "65536"},
      {"-c 192.0.2.1 --bidir -R", "-R"},
      {"-c 192.0.2.1 -t 3 -n 1M", "-t, -n, -k"},
      {"-c 192.0.2.1 -u -l 65508", "-l"},
      {"-c 192.0.2.1 -u -C bbr", "-C, -M, -N"},
      {"-c 192.0.2.1 -i 0.01", "0.01"},
      {"-c 192.0.2.1 word", "word"},
      {"-s -u", "-s"},
      {"-s --window", "--window"},
      {"-s -w", "-w"},
      {"-sZ", "-sZ"},
      {"-s --json=yes", "--json=yes"},
      {"-s -", "-"},
      {"-s --sctp", "--sctp"},
  };
  for (const auto& [line, word] : rows) {
    const auto options = parse(line);
    ASSERT_FALSE(options.ok()) << line;
    EXPECT_EQ(options.error().word, word) << line;
  }
}

TEST(IperfParameters, ComeBackAsTheyWereTold) {
  const auto options =
      parse("-c 192.0.2.1 -u -b 10M/4 -l 1000 -P 3 --bidir -w 1M -S 16 -O 2 --udp-counters-64bit");
  ASSERT_TRUE(options.ok()) << options.error().text();
  const auto back = parse_parameters(to_text(options->parameters));
  ASSERT_TRUE(back.ok()) << back.error().text();
  EXPECT_EQ(to_text(*back), to_text(options->parameters));
  EXPECT_TRUE(back->udp && back->both_ways && back->wide_count);
  EXPECT_EQ(back->burst, 4u);
}

TEST(IperfParameters, OfTheRealIperf3AreUnderstood) {
  const auto parameters = parse_parameters(
      R"({"tcp":true,"omit":0,"time":2,"num":0,"blockcount":0,"parallel":8,"reverse":true,"len":131072,)"
      R"("bandwidth":0,"pacing_timer":1000,"congestion":"bbr","client_version":"3.12"})");
  ASSERT_TRUE(parameters.ok()) << parameters.error().text();
  EXPECT_EQ(parameters->streams, 8u);
  EXPECT_EQ(parameters->seconds, 2u);
  EXPECT_TRUE(parameters->reverse);
  EXPECT_EQ(parameters->congestion, "bbr");
}

TEST(IperfParameters, NonsenseIsRefusedByTheFieldsName) {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},
      {"[]", ""},
      {R"({"tcp":true,"len":)", ""},
      {R"({"sctp":true,"len":1000})", "protocol"},
      {R"({"tcp":true,"parallel":0})", "parallel"},
      {R"({"tcp":true,"parallel":1e9})", "parallel"},
      {R"({"tcp":true,"parallel":"8"})", "parallel"},
      {R"({"tcp":true,"len":-1})", "len"},
      {R"({"tcp":true,"len":99999999})", "len"},
      {R"({"udp":true,"len":4})", "len"},
      {R"({"udp":true,"bandwidth":-5})", "bandwidth"},
      {R"({"tcp":true,"num":1e300})", "num"},
  };
  for (const auto& [text, word] : rows) {
    const auto parameters = parse_parameters(text);
    ASSERT_FALSE(parameters.ok()) << text;
    EXPECT_EQ(parameters.error().word, word) << text;
  }
}

TEST(IperfResults, ComeBackAsTheyWereTold) {
  Results results{12.5, 10,      2.5,
                  true, "cubic", {{1, 1000, 3, 0, 0, 0, 0, 2.0}, {3, 7, -1, 0.001, 2, 9, 0, 2.0}}};
  const auto back = parse_results(to_text(results));
  ASSERT_TRUE(back.ok()) << back.error().text();
  EXPECT_EQ(to_text(*back), to_text(results));
  EXPECT_EQ(back->streams[0].retransmits, 3);
  EXPECT_EQ(back->streams[1].packets, 9u);
}

TEST(IperfResults, NonsenseIsRefused) {
  for (const char* text :
       {"{}", "7", R"({"streams":{}})", R"({"streams":[1]})", R"({"streams":[{"id":1}]})",
        R"({"streams":[{"id":1,"bytes":-1,"packets":0}]})",
        R"({"cpu_util_total":"x","streams":[]})"})
    EXPECT_FALSE(parse_results(text).ok()) << text;
}

TEST(IperfArrivals, CountWhatIsMissingAndWhatIsLate) {
  Arrivals arrivals;
  for (const std::uint64_t number : {1, 2, 5, 3, 6})
    arrivals.take(number, 0, 0);
  EXPECT_EQ(arrivals.packets(), 6u);
  EXPECT_EQ(arrivals.lost(), 1u);  // 4; 3 came late
  EXPECT_EQ(arrivals.out_of_order(), 1u);
  arrivals.begin_anew();
  arrivals.take(8, 0, 0);
  EXPECT_EQ(arrivals.packets(), 2u);
  EXPECT_EQ(arrivals.lost(), 1u);
}

// RFC 3550 section 6.4.1: J += (|D| - J) / 16; a constant offset of the clocks is no jitter.
TEST(IperfArrivals, JitterFollowsTheChangeOfTheTransitTime) {
  Arrivals arrivals;
  arrivals.take(1, 100.0, 5.0);
  arrivals.take(2, 100.1, 5.1);
  EXPECT_NEAR(arrivals.jitter(), 0, 1e-12);
  arrivals.take(3, 100.2, 5.216);
  EXPECT_NEAR(arrivals.jitter(), 0.001, 1e-9);
}

TEST(IperfStreams, AreNumberedAsIperf3Does) {
  EXPECT_EQ(stream_id(0), 1);
  EXPECT_EQ(stream_id(1), 3);
  EXPECT_EQ(stream_id(2), 4);
}

TEST(IperfReport, AmountsHaveThreeDigits) {
  EXPECT_EQ(format_amount(0, 1024, "Bytes"), "0.00 Bytes");
  EXPECT_EQ(format_amount(1536, 1024, "Bytes"), "1.50 KBytes");
  EXPECT_EQ(format_amount(9.42e9, 1000, "bits"), "9.42 Gbits");
  EXPECT_EQ(format_amount(94.2e6, 1000, "bits"), "94.2 Mbits");
  EXPECT_EQ(format_amount(999.9e6, 1000, "bits"), "1.00 Gbits");
}

TEST(IperfReport, SumsAddWhatGoesOneWay) {
  Row one{1, true, 0, 2, {}}, two{3, true, 0, 2.5, {}};
  one.counts = {.bytes = 10, .lost = 1, .packets = 4, .jitter = 0.002, .retransmits = 2};
  two.counts = {.bytes = 5, .lost = 2, .packets = 6, .jitter = 0.004, .retransmits = -1};
  const Row sum = sum_of({one, two}, true);
  EXPECT_EQ(sum.counts.bytes, 15u);
  EXPECT_EQ(sum.counts.lost, 3u);
  EXPECT_EQ(sum.counts.packets, 10u);
  EXPECT_EQ(sum.counts.retransmits, 2);
  EXPECT_NEAR(sum.counts.jitter, 0.003, 1e-12);
  EXPECT_EQ(sum.to, 2.5);
  EXPECT_EQ(sum.id, 0);
}

}  // namespace
}  // namespace linnet::app::iperf
