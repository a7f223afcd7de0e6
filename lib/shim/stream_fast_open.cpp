// SPDX-License-Identifier: BSD-3-Clause
// Fast Open as programs see it: MSG_FASTOPEN and the four options. Reading: Linux
// tcp_sendmsg_fastopen, do_tcp_setsockopt.
#include <linnet/socket.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "shim/pieces.hpp"
#include "shim/stream.hpp"
#include "socket/options.hpp"
#include "tcp/fast_open.hpp"

namespace linnet::shim {
namespace {

constexpr std::size_t kKeyBytes = sizeof(SipKey);

bool is(const OptionRow& row, int name) {
  return row.level == IPPROTO_TCP && row.name == name;
}

}  // namespace

// Connects, the SYN carries what it can of the call's bytes: how many went, or -errno.
ssize_t Stream::send_with_syn(Lock& lock, const SendCall& call, bool may_block) {
  const bool unspecified = call.name != nullptr && call.name_length >= sizeof(sa_family_t) &&
                           call.name->sa_family == AF_UNSPEC;
  if ((program().fast_open() & tcp::fast_open::kClient) == 0 || unspecified) return -EOPNOTSUPP;
  if (!deferred_) {
    if (attempt_ == Attempt::Connected) return -EISCONN;
    if (attempt_ == Attempt::Connecting)
      return state_ == State::SynSent ? -EALREADY : finish_connect(lock, -EALREADY, false);
    if (state_ != State::Close) return -EISCONN;
    if (call.name == nullptr) return -EINVAL;
    if (const int bad = aim(call.name, call.name_length); bad != 0) return bad;
  }
  socket::BufferRef data;
  if (const auto buffer = call.bytes > 0 ? program().take_buffer() : std::nullopt) {
    const auto count =
        static_cast<std::uint16_t>(std::min<std::size_t>(call.bytes, buffer->length));
    Pieces(call.parts, 0).read(program().address(*buffer), count);
    data = {buffer->index, buffer->offset, count};
  }
  start_connect(lock, socket::message_flag::kFastOpen, data, may_block ? call.bytes : 0);
  program().wait_for_lane(*this, lock, [this] { return opening_ == 0; });
  const ssize_t taken = in_syn_;
  const int result = finish_connect(lock, -EINPROGRESS, may_block);
  if (result == -EINPROGRESS && taken > 0) return taken;
  return result != 0 ? result : taken;
}

int Stream::judge_option(const OptionRow& row, int& number) const {
  const bool closed = state_ == State::Close;
  if (is(row, TCP_FASTOPEN)) {
    if (!closed && state_ != State::Listen) return -EINVAL;
    number = std::min(number, static_cast<int>(program().settings().somaxconn.load()));
  }
  if (is(row, TCP_FASTOPEN_CONNECT)) {
    if ((program().fast_open() & tcp::fast_open::kClient) == 0) return -EOPNOTSUPP;
    if (!closed) return -EINVAL;
  }
  if (is(row, TCP_FASTOPEN_NO_COOKIE) && !closed && state_ != State::Listen) return -EINVAL;
  return 0;
}

// TCP_FASTOPEN_KEY: one key, or the one that makes cookies and the one that made them before.
int Stream::set_special(Lock& lock, int level, int name, const void* value, socklen_t length) {
  if (level != IPPROTO_TCP || name != TCP_FASTOPEN_KEY) return -ENOPROTOOPT;
  if (length != kKeyBytes && length != 2 * kKeyBytes) return -EINVAL;
  if (value == nullptr) return -EFAULT;
  tcp::FastOpenKeySet keys;
  keys.has_backup = length == 2 * kKeyBytes;
  std::memcpy(&keys.primary, value, kKeyBytes);
  if (keys.has_backup)
    std::memcpy(&keys.backup, static_cast<const std::byte*>(value) + kKeyBytes, kKeyBytes);
  options_.change().fast_open_keys = std::make_shared<const tcp::FastOpenKeySet>(keys);
  if (state_ == State::Listen) tell_fast_open(lock);
  return 0;
}

// The socket's own keys: where none were set there is nothing to tell, though the system has some.
int Stream::fast_open_key(void* value, socklen_t* length) {
  const std::lock_guard lock(mutex_);
  if (!options_->fast_open_keys) {
    *length = 0;
    return 0;
  }
  const tcp::FastOpenKeySet& keys = *options_->fast_open_keys;
  const SipKey both[] = {keys.primary, keys.backup};
  const auto count = std::min<std::size_t>(*length, (keys.has_backup ? 2 : 1) * kKeyBytes);
  std::memcpy(value, both, count);
  *length = static_cast<socklen_t>(count);
  return 0;
}

std::vector<Message> Stream::fast_open_messages() const {
  std::vector<Message> out;
  const auto add = [&](std::uint32_t option, std::uint64_t value) {
    Message message = this->message(RequestKind::SetOption);
    message.option = option;
    message.value = value;
    out.push_back(message);
  };
  if (options_->fast_open_keys) {
    const tcp::FastOpenKeySet& keys = *options_->fast_open_keys;
    const std::uint64_t words[] = {keys.primary.k0, keys.primary.k1, keys.backup.k0, keys.backup.k1,
                                   keys.has_backup ? 2u : 1u};
    for (std::uint32_t i = 0; i < std::size(words); ++i)
      add(socket::name::kFastOpenKey + (i << 8), words[i]);
  }
  add(socket::name::kFastOpen, static_cast<std::uint64_t>(options_.get(IPPROTO_TCP, TCP_FASTOPEN)));
  return out;
}

// What only listeners are told, once they stand.
void Stream::tell_fast_open(Lock& lock) {
  std::vector<Message> requests = fast_open_messages();
  const std::vector<LaneHandle> handles = rare_->listens;
  lock.unlock();
  for (const LaneHandle& at : handles) {
    for (Message& request : requests)
      request.handle = at.handle;
    program().request(at.lane, requests);
    program().carry_out(at.lane);
  }
  lock.lock();
}

}  // namespace linnet::shim
