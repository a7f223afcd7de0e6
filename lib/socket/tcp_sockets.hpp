// SPDX-License-Identifier: BSD-3-Clause
// TCP on a lane: whom a segment is for, listeners and half-open connections, what connections send,
// what they tell programs.
//
//   packets --input--> four-tuple table --> Connection | HalfOpen | TimeWaitEntry | listener | RST
//   Connection --emit--> packets          Connection --notify--> ready list --service--> events
#pragma once

#include <array>
#include <cstdint>

#include "packet/chain.hpp"
#include "socket/answers.hpp"
#include "socket/bound_table.hpp"
#include "socket/context.hpp"
#include "socket/drops.hpp"
#include "socket/survey.hpp"
#include "tcp/connection.hpp"
#include "tcp/fast_open.hpp"
#include "tcp/handshake.hpp"
#include "tcp/sent_pool.hpp"
#include "tcp/time_wait.hpp"

namespace linnet::socket {

struct Listener : Socket {
  Listener() : Socket(Role::Listener, Kind::Stream) {}
  Endpoint local{};
  OptionSet options{};
  Ticket ticket = 0;
  std::uint32_t backlog = 0;
  std::uint32_t half_open = 0;
  std::uint32_t fast_open = 0;  // TCP_FASTOPEN: queue length; 0: off
  bool has_fast_open_keys = false;
  tcp::SynOverflow overflow{};
  tcp::FastOpenQueue early{};
  tcp::FastOpenKeySet fast_open_keys{};  // TCP_FASTOPEN_KEY
  ListHook in_group;
  std::uint32_t group = kNoGroup;
};

// Options that any number of connections have alike.
struct SharedOptions : OptionSet {
  explicit SharedOptions(const OptionSet& options) : OptionSet(options) {}
  std::uint32_t number = 0;  // in the slab
  std::uint32_t users = 0;
};

struct TcpSocket : Socket {
  TcpSocket() : Socket(Role::Connection, Kind::Stream) {}

  Flow flow{};
  std::uint32_t hash = 0;
  SharedOptions* options = nullptr;
  std::uint16_t device = packet::kNoDevice;  // bound to, or where the peer's segments come in
  std::uint16_t events = 0;                  // tcp::event, not yet told
  bool passive = false;                      // its program learns of it by Accepted
  bool told = false;                         // Connected or Accepted was told
  bool in_backlog = false;                   // stands in the accept queue of `ticket`
  bool heard = false;                        // segments came, `output` is to follow
  bool lingering = false;                    // Closed is told when all was acknowledged
  bool confirms = false;                     // an ACK moved on: the neighbour answers
  bool early = false;                        // counts in its listener's Fast Open queue
  bool proves_path = false;                  // the first Fast Open after a black hole
  bool spent = false;                        // the program has just written all that it might
  bool recalled = false;                     // credit was taken back that may be spent already
  std::uint32_t confirmed_ms = 0;            // when that was last noted
  Ticket ticket = 0;
  std::uint32_t backlog_generation = 0;
  Handle listener{};              // where it came from
  std::int32_t credit = 0;        // bytes that the program may still send; below zero: recalled
  std::int32_t mark = 0;          // with so much left it is not writable any more
  std::uint32_t given = 0;        // bytes that it was given and has not consumed
  std::uint32_t lowered_mtu = 0;  // a route turned out to be narrower; 0: not
  tcp::Seq lowered_at{};
  ListHook ready;           // has something to tell
  packet::Packet untold{};  // data on its way into the event ring
  // The connection while it is awake; else `rested` is all that is left of it.
  tcp::Connection* connection = nullptr;
  std::uint32_t place = 0xffffffff;  // awake: its number among those that are
  std::uint32_t alarm = 0xffffffff;  // at rest: the number of its alarm
  tcp::Rested rested{};
};

class TcpSockets final : public tcp::Host {
 public:
  TcpSockets(Context& context, tcp::Counters& counters);
  ~TcpSockets() override;

  // --- Requests of programs.
  void listen(packet::Turn& turn, LaneSession& session, const Message& request);
  void connect(packet::Turn& turn, LaneSession& session, const Message& request,
               const OptionSet& options);
  // What a program writes and reads in a row counts once, at its end: `settle`.
  void send(packet::Turn& turn, TcpSocket& socket, const Message& request);
  void consumed(packet::Turn& turn, TcpSocket& socket, std::uint64_t bytes);
  // After the last of a row, and before any other request of such a socket. `closing`: of this one
  // FIN is queued next, and goes with what the row has written.
  void settle(packet::Turn& turn, const Socket* closing = nullptr);
  void accepted(TcpSocket& socket);
  void set_option(packet::Turn& turn, TcpSocket& socket, std::uint32_t option, std::uint64_t value);
  // `request`: flags and value as in Close. Closed is told by `service`.
  void close(packet::Turn& turn, TcpSocket& socket, const Message& request);
  void close(packet::Turn& turn, Listener& listener);
  void set_option(Listener& listener, std::uint32_t option, std::uint64_t value);
  // The program is gone.
  void close_orphan(packet::Turn& turn, TcpSocket& socket, bool abort = false);
  void shutdown(packet::Turn& turn, TcpSocket& socket, std::uint64_t how);

  // --- Packets: the stage of protocol 6, data() at the TCP header.
  void input(packet::Turn& turn, packet::Burst& burst);
  // As `input` for packets that another lane handed over; `end_rows` after the last of them.
  void input_owned(packet::Turn& turn, packet::Packet&& packet);
  void end_rows(packet::Turn& turn);
  // False: no connection of this lane sent what is quoted.
  bool error(packet::Turn& turn, const ip::ErrorReport& report);
  bool note(packet::Turn& turn, const ErrorNote& note);

  // Whether a connection that rests can be woken now: no request is taken while none can.
  bool can_wake(time::Instant now) {
    return !awake_.full() || resting_ == 0 || rest_some(now, kLookedAt) != 0;
  }
  // After the turn, outside of the data path: room for connections that may wake in the next.
  void make_room();

  // What waited for an answer of its program goes, if the program has given it or takes long.
  // True: there was something.
  bool end_waiting(packet::Turn& turn, Answers answers);
  // Tells programs what happened, and releases what has ended. True: there was something.
  bool service(packet::Turn& turn, Answers answers);
  void service(packet::Turn& turn, TcpSocket& socket);
  // Frees all; connections are reset.
  void clear(packet::Turn& turn);

  tcp::Engine& engine() { return engine_; }
  // Segments that went to their connection behind another one's.
  std::uint64_t joined() const { return joined_.value(); }

  // Tells of connections, half-open ones and TIME-WAIT, some at a time (`FlowTable::visit_some`).
  bool survey(time::Instant now, Survey& survey, std::uint32_t& cursor, unsigned budget);

  void info(const TcpSocket& socket, time::Instant now, tcp::Info& out);
  // The same in a buffer that is the program's then; kNone: there is no buffer now.
  BufferRef hand_out_info(const TcpSocket& socket, time::Instant now);

  struct Sizes {
    std::uint32_t connections, half_open, time_wait, listeners, orphans, resting;
  };
  Sizes sizes() const;
  // Bytes of the lane's tables; they keep what they once had.
  struct Memory {
    std::size_t connections, half_open, time_wait, flows, handles;
  };
  Memory memory() const;

  // --- tcp::Host
  bool emit(packet::Turn& turn, tcp::Connection& connection,
            const tcp::SegmentOut& segment) override;
  void notify(packet::Turn& turn, tcp::Connection& connection) override;
  void confirm(packet::Turn& turn, tcp::Connection& connection) override;
  void fast_open(packet::Turn& turn, tcp::Connection& connection,
                 const tcp::FastOpenNews& news) override;

 private:
  // What a number in the four-tuple table is.
  enum class Entry : std::uint32_t { Connection, HalfOpen, TimeWait };
  static constexpr std::uint32_t kEntryShift = 30;
  static constexpr std::uint32_t value_of(Entry kind, std::uint32_t number) {
    return static_cast<std::uint32_t>(kind) << kEntryShift | number;
  }
  static constexpr std::uint32_t number_of(std::uint32_t value) {
    return value & ((1u << kEntryShift) - 1);
  }

  struct HalfOpenEntry : time::Timer {
    HalfOpenEntry(TcpSockets& sockets, const Flow& flow_in, std::uint32_t hash_in,
                  const Listener& listener_in, const tcp::HalfOpen& state_in)
        : time::Timer(&TcpSockets::half_open_due),
          state(state_in),
          flow(flow_in),
          hash(hash_in),
          listener(listener_in.handle),
          owner(sockets) {}
    // In this order no byte is lost: the first two stand in what Timer leaves free at its end, the
    // device in what HalfOpen does.
    std::uint16_t session = 0;
    std::uint32_t number = 0;
    [[no_unique_address]] tcp::HalfOpen state;
    std::uint16_t device = packet::kNoDevice;
    Flow flow;
    std::uint32_t hash;
    Handle listener;
    TcpSockets& owner;
  };
  static_assert(sizeof(HalfOpenEntry) <= 128);

 public:
  static constexpr std::size_t kHalfOpenBytes = sizeof(HalfOpenEntry);

 private:
  struct TimeWaitSlot {
    TimeWaitSlot(const TcpSocket& socket, const tcp::TimeWait& left)
        : state(left), flow(socket.flow), hash(socket.hash), device(socket.options->device) {}
    tcp::TimeWaitEntry state;
    Flow flow;
    std::uint32_t hash;
    std::uint16_t device;                          // SO_BINDTODEVICE (Linux: tw_bound_dev_if)
    std::uint32_t previous = kNone, next = kNone;  // in the order of their ends
  };
  static constexpr std::uint32_t kNone = 0xffffffff;

  // A connection that is awake, in the order in which they are looked at for rest.
  struct Awake {
    Awake(tcp::Engine& engine, const tcp::SocketOptions& options) : connection(engine, options) {}
    Awake(tcp::Engine& engine, const tcp::SocketOptions& options, const tcp::Rested& rested)
        : connection(engine, options, rested) {}
    ListHook hook;
    ListHook waits;               // for an answer of its program
    std::uint32_t looked_ms = 0;  // when it began, or was looked at last
    tcp::Connection connection;
  };
  using Waiting = IntrusiveList<Awake, &Awake::waits>;
  // Wakes a connection that rests, for its keep-alive.
  struct Alarm : time::Timer {
    Alarm(TcpSockets& sockets, TcpSocket& socket_in)
        : time::Timer(&TcpSockets::alarm_due), owner(sockets), socket(socket_in) {}
    TcpSockets& owner;
    TcpSocket& socket;
  };
  static constexpr unsigned kLookedAt = 16;  // connections, to find some that may rest
  // How long one is left alone after a look: one that has been silent since it began rests at the
  // first.
  static constexpr std::uint32_t kLookAgainMs = tcp::Connection::kRestAfterMs + 10;
  static constexpr std::uint32_t kSpare = 64;  // places that are kept for those that wake

  // tcp_rest.cpp
  bool begin_awake(time::Instant now, TcpSocket& socket, const OptionSet& options);
  void end_unused(TcpSocket& socket);
  bool use_options(TcpSocket& socket, const OptionSet& options);
  void leave_options(TcpSocket& socket);
  tcp::Connection* wake(packet::Turn& turn, TcpSocket& socket) {
    if (socket.connection != nullptr) [[likely]]
      return socket.connection;
    return wake_rested(turn.now, socket);
  }
  // For a request, which is taken only where `can_wake` said yes.
  tcp::Connection& awake(packet::Turn& turn, TcpSocket& socket) {
    tcp::Connection* const connection = wake(turn, socket);
    LINNET_CHECK(connection != nullptr);
    return *connection;
  }
  tcp::Connection* wake_rested(time::Instant now, TcpSocket& socket);
  void seat(time::Instant now, TcpSocket& socket, std::uint32_t number);
  unsigned rest_some(time::Instant now, unsigned looked_at);
  bool rest(time::Instant now, TcpSocket& socket);
  void end_awake(TcpSocket& socket);
  void end_rest(TcpSocket& socket);
  static void alarm_due(time::Timer& timer, time::Instant now, void* context);

  // A segment with what its packet said.
  struct Arrived {
    tcp::Segment segment;
    Flow flow;
    std::uint32_t hash;
    std::uint16_t device;
    std::uint8_t tos;
    bool in_place;  // its headers still stand in front of the payload
  };

  // Segments of one connection that came in a row, on their way to it as one (Linux: GRO).
  struct InputRow {
    Arrived arrived;
    TcpSocket* socket = nullptr;  // nullptr: none
    rte_mbuf* last = nullptr;     // of the chained payload
    std::uint16_t id = 0;         // of the last datagram
    std::uint8_t id_step = 0;
  };

  // tcp_gro.cpp
  InputRow& row_for(packet::PacketRef packet);
  bool begin_input_row(InputRow& row);
  bool join(packet::Turn& turn, InputRow& row, packet::Packet& packet);
  void end_input_row(packet::Turn& turn, InputRow& row);

  // tcp_input.cpp
  static bool checksum_good(packet::PacketRef packet);
  bool read(packet::Turn& turn, packet::Packet&& packet, Arrived& out);
  void take(packet::Turn& turn, Arrived& arrived);
  void hear(packet::Turn& turn, TcpSocket& socket, Arrived& arrived);
  std::uint32_t find(const Flow& flow, std::uint32_t hash);
  // `device`: of the listener that it came to (Linux: tcp_v4_send_reset, bound_dev_if).
  void reset(packet::Turn& turn, Arrived& arrived, std::uint16_t device = packet::kNoDevice);
  void end(packet::Turn& turn, Arrived& arrived, Drop why);

  // tcp_listen.cpp
  void take_half_open(packet::Turn& turn, HalfOpenEntry& entry, Arrived& arrived);
  void take_time_wait(packet::Turn& turn, std::uint32_t number, Arrived& arrived);
  void take_listener(packet::Turn& turn, Listener& listener, Arrived& arrived,
                     std::optional<tcp::Seq> initial = {});
  void take_syn(packet::Turn& turn, Listener& listener, Arrived& arrived,
                std::optional<tcp::Seq> initial);
  bool accept(packet::Turn& turn, Listener& listener, Arrived& arrived,
              const tcp::Handshake& handshake, HalfOpenEntry* from);
  TcpSocket* place(time::Instant now, Listener& listener, const Arrived& arrived,
                   HalfOpenEntry* from);
  tcp::PassiveOptions passive_options(const Listener& listener, const Flow& flow) const;
  Listener* listener_of(const HalfOpenEntry& entry);
  void remove(HalfOpenEntry& entry);
  static void half_open_due(time::Timer& timer, time::Instant now, void* context);
  bool backlog_full(const Listener& listener) const;

  // tcp_fast_open.cpp
  bool try_fast_open(packet::Turn& turn, Listener& listener, Arrived& arrived, tcp::Seq initial,
                     std::optional<tcp::FastOpenCookie>& answer);
  bool open_early(packet::Turn& turn, Listener& listener, Arrived& arrived, tcp::Seq initial,
                  const tcp::FastOpenCookie* answer);
  void leave_early(packet::Turn& turn, TcpSocket& socket);
  tcp::FastOpenAttempt attempt_for(packet::Turn& turn, const Flow& flow, const OptionSet& options,
                                   bool& proves_path);

  // tcp_time_wait.cpp
  void enter_time_wait(packet::Turn& turn, TcpSocket& socket);
  void remove_time_wait(std::uint32_t number);
  void queue_time_wait(std::uint32_t number);
  void unqueue_time_wait(std::uint32_t number);
  static void time_wait_due(time::Timer& timer, time::Instant now, void* context);

  // tcp_connect.cpp
  int choose_port(packet::Turn& turn, std::uint32_t range, Flow& flow, std::uint32_t& hash);
  bool flow_is_free(packet::Turn& turn, const Flow& flow, std::uint32_t hash, bool bound);
  int start(packet::Turn& turn, LaneSession& session, const Message& request,
            const OptionSet& options, Flow flow, const ip::OutputRoute& way);
  void refuse_connect(LaneSession& session, const Message& request, int error);

  // tcp_output.cpp
  ip::SendRequest request_for(const Flow& flow, const OptionSet& options, tcp::Ecn ecn) const;
  packet::Packet build(packet::Turn& turn, const Flow& flow, const tcp::SegmentOut& segment,
                       const tcp::Connection* connection, unsigned& header_length);
  bool put_payload(packet::Turn& turn, packet::Packet& packet, const tcp::Connection& connection,
                   tcp::SeqRange payload);
  bool refer(packet::Turn& turn, packet::Chain& chain, packet::PacketRef piece,
             std::uint32_t offset, std::uint32_t count);
  void finish_header(packet::Packet& packet, const Flow& flow);
  void send_again(packet::Turn& turn, const Flow& flow, const OptionSet& options,
                  const tcp::SegmentOut& syn_ack);
  void send_bare(packet::Turn& turn, const Flow& flow, const OptionSet& options,
                 const tcp::SegmentOut& segment);

  // tcp_events.cpp
  void begin_row(packet::Turn& turn, TcpSocket& socket);
  void answer(packet::Turn& turn, TcpSocket& socket, Answers answers);
  void output(packet::Turn& turn, TcpSocket& socket);
  bool output_all(packet::Turn& turn, Waiting& waiting);
  void has_answered(TcpSocket& socket);
  bool tell_opening(packet::Turn& turn, TcpSocket& socket);
  bool tell_data(packet::Turn& turn, TcpSocket& socket);
  void tell_urgent(TcpSocket& socket);
  bool worth_telling(const tcp::SendRoom& room, const TcpSocket& socket) const;
  void tell_room(TcpSocket& socket, std::int32_t credit, std::uint32_t spare);
  void recall(TcpSocket& socket);
  bool tell_end(packet::Turn& turn, TcpSocket& socket);
  void make_orphan(packet::Turn& turn, TcpSocket& socket);
  void release(packet::Turn& turn, TcpSocket& socket);
  void leave_backlog(TcpSocket& socket);

  Context& context_;
  tcp::Counters& counters_;
  tcp::SentPool sent_pool_;
  tcp::Engine engine_;
  tcp::FastOpenCache fast_open_cache_;
  table::FlowTable flows_;
  Slab<TcpSocket> connections_;
  Slab<Awake> awake_;
  IntrusiveList<Awake, &Awake::hook> looked_at_;  // who comes next stands in front
  Slab<Alarm, 8> alarms_;
  Slab<SharedOptions> options_;
  SharedOptions* last_options_ = nullptr;  // most connections have those of the one before
  std::uint32_t resting_ = 0;
  bool alarms_short_ = false;  // a connection could not rest for want of one
  Slab<HalfOpenEntry, 8> half_open_;
  Slab<TimeWaitSlot, 8> time_wait_;
  Slab<Listener> listeners_;
  BoundTable<Listener> bound_;
  IntrusiveList<TcpSocket, &TcpSocket::ready> ready_;
  // Those that wait for an answer, and those whose program has looked for more without one. It may
  // have another look to take: for what came with a connection that it accepts first.
  Waiting waiting_, passed_over_;
  time::Instant waiting_since_;
  // As long as an ACK may be delayed at least (Linux: TCP_DELACK_MIN).
  static constexpr time::Duration kLongestWait = tcp::AckPolicy::kMin;
  // As many connections may have a row at a time; each has its place by its address and ports.
  static constexpr unsigned kInputRows = 8;
  InputRow input_rows_[kInputRows];
  std::uint32_t open_rows_ = 0;  // a bit for each that has begun
  packet::Counter joined_;
  // Whose requests came last, with what they leave to be done once.
  struct Row {
    TcpSocket* socket = nullptr;
    std::uint32_t consumed = 0;
    bool sends = false;
  } row_;
  std::uint32_t first_wait_ = kNone, last_wait_ = kNone;
  struct WaitTimer : time::Timer {
    explicit WaitTimer(TcpSockets& sockets)
        : time::Timer(&TcpSockets::time_wait_due), owner(sockets) {}
    TcpSockets& owner;
  } wait_timer_{*this};
};

}  // namespace linnet::socket
