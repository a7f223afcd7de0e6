// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/handshake.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace linnet::tcp {
namespace {

constexpr auto kFirstRetransmission = time::Duration::seconds(1);
constexpr auto kAnswerInterval = time::Duration::milliseconds(500);  // Linux: tcp_invalid_ratelimit

// Flow and what distinguishes the uses of a key, as one string of bytes.
struct Hashed {
  // Two IPv6 addresses, two ports and 12 bytes of ours fit.
  std::byte bytes[64] = {};
  std::size_t length = 0;

  void add(const void* data, std::size_t size) {
    size = std::min(size, sizeof bytes - length);
    std::memcpy(bytes + length, data, size);
    length += size;
  }
  std::uint32_t hash(const SipKey& key) const {
    return static_cast<std::uint32_t>(siphash24(key, {bytes, length}));
  }
};

Hashed hashed(FlowBytes flow, std::uint8_t use) {
  Hashed out;
  out.add(flow.data(), flow.size());
  out.add(&use, sizeof use);
  return out;
}

// What a cookie can say of the MSS; each takes what fits below what the peer said.
constexpr std::uint16_t kMssTable[] = {88, 536, 1220, 1360, 1440, 1460, 4312, 8960};
constexpr std::uint32_t kMaxAge = 2;  // minutes, with the current one

std::uint32_t minute_of(time::Instant now) {
  return static_cast<std::uint32_t>(now.since_origin_ns() / 60'000'000'000);
}

// The low bits of a cookie's timestamp (Linux: cookie_init_timestamp).
constexpr std::uint32_t kOptionMask = 63, kNoScale = 15, kSackBit = 16, kEcnBit = 32;

std::uint32_t cookie_timestamp(time::Instant now, std::uint32_t options) {
  const std::uint32_t clock = timestamp_at(now, 0);
  std::uint32_t value = (clock & ~kOptionMask) | options;
  if (static_cast<std::int32_t>(value - clock) > 0) value -= kOptionMask + 1;
  return value;
}

bool asks_ecn(const Segment& syn) {
  return syn.has(flag::kEce | flag::kCwr);
}

}  // namespace

Seq initial_sequence(const SipKey& key, FlowBytes flow, time::Instant now) {
  const auto clock = static_cast<std::uint32_t>(now.since_origin_ns() / 4'000);
  return Seq(hashed(flow, 'i').hash(key) + clock);
}

std::uint32_t timestamp_offset(const SipKey& key, FlowBytes flow) {
  return hashed(flow, 't').hash(key);
}

std::optional<SegmentOut> reset_for(const Segment& segment) {
  if (segment.has(flag::kRst)) return std::nullopt;
  SegmentOut out;
  out.flags = flag::kRst;
  if (segment.has(flag::kAck)) {
    out.seq = segment.ack;
  } else {
    out.flags |= flag::kAck;
    out.ack = segment.end();
  }
  return out;
}

HalfOpen::HalfOpen(const Segment& syn, const PassiveOptions& options, Seq initial,
                   std::uint32_t ts_offset, time::Instant now)
    : deadline_(now + kFirstRetransmission),
      local_initial_(initial),
      peer_initial_(syn.seq),
      ts_offset_(ts_offset),
      peer_ts_value_(syn.options.ts_value),
      local_mss_(options.mss),
      peer_mss_(syn.options.mss.value_or(536)),
      window_(options.window),
      window_scaling_(options.window_scaling && syn.options.window_scale.has_value()),
      sack_(options.sack && syn.options.sack_permitted),
      timestamps_(options.timestamps && syn.options.has_timestamps),
      ecn_(options.ecn && asks_ecn(syn)),
      local_scale_(static_cast<std::uint8_t>(options.scale & 15)),
      peer_scale_(static_cast<std::uint8_t>(syn.options.window_scale.value_or(0) & 15)) {}

SegmentOut HalfOpen::syn_ack(time::Instant now) {
  SegmentOut out;
  out.seq = local_initial_;
  out.ack = peer_initial_ + 1;
  out.flags = flag::kSyn | flag::kAck;
  if (ecn_) out.flags |= flag::kEce;
  out.window = window_;
  out.options.mss = local_mss_;
  if (window_scaling_) out.options.window_scale = local_scale_;
  out.options.sack_permitted = sack_;
  out.options.has_timestamps = timestamps_;
  out.options.ts_value = timestamp_at(now, ts_offset_);
  out.options.ts_echo = peer_ts_value_;
  out.retransmission = retransmissions_ != 0;
  // Sent more than once, no ACK tells which it answers (Karn).
  sent_ = sent_once_ ? time::Instant() : now;
  sent_once_ = true;
  return out;
}

SegmentOut HalfOpen::acknowledgment(time::Instant now) const {
  SegmentOut out;
  out.seq = local_initial_ + 1;
  out.ack = peer_initial_ + 1;
  out.flags = flag::kAck;
  out.window = window_scaling_ ? static_cast<std::uint16_t>(window_ >> local_scale_) : window_;
  out.options.has_timestamps = timestamps_;
  out.options.ts_value = timestamp_at(now, ts_offset_);
  out.options.ts_echo = peer_ts_value_;
  return out;
}

bool HalfOpen::old_timestamp(const Segment& segment) const {
  return timestamps_ && segment.options.has_timestamps &&
         static_cast<std::int32_t>(segment.options.ts_value - peer_ts_value_) < 0;
}

HalfOpenVerdict HalfOpen::input(const Segment& segment, time::Instant now, SegmentOut& answer) {
  const bool limited = answered_ != time::Instant() && now - answered_ < kAnswerInterval;
  const auto out_of_place = [&](bool again) {
    if (limited) return HalfOpenVerdict::Ignore;
    answered_ = now;
    answer = again ? syn_ack(now) : acknowledgment(now);
    return HalfOpenVerdict::Answer;
  };
  // What no sender sends (row T13).
  if (segment.has(flag::kSyn | flag::kFin) || segment.has(flag::kSyn | flag::kRst))
    return HalfOpenVerdict::Ignore;
  const Seq expected = peer_initial_ + 1;
  const std::uint8_t control = segment.flags & (flag::kSyn | flag::kRst | flag::kAck);
  if (control == flag::kSyn && segment.seq == peer_initial_) return out_of_place(true);

  const bool in_window = segment.seq.within(expected, std::max<std::uint32_t>(window_, 1)) ||
                         (segment.length() != 0 && (segment.end() - 1).within(expected, window_));
  const bool reset = segment.has(flag::kRst);
  if (!in_window || (old_timestamp(segment) && !reset))
    return reset ? HalfOpenVerdict::Ignore : out_of_place(false);
  // RFC 5961: only an exact RST counts, a SYN in the window never.
  if (reset) return segment.seq == expected ? HalfOpenVerdict::Remove : out_of_place(false);
  if (segment.has(flag::kSyn)) return out_of_place(false);
  if (!segment.has(flag::kAck)) return HalfOpenVerdict::Ignore;
  if (segment.ack != local_initial_ + 1) {
    answer = *reset_for(segment);
    return HalfOpenVerdict::Answer;
  }
  return HalfOpenVerdict::Established;
}

Handshake HalfOpen::handshake(const Segment& completing) const {
  Handshake out;
  out.local_initial = local_initial_;
  out.peer_initial = peer_initial_;
  out.peer_mss = peer_mss_;
  out.peer_window = completing.window;
  out.window_scaling = window_scaling_;
  out.peer_scale = peer_scale_;
  out.local_scale = window_scaling_ ? local_scale_ : std::uint8_t{0};
  out.sack = sack_;
  out.timestamps = timestamps_;
  out.ecn = ecn_;
  // RFC 7323 4.3: of what begins where the SYN-ACK acknowledged.
  const bool newer = completing.options.has_timestamps && !completing.seq.after(peer_initial_ + 1);
  out.peer_ts_value = newer ? completing.options.ts_value : peer_ts_value_;
  out.ts_offset = ts_offset_;
  out.syn_ack_sent = sent_;
  return out;
}

HalfOpenTimer HalfOpen::on_timer(time::Instant now, unsigned retries, time::Duration longest) {
  if (now < deadline_) return HalfOpenTimer::Nothing;
  if (retransmissions_ >= retries) return HalfOpenTimer::GiveUp;
  ++retransmissions_;
  time::Duration wait = kFirstRetransmission;
  for (unsigned i = 0; i < retransmissions_ && wait < longest; ++i)
    wait = wait * 2;
  deadline_ = now + std::min(wait, longest);
  return HalfOpenTimer::Resend;
}

std::uint32_t SynCookies::base(FlowBytes flow) const {
  return hashed(flow, 'c').hash(cookie_key_);
}

std::uint32_t SynCookies::blind(FlowBytes flow, Seq peer_initial, std::uint32_t minute) const {
  Hashed all = hashed(flow, 'b');
  const std::uint32_t peer = peer_initial.value();
  all.add(&peer, sizeof peer);
  all.add(&minute, sizeof minute);
  return all.hash(cookie_key_);
}

// The 32 bits are: base(flow) + the peer's number + [ minute : 8 | blind(minute) + MSS class : 24
// ].
SegmentOut SynCookies::make(FlowBytes flow, const Segment& syn, const PassiveOptions& options,
                            time::Instant now) const {
  const std::uint32_t minute = minute_of(now);
  const std::uint16_t peer_mss = syn.options.mss.value_or(536);
  std::uint32_t index = std::size(kMssTable) - 1;
  while (index != 0 && kMssTable[index] > peer_mss)
    --index;
  const std::uint32_t low = (blind(flow, syn.seq, minute) + index) & 0xffffff;
  SegmentOut out;
  out.seq = Seq(base(flow) + syn.seq.value() + (minute << 24) + low);
  out.ack = syn.seq + 1;
  out.flags = flag::kSyn | flag::kAck;
  out.window = options.window;
  out.options.mss = options.mss;
  if (!options.timestamps || !syn.options.has_timestamps) return out;

  std::uint32_t bits = kNoScale;
  if (options.window_scaling && syn.options.window_scale) {
    bits = *syn.options.window_scale;
    out.options.window_scale = options.scale;
  }
  if (options.sack && syn.options.sack_permitted) {
    bits |= kSackBit;
    out.options.sack_permitted = true;
  }
  if (options.ecn && asks_ecn(syn)) {
    bits |= kEcnBit;
    out.flags |= flag::kEce;
  }
  out.options.has_timestamps = true;
  out.options.ts_value = cookie_timestamp(now, bits) + timestamp_offset(timestamp_key_, flow);
  out.options.ts_echo = syn.options.ts_value;
  return out;
}

std::optional<Handshake> SynCookies::check(FlowBytes flow, const Segment& ack,
                                           const PassiveOptions& options, time::Instant now) const {
  if ((ack.flags & (flag::kAck | flag::kSyn | flag::kRst)) != flag::kAck) return std::nullopt;
  const Seq cookie = ack.ack - 1, peer_initial = ack.seq - 1;
  const std::uint32_t value = cookie.value() - base(flow) - peer_initial.value();
  const std::uint32_t minute = minute_of(now);
  const std::uint32_t age = (minute - (value >> 24)) & 0xff;
  if (age >= kMaxAge) return std::nullopt;
  const std::uint32_t index = (value - blind(flow, peer_initial, minute - age)) & 0xffffff;
  if (index >= std::size(kMssTable)) return std::nullopt;

  Handshake out;
  out.local_initial = cookie;
  out.peer_initial = peer_initial;
  out.peer_mss = kMssTable[index];
  out.peer_window = ack.window;
  if (!options.timestamps || !ack.options.has_timestamps) return out;
  out.timestamps = true;
  out.ts_offset = timestamp_offset(timestamp_key_, flow);
  out.peer_ts_value = ack.options.ts_value;
  const std::uint32_t bits = (ack.options.ts_echo - out.ts_offset) & kOptionMask;
  out.sack = options.sack && (bits & kSackBit) != 0;
  out.ecn = options.ecn && (bits & kEcnBit) != 0;
  out.window_scaling = options.window_scaling && (bits & kNoScale) != kNoScale;
  if (out.window_scaling) {
    out.peer_scale = static_cast<std::uint8_t>(bits & kNoScale);
    out.local_scale = options.scale;
  }
  return out;
}

}  // namespace linnet::tcp
