// SPDX-License-Identifier: BSD-3-Clause
// ICMP (RFC 792, RFC 1122 section 3.2.2, RFC 1812 section 4.3; Linux: net/ipv4/icmp.c).
#pragma once

#include <cstdint>
#include <memory>

#include "ip/drops.hpp"
#include "ip/output.hpp"
#include "ip/settings.hpp"
#include "packet/turn.hpp"
#include "wire/icmp.hpp"
#include "wire/ipv4.hpp"

namespace linnet::ip {

// Which error an unlucky packet earns.
struct IcmpError {
  wire::IcmpType type;
  std::uint8_t code = 0;
  std::uint32_t rest =
      0;  // host order: MTU of fragmentation needed, pointer << 24, gateway of a redirect
};

// Where a received ICMP error goes: the protocol of the quoted packet (later: sockets, conntrack).
struct ErrorReport {
  IcmpError error;
  Ipv4Address reporter;                       // who sent the error
  const wire::Ipv4Header* quoted;             // header of the packet it is about
  std::span<const std::byte> quoted_payload;  // at least 8 bytes where the error is well formed
};

class Icmp {
 public:
  Icmp(Output& output, const device::DeviceTable& devices, const route::Tables& tables,
       const route::Addresses& addresses, const Settings& settings, SipKey key);
  ~Icmp();

  // The protocol handler: data() at the ICMP header, whole datagrams, Meta.network_offset right.
  void input(packet::Turn& turn, packet::Burst& burst);

  // Ends `cause` with the drop reason, after sending the ICMP error it earned unless the rules or a
  // rate limit forbid it (RFC 1122 3.2.2, RFC 1812 4.3.2.7 and 4.3.2.8): never about an ICMP error,
  // a non-first fragment, a link-layer or IP broadcast or multicast, or a source that names no
  // single host. `cause` may stand at any header: the IP header is found by Meta.network_offset.
  // Quotes as much as fits in 576 bytes.
  void refuse(packet::Turn& turn, packet::Packet&& cause, const IcmpError& error,
              packet::DropReason why);
  // As `refuse`, but leaves the packet alone: for redirects, where it goes on.
  void send_error(packet::Turn& turn, const packet::Packet& cause, const IcmpError& error);

  // Receivers of errors, by the quoted packet's protocol; one for each, nullptr takes it away.
  // False: nobody sent the packet that is quoted, the error is dropped (IcmpNoReceiver).
  using ErrorHandler = bool (*)(void* self, packet::Turn& turn, const ErrorReport& report);
  void on_error(std::uint8_t protocol, ErrorHandler handler, void* self);

  // Where echo replies go (ping sockets): data() at the ICMP header, checksum good. Without a stage
  // they are dropped.
  void on_echo_reply(packet::Stage stage);

  // Takes a redirect that settings.accept_redirects lets in and that passed the checks of RFC 1122
  // section 3.2.2.2: it came from the gateway in use for `destination`, and the new one is on the
  // subnet of the device it came in on. Without a handler redirects are ignored.
  struct RedirectReport {
    Ipv4Address destination;
    Ipv4Address gateway;
    std::uint16_t device;
  };
  using RedirectHandler = void (*)(void* self, packet::Turn& turn, const RedirectReport& report);
  void on_redirect(RedirectHandler handler, void* self);

  struct Counts {  // Linux: Icmp* of /proc/net/snmp
    std::uint64_t in_msgs = 0, in_errors = 0, in_csum_errors = 0, in_echos = 0, in_echo_reps = 0,
                  in_timestamps = 0, in_dest_unreachs = 0, in_time_excds = 0, in_parm_probs = 0,
                  in_redirects = 0, in_src_quenchs = 0;
    std::uint64_t out_msgs = 0, out_errors = 0, out_echo_reps = 0, out_timestamp_reps = 0,
                  out_dest_unreachs = 0, out_time_excds = 0, out_parm_probs = 0, out_redirects = 0,
                  out_rate_limited = 0;
  };
  const Counts& counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace linnet::ip
