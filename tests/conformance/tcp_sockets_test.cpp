// SPDX-License-Identifier: BSD-3-Clause
// TCP connections of programs on two stacks, and what a listener or a closed port says to segments
// made by hand (RFC 9293; what a connection itself does is tested in lib/tcp).
#include "conformance/lab.hpp"
#include "socket/options.hpp"
#include "stack/lane_state.hpp"
#include "support/program.hpp"
#include "support/tcp_frames.hpp"

namespace linnet::tests {
namespace {

//  client 192.0.2.1 ---segment--- server 192.0.2.2        a station at 192.0.2.9
class PairLab : public Lab {
 public:
  explicit PairLab(std::uint32_t packets = 8192)
      : segment(add_segment()),
        client(add_node("client", {.packets = packets})),
        server(add_node("server", {.packets = packets})),
        station(add_station(segment, mac(9), {ip("192.0.2.9")})) {
    client.add_port("eth", segment, mac(1));
    server.add_port("eth", segment, mac(2));
    client.add_address("eth", "192.0.2.1/24");
    server.add_address("eth", "192.0.2.2/24");
    client.loopback_up();
    server.loopback_up();
    run_for(seconds(10));  // duplicate detection is over
  }
  void start() {
    client.start_counting();
    server.start_counting();
    station.forget();
  }
  std::uint64_t handovers() {
    std::uint64_t sum = 0;
    for (Node* node : {&client, &server}) {
      for (unsigned i = 0; i < modes().lanes; ++i)
        sum += node->lane(i).sockets.handovers();
    }
    return sum;
  }
  Segment& segment;
  Node& client;
  Node& server;
  Station& station;
};

SCENARIO("A connection carries bytes both ways and ends", "[RFC9293-3.5][RFC9293-3.6][S13.1]") {
  PairLab lab;
  Program left(lab.client), right(lab.server);
  auto& listener = right.listen("0.0.0.0", 80);
  listener.echo = true;
  lab.run_for(ms(1));
  auto& socket = left.connect(endpoint("192.0.2.2", 80));
  const Bytes data = pattern(300000);
  left.write(socket, data);
  socket.finish = true;
  lab.run_for(seconds(10));
  CHECK(socket.connected);
  CHECK(socket.error == 0);
  CHECK(socket.end_of_stream);
  CHECK(socket.read.size() == data.size());
  CHECK(socket.read == data);
  REQUIRE(listener.accepted.size() == 1);
  auto& accepted = right.at(listener.accepted[0]);
  CHECK(accepted.read == data);
  CHECK(accepted.peer.port == socket.local.port);
  CHECK(accepted.local.address == ip("192.0.2.2"));
  // Who closed first is in TIME-WAIT and told the program already; the other has nothing left.
  left.close(socket);
  right.close(accepted);
  lab.run_for(seconds(1));
  CHECK(socket.closed);
  CHECK(accepted.closed);
  CHECK(left.unexpected.empty());
  CHECK(right.unexpected.empty());
  THEN("TIME-WAIT ends after a minute") {
    const auto entries = [&] {
      std::uint32_t count = 0;
      for (unsigned i = 0; i < modes().lanes; ++i) {
        count += lab.client.lane(i).sockets.tcp().sizes().time_wait +
                 lab.server.lane(i).sockets.tcp().sizes().time_wait;
      }
      return count;
    };
    CHECK(entries() == 1);
    lab.run_for(seconds(61));
    CHECK(entries() == 0);
  }
}

SCENARIO("Many flows on any number of lanes, whatever queue their packets come in",
         "[S13.1][S2.3]") {
  PairLab lab(16384);
  Program left(lab.client), right(lab.server);
  auto& listener = right.listen("0.0.0.0", 80);
  listener.echo = true;
  lab.run_for(ms(1));
  constexpr unsigned kFlows = 256;
  std::vector<Program::Socket*> sockets;
  for (unsigned i = 0; i < kFlows; ++i) {
    sockets.push_back(&left.connect(endpoint("192.0.2.2", 80), i % modes().lanes));
    left.write(*sockets.back(), pattern(3000 + i, i));
    sockets.back()->finish = true;
  }
  lab.run_for(seconds(20));
  CHECK(listener.accepted.size() == kFlows);
  std::map<unsigned, unsigned> by_lane;
  for (unsigned i = 0; i < kFlows; ++i) {
    INFO("flow " << i);
    REQUIRE(sockets[i]->end_of_stream);
    CHECK(sockets[i]->read == pattern(3000 + i, i));
    ++by_lane[sockets[i]->lane];
    left.close(*sockets[i]);
  }
  for (const std::uint32_t number : listener.accepted)
    right.close(right.at(number));
  CHECK(by_lane.size() == modes().lanes);
  CHECK((lab.handovers() > 0) == (modes().lanes > 1));
  lab.run_for(seconds(70));
  CHECK(lab.client.stack().pool().in_use() == 0);
  CHECK(lab.server.stack().pool().in_use() == 0);
}

SCENARIO("A connection to ourselves", "[S13.1][S1.1]") {
  PairLab lab;
  Program program(lab.client);
  auto& listener = program.listen("127.0.0.1", 80);
  listener.echo = true;
  lab.run_for(ms(1));
  auto& socket = program.connect(endpoint("127.0.0.1", 80));
  program.write(socket, pattern(200000));
  socket.finish = true;
  lab.run_for(seconds(10));
  CHECK(socket.read == pattern(200000));
  CHECK(socket.end_of_stream);
}

SCENARIO("Connections that cannot be", "[RFC9293-3.10.7.3][S13.1]") {
  PairLab lab;
  Program program(lab.client);
  WHEN("nobody listens") {
    lab.start();
    auto& socket = program.connect(endpoint("192.0.2.2", 81));
    lab.run_for(seconds(1));
    CHECK(socket.error == ECONNREFUSED);
    CHECK(socket.closed);
    CHECK(lab.server.drops() == Drops{{"socket.TcpNoSocket", 1}});
  }
  WHEN("there is no route") {
    auto& socket = program.connect(endpoint("8.8.8.8", 81));
    lab.run_for(seconds(1));
    CHECK(socket.error == ENETUNREACH);
    CHECK(socket.handles.empty());
  }
  WHEN("it is a broadcast or a group") {
    for (const char* to : {"192.0.2.255", "255.255.255.255", "224.0.0.1"}) {
      auto& socket = program.connect(endpoint(to, 81));
      lab.run_for(seconds(1));
      CHECK(socket.error == ENETUNREACH);
    }
  }
  WHEN("all ephemeral ports lead to the same place") {
    program.system().settings.ip_local_port_min = 40000;
    program.system().settings.ip_local_port_max = 40003;
    Program other(lab.server);
    other.listen("0.0.0.0", 80);
    lab.run_for(ms(1));
    unsigned refused = 0, connected = 0;
    std::vector<Program::Socket*> sockets;
    for (unsigned i = 0; i < 5 * modes().lanes; ++i)
      sockets.push_back(&program.connect(endpoint("192.0.2.2", 80), i % modes().lanes));
    lab.run_for(seconds(1));
    for (const auto* socket : sockets) {
      refused += socket->error == EADDRNOTAVAIL ? 1 : 0;
      connected += socket->connected ? 1 : 0;
    }
    CHECK(connected == 4);
    CHECK(refused == 5 * modes().lanes - 4);
  }
}

SCENARIO("A bound port keeps its flow on the lane that owns it", "[S13.1]") {
  PairLab lab;
  Program program(lab.client), other(lab.server);
  auto& listener = other.listen("0.0.0.0", 80);
  listener.echo = true;
  lab.run_for(ms(1));
  for (std::uint16_t port = 3000; port < 3016; ++port) {
    auto& socket = program.connect(endpoint("192.0.2.2", 80), port % modes().lanes, port);
    program.write(socket, pattern(100, port));
    lab.run_for(seconds(1));
    CHECK(socket.connected);
    CHECK(socket.local.port == port);
    CHECK(socket.read == pattern(100, port));
  }
}

SCENARIO("Segments for nobody are answered with a reset, but for resets and groups",
         "[RFC9293-3.10.7.1][MUST-57][T13]") {
  PairLab lab;
  const auto says = [&](std::uint8_t flags, const std::string& to = "192.0.2.2",
                        MacAddress link = mac(2)) {
    lab.start();
    const Ip header{.source = ip("192.0.2.9"), .destination = ip(to), .protocol = 6};
    const TcpFrame segment{.destination_port = 81, .seq = 1000, .ack = 7000, .flags = flags};
    lab.station.send(link,
                     header.with(segment.with(pattern(10), header.source, header.destination)));
    lab.run_for(ms(10));
    std::vector<TcpSeen> answers;
    for (const Seen& seen : lab.station.seen) {
      if (seen.ip && seen.ip->protocol == 6) answers.push_back(*parse_tcp(*seen.ip));
    }
    return answers;
  };
  for (unsigned flags = 0; flags < 256; ++flags) {
    INFO("flags " << flags);
    const auto answers = says(static_cast<std::uint8_t>(flags));
    if ((flags & 4) != 0) {
      CHECK(answers.empty());
      continue;
    }
    REQUIRE(answers.size() == 1);
    CHECK(answers[0].checksum_good);
    const bool acked = (flags & 16) != 0;
    CHECK(int{answers[0].flags} == (acked ? 4 : 20));
    CHECK(answers[0].seq == (acked ? 7000 : 0));
    const std::uint32_t length = 10 + ((flags & 2) != 0 ? 1 : 0) + (flags & 1);
    if (!acked) CHECK(answers[0].ack == 1000 + length);
  }
  CHECK(says(2, "192.0.2.255", MacAddress::broadcast()).empty());
  CHECK(lab.server.drops() == Drops{{"socket.TcpToGroup", 1}});
  CHECK(says(2, "192.0.2.2", MacAddress::broadcast()).empty());
}

SCENARIO("TCP packets that are not right", "[T8][I14][RFC9293-3.1]") {
  PairLab lab;
  const Ip header{.source = ip("192.0.2.9"), .destination = ip("192.0.2.2"), .protocol = 6};
  const auto verdict = [&](Bytes segment) {
    lab.server.start_counting();
    lab.station.send(mac(2), header.with(segment));
    lab.run_for(ms(5));
    const Drops drops = lab.server.drops();
    return drops.size() == 1 ? drops.begin()->first : "none";
  };
  const TcpFrame good{.destination_port = 81, .flags = 2};
  const auto made = [&](const TcpFrame& frame, std::size_t size) {
    return frame.with(pattern(size), header.source, header.destination);
  };
  CHECK(verdict(made(good, 9)) == "socket.TcpNoSocket");
  for (std::size_t size = 0; size < 20; ++size) {
    Bytes cut = made(good, 0);
    cut.resize(size);
    CHECK(verdict(cut) == "socket.TcpTruncated");
  }
  for (unsigned offset = 0; offset < 16; ++offset) {
    TcpFrame frame = good;
    frame.data_offset = static_cast<std::uint8_t>(offset);
    const bool fits = offset >= 5 && offset * 4 <= 20 + 12;
    CHECK(verdict(made(frame, 12)) == (fits ? "socket.TcpNoSocket" : "socket.TcpBadOffset"));
  }
  for (const std::size_t at : {0u, 5u, 16u, 28u}) {
    Bytes broken = made(good, 9);
    broken[at] ^= 0x10;
    CHECK(verdict(broken) == "socket.TcpBadChecksum");
  }
}

SCENARIO("The accept queue is bounded", "[S13.1][T10]") {
  PairLab lab;
  Program left(lab.client), right(lab.server);
  right.accepts = false;
  auto& listener = right.listen("0.0.0.0", 80, 3);
  lab.run_for(ms(1));
  std::vector<Program::Socket*> sockets;
  for (unsigned i = 0; i < 8; ++i)
    sockets.push_back(&left.connect(endpoint("192.0.2.2", 80), i % modes().lanes));
  lab.run_for(ms(500));
  CHECK(listener.accepted.size() == 4);
  WHEN("the program takes them off") {
    right.accepts = true;
    for (const std::uint32_t number : listener.accepted) {
      auto& accepted = right.at(number);
      socket::Message taken;
      taken.kind = static_cast<std::uint8_t>(socket::RequestKind::Accepted);
      taken.handle = accepted.handles[accepted.lane];
      taken.program = number;
      right.request(accepted.lane, taken);
    }
    lab.run_for(seconds(10));
    THEN("the others come in when they try again") {
      CHECK(listener.accepted.size() == 8);
      for (const auto* socket : sockets)
        CHECK(socket->connected);
    }
  }
}

SCENARIO("A listener that is closed takes what nobody accepted with it, and leaves no trace",
         "[S13.1]") {
  PairLab lab;
  Program left(lab.client), right(lab.server);
  right.accepts = false;
  for (int round = 0; round < 3; ++round) {
    auto& listener = right.listen("0.0.0.0", 80, 4);
    lab.run_for(ms(1));
    REQUIRE(listener.error == 0);
    std::vector<Program::Socket*> sockets;
    for (unsigned i = 0; i < 3; ++i)
      sockets.push_back(&left.connect(endpoint("192.0.2.2", 80), i % modes().lanes));
    lab.run_for(ms(100));
    REQUIRE(listener.accepted.size() == 3);
    right.close(listener);
    lab.run_for(ms(10));
    CHECK(listener.closed);
    for (const std::uint32_t number : listener.accepted)
      right.close(right.at(number));
    for (auto* socket : sockets)
      left.close(*socket);
    lab.run_for(seconds(70));
  }
  auto& refused = left.connect(endpoint("192.0.2.2", 80));
  lab.run_for(ms(100));
  CHECK(refused.error == ECONNREFUSED);
}

SCENARIO("A SYN flood does not keep others out", "[T11][T12][RFC4987]") {
  PairLab lab;
  Program left(lab.client), right(lab.server);
  auto& listener = right.listen("0.0.0.0", 80, 16);
  listener.echo = true;
  lab.run_for(ms(1));
  for (std::uint16_t port = 1; port < 2000; ++port) {
    const Ip header{.source = ip("192.0.2.9"), .destination = ip("192.0.2.2"), .protocol = 6};
    const TcpFrame syn{.source_port = port, .destination_port = 80, .flags = 2};
    lab.station.send(mac(2), header.with(syn.with({}, header.source, header.destination)));
  }
  lab.run_for(ms(20));
  std::uint32_t half_open = 0;
  for (unsigned i = 0; i < modes().lanes; ++i)
    half_open += lab.server.lane(i).sockets.tcp().sizes().half_open;
  CHECK(half_open <= 16 * modes().lanes);
  auto& socket = left.connect(endpoint("192.0.2.2", 80));
  left.write(socket, pattern(50000));
  lab.run_for(seconds(2));
  CHECK(socket.connected);
  CHECK(socket.read == pattern(50000));
  AND_WHEN("ACKs are guessed") {
    lab.server.start_counting();
    for (std::uint16_t port = 1; port < 1000; ++port) {
      const Ip header{.source = ip("192.0.2.9"), .destination = ip("192.0.2.2"), .protocol = 6};
      const TcpFrame ack{
          .source_port = port, .destination_port = 80, .seq = 1, .ack = port * 77777u, .flags = 16};
      lab.station.send(mac(2), header.with(ack.with({}, header.source, header.destination)));
    }
    lab.run_for(ms(20));
    CHECK(listener.accepted.size() == 1);
  }
}

SCENARIO("A Fast Open cookie lets data in before the handshake ends, whatever lane gave it",
         "[RFC7413-4.1.2][RFC7413-4.2.2][S13.1]") {
  PairLab lab;
  Program right(lab.server);
  tcp::Settings& settings = lab.server.lane(0).socket_system.tcp_settings;
  settings.tcp_fastopen = tcp::fast_open::kServer | tcp::fast_open::kEveryListener;
  auto& listener = right.listen("0.0.0.0", 80, 100);
  lab.run_for(ms(1));
  const auto answer_to = [&](std::uint16_t port, const Bytes& option, const Bytes& data) {
    lab.start();
    const Ip header{.source = ip("192.0.2.9"), .destination = ip("192.0.2.2"), .protocol = 6};
    const TcpFrame syn{.source_port = port, .seq = 1000, .flags = 2, .options = option};
    lab.station.send(mac(2), header.with(syn.with(data, header.source, header.destination)));
    lab.run_for(ms(10));
    for (const Seen& seen : lab.station.seen) {
      if (seen.ip && seen.ip->protocol == 6) return *parse_tcp(*seen.ip);
    }
    return TcpSeen{};
  };
  const TcpSeen given = answer_to(1, {34, 2}, {});
  CHECK(given.ack == 1001);
  // The option stands behind MSS.
  REQUIRE(given.options.size() >= 14);
  const Bytes cookie(given.options.begin() + 4, given.options.begin() + 14);
  CHECK(cookie[0] == 34);
  CHECK(cookie[1] == 10);
  for (std::uint16_t port = 2; port < 34; ++port)
    CHECK(answer_to(port, cookie, pattern(100)).ack == 1101);
  CHECK(listener.accepted.size() == 32);
  for (const std::uint32_t number : listener.accepted)
    CHECK(right.at(number).read == pattern(100));
  Bytes wrong = cookie;
  wrong[9] ^= 1;
  CHECK(answer_to(34, wrong, pattern(100)).ack == 1001);
  CHECK(listener.accepted.size() == 32);
}

// A connection from a station to the server's port 80, the station's side by hand.
class HandMade {
 public:
  HandMade(PairLab& lab, Program& program)
      : lab_(lab), program_(program), listener_(program.listen("0.0.0.0", 80)) {
    lab_.run_for(ms(1));
    lab_.start();
    send({.seq = 999, .flags = 2}, 0);
    lab_.run_for(ms(1));
    for (const Seen& seen : lab_.station.seen) {
      if (seen.ip && seen.ip->protocol == 6) ack_ = parse_tcp(*seen.ip)->seq + 1;
    }
    send(segment(0), 0);
    lab_.run_for(ms(1));
    REQUIRE(listener_.accepted.size() == 1);
    lab_.start();
  }
  // The segment whose first byte stands at `at` in the stream.
  TcpFrame segment(std::uint32_t at) const { return {.seq = 1000 + at, .ack = ack_, .flags = 16}; }
  static Ip header() {
    return {.source = ip("192.0.2.9"), .destination = ip("192.0.2.2"), .protocol = 6, .id = 7};
  }
  static Ip header_with(std::uint16_t id) {
    Ip ip = header();
    ip.id = id;
    return ip;
  }
  Bytes make(const TcpFrame& frame, std::size_t bytes, const Ip& header) const {
    const Bytes all = pattern(10000);
    const auto from = all.begin() + static_cast<std::ptrdiff_t>(bytes == 0 ? 0 : frame.seq - 1000);
    const Bytes data(from, from + static_cast<std::ptrdiff_t>(bytes));
    return header.with(frame.with(data, header.source, header.destination));
  }
  void send(const TcpFrame& frame, std::size_t bytes, const Ip& header = HandMade::header()) {
    lab_.station.send(mac(2), make(frame, bytes, header));
  }
  // How many segments joined others since the last call.
  std::uint64_t joined() {
    lab_.run_for(ms(1));
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < modes().lanes; ++i)
      sum += lab_.server.lane(i).sockets.tcp().joined();
    return sum - std::exchange(before_, sum);
  }
  bool read(std::size_t bytes) {
    const Bytes all = pattern(10000);
    return program_.at(listener_.accepted[0]).read ==
           Bytes(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(bytes));
  }

 private:
  PairLab& lab_;
  Program& program_;
  Program::Socket& listener_;
  std::uint32_t ack_ = 0;
  std::uint64_t before_ = 0;
};

SCENARIO("Segments in a row of one burst go to their connection as one", "[S13.1]") {
  PairLab lab;
  Program program(lab.server);
  HandMade peer(lab, program);
  const auto header = HandMade::header_with;
  const std::uint64_t one = modes().lanes == 1 ? 1 : 0;  // several lanes: packets may part
  GIVEN("four of which the last is shorter") {
    for (std::uint16_t i = 0; i < 4; ++i)
      peer.send(peer.segment(i * 1000u), i < 3 ? 1000 : 700, header(i));
    const std::uint64_t joined = peer.joined();
    if (one != 0) CHECK(joined == 3);
    CHECK(peer.read(3700));
    CHECK(lab.server.drops().empty());
  }
  GIVEN("a second one that differs") {
    TcpFrame second = peer.segment(1000);
    Ip ip = header(8);
    std::size_t bytes = 1000;
    bool good = true, joins = false;
    WHEN("in nothing") joins = true;
    WHEN("by PSH") second.flags = 24, joins = true;
    WHEN("by being shorter") bytes = 1, joins = true;
    WHEN("by being longer") bytes = 1001;
    WHEN("by its window") second.window = 60000;
    WHEN("by what it acknowledges")-- second.ack;
    WHEN("by options") second.options = Bytes(4, 1);
    WHEN("by URG") second.flags = 48;
    WHEN("by CWR") second.flags = 144;
    WHEN("by its TTL") ip.ttl = 63;
    WHEN("by its TOS") ip.tos = 3;
    WHEN("by DF") ip.dont_fragment = true;
    WHEN("by an ID that does not count on") ip.id = 7;
    WHEN("by options of IP") ip.options = Bytes(4, 1);
    WHEN("by a hole before it") second.seq += 1, good = false;
    peer.send(peer.segment(0), 1000);
    peer.send(second, bytes, ip);
    const std::uint64_t joined = peer.joined();
    if (one != 0) CHECK(joined == (joins ? 1 : 0));
    CHECK(peer.read(good ? 1000 + bytes : 1000));
  }
}

SCENARIO("Segments that are not to be joined, or not to be taken", "[S13.1]") {
  PairLab lab;
  Program program(lab.server);
  HandMade peer(lab, program);
  const std::uint64_t one = modes().lanes == 1 ? 1 : 0;
  const auto header = HandMade::header_with;
  GIVEN("a second one with a wrong checksum") {
    peer.send(peer.segment(0), 1000);
    Bytes wrong = peer.make(peer.segment(1000), 1000, header(8));
    wrong.back() ^= 1;
    lab.station.send(mac(2), wrong);
    CHECK(peer.joined() == 0);
    CHECK(lab.server.drops() == Drops{{"socket.TcpBadChecksum", 1}});
    CHECK(peer.read(1000));
  }
  GIVEN("a first one that is pushed") {
    TcpFrame first = peer.segment(0);
    first.flags = 24;
    peer.send(first, 1000);
    peer.send(peer.segment(1000), 1000, header(8));
    CHECK(peer.joined() == 0);
    CHECK(peer.read(2000));
  }
  GIVEN("IDs that stand still where nothing may be fragmented") {
    for (std::uint32_t i = 0; i < 3; ++i) {
      Ip ip = header(0);
      ip.dont_fragment = true;
      peer.send(peer.segment(i * 1000), 1000, ip);
    }
    const std::uint64_t joined = peer.joined();
    if (one != 0) CHECK(joined == 2);
    CHECK(peer.read(3000));
  }
  GIVEN("a hole: each segment behind it is answered for itself") {
    for (std::uint32_t i = 1; i < 4; ++i)
      peer.send(peer.segment(i * 1000), 1000, header(static_cast<std::uint16_t>(i)));
    CHECK(peer.joined() == 0);
    CHECK(lab.station.seen.size() == 3);
  }
  GIVEN("a row that comes twice: each of its segments is dropped by name") {
    for (int round = 0; round < 2; ++round) {
      for (std::uint16_t i = 0; i < 3; ++i)
        peer.send(peer.segment(i * 1000u), 1000, header(i));
      peer.joined();
    }
    CHECK(lab.server.drops() == Drops{{"tcp.Duplicate", 1}, {"tcp.NotAcceptable", 2}});
  }
}

SCENARIO("A program that is stuck loses nothing of its streams", "[S14.1]") {
  PairLab lab;
  Program left(lab.client), right(lab.server, {16, 16});
  auto& listener = right.listen("0.0.0.0", 80);
  lab.run_for(ms(1));
  std::vector<Program::Socket*> sockets;
  for (unsigned i = 0; i < 20; ++i) {
    sockets.push_back(&left.connect(endpoint("192.0.2.2", 80), i % modes().lanes));
    left.write(*sockets.back(), pattern(20000, i));
    sockets.back()->finish = true;
  }
  right.polls = false;
  lab.run_for(seconds(5));
  right.polls = true;
  lab.run_for(seconds(30));
  CHECK(listener.accepted.size() == 20);
  for (const std::uint32_t number : listener.accepted) {
    CHECK(right.at(number).read.size() == 20000);
    CHECK(right.at(number).end_of_stream);
  }
}

SCENARIO("A receiver that does not read closes the window", "[S13.1][RFC9293-3.8.6]") {
  PairLab lab;
  Program left(lab.client), right(lab.server);
  auto& listener = right.listen("0.0.0.0", 80);
  lab.run_for(ms(1));
  auto& socket = left.connect(endpoint("192.0.2.2", 80));
  lab.run_for(ms(100));
  REQUIRE(listener.accepted.size() == 1);
  auto& accepted = right.at(listener.accepted[0]);
  accepted.reads = false;
  left.write(socket, pattern(4'000'000));
  lab.run_for(seconds(10));
  const std::size_t stood = accepted.read.size();
  CHECK(stood < 4'000'000);
  CHECK(!socket.to_write.empty());
  accepted.reads = true;
  for (const auto& event : std::exchange(accepted.unread, {})) {
    auto back = event;
    back.kind = static_cast<std::uint8_t>(socket::RequestKind::Consumed);
    back.value = event.buffer.length;
    right.request(accepted.lane, back);
  }
  lab.run_for(seconds(60));
  CHECK(accepted.read == pattern(4'000'000));
}

SCENARIO("A program that dies with connections", "[S14.1]") {
  PairLab lab;
  Program left(lab.client);
  auto right = std::make_unique<Program>(lab.server);
  right->listen("0.0.0.0", 80);
  lab.run_for(ms(1));
  std::vector<Program::Socket*> sockets;
  for (unsigned i = 0; i < 50; ++i)
    sockets.push_back(&left.connect(endpoint("192.0.2.2", 80), i % modes().lanes));
  lab.run_for(ms(500));
  right.reset();
  lab.run_for(ms(100));
  for (const auto* socket : sockets)
    CHECK(socket->end_of_stream);
  auto& late = left.connect(endpoint("192.0.2.2", 80));
  lab.run_for(ms(100));
  CHECK(late.error == ECONNREFUSED);
  CHECK(lab.server.stack().sockets().ports.size() == 0);
}

}  // namespace
}  // namespace linnet::tests
