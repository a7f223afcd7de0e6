// SPDX-License-Identifier: BSD-3-Clause
// Ethernet II input: IEEE 802.3 clause 3, RFC 894, RFC 1122 section 2.3, RFC 1112 section 6.4.
#include "conformance/lab.hpp"

namespace linnet::tests {
namespace {

SCENARIO("A frame too short for its header ends as a runt", "[S3.1][D2]") {
  RouterLab lab;
  const Bytes whole = Ether{mac(1), lab.alice.mac, 0x0800}.with(lab.to_bob());
  WHEN("frames of 0 to 13 bytes come in") {
    for (unsigned length = 0; length < 14; ++length)
      lab.alice_frame(Bytes(whole.begin(), whole.begin() + length));
    THEN("each is one named drop and nothing else") {
      CHECK(lab.router.drops() == Drops{{"link.Runt", 14}});
      CHECK(lab.router.account().received == 14);
      CHECK(lab.silent());
    }
  }
  WHEN("a header comes with nothing behind it") {
    lab.alice_frame(Bytes(whole.begin(), whole.begin() + 14));
    THEN("it is the network layer's to refuse") {
      CHECK(lab.router.drops() == Drops{{"ip.Truncated", 1}});
    }
  }
}

SCENARIO("Only stations send", "[S3.1][RFC1122-2.3]") {
  RouterLab lab;
  for (const MacAddress& source :
       {MacAddress::broadcast(), MacAddress({1, 0, 0x5e, 0, 0, 1}), MacAddress({3, 0, 0, 0, 0, 9})})
    lab.alice_frame(Ether{mac(1), source, 0x0800}.with(lab.to_bob()));
  CHECK(lab.router.drops() == Drops{{"link.SourceGroup", 3}});
  CHECK(lab.silent());
}

SCENARIO("Frames for other stations are not taken", "[S3.1]") {
  RouterLab lab;
  const Bytes frame = Ether{mac(9), lab.alice.mac, 0x0800}.with(lab.to_bob());
  WHEN("the port takes what is addressed to it") {
    lab.alice_frame(frame);
    THEN("the frame is somebody else's") {
      CHECK(lab.router.drops() == Drops{{"link.NotForUs", 1}});
      CHECK(lab.silent());
    }
  }
  WHEN("the port is promiscuous") {
    const bool can = lab.router.port("left").set_promiscuous(true).ok();
    CHECK(can == !modes().lowest);
    lab.alice_frame(frame);
    THEN("the frame is seen, and still not forwarded") {
      CHECK(lab.router.drops() == Drops{{"link.NotForUs", 1}});
      CHECK(lab.silent());
    }
  }
}

SCENARIO("The ethertype table takes what is registered and nothing else", "[S3.1][RFC894]") {
  RouterLab lab;
  WHEN("ethertypes come that nobody handles") {
    const unsigned types[] = {0x0600, 0x0801, 0x0805, 0x0807, 0x8100,
                              0x86dd, 0x8847, 0x88cc, 0xffff};
    for (const unsigned type : types) {
      lab.alice_frame(
          Ether{mac(1), lab.alice.mac, static_cast<std::uint16_t>(type)}.with(lab.to_bob()));
    }
    THEN("each is dropped by name") {
      CHECK(lab.router.drops() == Drops{{"link.UnknownEthertype", std::size(types)}});
      CHECK(lab.silent());
    }
  }
  WHEN("an 802.3 length stands where the type should") {
    const unsigned lengths[] = {0, 1, 46, 0x00ff, 0x0100, 1500, 1501, 1535};
    for (const unsigned length : lengths) {
      lab.alice_frame(
          Ether{mac(1), lab.alice.mac, static_cast<std::uint16_t>(length)}.with(lab.to_bob()));
    }
    THEN("LLC is not taken") {
      CHECK(lab.router.drops() == Drops{{"link.LengthField", std::size(lengths)}});
      CHECK(lab.silent());
    }
  }
}

SCENARIO("Padding of short frames is never taken for data", "[S3.1][I8][RFC894]") {
  RouterLab lab;
  const Bytes junk(40, 0xee);
  WHEN("an echo request of one byte comes in a padded frame") {
    lab.alice_says(lab.echo(1) + junk);
    THEN("the answer has one byte, and no junk behind it") {
      REQUIRE(lab.alice.icmps().size() == 1);
      const Seen reply = lab.alice.icmps().front();
      CHECK(int{reply.icmp->type} == 0);
      CHECK(reply.icmp->payload == pattern(1));
      CHECK(reply.ip->total_length == 29);
      for (std::size_t i = 29; i < reply.payload.size(); ++i)
        CHECK(reply.payload[i] == 0);
    }
  }
  WHEN("a short datagram is forwarded out of a padded frame") {
    const Bytes datagram = lab.to_bob(4);
    lab.alice_says(datagram + junk);
    THEN("what follows it on the other side is nothing or zeros") {
      REQUIRE(lab.bob.datagrams().size() == 1);
      const Seen seen = lab.bob.datagrams().front();
      CHECK(seen.ip->bytes == forwarded(datagram));
      for (std::size_t i = datagram.size(); i < seen.payload.size(); ++i)
        CHECK(seen.payload[i] == 0);
    }
  }
  WHEN("short frames come without any padding") {
    lab.alice_says(lab.echo(0));
    lab.alice_says(lab.to_bob(0));
    THEN("they are served all the same") {
      CHECK(lab.alice.icmps().size() == 1);
      CHECK(lab.bob.datagrams().size() == 1);
      CHECK(lab.router.drops().empty());
    }
  }
}

SCENARIO("Group addresses: broadcast and all-systems are taken",
         "[S3.1][RFC1112-6.4][RFC1122-3.3.6]") {
  RouterLab lab;
  lab.router.ip().icmp_echo_ignore_broadcasts = 0;
  const auto echo_to = [&](const std::string& to) {
    return lab.from_alice(to, 1).with(Icmp{}.with(pattern(16)));
  };
  WHEN("a frame comes for 01:00:5e:00:00:01") {
    lab.alice_frame(
        Ether{MacAddress({1, 0, 0x5e, 0, 0, 1}), lab.alice.mac, 0x0800}.with(echo_to("224.0.0.1")));
    THEN("every host is in that group") {
      CHECK(lab.alice.icmps().size() == 1);
      CHECK(lab.router.drops().empty());
    }
  }
  WHEN("a frame comes for a group that was not joined") {
    lab.alice_frame(
        Ether{MacAddress({1, 0, 0x5e, 1, 2, 3}), lab.alice.mac, 0x0800}.with(echo_to("224.1.2.3")));
    THEN("it is not for us") {
      CHECK(lab.router.drops() == Drops{{"link.NotForUs", 1}});
      CHECK(lab.silent());
    }
  }
  WHEN("the port takes all multicast and such a frame comes") {
    const bool all = lab.router.port("left").set_all_multicast(true).ok();
    lab.alice_frame(
        Ether{MacAddress({1, 0, 0x5e, 1, 2, 3}), lab.alice.mac, 0x0800}.with(echo_to("224.1.2.3")));
    THEN("the network layer refuses it, as no member") {
      CHECK(all == !modes().lowest);
      CHECK(lab.router.drops() == Drops{{all ? "ip.MulticastNotMember" : "link.NotForUs", 1}});
      CHECK(lab.silent());
    }
  }
  WHEN("unicast datagrams come in frames to all stations") {
    lab.alice_frame(Ether{MacAddress::broadcast(), lab.alice.mac, 0x0800}.with(lab.to_bob()));
    lab.alice_frame(Ether{MacAddress::broadcast(), lab.alice.mac, 0x0800}.with(lab.echo()));
    lab.alice_frame(
        Ether{MacAddress({1, 0, 0x5e, 0, 0, 1}), lab.alice.mac, 0x0800}.with(lab.to_bob()));
    THEN("they are neither forwarded nor answered") {
      CHECK(lab.router.drops() == Drops{{"ip.UnicastInBroadcast", 3}});
      CHECK(lab.silent());
    }
  }
}

SCENARIO("Frames longer than the device takes", "[S3.1][D2]") {
  RouterLab lab;
  const Bytes longest = lab.to_bob(1500 - 28);
  REQUIRE(longest.size() == 1500);
  WHEN("the frame is as long as the MTU allows") {
    lab.alice_says(longest);
    THEN("it goes through") {
      REQUIRE(lab.bob.datagrams().size() == 1);
      CHECK(lab.bob.datagrams().front().ip->bytes == forwarded(longest));
    }
  }
  WHEN("it is longer than a VLAN tag would explain") {
    lab.alice_says(longest + Bytes(5, 0));
    lab.alice_says(longest + Bytes(500, 0));
    THEN("it is dropped whole") {
      CHECK(lab.router.drops() == Drops{{"link.Oversize", 2}});
      CHECK(lab.silent());
    }
  }
}

SCENARIO("A device that is down neither takes nor sends", "[S1.1][D5]") {
  RouterLab lab;
  WHEN("the way out has no carrier") {
    lab.router.set_carrier("right", false);
    lab.run_for(ms(200));
    lab.alice_says(lab.to_bob());
    THEN("nothing leaves, and the datagram has one named end") {
      const stack::Account account = lab.router.account();
      CHECK(lab.bob.seen.empty());
      CHECK(account.received == 1);
      CHECK(account.dropped + account.delivered == 1);
    }
    AND_WHEN("the carrier comes back") {
      lab.router.set_carrier("right", true);
      lab.run_for(seconds(2));
      lab.start();
      lab.alice_says(lab.to_bob());
      THEN("the way is open again") {
        CHECK(lab.bob.datagrams().size() == 1);
      }
    }
  }
}

}  // namespace
}  // namespace linnet::tests
