// SPDX-License-Identifier: BSD-3-Clause
// What travels over datagram sockets. Reading: Linux udp_sendmsg, udp_recvmsg, ping_v4_sendmsg,
// ip_cmsg_send, ip_cmsg_recv, ip_recv_error.
#include <linnet/socket.h>
#include <linux/errqueue.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "shim/datagram.hpp"
#include "shim/pieces.hpp"
#include "socket/options.hpp"

namespace linnet::shim {
namespace {

constexpr std::size_t kLongestUdp = 65507;

}  // namespace

// Appends a control message; what does not fit is cut off (Linux: put_cmsg).
void put_control(ReceiveCall& call, int level, int type, const void* bytes, std::size_t count) {
  const std::size_t room = call.control.size() - call.control_length;
  if (room < sizeof(cmsghdr)) {
    call.result_flags |= MSG_CTRUNC;
    return;
  }
  cmsghdr header{};
  header.cmsg_level = level;
  header.cmsg_type = type;
  header.cmsg_len = CMSG_LEN(count);
  if (room < header.cmsg_len) {
    call.result_flags |= MSG_CTRUNC;
    header.cmsg_len = room;
  }
  std::byte* const at = call.control.data() + call.control_length;
  std::memcpy(at, &header, sizeof header);
  std::memcpy(at + CMSG_LEN(0), bytes, header.cmsg_len - CMSG_LEN(0));
  call.control_length += std::min(room, CMSG_SPACE(count));
}

// --- Sending.

int Datagram::judge_bytes(const SendCall& call) const {
  if (call.bytes > 0xffff) return -EMSGSIZE;
  if (socket_kind_ == socket::Kind::Datagram && call.bytes > kLongestUdp) return -EMSGSIZE;
  if (socket_kind_ != socket::Kind::Ping) return 0;
  // Linux: ping_common_sendmsg; a program sends echo requests only.
  std::byte head[8];
  if (call.bytes < sizeof head) return -EINVAL;
  Pieces(call.parts, 0).read(head, sizeof head);
  return head[0] == std::byte{8} && head[1] == std::byte{0} ? 0 : -EINVAL;
}

// Linux udp_sendmsg, raw_sendmsg, ping_v4_sendmsg: IP_UNICAST_IF where nothing else is said.
std::uint16_t Datagram::device_for(Ipv4Address peer) const {
  if (local_.device != packet::kNoDevice || peer.is_multicast()) return local_.device;
  return options_->unicast_device;
}

int Datagram::address_of(const SendCall& call, Endpoint& peer, Endpoint& from) const {
  if (call.name == nullptr) {
    if (!connected_) return -EDESTADDRREQ;
    from = {.device = device_for(peer_.address)};
    peer = socket_kind_ == socket::Kind::Ping ? peer_ : Endpoint{};
    return 0;
  }
  if (call.name_length < sizeof(sockaddr_in)) return -EINVAL;
  sockaddr_in name;
  std::memcpy(&name, call.name, sizeof name);
  if (name.sin_family != AF_INET && name.sin_family != AF_UNSPEC) return -EAFNOSUPPORT;
  peer.address = Ipv4Address::from_host(ntohl(name.sin_addr.s_addr));
  peer.port = ntohs(name.sin_port);
  if (socket_kind_ == socket::Kind::Datagram && peer.port == 0) return -EINVAL;
  if (peer.address.is_any()) peer.address = Ipv4Address(127, 0, 0, 1);
  if (peer.address.is_limited_broadcast() && options_.get(SOL_SOCKET, SO_BROADCAST) == 0)
    return -EACCES;
  from = {.device = device_for(peer.address)};
  return 0;
}

int Datagram::read_control(std::span<const std::byte> control, Endpoint& from,
                           socket::ControlData& data) const {
  std::size_t at = 0;
  while (at + sizeof(cmsghdr) <= control.size()) {
    cmsghdr header;
    std::memcpy(&header, control.data() + at, sizeof header);
    if (header.cmsg_len < sizeof header || header.cmsg_len > control.size() - at) return -EINVAL;
    const std::size_t count = header.cmsg_len - CMSG_LEN(0);
    const std::byte* const bytes = control.data() + at + CMSG_LEN(0);
    at += CMSG_ALIGN(header.cmsg_len);
    if (header.cmsg_level != IPPROTO_IP) continue;
    int number = 0;
    if (header.cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      if (count != sizeof info) return -EINVAL;
      std::memcpy(&info, bytes, sizeof info);
      from.address = Ipv4Address::from_host(ntohl(info.ipi_spec_dst.s_addr));
      if (info.ipi_ifindex != 0) {
        char name[16];
        const auto index = static_cast<unsigned>(info.ipi_ifindex) - 1;
        if (!program().host().device_name(index, name)) return -ENODEV;
        from.device = static_cast<std::uint16_t>(index);
      }
      continue;
    }
    if (count == sizeof number)
      std::memcpy(&number, bytes, sizeof number);
    else if (count == 1)
      number = std::to_integer<int>(bytes[0]);
    else
      return -EINVAL;
    if (header.cmsg_type == IP_TTL && number >= 1 && number <= 255) {
      data.has_ttl = true;
      data.ttl = static_cast<std::uint8_t>(number);
    } else if (header.cmsg_type == IP_TOS && number >= 0 && number <= 255) {
      data.has_tos = true;
      data.tos = static_cast<std::uint8_t>(number);
    } else {
      return -EINVAL;
    }
  }
  return 0;
}

// Writes the bytes into buffers and gives them to a lane as one datagram.
int Datagram::send_bytes(Lock& lock, std::span<const iovec> parts, std::size_t bytes,
                         const Message& like, bool may_block) {
  std::vector<Message> train;
  Pieces pieces(parts, 0);
  std::size_t done = 0;
  do {
    const auto buffer = program().take_buffer();
    if (!buffer) {
      for (const Message& message : train)
        program().give_back(message.buffer);
      return -ENOBUFS;
    }
    const auto count =
        static_cast<std::uint16_t>(std::min<std::size_t>(bytes - done, buffer->length));
    pieces.read(program().address(*buffer), count);
    Message message = like;
    message.buffer = {buffer->index, buffer->offset, count};
    message.flags = socket::message_flag::kMore;
    train.push_back(message);
    done += count;
  } while (done < bytes);
  train.back().flags = 0;
  return send_train(lock, train, may_block);
}

int Datagram::send_train(Lock& lock, std::vector<Message>& train, bool may_block) {
  const unsigned lane = number_ % program().lanes();
  for (Message& message : train)
    message.handle = handles_[lane];
  sending_ = true;
  lock.unlock();
  while (!program().try_requests(lane, train.data(), train.size())) {
    if (!may_block && !program().host().drive()) {
      for (const Message& message : train)
        program().give_back(message.buffer);
      lock.lock();
      sending_ = false;
      return -EAGAIN;
    }
    program().wait_for_ring(lane);
  }
  program().carry_out(lane);
  lock.lock();
  sending_ = false;
  return -std::exchange(local_error_, 0);
}

bool Datagram::wants_cork(const SendCall& call) const {
  return (call.flags & MSG_MORE) != 0 ||
         (socket_kind_ == socket::Kind::Datagram && options_.get(IPPROTO_UDP, UDP_CORK) != 0);
}

// Another piece of the datagram that MSG_MORE or UDP_CORK keeps; the last one sends it. 0 or
// -errno.
int Datagram::cork(Lock& lock, const SendCall& call, bool may_block) {
  const std::size_t at = corked_.size();
  if (at + call.bytes > kLongestUdp) {
    forget_corked();  // Linux: udp_flush_pending_frames
    return -EMSGSIZE;
  }
  corked_.resize(at + call.bytes);
  Pieces(call.parts, 0).read(corked_.data() + at, call.bytes);
  corking_ = true;
  return wants_cork(call) ? 0 : send_corked(lock, may_block);
}

void Datagram::forget_corked() {
  corked_ = {};
  corking_ = false;
}

int Datagram::send_corked(Lock& lock, bool may_block) {
  Message like = message(RequestKind::SendTo);
  like.peer = for_lane(corked_peer_);
  like.local = corked_from_;
  like.option = corked_control_;
  const std::vector<std::byte> bytes = std::exchange(corked_, {});
  corking_ = false;
  local_error_ = 0;
  const iovec whole{const_cast<std::byte*>(bytes.data()), bytes.size()};
  return send_bytes(lock, {&whole, 1}, bytes.size(), like, may_block);
}

// Linux: udp_lib_setsockopt; what it was kept for cannot be told of errors.
void Datagram::option_changed(Lock& lock, const OptionRow& row) {
  const bool uncorked =
      row.level == IPPROTO_UDP && row.name == UDP_CORK && options_.get(row) == 0 && corking_;
  if (uncorked) send_corked(lock, !nonblocking());
}

ssize_t Datagram::send(const SendCall& call) {
  if ((call.flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  if ((call.flags & (MSG_DONTROUTE | MSG_ERRQUEUE)) != 0) return -EOPNOTSUPP;
  if (const int bad = judge_bytes(call); bad != 0) return bad;
  const bool may_block = !nonblocking() && (call.flags & MSG_DONTWAIT) == 0;
  Lock lock(mutex_);
  Endpoint peer, from;
  socket::ControlData data;
  if (!corking_) {
    if (const int bad = address_of(call, peer, from); bad != 0) return bad;
    if (const int bad = read_control(call.control, from, data); bad != 0) return bad;
  }
  if (error_ != 0) return take_error();
  if ((shutdown_ & kSendShut) != 0) return -EPIPE;
  if (const int bad = open(lock); bad != 0) return bad;
  int bad = 0;
  if (corking_ || wants_cork(call)) {
    if (!corking_) {
      corked_peer_ = peer;
      corked_from_ = from;
      corked_control_ = data.packed();
    }
    bad = cork(lock, call, may_block);
  } else {
    Message like = message(RequestKind::SendTo);
    like.peer = for_lane(peer);
    like.local = from;
    like.option = data.packed();
    local_error_ = 0;
    bad = send_bytes(lock, call.parts, call.bytes, like, may_block);
  }
  return bad != 0 ? bad : static_cast<ssize_t>(call.bytes);
}

int Datagram::send_lent(std::span<const ln_buffer> buffers, int flags) {
  const bool may_block = !nonblocking() && (flags & MSG_DONTWAIT) == 0;
  Lock lock(mutex_);
  if (!connected_) return -EDESTADDRREQ;
  if (error_ != 0) return take_error();
  if ((shutdown_ & kSendShut) != 0) return -EPIPE;
  if (const int bad = open(lock); bad != 0) return bad;
  Message like = message(RequestKind::SendTo);
  like.peer = {};
  like.local = {.device = device_for(peer_.address)};
  int taken = 0;
  for (const ln_buffer& buffer : buffers) {
    like.buffer = buffer_of(buffer);
    std::vector<Message> train{like};
    const int bad = send_train(lock, train, may_block);
    if (bad != 0) return taken > 0 ? taken : bad;
    ++taken;
  }
  return taken;
}

// --- Receiving.

// Linux: ip_cmsg_recv.
void Datagram::write_control(const Arrived& datagram, ReceiveCall& call) const {
  if (options_.get(IPPROTO_IP, IP_PKTINFO) != 0) {
    in_pktinfo info{};
    info.ipi_ifindex = datagram.to.device == 0xffff ? 0 : datagram.to.device + 1;
    info.ipi_addr.s_addr = htonl(datagram.to.address.host());
    info.ipi_spec_dst = info.ipi_addr;
    put_control(call, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  }
  if (options_.get(IPPROTO_IP, IP_RECVTTL) != 0) {
    const int ttl = datagram.control.ttl;
    put_control(call, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
  }
  if (options_.get(IPPROTO_IP, IP_RECVTOS) != 0)
    put_control(call, IPPROTO_IP, IP_TOS, &datagram.control.tos, 1);
}

// MSG_ERRQUEUE (Linux: ip_recv_error).
ssize_t Datagram::receive_error(ReceiveCall& call) {
  if (errors_.empty()) return -EAGAIN;
  const ErrorReport report = errors_.pop();
  const std::size_t count = std::min(call.room, report.quoted.size());
  if (count > 0) Pieces(call.parts, 0).write(report.quoted.data(), count);
  if (count < report.quoted.size()) call.result_flags |= MSG_TRUNC;
  write_name(report.peer, call.name, call.name_length);
  struct {
    sock_extended_err error;
    sockaddr_in offender;
  } answer{};
  answer.error.ee_errno = static_cast<std::uint32_t>(report.error);
  answer.error.ee_origin = SO_EE_ORIGIN_ICMP;
  answer.error.ee_type = report.type;
  answer.error.ee_code = report.code;
  answer.error.ee_info = report.info;
  answer.offender.sin_family = AF_INET;
  answer.offender.sin_addr.s_addr = htonl(report.offender.host());
  put_control(call, IPPROTO_IP, IP_RECVERR, &answer, sizeof answer);
  call.result_flags |= MSG_ERRQUEUE;
  // The next report, if there is one, is the pending error.
  error_ = errors_.empty() ? 0 : errors_.front().error;
  publish(mask());
  return static_cast<ssize_t>(count);
}

// The requests that give a datagram's buffers back; its bytes were copied.
std::vector<Message> Datagram::take_datagram(const Arrived& datagram) {
  std::vector<Message> out;
  Message back = message(RequestKind::Return);
  back.handle = handles_[datagram.lane];
  for (unsigned i = 0; i < datagram.pieces; ++i) {
    back.buffer = pieces_.pop();
    out.push_back(back);
  }
  datagrams_.pop();
  return out;
}

ssize_t Datagram::receive(ReceiveCall& call) {
  Lock lock(mutex_);
  if ((call.flags & MSG_ERRQUEUE) != 0) return receive_error(call);
  const bool may_block = !nonblocking() && (call.flags & MSG_DONTWAIT) == 0;
  const auto waited = wait(lock, deadline(options_->receive_timeout), may_block, [this] {
    return error_ != 0 || !datagrams_.empty() || (shutdown_ & kReceiveShut) != 0;
  });
  if (waited != Waited::Done) return result_of(waited);
  if (error_ != 0) return take_error();
  if (datagrams_.empty()) {
    if (!may_block) return -EAGAIN;  // Linux asks for that before it asks for a shutdown
    if (call.name_length != nullptr) *call.name_length = 0;
    return 0;
  }
  const Arrived datagram = datagrams_.front();
  const std::size_t count = std::min(call.room, datagram.bytes);
  Pieces pieces(call.parts, 0);
  std::size_t copied = 0;
  for (std::size_t i = 0; copied < count; ++i) {
    const std::size_t part = std::min<std::size_t>(pieces_[i].length, count - copied);
    pieces.write(program().address(pieces_[i]), part);
    copied += part;
  }
  if (const int bad = write_name(datagram.from, call.name, call.name_length); bad != 0) return bad;
  write_control(datagram, call);
  if (datagram.bytes > call.room) call.result_flags |= MSG_TRUNC;
  const std::size_t told = (call.flags & MSG_TRUNC) != 0 ? datagram.bytes : count;
  if ((call.flags & MSG_PEEK) != 0) return static_cast<ssize_t>(told);
  const std::vector<Message> back = take_datagram(datagram);
  publish(mask());
  lock.unlock();
  for (const Message& request : back)
    program().request(datagram.lane, request);
  if (!back.empty()) program().carry_out(datagram.lane);
  return static_cast<ssize_t>(told);
}

int Datagram::borrow(std::span<ln_buffer> buffers, int flags) {
  if (buffers.empty()) return -EINVAL;
  Lock lock(mutex_);
  const bool may_block = !nonblocking() && (flags & MSG_DONTWAIT) == 0;
  const auto waited = wait(lock, deadline(options_->receive_timeout), may_block, [this] {
    return error_ != 0 || !datagrams_.empty() || (shutdown_ & kReceiveShut) != 0;
  });
  if (waited != Waited::Done) return result_of(waited);
  if (error_ != 0) return take_error();
  if (datagrams_.empty()) return 0;
  const Arrived datagram = datagrams_.front();
  if (datagram.pieces > buffers.size()) return -EMSGSIZE;
  for (unsigned i = 0; i < datagram.pieces; ++i) {
    const socket::BufferRef piece = pieces_.pop();
    buffers[i] = {program().address(piece), piece.length,
                  std::uint64_t{datagram.lane} << 48 | piece.index};
  }
  datagrams_.pop();
  publish(mask());
  return static_cast<int>(datagram.pieces);
}

int Datagram::give_back(std::span<const ln_buffer> buffers) {
  Lock lock(mutex_);
  Message back = message(RequestKind::Return);
  for (const ln_buffer& buffer : buffers) {
    const auto lane = static_cast<unsigned>(buffer.token >> 48);
    if (lane >= handles_.size()) return -EINVAL;
    back.handle = handles_[lane];
    back.buffer = buffer_of(buffer);
    lock.unlock();
    program().request(lane, back);
    program().carry_out(lane);
    lock.lock();
  }
  return 0;
}

}  // namespace linnet::shim
