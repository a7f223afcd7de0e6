// SPDX-License-Identifier: BSD-3-Clause
#include "support/program.hpp"

#include <algorithm>
#include <cstring>

#include "socket/options.hpp"

namespace linnet::tests {

using socket::EventKind;
using socket::Message;
using socket::RequestKind;

namespace {

std::uint64_t key_of(socket::Handle handle) {
  return std::uint64_t{handle.generation} << 32 | handle.slot;
}

}  // namespace

Program::Program(Node& node, const socket::Session::Options& options)
    : system_(node.stack().sockets()),
      session_(*system_.sessions.create(options)),
      self_(std::make_shared<Program*>(this)) {
  node.add_program([self = std::weak_ptr<Program*>(self_)] {
    const auto program = self.lock();
    return program != nullptr && (*program)->polls && (*program)->poll();
  });
}

Program::~Program() {
  system_.sessions.close(*session_);
}

Program::Socket& Program::make() {
  const std::uint32_t number = next_++;
  auto& made = sockets_[number];
  made = std::make_unique<Socket>();
  made->number = number;
  return *made;
}

Message Program::about(const Socket& socket, RequestKind kind, unsigned lane) const {
  Message out;
  out.kind = static_cast<std::uint8_t>(kind);
  out.program = socket.number;
  const auto handle = socket.handles.find(lane);
  if (handle != socket.handles.end()) out.handle = handle->second;
  return out;
}

void Program::request(unsigned lane, const Message& message) {
  did_ = true;
  outgoing_[lane].push_back(message);
  if (polls) flush(lane);
}

void Program::flush(unsigned lane) {
  std::deque<Message>& waiting = outgoing_[lane];
  while (!waiting.empty() && session_->requests(lane).push(waiting.front())) {
    waiting.pop_front();
    did_ = true;
  }
  system_.sessions.wake_lane(lane);
}

Program::Socket& Program::bind(socket::Space space, socket::Kind kind, const std::string& address,
                               std::uint16_t port, bool reuse_address, bool reuse_port) {
  Socket& socket = make();
  socket::BindRequest asked;
  asked.space = space;
  asked.local = endpoint(address, port);
  asked.reuse_address = reuse_address;
  asked.reuse_port = reuse_port;
  asked.session = session_->number();
  const auto bound = system_.ports.bind(asked);
  socket.error = bound.error;
  if (bound.error != 0) return socket;
  socket.ticket = bound.ticket;
  socket.local = asked.local;
  socket.local.port = bound.port;
  for (unsigned lane = 0; lane < session_->lanes(); ++lane) {
    if (reuse_port) {
      Message option = about(socket, RequestKind::SetOption, lane);
      option.option = socket::name::kReusePort;
      option.value = 1;
      request(lane, option);
    }
    if (space == socket::Space::Tcp) continue;
    Message open = about(socket, RequestKind::Open, lane);
    open.socket_kind = kind;
    open.local = socket.local;
    open.cookie = socket.ticket;
    request(lane, open);
  }
  return socket;
}

Program::Socket& Program::bind_udp(const std::string& address, std::uint16_t port,
                                   bool reuse_address, bool reuse_port) {
  return bind(socket::Space::Udp, socket::Kind::Datagram, address, port, reuse_address, reuse_port);
}

Program::Socket& Program::bind_ping(const std::string& address, std::uint16_t identifier) {
  return bind(socket::Space::Ping, socket::Kind::Ping, address, identifier, false, false);
}

Program::Socket& Program::open_raw(socket::Kind kind, std::uint32_t protocol,
                                   std::uint16_t device) {
  Socket& socket = make();
  for (unsigned lane = 0; lane < session_->lanes(); ++lane) {
    Message open = about(socket, RequestKind::Open, lane);
    open.socket_kind = kind;
    open.option = protocol;
    open.local.device = device;
    request(lane, open);
  }
  return socket;
}

void Program::attach_filter(Socket& socket, const Bytes& instructions) {
  for (unsigned lane = 0; lane < session_->lanes(); ++lane) {
    auto buffer = system_.buffers.take(session_->number());
    LINNET_CHECK(buffer);
    std::memcpy(system_.buffers.address(*buffer), instructions.data(), instructions.size());
    buffer->length = static_cast<std::uint16_t>(instructions.size());
    Message message = about(socket, RequestKind::SetOption, lane);
    message.option = socket::name::kAttachFilter;
    message.buffer = *buffer;
    request(lane, message);
  }
}

void Program::set_peer(Socket& socket, const socket::Endpoint& peer) {
  for (unsigned lane = 0; lane < session_->lanes(); ++lane) {
    Message message = about(socket, RequestKind::SetPeer, lane);
    message.local = socket.local;
    message.peer = peer;
    message.cookie = socket.ticket;
    request(lane, message);
  }
}

void Program::send_to(Socket& socket, const socket::Endpoint& to, const Bytes& data, unsigned lane,
                      std::uint32_t control, std::size_t piece) {
  std::size_t done = 0;
  do {
    Message message = about(socket, RequestKind::SendTo, lane);
    message.peer = to;
    message.option = control;
    const std::size_t count = std::min(piece, data.size() - done);
    if (!data.empty()) {
      auto buffer = system_.buffers.take(session_->number());
      if (!buffer) check_failed(__FILE__, __LINE__, "no buffer for a program");
      LINNET_CHECK_OP(count, <=, std::size_t{buffer->length});
      std::memcpy(system_.buffers.address(*buffer), data.data() + done, count);
      buffer->length = static_cast<std::uint16_t>(count);
      message.buffer = *buffer;
    }
    done += count;
    if (done < data.size()) message.flags = socket::message_flag::kMore;
    request(lane, message);
  } while (done < data.size());
}

Program::Socket& Program::listen(const std::string& address, std::uint16_t port, unsigned backlog,
                                 bool reuse_port) {
  Socket& socket = bind(socket::Space::Tcp, socket::Kind::Stream, address, port, false, reuse_port);
  if (socket.error == 0) socket.error = system_.ports.listen(socket.ticket);
  if (socket.error != 0) return socket;
  for (unsigned lane = 0; lane < session_->lanes(); ++lane) {
    Message message = about(socket, RequestKind::Listen, lane);
    message.local = socket.local;
    message.cookie = socket.ticket;
    message.value = backlog;
    request(lane, message);
  }
  return socket;
}

Program::Socket& Program::connect(const socket::Endpoint& to, unsigned lane,
                                  std::uint16_t local_port) {
  Socket& socket = local_port == 0 ? make()
                                   : bind(socket::Space::Tcp, socket::Kind::Stream, "0.0.0.0",
                                          local_port, false, false);
  Message message = about(socket, RequestKind::Connect, lane);
  message.peer = to;
  message.local = socket.local;
  message.cookie = socket.ticket;
  request(lane, message);
  return socket;
}

void Program::write(Socket& socket, const Bytes& data) {
  socket.to_write.insert(socket.to_write.end(), data.begin(), data.end());
}

bool Program::write_some(Socket& socket) {
  bool any = false;
  std::size_t done = 0;
  while (done < socket.to_write.size() && socket.credit != 0 && outgoing_[socket.lane].empty()) {
    auto buffer = system_.buffers.take(session_->number());
    if (!buffer) break;
    const std::size_t count =
        std::min<std::size_t>({buffer->length, socket.to_write.size() - done, socket.credit});
    std::memcpy(system_.buffers.address(*buffer), socket.to_write.data() + done, count);
    buffer->length = static_cast<std::uint16_t>(count);
    Message message = about(socket, RequestKind::Send, socket.lane);
    message.buffer = *buffer;
    request(socket.lane, message);
    socket.credit -= count;
    done += count;
    any = true;
  }
  socket.to_write.erase(socket.to_write.begin(),
                        socket.to_write.begin() + static_cast<std::ptrdiff_t>(done));
  if (socket.finish && socket.to_write.empty() && socket.connected) {
    socket.finish = false;
    shut_down_write(socket);
  }
  return any;
}

void Program::set_option(Socket& socket, std::uint32_t option, std::uint64_t value) {
  for (unsigned lane = 0; lane < session_->lanes(); ++lane) {
    if (!socket.handles.empty() && !socket.handles.contains(lane)) continue;
    Message message = about(socket, RequestKind::SetOption, lane);
    message.option = option;
    message.value = value;
    request(lane, message);
  }
}

void Program::close(Socket& socket, bool abort) {
  for (const auto& [lane, handle] : socket.handles) {
    Message message = about(socket, RequestKind::Close, lane);
    if (abort) message.flags = socket::message_flag::kAbort;
    request(lane, message);
  }
  if (socket.ticket != 0) system_.ports.release(std::exchange(socket.ticket, 0));
}

void Program::shut_down_write(Socket& socket) {
  Message message = about(socket, RequestKind::Shutdown, socket.lane);
  message.value = 1;
  request(socket.lane, message);
}

void Program::query(Socket& socket, socket::QueryKind what) {
  Message message = about(socket, RequestKind::Query, socket.lane);
  message.value = static_cast<std::uint64_t>(what);
  request(socket.lane, message);
}

std::vector<std::uint32_t> Program::numbers() const {
  std::vector<std::uint32_t> out;
  for (const auto& [number, socket] : sockets_)
    out.push_back(number);
  return out;
}

bool Program::poll() {
  for (unsigned lane = 0; lane < session_->lanes(); ++lane) {
    Message event;
    flush(lane);
    while (session_->events(lane).pop(event)) {
      did_ = true;
      take(lane, event);
    }
    if (session_->lane_waits(lane)) system_.sessions.wake_lane(lane);
  }
  for (const auto& [number, socket] : sockets_) {
    if (!socket->to_write.empty() || socket->finish) did_ |= write_some(*socket);
  }
  return std::exchange(did_, false);
}

void Program::take_data(Socket& socket, unsigned lane, const Message& event) {
  const auto* const bytes =
      event.buffer.index == socket::BufferRef::kNone
          ? nullptr
          : reinterpret_cast<const std::uint8_t*>(system_.buffers.address(event.buffer));
  const Bytes data(bytes, bytes == nullptr ? bytes : bytes + event.buffer.length);
  const bool stream = event.socket_kind == socket::Kind::Stream;
  if (stream) {
    socket.read.insert(socket.read.end(), data.begin(), data.end());
    if (socket.echo) write(socket, data);
  } else {
    static const Message kNothing;
    if (event.peer != kNothing.peer || socket.datagrams.empty())
      socket.datagrams.push_back(
          {event.peer, event.local, socket::ControlData::of(event.option), {}, lane});
    Bytes& all = socket.datagrams.back().data;
    all.insert(all.end(), data.begin(), data.end());
  }
  if (!socket.reads) {
    socket.unread.push_back(event);
    socket.lane = lane;
    return;
  }
  if (bytes == nullptr) return;
  Message answer = about(socket, stream ? RequestKind::Consumed : RequestKind::Return, lane);
  answer.buffer = event.buffer;
  answer.value = event.buffer.length;
  request(lane, answer);
}

void Program::take(unsigned lane, const Message& event) {
  const EventKind kind{event.kind};
  const auto known = by_handle_.find({lane, key_of(event.handle)});
  const std::uint32_t number = event.program != 0 && kind != EventKind::Accepted ? event.program
                               : known != by_handle_.end()                       ? known->second
                                                                                 : event.program;
  const auto found = sockets_.find(number);
  if (found == sockets_.end()) {
    unexpected.push_back(event);
    return;
  }
  Socket& socket = *found->second;
  switch (kind) {
    case EventKind::Opened:
      socket.handles[lane] = event.handle;
      socket.lane = lane;
      return;
    case EventKind::Connected:
      socket.connected = true;
      socket.local = event.local;
      socket.peer = event.peer;
      socket.credit = event.value;
      return;
    case EventKind::Accepted: {
      Socket& accepted = make();
      accepted.lane = lane;
      accepted.handles[lane] = event.handle;
      accepted.local = event.local;
      accepted.peer = event.peer;
      accepted.credit = event.value;
      accepted.connected = true;
      accepted.echo = socket.echo;
      by_handle_[{lane, key_of(event.handle)}] = accepted.number;
      socket.accepted.push_back(accepted.number);
      if (accepts) request(lane, about(accepted, RequestKind::Accepted, lane));
      return;
    }
    case EventKind::Data:
      return take_data(socket, lane, event);
    case EventKind::EndOfStream:
      socket.end_of_stream = true;
      if (socket.echo) socket.finish = true;
      return;
    case EventKind::Space:
      socket.credit += event.value;
      return;
    case EventKind::Failed:
      socket.error = static_cast<int>(event.value);
      return;
    case EventKind::SoftError:
      socket.soft_error = static_cast<int>(event.value);
      return;
    case EventKind::Closed:
      if (event.buffer.index != socket::BufferRef::kNone) {  // what TCP_INFO says of it
        Message answer = about(socket, RequestKind::Return, lane);
        answer.buffer = event.buffer;
        request(lane, answer);
      }
      socket.handles.erase(lane);
      socket.closed = socket.handles.empty();
      return;
    case EventKind::Answer:
      socket.answers.push_back(event);
      return;
    case EventKind::Urgent:
      return;
  }
}

}  // namespace linnet::tests
