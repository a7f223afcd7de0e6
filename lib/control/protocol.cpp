// SPDX-License-Identifier: BSD-3-Clause
#include "control/protocol.hpp"

namespace linnet::control {
namespace {

constexpr std::size_t kFrameHeader = 5;

void append_length(std::string& out, std::size_t length) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>(length >> shift & 255);
}

std::size_t read_length(std::string_view bytes) {
  std::size_t length = 0;
  for (int i = 0; i < 4; ++i)
    length = length << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  return length;
}

void append_stream(std::string& out, char kind, std::string_view text) {
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, kMaxReplyFrame);
    out += kind;
    append_length(out, piece.size());
    out += piece;
    text.remove_prefix(piece.size());
  }
}

}  // namespace

Result<std::string> encode_request(std::span<const std::string> words) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].find('\0') != std::string::npos)
      return Error{"a word with a NUL byte", words[i].c_str(), static_cast<int>(i), "text"};
    length += words[i].size() + 1;
  }
  if (length > kMaxRequest) {
    return Error{"the command is too long, at most " + std::to_string(kMaxRequest) + " bytes"};
  }
  std::string out;
  out.reserve(length + 4);
  append_length(out, length);
  for (const std::string& word : words) {
    out += word;
    out += '\0';
  }
  return out;
}

std::string encode_reply(const Reply& reply) {
  std::string out;
  out.reserve(reply.out.size() + reply.err.size() + 64);
  append_stream(out, 'o', reply.out);
  append_stream(out, 'e', reply.err);
  out += 'x';
  append_length(out, 1);
  out += static_cast<char>(reply.code);
  return out;
}

bool RequestReader::ready() const {
  if (buffer_.size() < kHeader) return false;
  const std::size_t length = read_length(buffer_);
  return length > kMaxRequest || buffer_.size() >= kHeader + length;
}

Result<std::optional<std::vector<std::string>>> RequestReader::next() {
  if (!ready()) return std::optional<std::vector<std::string>>{};
  const std::size_t length = read_length(buffer_);
  if (length > kMaxRequest) return Error{"the request is too long"};
  std::string_view body = std::string_view(buffer_).substr(kHeader, length);
  if (!body.empty() && body.back() != '\0') return Error{"the last word does not end"};
  std::vector<std::string> words;
  while (!body.empty()) {
    const std::size_t end = body.find('\0');
    words.emplace_back(body.substr(0, end));
    body.remove_prefix(end + 1);
  }
  buffer_.erase(0, kHeader + length);
  return std::optional(std::move(words));
}

Result<bool> ReplyReader::take(std::string_view bytes, Reply& reply) {
  buffer_.append(bytes);
  std::size_t at = 0;
  bool whole = false;
  while (!whole && buffer_.size() - at >= kFrameHeader) {
    const char kind = buffer_[at];
    const std::size_t length = read_length(std::string_view(buffer_).substr(at + 1));
    if ((kind != 'o' && kind != 'e' && kind != 'x') || length > kMaxReplyFrame ||
        (kind == 'x' && length != 1)) {
      return Error{"what answers is no Linnet daemon"};
    }
    if (buffer_.size() - at < kFrameHeader + length) break;
    const std::string_view body = std::string_view(buffer_).substr(at + kFrameHeader, length);
    if (kind == 'x') {
      reply.code = static_cast<unsigned char>(body[0]);
      whole = true;
    } else {
      (kind == 'o' ? reply.out : reply.err).append(body);
    }
    at += kFrameHeader + length;
  }
  buffer_.erase(0, at);
  return whole;
}

}  // namespace linnet::control
