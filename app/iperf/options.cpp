// SPDX-License-Identifier: BSD-3-Clause
#include "app/iperf/options.hpp"

#include <getopt.h>

#include <array>
#include <charconv>
#include <cmath>
#include <vector>

namespace linnet::app::iperf {

const char* const kUsage =
    "linnet-iperf [OPTIONS] -- -s [-p PORT] [-1] [-i SECONDS] [-J]\n"
    "linnet-iperf [OPTIONS] -- -c ADDRESS [its options]\n\n"
    "Measures TCP and UDP with an iperf3 at the other end. As iperf3 has them:\n"
    "  -s, --server          waits for clients      -1, --one-off    ends after one test\n"
    "  -c, --client ADDRESS  tests with a server    -p, --port N     of the server (5201)\n"
    "  -i, --interval S      between reports (1)    -J, --json       the result as JSON\n"
    "  -u, --udp             UDP                    -b, --bitrate N[KMG][/BURST]  of a stream\n"
    "                        (UDP 1M, TCP 0: as fast as it goes)\n"
    "  -t, --time S          how long (10)          -n, --bytes N[KMG]   or how much\n"
    "  -k, --blockcount N[KMG]  or how many writes  -O, --omit S     not counted at the start\n"
    "  -l, --length N[KMG]   of a write (128K) or a datagram (what a packet holds)\n"
    "  -P, --parallel N      streams                -R, --reverse    the server sends\n"
    "      --bidir           both send              -w, --window N[KMG]  socket buffers\n"
    "  -C, --congestion NAME                        -M, --set-mss N\n"
    "  -N, --no-delay                               -S, --tos N\n"
    "      --udp-counters-64bit\n";

namespace {

constexpr std::uint64_t kThousand = 1000, kKilo = 1024;

enum LongOnly : int { kBidir = 256, kWideCount };

constexpr option kLong[] = {
    {"server", no_argument, nullptr, 's'},
    {"client", required_argument, nullptr, 'c'},
    {"port", required_argument, nullptr, 'p'},
    {"one-off", no_argument, nullptr, '1'},
    {"interval", required_argument, nullptr, 'i'},
    {"json", no_argument, nullptr, 'J'},
    {"udp", no_argument, nullptr, 'u'},
    {"bitrate", required_argument, nullptr, 'b'},
    {"bandwidth", required_argument, nullptr, 'b'},
    {"time", required_argument, nullptr, 't'},
    {"bytes", required_argument, nullptr, 'n'},
    {"blockcount", required_argument, nullptr, 'k'},
    {"omit", required_argument, nullptr, 'O'},
    {"length", required_argument, nullptr, 'l'},
    {"parallel", required_argument, nullptr, 'P'},
    {"reverse", no_argument, nullptr, 'R'},
    {"bidir", no_argument, nullptr, kBidir},
    {"window", required_argument, nullptr, 'w'},
    {"congestion", required_argument, nullptr, 'C'},
    {"linux-congestion", required_argument, nullptr, 'C'},
    {"set-mss", required_argument, nullptr, 'M'},
    {"no-delay", no_argument, nullptr, 'N'},
    {"tos", required_argument, nullptr, 'S'},
    {"udp-counters-64bit", no_argument, nullptr, kWideCount},
    {nullptr, 0, nullptr, 0},
};

// Reads one option after the other into Options; keeps the first complaint.
class Reader {
 public:
  std::optional<Error> wrong{};
  Options out{};
  bool client = false, rate_given = false, time_given = false, for_client = false;

  void take(int what, const char* value) {
    for_client |= what != 's' && what != 'p' && what != '1' && what != 'i' && what != 'J';
    if (!take_flag(what)) take_value(what, value);
  }

 private:
  bool take_flag(int what) {
    Parameters& p = out.parameters;
    switch (what) {
      case 's':
        return out.server = true;
      case '1':
        return out.once = true;
      case 'J':
        return out.json = true;
      case 'u':
        return p.udp = true;
      case 'R':
        return p.reverse = true;
      case 'N':
        return p.no_delay = true;
      case kBidir:
        return p.both_ways = true;
      case kWideCount:
        return p.wide_count = true;
      default:
        return false;
    }
  }

  void take_value(int what, const char* value) {
    Parameters& p = out.parameters;
    switch (what) {
      case 'c':
        take_host(value);
        break;
      case 'p':
        number(value, 1, 65535, kThousand, out.port);
        break;
      case 'i':
        take_interval(value);
        break;
      case 'b':
        take_rate(value);
        break;
      case 't':
        time_given = true;
        number(value, 0, 86400, kThousand, p.seconds);
        break;
      case 'n':
        number(value, 1, std::uint64_t{1} << 53, kKilo, p.bytes);
        break;
      case 'k':
        number(value, 1, std::uint64_t{1} << 53, kKilo, p.blocks);
        break;
      case 'O':
        number(value, 0, 600, kThousand, p.omit);
        break;
      case 'l':
        number(value, 1, kLongestBlock, kKilo, p.length);
        break;
      case 'P':
        number(value, 1, kMostStreams, kThousand, p.streams);
        break;
      case 'w':
        number(value, 1, 512 << 20, kKilo, p.window);
        break;
      case 'M':
        number(value, 88, 9216, kThousand, p.mss);
        break;
      case 'S':
        number(value, 0, 255, kThousand, p.tos);
        break;
      case 'C':
        p.congestion = value;
        break;
      default:
        blame(value, "an option of iperf3 that --help lists");
        break;
    }
  }

  void blame(std::string_view word, std::string expected) {
    if (!wrong) wrong = Error{"a word is wrong", std::string(word), -1, std::move(expected)};
  }

  template <typename Number>
  void number(const char* text, std::uint64_t least, std::uint64_t most, std::uint64_t unit,
              Number& to) {
    const auto value = parse_amount(text, unit);
    if (!value || *value < least || *value > most)
      return blame(text, "a number from " + std::to_string(least) + " to " + std::to_string(most));
    to = static_cast<Number>(*value);
  }

  void take_host(const char* text) {
    client = true;
    const auto address = Ipv4Address::parse(text);
    if (!address) return blame(text, "the server's IPv4 address");
    out.host = *address;
  }

  void take_interval(std::string_view text) {
    double value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool all = error == std::errc() && end == text.data() + text.size();
    if (!all || !(value == 0 || (value >= 0.1 && value <= 60)))
      return blame(text, "0, or seconds from 0.1 to 60");
    out.interval = value;
  }

  void take_rate(std::string_view text) {
    rate_given = true;
    const std::size_t slash = text.find('/');
    const std::string rate(text.substr(0, slash));
    number(rate.c_str(), 0, std::uint64_t{1} << 53, kThousand, out.parameters.rate);
    if (slash != std::string_view::npos)
      number(std::string(text.substr(slash + 1)).c_str(), 1, 1000, kThousand, out.parameters.burst);
  }
};

// What one word alone cannot tell.
std::optional<Error> judge(const Reader& reader) {
  const Parameters& p = reader.out.parameters;
  const auto wrong = [](std::string word, std::string expected) {
    return Error{"these words do not go together", std::move(word), -1, std::move(expected)};
  };
  if (reader.client == reader.out.server) return wrong("-c, -s", "one of them");
  if (reader.out.server && reader.for_client) return wrong("-s", "no option of a client beside it");
  if (reader.client && reader.out.once) return wrong("-1", "a server's");
  if (p.reverse && p.both_ways) return wrong("-R", "no --bidir beside it");
  if (reader.time_given + (p.bytes != 0) + (p.blocks != 0) > 1)
    return wrong("-t, -n, -k", "one of them");
  if (p.udp && p.length != 0 && (p.length < kShortestDatagram || p.length > kLongestDatagram))
    return wrong("-l", "16 to 65507 with -u");
  if (p.udp && (!p.congestion.empty() || p.mss != 0 || p.no_delay))
    return wrong("-C, -M, -N", "TCP");
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> parse_amount(std::string_view text, std::uint64_t unit) {
  double value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value, std::chars_format::fixed);
  if (error != std::errc() || !(value >= 0)) return std::nullopt;
  if (last - end > 1) return std::nullopt;
  if (last - end == 1) {
    constexpr std::string_view kLetters = "kmgt";
    const std::size_t power = kLetters.find(static_cast<char>(*end | 0x20));
    if (power == std::string_view::npos) return std::nullopt;
    value *= std::pow(static_cast<double>(unit), static_cast<double>(power + 1));
  }
  if (value > 9e15) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

Result<Options> parse_options(std::span<const std::string> words) {
  std::vector<std::string> copy(words.begin(), words.end());
  std::vector<char*> argv;
  std::string name = "linnet-iperf";
  argv.push_back(name.data());
  for (std::string& word : copy)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  Reader reader;
  optind = 0;  // getopt(3): begin anew
  const auto count = static_cast<int>(argv.size()) - 1;
  int what;
  while (!reader.wrong &&
         (what = getopt_long(count, argv.data(), ":sc:p:1i:Jub:t:n:k:O:l:P:Rw:C:M:NS:", kLong,
                             nullptr)) != -1) {
    if (what == '?' || what == ':')
      return Error{
          what == '?' ? "there is no such option" : "a value is missing behind this option",
          argv[static_cast<std::size_t>(optind) - 1], -1, "an option of iperf3 that --help lists"};
    reader.take(what, optarg);
  }
  if (reader.wrong) return *reader.wrong;
  if (optind < count) return Error{"this word is too many", argv[static_cast<std::size_t>(optind)]};
  if (const auto wrong = judge(reader)) return *wrong;
  Parameters& p = reader.out.parameters;
  if (p.bytes != 0 || p.blocks != 0) p.seconds = 0;
  if (p.udp && !reader.rate_given) p.rate = 1'000'000;
  if (!p.udp && p.length == 0) p.length = 128 * 1024;
  return reader.out;
}

}  // namespace linnet::app::iperf
