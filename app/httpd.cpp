// SPDX-License-Identifier: BSD-3-Clause
// linnet-httpd: serves the files of a directory by HTTP/1.1 (RFC 9112) with persistent connections.
// A file is read straight into the stack's buffers: no copy but the kernel's.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linnet/socket.hpp>

#include <array>
#include <cerrno>
#include <string>
#include <unordered_map>

#include "app/http.hpp"
#include "app/in_process.hpp"

namespace {

using namespace linnet;

constexpr const char* kName = "linnet-httpd";
constexpr std::size_t kLongestHead = 16384;
constexpr int kBuffersAtOnce = 16;

struct Connection {
  Connection() = default;
  ~Connection() {
    if (file >= 0) ::close(file);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Socket socket;
  std::string head;    // of the request that comes in, and what follows it
  std::string answer;  // of which `told` bytes were sent
  std::size_t told = 0;
  int file = -1;  // its body, of which `left` bytes are to be sent
  std::uint64_t left = 0;
  bool last = false;  // closes after the answer
  std::uint32_t watched = EPOLLIN;
};

class Server {
 public:
  explicit Server(std::string root) : root_(std::move(root)) {}

  int run(std::uint16_t port) {
    const int on = 1;
    listener_.set(SOL_SOCKET, SO_REUSEADDR, on);
    if (listener_.bind(SocketName(INADDR_ANY, port)) != 0) return app::failed(kName, "the port");
    if (listener_.listen(4096) != 0) return app::failed(kName, "listen");
    epoll_.add(listener_.get(), EPOLLIN, static_cast<std::uint64_t>(listener_.get()));
    std::array<epoll_event, 256> events;
    while (true) {
      const int count = epoll_.wait(events);
      if (count < 0) return 0;  // the process ends
      for (int i = 0; i < count; ++i)
        serve(static_cast<int>(events[static_cast<std::size_t>(i)].data.u64));
    }
  }

 private:
  void serve(int fd) {
    if (fd == listener_.get()) return accept();
    const auto found = connections_.find(fd);
    if (found == connections_.end()) return;
    if (!go_on(found->second)) connections_.erase(found);
  }

  void accept() {
    while (Socket socket = listener_.accept(nullptr, SOCK_NONBLOCK)) {
      const int fd = socket.get();
      epoll_.add(fd, EPOLLIN, static_cast<std::uint64_t>(fd));
      connections_[fd].socket = std::move(socket);
    }
  }

  // Reads requests and sends answers as far as it goes. False: the connection is over.
  bool go_on(Connection& c) {
    while (true) {
      if (c.told < c.answer.size() || c.left > 0) {
        if (!send(c)) return false;
        if (c.told < c.answer.size() || c.left > 0) return watch(c, EPOLLOUT);
        if (c.last) return false;
      }
      if (take_request(c)) continue;
      const ssize_t count = c.socket.receive(room_);
      if (count == 0) return false;
      if (count < 0) return errno == EAGAIN && watch(c, EPOLLIN);
      c.head.append(reinterpret_cast<const char*>(room_.data()), static_cast<std::size_t>(count));
    }
  }

  bool watch(Connection& c, std::uint32_t events) {
    if (c.watched == events) return true;
    c.watched = events;
    return epoll_.change(c.socket.get(), events, static_cast<std::uint64_t>(c.socket.get())) == 0;
  }

  // Prepares the answer to the next request, if it is all there.
  bool take_request(Connection& c) {
    const std::size_t end = c.head.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (c.head.size() <= kLongestHead) return false;
      refuse(c, 431);
      return true;
    }
    const auto request = app::parse_http_request(c.head.substr(0, end + 2));
    c.head.erase(0, end + 4);
    if (!request) {
      refuse(c, 400);
    } else {
      c.last = !request->keep_alive || request->has_body;
      answer(c, *request);
    }
    return true;
  }

  void refuse(Connection& c, int status) {
    c.last = true;
    const std::string body = app::http_error_page(status);
    c.answer = app::http_head(status, "text/html", body.size(), false) + body;
    c.told = 0;
  }

  void answer(Connection& c, const app::HttpRequest& request) {
    const auto tell = [&](int status) {
      const std::string body = app::http_error_page(status);
      c.answer = app::http_head(status, "text/html", body.size(), !c.last);
      if (request.method != "HEAD") c.answer += body;
      c.told = 0;
    };
    if (request.method != "GET" && request.method != "HEAD") return tell(405);
    const std::string path = root_ + request.path;
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat facts{};
    if (file < 0 || ::fstat(file, &facts) != 0) {
      const int status = errno == EACCES ? 403 : 404;
      if (file >= 0) ::close(file);
      return tell(status);
    }
    if (!S_ISREG(facts.st_mode)) {
      ::close(file);
      return tell(404);
    }
    const auto size = static_cast<std::uint64_t>(facts.st_size);
    c.answer = app::http_head(200, app::http_type_of(request.path), size, !c.last);
    c.told = 0;
    if (request.method == "HEAD") {
      ::close(file);
      return;
    }
    c.file = file;
    c.left = size;
    if (size == 0) close_file(c);
  }

  static void close_file(Connection& c) {
    ::close(c.file);
    c.file = -1;
  }

  // False: the connection is over.
  bool send(Connection& c) {
    if (c.told < c.answer.size()) {
      const int more = c.left > 0 ? MSG_MORE : 0;
      const ssize_t count =
          c.socket.send(std::string_view(c.answer).substr(c.told), MSG_NOSIGNAL | more);
      if (count < 0) return errno == EAGAIN;
      c.told += static_cast<std::size_t>(count);
      if (c.told < c.answer.size()) return true;
    }
    while (c.left > 0) {
      const int sent = send_file(c);
      if (sent < 0) return false;
      if (sent == 0) return true;
    }
    return true;
  }

  // Reads the file on into buffers of the stack and sends those. How many buffers went; -1: the
  // connection or the file failed.
  int send_file(Connection& c) {
    std::array<ln_buffer, kBuffersAtOnce> buffers;
    int count = 0;
    std::uint64_t read = 0;
    while (count < kBuffersAtOnce && read < c.left) {
      ln_buffer& buffer = buffers[static_cast<std::size_t>(count)];
      if (ln_send_buffer_get(c.socket.get(), &buffer) != 0) break;
      const std::size_t want = std::min<std::uint64_t>(buffer.length, c.left - read);
      const ssize_t got = ::read(c.file, buffer.data, want);
      ++count;
      buffer.length = got > 0 ? static_cast<std::size_t>(got) : 0;
      if (got <= 0) {  // it became shorter, which the head that was sent does not say
        ln_send_buffer_drop(c.socket.get(), buffers.data(), count);
        return -1;
      }
      read += static_cast<std::uint64_t>(got);
    }
    const int sent =
        count == 0 ? 0 : ln_send_buffer(c.socket.get(), buffers.data(), count, MSG_NOSIGNAL);
    const bool over = sent < 0 && errno != EAGAIN;
    const int taken = sent > 0 ? sent : 0;
    std::uint64_t back = 0;
    for (int i = taken; i < count; ++i)
      back += buffers[static_cast<std::size_t>(i)].length;
    ln_send_buffer_drop(c.socket.get(), buffers.data() + taken, count - taken);
    if (back > 0) ::lseek(c.file, -static_cast<off_t>(back), SEEK_CUR);
    c.left -= read - back;
    if (c.left == 0) close_file(c);
    return over ? -1 : taken;
  }

  const std::string root_;
  Epoll epoll_;
  Socket listener_ = Socket::stream(SOCK_NONBLOCK);
  std::unordered_map<int, Connection> connections_;
  std::array<std::byte, 8192> room_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto port_of = [](std::span<const std::string> words) -> std::uint16_t {
    if (words.size() == 1) return 80;
    return words.size() == 2 ? app::port_number(words[1]) : std::uint16_t{0};
  };
  return app::run_in_process(
      argc, argv,
      {.name = kName,
       .usage = "linnet-httpd [OPTIONS] -- DIRECTORY [PORT]\n\nServes the files of DIRECTORY by "
                "HTTP on PORT (80).",
       .run =
           [&](std::span<const std::string> words) { return Server(words[0]).run(port_of(words)); },
       .check = [&](std::span<const std::string> words) { return port_of(words) != 0; }});
}
