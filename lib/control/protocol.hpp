// SPDX-License-Identifier: BSD-3-Clause
// What goes over the control socket, both ways a stream of frames:
//
//     request    length (be32) | words, each ended by a NUL byte
//     reply      kind (1 byte) length (be32) | bytes      any number of 'o' (standard output) and
//                                                         'e' (standard error) frames, then one 'x'
//                                                         frame: the exit code in one byte
//
// One reply for each request, in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "control/reply.hpp"

namespace linnet::control {

inline constexpr std::size_t kMaxRequest = 64 * 1024;  // bytes of words
inline constexpr std::size_t kMaxReplyFrame = 1 << 20;
inline constexpr std::string_view kDefaultSocket = "/run/linnet/linnet.sock";

// Error where the words do not fit, or one holds a NUL.
Result<std::string> encode_request(std::span<const std::string> words);
std::string encode_reply(const Reply& reply);

// Puts requests together out of what a socket gives. After an error the stream is beyond repair.
class RequestReader {
 public:
  // Bytes that may be read at most before `next` is asked again.
  std::size_t room() const { return kMaxRequest + kHeader - buffer_.size(); }
  void append(std::string_view bytes) { buffer_.append(bytes); }
  // The next whole request; nullopt while it is not all there.
  Result<std::optional<std::vector<std::string>>> next();
  // `next` has something to say: a request, or that it is malformed.
  bool ready() const;
  // Bytes of a request are there.
  bool partial() const { return !buffer_.empty(); }

 private:
  static constexpr std::size_t kHeader = 4;
  std::string buffer_;
};

// Puts a reply together out of what a socket gives.
class ReplyReader {
 public:
  // Takes bytes; appends to `reply`. True when the reply is whole (its code is set); what follows
  // belongs to the next one. An error: this is no server of ours.
  Result<bool> take(std::string_view bytes, Reply& reply);

 private:
  std::string buffer_;
};

}  // namespace linnet::control
