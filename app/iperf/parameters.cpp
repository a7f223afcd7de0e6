// SPDX-License-Identifier: BSD-3-Clause
#include "app/iperf/parameters.hpp"

#include <nlohmann/json.hpp>

namespace linnet::app::iperf {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMost = std::uint64_t{1} << 53;  // exact in a double

// Reads fields and remembers the first that is wrong.
class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) {}

  double real(const char* name, double fallback = 0) {
    const auto found = json_.find(name);
    if (found == json_.end()) return fallback;
    if (!found->is_number()) {
      blame(name, "a number");
      return fallback;
    }
    return found->get<double>();
  }
  // Between 0 and `most`. `what`: said when it is not.
  std::uint64_t number(const char* name, std::uint64_t most = kMost, std::uint64_t fallback = 0) {
    const double value = real(name, static_cast<double>(fallback));
    if (value >= 0 && value <= static_cast<double>(most)) return static_cast<std::uint64_t>(value);
    blame(name, "a number from 0 to " + std::to_string(most));
    return fallback;
  }
  std::uint32_t small(const char* name, std::uint32_t most) {
    return static_cast<std::uint32_t>(number(name, most));
  }
  std::uint64_t must(const char* name) {
    if (!json_.contains(name)) blame(name, "a number");
    return number(name);
  }
  bool flag(const char* name) {
    const auto found = json_.find(name);
    if (found == json_.end()) return false;
    return found->is_boolean() ? found->get<bool>() : number(name) != 0;
  }
  std::string text(const char* name) {
    const auto found = json_.find(name);
    return found != json_.end() && found->is_string() ? found->get<std::string>() : std::string();
  }
  void blame(const std::string& name, std::string expected) {
    if (!wrong_) wrong_ = Error{"what the peer has told is wrong", name, -1, std::move(expected)};
  }
  const std::optional<Error>& wrong() const { return wrong_; }

 private:
  const Json& json_;
  std::optional<Error> wrong_{};
};

Result<Json> parse_object(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Error{"what the peer has told is no JSON object"};
  return json;
}

Json to_json(const StreamResult& stream) {
  return {{"id", stream.id},
          {"bytes", stream.bytes},
          {"retransmits", stream.retransmits},
          {"jitter", stream.jitter},
          {"errors", stream.errors},
          {"packets", stream.packets},
          {"start_time", stream.start},
          {"end_time", stream.end}};
}

}  // namespace

std::string to_text(const Parameters& p) {
  Json json = {{p.udp ? "udp" : "tcp", true},
               {"omit", p.omit},
               {"time", p.seconds},
               {"num", p.bytes},
               {"blockcount", p.blocks},
               {"parallel", p.streams},
               {"len", p.length},
               {"bandwidth", p.rate},
               {"pacing_timer", 1000}};
  if (p.mss != 0) json["MSS"] = p.mss;
  if (p.no_delay) json["nodelay"] = true;
  if (p.reverse) json["reverse"] = true;
  if (p.both_ways) json["bidirectional"] = true;
  if (p.window != 0) json["window"] = p.window;
  if (p.burst != 0) json["burst"] = p.burst;
  if (p.tos != 0) json["TOS"] = p.tos;
  if (!p.congestion.empty()) json["congestion"] = p.congestion;
  if (p.wide_count) json["udp_counters_64bit"] = 1;
  json["client_version"] = "3.12";
  return json.dump();
}

std::string to_text(const Results& results) {
  Json streams = Json::array();
  for (const StreamResult& stream : results.streams)
    streams.push_back(to_json(stream));
  Json json = {{"cpu_util_total", results.cpu_total},
               {"cpu_util_user", results.cpu_user},
               {"cpu_util_system", results.cpu_system},
               {"sender_has_retransmits", results.has_retransmits ? 1 : -1}};
  if (!results.congestion.empty()) json["congestion_used"] = results.congestion;
  json["streams"] = std::move(streams);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Parameters> parse_parameters(std::string_view text) {
  const auto json = parse_object(text);
  if (!json) return json.error();
  Fields fields(*json);
  Parameters out;
  out.udp = fields.flag("udp");
  if (!out.udp && !fields.flag("tcp")) fields.blame("protocol", "tcp or udp");
  out.reverse = fields.flag("reverse");
  out.both_ways = fields.flag("bidirectional");
  out.no_delay = fields.flag("nodelay");
  out.wide_count = fields.flag("udp_counters_64bit");
  out.streams = static_cast<unsigned>(fields.number("parallel", kMostStreams, 1));
  if (out.streams == 0) fields.blame("parallel", "1 or more");
  out.seconds = fields.small("time", 86400);
  out.omit = fields.small("omit", 600);
  out.bytes = fields.number("num");
  out.blocks = fields.number("blockcount");
  out.length = fields.small("len", out.udp ? kLongestDatagram : kLongestBlock);
  if (out.length == 0) out.length = out.udp ? 1460 : 128 * 1024;
  if (out.udp && out.length < kShortestDatagram)
    fields.blame("len", std::to_string(kShortestDatagram) + " or more");
  out.rate = fields.number("bandwidth");
  out.burst = fields.small("burst", 1000);
  out.window = fields.small("window", 512 << 20);
  out.mss = fields.small("MSS", 9216);
  out.tos = fields.small("TOS", 255);
  out.congestion = fields.text("congestion");
  if (fields.wrong()) return *fields.wrong();
  return out;
}

Result<Results> parse_results(std::string_view text) {
  const auto json = parse_object(text);
  if (!json) return json.error();
  Fields fields(*json);
  Results out;
  out.cpu_total = fields.real("cpu_util_total");
  out.cpu_user = fields.real("cpu_util_user");
  out.cpu_system = fields.real("cpu_util_system");
  out.has_retransmits = fields.real("sender_has_retransmits", -1) > 0;
  out.congestion = fields.text("congestion_used");
  if (fields.wrong()) return *fields.wrong();
  const auto streams = json->find("streams");
  if (streams == json->end() || !streams->is_array() || streams->size() > 2 * kMostStreams)
    return Error{"what the peer has told is wrong", "streams", -1, "an array of streams"};
  for (const Json& one : *streams) {
    if (!one.is_object()) return Error{"what the peer has told is wrong", "streams", -1, "objects"};
    Fields of_stream(one);
    StreamResult stream;
    stream.id = static_cast<int>(of_stream.number("id", 100000));
    stream.bytes = of_stream.must("bytes");
    const double again = of_stream.real("retransmits", -1);
    stream.retransmits = again >= 0 && again < 1e15 ? static_cast<std::int64_t>(again) : -1;
    stream.jitter = of_stream.real("jitter");
    // A peer that saw more duplicates than losses has a count below none.
    stream.errors =
        static_cast<std::uint64_t>(std::max(0.0, std::min(of_stream.real("errors"), 1e15)));
    stream.packets = of_stream.must("packets");
    stream.start = of_stream.real("start_time");
    stream.end = of_stream.real("end_time");
    if (of_stream.wrong()) return *of_stream.wrong();
    out.streams.push_back(stream);
  }
  return out;
}

}  // namespace linnet::app::iperf
