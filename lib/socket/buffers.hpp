// SPDX-License-Identifier: BSD-3-Clause
// Packet buffers in the hands of programs: who has which. A buffer that a program names is believed
// only where this account says that it is the program's.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "packet/packet.hpp"
#include "packet/pool.hpp"
#include "socket/message.hpp"

namespace linnet::socket {

class Buffers {
 public:
  explicit Buffers(packet::Pool& pool);

  // --- The program's threads.
  // An empty buffer to write into: `offset` leaves room for all headers in front, `length` is the
  // room for data. Empty: none is to be had now.
  std::optional<BufferRef> take(std::uint16_t session);
  // The bytes that a reference names, of a buffer that is the program's.
  std::byte* address(const BufferRef& ref) const {
    rte_mbuf* const mbuf = pool_.at(ref.index);
    return static_cast<std::byte*>(mbuf->buf_addr) + ref.offset;
  }
  // Whether nobody else has the bytes of a buffer that is the program's: it may write there.
  bool sole(std::uint32_t index) const { return packet::PacketRef(pool_.at(index)).sole(); }
  // Such a buffer as `take` gives it.
  BufferRef all_of(std::uint32_t index) const;
  // Gives back a buffer that was taken and not sent.
  void give_back(std::uint16_t session, const BufferRef& ref) { free_returned(session, ref.index); }

  // --- Lanes.
  // Hands one segment to a program; who has it must be nobody else. Its account was settled before.
  BufferRef hand_out(std::uint16_t session, rte_mbuf* segment);
  // Takes a buffer back with the bytes that the reference names; empty: it is not the program's, or
  // the bytes do not lie in it. It is in no ledger yet.
  packet::Packet take_over(std::uint16_t session, const BufferRef& ref);
  // Takes a buffer back and frees it: its size in bytes. 0: it is not the program's.
  std::uint32_t free_returned(std::uint16_t session, std::uint32_t index);

  // --- Control core: frees everything of a program that is gone. Returns how many.
  std::uint32_t reclaim(std::uint16_t session);

 private:
  bool release_from(std::uint16_t session, std::uint32_t index);

  packet::Pool& pool_;
  std::unique_ptr<std::atomic<std::uint8_t>[]> owner_;  // session + 1; 0: ours
};

}  // namespace linnet::socket
