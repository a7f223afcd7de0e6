// SPDX-License-Identifier: BSD-3-Clause
// A socket in the program's memory (Linux: struct socket with its inet_sock). Calls return what
// Linux's do, errors as -errno.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cerrno>
#include <optional>
#include <span>
#include <vector>

#include "shim/options.hpp"
#include "shim/program.hpp"

struct ln_buffer;

namespace linnet::shim {

using socket::Endpoint;
using socket::EventKind;
using socket::Handle;
using socket::Message;
using socket::RequestKind;

// Bits of what shutdown() has closed, as `how` + 1 sets them (Linux: RCV_SHUTDOWN, SEND_SHUTDOWN).
inline constexpr int kReceiveShut = 1;
inline constexpr int kSendShut = 2;

// What send, sendto, sendmsg ... come to.
struct SendCall {
  std::span<const iovec> parts;
  std::size_t bytes = 0;  // of all parts
  const sockaddr* name = nullptr;
  socklen_t name_length = 0;
  std::span<const std::byte> control{};
  int flags = 0;
};

// What recv, recvfrom, recvmsg ... come to.
struct ReceiveCall {
  std::span<const iovec> parts;
  std::size_t room = 0;
  int flags = 0;
  // Answers, where wanted.
  sockaddr* name = nullptr;
  socklen_t* name_length = nullptr;  // room in, length out
  std::span<std::byte> control{};
  std::size_t control_length = 0;
  int result_flags = 0;
};
void put_control(ReceiveCall& call, int level, int type, const void* bytes, std::size_t count);

class Socket : public File {
 public:
  Socket(File::Kind kind, std::shared_ptr<Program> program, socket::Kind socket_kind, int type,
         int protocol);
  // Its number in messages; asked once, by the maker.
  void enter(std::shared_ptr<Socket> self) { number_ = program().enter(std::move(self)); }

  int bind(const sockaddr* address, socklen_t length);
  virtual int connect(const sockaddr* address, socklen_t length) = 0;
  virtual int listen(int backlog) = 0;
  // `made`: the connection.
  virtual int accept(std::shared_ptr<Socket>& made) = 0;
  virtual ssize_t send(const SendCall& call) = 0;
  virtual ssize_t receive(ReceiveCall& call) = 0;
  virtual int shutdown(int how) = 0;
  int local_name(sockaddr* address, socklen_t* length) const;
  int peer_name(sockaddr* address, socklen_t* length) const;
  // Likewise of what was just accepted, even if it ended meanwhile.
  int accepted_from(sockaddr* address, socklen_t* length) const;
  int set_option(int level, int name, const void* value, socklen_t length);
  int get_option(int level, int name, void* value, socklen_t* length);
  // FIONREAD, SIOCOUTQ, SIOCATMARK ...: the answer.
  virtual int query(unsigned long request, int& answer) = 0;

  // Without copying; socket.h says what they do.
  virtual int borrow(std::span<ln_buffer> buffers, int flags) = 0;
  virtual int give_back(std::span<const ln_buffer> buffers);
  int lend(ln_buffer& buffer);
  int take_back(std::span<const ln_buffer> buffers);
  virtual int send_lent(std::span<const ln_buffer> buffers, int flags) = 0;

  // An event of a lane. True: nothing will come any more, the number is free.
  virtual bool on_event(unsigned lane, const Message& event) = 0;
  // `Program::starve` was asked: there are free buffers again.
  virtual void buffers_back() {}

  std::uint32_t number() const { return number_; }

 protected:
  // --- With mutex_ held.
  Message message(RequestKind kind) const;
  int take_error();
  // Binds to an ephemeral port if nothing was bound. 0 or -errno.
  int bind_any_port();
  void release_port();
  // Options as a lane is told them before it makes the socket (handle 0).
  std::vector<Message> option_messages() const;
  time::Instant deadline(time::Duration limit) const;
  virtual bool connected() const = 0;
  // After a successful bind: lanes may have to know. 0 or -errno.
  virtual int on_bound(std::unique_lock<Mutex>& /*lock*/) { return 0; }
  virtual bool listening() const { return false; }
  // The lanes' sockets, that options are told to.
  struct LaneHandle {
    unsigned lane;
    Handle handle;
  };
  virtual std::vector<LaneHandle> handles() const = 0;
  // Options that more than the table knows: -ENOPROTOOPT where this kind of socket has none such.
  virtual int get_special(int level, int name, void* value, socklen_t* length);
  // Whether the socket's state lets a number of the table be set, and what it becomes. 0 or -errno.
  virtual int judge_option(const OptionRow& /*row*/, int& /*number*/) const { return 0; }
  // An option of the table was set: what follows from it at once.
  virtual void option_changed(std::unique_lock<Mutex>& /*lock*/, const OptionRow& /*row*/) {}
  // Options that more than the table knows, as `get_special`.
  virtual int set_special(std::unique_lock<Mutex>& /*lock*/, int /*level*/, int /*name*/,
                          const void* /*value*/, socklen_t /*length*/) {
    return -ENOPROTOOPT;
  }
  virtual void refresh() = 0;  // readiness after a change
  // As `Program::wait`; a close by another thread ends it as well.
  template <typename Done>
  Waited wait(std::unique_lock<Mutex>& lock, time::Instant deadline, bool may_block, Done&& done) {
    const Waited waited =
        program().wait(*this, lock, deadline, may_block, [&] { return closed_ || done(); });
    return closed_ ? Waited::Closed : waited;
  }

  const socket::Kind socket_kind_;
  const int type_;
  const int protocol_;
  std::uint32_t number_ = 0;
  Endpoint local_{};
  Endpoint peer_{};
  socket::Ticket ticket_ = 0;
  bool port_given_ = false;     // by bind, not chosen by us
  bool address_given_ = false;  // likewise
  int error_ = 0;               // pending (Linux: sk_err)
  int shutdown_ = 0;            // kReceiveShut | kSendShut
  OptionValues options_;

 private:
  int adjust(const OptionRow& row, int& number) const;
  // Gives up the lock.
  int set_travelling(std::unique_lock<Mutex>& lock, const OptionRow& row, std::int64_t value);
};

// --- Names.
// 0 or -errno as Linux's calls judge a peer's name.
int parse_name(const sockaddr* address, socklen_t length, Endpoint& out);
// Writes an AF_INET name into what room there is and says how long it is.
int write_name(const Endpoint& endpoint, sockaddr* address, socklen_t* length);

// How a wait of a socket call that found nothing ends: -EAGAIN, -EINTR or -EBADF.
int result_of(Waited waited);

}  // namespace linnet::shim
