// SPDX-License-Identifier: BSD-3-Clause
// A TCP socket in the program's memory.
#pragma once

#include <poll.h>

#include "shim/fifo.hpp"
#include "shim/on_demand.hpp"
#include "shim/socket.hpp"
#include "socket/options.hpp"

namespace linnet::shim {

class Stream final : public Socket {
 public:
  explicit Stream(std::shared_ptr<Program> program);

  int connect(const sockaddr* address, socklen_t length) override;
  int listen(int backlog) override;
  int accept(std::shared_ptr<Socket>& made) override;
  ssize_t send(const SendCall& call) override;
  ssize_t receive(ReceiveCall& call) override;
  int shutdown(int how) override;
  int query(unsigned long request, int& answer) override;
  int borrow(std::span<ln_buffer> buffers, int flags) override;
  int send_lent(std::span<const ln_buffer> buffers, int flags) override;
  bool on_event(unsigned lane, const Message& event) override;
  void buffers_back() override;

 protected:
  int on_close() override;
  bool connected() const override { return state_ == State::Established; }
  bool listening() const override { return state_ == State::Listen; }
  std::vector<LaneHandle> handles() const override;
  int get_special(int level, int name, void* value, socklen_t* length) override;
  int judge_option(const OptionRow& row, int& number) const override;
  int set_special(std::unique_lock<Mutex>& lock, int level, int name, const void* value,
                  socklen_t length) override;
  void refresh() override { publish(mask()); }

 private:
  // Of the protocol, as far as calls differ (Linux: sk_state), and of the socket (Linux: SS_*).
  enum class State : std::uint8_t { Close, SynSent, Established, Listen };
  enum class Attempt : std::uint8_t { Unconnected, Connecting, Connected };
  struct Segment {
    socket::BufferRef buffer;
    std::uint32_t used = 0;  // bytes at its start that were read
    std::uint32_t left() const { return buffer.length - used; }
  };
  // A thread that asks its lane.
  struct Question {
    std::uint64_t cookie;
    std::optional<Message> answer{};
  };
  // What a connection that is open does without.
  struct Rare {
    Fifo<std::shared_ptr<Stream>> accepted{};  // of a listener, as the next two
    std::vector<LaneHandle> listens{};
    int backlog = 0;
    std::vector<LaneHandle> closing{};  // not ours any more; their Closed is to come
    std::uint64_t asked = 0;            // cookie of the last query
    std::vector<Question> questions{};
    std::vector<std::byte> last_info{};  // TCP_INFO of a connection that has ended
  };
  using Lock = std::unique_lock<Mutex>;

  // With mutex_ held.
  std::uint32_t mask() const {
    const bool plain = state_ == State::Established && error_ == 0 && shutdown_ == 0 && !end_;
    if (!plain || urgent_) [[unlikely]]
      return rare_mask();
    return (readable() ? POLLIN | POLLRDNORM : 0u) | (writable() ? POLLOUT | POLLWRNORM : 0u);
  }
  std::uint32_t rare_mask() const;
  // `beside`: bytes that are there and no part of the stream. Linux: tcp_stream_is_readable.
  bool readable(unsigned beside = 0) const {
    return received_bytes_ >= static_cast<std::size_t>(options_.low_water()) + beside;
  }
  bool writable() const { return !starved_ && credit_ > mark_; }
  bool at_end() const { return end_ || (shutdown_ & kReceiveShut) != 0 || state_ == State::Close; }
  int aim(const sockaddr* address, socklen_t length);
  // `waiting`: bytes with which this thread sleeps until it is connected, `buffer` included.
  void start_connect(Lock& lock, std::uint8_t flags = 0, const socket::BufferRef& buffer = {},
                     std::size_t waiting = 0);
  ssize_t send_with_syn(Lock& lock, const SendCall& call, bool may_block);
  std::vector<Message> fast_open_messages() const;
  void tell_fast_open(Lock& lock);
  int finish_connect(Lock& lock, int busy, bool may_block);
  int disconnect(Lock& lock);
  // A connection that a lane has accepted for a listener with these options.
  void arrive(unsigned lane, const Message& event, const OptionValues& options);
  // The program takes it off the listener's queue; or nobody will.
  void adopt();
  void abandon();
  void refuse(unsigned lane);
  void accepted(unsigned lane, const Message& event);
  int wait_until_connected(Lock& lock, time::Instant until, bool may_block);
  ssize_t broken_pipe(Lock& lock, int flags);
  bool push(Lock& lock, const Message& message);
  void starve();
  bool send_small(const SendCall& call);
  std::size_t fill(Lock& lock, const SendCall& call, std::size_t from);
  void happened(std::uint32_t events) {
    const std::uint32_t now = mask();
    publish(now, events & now);
  }
  std::size_t copy_available(ReceiveCall& call, std::size_t from, std::vector<Message>& requests);
  void consume(std::uint32_t bytes, std::vector<Message>& requests);
  void send_requests(Lock& lock, std::vector<Message>& requests);
  ssize_t receive_urgent(ReceiveCall& call);
  void tell_waiting(ReceiveCall& call) const;
  bool receives_whole(const ReceiveCall& call) const;
  ssize_t receive_whole(Lock& lock, const ReceiveCall& call);
  void drop_received();
  bool may_leave();
  bool handle_closed(unsigned lane, const Message& event);
  void keep_info(const Message& event);
  void opened(unsigned lane, const Message& event);
  void connection_event(const Message& event);
  void failed(int error);
  void refused(int error);
  void answered(const Message& event);
  bool is_stale(unsigned lane, const Message& event) const;
  void discard(unsigned lane, Handle handle);
  void name_local(const Endpoint& local);
  void forget_local();
  std::optional<Message> ask(Lock& lock, socket::QueryKind what);
  int tcp_info(void* value, socklen_t* length);
  int ask_info(Lock& lock, void* value, socklen_t* length);
  int segment_size(void* value, socklen_t* length);
  int fast_open_key(void* value, socklen_t* length);
  void close_listener(Lock& lock);

  State state_ = State::Close;
  Attempt attempt_ = Attempt::Unconnected;
  bool end_ = false;  // the peer's FIN
  unsigned lane_ = 0;
  Handle handle_{};           // of a connection
  unsigned opening_ = 0;      // Opened that are to come
  unsigned cancelled_ = 0;    // such as nobody wants any more
  bool deferred_ = false;     // connect waits for data to send (TCP_FASTOPEN_CONNECT)
  bool refused_ = false;      // by its lane, before there was a connection
  bool left_ = false;         // the number is given away
  std::uint16_t in_syn_ = 0;  // bytes that the SYN took
  Fifo<Segment> received_;
  std::size_t received_bytes_ = 0;
  std::uint64_t read_at_ = 0;     // of the stream: bytes that were read
  std::uint64_t arrived_at_ = 0;  // bytes that came
  bool urgent_ = false;           // there is a mark, at urgent_at_
  bool urgent_read_ = false;      // its byte was read
  std::uint64_t urgent_at_ = 0;
  // Bytes that may be sent; a lent buffer goes whole, and may leave less than nothing, as a bound
  // does that was set meanwhile.
  std::int64_t credit_ = 0;
  std::int64_t mark_ = 0;  // with so much left it is not writable (Linux: sk_stream_is_writeable)
  bool starved_ = false;   // there was credit and no free buffer: not writable until one is back
  OnDemand<Rare> rare_;
};

}  // namespace linnet::shim
