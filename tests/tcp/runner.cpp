// SPDX-License-Identifier: BSD-3-Clause
// Packets and time; calls are in runner_calls.cpp.
#include "tcp/runner.hpp"

#include <algorithm>
#include <cstdlib>

#include "tcp/stream.hpp"

namespace linnet::tests {
namespace {

constexpr std::uint32_t kLocal = 0xc0000201, kPeer = 0xc0000202;  // 192.0.2.1 and .2

// Timers are never early and late by an eighth of their span at most.
std::int64_t lateness(std::int64_t span_ns) {
  return std::max<std::int64_t>(2'000'000, span_ns / 7);
}

Bytes bytes_of(const std::vector<std::string>& words, std::size_t from) {
  Bytes out;
  for (std::size_t i = from; i < words.size(); ++i)
    out.push_back(static_cast<std::uint8_t>(std::stoll(words[i], nullptr, 0)));
  return out;
}

std::string milliseconds(std::int64_t ns) {
  return std::to_string(static_cast<double>(ns) / 1e6) + " ms";
}

}  // namespace

Runner::Runner(const Script& script, const Variation& variation)
    : script_(script), variation_(variation) {}

Runner::~Runner() {
  if (sleeper_.joinable()) {
    ln_embed_advance_to(stack_, now() + 1'000'000'000'000);
    sleeper_.join();
  }
  if (fd_ >= 0) ln_close(fd_);
  if (listener_ >= 0) ln_close(listener_);
  if (stack_ != nullptr) ln_embed_destroy(stack_);
}

std::optional<std::string> Runner::run() {
  ln_embed_options options{};
  options.size = sizeof options;
  options.start_ns = variation_.start_ns;
  options.seed = 7;
  stack_ = ln_embed_create(&options);
  if (stack_ == nullptr) return std::string("ln_embed_create: ") + ln_embed_error();
  last_ns_ = now();
  for (const Step& one : script_.steps) {
    if (const Verdict wrong = step(one))
      return script_.path + ":" + std::to_string(one.line) + ": " + one.text + "\n    " + *wrong;
  }
  return finish();
}

Runner::Verdict Runner::start() {
  if (port_ >= 0) return std::nullopt;
  port_ = ln_embed_add_ip_port(stack_, "tun0", mtu_);
  if (port_ < 0 || ln_embed_command(stack_, "ip addr add 192.0.2.1/24 dev tun0", nullptr, 0) != 0)
    return std::string(ln_embed_error());
  return std::nullopt;
}

Runner::Verdict Runner::step(const Step& step) {
  if (step.verb == "sysctl") {
    const std::string name = "net.ipv4." + step.words.at(0);
    if (ln_embed_sysctl_set(stack_, name.c_str(), step.words.at(1).c_str()) == 0)
      return std::nullopt;
    return std::string(ln_embed_error());
  }
  if (step.verb == "mtu") {
    mtu_ = static_cast<unsigned>(std::stoul(step.words.at(0)));
    return std::nullopt;
  }
  if (const Verdict wrong = start()) return wrong;
  if (step.verb == "out") return expect(step);
  if (step.verb == "quiet") return quiet(step);
  if (step.verb == "skip") {
    std::int64_t sent_ns = 0;
    while (take(now(), sent_ns))
      pending_ = false;
    return std::nullopt;
  }
  if (step.verb == "sent") return await_send(step);
  if (const Verdict wrong = wait(step)) return wrong;
  if (step.verb == "in") return inject(step);
  if (step.verb == "icmp") return inject_icmp(step);
  return call(step);
}

// Lets the time of a step come; nothing may be sent meanwhile that the script does not name.
Runner::Verdict Runner::wait(const Step& step) {
  if (const Verdict wrong = nothing_sent("before this")) return wrong;
  if (step.when == Step::When::After) {
    ln_embed_advance_to(stack_, last_ns_ + step.span_ns);
    if (const Verdict wrong = nothing_sent("in the time before this")) return wrong;
  }
  last_ns_ = now();
  return std::nullopt;
}

Runner::Verdict Runner::nothing_sent(const std::string& but) {
  std::int64_t sent_ns = 0;
  if (!take(now(), sent_ns)) return std::nullopt;
  std::string why;
  const auto packet = take_apart(packet_, why);
  if (!packet) return but + " something was sent that is no TCP: " + why;
  return but + " was sent: " + describe(*packet, local_isn_.value_or(0), variation_.peer_isn) +
         ", " + milliseconds(sent_ns - last_ns_) + " after the last step";
}

bool Runner::take(std::int64_t until_ns, std::int64_t& sent_ns) {
  while (!pending_) {
    packet_.resize(65536);
    const ssize_t length =
        ln_embed_take(stack_, port_, packet_.data(), packet_.size(), &packet_ns_);
    if (length >= 0) {
      packet_.resize(static_cast<std::size_t>(length));
      pending_ = true;
      break;
    }
    const std::int64_t next = ln_embed_next_deadline(stack_);
    if (now() >= until_ns) return false;
    ln_embed_advance_to(stack_, next < 0 || next > until_ns ? until_ns : std::max(next, now()));
  }
  sent_ns = packet_ns_;
  return true;
}

std::uint32_t Runner::peer_clock() const {
  return variation_.peer_ts + static_cast<std::uint32_t>((now() - variation_.start_ns) / 1'000'000);
}

Runner::Verdict Runner::options_of(const Step& step, TcpPacket& packet) const {
  bool stamps = peer_stamps_ && !packet.has('R');
  std::uint32_t value = peer_clock(), echo = last_ts_;
  for (const std::string& option : step.options) {
    const auto parts = split(option);
    const std::string& name = parts.at(0);
    const auto number = [&](std::size_t i) {
      return static_cast<std::uint32_t>(std::stoll(parts.at(i), nullptr, 0));
    };
    if (name == "mss") {
      packet.mss = static_cast<std::uint16_t>(number(1));
    } else if (name == "ws") {
      packet.window_scale = static_cast<std::uint8_t>(number(1));
    } else if (name == "sackok") {
      packet.sack_permitted = true;
    } else if (name == "ts") {
      stamps = true;
      if (parts.size() > 1) value += number(1);
      if (parts.size() > 2) echo += number(2);
    } else if (name == "nots") {
      stamps = false;
    } else if (name == "sack") {
      for (std::size_t i = 1; i < parts.size(); ++i) {
        const auto [begin, end] = range(parts[i]);
        packet.sack.emplace_back(local_isn_.value_or(0) + begin, local_isn_.value_or(0) + end);
      }
    } else if (name == "fo" || name == "foexp") {
      packet.fast_open_experiment = name == "foexp";
      packet.fast_open = parts.size() < 2     ? Bytes()
                         : parts[1] == "ours" ? cookie_
                                              : bytes_of(parts, 1);
    } else if (name == "raw") {
      packet.raw_options = bytes_of(parts, 1);
    } else {
      return "no option of a segment: " + option;
    }
  }
  if (stamps) packet.timestamps = {value, packet.has('A') ? echo : 0};
  return std::nullopt;
}

Runner::Verdict Runner::fields_of(const Step& step, TcpPacket& packet) const {
  const auto flags = parse_flags(step.words.at(0));
  if (!flags) return "no flags: " + step.words[0];
  packet.flags = *flags;
  packet.seq = variation_.peer_isn;
  packet.window = 65535;
  for (std::size_t i = 1; i + 1 < step.words.size(); i += 2) {
    const std::string& name = step.words[i];
    const auto value = static_cast<std::uint32_t>(std::stoll(step.words[i + 1], nullptr, 0));
    if (name == "seq") {
      packet.seq = variation_.peer_isn + value;
    } else if (name == "ack") {
      packet.ack = local_isn_.value_or(0) + value;
    } else if (name == "win") {
      packet.window = static_cast<std::uint16_t>(value);
    } else if (name == "urg") {
      packet.urgent = static_cast<std::uint16_t>(value);
    } else if (name == "ecn") {
      packet.ecn = static_cast<std::uint8_t>(value);
    } else if (name == "port") {
      packet.source_port = static_cast<std::uint16_t>(value);
    } else if (name == "len") {
      const std::uint32_t from = packet.seq - variation_.peer_isn - (packet.has('S') ? 0 : 1);
      for (std::uint32_t at = 0; at < value; ++at)
        packet.payload.push_back(peer_byte(from + at));
    } else {
      return "no field of a segment: " + name;
    }
  }
  return std::nullopt;
}

Runner::Verdict Runner::inject(const Step& step) {
  TcpPacket packet;
  packet.source = kPeer;
  packet.destination = kLocal;
  packet.source_port = peer_port_;
  packet.destination_port = local_port_;
  if (const Verdict wrong = fields_of(step, packet)) return wrong;
  if (const Verdict wrong = options_of(step, packet)) return wrong;
  if (packet.has('S')) peer_stamps_ = packet.timestamps.has_value();
  const Bytes bytes = build(packet);
  if (ln_embed_inject(stack_, port_, bytes.data(), bytes.size()) != 0)
    return std::string(ln_embed_error());
  return std::nullopt;
}

// icmp CODE [mtu N]: destination unreachable about the last datagram with data or SYN.
Runner::Verdict Runner::inject_icmp(const Step& step) {
  if (last_data_.empty()) return "nothing was sent that it could be about";
  const auto code = static_cast<std::uint8_t>(std::stoul(step.words.at(0)));
  Bytes about = last_data_;
  std::uint16_t mtu = 0;
  for (std::size_t i = 1; i + 1 < step.words.size(); i += 2) {
    const auto value = static_cast<std::uint32_t>(std::stoll(step.words[i + 1], nullptr, 0));
    if (step.words[i] == "mtu") {
      mtu = static_cast<std::uint16_t>(value);
    } else if (step.words[i] == "seq") {
      const std::uint32_t seq = local_isn_.value_or(0) + value;
      for (unsigned byte = 0; byte < 4; ++byte)
        about[24 + byte] = static_cast<std::uint8_t>(seq >> (24 - 8 * byte));
    } else {
      return "no field of an ICMP message: " + step.words[i];
    }
  }
  const Bytes bytes = build_unreachable(kPeer, code, mtu, about);
  if (ln_embed_inject(stack_, port_, bytes.data(), bytes.size()) != 0)
    return std::string(ln_embed_error());
  return std::nullopt;
}

void Runner::learn(const TcpPacket& packet, std::int64_t sent_ns) {
  if (packet.has('S') && (!local_isn_ || packet.seq != *local_isn_)) {
    local_isn_ = packet.seq;
    isn_at_ = sent_ns;
    peer_port_ = packet.destination_port;
    local_port_ = packet.source_port;
  }
  if (packet.timestamps && !packet.has('R')) {
    last_ts_ = packet.timestamps->first;
    if (!first_ts_) first_ts_ = last_ts_;
  }
  if (packet.fast_open && !packet.fast_open->empty()) cookie_ = *packet.fast_open;
  if (packet.has('S') || !packet.payload.empty()) last_data_ = packet_;
}

Runner::Verdict Runner::expect(const Step& step) {
  const bool exact = step.when == Step::When::After;
  const std::int64_t due = last_ns_ + step.span_ns;
  std::int64_t sent_ns = 0;
  const std::int64_t until = step.when == Step::When::Now ? last_ns_
                             : exact                      ? due + lateness(step.span_ns)
                                                          : due;
  if (!take(until, sent_ns)) return "nothing was sent by then";
  pending_ = false;
  std::string why;
  const auto packet = take_apart(packet_, why);
  if (!packet) return "what was sent is wrong: " + why;
  learn(*packet, sent_ns);
  const auto wrong = [&](const std::string& what) {
    return what + "; sent was: " + describe(*packet, local_isn_.value_or(0), variation_.peer_isn) +
           ", " + milliseconds(sent_ns - last_ns_) + " after the last step";
  };
  if (sent_ns > until) return wrong("late");
  if (exact && sent_ns + 1'000'000 < due) return wrong("early");
  if (packet->destination != kPeer || packet->source != kLocal) return wrong("addresses");
  const std::string& letters = step.words.at(0);
  const auto flags = parse_flags(letters);
  if (!flags) return "no flags: " + letters;
  const unsigned mask = letters.find('P') == std::string::npos ? 0xf7u : 0xffu;
  if ((packet->flags & mask) != (*flags & mask)) return wrong("flags");
  for (std::size_t i = 1; i + 1 < step.words.size(); i += 2) {
    const std::string& name = step.words[i];
    const auto value = static_cast<std::uint32_t>(std::stoll(step.words[i + 1], nullptr, 0));
    std::uint32_t have = 0, want = value;
    if (name == "seq") {
      have = packet->seq - local_isn_.value_or(0);
    } else if (name == "ack") {
      have = packet->ack - variation_.peer_isn;
    } else if (name == "len") {
      have = static_cast<std::uint32_t>(packet->payload.size());
    } else if (name == "win") {
      have = packet->window;
    } else if (name == "urg") {
      have = packet->urgent;
    } else if (name == "ecn") {
      have = packet->ecn;
    } else {
      return "no field of a segment: " + name;
    }
    if (have != want) return wrong(name + " is " + std::to_string(have));
  }
  const std::uint32_t from = packet->seq - local_isn_.value_or(0) - (packet->has('S') ? 0 : 1);
  for (std::uint32_t at = 0; at < packet->payload.size(); ++at) {
    if (packet->payload[at] != local_byte(from + at))
      return wrong("byte " + std::to_string(from + at) + " of the stream is another");
  }
  if (const Verdict options = expect_options(step, *packet)) return wrong(*options);
  last_ns_ = sent_ns;
  return std::nullopt;
}

Runner::Verdict Runner::expect_options(const Step& step, const TcpPacket& packet) const {
  for (const std::string& option : step.options) {
    const auto parts = split(option);
    const std::string& name = parts.at(0);
    const auto number = [&](std::size_t i) { return std::stoll(parts.at(i), nullptr, 0); };
    bool good = true;
    if (name == "mss") {
      good = packet.mss && (parts.size() < 2 || *packet.mss == number(1));
    } else if (name == "ws") {
      good = packet.window_scale && (parts.size() < 2 || *packet.window_scale == number(1));
    } else if (name == "sackok") {
      good = packet.sack_permitted;
    } else if (name == "ts") {
      good = packet.timestamps.has_value();
      if (good && parts.size() > 1)
        good = packet.timestamps->second == peer_clock() + static_cast<std::uint32_t>(number(1));
    } else if (name == "sack") {
      good = packet.sack.size() == parts.size() - 1;
      for (std::size_t i = 1; good && i < parts.size(); ++i) {
        const auto [begin, end] = range(parts[i]);
        good =
            packet.sack[i - 1] == std::pair(variation_.peer_isn + begin, variation_.peer_isn + end);
      }
    } else if (name == "none") {
      good = !packet.mss && !packet.window_scale && !packet.sack_permitted && !packet.timestamps &&
             packet.sack.empty();
    } else if (name == "fo" || name == "foexp") {
      good = packet.fast_open && packet.fast_open_experiment == (name == "foexp") &&
             (parts.size() < 2    ? !packet.fast_open->empty()
              : parts[1] == "ask" ? packet.fast_open->empty()
                                  : *packet.fast_open == bytes_of(parts, 1));
    } else if (name == "nofo") {
      good = !packet.fast_open;
    } else if (name == "nosackok") {
      good = !packet.sack_permitted;
    } else if (name == "nows") {
      good = !packet.window_scale;
    } else if (name == "nots") {
      good = !packet.timestamps;
    } else if (name == "nosack") {
      good = packet.sack.empty();
    } else {
      return "no option of a segment: " + option;
    }
    if (!good) return "option " + option;
  }
  return std::nullopt;
}

Runner::Verdict Runner::quiet(const Step& step) {
  const auto span = parse_span(step.words.at(0));
  if (!span) return "no time: " + step.words[0];
  std::int64_t sent_ns = 0;
  if (take(last_ns_ + *span, sent_ns)) return nothing_sent("in the quiet time");
  last_ns_ = now();
  return std::nullopt;
}

Runner::Verdict Runner::finish() {
  if (const Verdict wrong = nothing_sent("behind the last step")) return wrong;
  ln_embed_account account{};
  if (ln_embed_get_account(stack_, &account) != 0) return std::string(ln_embed_error());
  if (account.received + account.generated !=
      account.sent + account.delivered + account.held + account.dropped)
    return "the account of packets does not balance";
  return std::nullopt;
}

}  // namespace linnet::tests
