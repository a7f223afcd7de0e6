// SPDX-License-Identifier: BSD-3-Clause
#include "app/iperf/options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace linnet::app::iperf {

const char* const kUsage =
    "linnet-iperf [OPTIONS] -- -s [-p PORT] [-1] [-i SECONDS] [-J]\n"
    "linnet-iperf [OPTIONS] -- -c HOST [its options]\n\n"
    "Measures TCP and UDP with an iperf3 at the other end. As iperf3 has them:\n"
    "  -s, --server          waits for clients      -1, --one-off    ends after one test\n"
    "  -c, --client HOST     tests with a server    -p, --port N     of the server (5201)\n"
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

// Not getopt's: that keeps state of its own, which EAL's reading of its words would find changed.
struct OptionRow {
  std::string_view name;
  bool has_value;
  int what;  // its letter, or LongOnly
};
constexpr OptionRow kRows[] = {
    {"server", false, 's'},    {"client", true, 'c'},
    {"port", true, 'p'},       {"one-off", false, '1'},
    {"interval", true, 'i'},   {"json", false, 'J'},
    {"udp", false, 'u'},       {"bitrate", true, 'b'},
    {"bandwidth", true, 'b'},  {"time", true, 't'},
    {"bytes", true, 'n'},      {"blockcount", true, 'k'},
    {"omit", true, 'O'},       {"length", true, 'l'},
    {"parallel", true, 'P'},   {"reverse", false, 'R'},
    {"bidir", false, kBidir},  {"window", true, 'w'},
    {"congestion", true, 'C'}, {"linux-congestion", true, 'C'},
    {"set-mss", true, 'M'},    {"no-delay", false, 'N'},
    {"tos", true, 'S'},        {"udp-counters-64bit", false, kWideCount},
};

// Reads one option after the other into Options; keeps the first complaint.
class Reader {
 public:
  std::optional<Error> wrong{};
  Options out{};
  bool client = false, rate_given = false, time_given = false, for_client = false;

  void take(int what, const std::string& value) {
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

  void take_value(int what, const std::string& value) {
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
  void number(const std::string& text, std::uint64_t least, std::uint64_t most, std::uint64_t unit,
              Number& to) {
    const auto value = parse_amount(text, unit);
    if (!value || *value < least || *value > most)
      return blame(text, "a number from " + std::to_string(least) + " to " + std::to_string(most));
    to = static_cast<Number>(*value);
  }

  void take_host(const std::string& text) {
    client = true;
    if (text.empty() || text.starts_with('-')) return blame(text, "the server's name or address");
    out.host = text;
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
    number(rate, 0, std::uint64_t{1} << 53, kThousand, out.parameters.rate);
    if (slash != std::string_view::npos)
      number(std::string(text.substr(slash + 1)), 1, 1000, kThousand, out.parameters.burst);
  }
};

constexpr const char* kExpected = "an option of iperf3 that --help lists";

// Takes words apart: --name VALUE, --name=VALUE, -n VALUE, -nVALUE, -uR.
class Words {
 public:
  struct Option {
    int what = 0;
    std::string value{};
    const char* wrong = nullptr;
    std::string_view word{};
  };

  explicit Words(std::span<const std::string> words) : words_(words) {}

  std::optional<Option> next() {
    if (letters_.empty()) {
      if (words_.empty()) return std::nullopt;
      word_ = words_.front();
      words_ = words_.subspan(1);
      if (word_.starts_with("--")) return take_name(word_.substr(2));
      if (word_.size() < 2 || word_[0] != '-') return refuse("this word is too many");
      letters_ = word_.substr(1);
    }
    const OptionRow* const row =
        find([&](const OptionRow& one) { return one.what == letters_[0]; });
    letters_.remove_prefix(1);
    if (row == nullptr) return refuse("there is no such option");
    if (!row->has_value) return Option{row->what};
    if (letters_.empty()) return take_value(*row);
    return Option{row->what, std::string(std::exchange(letters_, {}))};
  }

 private:
  template <typename Fits>
  static const OptionRow* find(Fits&& fits) {
    const auto* const found = std::find_if(std::begin(kRows), std::end(kRows), fits);
    return found == std::end(kRows) ? nullptr : found;
  }

  std::optional<Option> take_name(std::string_view text) {
    const std::size_t sign = text.find('=');
    const std::string_view name = text.substr(0, sign);
    const OptionRow* const row = find([&](const OptionRow& one) { return one.name == name; });
    if (row == nullptr || (sign != std::string_view::npos && !row->has_value))
      return refuse("there is no such option");
    if (sign != std::string_view::npos)
      return Option{row->what, std::string(text.substr(sign + 1))};
    return row->has_value ? take_value(*row) : Option{row->what};
  }

  // The word behind the option.
  std::optional<Option> take_value(const OptionRow& row) {
    if (words_.empty()) return refuse("a value is missing behind this option");
    Option out{row.what, words_.front()};
    words_ = words_.subspan(1);
    return out;
  }

  std::optional<Option> refuse(const char* why) const { return Option{0, "", why, word_}; }

  std::span<const std::string> words_;
  std::string_view word_{}, letters_{};  // the option at hand; letters of it that are left
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
  Reader reader;
  Words left{words};
  while (const auto option = left.next()) {
    if (option->wrong) return Error{option->wrong, std::string(option->word), -1, kExpected};
    reader.take(option->what, option->value);
    if (reader.wrong) return *reader.wrong;
  }
  if (const auto wrong = judge(reader)) return *wrong;
  Parameters& p = reader.out.parameters;
  if (p.bytes != 0 || p.blocks != 0) p.seconds = 0;
  if (p.udp && !reader.rate_given) p.rate = 1'000'000;
  if (!p.udp && p.length == 0) p.length = 128 * 1024;
  return reader.out;
}

}  // namespace linnet::app::iperf
