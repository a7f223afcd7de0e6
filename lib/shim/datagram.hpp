// SPDX-License-Identifier: BSD-3-Clause
// UDP and ping sockets in the program's memory.
#pragma once

#include "shim/fifo.hpp"
#include "shim/socket.hpp"

namespace linnet::shim {

class Datagram final : public Socket {
 public:
  Datagram(std::shared_ptr<Program> program, socket::Kind kind, int type, int protocol);

  int connect(const sockaddr* address, socklen_t length) override;
  int listen(int backlog) override;
  int accept(std::shared_ptr<Socket>& made) override;
  ssize_t send(const SendCall& call) override;
  ssize_t receive(ReceiveCall& call) override;
  int shutdown(int how) override;
  int query(unsigned long request, int& answer) override;
  int borrow(std::span<ln_buffer> buffers, int flags) override;
  int give_back(std::span<const ln_buffer> buffers) override;
  int send_lent(std::span<const ln_buffer> buffers, int flags) override;
  bool on_event(unsigned lane, const Message& event) override;

 protected:
  using Lock = std::unique_lock<Mutex>;
  int on_close() override;
  int on_bound(std::unique_lock<Mutex>& lock) override;
  bool connected() const override { return connected_; }
  std::vector<LaneHandle> handles() const override;
  void option_changed(Lock& lock, const OptionRow& row) override;
  int get_special(int level, int name, void* value, socklen_t* length) override;
  void refresh() override { publish(mask()); }

 private:
  // One datagram that waits to be read: the first `pieces` of pieces_ are its bytes.
  struct Arrived {
    Endpoint from, to;
    socket::ControlData control{};
    unsigned lane = 0;
    unsigned pieces = 0;
    std::size_t bytes = 0;
  };
  // Of which the pieces have not all come from the lane.
  struct Coming {
    Arrived datagram;
    std::vector<socket::BufferRef> pieces;
  };
  struct ErrorReport {
    int error = 0;
    std::uint8_t type = 0, code = 0;
    std::uint32_t info = 0;
    Endpoint peer{};
    Ipv4Address offender{};
    std::vector<std::byte> quoted;
  };

  // With mutex_ held.
  std::uint32_t mask() const;
  // Makes the lanes' sockets, bound to an ephemeral port if to none. 0 or -errno.
  int open(Lock& lock);
  // By which device datagrams to the address leave; 0xffff: any.
  std::uint16_t device_for(Ipv4Address peer) const;
  int address_of(const SendCall& call, Endpoint& peer, Endpoint& from) const;
  int read_control(std::span<const std::byte> control, Endpoint& from,
                   socket::ControlData& data) const;
  int judge_bytes(const SendCall& call) const;
  int send_bytes(Lock& lock, std::span<const iovec> parts, std::size_t bytes, const Message& like,
                 bool may_block);
  int send_train(Lock& lock, std::vector<Message>& train, bool may_block);
  int cork(Lock& lock, const SendCall& call, bool may_block);
  int send_corked(Lock& lock, bool may_block);
  void forget_corked();
  bool wants_cork(const SendCall& call) const;
  bool may_leave();
  void arrived(unsigned lane, const Message& event);
  void failed(int error);
  void peered();
  void soft_error(const Message& event);
  void write_control(const Arrived& datagram, ReceiveCall& call) const;
  ssize_t receive_error(ReceiveCall& call);
  std::vector<Message> take_datagram(const Arrived& datagram);
  int set_peer(Lock& lock);
  // One lane after the other carries it out; gives the lock up.
  void ask_every_lane(Lock& lock, Message request);
  int rebind(Lock& lock);
  void wait_for_peers(Lock& lock);
  Endpoint for_lane(Endpoint peer) const;

  std::vector<Handle> handles_;  // by lane; empty: not open
  unsigned opening_ = 0;         // answers that are to come
  unsigned standing_ = 0;        // lanes that have a socket for us
  unsigned peering_ = 0;         // answers to SetPeer that are to come
  bool connected_ = false;
  bool left_ = false;     // the number is given away
  bool sending_ = false;  // a call sends: the lane may say at once that it cannot
  int local_error_ = 0;   // what it said

  Fifo<Arrived> datagrams_;
  Fifo<socket::BufferRef> pieces_;
  std::vector<Coming> coming_;  // by lane
  Fifo<ErrorReport> errors_;
  std::vector<std::byte> corked_;  // MSG_MORE, UDP_CORK
  bool corking_ = false;
  // Of the first piece, and so of the datagram.
  Endpoint corked_peer_{}, corked_from_{};
  std::uint32_t corked_control_ = 0;
};

}  // namespace linnet::shim
