// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/transfer.hpp"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "tcp/stream.hpp"

namespace linnet::tests {
namespace {

constexpr std::uint16_t kPort = 5001;
constexpr std::uint64_t kRequest = 100, kResponse = 1000;
constexpr std::int64_t kLimit = 24LL * 3600 * 1'000'000'000;

// One program at one end.
struct End {
  int fd = -1;
  std::uint64_t to_write = 0, written = 0;
  std::uint64_t to_read = 0, read = 0;
  bool first = false;       // the side that connected: its bytes are local_byte
  bool half_close = false;  // shuts its side down when all is written
  bool shut = false, ended = false;
  int error = 0;
  bool wrong = false;
  std::uint32_t retransmissions = 0;
};

std::uint8_t byte_of(bool first, std::uint64_t at) {
  const auto low = static_cast<std::uint32_t>(at);
  return first ? local_byte(low) : peer_byte(low);
}

void write_some(End& end, std::uint64_t most) {
  most = std::min(most, end.to_write);
  while (end.written < most && end.error == 0) {
    std::uint8_t bytes[16384];
    const std::uint64_t count = std::min<std::uint64_t>(sizeof bytes, most - end.written);
    for (std::uint64_t i = 0; i < count; ++i)
      bytes[i] = byte_of(end.first, end.written + i);
    const ssize_t result = ln_send(end.fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (result < 0) {
      if (errno != EAGAIN && errno != ENOTCONN && errno != EINPROGRESS) end.error = errno;
      return;
    }
    end.written += static_cast<std::uint64_t>(result);
  }
}

void read_some(End& end) {
  while (!end.ended && end.error == 0) {
    std::uint8_t bytes[16384];
    const ssize_t result = ln_recv(end.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (result < 0) {
      if (errno != EAGAIN && errno != ENOTCONN && errno != EINPROGRESS) end.error = errno;
      return;
    }
    if (result == 0) end.ended = true;
    for (ssize_t i = 0; i < result; ++i) {
      const auto at = static_cast<std::uint64_t>(i);
      if (bytes[i] != byte_of(!end.first, end.read + at)) end.wrong = true;
    }
    end.read += static_cast<std::uint64_t>(result);
  }
}

void shut_if_done(End& end) {
  if (!end.half_close || end.shut || end.written < end.to_write) return;
  end.shut = ln_shutdown(end.fd, SHUT_WR) == 0;
}

void note_retransmissions(End& end) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (end.fd >= 0 && ln_getsockopt(end.fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0)
    end.retransmissions = std::max(end.retransmissions, info.tcpi_total_retrans);
}

sockaddr_in address_of(std::uint32_t host) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(kPort);
  out.sin_addr.s_addr = htonl(host);
  return out;
}

class Programs {
 public:
  Programs(TwoStacks& stacks, Shape shape, std::uint64_t bytes, const char* congestion)
      : stacks_(stacks), shape_(shape) {
    client_.first = true;
    client_.half_close = server_.half_close = true;
    client_.to_write = bytes;
    if (shape == Shape::BothWays || shape == Shape::HalfClose) server_.to_write = bytes;
    if (shape == Shape::RequestResponse) {
      client_.to_write = bytes / kResponse * kRequest;
      server_.to_write = bytes / kResponse * kResponse;
    }
    client_.to_read = server_.to_write;
    server_.to_read = client_.to_write;

    ln_embed_use(stacks.stack(1));
    listener_ = ln_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const sockaddr_in any = address_of(INADDR_ANY), peer = address_of(0xc0000202);
    set_congestion(listener_, congestion);
    good_ = ln_bind(listener_, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0 &&
            ln_listen(listener_, 4) == 0;
    ln_embed_use(stacks.stack(0));
    client_.fd = ln_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    set_congestion(client_.fd, congestion);
    const int result =
        ln_connect(client_.fd, reinterpret_cast<const sockaddr*>(&peer), sizeof peer);
    good_ = good_ && (result == 0 || errno == EINPROGRESS);
  }
  ~Programs() {
    for (const int fd : {listener_, client_.fd, server_.fd})
      if (fd >= 0) ln_close(fd);
  }
  Programs(const Programs&) = delete;
  Programs& operator=(const Programs&) = delete;

  TransferResult run() {
    TransferResult out;
    const std::int64_t start = stacks_.now();
    out.complete = good_ && stacks_.run(kLimit, [this] { return work(); });
    out.seconds = static_cast<double>(stacks_.now() - start) / 1e9;
    out.bytes = client_.read + server_.read;
    out.retransmissions = client_.retransmissions + server_.retransmissions;
    if (!good_) out.fault = "the sockets could not be set up";
    for (const End* end : {&client_, &server_}) {
      if (end->wrong) out.fault = "a byte is another";
      if (end->error != 0) out.fault = std::strerror(end->error);
    }
    if (out.fault.empty() && !out.complete)
      out.fault = "it stands still: client " + text(client_) + "; server " + text(server_);
    if (out.fault.empty() && (client_.read != client_.to_read || server_.read != server_.to_read))
      out.fault = "bytes are missing";
    if (out.fault.empty() && !stacks_.balanced()) out.fault = "the account does not balance";
    return out;
  }

 private:
  static void set_congestion(int fd, const char* name) {
    ln_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, static_cast<socklen_t>(std::strlen(name)));
  }

  static std::string text(const End& end) {
    return "wrote " + std::to_string(end.written) + " of " + std::to_string(end.to_write) +
           (end.shut ? ", closed" : "") + ", read " + std::to_string(end.read) + " of " +
           std::to_string(end.to_read) + (end.ended ? ", to the end" : "");
  }

  // True: all is done, or never will be.
  bool work() {
    if (server_.fd < 0) server_.fd = ln_accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    for (End* end : {&client_, &server_}) {
      if (end->fd < 0) continue;
      read_some(*end);
      write_some(*end, allowed(*end));
      shut_if_done(*end);
      note_retransmissions(*end);
      if (end->error != 0 || end->wrong) return true;
    }
    return client_.ended && server_.ended;
  }

  // How far a program may have written by now.
  std::uint64_t allowed(const End& end) const {
    switch (shape_) {
      case Shape::Bulk:
      case Shape::BothWays:
        return end.to_write;
      case Shape::HalfClose:  // the server answers when it has read the end
        return end.first || server_.ended ? end.to_write : 0;
      case Shape::RequestResponse:
        return end.first ? (end.read / kResponse + 1) * kRequest : end.read / kRequest * kResponse;
    }
    return 0;
  }

  TwoStacks& stacks_;
  Shape shape_;
  End client_, server_;
  int listener_ = -1;
  bool good_ = false;
};

}  // namespace

TransferResult transfer(TwoStacks& stacks, Shape shape, std::uint64_t bytes,
                        const char* congestion) {
  return Programs(stacks, shape, bytes, congestion).run();
}

}  // namespace linnet::tests
