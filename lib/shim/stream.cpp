// SPDX-License-Identifier: BSD-3-Clause
// Opening, closing and events of a TCP socket. Reading: Linux net/ipv4/af_inet.c.
#include "shim/stream.hpp"

#include <linnet/socket.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "socket/options.hpp"

namespace linnet::shim {
namespace {

constexpr std::uint32_t kIn = POLLIN | POLLRDNORM, kOut = POLLOUT | POLLWRNORM;

}  // namespace

// A million of them may be idle.
static_assert(sizeof(Stream) <= 256);

Stream::Stream(std::shared_ptr<Program> program)
    : Socket(File::Kind::Stream, std::move(program), socket::Kind::Stream, SOCK_STREAM,
             IPPROTO_TCP) {
  publish(mask());
}

// Linux: tcp_poll.
std::uint32_t Stream::rare_mask() const {
  if (state_ == State::Listen) return rare_->accepted.empty() ? 0u : kIn;
  std::uint32_t out = error_ != 0 ? POLLERR : 0u;
  if (state_ == State::SynSent) return deferred_ ? out | kOut : out;
  if (state_ == State::Close || (shutdown_ == (kReceiveShut | kSendShut))) out |= POLLHUP;
  if ((shutdown_ & kReceiveShut) != 0 || end_) out |= kIn | POLLRDHUP;
  if (state_ == State::Close && attempt_ == Attempt::Connected) out |= kIn | POLLRDHUP;
  // Linux: tcp_poll. The urgent byte is no part of what a read finds.
  const bool at_mark = urgent_ && urgent_at_ == read_at_ && !options_.urgent_in_line();
  if (readable(at_mark ? 1 : 0)) out |= kIn;
  if ((shutdown_ & kSendShut) != 0 || state_ == State::Close || writable()) out |= kOut;
  if (urgent_ && !urgent_read_ && arrived_at_ > urgent_at_) out |= POLLPRI;
  return out;
}

// --- Opening.

int Stream::connect(const sockaddr* address, socklen_t length) {
  if (address == nullptr) return -EFAULT;
  if (length < sizeof(sa_family_t)) return -EINVAL;
  Lock lock(mutex_);
  if (closed_) return -EBADF;
  if (address->sa_family == AF_UNSPEC) return disconnect(lock);
  const bool may_block = !nonblocking();
  if (attempt_ == Attempt::Connected) return -EISCONN;
  if (deferred_) return -EISCONN;
  if (attempt_ == Attempt::Connecting) return finish_connect(lock, -EALREADY, may_block);
  if (state_ != State::Close) return -EISCONN;
  if (const int bad = aim(address, length); bad != 0) return bad;
  if (options_.get(IPPROTO_TCP, TCP_FASTOPEN_CONNECT) == 0) {
    start_connect(lock);
  } else {
    start_connect(lock, socket::message_flag::kFastOpen | socket::message_flag::kDefer);
    program().wait_for_lane(*this, lock, [this] { return opening_ == 0; });
    if (deferred_) return 0;
  }
  // No port, no memory: known before anything was sent. Linux does not wait for what the loopback
  // device does within the call either.
  return may_block || refused_ ? finish_connect(lock, -EINPROGRESS, true) : -EINPROGRESS;
}

// Where a connection is to lead. 0 or -errno.
int Stream::aim(const sockaddr* address, socklen_t length) {
  Endpoint peer;
  if (const int bad = parse_name(address, length, peer); bad != 0) return bad;
  // Linux: ip_route_connect takes the any address for the host itself.
  if (peer.address.is_any()) peer.address = Ipv4Address(127, 0, 0, 1);
  if (peer.address.is_multicast() || peer.address.is_limited_broadcast()) return -ENETUNREACH;
  if (!program().host().source_for(peer.address, local_.device)) return -ENETUNREACH;
  forget_local();
  // A port given to bind went with a listener that was shut down.
  if (local_.port != 0) {
    if (const int bad = bind_any_port(); bad != 0) return bad;
  }
  peer_ = peer;
  error_ = 0;
  return 0;
}

void Stream::start_connect(Lock& lock, std::uint8_t flags, const socket::BufferRef& buffer,
                           std::size_t waiting) {
  state_ = State::SynSent;
  attempt_ = Attempt::Connecting;
  end_ = deferred_ = refused_ = false;
  shutdown_ = 0;
  opening_ = 1;
  in_syn_ = 0;
  if (!rare_->last_info.empty()) rare_.change().last_info.clear();
  credit_ = mark_ = 0;
  lane_ = program().host().lane_for(number_, program().lanes());
  publish(mask());
  std::vector<Message> requests = option_messages();
  Message connect = message(RequestKind::Connect);
  connect.flags = flags;
  connect.buffer = buffer;
  connect.value = waiting;
  requests.push_back(connect);
  const unsigned lane = lane_;
  lock.unlock();
  program().request(lane, requests);
  program().carry_out(lane);
  lock.lock();
}

// `busy`: what a call that does not wait says while the handshake goes on.
int Stream::finish_connect(Lock& lock, int busy, bool may_block) {
  if (state_ == State::SynSent) {
    const auto waited = wait(lock, deadline(options_->send_timeout), may_block,
                             [this] { return state_ != State::SynSent; });
    if (waited == Waited::Interrupted || waited == Waited::Closed) return result_of(waited);
    if (waited != Waited::Done) return busy;
  }
  if (state_ == State::Established) {
    attempt_ = Attempt::Connected;
    return 0;
  }
  const int error = std::exchange(error_, 0);
  attempt_ = Attempt::Unconnected;
  shutdown_ = 0;
  publish(mask());
  return error != 0 ? -error : -ECONNABORTED;
}

// connect to AF_UNSPEC (Linux: tcp_disconnect).
int Stream::disconnect(Lock& lock) {
  if (state_ == State::Listen) close_listener(lock);
  const bool resets = state_ == State::Established || state_ == State::SynSent;
  // What is to be closed is named by the lane's answer to Connect; it comes in a moment.
  if (state_ == State::SynSent)
    program().wait_for_lane(*this, lock, [this] { return opening_ == 0; });
  cancelled_ += std::exchange(opening_, 0);
  if (handle_) {
    Message close = message(RequestKind::Close);
    close.handle = std::exchange(handle_, {});
    close.flags = socket::message_flag::kAbort;
    const unsigned lane = lane_;
    rare_.change().closing.push_back({lane, close.handle});
    lock.unlock();
    program().request(lane, close);
    program().carry_out(lane);
    lock.lock();
  }
  state_ = State::Close;
  attempt_ = Attempt::Unconnected;
  drop_received();
  if (!rare_->last_info.empty()) rare_.change().last_info.clear();
  if (resets) error_ = ECONNRESET;
  shutdown_ = 0;
  end_ = urgent_ = deferred_ = false;
  peer_ = {};
  if (!port_given_) release_port();
  forget_local();
  publish(mask(), mask());
  return 0;
}

int Stream::listen(int backlog) {
  Lock lock(mutex_);
  if (closed_) return -EBADF;
  if (attempt_ != Attempt::Unconnected || (state_ != State::Close && state_ != State::Listen))
    return -EINVAL;
  const auto most = static_cast<int>(program().settings().somaxconn.load());
  rare_.change().backlog = backlog < 0 ? most : std::min(backlog, most);
  if (const int bad = bind_any_port(); bad != 0) return bad;
  if (const int taken = program().ports().listen(ticket_); taken != 0) return -taken;
  std::vector<Message> requests = option_messages();
  Message listen = message(RequestKind::Listen);
  listen.value = static_cast<std::uint64_t>(rare_->backlog);
  requests.push_back(listen);
  const bool first = state_ != State::Listen;
  state_ = State::Listen;
  opening_ += first ? program().lanes() : 0;
  error_ = 0;
  const std::vector<LaneHandle> before = rare_->listens;
  lock.unlock();
  for (unsigned lane = 0; lane < program().lanes(); ++lane) {
    for (const LaneHandle& at : before) {
      if (at.lane == lane) requests.back().handle = at.handle;
    }
    program().request(lane, requests);
    program().carry_out(lane);
  }
  lock.lock();
  program().wait_for_lane(*this, lock, [this] { return opening_ == 0; });
  if (error_ != 0) {
    const int error = std::exchange(error_, 0);
    close_listener(lock);
    return -error;
  }
  publish(mask());
  if (options_.get(IPPROTO_TCP, TCP_FASTOPEN) != 0 || options_->fast_open_keys)
    tell_fast_open(lock);
  return 0;
}

int Stream::accept(std::shared_ptr<Socket>& made) {
  Lock lock(mutex_);
  if (state_ != State::Listen) return -EINVAL;
  const auto waited = wait(lock, deadline(options_->receive_timeout), !nonblocking(),
                           [this] { return !rare_->accepted.empty() || state_ != State::Listen; });
  if (waited != Waited::Done) return result_of(waited);
  if (state_ != State::Listen) return -EINVAL;
  std::shared_ptr<Stream> stream = rare_.change().accepted.pop();
  publish(mask());
  lock.unlock();
  stream->adopt();
  made = std::move(stream);
  return 0;
}

void Stream::arrive(unsigned lane, const Message& event, const OptionValues& options) {
  const std::lock_guard lock(mutex_);
  state_ = State::Established;
  attempt_ = Attempt::Connected;
  options_ = options;
  lane_ = lane;
  handle_ = event.handle;
  local_ = event.local;
  peer_ = event.peer;
  credit_ = static_cast<std::int64_t>(event.value);
  mark_ = event.option;
  publish(mask());
}

void Stream::adopt() {
  Lock lock(mutex_);
  if (!handle_) return;  // it ended in the queue: the next call says how
  Message accepted = message(RequestKind::Accepted);
  accepted.handle = handle_;
  const unsigned lane = lane_;
  lock.unlock();
  program().request(lane, accepted);
  program().carry_out(lane);
}

void Stream::abandon() {
  Lock lock(mutex_);
  closed_ = true;
  drop_received();
  Message close = message(RequestKind::Close);
  close.handle = handle_;
  close.flags = socket::message_flag::kAbort;
  const unsigned lane = lane_;
  const bool leaves = may_leave();
  lock.unlock();
  if (close.handle) program().request(lane, close);
  if (leaves) program().leave(number_);
}

// --- Closing.

int Stream::shutdown(int how) {
  if (how < 0 || how > 2) return -EINVAL;
  Lock lock(mutex_);
  if (state_ == State::Close) {
    shutdown_ |= how + 1;  // and says that there was nothing to shut
    publish(mask(), mask());
    return -ENOTCONN;
  }
  if (state_ == State::Listen) {
    if (how == SHUT_WR) return 0;
    close_listener(lock);
    publish(mask(), mask());
    return 0;
  }
  if (state_ == State::SynSent) return disconnect(lock);
  shutdown_ |= how + 1;
  Message request = message(RequestKind::Shutdown);
  request.handle = handle_;
  request.value = static_cast<std::uint64_t>(how);
  publish(mask(), mask());
  const unsigned lane = lane_;
  lock.unlock();
  program().request(lane, request);
  program().carry_out(lane);
  return 0;
}

void Stream::close_listener(Lock& lock) {
  Rare& rare = rare_.change();
  const std::vector<LaneHandle> handles = std::exchange(rare.listens, {});
  rare.closing.insert(rare.closing.end(), handles.begin(), handles.end());
  cancelled_ += std::exchange(opening_, 0);
  Message close = message(RequestKind::Close);
  state_ = State::Close;  // what is still accepted meanwhile is refused
  std::vector<std::shared_ptr<Stream>> unwanted;
  while (!rare.accepted.empty())
    unwanted.push_back(rare.accepted.pop());
  lock.unlock();
  for (const auto& stream : unwanted)
    stream->abandon();
  for (const LaneHandle& at : handles) {
    close.handle = at.handle;
    program().request(at.lane, close);
    program().carry_out(at.lane);
  }
  lock.lock();
  release_port();
}

// Linux: tcp_close, inet_release for SO_LINGER.
int Stream::on_close() {
  Lock lock(mutex_);
  closed_ = true;
  publish(POLLHUP, POLLHUP);                // who waits need not wait for what lingers
  const bool unread = received_bytes_ > 0;  // RFC 2525 section 2.17
  drop_received();
  if (state_ == State::Listen) close_listener(lock);
  const bool aborts = unread || (options_->linger && options_->linger_seconds == 0);
  if (handle_) {
    Message close = message(RequestKind::Close);
    close.handle = handle_;
    close.flags = aborts ? socket::message_flag::kAbort : std::uint8_t{0};
    const bool lingers = options_->linger && !aborts;
    if (lingers) close.value = static_cast<std::uint64_t>(options_->linger_seconds) * 1000 + 1;
    const unsigned lane = lane_;
    lock.unlock();
    program().request(lane, close);
    program().carry_out(lane);
    lock.lock();
    if (lingers) {  // Linux: inet_release, whatever O_NONBLOCK says
      program().wait(*this, lock, deadline(time::Duration::seconds(options_->linger_seconds)), true,
                     [this] { return !handle_; });
    }
  }
  release_port();
  publish(POLLHUP);
  const bool leaves = may_leave();
  lock.unlock();
  if (leaves) program().leave(number_);
  return 0;
}

void Stream::drop_received() {
  while (!received_.empty())
    program().give_back(received_.pop().buffer);
  received_bytes_ = 0;
}

// --- Events.

void Stream::opened(unsigned lane, const Message& event) {
  const bool wanted = cancelled_ == 0 && !closed_;
  if (cancelled_ > 0)
    --cancelled_;
  else if (opening_ > 0)
    --opening_;
  if (wanted && state_ == State::Listen) {
    rare_.change().listens.push_back({lane, event.handle});
  } else if (wanted && state_ == State::SynSent && !handle_) {
    lane_ = lane;
    handle_ = event.handle;
    in_syn_ = static_cast<std::uint16_t>(event.value);
    name_local(event.local);
  } else {
    discard(lane, event.handle);
  }
  publish(mask(), POLLOUT);
}

void Stream::discard(unsigned lane, Handle handle) {
  Message close = message(RequestKind::Close);
  close.handle = handle;
  close.flags = socket::message_flag::kAbort;
  rare_.change().closing.push_back({lane, handle});
  program().post(lane, close);
}

// SO_BINDTODEVICE stays ours.
void Stream::name_local(const Endpoint& local) {
  if (local.port == 0) return;
  local_.address = local.address;
  local_.port = local.port;
}

// What a connection's lane chose goes with it (Linux: inet_reset_saddr, inet_put_port).
void Stream::forget_local() {
  if (!address_given_) local_.address = {};
  if (!port_given_ && ticket_ == 0) local_.port = 0;
}

void Stream::failed(int error) {
  error_ = error;
  if (state_ == State::SynSent) forget_local();
  state_ = State::Close;
  // The lane gives it up by itself: a new connect may come before it says so.
  if (handle_) rare_.change().closing.push_back({lane_, std::exchange(handle_, {})});
  shutdown_ = kReceiveShut | kSendShut;  // Linux: tcp_done
  happened(POLLERR | POLLHUP | kIn | kOut | POLLRDHUP);
}

// A lane has not made what was asked for.
void Stream::refused(int error) {
  if (cancelled_ > 0) {
    --cancelled_;
    return;
  }
  if (opening_ == 0) return;
  --opening_;
  if (error == EINPROGRESS && state_ == State::SynSent) {
    deferred_ = true;
    return happened(kOut);
  }
  if (state_ != State::Listen) {
    refused_ = true;
    return failed(error);
  }
  error_ = error;
  publish(mask(), POLLERR);
}

void Stream::answered(const Message& event) {
  if (!rare_->questions.empty()) {
    for (Question& question : rare_.change().questions) {
      if (question.cookie != event.cookie) continue;
      question.answer = event;
      return publish(mask(), kAnswered);
    }
  }
  if (event.buffer.index != socket::BufferRef::kNone) program().give_back(event.buffer);
}

void Stream::connection_event(const Message& event) {
  switch (EventKind{event.kind}) {
    case EventKind::Connected:
      if (state_ != State::SynSent) return;
      state_ = State::Established;
      name_local(event.local);
      credit_ += static_cast<std::int64_t>(event.value);
      mark_ = event.option;
      return happened(kOut);
    case EventKind::EndOfStream:
      end_ = true;
      return happened(kIn | POLLRDHUP | POLLHUP);
    case EventKind::Space:
      credit_ += static_cast<std::int64_t>(event.value);
      mark_ = event.option;
      return publish(mask());
    case EventKind::Failed:
      return failed(static_cast<int>(event.value));
    case EventKind::SoftError:
      if (options_.get(IPPROTO_IP, IP_RECVERR) != 0) error_ = static_cast<int>(event.value);
      return happened(POLLERR);
    case EventKind::Urgent:
      urgent_ = true;
      urgent_read_ = false;
      urgent_at_ = arrived_at_ + event.value;
      return happened(POLLPRI);
    default:
      return;
  }
}

bool Stream::handle_closed(unsigned lane, const Message& event) {
  const auto same = [&](const LaneHandle& at) {
    return at.lane == lane && at.handle == event.handle;
  };
  if (!rare_->listens.empty()) std::erase_if(rare_.change().listens, same);
  if (!rare_->closing.empty()) std::erase_if(rare_.change().closing, same);
  if (same({lane_, handle_})) {
    handle_ = {};
    if (state_ == State::SynSent || state_ == State::Established) state_ = State::Close;
  }
  keep_info(event);
  publish(mask(), POLLHUP);
  return may_leave();
}

// Unless another connection has begun meanwhile.
void Stream::keep_info(const Message& event) {
  if (event.buffer.index == socket::BufferRef::kNone) return;
  if (state_ == State::Close && !closed_) {
    const std::byte* const info = program().address(event.buffer);
    rare_.change().last_info.assign(info, info + event.buffer.length);
  }
  program().give_back(event.buffer);
}

// No lane knows of the closed socket any more: its number is free, once.
bool Stream::may_leave() {
  if (!closed_ || handle_ || opening_ > 0 || cancelled_ > 0) return false;
  if (!rare_->listens.empty() || !rare_->closing.empty()) return false;
  return !std::exchange(left_, true);
}

void Stream::accepted(unsigned lane, const Message& event) {
  auto stream = std::make_shared<Stream>(program_reference());
  stream->enter(stream);
  stream->arrive(lane, event, options_);
  program().remember(lane, event.handle, stream);
  if (state_ != State::Listen || closed_) return stream->refuse(lane);
  rare_.change().accepted.push(std::move(stream));
  happened(kIn);
}

// It came for a listener that is closed.
void Stream::refuse(unsigned lane) {
  closed_ = true;
  Message close = message(RequestKind::Close);
  close.handle = handle_;
  close.flags = socket::message_flag::kAbort;
  program().post(lane, close);
}

// Of a connection that was dissolved or not ours to know of yet.
bool Stream::is_stale(unsigned lane, const Message& event) const {
  switch (EventKind{event.kind}) {
    case EventKind::Opened:
    case EventKind::Closed:
    case EventKind::Accepted:
    case EventKind::Answer:
      return false;
    case EventKind::Failed:
      if (!event.handle) return false;
      break;
    default:
      break;
  }
  return lane != lane_ || event.handle != handle_;
}

bool Stream::on_event(unsigned lane, const Message& event) {
  const std::lock_guard lock(mutex_);
  if (is_stale(lane, event)) {
    if (event.buffer.index != socket::BufferRef::kNone) program().give_back(event.buffer);
    return false;
  }
  switch (EventKind{event.kind}) {
    case EventKind::Opened:
      opened(lane, event);
      return false;
    case EventKind::Answer:
      answered(event);
      return false;
    case EventKind::Failed:
      if (event.handle)
        connection_event(event);
      else
        refused(static_cast<int>(event.value));
      return may_leave();
    case EventKind::Closed:
      return handle_closed(lane, event);
    case EventKind::Accepted:
      accepted(lane, event);
      return false;
    case EventKind::Data:
      arrived_at_ += event.buffer.length;
      if (closed_ || event.buffer.length == 0) {
        program().give_back(event.buffer);
        return false;
      }
      received_.push({event.buffer});
      received_bytes_ += event.buffer.length;
      happened(kIn);
      return false;
    default:
      connection_event(event);
      return false;
  }
}

std::vector<Socket::LaneHandle> Stream::handles() const {
  std::vector<LaneHandle> out = rare_->listens;
  if (handle_) out.push_back({lane_, handle_});
  return out;
}

}  // namespace linnet::shim
