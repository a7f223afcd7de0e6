// SPDX-License-Identifier: BSD-3-Clause
// What travels over a TCP socket. Reading: Linux net/ipv4/tcp.c, tcp_sendmsg and tcp_recvmsg.
#include <linnet/socket.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "shim/pieces.hpp"
#include "shim/stream.hpp"
#include "socket/options.hpp"

namespace linnet::shim {

// --- Sending.

// Linux: sk_stream_error.
ssize_t Stream::broken_pipe(Lock& lock, int flags) {
  if (const int error = take_error(); error != 0) return error;
  lock.unlock();  // the signal's handler may close us: nothing of ours is looked at behind it
  if ((flags & MSG_NOSIGNAL) == 0) pthread_kill(pthread_self(), SIGPIPE);
  return -EPIPE;
}

int Stream::wait_until_connected(Lock& lock, time::Instant until, bool may_block) {
  if (state_ != State::SynSent) return 0;
  const auto waited = wait(lock, until, may_block, [this] { return state_ != State::SynSent; });
  return waited == Waited::Done ? 0 : result_of(waited);
}

// Gives a message with a buffer to the lane. False: the connection ended while the ring was full;
// the buffer is still ours.
bool Stream::push(Lock& lock, const Message& message) {
  while (!program().try_request(lane_, message)) {
    const unsigned lane = lane_;
    lock.unlock();
    program().wait_for_ring(lane);
    lock.lock();
    if (!handle_ || state_ != State::Established) return false;
  }
  return true;
}

// Linux: sk_stream_wait_memory. Who polls must not be told that it can write while it cannot.
void Stream::starve() {
  if (std::exchange(starved_, true)) return;
  program().starve(number_);
  publish(mask());
}

void Stream::buffers_back() {
  const std::lock_guard lock(mutex_);
  starved_ = false;
  happened(POLLOUT | POLLWRNORM);
}

// Copies what the credit allows into buffers and sends them. How many bytes went.
std::size_t Stream::fill(Lock& lock, const SendCall& call, std::size_t from) {
  std::size_t sent = 0;
  Pieces pieces(call.parts, from);
  auto buffer = from < call.bytes && credit_ > 0 ? program().take_buffer() : std::nullopt;
  while (buffer && credit_ > 0 && state_ == State::Established) {
    const auto want =
        std::min<std::uint64_t>(call.bytes - from - sent, static_cast<std::uint64_t>(credit_));
    const auto count = static_cast<std::uint16_t>(std::min<std::uint64_t>(want, buffer->length));
    pieces.read(program().address(*buffer), count);
    Message message = this->message(RequestKind::Send);
    message.handle = handle_;
    message.buffer = {buffer->index, buffer->offset, count};
    const bool last = from + sent + count == call.bytes;
    credit_ -= count;
    const auto next = !last && credit_ > 0 ? program().take_buffer() : std::nullopt;
    // What waits for room does not hold back what has found some (Linux: tcp_sendmsg pushes before
    // it waits, without MSG_MORE).
    if (next || (last && (call.flags & MSG_MORE) != 0))
      message.flags |= socket::message_flag::kPushLater;
    if (last && (call.flags & MSG_OOB) != 0) message.flags |= socket::message_flag::kUrgent;
    if (!push(lock, message)) {
      if (next) program().give_back(*next);
      break;
    }
    sent += count;
    buffer = next;
  }
  if (buffer)
    program().give_back(*buffer);
  else if (from + sent < call.bytes && credit_ > 0 && state_ == State::Established)
    starve();
  if (sent > 0) publish(mask());
  return sent;
}

// One piece that one buffer takes, on a connection that may send it: what most calls are. False:
// nothing was done.
bool Stream::send_small(const SendCall& call) {
  constexpr int kPlain = MSG_DONTWAIT | MSG_NOSIGNAL;
  const bool plain = state_ == State::Established && error_ == 0 && shutdown_ == 0 &&
                     (call.flags & ~kPlain) == 0 && call.parts.size() == 1;
  if (!plain || call.bytes == 0 || static_cast<std::int64_t>(call.bytes) > credit_) return false;
  Program& to = program();
  const auto buffer = to.take_buffer();
  if (!buffer) return false;
  if (call.bytes <= buffer->length) {
    std::memcpy(to.address(*buffer), call.parts[0].iov_base, call.bytes);
    const socket::BufferRef filled{buffer->index, buffer->offset,
                                   static_cast<std::uint16_t>(call.bytes)};
    if (to.try_send(lane_, handle_, number_, filled)) {
      credit_ -= static_cast<std::int64_t>(call.bytes);
      publish(mask());
      return true;
    }
  }
  program().give_back(*buffer);
  return false;
}

ssize_t Stream::send(const SendCall& call) {
  if ((call.flags & (MSG_DONTROUTE | MSG_ERRQUEUE)) != 0) return -EOPNOTSUPP;
  const bool may_block = !nonblocking() && (call.flags & MSG_DONTWAIT) == 0;
  Lock lock(mutex_);
  if (send_small(call)) [[likely]] {
    const unsigned lane = lane_;
    lock.unlock();
    program().carry_out(lane);
    return static_cast<ssize_t>(call.bytes);
  }
  const time::Instant until = deadline(options_->send_timeout);
  std::size_t sent = 0;
  if (deferred_ || (call.flags & MSG_FASTOPEN) != 0) [[unlikely]] {
    const ssize_t first = send_with_syn(lock, call, may_block);
    if (first < 0 || state_ == State::SynSent) return first;
    sent = static_cast<std::size_t>(first);
    if (sent > 0 && sent == call.bytes) return first;
  }
  if (const int bad = wait_until_connected(lock, until, may_block); bad != 0) return bad;
  while (true) {
    if (error_ != 0 || state_ != State::Established || (shutdown_ & kSendShut) != 0)
      return sent > 0 ? static_cast<ssize_t>(sent) : broken_pipe(lock, call.flags);
    const std::size_t went = fill(lock, call, sent);
    sent += went;
    const std::int64_t had = credit_;  // more may come while the lock is given up
    const unsigned lane = lane_;
    lock.unlock();
    if (went > 0) program().carry_out(lane);
    if (sent == call.bytes) return static_cast<ssize_t>(sent);
    lock.lock();
    if (credit_ > had || (had > 0 && went > 0)) continue;
    // No credit: whoever has run out of it sleeps until there is room worth waking for (Linux:
    // sk_stream_wait_memory). Or no buffer: nothing tells when one comes back.
    const time::Instant again =
        had > 0 ? std::min(until, program().host().now() + Program::kBufferRetry) : until;
    const auto waited = wait(lock, again, may_block, [&] {
      return (credit_ > had && writable()) || error_ != 0 || state_ != State::Established ||
             (shutdown_ & kSendShut) != 0;
    });
    if (waited == Waited::TimedOut && again < until) continue;
    if (waited != Waited::Done) return sent > 0 ? static_cast<ssize_t>(sent) : result_of(waited);
  }
}

int Stream::send_lent(std::span<const ln_buffer> buffers, int flags) {
  const bool may_block = !nonblocking() && (flags & MSG_DONTWAIT) == 0;
  Lock lock(mutex_);
  const time::Instant until = deadline(options_->send_timeout);
  int taken = 0;
  for (const ln_buffer& buffer : buffers) {
    const auto waited = wait(lock, until, may_block, [&] {
      return credit_ > 0 || error_ != 0 || state_ != State::Established ||
             (shutdown_ & kSendShut) != 0;
    });
    if (waited != Waited::Done) return taken > 0 ? taken : result_of(waited);
    if (error_ != 0 || state_ != State::Established || (shutdown_ & kSendShut) != 0)
      return taken > 0 ? taken : static_cast<int>(broken_pipe(lock, flags));
    Message message = this->message(RequestKind::Send);
    message.handle = handle_;
    message.buffer = buffer_of(buffer);
    const bool last = &buffer == &buffers.back();
    if (!last || (flags & MSG_MORE) != 0) message.flags |= socket::message_flag::kPushLater;
    credit_ -= static_cast<std::int64_t>(buffer.length);
    if (!push(lock, message)) return taken > 0 ? taken : static_cast<int>(broken_pipe(lock, flags));
    ++taken;
  }
  publish(mask());
  const unsigned lane = lane_;
  lock.unlock();
  program().carry_out(lane);
  return taken;
}

// --- Receiving.

// A buffer that was read to its end goes back, and the window opens by it: a part of a buffer pins
// all of it.
void Stream::consume(std::uint32_t bytes, std::vector<Message>& requests) {
  Segment& segment = received_.front();
  segment.used += bytes;
  received_bytes_ -= bytes;
  read_at_ += bytes;
  if (read_at_ > urgent_at_) urgent_ = false;
  if (segment.left() > 0) return;
  const Segment done = received_.pop();
  Message message = this->message(RequestKind::Consumed);
  message.handle = handle_;
  message.buffer = done.buffer;
  message.value = done.buffer.length;
  requests.push_back(message);
}

// Gives up the lock.
void Stream::send_requests(Lock& lock, std::vector<Message>& requests) {
  constexpr std::size_t kTrain = 64;  // written at once
  const unsigned lane = lane_;
  const bool open = static_cast<bool>(handle_);
  lock.unlock();
  if (requests.empty()) return;
  if (open) {
    for (std::span<const Message> left = requests; !left.empty();) {
      const std::size_t count = std::min(left.size(), kTrain);
      program().request(lane, left.first(count));
      left = left.subspan(count);
    }
    program().carry_out(lane);
  } else {
    for (const Message& request : requests)
      program().give_back(request.buffer);
  }
  requests.clear();
}

// Copies what there is, up to the urgent mark. Looks only, with MSG_PEEK.
std::size_t Stream::copy_available(ReceiveCall& call, std::size_t from,
                                   std::vector<Message>& requests) {
  const bool peek = (call.flags & MSG_PEEK) != 0;
  const bool in_line = options_.urgent_in_line();
  Pieces pieces(call.parts, from);
  std::size_t copied = 0, index = 0;
  std::uint64_t at = read_at_;
  std::uint32_t used = received_.empty() ? 0 : received_.front().used;
  const auto advance = [&](std::uint32_t count) {
    at += count;
    used += count;
    const bool whole = used == received_[index].buffer.length;
    if (!peek) consume(count, requests);
    if (!whole) return;
    index += peek ? 1 : 0;
    used = 0;
  };
  while (from + copied < call.room && index < received_.size()) {
    std::uint32_t count = received_[index].buffer.length - used;
    if (urgent_ && urgent_at_ >= at) {
      const std::uint64_t before = urgent_at_ - at;
      if (before == 0 && from + copied > 0) break;
      if (before == 0 && !in_line) {
        advance(1);  // the urgent byte is no part of the stream
        continue;
      }
      if (before > 0) count = static_cast<std::uint32_t>(std::min<std::uint64_t>(count, before));
    }
    count = static_cast<std::uint32_t>(std::min<std::size_t>(count, call.room - from - copied));
    const std::byte* const bytes = program().address(received_[index].buffer) + used;
    if ((call.flags & MSG_TRUNC) == 0) pieces.write(bytes, count);
    copied += count;
    advance(count);
  }
  return copied;
}

ssize_t Stream::receive_urgent(ReceiveCall& call) {
  if (!urgent_ || urgent_read_ || options_.urgent_in_line()) return -EINVAL;
  if (state_ == State::Close && attempt_ == Attempt::Unconnected) return -ENOTCONN;
  if (arrived_at_ <= urgent_at_) return -EAGAIN;
  if (read_at_ > urgent_at_) return -EINVAL;
  std::uint64_t skip = urgent_at_ - read_at_;
  std::size_t index = 0;
  for (; skip >= received_[index].left(); ++index)
    skip -= received_[index].left();
  const Segment& segment = received_[index];
  const std::byte* const byte = program().address(segment.buffer) + segment.used + skip;
  if (call.room > 0 && (call.flags & MSG_TRUNC) == 0) Pieces(call.parts, 0).write(byte, 1);
  if ((call.flags & MSG_PEEK) == 0) urgent_read_ = true;
  call.result_flags |= call.room > 0 ? MSG_OOB : MSG_TRUNC;
  publish(mask());
  return call.room > 0 ? 1 : 0;
}

// Whether all that is there stands in one buffer and fits into the call's one piece: what most
// calls find.
bool Stream::receives_whole(const ReceiveCall& call) const {
  constexpr int kPlain = MSG_DONTWAIT | MSG_NOSIGNAL;
  return state_ == State::Established && received_.size() == 1 && !urgent_ && handle_ &&
         (call.flags & ~kPlain) == 0 && call.parts.size() == 1 && received_bytes_ <= call.room &&
         readable();
}

// Gives up the lock.
ssize_t Stream::receive_whole(Lock& lock, const ReceiveCall& call) {
  Program& to = program();
  const Segment segment = received_.pop();
  const std::uint32_t count = segment.left();
  std::memcpy(call.parts[0].iov_base, to.address(segment.buffer) + segment.used, count);
  received_bytes_ -= count;
  read_at_ += count;
  publish(mask());
  const bool kept = to.keep(segment.buffer);
  const auto fill = [&](Message& message) {
    message.kind = static_cast<std::uint8_t>(RequestKind::Consumed);
    message.program = number_;
    message.handle = handle_;
    if (!kept) message.buffer = segment.buffer;
    message.value = segment.buffer.length;
  };
  const unsigned lane = lane_;
  const bool written = to.try_write(lane, fill);
  Message message;
  if (!written) [[unlikely]]
    fill(message);
  lock.unlock();
  if (!written) [[unlikely]]
    to.request(lane, message);
  to.carry_out(lane);
  return count;
}

// Linux: tcp_inq_hint. Behind the last byte before FIN there is something to read yet.
void Stream::tell_waiting(ReceiveCall& call) const {
  if (call.control.empty()) return;
  const int waiting = static_cast<int>(received_bytes_);
  const int told = waiting == 0 && end_ ? 1 : waiting;
  put_control(call, IPPROTO_TCP, TCP_CM_INQ, &told, sizeof told);
}

ssize_t Stream::receive(ReceiveCall& call) {
  Lock lock(mutex_);
  if (call.name_length != nullptr) *call.name_length = 0;
  if (receives_whole(call) && !options_.tells_waiting()) [[likely]]
    return receive_whole(lock, call);
  if ((call.flags & MSG_ERRQUEUE) != 0) return -EAGAIN;
  if (state_ == State::Listen) return -ENOTCONN;
  if ((call.flags & MSG_OOB) != 0) return receive_urgent(call);
  if (call.room == 0 && received_bytes_ > 0) return 0;
  const bool may_block = !nonblocking() && (call.flags & MSG_DONTWAIT) == 0;
  const bool peek = (call.flags & MSG_PEEK) != 0;
  const time::Instant until = deadline(options_->receive_timeout);
  const auto low = static_cast<std::size_t>(options_.low_water());
  const std::size_t target =
      (call.flags & MSG_WAITALL) != 0
          ? call.room
          : std::clamp<std::size_t>(low, 1, std::max<std::size_t>(1, call.room));
  thread_local std::vector<Message> requests;  // no thread reads twice at a time
  std::size_t copied = 0;
  while (true) {
    const std::size_t more = copy_available(call, peek ? 0 : copied, requests);
    copied = peek ? more : copied + more;
    const bool at_mark = copied > 0 && urgent_ && urgent_at_ == read_at_;
    if (copied >= target || at_mark) break;
    if (error_ != 0 || at_end()) break;
    const std::size_t have = received_bytes_;  // more may come while the lock is given up
    send_requests(lock, requests);             // before a sleep: the window opens
    lock.lock();
    const auto waited = wait(lock, until, may_block, [&] {
      return received_bytes_ > have || error_ != 0 || at_end() || state_ == State::Listen;
    });
    if (waited == Waited::Done) continue;
    if (copied == 0) return result_of(waited);
    break;
  }
  publish(mask());
  if (options_.tells_waiting() && error_ == 0) tell_waiting(call);
  send_requests(lock, requests);
  if (copied > 0) return static_cast<ssize_t>(copied);
  lock.lock();
  if (error_ != 0) return take_error();
  if (state_ == State::Close && attempt_ == Attempt::Unconnected) return -ENOTCONN;
  return 0;
}

int Stream::borrow(std::span<ln_buffer> buffers, int flags) {
  if (buffers.empty()) return -EINVAL;
  Lock lock(mutex_);
  if (state_ == State::Listen) return -ENOTCONN;
  const bool may_block = !nonblocking() && (flags & MSG_DONTWAIT) == 0;
  const auto waited = wait(lock, deadline(options_->receive_timeout), may_block,
                           [this] { return received_bytes_ > 0 || error_ != 0 || at_end(); });
  if (waited != Waited::Done) return result_of(waited);
  if (received_bytes_ == 0) {
    if (error_ != 0) return take_error();
    return state_ == State::Close && attempt_ == Attempt::Unconnected ? -ENOTCONN : 0;
  }
  std::size_t lent = 0;
  Message message = this->message(RequestKind::Consumed);
  message.handle = handle_;
  while (lent < buffers.size() && !received_.empty()) {
    const Segment segment = received_.pop();
    buffers[lent].data = program().address(segment.buffer) + segment.used;
    buffers[lent].length = segment.left();
    buffers[lent].token = segment.buffer.index;
    received_bytes_ -= segment.left();
    read_at_ += segment.left();
    if (read_at_ > urgent_at_) urgent_ = false;
    message.value += segment.buffer.length;
    ++lent;
  }
  publish(mask());
  const unsigned lane = lane_;
  const bool open = static_cast<bool>(handle_);
  lock.unlock();
  if (open) {
    program().request(lane, message);
    program().carry_out(lane);
  }
  return static_cast<int>(lent);
}

// --- Looking.

int Stream::query(unsigned long request, int& answer) {
  program().host().drive();
  program().pump();
  Lock lock(mutex_);
  const bool listens = state_ == State::Listen;
  if (listens && (request == FIONREAD || request == SIOCOUTQ)) return -EINVAL;
  switch (request) {
    case FIONREAD: {
      std::uint64_t readable = received_bytes_;
      if (urgent_ && urgent_at_ >= read_at_ && !options_.urgent_in_line())
        readable = std::min(readable, urgent_at_ - read_at_);
      answer = static_cast<int>(readable);
      return 0;
    }
    case SIOCATMARK:
      answer = urgent_ && urgent_at_ == read_at_ ? 1 : 0;
      return 0;
    case SIOCOUTQ: {
      // Exactly, so the lane is asked: it tells of credit in larger steps.
      answer = 0;
      if (state_ != State::Established) return 0;
      const auto sizes = ask(lock, socket::QueryKind::QueueSizes);
      if (sizes) answer = static_cast<int>(static_cast<std::uint32_t>(sizes->value));
      return 0;
    }
    default:
      return -ENOTTY;
  }
}

int Stream::get_special(int level, int name, void* value, socklen_t* length) {
  if (level == IPPROTO_TCP && name == TCP_MAXSEG) return segment_size(value, length);
  if (level == IPPROTO_TCP && name == TCP_INFO) return tcp_info(value, length);
  if (level == IPPROTO_IP && name == IP_MTU) return -ENOTCONN;
  if (level == IPPROTO_TCP && name == TCP_FASTOPEN_KEY) return fast_open_key(value, length);
  return Socket::get_special(level, name, value, length);
}

// What the connection's lane answers; nothing where the connection ended meanwhile.
std::optional<Message> Stream::ask(Lock& lock, socket::QueryKind what) {
  Message query = message(RequestKind::Query);
  query.handle = handle_;
  query.value = static_cast<std::uint64_t>(what);
  query.cookie = ++rare_.change().asked;
  std::vector<Question>& questions = rare_.change().questions;
  questions.push_back({query.cookie});
  const unsigned lane = lane_;
  lock.unlock();
  program().request(lane, query);
  program().carry_out(lane);
  lock.lock();
  const auto mine = [&] {
    return std::find_if(questions.begin(), questions.end(),
                        [&](const Question& question) { return question.cookie == query.cookie; });
  };
  program().wait_for_lane(*this, lock,
                          [&] { return mine()->answer.has_value() || handle_ != query.handle; });
  const std::optional<Message> answer = mine()->answer;
  questions.erase(mine());
  return answer;
}

int Stream::tcp_info(void* value, socklen_t* length) {
  struct tcp_info info{};
  Lock lock(mutex_);
  info.tcpi_state = state_ == State::Listen ? 10 : 7;  // TCP_LISTEN, TCP_CLOSE
  if (state_ == State::Listen) {
    info.tcpi_unacked = static_cast<std::uint32_t>(rare_->accepted.size());
    info.tcpi_sacked = static_cast<std::uint32_t>(rare_->backlog);
  }
  if (!handle_) {
    const std::vector<std::byte>& last = rare_->last_info;
    if (state_ == State::Close && !last.empty()) {
      std::memcpy(&info, last.data(), std::min(last.size(), sizeof info));
      info.tcpi_state = 7;  // one in TIME-WAIT, too
    }
    const auto count = std::min<std::size_t>(*length, sizeof info);
    std::memcpy(value, &info, count);
    *length = static_cast<socklen_t>(count);
    return 0;
  }
  return ask_info(lock, value, length);
}

// What an open connection uses; before, it is an option (Linux: mss_cache, user_mss).
int Stream::segment_size(void* value, socklen_t* length) {
  Lock lock(mutex_);
  if (!handle_ || state_ != State::Established) return -ENOPROTOOPT;
  struct tcp_info info{};
  socklen_t size = sizeof info;
  if (const int bad = ask_info(lock, &info, &size); bad != 0) return bad;
  const auto used = static_cast<int>(info.tcpi_snd_mss);
  *length = std::min<socklen_t>(*length, sizeof used);
  std::memcpy(value, &used, *length);
  return 0;
}

int Stream::ask_info(Lock& lock, void* value, socklen_t* length) {
  const std::optional<Message> answer = ask(lock, socket::QueryKind::TcpInfo);
  if (!answer) return -ENOTCONN;
  const socket::BufferRef buffer = answer->buffer;
  if (buffer.index == socket::BufferRef::kNone) return -ENOBUFS;
  const auto count = std::min<std::size_t>(*length, buffer.length);
  std::memcpy(value, program().address(buffer), count);
  program().give_back(buffer);
  *length = static_cast<socklen_t>(count);
  return 0;
}

}  // namespace linnet::shim
