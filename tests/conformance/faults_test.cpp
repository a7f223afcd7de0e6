// SPDX-License-Identifier: BSD-3-Clause
// Frame lengths, empty pools, full rings, bad lines (reliability rows D2, D3, D4, I12).
#include "conformance/lab.hpp"

namespace linnet::tests {
namespace {

// A frame of this length with an IPv4 datagram that fills it.
Bytes frame_of(const RouterLab& lab, std::size_t length) {
  Ip header = lab.from_alice("198.51.100.2");
  header.dont_fragment = true;
  const std::size_t payload = length < 42 ? 0 : length - 42;
  Bytes frame =
      Ether{mac(1), lab.alice.mac, 0x0800}.with(udp_datagram(header, Udp{}, pattern(payload)));
  frame.resize(length);
  return frame;
}

void sweep(RouterLab& lab, unsigned mtu) {
  lab.no_rate_limits();
  for (unsigned length = 0; length <= 9216; ++length) {
    lab.start();
    const Bytes frame = frame_of(lab, length);
    lab.alice.send(frame);
    lab.run_for(ms(1));
    const bool forwards = length >= 42 && length <= 14 + mtu;
    const char* const why = length < 14          ? "link.Runt"
                            : length < 34        ? "ip.Truncated"
                            : length < 42        ? "ip.BadTotalLength"
                            : length <= mtu + 14 ? nullptr
                            : length <= mtu + 18 ? "ip.FragmentationNeeded"
                                                 : "link.Oversize";
    INFO("a frame of " << length << " bytes");
    REQUIRE(lab.router.account().received == 1);
    REQUIRE(lab.bob.datagrams().size() == (forwards ? 1 : 0));
    REQUIRE(lab.router.drops() == (why == nullptr ? Drops{} : Drops{{why, 1}}));
    if (forwards) {
      REQUIRE(lab.bob.datagrams().front().ip->bytes ==
              forwarded(Bytes(frame.begin() + 14, frame.end())));
    }
  }
}

SCENARIO("Frames of every length from 0 to 9216 bytes", "[D2][S1.5]") {
  GIVEN("an MTU of 1500") {
    RouterLab lab;
    sweep(lab, 1500);
  }
  GIVEN("an MTU of 9000, in buffers of 2048") {
    RouterLab lab({.left_mtu = 9000, .right_mtu = 9000});
    sweep(lab, 9000);
  }
}

// Takes buffers out of a stack's pool and gives them back.
class Hoard {
 public:
  explicit Hoard(Node& node) : pool_(node.stack().pool()) {}
  ~Hoard() { release(); }
  // All but the control traffic's reserve.
  void take_data() {
    while (packet::Packet packet = pool_.allocate(packet::Pool::Priority::Data))
      held_.push_back(packet.release());
  }
  // All but `left` buffers.
  void take_all(std::uint32_t left = 0) {
    while (pool_.available() > left)
      held_.push_back(rte_pktmbuf_alloc(pool_.raw()));
  }
  void release() {
    for (rte_mbuf* const mbuf : held_)
      rte_pktmbuf_free(mbuf);
    held_.clear();
  }

 private:
  packet::Pool& pool_;
  std::vector<rte_mbuf*> held_;
};

SCENARIO("The packet pool runs dry", "[D3][R4][S2.4]") {
  RouterLab lab({.right_mtu = 600});
  lab.no_rate_limits();
  const Arp ask{.operation = 1,
                .sender_mac = lab.alice.mac,
                .sender_ip = lab.alice.address(),
                .target_mac = {},
                .target_ip = ip("192.0.2.1")};
  const Bytes question = Ether{MacAddress::broadcast(), lab.alice.mac, 0x0806}.with(ask.bytes());
  Hoard hoard(lab.router);
  GIVEN("data buffers are gone, the reserve is there") {
    hoard.take_data();
    lab.start();
    WHEN("ARP asks") {
      lab.alice_frame(question);
      THEN("it is answered") {
        CHECK(lab.alice.arps().size() == 1);
      }
    }
    WHEN("a datagram is to be cut") {
      lab.alice_says(lab.to_bob(1400));
      THEN("that has no buffers, by name") {
        CHECK(lab.router.drops() == Drops{{"ip.FragmentNoBuffer", 1}});
        CHECK(lab.bob.seen.empty());
      }
    }
    WHEN("a datagram earns an error") {
      lab.alice_says(lab.to_bob(100, 1));
      THEN("it is told") {
        CHECK(lab.alice.icmps().size() == 1);
      }
    }
    AND_WHEN("the buffers come back") {
      hoard.release();
      lab.start();
      lab.alice_says(lab.to_bob(1400));
      THEN("all is as before, at once") {
        CHECK(lab.bob.datagrams().size() == 3);
        CHECK(lab.router.drops().empty());
      }
    }
  }
  GIVEN("no buffer at all is left") {
    hoard.take_all();
    const std::uint64_t missed = lab.router.missed();
    for (int i = 0; i < 20; ++i)
      lab.alice_says(lab.to_bob(100));
    THEN("the port misses frames, and the account knows of none") {
      CHECK(lab.router.missed() == missed + 20);
      CHECK(lab.router.account().received == 0);
      CHECK(lab.silent());
    }
    AND_WHEN("the buffers come back") {
      hoard.release();
      lab.start();
      lab.alice_says(lab.to_bob(100));
      THEN("it is served at once") {
        CHECK(lab.bob.datagrams().size() == 1);
      }
    }
  }
}

SCENARIO("Every count of buffers left, from none to enough", "[D3]") {
  // What each needs: a question and an answer in ARP, pieces, a reply, an error.
  RouterLab lab({.with_arp = true, .right_mtu = 600, .node = {.packets = 256}});
  lab.no_rate_limits();
  const Bytes echo = Icmp{}.with(pattern(1800));
  std::uint16_t id = 0;
  for (std::uint32_t left = 0; left <= 24; ++left) {
    INFO(left << " buffers are left");
    Hoard hoard(lab.router);
    hoard.take_all(left);
    lab.start();
    lab.alice.send(mac(1), lab.to_bob(1400));
    lab.alice.send(mac(1), lab.to_bob(100, 1));
    Ip header = lab.from_alice("192.0.2.1", 1);
    header.id = ++id;
    for (const Bytes& piece : header.cut(echo, 1480))
      lab.alice.send(mac(1), piece);
    lab.run_for(seconds(4));
    const stack::Account account = lab.router.account();
    CHECK(account.balanced());
    hoard.release();
    lab.run_for(seconds(60));
    CHECK(lab.router.account().held == 0);
    CHECK(lab.router.stack().pool().available() == 256);
  }
  lab.start();
  lab.alice_says(lab.to_bob(1400));
  lab.run_until_quiet();
  CHECK(lab.bob.datagrams().size() == 3);
}

SCENARIO("The TX ring is full", "[D4][S1.5]") {
  RouterLab lab;
  WHEN("it takes fewer frames than come in a turn") {
    lab.router.set_tx_ring("right", 5);
    for (int i = 0; i < 20; ++i)
      lab.alice.send(mac(1), lab.to_bob(100));
    lab.run_for(ms(10));
    THEN("what does not fit is dropped by name, and the device counts it") {
      const stack::Account account = lab.router.account();
      CHECK(account.received == 20);
      CHECK(account.sent == lab.bob.datagrams().size());
      CHECK(account.sent >= 5);
      CHECK(account.sent + account.dropped == 20);
      if (!modes().lowest && modes().lanes == 1) {
        CHECK(lab.router.drops() == Drops{{"device.TxRingFull", 15}});
        CHECK(lab.router.port("right").statistics().tx_dropped == 15);
      }
    }
  }
  WHEN("it takes none at all, then some") {
    time::Random random(modes().seed);
    std::uint64_t sent = 0;
    for (int round = 0; round < 200; ++round) {
      lab.router.set_tx_ring("right", random.below(4));
      for (std::uint64_t n = random.below(6); n > 0; --n, ++sent)
        lab.alice.send(mac(1), lab.to_bob(100));
      lab.run_for(ms(1));
    }
    THEN("each frame went one of two ways") {
      const stack::Account account = lab.router.account();
      CHECK(account.received == sent);
      CHECK(account.sent == lab.bob.datagrams().size());
      CHECK(account.sent > 0);
      CHECK(lab.router.drops() == Drops{{"device.TxRingFull", sent - account.sent}});
    }
    AND_WHEN("it is free again") {
      lab.router.set_tx_ring("right", 1000);
      lab.start();
      lab.alice_says(lab.to_bob());
      THEN("nothing is missing") {
        CHECK(lab.bob.datagrams().size() == 1);
      }
    }
  }
}

// alice - [r1] - [r2] - [r3] - bob, every line as bad as `line` says, in both directions.
class Chain : public Lab {
 public:
  explicit Chain(const Impairment& line) {
    for (int i = 0; i < 4; ++i)
      lines.push_back(&add_segment());
    for (unsigned i = 0; i < 3; ++i) {
      Node& node = add_node("r" + std::to_string(i + 1), {.packets = 2048, .forwarding = true});
      node.add_port("left", *lines[i], mac(2 * i + 1));
      node.add_port("right", *lines[i + 1], mac(2 * i + 2));
      node.add_address("left", "10.0." + std::to_string(i) + ".2/24");
      node.add_address("right", "10.0." + std::to_string(i + 1) + ".1/24");
      if (i < 2) {
        node.add_route("10.0.3.0/24", "10.0." + std::to_string(i + 1) + ".2");
      }
      if (i > 0) node.add_route("10.0.0.0/24", "10.0." + std::to_string(i) + ".1");
      routers.push_back(&node);
    }
    alice = &add_station(*lines[0], mac(0xa2), {ip("10.0.0.9")});
    bob = &add_station(*lines[3], mac(0xb2), {ip("10.0.3.9")});
    run_for(seconds(5));
    const auto impair = [&](Plug& plug) { plug.out = plug.in = line; };
    impair(*alice);
    impair(*bob);
    for (Node* router : routers) {
      impair(router->plug("left"));
      impair(router->plug("right"));
    }
    alice->forget();
    bob->forget();
    for (Node* router : routers) {
      before.push_back({frames_in(*router), frames_out(*router)});
      router->start_counting();
    }
  }
  static std::uint64_t frames_in(Node& node) {
    return node.plug("left").arrived + node.plug("right").arrived - node.missed();
  }
  static std::uint64_t frames_out(Node& node) {
    return node.plug("left").sent + node.plug("right").sent;
  }
  void ping(std::uint16_t sequence, std::size_t size) {
    const Ip header{
        .source = alice->address(), .destination = bob->address(), .protocol = 1, .id = sequence};
    alice->send(
        mac(1),
        header.with(Icmp{.type = 8, .rest = 0x10000u | sequence}.with(pattern(size, sequence))));
  }
  // What the wire carried is what the stacks say, to the frame.
  void check_exact() {
    for (std::size_t i = 0; i < routers.size(); ++i) {
      const stack::Account account = routers[i]->account();
      INFO(routers[i]->name());
      CHECK(account.received == frames_in(*routers[i]) - before[i].first);
      CHECK(account.sent == frames_out(*routers[i]) - before[i].second);
      CHECK(account.held == 0);
    }
  }

  std::vector<Segment*> lines;
  std::vector<Node*> routers;
  Station* alice = nullptr;
  Station* bob = nullptr;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> before;
};

SCENARIO("Ping through three stacks over good lines", "[S7.3][RFC1812-5.3.1]") {
  Chain lab({});
  for (std::uint16_t i = 1; i <= 50; ++i) {
    lab.ping(i, 10u * i);
    lab.run_for(ms(10));
  }
  lab.run_until_quiet();
  REQUIRE(lab.alice->icmps().size() == 50);
  for (const Seen& reply : lab.alice->icmps()) {
    CHECK(reply.ip->ttl == 61);
    CHECK(reply.icmp->payload == pattern(10u * reply.icmp->sequence(), reply.icmp->sequence()));
  }
  lab.check_exact();
  for (Node* router : lab.routers)
    CHECK(router->drops().empty());
}

SCENARIO("Ping through three stacks over lines that lose, repeat and reorder", "[I12][S7.3][D3]") {
  Chain lab({.loss = 0.10,
             .duplicate = 0.05,
             .reorder = 0.10,
             .delay = Duration::microseconds(200),
             .jitter = Duration::microseconds(500),
             .bits_per_second = 100'000'000});
  for (std::uint16_t i = 1; i <= 400; ++i) {
    lab.ping(i, 20u + i);
    lab.run_for(ms(50));
  }
  lab.run_until_quiet();
  std::map<std::uint16_t, unsigned> replies;
  for (const Seen& reply : lab.alice->icmps()) {
    if (reply.icmp->type != 0) continue;
    ++replies[reply.icmp->sequence()];
    CHECK(reply.icmp->payload == pattern(20u + reply.icmp->sequence(), reply.icmp->sequence()));
  }
  // 16 crossings at 0.9 each: 18 in 100 come back, give or take, and some of them twice.
  CHECK(replies.size() >= 30);
  CHECK(replies.size() <= 200);
  lab.check_exact();
}

SCENARIO("Lines that flip bits and cut frames", "[S7.1][I8][D2]") {
  Chain lab({.duplicate = 0.05, .corrupt = 0.10, .truncate = 0.05});
  for (std::uint16_t i = 1; i <= 600; ++i) {
    lab.ping(i, 5u + i % 300);
    lab.run_for(ms(50));
  }
  lab.run_until_quiet();
  // A flipped bit in the data is the receiver's to find: the ICMP checksum, not a router.
  std::size_t whole = 0;
  for (const Seen& reply : lab.alice->icmps()) {
    if (reply.icmp->type == 0 && reply.icmp->checksum_good && reply.ip->checksum_good &&
        reply.ip->bytes.size() == reply.ip->total_length)
      ++whole;
  }
  CHECK(whole >= 20);
  lab.check_exact();
}

SCENARIO("The same seed gives the same run", "[R1]") {
  const auto run = [](std::uint64_t seed) {
    const std::uint64_t usual = std::exchange(modes().seed, seed);
    std::vector<std::pair<std::int64_t, Bytes>> out;
    {
      Chain lab({.loss = 0.1, .duplicate = 0.1, .reorder = 0.1, .corrupt = 0.05, .truncate = 0.02});
      for (std::uint16_t i = 1; i <= 100; ++i) {
        lab.ping(i, i);
        lab.run_for(ms(5));
      }
      lab.run_until_quiet();
      for (const Station* station : {lab.alice, lab.bob}) {
        for (const Seen& seen : station->seen)
          out.emplace_back(seen.at.since_origin_ns(), seen.bytes);
      }
    }
    modes().seed = usual;
    return out;
  };
  const auto first = run(99);
  CHECK(!first.empty());
  CHECK(first == run(99));
  CHECK(first != run(100));
}

}  // namespace
}  // namespace linnet::tests
