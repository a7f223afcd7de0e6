// SPDX-License-Identifier: BSD-3-Clause
// The client: connects, says what the test is, decides when it is over.
#include <fcntl.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "app/iperf/ends.hpp"
#include "app/iperf/transfer.hpp"
#include "app/start.hpp"

namespace linnet::app::iperf {
namespace {

constexpr unsigned kGreetings = 10;  // of a UDP stream, a second apart

class Client {
 public:
  explicit Client(const Options& options) : options_(options), report_(options) {
    test_.parameters = options.parameters;
    test_.cookie = make_cookie();
  }

  int run() {
    report_.connecting();
    const int code = find_server();
    if (code == EAI_SYSTEM) return failed(options_.host);
    if (code != 0) return fail(options_.host + ": " + ln_gai_strerror(code));
    if (!connect()) return failed("unable to connect to the server");
    while (true) {
      const auto state = test_.control.receive_state();
      if (!state)
        return errno == ENOTCONN ? fail("control socket has closed unexpectedly")
                                 : failed("unable to read from the control socket");
      switch (follow(*state)) {
        case Next::On:
          break;
        case Next::Done:
          return kEnded;
        case Next::Failed:
          return kFailed;
      }
    }
  }

 private:
  enum class Next { On, Done, Failed };

  int find_server() {
    return look_up(options_.host.c_str(), std::to_string(options_.port).c_str(), server_);
  }

  bool connect() {
    Socket socket = Socket::stream();
    if (socket.connect(server_) != 0) return false;
    test_.control = Control(std::move(socket));
    return test_.control.send_cookie(test_.cookie);
  }

  Next follow(State state) {
    switch (state) {
      case State::ParamExchange:
        return send_parameters();
      case State::CreateStreams:
        return create_streams();
      case State::TestStart:
        return Next::On;
      case State::TestRunning:
        return transfer();
      case State::ExchangeResults:
        return exchange_results();
      case State::DisplayResults:
        return finish();
      case State::IperfDone:
        return Next::Done;
      case State::AccessDenied:
        return stop("the server is busy running a test. try again later");
      case State::ServerTerminate:
        return stop("the server has terminated");
      case State::ServerError:
        return take_fault();
      default:
        return stop("received an unknown control message");
    }
  }

  Next send_parameters() {
    Parameters& p = test_.parameters;
    if (p.length == 0) {
      // A datagram that a packet of this way holds, as far as the handshake has told.
      int mss = 0;
      socklen_t length = sizeof mss;
      ln_getsockopt(test_.control.get(), IPPROTO_TCP, TCP_MAXSEG, &mss, &length);
      p.length =
          mss >= static_cast<int>(kShortestDatagram) ? static_cast<std::uint32_t>(mss) : 1460;
    }
    return test_.control.send_text(to_text(p)) ? Next::On
                                               : stop_failed("unable to send parameters");
  }

  Next create_streams() {
    const Parameters& p = test_.parameters;
    const unsigned all = p.both_ways ? 2 * p.streams : p.streams;
    for (unsigned i = 0; i < all; ++i) {
      const bool sends = p.both_ways ? i < p.streams : !p.reverse;
      Socket socket = p.udp ? open_datagrams() : open_stream();
      if (!socket) return stop_failed("unable to create a stream");
      ln_fcntl(socket.get(), F_SETFL, O_NONBLOCK);
      test_.streams.push_back(std::make_unique<Stream>(std::move(socket), stream_id(i), sends, p));
    }
    report_.begin(p, test_.cookie, test_.streams);
    return Next::On;
  }

  // An empty socket: it failed, errno says why.
  Socket open_stream() {
    Socket socket = Socket::stream();
    if (apply(socket, test_.parameters) || socket.connect(server_) != 0) return Socket();
    if (!send_all(socket, std::as_bytes(std::span(test_.cookie)))) return Socket();
    return socket;
  }

  // Greets until the server answers: either datagram may be lost.
  Socket open_datagrams() {
    Socket socket = Socket::datagram();
    if (apply(socket, test_.parameters) || socket.connect(server_) != 0) return Socket();
    set_patience(socket, 1);
    for (unsigned i = 0; i < kGreetings; ++i) {
      if (socket.send(std::as_bytes(std::span(&kDatagramHello, 1))) < 0 && errno != ECONNREFUSED)
        return Socket();
      std::uint32_t answer = 0;
      // With -R data of an earlier stream cannot come here: each has a port of its own.
      while (socket.receive(std::as_writable_bytes(std::span(&answer, 1))) > 0)
        if (answer == kDatagramAnswer || answer == kOldDatagramAnswer) return socket;
      if (errno != EAGAIN && errno != ECONNREFUSED) return Socket();
    }
    errno = ETIMEDOUT;
    return Socket();
  }

  Next transfer() {
    Transfer transfer(test_, options_, report_);
    Transfer::Ended ended = transfer.run(true);
    ours_ = transfer.results();
    if (ended == Transfer::Ended::Limit) {
      if (!test_.control.send_state(State::TestEnd))
        return stop_failed("unable to write to the control socket");
      ended = transfer.drain();
    }
    if (ended == Transfer::Ended::Silence) return stop("nothing comes from the server any more");
    if (ended == Transfer::Ended::Stopped) {
      test_.control.send_state(State::ClientTerminate);
      return Next::Failed;
    }
    return Next::On;
  }

  Next exchange_results() {
    if (!test_.control.send_text(to_text(ours_))) return stop_failed("unable to send results");
    const auto text = test_.control.receive_text();
    if (!text) return stop_failed("unable to receive results");
    const auto results = parse_results(*text);
    if (!results) return stop(results.error().text());
    theirs_ = *results;
    return Next::On;
  }

  Next finish() {
    if (ours_.streams.size() != test_.streams.size() || ours_.streams.empty())
      return stop("the server tells results of a test that did not run");
    const std::vector<Account> accounts = accounts_of(test_, ours_, theirs_);
    for (const auto& stream : test_.streams)
      stream->close();
    test_.control.send_state(State::IperfDone);
    report_.finish(accounts, ours_, theirs_);
    return Next::Done;
  }

  Next take_fault() {
    const auto fault = test_.control.receive_fault();
    if (!fault) return stop_failed("the server has failed");
    return stop("the server says: error " + std::to_string(fault->first) + " of iperf3" +
                (fault->second != 0 ? std::string(": ") + std::strerror(fault->second) : ""));
  }

  int fail(const std::string& why) {
    report_.fail(why);
    return kFailed;
  }
  int failed(const std::string& what) { return fail(what + ": " + std::strerror(errno)); }
  Next stop(const std::string& why) {
    fail(why);
    return Next::Failed;
  }
  Next stop_failed(const std::string& what) {
    failed(what);
    return Next::Failed;
  }

  const Options& options_;
  Report report_;
  SocketName server_{};
  Test test_{};
  Results ours_{}, theirs_{};
};

}  // namespace

int run_client(const Options& options) {
  return Client(options).run();
}

}  // namespace linnet::app::iperf
