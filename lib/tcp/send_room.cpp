// SPDX-License-Identifier: BSD-3-Clause
// How much the program may write: Linux fills one piece of its queue (an skb, as much as one large
// packet carries) after the other and looks before each new one whether memory and the unsent bytes
// allow it, so the last piece may pass the bounds (tcp_sendmsg_locked, sk_stream_memory_free).
#include <algorithm>
#include <bit>

#include "tcp/connection.hpp"

namespace linnet::tcp {
namespace {

constexpr std::uint32_t kMostInPiece = 65535 - 320;  // of an IP datagram, with room for headers
constexpr std::uint32_t kMostRoom = 1u << 29;

// A buffer's own bytes are charged as Linux charges a page's: the room around them is not.
std::uint32_t charge_of(std::uint32_t truesize) {
  return static_cast<std::uint32_t>(std::uint64_t{truesize} * 245 >> 8);
}

std::uint32_t pieces_in(std::uint32_t bytes, std::uint32_t piece) {
  return (bytes + piece - 1) / piece;
}

}  // namespace

// Linux: tcp_xmit_size_goal. Whole segments, no more than half of the peer's window.
std::uint32_t Connection::piece_size() const {
  const std::uint32_t mss = send_mss();
  const std::uint32_t cutoff = max_window_ > 536 ? max_window_ / 2 : max_window_;
  const std::uint32_t most = cutoff == 0 ? kMostInPiece : std::min(cutoff, kMostInPiece);
  return std::max(most - most % mss, mss);
}

// `count` bytes were appended. True: they have filled a piece, and what it holds may go before more
// is written.
inline bool Connection::fills_piece(std::uint32_t count) {
  const Seq end = send_queue_.end();
  piece_begin_ = later(piece_begin_, earlier(snd_nxt_, end - count));
  std::uint32_t held = end - piece_begin_;
  if (held < send_mss()) [[likely]]
    return false;
  const std::uint32_t size = piece_size();
  if (held - count >= size) held = count;  // the one before was full
  const bool full = held >= size;
  while (held > size)
    held -= size;
  piece_begin_ = end - held;
  return full;
}

// Linux: tcp_push_one. What is left of the piece that has begun to leave takes the bytes that come
// next.
void Connection::note_appended(packet::Turn& turn, std::uint32_t count, bool later_on) {
  const bool full = fills_piece(count);
  if (!full && later_on) return;
  const Seq before = snd_nxt_;
  output(turn);
  if (full && snd_nxt_ != before && snd_nxt_.before(piece_begin_)) piece_begin_ = snd_nxt_;
}

std::uint32_t Connection::send_capacity() const {
  std::uint32_t most = send_buffer_;
  // Under memory pressure buffers shrink to what Linux leaves them (row T9).
  if (engine_.memory.pressure() && options_.send_buffer == 0)
    most = std::max(engine_.settings.tcp_wmem_min.get(), most / 4);
  return engine_.memory.exhausted() ? engine_.settings.tcp_wmem_min.get() : most;
}

bool Connection::send_buffer_short() const {
  return 3 * std::uint64_t{charge_of(send_queue_.truesize())} > 2 * std::uint64_t{send_buffer_};
}

SendRoom Connection::send_room() const {
  if (fin_queued_ || state_ == State::Closed || state_ == State::TimeWait) return {};
  const std::uint32_t most = send_capacity();
  const std::uint32_t used = charge_of(send_queue_.truesize());
  const std::uint32_t lowat = options_.notsent_lowat != 0
                                  ? options_.notsent_lowat
                                  : engine_.settings.tcp_notsent_lowat.get();
  // Linux: sk_stream_is_writeable, with a third of the buffer free.
  const auto mark = static_cast<std::uint32_t>(2 * std::uint64_t{most} / 3);
  if (used < most / 2 && lowat >= kMostRoom) [[likely]]
    return {most - used, mark - used};
  return scarce_room(most, used, lowat, mark);
}

SendRoom Connection::scarce_room(std::uint32_t most, std::uint32_t used, std::uint32_t lowat,
                                 std::uint32_t mark) const {
  const std::uint32_t free = used < most ? most - used : 0;
  const std::uint32_t unsent = unsent_bytes();
  SendRoom room;
  if (used <= mark && 2 * std::uint64_t{unsent} < lowat) {
    const auto until = static_cast<std::uint32_t>((std::uint64_t{lowat} + 1) / 2 - unsent);
    room.spare = std::min(mark - used + 1, until);
  }
  const bool plenty = !engine_.memory.pressure() && !engine_.memory.exhausted();
  const std::uint32_t piece = piece_size();
  const std::uint32_t held = unsent == 0 ? 0 : send_queue_.end() - later(piece_begin_, snd_nxt_);
  // What the last piece has room for is taken whatever else there is, but no more than two pieces
  // above the bound, where writes fill their buffers badly.
  std::uint32_t tail = held != 0 && held < piece ? piece - held : 0;
  if (!plenty || used > std::uint64_t{most} + 2 * std::uint64_t{piece}) tail = 0;
  const std::uint32_t behind = unsent + tail;
  const std::uint32_t by_unsent =
      behind < lowat ? pieces_in(std::min(lowat - behind, kMostRoom), piece) : 0;
  const std::uint32_t by_memory = free > tail ? pieces_in(free - tail, piece) : 0;
  room.bytes = tail + std::min(by_unsent, by_memory) * piece;
  if (!plenty) room.bytes = std::min(room.bytes, free);
  room.spare = std::min(room.spare, room.bytes);
  return room;
}

// Linux: tcp_sndbuf_expand, for a program that has filled its buffer. Twice the congestion window
// (BBR: thrice), so that it can fill one while the other is in flight.
void Connection::expand_send_buffer() {
  if (options_.send_buffer != 0 || engine_.memory.pressure()) return;
  constexpr std::uint32_t kAround = 640, kDescriptor = 256;  // Linux's headers and skb
  const std::uint32_t mss = std::max<std::uint32_t>({peer_mss_, mss_, 1});
  const std::uint64_t segment = std::bit_ceil(mss + kAround) + kDescriptor;
  const std::uint64_t window = std::max<std::uint64_t>(recovery_.window().cwnd / mss_, 10);
  const std::uint64_t wanted = 2 * window * segment;
  const std::uint64_t size = std::min<std::uint64_t>(wanted, engine_.settings.tcp_wmem_max);
  if (size > send_buffer_) send_buffer_ = static_cast<std::uint32_t>(size);
}

}  // namespace linnet::tcp
