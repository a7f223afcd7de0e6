// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <linnet/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

#include "socket/message.hpp"

namespace linnet::shim {

// A place in the memory that an iovec array describes; moves on as bytes are read or written there.
class Pieces {
 public:
  Pieces(std::span<const iovec> parts, std::size_t from) : parts_(parts) { skip(from); }

  // Copies `count` bytes out of them; there are so many.
  void read(std::byte* to, std::size_t count) {
    walk(count, [&](std::byte* at, std::size_t part) {
      std::memcpy(to, at, part);
      to += part;
    });
  }
  // Copies `count` bytes into them; there is so much room.
  void write(const std::byte* from, std::size_t count) {
    walk(count, [&](std::byte* at, std::size_t part) {
      std::memcpy(at, from, part);
      from += part;
    });
  }

 private:
  void skip(std::size_t count) {
    walk(count, [](std::byte*, std::size_t) {});
  }
  template <typename Visit>
  void walk(std::size_t count, Visit&& visit) {
    while (count > 0) {
      const iovec& part = parts_[index_];
      const std::size_t here = std::min(count, part.iov_len - offset_);
      if (here > 0) visit(static_cast<std::byte*>(part.iov_base) + offset_, here);
      offset_ += here;
      count -= here;
      if (offset_ < part.iov_len) continue;
      ++index_;
      offset_ = 0;
    }
  }

  std::span<const iovec> parts_;
  std::size_t index_ = 0;
  std::size_t offset_ = 0;
};

inline std::size_t bytes_of(std::span<const iovec> parts) {
  std::size_t sum = 0;
  for (const iovec& part : parts)
    sum += part.iov_len;
  return sum;
}

// A buffer that was lent to the program, as messages name it.
inline socket::BufferRef buffer_of(const ln_buffer& buffer) {
  return {static_cast<std::uint32_t>(buffer.token), static_cast<std::uint16_t>(buffer.token >> 32),
          static_cast<std::uint16_t>(buffer.length)};
}

}  // namespace linnet::shim
