// SPDX-License-Identifier: BSD-3-Clause
#include "table/fib4.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include "base/check.hpp"

namespace linnet::table {
namespace {

constexpr std::size_t kRootEntries = 65536;
constexpr std::uint8_t kChunkBelow = 255;            // in place of a length: a chunk hangs here
constexpr std::uint32_t kGiveBack = 2048;            // chunks whose memory goes back at once
constexpr std::size_t kHuge = std::size_t{2} << 20;  // bytes of a large page

// Address space without memory behind it, aligned to a large page.
class Reservation {
 public:
  explicit Reservation(std::size_t bytes) : bytes_((bytes + kHuge - 1) / kHuge * kHuge + kHuge) {
    void* const at =
        mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    LINNET_CHECK(at != MAP_FAILED);
    mapping_ = static_cast<std::byte*>(at);
    const auto address = reinterpret_cast<std::uintptr_t>(mapping_);
    start_ = mapping_ + (kHuge - address % kHuge) % kHuge;
  }
  ~Reservation() { munmap(mapping_, bytes_); }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

  std::byte* start() const { return start_; }

  // Makes the first `bytes` usable; false where the system refuses. The first large page's worth
  // comes in small pages, so that small tables stay small; what follows in large ones, so that
  // look-ups in big tables do not miss the TLB.
  bool provide(std::size_t bytes) {
    while (usable_ < bytes) {
      if (mprotect(start_ + usable_, kHuge, PROT_READ | PROT_WRITE) != 0) return false;
      // Advice only: a kernel without large pages refuses it, and all works the same.
      madvise(start_ + usable_, kHuge, usable_ == 0 ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
      usable_ += kHuge;
    }
    return true;
  }
  // Gives the memory of whole pages behind `bytes` back; the next touch finds zeros.
  void keep(std::size_t bytes) {
    constexpr std::size_t kPage = 4096;
    const std::size_t kept = (bytes + kPage - 1) / kPage * kPage;
    if (kept < usable_) madvise(start_ + kept, usable_ - kept, MADV_DONTNEED);
  }

 private:
  std::size_t bytes_;
  std::byte* mapping_;
  std::byte* start_;
  std::size_t usable_ = 0;
};

}  // namespace

// What stays until the last release that waits for lanes has run, even without the table.
struct Fib4::Memory {
  explicit Memory(std::uint32_t max)
      : max_chunks(max),
        root(kRootEntries * sizeof(Entry)),
        root_lengths(kRootEntries),
        chunks(std::size_t{max} * kChunkEntries * sizeof(Entry)),
        lengths(std::size_t{max} * kChunkEntries) {
    LINNET_CHECK(root.provide(1) && root_lengths.provide(1) && chunks.provide(1));
  }

  std::uint32_t available() const { return max_chunks - taken - waiting; }
  // Makes sure that `count` calls of take() succeed.
  bool provide(unsigned count) {
    if (count > available()) return false;
    const std::size_t upto = std::min(next + count, max_chunks);
    return chunks.provide(upto * kChunkEntries * sizeof(Entry)) &&
           lengths.provide(upto * kChunkEntries);
  }
  // A chunk whose content is undefined, after provide().
  std::uint32_t take() {
    ++taken;
    while (!free.empty()) {
      const std::uint32_t chunk = free.back();
      free.pop_back();
      // Numbers that the end of the table has passed, coming or going, stand here in vain.
      if (chunk >= next || !is_free[chunk]) continue;
      is_free[chunk] = false;
      return chunk;
    }
    is_free.push_back(false);
    touched = std::max(touched, next + 1);
    return next++;
  }
  // No lane will enter the chunk any more, but some may be in it.
  void retire() {
    --taken;
    ++waiting;
  }
  // All lanes have let go of the chunk.
  void give_back(std::uint32_t chunk) {
    --waiting;
    is_free[chunk] = true;
    free.push_back(chunk);
    while (next > 0 && is_free[next - 1]) {
      is_free.pop_back();
      --next;
    }
    if (next != 0 && touched - next < kGiveBack) return;
    std::erase_if(free, [this](std::uint32_t other) { return other >= next; });
    chunks.keep(std::size_t{next} * kChunkEntries * sizeof(Entry));
    lengths.keep(std::size_t{next} * kChunkEntries);
    touched = next;
  }

  std::uint32_t max_chunks;
  std::uint32_t next = 0;     // chunks from here on are not in use
  std::uint32_t touched = 0;  // chunks from here on have no memory behind them
  std::uint32_t taken = 0;    // in use
  std::uint32_t waiting = 0;  // for lanes to let go of them
  std::vector<std::uint32_t> free;
  std::vector<bool> is_free;  // by chunk, `next` of them
  Reservation root, root_lengths, chunks, lengths;
};

Fib4::Fib4(Rcu& rcu, std::uint32_t max_chunks)
    : rcu_(rcu), memory_(std::make_shared<Memory>(max_chunks)) {
  LINNET_CHECK(max_chunks >= 1 && max_chunks <= kMaxChunks);
  root_ = reinterpret_cast<Entry*>(memory_->root.start());
  chunks_ = reinterpret_cast<Entry*>(memory_->chunks.start());
}

Fib4::~Fib4() = default;

Fib4::Run Fib4::root_run() const {
  return {root_, reinterpret_cast<std::uint8_t*>(memory_->root_lengths.start())};
}

Fib4::Run Fib4::chunk_run(std::uint32_t entry) const {
  const std::size_t first = std::size_t{entry & kMaxValue} * kChunkEntries;
  return {chunks_ + first, reinterpret_cast<std::uint8_t*>(memory_->lengths.start()) + first};
}

// The chunk at `index`, made if a value stands there.
Fib4::Run Fib4::descend(Run run, unsigned index) {
  const std::uint32_t entry = run.entries[index].load(std::memory_order_relaxed);
  if (entry & kChunkFlag) return chunk_run(entry);
  const std::uint32_t chunk = memory_->take();
  const Run below = chunk_run(chunk);
  for (unsigned i = 0; i < kChunkEntries; ++i)
    below.entries[i].store(entry, std::memory_order_relaxed);
  std::fill_n(below.lengths, kChunkEntries, run.lengths[index]);
  run.lengths[index] = kChunkBelow;
  // Release: who sees the chunk's number sees its content.
  run.entries[index].store(chunk | kChunkFlag, std::memory_order_release);
  return below;
}

// Gives `value` to every place below these entries that no longer prefix than `length` holds.
void Fib4::set_run(Run run, unsigned first, unsigned count, unsigned length, std::uint32_t value) {
  for (unsigned i = first; i < first + count; ++i) {
    if (run.lengths[i] == kChunkBelow) {
      const std::uint32_t entry = run.entries[i].load(std::memory_order_relaxed);
      set_run(chunk_run(entry), 0, kChunkEntries, length, value);
    } else if (run.lengths[i] <= length) {
      run.lengths[i] = static_cast<std::uint8_t>(length);
      run.entries[i].store(value, std::memory_order_relaxed);
    }
  }
}

// Gives `cover` to every place below these entries that the prefix of this length holds.
void Fib4::clear_run(Run run, unsigned first, unsigned count, unsigned length, Cover cover) {
  for (unsigned i = first; i < first + count; ++i) {
    if (run.lengths[i] == kChunkBelow) {
      const std::uint32_t entry = run.entries[i].load(std::memory_order_relaxed);
      clear_run(chunk_run(entry), 0, kChunkEntries, length, cover);
    } else if (run.lengths[i] == length) {
      run.lengths[i] = static_cast<std::uint8_t>(cover.length);
      run.entries[i].store(cover.value, std::memory_order_relaxed);
    }
  }
}

// Takes the chunk at `index` away where nothing in it is longer than `base`, the length of its
// place: then all of it is the one prefix that covers it.
void Fib4::collapse(Run parent, unsigned index, unsigned base) {
  if (parent.lengths[index] != kChunkBelow) return;
  const std::uint32_t entry = parent.entries[index].load(std::memory_order_relaxed);
  const Run below = chunk_run(entry);
  unsigned longer = 0;
  for (unsigned i = 0; i < kChunkEntries; ++i)
    longer += below.lengths[i] > base ? 1U : 0U;
  if (longer != 0) return;
  parent.lengths[index] = below.lengths[0];
  parent.entries[index].store(below.entries[0].load(std::memory_order_relaxed),
                              std::memory_order_relaxed);
  memory_->retire();
  rcu_.defer([memory = memory_, chunk = entry & kMaxValue] { memory->give_back(chunk); });
}

unsigned Fib4::missing_chunks(Ipv4Prefix prefix) const {
  if (prefix.length() <= 16) return 0;
  const unsigned needed = prefix.length() <= 24 ? 1 : 2;
  const std::uint32_t host = prefix.address().host();
  std::uint32_t entry = root_[host >> 16].load(std::memory_order_relaxed);
  if ((entry & kChunkFlag) == 0) return needed;
  entry = chunk_run(entry).entries[host >> 8 & 255].load(std::memory_order_relaxed);
  return needed == 1 || (entry & kChunkFlag) != 0 ? 0 : 1;
}

bool Fib4::insert(Ipv4Prefix prefix, std::uint32_t value) {
  LINNET_CHECK(value != 0 && value <= kMaxValue);
  const unsigned length = prefix.length();
  const std::uint32_t host = prefix.address().host();
  if (length == 0) {
    default_.store(value, std::memory_order_relaxed);
    return true;
  }
  if (!memory_->provide(missing_chunks(prefix))) return false;
  if (length <= 16) {
    set_run(root_run(), host >> 16, 1U << (16 - length), length, value);
    return true;
  }
  const Run second = descend(root_run(), host >> 16);
  if (length <= 24) {
    set_run(second, host >> 8 & 255, 1U << (24 - length), length, value);
  } else {
    set_run(descend(second, host >> 8 & 255), host & 255, 1U << (32 - length), length, value);
  }
  return true;
}

void Fib4::erase(Ipv4Prefix prefix, Cover cover) {
  const unsigned length = prefix.length();
  const std::uint32_t host = prefix.address().host();
  if (length == 0) {
    default_.store(0, std::memory_order_relaxed);
    return;
  }
  // The default route is not in the entries: below it they are empty.
  if (cover.length == 0) cover.value = 0;
  LINNET_CHECK_OP(cover.length, <, length);
  const Run root = root_run();
  if (length <= 16) {
    clear_run(root, host >> 16, 1U << (16 - length), length, cover);
    return;
  }
  if (root.lengths[host >> 16] != kChunkBelow) return;
  const Run second = chunk_run(root_[host >> 16].load(std::memory_order_relaxed));
  const unsigned index = host >> 8 & 255;
  if (length <= 24) {
    clear_run(second, index, 1U << (24 - length), length, cover);
  } else if (second.lengths[index] == kChunkBelow) {
    const Run third = chunk_run(second.entries[index].load(std::memory_order_relaxed));
    clear_run(third, host & 255, 1U << (32 - length), length, cover);
    collapse(second, index, 24);
  }
  collapse(root, host >> 16, 16);
}

std::uint32_t Fib4::chunks() const {
  return memory_->taken;
}

std::size_t Fib4::memory_bytes() const {
  return kRootEntries * (sizeof(Entry) + 1) +
         std::size_t{memory_->touched} * kChunkEntries * (sizeof(Entry) + 1);
}

// The plies below the root. A packet that needs no chunk prefetches its own answer: no branch, and
// no line of someone else's chunk.
void Fib4::lookup_below(const Ipv4Address* destinations, unsigned count,
                        std::uint32_t* values) const {
  std::uint32_t hosts[kBurst];
  for (unsigned i = 0; i < count; ++i) {
    hosts[i] = destinations[i].host();
    prefetch_below(values[i], hosts[i] >> 8, &values[i]);
  }
  const std::uint32_t fallback = default_.load(std::memory_order_relaxed);
  std::uint32_t any = kChunkFlag;
  for (unsigned shift = 8; any & kChunkFlag; shift -= 8) {
    any = 0;
    for (unsigned i = 0; i < count; ++i) {
      if ((values[i] & kChunkFlag) == 0) continue;
      const std::uint32_t entry =
          below(values[i], hosts[i] >> shift)->load(std::memory_order_acquire);
      values[i] = entry != 0 ? entry : fallback;
      any |= entry;
      prefetch_below(entry, hosts[i], &values[i]);
    }
  }
}

}  // namespace linnet::table
