// SPDX-License-Identifier: BSD-3-Clause
// Classic BPF (SO_ATTACH_FILTER; the kernel's Documentation/networking/filter.rst): programs are
// checked when they are attached, so that a run reads no byte outside of the packet and always
// ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "packet/packet.hpp"

namespace linnet::socket {

// As Linux's struct sock_filter.
struct BpfInstruction {
  std::uint16_t code;
  std::uint8_t jump_true, jump_false;  // instructions to step over
  std::uint32_t k;
};
static_assert(sizeof(BpfInstruction) == 8);

class BpfFilter {
 public:
  static constexpr std::size_t kMost = 4096;  // instructions, as in Linux

  BpfFilter() = default;
  // Of whole BpfInstructions, at any address; copied before it is judged, since a program may
  // change it meanwhile. Empty where it is not sound: an unknown code, a jump out of it, division
  // by a constant zero, an end without RET, an ancillary load that is not known here.
  static BpfFilter make(std::span<const std::byte> code);
  explicit operator bool() const { return program_ != nullptr; }

  // What the packet has besides its bytes.
  struct Ancillary {
    std::uint32_t protocol = 0;  // ethertype
    std::uint32_t kind = 0;      // Linux: PACKET_HOST ... PACKET_OUTGOING
    std::uint32_t device = 0;    // index + 1
  };
  // How many bytes the socket wants, 0: none. `packet` from `skip` on is what the program sees. A
  // load outside of it ends the run with 0, as in Linux.
  std::uint32_t run(packet::PacketRef packet, std::uint32_t skip, const Ancillary& about) const;

 private:
  std::unique_ptr<BpfInstruction[]> program_;
  std::size_t size_ = 0;
};

}  // namespace linnet::socket
