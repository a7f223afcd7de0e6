// SPDX-License-Identifier: BSD-3-Clause
// Opening, closing and events of datagram sockets. Reading: Linux net/ipv4/udp.c, datagram.c.
#include "shim/datagram.hpp"

#include <linnet/socket.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

#include "socket/options.hpp"

namespace linnet::shim {
namespace {

constexpr std::uint32_t kToRead = POLLIN | POLLRDNORM, kToWrite = POLLOUT | POLLWRNORM | POLLWRBAND;
constexpr std::size_t kMostErrors = 64;  // that wait to be read

}  // namespace

Datagram::Datagram(std::shared_ptr<Program> program, socket::Kind kind, int type, int protocol)
    : Socket(File::Kind::Datagram, std::move(program), kind, type, protocol) {
  publish(mask());
}

// Linux: datagram_poll.
std::uint32_t Datagram::mask() const {
  std::uint32_t out = kToWrite;
  if (error_ != 0 || !errors_.empty()) out |= POLLERR;
  if ((shutdown_ & kReceiveShut) != 0) out |= POLLRDHUP | kToRead;
  if (shutdown_ == (kReceiveShut | kSendShut)) out |= POLLHUP;
  if (!datagrams_.empty()) out |= kToRead;
  return out;
}

// To a lane port 0 means no peer: a ping socket has none there, its datagrams name their
// destination each.
Endpoint Datagram::for_lane(Endpoint peer) const {
  if (socket_kind_ == socket::Kind::Ping) peer.port = 0;
  return peer;
}

int Datagram::listen(int /*backlog*/) {
  return -EOPNOTSUPP;
}

int Datagram::accept(std::shared_ptr<Socket>& /*made*/) {
  return -EOPNOTSUPP;
}

int Datagram::on_bound(Lock& lock) {
  return open(lock);
}

int Datagram::open(Lock& lock) {
  if (!handles_.empty()) {
    program().wait_for_lane(*this, lock, [this] { return opening_ == 0; });
    // Dissolved, and bound to no port by the program (Linux: inet_autobind).
    return local_.port == 0 ? rebind(lock) : 0;
  }
  if (closed_) return -EBADF;
  if (const int bad = bind_any_port(); bad != 0) return bad;
  handles_.resize(program().lanes());
  opening_ = program().lanes();
  std::vector<Message> requests = option_messages();
  Message open = message(RequestKind::Open);
  open.option = static_cast<std::uint32_t>(protocol_);
  open.peer = connected_ ? for_lane(peer_) : Endpoint{};
  requests.push_back(open);
  lock.unlock();
  for (unsigned lane = 0; lane < program().lanes(); ++lane) {
    program().request(lane, requests);
    program().carry_out(lane);
  }
  lock.lock();
  program().wait_for_lane(*this, lock, [this] { return opening_ == 0; });
  if (standing_ == program().lanes()) return 0;
  if (standing_ == 0 && opening_ == 0) handles_.clear();  // the next call tries again
  return local_error_ != 0 ? -std::exchange(local_error_, 0) : -ENOBUFS;
}

int Datagram::set_peer(Lock& lock) {
  Message request = message(RequestKind::SetPeer);
  request.peer = connected_ ? for_lane(peer_) : Endpoint{};
  request.local.device = device_for(peer_.address);
  peering_ += static_cast<unsigned>(
      std::count_if(handles_.begin(), handles_.end(), [](Handle handle) { return bool{handle}; }));
  ask_every_lane(lock, request);
  lock.lock();
  return 0;
}

void Datagram::ask_every_lane(Lock& lock, Message request) {
  const std::vector<Handle> handles = handles_;
  lock.unlock();
  for (unsigned lane = 0; lane < handles.size(); ++lane) {
    if (!handles[lane]) continue;
    request.handle = handles[lane];
    program().request(lane, request);
    program().carry_out(lane);
  }
}

// Linux: inet_dgram_connect, __ip4_datagram_connect.
int Datagram::connect(const sockaddr* address, socklen_t length) {
  if (address == nullptr) return -EFAULT;
  if (length < sizeof(sa_family_t)) return -EINVAL;
  Lock lock(mutex_);
  if (address->sa_family == AF_UNSPEC) {
    peer_ = {};
    connected_ = false;
    if (!address_given_) local_.address = {};
    if (handles_.empty()) return 0;
    if (!port_given_)
      local_.port = 0;
    else if (!address_given_)
      program().ports().set_address(ticket_, {});
    return set_peer(lock);
  }
  Endpoint peer;
  if (const int bad = parse_name(address, length, peer); bad != 0) return bad;
  if (peer.address.is_any()) peer.address = Ipv4Address(127, 0, 0, 1);
  const auto source = program().host().source_for(peer.address, device_for(peer.address));
  if (!source) return -ENETUNREACH;
  if (peer.address.is_limited_broadcast() && options_.get(SOL_SOCKET, SO_BROADCAST) == 0)
    return -EACCES;
  peer_ = peer;
  connected_ = true;
  const bool was_open = !handles_.empty();
  if (was_open && local_.address.is_any()) wait_for_peers(lock);
  if (local_.address.is_any()) {
    local_.address = *source;
    if (ticket_ != 0) program().ports().set_address(ticket_, *source);
  }
  if (!was_open) return open(lock);
  return local_.port == 0 ? rebind(lock) : set_peer(lock);
}

// A lane judges a SetPeer by what the ticket says when it looks: until all have, the ticket stays
// as it is.
void Datagram::wait_for_peers(Lock& lock) {
  program().wait_for_lane(*this, lock, [this] { return peering_ == 0 || closed_; });
}

// A port after the one that dissolving took. The old one is free when the lanes have let go of it.
int Datagram::rebind(Lock& lock) {
  wait_for_peers(lock);
  if (closed_) return -EBADF;
  if (local_.port != 0) return set_peer(lock);  // another thread did it meanwhile
  const socket::Ticket old = std::exchange(ticket_, 0);
  if (const int bad = bind_any_port(); bad != 0) {
    ticket_ = old;
    connected_ = false;
    return bad;
  }
  const int result = set_peer(lock);
  if (old != 0) program().ports().release(old);
  return result;
}

// Linux: inet_shutdown.
int Datagram::shutdown(int how) {
  if (how < 0 || how > 2) return -EINVAL;
  Lock lock(mutex_);
  shutdown_ |= how + 1;
  publish(mask(), mask());
  if (!connected_) return -ENOTCONN;  // and it is shut all the same
  Message request = message(RequestKind::Shutdown);
  request.value = static_cast<std::uint64_t>(how);
  ask_every_lane(lock, request);
  return 0;
}

int Datagram::on_close() {
  Lock lock(mutex_);
  closed_ = true;
  while (!pieces_.empty())
    program().give_back(pieces_.pop());
  for (Coming& coming : coming_) {
    for (const socket::BufferRef& piece : coming.pieces)
      program().give_back(piece);
    coming.pieces.clear();
  }
  Message close = message(RequestKind::Close);
  const std::vector<Handle> handles = handles_;
  const bool leaves = may_leave();
  release_port();
  publish(POLLHUP, POLLHUP);
  lock.unlock();
  for (unsigned lane = 0; lane < handles.size(); ++lane) {
    if (!handles[lane]) continue;  // its Opened is still to come
    close.handle = handles[lane];
    program().request(lane, close);
    program().carry_out(lane);
  }
  if (leaves) program().leave(number_);
  return 0;
}

std::vector<Socket::LaneHandle> Datagram::handles() const {
  std::vector<LaneHandle> out;
  for (unsigned lane = 0; lane < handles_.size(); ++lane) {
    if (handles_[lane]) out.push_back({lane, handles_[lane]});
  }
  return out;
}

// --- Events.

void Datagram::arrived(unsigned lane, const Message& event) {
  if (closed_ || (shutdown_ & kReceiveShut) != 0) {
    Message back = message(RequestKind::Return);
    back.handle = event.handle;
    back.buffer = event.buffer;
    if (event.buffer.index != socket::BufferRef::kNone) program().post(lane, back);
    return;
  }
  if (coming_.size() <= lane) coming_.resize(lane + 1);
  Coming& coming = coming_[lane];
  if (coming.datagram.pieces == 0) {
    coming.datagram = {.from = event.peer,
                       .to = event.local,
                       .control = socket::ControlData::of(event.option),
                       .lane = lane};
  }
  if (event.buffer.index != socket::BufferRef::kNone) {
    coming.pieces.push_back(event.buffer);
    ++coming.datagram.pieces;
    coming.datagram.bytes += event.buffer.length;
  }
  if ((event.flags & socket::message_flag::kMore) != 0) return;
  for (const socket::BufferRef& piece : coming.pieces)
    pieces_.push(piece);
  datagrams_.push(coming.datagram);
  coming.pieces.clear();
  coming.datagram = {};
  publish(mask(), kToRead);
}

// Linux: __udp4_lib_err, ip_icmp_error.
void Datagram::soft_error(const Message& event) {
  const bool queued = options_.get(IPPROTO_IP, IP_RECVERR) != 0;
  if (!queued && !connected_) return;
  error_ = static_cast<int>(event.value);
  if (queued && errors_.size() < kMostErrors) {
    ErrorReport report;
    report.error = error_;
    report.type = static_cast<std::uint8_t>(event.option);
    report.code = static_cast<std::uint8_t>(event.option >> 8);
    report.info = event.option >> 16;
    report.peer = event.peer;
    report.offender = event.local.address;
    if (event.buffer.index != socket::BufferRef::kNone) {
      const std::byte* const bytes = program().address(event.buffer);
      report.quoted.assign(bytes, bytes + event.buffer.length);
    }
    errors_.push(std::move(report));
  }
  publish(mask(), POLLERR);
}

// Why a datagram could not go, or what an ICMP error told the connected socket.
void Datagram::failed(int error) {
  const bool reported = error == ECONNREFUSED || error == EHOSTUNREACH || error == EPROTO;
  if (sending_ && !reported) {
    local_error_ = error;
    return;
  }
  error_ = error;
  publish(mask(), POLLERR);
}

// No lane knows of the closed socket any more: its number is free, once.
bool Datagram::may_leave() {
  if (!closed_ || standing_ > 0 || opening_ > 0) return false;
  return !std::exchange(left_, true);
}

// A lane has carried out a SetPeer.
void Datagram::peered() {
  if (peering_ > 0) --peering_;
  publish(mask(), kAnswered);
}

bool Datagram::on_event(unsigned lane, const Message& event) {
  const std::lock_guard lock(mutex_);
  switch (EventKind{event.kind}) {
    case EventKind::Opened: {
      if (opening_ > 0) --opening_;
      if (event.value != 0) {
        local_error_ = static_cast<int>(event.value);
      } else if (lane < handles_.size()) {
        handles_[lane] = event.handle;
        ++standing_;
      }
      if (closed_ && event.value == 0) {
        Message close = message(RequestKind::Close);
        close.handle = event.handle;
        program().post(lane, close);
      }
      publish(mask(), kAnswered);
      return may_leave();
    }
    case EventKind::Connected:
      if (event.cookie != 0) peered();
      return false;
    case EventKind::Closed:
      if (standing_ > 0) --standing_;
      return may_leave();
    case EventKind::Data:
      arrived(lane, event);
      return false;
    case EventKind::SoftError:
      soft_error(event);
      if (event.buffer.index != socket::BufferRef::kNone) program().give_back(event.buffer);
      return false;
    case EventKind::Failed:
      if (!event.handle) {  // not opened
        if (opening_ > 0) --opening_;
        local_error_ = static_cast<int>(event.value);
        publish(mask(), kAnswered);
        return may_leave();
      }
      if (event.cookie != 0) peered();
      failed(static_cast<int>(event.value));
      return false;
    default:
      return false;
  }
}

// --- Looking.

int Datagram::query(unsigned long request, int& answer) {
  program().host().drive();
  program().pump();
  const std::lock_guard lock(mutex_);
  switch (request) {
    case FIONREAD:
      answer = datagrams_.empty() ? 0 : static_cast<int>(datagrams_.front().bytes);
      return 0;
    case SIOCOUTQ:
      answer = 0;  // what was given to the lanes is gone from here
      return 0;
    default:
      return -ENOTTY;
  }
}

int Datagram::get_special(int level, int name, void* value, socklen_t* length) {
  if (level == IPPROTO_IP && name == IP_MTU && !connected_) return -ENOTCONN;
  return Socket::get_special(level, name, value, length);
}

}  // namespace linnet::shim
