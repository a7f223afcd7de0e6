// SPDX-License-Identifier: BSD-3-Clause
// What the C functions have in common.
#pragma once

#include <cerrno>
#include <memory>

#include "shim/descriptors.hpp"
#include "shim/socket.hpp"

namespace linnet::shim {

// -errno becomes errno and -1.
template <typename Number>
Number answer(Number result) {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

// What a descriptor names, for as long as a call lasts.
class FileInCall {
 public:
  explicit FileInCall(int fd) : file_(Descriptors::of_process().get_own(fd)) {
    if (file_ != nullptr) [[likely]]
      return;
    kept_ = Descriptors::of_process().get(fd);
    file_ = kept_.get();
  }
  explicit operator bool() const { return file_ != nullptr; }
  File& operator*() const { return *file_; }
  File* operator->() const { return file_; }

 private:
  File* file_;
  std::shared_ptr<File> kept_;
};

// Runs `call(Socket&)` on what the descriptor names; `other`: the answer where that is no socket.
template <typename Call>
auto with_socket(int fd, Call&& call, int other = -ENOTSOCK) {
  const FileInCall file(fd);
  using Number = decltype(call(static_cast<Socket&>(*file)));
  if (!file) return answer(Number{-EBADF});
  if (file->kind() == File::Kind::Epoll) return answer(static_cast<Number>(other));
  return answer(call(static_cast<Socket&>(*file)));
}

}  // namespace linnet::shim
