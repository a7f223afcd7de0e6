// SPDX-License-Identifier: BSD-3-Clause
// TCP Fast Open (RFC 7413): cookies and the keys that make them, what a listener admits, what a
// client remembers of servers. Values and pure functions; SYNs are the connection's business.
//
//   server: SYN with cookie --FastOpenKeySet::check--> FastOpenQueue::admit --> open_passive
//   client: FastOpenCache::look --> FastOpenAttempt --> SYN ... SYN-ACK --> FastOpenNews --> learn
//
// Linux: tcp_fastopen.c, tcp_metrics.c.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ipv4.hpp"
#include "base/siphash.hpp"
#include "time/instant.hpp"
#include "wire/tcp.hpp"

namespace linnet::tcp {

// Bits of net.ipv4.tcp_fastopen (Linux: TFO_*).
namespace fast_open {
inline constexpr std::uint32_t kClient = 1, kServer = 2;
inline constexpr std::uint32_t kClientWithoutCookie = 4, kServerWithoutCookie = 0x200;
inline constexpr std::uint32_t kEveryListener = 0x400;  // without TCP_FASTOPEN
}  // namespace fast_open

// RFC 7413 section 2: 4 to 16 bytes; of length 0 it asks for one.
struct FastOpenCookie {
  std::uint8_t length = 0;
  std::array<std::uint8_t, wire::TcpOptions::kMaxFastOpenCookie> bytes{};
  bool experiment = false;  // stands in option 254 with 0xF989, as it did before RFC 7413

  friend bool operator==(const FastOpenCookie&, const FastOpenCookie&) = default;
  // As it stands in the options of a SYN; nothing: no option.
  static std::optional<FastOpenCookie> of(const wire::TcpOptions& options);
  void put(wire::TcpOptions& options) const;
};

// The keys of cookies: new ones are made with the first, old ones of the second still count, so
// that a key can be changed without a storm of invalid cookies (RFC 7413 section 4.1.2).
struct FastOpenKeySet {
  SipKey primary{}, backup{};
  bool has_backup = false;

  enum class Verdict : std::uint8_t { Bad, Good, Old };
  // RFC 7413 section 4.1.2: bound to the client's address (as in Linux: and to ours).
  FastOpenCookie make(Ipv4Address client, Ipv4Address server) const;
  // In either form.
  Verdict check(const FastOpenCookie& cookie, Ipv4Address client, Ipv4Address server) const;
};

// net.ipv4.tcp_fastopen_key: written by the control core, read by lanes. Who reads while it is
// written may see half of each: a cookie made of that is invalid later, and asked for again.
class FastOpenKeys {
 public:
  FastOpenKeySet load() const;
  void store(const FastOpenKeySet& keys);

 private:
  std::array<std::atomic<std::uint64_t>, 4> words_{};
  std::atomic<bool> has_backup_{false};
};

// Connections of a listener on a lane that took data before the handshake was over (RFC 7413
// section 5.1). One that ended by RST counts for a minute more, lest a spoofer drives the queue
// round; in steps of ten seconds, so that memory does not grow with them.
class FastOpenQueue {
 public:
  // Whether one more may come; the caller then calls `enter`.
  bool admits(std::uint32_t limit, time::Instant now);
  void enter() { ++pending_; }
  void leave() { --pending_; }
  void leave_by_reset(time::Instant now);
  std::uint32_t pending() const { return pending_; }

 private:
  static constexpr unsigned kSlots = 7;
  static constexpr std::int64_t kSlotSeconds = 10;
  void expire(time::Instant now);

  std::uint32_t pending_ = 0;
  std::uint32_t resets_ = 0;
  std::array<std::uint32_t, kSlots> slots_{};
  std::int64_t newest_ = 0;  // slot in time
};

// What goes with a SYN.
struct FastOpenAttempt {
  std::optional<FastOpenCookie> option{};  // nothing: a regular SYN
  bool carries_data = false;
  std::uint16_t peer_mss = 0;  // as it was last time; 0: not known
  // Bytes with which a thread of the program sleeps until it is connected. What the SYN does not
  // take of them carries the ACK of the SYN-ACK.
  std::uint64_t waiting = 0;
};

// What a connection that tried learned (RFC 7413 section 4.2.1).
struct FastOpenNews {
  enum class Kind : std::uint8_t {
    Answer,     // the SYN-ACK
    BlackHole,  // the path seems to swallow what follows such a SYN
    Works,      // data came
  };
  Kind kind = Kind::Answer;
  std::optional<FastOpenCookie> cookie{};
  std::uint16_t mss = 0;
  bool syn_dropped = false;  // only the SYN without data came through
  // A cookie was asked for in vain, in the experiment's form or in the one of RFC 7413.
  bool unanswered = false, asked_by_experiment = false;
};

// Cookies and MSS of servers (Linux: tcp_metrics), of one lane. What was used longest ago goes.
class FastOpenCache {
 public:
  struct Known {
    FastOpenCookie cookie{};  // of length 0: the form in which to ask
    std::uint16_t mss = 0;
    bool refrains = false;  // SYNs with data were lost lately
  };
  FastOpenCache() : entries_(kSets * kWays) {}

  // Forgets all where `flushes` is another number than before (Settings::metrics_flushes).
  void follow(std::uint32_t flushes);
  Known look(Ipv4Address local, Ipv4Address server, time::Instant now);
  // Of an Answer.
  void learn(Ipv4Address local, Ipv4Address server, const FastOpenNews& news, time::Instant now);

  // Linux: tcp_fastopen_active_disable: for all destinations, for the span and twice as long each
  // time, 64 times at most. `seconds`: net.ipv4.tcp_fastopen_blackhole_timeout_sec, 0: never.
  void black_hole(time::Instant now);
  bool disabled(std::uint32_t seconds, time::Instant now) const;
  bool suspects() const { return black_holes_ != 0; }
  void works() { black_holes_ = 0; }

 private:
  static constexpr std::size_t kSets = 128, kWays = 4;
  // Who leaves a request unanswered may know the experiment's form only: it is tried once, and is
  // no more if that is not answered either (Linux: tcp_fastopen_metrics.try_exp).
  enum class Ask : std::uint8_t { Plain, Experiment, PlainForGood };
  struct Entry {
    Ipv4Address local{}, server{};
    std::uint16_t mss = 0;
    std::uint8_t losses = 0;
    bool used = false;
    Ask ask = Ask::Plain;
    FastOpenCookie cookie{};
    time::Instant lost_at{}, used_at{};
  };
  Entry* find(Ipv4Address local, Ipv4Address server);
  Entry& place(Ipv4Address local, Ipv4Address server);
  static std::size_t set_of(Ipv4Address local, Ipv4Address server);

  std::vector<Entry> entries_;
  std::uint32_t flushes_ = 0;
  std::uint32_t black_holes_ = 0;
  time::Instant black_hole_at_{};
};

}  // namespace linnet::tcp
