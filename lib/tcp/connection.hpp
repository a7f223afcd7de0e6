// SPDX-License-Identifier: BSD-3-Clause
// One TCP connection: segment or call and now in, segments and events out (RFC 9293). It knows no
// IP, no clock, no pool: its host sends what it emits and hands it what arrived.
//
//   program --append--> send queue --output--> Host::emit --> packets
//   packets --input--> reassembly --> receive queue --Host::notify, take_received--> program
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "packet/turn.hpp"
#include "tcp/ack_policy.hpp"
#include "tcp/drops.hpp"
#include "tcp/engine.hpp"
#include "tcp/fast_open.hpp"
#include "tcp/info.hpp"
#include "tcp/milliseconds.hpp"
#include "tcp/negotiated.hpp"
#include "tcp/options.hpp"
#include "tcp/receive_buffer.hpp"
#include "tcp/receive_queue.hpp"
#include "tcp/recovery.hpp"
#include "tcp/rested.hpp"
#include "tcp/sack_list.hpp"
#include "tcp/segment.hpp"
#include "tcp/send_queue.hpp"

namespace linnet::tcp {

// RFC 9293 section 3.3.2; numbers as Linux's TCP_INFO has them.
enum class State : std::uint8_t {
  Established = 1,
  SynSent,
  SynReceived,
  FinWait1,
  FinWait2,
  TimeWait,
  Closed,
  CloseWait,
  LastAck,
  Listen,
  Closing
};

// What happened since the host last looked (Connection::take_events).
namespace event {
inline constexpr std::uint16_t kConnected = 1;   // ESTABLISHED was reached
inline constexpr std::uint16_t kReadable = 2;    // in-order data waits
inline constexpr std::uint16_t kPeerClosed = 4;  // FIN was reached in sequence
inline constexpr std::uint16_t kWritable = 8;    // send buffer space came free
inline constexpr std::uint16_t kError = 16;      // Connection::error() says which; state Closed
inline constexpr std::uint16_t kUrgent = 32;     // the urgent pointer moved on
inline constexpr std::uint16_t kTimeWait = 64;   // Connection::time_wait() may be taken over by
                                                 // the compact table, then release this one
inline constexpr std::uint16_t kClosed = 128;    // nothing will happen any more: release it
}  // namespace event

// What a program may write: bytes that are taken, and how many of them until the socket is not
// writable any more (0: it is not now).
struct SendRoom {
  std::uint32_t bytes = 0, spare = 0;
};

class Connection : private time::Timer {
 public:
  Connection(Engine& engine, const SocketOptions& options);
  // Goes on where `rest` put one aside; `resume` before anything else but `info` and `let_go`.
  Connection(Engine& engine, const SocketOptions& options, const Rested& rested);
  ~Connection();  // must be Closed and empty: `abandon` first if it is not
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // --- Opening. `mtu`: of the route, bytes of IP datagram. Emits the SYN.
  void connect(packet::Turn& turn, Seq initial, std::uint32_t ts_offset, std::uint32_t mtu);
  // The same by Fast Open (RFC 7413 section 4.2): the SYN carries what fits of the front of `data`,
  // which was counted as generated, and becomes the connection's; the rest is cut off, all of it
  // where the SYN may not carry data (Drop::NotOffered). Returns how many bytes were taken.
  std::uint32_t connect(packet::Turn& turn, Seq initial, std::uint32_t ts_offset, std::uint32_t mtu,
                        const FastOpenAttempt& attempt, packet::Packet&& data);
  // Before connect, of a flow taken over from TIME-WAIT: what its peer's timestamp was last. The
  // SYN echoes it, as Linux's does (RFC 7323 section 3.2: SHOULD be zero).
  void inherit(std::uint32_t ts_recent) { ts_recent_ = ts_recent; }
  // Passive, by Fast Open (RFC 7413 section 4.2.2): `syn` has a valid cookie. SYN-RECEIVED, the
  // program hears of it (kConnected), its data is received and ours may go. `answer`: a new cookie
  // for the SYN-ACK.
  void open_passive(packet::Turn& turn, Segment&& syn, Seq initial, std::uint32_t ts_offset,
                    std::uint32_t mtu, const FastOpenCookie* answer);
  // Passive: the three-way handshake is complete; ESTABLISHED. The segment that completed it is
  // given to `input` next.
  void accept(packet::Turn& turn, const Handshake& handshake, std::uint32_t mtu);

  // --- Segments that belong to this connection. Ends the payload packet in every case. `more`:
  // another one of this burst follows, or `output` does; what need not go at once waits for it
  // (MUST-58, 59).
  void input(packet::Turn& turn, Segment&& segment, bool more = false);
  // Whether segments from `seq` on may be given to `input` as one: nothing is to be said of each
  // for itself, as it is where data is missing (RFC 5681 4.2).
  bool takes_row(Seq seq) const {
    return state_ == State::Established && seq == receive_queue_.next() && !peer_closed_ &&
           !receive_queue_.has_hole();
  }
  // Sends what may be sent now: after calls, and when `emit` had said false.
  void output(packet::Turn& turn);
  // Whether all that `output` has to do after `input` is to acknowledge, in a way that what the
  // program is about to answer may do as well: no more than a segment came, in order.
  bool answer_may_acknowledge() const {
    return (state_ == State::Established || state_ == State::CloseWait) && !fin_queued_ &&
           snd_nxt_ == send_queue_.end() && recovery_.lost_bytes() == 0 &&
           !receive_queue_.has_hole() && receive_next() - receive_buffer_.told() <= ack_.peer_mss();
  }
  // ICMP about a segment of ours whose quoted sequence number is `seq` (RFC 5927, 1191, 5461).
  // `mtu` as the message has it, 0 where it names none. True: the path's MTU is lower now.
  bool path_mtu(packet::Turn& turn, Seq seq, std::uint32_t mtu);
  // A destination-unreachable or the like; `error` an errno. Source quench is not to be given.
  void soft_error(packet::Turn& turn, Seq seq, int error);

  // --- Calls of the program. Bytes in `data` become the connection's; they are freed when
  // acknowledged. The packet was counted as generated; it is `held` while it stands here, and its
  // Meta is the queue's: reset it on a clone. The caller keeps within `send_space`; the last part
  // is pushed (PSH) unless `more` (MSG_MORE). `urgent`: the last byte is (MSG_OOB). Sends what may
  // be sent, unless `output` follows in this turn (`later`): what is appended together leaves
  // together. After FIN or in Closed: the data is dropped by name.
  void append(packet::Turn& turn, packet::Packet&& data, bool urgent = false, bool more = false,
              bool later = false);
  // What may be appended now; nothing before ESTABLISHED, it may grow later (kWritable).
  SendRoom send_room() const;
  std::uint32_t send_space() const { return send_room().bytes; }
  // In-order data, in the order of the stream; empty handle if there is none. The caller owns it
  // (no longer `held`), its Meta is zeros.
  packet::Packet take_received(packet::Turn& turn);
  // The program has used up `bytes` of what was taken: the window opens (RFC 9293 3.8.6.2.2), and
  // the peer is told of it, unless `output` follows (`later`).
  void consumed(packet::Turn& turn, std::uint32_t bytes, bool later = false);
  void shutdown_send(packet::Turn& turn);
  // close(2): FIN after what is queued, RST if received data was not read (RFC 2525 2.17); the
  // connection is an orphan now. `linger_zero`: RST at once (RFC 9293 3.9.1 ABORT).
  void close(packet::Turn& turn, bool linger_zero = false);
  void abort(packet::Turn& turn);
  // Ends without a word, for shutdown of the stack: frees all it holds. No event follows.
  void abandon(packet::Turn& turn);
  void set_options(packet::Turn& turn, const SocketOptions& options);
  // TCP_NODELAY was set, if only once more: what is queued goes, corked or not (Linux:
  // TCP_NAGLE_PUSH).
  void push(packet::Turn& turn);
  // TCP_QUICKACK: on, the ACK that waits goes now; off, ACKs wait for answers until the connection
  // proves to be no dialogue (Linux: __tcp_sock_set_quickack).
  void quick_ack(packet::Turn& turn, bool on);

  // --- Resting. True: nothing moves on it, has not for a while, and all that it must remember
  // stands in `out`; it is Closed now, without a word, and to be destroyed. Its notify and counters
  // are as if it were still there.
  bool rest(time::Instant now, Rested& out);
  static constexpr std::uint32_t kRestAfterMs = 50;
  // Woken: its timer stands again.
  void resume();
  // Woken only to be looked at.
  void let_go();

  // --- Looking.
  State state() const { return state_; }
  int error() const { return error_; }  // errno, host's; 0: none
  int take_soft_error();  // the last ICMP error that was not fatal, for SO_ERROR; then 0
  std::uint16_t take_events() { return std::exchange(events_, std::uint16_t{0}); }
  const SocketOptions& options() const;
  // The bytes of a range that is in the send queue, in order: `piece(packet::PacketRef packet,
  // std::uint32_t offset, std::uint32_t count)`, offset from the packet's data().
  template <typename Piece>
  void payload(SeqRange range, Piece&& piece) const;
  void info(time::Instant now, Info& out) const;
  PendingTimer pending_timer(time::Instant now) const;
  std::uint32_t unread_bytes() const;           // in order, not yet consumed (SIOCINQ)
  std::uint32_t unacknowledged_bytes() const {  // in the send queue (SIOCOUTQ)
    return queued_from(snd_una_);
  }
  std::uint32_t unsent_bytes() const { return queued_from(snd_nxt_); }  // (SIOCOUTQNSD)
  std::uint32_t mss() const { return mss_; }  // bytes of data in a full segment (TCP_MAXSEG)
  // Where the peer's urgent byte stands: from the next byte that `take_received` gives (negative:
  // it was given already). Nothing: none is pending. The byte stays in the stream; without
  // SO_OOBINLINE the program's side takes it out.
  std::optional<std::int32_t> urgent_offset() const;
  TimeWait time_wait(time::Instant now) const;  // in TimeWait

  // --- For the host.
  void* user = nullptr;  // the socket

 private:
  enum class Judged : std::uint8_t { GoOn, Done };
  // What limits the sender, for TCP_INFO (Linux: enum tcp_chrono).
  enum class Limit : std::uint8_t { None, Busy, Window, Buffer };

  // --- connection.cpp: opening, closing, events.
  void begin(std::uint32_t mtu);
  void prepare_syn(packet::Turn& turn, Seq initial, std::uint32_t ts_offset, std::uint32_t mtu);
  void begin_connect(packet::Turn& turn, Seq initial, std::uint32_t ts_offset, std::uint32_t mtu);
  void establish(packet::Turn& turn);
  void agree(const Handshake& handshake);
  void raise(packet::Turn& turn, std::uint16_t events);
  void finish(packet::Turn& turn, int error);
  void give_up(packet::Turn& turn, int error, Count why);
  void become_orphan();
  void fin_acknowledged(packet::Turn& turn);
  void peer_closed(packet::Turn& turn);
  void enter_fin_wait2(packet::Turn& turn);
  void enter_time_wait(packet::Turn& turn);
  void set_state(State next);
  bool fin_sent() const { return fin_queued_ && snd_nxt_.after(send_queue_.end()); }
  bool opening() const { return state_ == State::SynSent || state_ == State::SynReceived; }
  // Bytes of the queue from `from` on. Only while the SYN stands at `from` is there no byte of it:
  // the initial number says nothing once the stream is half the sequence space long.
  std::uint32_t queued_from(Seq from) const {
    if (send_queue_.empty()) return 0;
    if (opening() && from == iss_) from = iss_ + 1;
    return send_queue_.end().after(from) ? send_queue_.end() - from : 0;
  }
  Seq receive_next() const { return receive_queue_.next() + (peer_closed_ ? 1u : 0u); }
  Seq consumed_to() const {
    return receive_queue_.next() - receive_queue_.bytes() - receive_buffer_.taken();
  }

  // --- input.cpp: RFC 9293 3.10.7, a function a step.
  void input_open(packet::Turn& turn, Segment& segment, bool more);
  Judged check_timestamp(packet::Turn& turn, Segment& segment);
  Judged check_sequence(packet::Turn& turn, Segment& segment);
  bool exceeds(const Segment& segment, Seq edge) const;
  Judged check_reset(packet::Turn& turn, Segment& segment);
  Judged check_syn(packet::Turn& turn, Segment& segment);
  void input_time_wait(packet::Turn& turn, Segment& segment);
  bool may_answer(time::Instant now);
  void answer_out_of_place(packet::Turn& turn, const Segment& segment, Count skipped);
  void challenge(packet::Turn& turn);
  void echo_duplicate(const Segment& segment, time::Instant now);
  // RFC 7323 4.3: of segments that begin at or before the last ACK, the newest.
  void remember_timestamp(const Segment& segment, time::Instant now) {
    if (!timestamps_ || !segment.options.has_timestamps) return;
    if (segment.seq.after(receive_buffer_.told())) return;
    if (is_older(segment.options.ts_value, ts_recent_) &&
        seconds(now) - ts_recent_s_ <= kTimestampLifeSeconds)
      return;
    ts_recent_ = segment.options.ts_value;
    ts_recent_s_ = seconds(now);
  }
  void reset_by_peer(packet::Turn& turn);
  static void end_payload(packet::Turn& turn, Segment& segment);
  static void drop_payload(packet::Turn& turn, Segment& segment, Drop why);
  // --- input_ack.cpp: the segment that is expected.
  bool is_expected(const Segment& segment) const;
  void input_expected(packet::Turn& turn, Segment& segment);
  // --- input_syn_sent.cpp: 3.10.7.3.
  // A server that has said all in its SYN-ACK (RFC 9293 3.10.7.3: other controls are gone on with).
  bool ends_with_syn_ack(const Segment& segment) const {
    return state_ == State::SynSent && segment.has(flag::kAck);
  }
  void input_syn_sent(packet::Turn& turn, Segment& segment, bool more);
  void input_syn(packet::Turn& turn, Segment& segment);
  void agree_options(const Segment& segment, time::Instant now);
  bool echoes_ours(const Segment& segment, time::Instant now) const;
  void input_crossed_syn(packet::Turn& turn, Segment& segment);
  // --- fast_open_connection.cpp: RFC 7413.
  std::uint32_t take_syn_data(packet::Turn& turn, const FastOpenAttempt& attempt,
                              packet::Packet&& data);
  void judge_fast_open(packet::Turn& turn, const Segment& segment, Seq acked);
  void send_syn_data_again(packet::Turn& turn, Seq end);
  bool is_syn_again(const Segment& segment) const;
  void answer_syn_again(packet::Turn& turn, Segment& segment);
  void suspect_fast_open(packet::Turn& turn, bool last);
  void report_fast_open(packet::Turn& turn, FastOpenNews::Kind kind);
  // --- input_ack.cpp: the fifth step.
  Judged check_ack(packet::Turn& turn, Segment& segment);
  Judged complete_handshake(packet::Turn& turn, Segment& segment);
  inline void update_send_window(const Segment& segment);
  AckEvent ack_event(const Segment& segment, time::Instant now) const;
  void process_ack(packet::Turn& turn, const Segment& segment);
  std::uint32_t recover(const Segment& segment, bool window_changed, time::Instant now);
  void advance(packet::Turn& turn, Seq ack, std::uint32_t newly_acked);
  // --- send_room.cpp
  std::uint32_t piece_size() const;
  inline bool fills_piece(std::uint32_t count);
  void note_appended(packet::Turn& turn, std::uint32_t count, bool later_on);
  std::uint32_t send_capacity() const;
  bool send_buffer_short() const;
  SendRoom scarce_room(std::uint32_t most, std::uint32_t used, std::uint32_t lowat,
                       std::uint32_t mark) const;
  void expand_send_buffer();
  // --- input_data.cpp: steps six to eight.
  void input_urgent(packet::Turn& turn, const Segment& segment);
  void input_data(packet::Turn& turn, Segment& segment);
  bool fit_window(packet::Turn& turn, Segment& segment);
  bool make_room(packet::Turn& turn, const Segment& segment);
  void take_in_order(packet::Turn& turn, Segment& segment);
  void note_duplicate(SeqRange range);
  void keep_beyond(packet::Turn& turn, Segment& segment);
  inline void note_arrival(packet::Turn& turn, const Segment& segment);
  void note_fin(const Segment& segment);
  void input_fin(packet::Turn& turn);
  void note_ecn(packet::Turn& turn, const Segment& segment);

  // --- output.cpp: what may be sent now.
  bool send_syn(packet::Turn& turn, bool again, const FastOpenCookie* cookie = nullptr);
  void send_again(packet::Turn& turn);
  // Inline for good: each is a step of one way, and has no more callers than the state of a SYN.
  [[gnu::always_inline]] inline void send_new(packet::Turn& turn);
  [[gnu::always_inline]] inline void send_queued(packet::Turn& turn);
  [[gnu::always_inline]] inline std::uint32_t sendable(packet::Turn& turn, std::uint32_t unsent);
  [[gnu::always_inline]] inline bool held_back_by_nagle(std::uint32_t length) const;
  bool send_fin(packet::Turn& turn);
  void send_owed_ack(packet::Turn& turn);
  void send_probe(packet::Turn& turn);
  [[gnu::always_inline]] inline void arm_persist(packet::Turn& turn);
  inline bool paced(time::Instant now);
  // What of data goes into one segment now: what SACK blocks take is not there for it (Linux:
  // tcp_current_mss).
  std::uint32_t send_mss() const {
    const std::uint32_t mss = mss_of_half_window();
    if (sack_.empty()) [[likely]]
      return mss;
    return mss - 4 - 8 * sack_.count(most_sack_blocks());
  }
  // Linux: tcp_bound_to_half_wnd. A peer with a tiny window gets segments of half of it, so that
  // two are in flight (RFC 9293 3.8.6.2.1, (3)).
  std::uint32_t mss_of_half_window() const {
    const std::uint32_t cutoff = max_window_ > 536 ? max_window_ / 2 : max_window_;
    if (cutoff == 0 || mss_ <= cutoff) return mss_;
    return std::min<std::uint32_t>(mss_, std::max(cutoff, 48u));
  }
  unsigned most_sack_blocks() const { return timestamps_ ? 3 : 4; }
  std::uint16_t mss_on_wire() const {
    return static_cast<std::uint16_t>(mss_ + (timestamps_ ? kTimestampBytes : 0));
  }
  std::uint32_t usable_window() const {
    return window_end().after(snd_nxt_) ? window_end() - snd_nxt_ : 0;
  }
  Seq window_end() const { return snd_una_ + snd_wnd_; }
  bool nothing_in_flight() const { return snd_una_ == snd_nxt_; }
  bool can_send_data() const {
    return state_ == State::Established || state_ == State::CloseWait ||
           state_ == State::FinWait1 || state_ == State::Closing || state_ == State::LastAck;
  }
  // --- segments.cpp: how segments are made.
  bool transmit(packet::Turn& turn, SegmentOut& segment);
  SegmentOut blank(packet::Turn& turn, std::uint8_t flags) const;
  bool send_range(packet::Turn& turn, SeqRange range, bool again);
  bool send_ack(packet::Turn& turn);
  bool send_window_probe(packet::Turn& turn);
  void send_reset(packet::Turn& turn);
  void send_reset_for(packet::Turn& turn, const Segment& segment);
  [[gnu::always_inline]] inline void account(packet::Turn& turn, const SegmentOut& segment,
                                             SeqRange range);
  // --- timers.cpp
  static void timer_fired(time::Timer& timer, time::Instant now, void* context);
  void on_deadlines(packet::Turn& turn);
  void on_recovery_deadline(packet::Turn& turn);
  void on_persist_deadline(packet::Turn& turn);
  void on_life_deadline(packet::Turn& turn);
  void on_keep_alive(packet::Turn& turn);
  bool too_many_timeouts(time::Instant now) const;
  bool user_timeout_passed(time::Instant now) const;
  // What is in flight: the recovery's timer, or the user timeout if that is earlier.
  time::Instant recovery_deadline() const {
    if (nothing_in_flight() || state_ == State::TimeWait || state_ == State::Closed)
      return time::Instant::never();
    const time::Instant at = recovery_.deadline();
    if (options_.user_timeout_ms == 0 || !stalled_ || at == time::Instant::never()) [[likely]]
      return at;
    return user_deadline(at);
  }
  time::Instant user_deadline(time::Instant at) const;
  void arm_keep_alive(time::Instant now);
  void rearm();
  void release_lane();
  // --- path.cpp
  void set_mss();
  void lower_mtu(std::uint32_t mtu);
  void suspect_black_hole(time::Instant now);
  void leave_black_hole(time::Instant now);
  void note_limit(time::Instant now) {
    const Limit next = send_queue_.empty() ? Limit::None : current_limit();
    if (next != limit_) change_limit(next, now);
  }
  Limit current_limit() const;
  void change_limit(Limit next, time::Instant now);
  // connection_rest.cpp
  bool quiet(time::Instant now) const;
  template <typename Of, typename To, typename Give>
  static void keep(Of& c, To& r, Give&& give);

  Engine& engine_;
  SocketOptions options_;
  Recovery recovery_;
  SendQueue send_queue_;
  ReceiveQueue receive_queue_;
  ReceiveBuffer receive_buffer_;
  AckPolicy ack_;
  SackList sack_;

  // Send sequence space (RFC 9293 3.3.1). SND.NXT is the highest that was ever sent.
  Seq iss_, snd_una_, snd_nxt_, snd_wl1_, snd_wl2_, snd_up_;
  Seq small_end_;    // of the last segment below MSS that was sent (Minshall; Linux: snd_sml)
  Seq cwr_end_;      // SND.NXT when CWR was last sent
  Seq piece_begin_;  // of the last piece of the send queue, as far as it was not sent
  std::uint32_t snd_wnd_ = 0, max_window_ = 0;
  std::uint32_t send_buffer_ = 0;  // bytes of truesize
  // Receive sequence space.
  Seq irs_, rcv_up_, fin_seq_;
  std::uint32_t ts_offset_ = 0, ts_recent_ = 0, ts_recent_s_ = 0;
  // The path.
  std::uint32_t mtu_ = 0;
  std::uint16_t mss_ = 536, peer_mss_ = 536, own_mss_ = 536, mss_cap_ = 0xffff;
  std::uint16_t largest_acked_ = 0, doubted_mtu_ = 0;
  Seq doubted_seq_;
  // Deadlines but for recovery's and the delayed ACK's.
  time::Instant persist_deadline_ = time::Instant::never();
  time::Instant life_deadline_ = time::Instant::never();   // keep-alive, FIN-WAIT-2, TIME-WAIT
  time::Instant retry_deadline_ = time::Instant::never();  // pacing, or `emit` said false
  // Milliseconds, modulo 2^32.
  std::uint32_t last_sent_ms_ = 0, last_data_ms_ = 0, last_heard_ms_ = 0, last_ack_ms_ = 0;
  std::uint32_t stalled_ms_ = 0;      // since when nothing moved though something should
  std::uint32_t first_again_ms_ = 0;  // the first retransmission without progress
  std::uint32_t black_hole_ms_ = 0;   // since when segments are kept small
  std::uint32_t answered_ms_ = 0;     // the last ACK to something out of place
  // For TCP_INFO.
  std::uint64_t bytes_acked_ = 0, bytes_received_ = 0, bytes_sent_ = 0, bytes_again_ = 0;
  std::uint32_t segments_in_ = 0, segments_out_ = 0, data_segments_in_ = 0, data_segments_out_ = 0;
  std::uint32_t beyond_segments_ = 0;
  std::uint32_t limited_ms_[3] = {0, 0, 0};  // Busy, Window, Buffer
  std::uint32_t limit_since_ms_ = 0;

  std::uint16_t events_ = 0, error_ = 0, soft_error_ = 0;
  std::uint16_t syn_data_ = 0;  // bytes that our SYN carried, while it is not answered
  State state_ = State::Closed;
  Limit limit_ = Limit::None;
  std::uint8_t probes_ = 0;   // unanswered window or keep-alive probes
  std::uint8_t backoff_ = 0;  // of window probes
  std::uint8_t snd_scale_ = 0;
  std::uint8_t offered_scale_ = 0;  // in our SYN
  std::uint8_t syns_again_ = 0;     // retransmissions until the connection stood
  bool scaling_ : 1 = false, sack_ok_ : 1 = false, timestamps_ : 1 = false, ecn_ : 1 = false;
  bool ecn_seen_ : 1 = false;
  bool echo_congestion_ : 1 = false;  // ECE on ACKs until CWR comes (RFC 3168 6.1.3)
  bool send_cwr_ : 1 = false;
  bool syn_seen_ : 1 = false;  // the peer's; simultaneous open answers with SYN-ACK
  bool fin_queued_ : 1 = false;
  bool fin_known_ : 1 = false;    // `fin_seq_` stands
  bool peer_closed_ : 1 = false;  // FIN reached in sequence
  bool orphan_ : 1 = false;
  bool more_ : 1 = false;         // the last append said that more follows
  bool hold_ : 1 = false;         // likewise, and no ACK has come since
  bool push_ : 1 = false;         // `push`, and nothing was appended since
  bool urgent_ : 1 = false;       // `snd_up_` is ahead
  bool urgent_seen_ : 1 = false;  // `rcv_up_` stands
  bool stalled_ : 1 = false;
  bool counted_ : 1 = false;  // in CurrEstab
  bool black_hole_ : 1 = false;
  bool answered_once_ : 1 = false;         // `answered_ms_` stands
  bool window_limited_ : 1 = false;        // the congestion window held data back
  bool host_full_ : 1 = false;             // `emit` said false in this output
  bool early_ : 1 = false;                 // opened by a SYN with a valid Fast Open cookie
  bool fast_open_ : 1 = false;             // our SYN had the Fast Open option
  bool writer_waits_ : 1 = false;          // a thread sleeps with data that goes with the next ACK
  bool fast_open_experiment_ : 1 = false;  // in the form from before RFC 7413
  bool syn_data_acked_ : 1 = false;        // data went in a SYN, and was taken
  std::uint8_t fast_open_fail_ : 2 = 0;    // Linux: TFO_COOKIE_UNAVAILABLE and so on
};

template <typename Piece>
void Connection::payload(SeqRange range, Piece&& piece) const {
  send_queue_.visit(range, std::forward<Piece>(piece));
}

}  // namespace linnet::tcp
