// SPDX-License-Identifier: BSD-3-Clause
// The one packet type of all layers: a move-only handle on a DPDK mbuf (chain).
//
//   mbuf header | Meta (private area) | headroom | data ............ | tailroom     -> next segment
//   128 bytes     64 bytes              128        ^ data()  length()
//
// `pull` moves data() forward over a header that was consumed, `push` moves it back for one that is
// to be written; neither copies. Header positions are kept in Meta as offsets from the buffer's
// start, so they stay right when data() moves.
//
// A packet ends in exactly one place: a device's TX queue, a delivery, or Turn::drop. A handle that
// is destroyed while it still holds a packet is a broken invariant and aborts.
#pragma once

#include <rte_mbuf.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

#include "base/check.hpp"
#include "base/ipv4.hpp"
#include "base/prefetch.hpp"
#include "packet/sanitizer.hpp"

namespace linnet::route {
struct NextHop;
}

namespace linnet::packet {

// For whom the link layer took the frame in (Linux: PACKET_HOST and so on).
enum class LinkCast : std::uint8_t { Host, Broadcast, Multicast, Other };

inline constexpr std::uint16_t kNoDevice = 0xffff;

// What the layers remember on the packet. Reset to zeros with `Packet::reset_meta` when a packet
// comes in or is generated. Not copied by the mbuf library's clone: Packet::clone and copy do it.
struct alignas(64) Meta {
  std::uint16_t link_offset;       // of the Ethernet header, from the buffer's start
  std::uint16_t network_offset;    // of the IP header
  std::uint16_t transport_offset;  // of the transport header
  std::uint16_t hook_position;     // where a hook chain resumes
  std::uint16_t input_device;      // device index it came in on; kNoDevice if generated here
  std::uint16_t output_device;     // device index it goes out on, set with next_hop
  LinkCast cast;
  std::uint8_t flags;         // kForwarded ...
  std::uint16_t path_mtu;     // bytes; 0: the output device's
  const route::NextHop* hop;  // the route decision's next hop; valid for this turn only
  Ipv4Address next_hop;       // the neighbour on output_device to send to
  std::uint32_t mark;         // Linux: skb->mark
  std::uint32_t flow_hash;    // symmetric keyed hash of the flow; 0: not computed
  std::uint32_t spare[4];

  static constexpr std::uint8_t kForwarded =
      1;  // came in and goes out again (Linux: IPSKB_FORWARDED)
  static constexpr std::uint8_t kChecksumGood = 2;  // transport checksum verified
  static constexpr std::uint8_t kGenerated =
      4;  // made here: never answered with an ICMP error to itself
  static constexpr std::uint8_t kHasOptions =
      8;  // IPv4 header longer than 20 bytes, options checked
  static constexpr std::uint8_t kLinkLocal = 32;  // an address of 169.254/16: not to be forwarded
  static constexpr std::uint8_t kLooped = 16;     // came through the loopback device
};
static_assert(sizeof(Meta) == 64);
static_assert(std::is_trivially_copyable_v<Meta>);

// The fields of Meta that a way is told by, as one word: for stages that look at all of them, or
// write them all, packet after packet.
struct WayFields {
  std::uint16_t input_device = 0, output_device = 0;
  LinkCast cast{};
  std::uint8_t flags = 0;
  std::uint16_t path_mtu = 0;

  constexpr std::uint64_t word() const { return std::bit_cast<std::uint64_t>(*this); }
  static std::uint64_t word_of(const Meta& meta) {
    std::uint64_t word;
    std::memcpy(&word, reinterpret_cast<const char*>(&meta) + kOffset, sizeof word);
    return word;
  }
  static void write(Meta& meta, std::uint64_t word) {
    std::memcpy(reinterpret_cast<char*>(&meta) + kOffset, &word, sizeof word);
  }
  static constexpr std::size_t kOffset = offsetof(Meta, input_device);
};
static_assert(sizeof(WayFields) == 8 &&
              offsetof(Meta, output_device) ==
                  WayFields::kOffset + offsetof(WayFields, output_device) &&
              offsetof(Meta, cast) == WayFields::kOffset + offsetof(WayFields, cast) &&
              offsetof(Meta, flags) == WayFields::kOffset + offsetof(WayFields, flags) &&
              offsetof(Meta, path_mtu) == WayFields::kOffset + offsetof(WayFields, path_mtu));

class Pool;
class Packet;

// A packet that somebody else owns: what may be done with it where it lies, in a burst or a queue.
class PacketRef {
 public:
  explicit PacketRef(rte_mbuf* mbuf) : mbuf_(mbuf) {}
  rte_mbuf* mbuf() const { return mbuf_; }

  Meta& meta() const { return *static_cast<Meta*>(rte_mbuf_to_priv(mbuf_)); }
  void reset_meta() const { meta() = Meta{}; }
  // Zeros, but for the device it came in on and the spare words. In whole words: a store of two
  // bytes in front of a load of sixteen, as a copied Meta has it, stalls every packet.
  void reset_meta(std::uint16_t input_device) const {
    char* const at = reinterpret_cast<char*>(&meta());
    const std::uint64_t way = input_device;
    static_assert(offsetof(Meta, input_device) == 8 && std::endian::native == std::endian::little);
    std::memset(at, 0, 8);
    std::memcpy(at + 8, &way, 8);
    std::memset(at + 16, 0, sizeof(Meta) - sizeof(Meta::spare) - 16);
  }

  // For a packet that another core has written: first its fields and Meta, and, when these have
  // come, the header at data(). All are written here, sooner or later: in a buffer that is freed
  // here the next packet comes in here.
  void prefetch_fields() const {
    prefetch_for_writing(mbuf_);
    prefetch_for_writing(reinterpret_cast<const char*>(mbuf_) + RTE_CACHE_LINE_SIZE);
    prefetch_for_writing(rte_mbuf_to_priv(mbuf_));
  }
  void prefetch_data() const { prefetch_for_writing(data()); }

  // Bytes from data() to the end, all segments.
  std::uint32_t length() const { return mbuf_->pkt_len; }
  // Bytes at data() that lie in one piece.
  std::uint32_t contiguous() const { return mbuf_->data_len; }
  bool single_segment() const { return mbuf_->next == nullptr; }
  std::byte* data() const { return rte_pktmbuf_mtod(mbuf_, std::byte*); }
  // The first segment's bytes.
  std::span<std::byte> first_bytes() const { return {data(), contiguous()}; }

  // The header of type T at `offset` from data(), or nullptr if its bytes do not lie in one piece
  // inside the first segment: call `gather` first.
  template <typename T>
  T* header(std::uint32_t offset = 0) const {
    static_assert(alignof(T) == 1 && std::is_trivially_copyable_v<T>);
    if (offset + sizeof(T) > contiguous()) [[unlikely]]
      return nullptr;
    return reinterpret_cast<T*>(data() + offset);
  }
  // The header of type T at an offset from the buffer's start, as Meta keeps it. The layer that
  // wrote the offset has seen the bytes there.
  template <typename T>
  T* header_at(std::uint16_t buffer_offset) const {
    static_assert(alignof(T) == 1 && std::is_trivially_copyable_v<T>);
    return reinterpret_cast<T*>(static_cast<char*>(mbuf_->buf_addr) + buffer_offset);
  }
  // data()'s offset from the buffer's start, for Meta.
  std::uint16_t data_offset() const { return mbuf_->data_off; }
  // Moves data() back or forth to an offset that was remembered from data_offset(), within the
  // first segment.
  void rewind_to(std::uint16_t buffer_offset) const;

  // Consumes `n` bytes at the front; they must lie in the first segment.
  void pull(std::uint32_t n) const {
    LINNET_CHECK_OP(n, <=, contiguous());
    pull_known(n);
  }
  // As `pull` where the caller has seen that there are as many.
  void pull_known(std::uint32_t n) const {
    mbuf_->data_off = static_cast<std::uint16_t>(mbuf_->data_off + n);
    mbuf_->data_len = static_cast<std::uint16_t>(mbuf_->data_len - n);
    mbuf_->pkt_len -= n;
  }
  // Room for a header of `n` bytes at the front, uninitialised; nullptr if the headroom is too
  // small or the first segment is shared: `make_headroom` first.
  std::byte* push(std::uint32_t n) const {
    if (n > mbuf_->data_off || shared()) [[unlikely]]
      return nullptr;
    mbuf_->data_off = static_cast<std::uint16_t>(mbuf_->data_off - n);
    mbuf_->data_len = static_cast<std::uint16_t>(mbuf_->data_len + n);
    mbuf_->pkt_len += n;
    bytes_in_use(data(), n);
    return data();
  }
  // As `push` where the caller has seen that the first segment is not shared and data_offset() >=
  // n.
  std::byte* push_known(std::uint32_t n) const {
    const auto offset = static_cast<std::uint16_t>(mbuf_->data_off - n);
    mbuf_->data_off = offset;
    mbuf_->data_len = static_cast<std::uint16_t>(mbuf_->data_len + n);
    mbuf_->pkt_len += n;
    std::byte* const at = static_cast<std::byte*>(mbuf_->buf_addr) + offset;
    bytes_in_use(at, n);
    return at;
  }
  // `n` more bytes at the end of the last segment, uninitialised; nullptr if they do not fit.
  std::byte* put(std::uint32_t n) const {
    if (!sole() || n > std::uint32_t{rte_pktmbuf_tailroom(mbuf_)}) [[unlikely]]
      return put_last(n);
    std::byte* const at = data() + mbuf_->data_len;
    mbuf_->data_len = static_cast<std::uint16_t>(mbuf_->data_len + n);
    mbuf_->pkt_len += n;
    bytes_in_use(at, n);
    return at;
  }
  // How many bytes `put` can give; 0 where the last segment is shared.
  std::uint32_t tailroom() const {
    return sole() ? rte_pktmbuf_tailroom(mbuf_) : tailroom_of_last();
  }
  // Cuts the packet to `length` bytes; segments behind it are freed. Must not lengthen.
  void trim(std::uint32_t new_length) const {
    LINNET_CHECK_OP(new_length, <=, length());
    if (!sole()) [[unlikely]]
      return trim_chain(new_length);
    bytes_out_of_use(data() + new_length, mbuf_->data_len - new_length);
    mbuf_->data_len = static_cast<std::uint16_t>(new_length);
    mbuf_->pkt_len = new_length;
  }

  // Whether bytes may not be written because another packet shares them.
  bool shared() const { return rte_mbuf_refcnt_read(mbuf_) > 1 || attached(); }

  // The data lies in another mbuf or outside of all; the two flags stand in the highest byte.
  bool attached() const {
    constexpr std::uint64_t kFlags = RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
    static_assert((kFlags >> 56 << 56) == kFlags && std::endian::native == std::endian::little);
    std::uint8_t highest;
    std::memcpy(&highest, reinterpret_cast<const char*>(&mbuf_->ol_flags) + 7, 1);
    return (highest & (kFlags >> 56)) != 0;
  }

  // One segment that nobody shares.
  bool sole() const { return alone() && !attached(); }

  // `refcnt` and `nb_segs` are 1: one look, they lie side by side.
  bool alone() const {
    static_assert(offsetof(rte_mbuf, nb_segs) == offsetof(rte_mbuf, refcnt) + 2);
    std::uint32_t both;
    std::memcpy(&both, reinterpret_cast<const char*>(mbuf_) + offsetof(rte_mbuf, refcnt),
                sizeof both);
    return both == 0x00010001;
  }

  // One buffer that nobody shares, to be sent as it is: `sole`, and no large one.
  bool plain() const {
    constexpr std::uint64_t kFlags =
        RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_TX_TCP_SEG;
    return alone() && (mbuf_->ol_flags & kFlags) == 0;
  }

  // A large packet (Linux: skb_is_gso) is a TCP segment of more data than one frame carries: one
  // header, to be cut into pieces of `piece_payload` bytes and a shorter last one before it leaves,
  // by the driver or by device::Segmentation. Its TCP checksum is not written before that.
  bool large() const { return (mbuf_->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0; }
  void make_large(std::uint32_t transport_header, std::uint32_t payload_each) const {
    mbuf_->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    mbuf_->l4_len = transport_header & 0xff;
    mbuf_->tso_segsz = static_cast<std::uint16_t>(payload_each);
  }
  void forget_large() const { mbuf_->ol_flags &= ~RTE_MBUF_F_TX_TCP_SEG; }
  // Of a large packet: bytes of data in a piece, and of its TCP header.
  std::uint32_t piece_payload() const { return mbuf_->tso_segsz; }
  std::uint32_t transport_header() const { return mbuf_->l4_len; }
  // How many frames it becomes; `headers`: bytes from data() to the end of the TCP header.
  std::uint32_t pieces(std::uint32_t headers) const {
    if (!large()) return 1;
    return (length() - headers + piece_payload() - 1) / piece_payload();
  }

  // Copies bytes out of any segments; false if the packet is shorter than offset + out.size().
  bool copy_out(std::uint32_t offset, std::span<std::byte> out) const {
    if (std::uint64_t{offset} + out.size() > contiguous() || out.empty()) [[unlikely]]
      return copy_out_of_chain(offset, out);
    std::memcpy(out.data(), data() + offset, out.size());
    return true;
  }
  // Writes bytes over those at `offset`, in any segments; false if the packet is shorter than
  // offset
  // + bytes.size() or a segment that would be written to is shared: some may be written then.
  bool copy_in(std::uint32_t offset, std::span<const std::byte> bytes) const;
  // The one's-complement sum of [offset, offset + count), folded, in memory order.
  std::uint16_t checksum_sum(std::uint32_t offset, std::uint32_t count) const;

  // Another packet that shares the data (references, no copy); empty if the pool is.
  Packet clone(Pool& pool) const;
  // Another packet with the bytes [offset, offset + count) copied, Meta copied; empty if the pool
  // is.
  Packet copy(Pool& pool, std::uint32_t offset, std::uint32_t count) const;

  // Bytes of buffer memory that the packet pins, all segments (rule R3).
  std::uint32_t truesize() const {
    return single_segment() ? std::uint32_t{mbuf_->buf_len} : truesize_of_chain();
  }
  // Segment counts and lengths agree (a driver that lies is answered with a drop).
  bool consistent() const;

 protected:
  PacketRef() = default;
  void trim_chain(std::uint32_t new_length) const;
  std::byte* put_last(std::uint32_t n) const;
  std::uint32_t tailroom_of_last() const;
  bool copy_out_of_chain(std::uint32_t offset, std::span<std::byte> out) const;
  std::uint32_t truesize_of_chain() const;
  rte_mbuf* mbuf_ = nullptr;
};

// The owner of a packet.
class Packet : public PacketRef {
 public:
  Packet() = default;
  // Takes ownership of an mbuf.
  explicit Packet(rte_mbuf* mbuf) : PacketRef(mbuf) {}
  Packet(Packet&& other) noexcept : PacketRef(std::exchange(other.mbuf_, nullptr)) {}
  Packet& operator=(Packet&& other) noexcept {
    LINNET_CHECK(mbuf_ == nullptr);
    mbuf_ = std::exchange(other.mbuf_, nullptr);
    return *this;
  }
  Packet(const Packet&) = delete;
  Packet& operator=(const Packet&) = delete;
  ~Packet() {
    if (mbuf_ != nullptr) [[unlikely]]
      leaked();
  }

  explicit operator bool() const { return mbuf_ != nullptr; }
  // Hands the mbuf to the caller: only devices, the ledger and queues of the data path do this.
  rte_mbuf* release() { return std::exchange(mbuf_, nullptr); }

  // Puts all of `tail`'s segments behind this packet's; its Meta is forgotten. An empty first
  // segment of `tail` is freed. At most 65535 segments in all.
  void chain(Packet&& tail) const;
  // Consumes `n` bytes at the front over any segments, at most all; what becomes empty in front is
  // freed. Meta stays, its positions are worth nothing then.
  void skip(std::uint32_t n);
  // Makes the first `n` bytes lie in one piece and writable (not shared), in a buffer from `pool`
  // where they do not. False: fewer than `n` bytes, or the pool is empty; the packet is unchanged.
  [[nodiscard]] bool gather(std::uint32_t n, Pool& pool) {
    if (contiguous() >= n && !shared()) [[likely]]
      return true;
    return gather_slow(n, pool);
  }
  // Makes at least `n` bytes of writable headroom. False as in `gather`.
  [[nodiscard]] bool make_headroom(std::uint32_t n, Pool& pool);

 private:
  [[noreturn]] void leaked() const;
  bool gather_slow(std::uint32_t n, Pool& pool);
};
static_assert(sizeof(Packet) == sizeof(rte_mbuf*));

}  // namespace linnet::packet
