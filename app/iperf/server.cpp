// SPDX-License-Identifier: BSD-3-Clause
// The server: one test at a time, as the client wants it.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "app/iperf/ends.hpp"
#include "app/iperf/transfer.hpp"
#include "app/start.hpp"

namespace linnet::app::iperf {
namespace {

constexpr std::size_t kMostDenied = 16;

// What became of a test.
enum class Outcome { Done, Failed, Stopped };

Socket bound_datagrams(std::uint16_t port) {
  Socket socket = Socket::datagram();
  const int on = 1;
  socket.set(SOL_SOCKET, SO_REUSEADDR, on);
  return socket.bind(SocketName(INADDR_ANY, port)) == 0 ? std::move(socket) : Socket();
}

class ServerTest {
 public:
  ServerTest(const Options& options, const Socket& listener, Socket control,
             const SocketName& client)
      : options_(options), listener_(listener), report_(options) {
    test_.control = Control(std::move(control));
    report_.accepted(client);
  }

  Outcome run() {
    if (!test_.control.receive_cookie(test_.cookie)) return failed("unable to receive the cookie");
    if (!agree()) return Outcome::Failed;
    if (!test_.control.send_state(State::CreateStreams) || !create_streams())
      return failed("unable to create the streams");
    report_.begin(test_.parameters, test_.cookie, test_.streams);
    if (!test_.control.send_state(State::TestStart) ||
        !test_.control.send_state(State::TestRunning))
      return failed("unable to write to the control socket");
    Transfer transfer(test_, options_, report_);
    transfer.watch(listener_.get(), [this] { deny(); });
    const Transfer::Ended ended = transfer.run(false);
    ours_ = transfer.results();
    if (ended == Transfer::Ended::Silence) return fail("nothing comes from the client any more");
    if (ended == Transfer::Ended::Stopped) return stop();
    return conclude();
  }

 private:
  // What the test is to be. A refusal is told to the client.
  bool agree() {
    if (!test_.control.send_state(State::ParamExchange))
      return refuse("unable to write to the control socket");
    const auto text = test_.control.receive_text();
    if (!text) return refuse("unable to receive parameters");
    const auto parameters = parse_parameters(*text);
    if (!parameters) {
      test_.control.send_fault(ServerFault::Parameters, 0);
      fail(parameters.error().text());
      return false;
    }
    test_.parameters = *parameters;
    if (test_.parameters.udp) {
      datagrams_ = bound_datagrams(options_.port);
      if (!datagrams_)
        return tell_fault(ServerFault::StreamAccept, "unable to listen for datagrams");
    }
    return true;
  }

  bool create_streams() {
    const Parameters& p = test_.parameters;
    const unsigned all = p.both_ways ? 2 * p.streams : p.streams;
    const Time until = Clock::now() + std::chrono::seconds(Control::kPatienceSeconds);
    for (unsigned i = 0; i < all; ++i) {
      // The client makes those on which it sends first.
      const bool sends = p.both_ways ? i >= p.streams : p.reverse;
      Socket socket = p.udp ? accept_datagrams(until) : accept_stream(until);
      if (!socket) return false;
      if (const auto refused = apply(socket, p)) return tell_fault(refused->fault, refused->what);
      ln_fcntl(socket.get(), F_SETFL, O_NONBLOCK);
      test_.streams.push_back(std::make_unique<Stream>(std::move(socket), stream_id(i), sends, p));
    }
    datagrams_.reset();
    return true;
  }

  // Waits for a stream's first sign. False: it does not come, or control says that it will not.
  bool wait_for(const Socket& socket, Time until) {
    pollfd fds[2] = {{socket.get(), POLLIN, 0}, {test_.control.get(), POLLIN, 0}};
    const double left = seconds_between(Clock::now(), until);
    if (left <= 0 || ln_poll(fds, 2, static_cast<int>(left * 1000)) <= 0) {
      errno = ETIMEDOUT;
      return false;
    }
    if (fds[0].revents == 0) errno = ECANCELED;
    return fds[0].revents != 0;
  }

  Socket accept_stream(Time until) {
    while (wait_for(listener_, until)) {
      Socket socket = listener_.accept();
      if (!socket) continue;
      set_patience(socket, 5);
      Cookie cookie{};
      if (receive_all(socket, std::as_writable_bytes(std::span(cookie))) &&
          cookie == test_.cookie) {
        set_patience(socket, 0);
        return socket;
      }
      deny(std::move(socket));
    }
    return Socket();
  }

  // Who speaks first gets the socket, and the next one listens.
  Socket accept_datagrams(Time until) {
    if (!wait_for(datagrams_, until)) return Socket();
    SocketName peer;
    std::uint32_t hello = 0;
    if (datagrams_.receive_from(std::as_writable_bytes(std::span(&hello, 1)), peer) < 0)
      return Socket();
    if (datagrams_.connect(peer) != 0) return Socket();
    Socket socket = std::exchange(datagrams_, bound_datagrams(options_.port));
    if (!datagrams_ || socket.send(std::as_bytes(std::span(&kDatagramAnswer, 1))) < 0)
      return Socket();
    return socket;
  }

  // A second client: told to come again.
  void deny() {
    while (true) {
      pollfd fd{listener_.get(), POLLIN, 0};
      if (ln_poll(&fd, 1, 0) <= 0) return;
      deny(listener_.accept());
    }
  }
  void deny(Socket socket) {
    if (!socket) return;
    const State state = State::AccessDenied;
    socket.send(std::as_bytes(std::span(&state, 1)), MSG_NOSIGNAL | MSG_DONTWAIT);
    socket.shutdown(SHUT_WR);
    // Closed now its unread cookie would reset it before the client has read that.
    if (denied_.size() == kMostDenied) denied_.erase(denied_.begin());
    denied_.push_back(std::move(socket));
  }

  Outcome conclude() {
    const auto state = test_.control.receive_state();
    if (!state) return fail("the client has closed the control connection");
    if (*state == State::ClientTerminate) return fail("the client has terminated");
    if (*state != State::TestEnd) return fail("received an unknown control message");
    for (const auto& stream : test_.streams)
      stream->close();
    if (!test_.control.send_state(State::ExchangeResults))
      return failed("unable to write to the control socket");
    const auto text = test_.control.receive_text();
    if (!text) return failed("unable to receive results");
    const auto theirs = parse_results(*text);
    if (!theirs) {
      test_.control.send_fault(ServerFault::Results, 0);
      return fail(theirs.error().text());
    }
    if (!test_.control.send_text(to_text(ours_)) ||
        !test_.control.send_state(State::DisplayResults))
      return failed("unable to send results");
    report_.finish(accounts_of(test_, ours_, *theirs), ours_, *theirs);
    test_.control.receive_state();  // IperfDone, or the connection's end
    return Outcome::Done;
  }

  Outcome stop() {
    test_.control.send_state(State::ServerTerminate);
    return Outcome::Stopped;
  }
  Outcome fail(const std::string& why) {
    // The first reason is what led to the others.
    if (!std::exchange(told_, true)) report_.fail(why);
    return Outcome::Failed;
  }
  Outcome failed(const std::string& what) { return fail(what + ": " + std::strerror(errno)); }
  bool refuse(const std::string& what) {
    failed(what);
    return false;
  }
  bool tell_fault(ServerFault fault, const std::string& what) {
    const int error = errno;
    test_.control.send_fault(fault, error);
    errno = error;
    return refuse(what);
  }

  const Options& options_;
  const Socket& listener_;
  Report report_;
  Socket datagrams_{};
  Test test_{};
  std::vector<Socket> denied_{};
  Results ours_{};
  bool told_ = false;
};

}  // namespace

int run_server(const Options& options) {
  const auto failed = [&](const char* what) {
    Report(options).fail(std::string(what) + ": " + std::strerror(errno));
    return kFailed;
  };
  const Socket listener = Socket::stream();
  const int on = 1;
  listener.set(SOL_SOCKET, SO_REUSEADDR, on);
  if (listener.bind(SocketName(INADDR_ANY, options.port)) != 0) return failed("unable to bind");
  if (listener.listen(2 * static_cast<int>(kMostStreams)) != 0) return failed("unable to listen");
  while (true) {
    Report(options).listening();
    SocketName client;
    Socket control = listener.accept(&client);
    if (!control) return errno == EINTR || errno == EBADF ? kEnded : failed("unable to accept");
    const Outcome outcome = ServerTest(options, listener, std::move(control), client).run();
    if (outcome == Outcome::Stopped) return kEnded;
    if (options.once) return outcome == Outcome::Done ? kEnded : kFailed;
  }
}

}  // namespace linnet::app::iperf
