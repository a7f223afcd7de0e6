// SPDX-License-Identifier: BSD-3-Clause
#include "exceptions.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace linnet::differential {
namespace {

struct Exception {
  // Of a case; with a final * the beginning of several, or of one that the kernel's timing decides.
  std::string_view name;
  const char* reason;
};

constexpr Exception kExceptions[] = {
    {"tcp SO_RCVLOWAT values", "its bound follows net.ipv4.tcp_rmem of this machine"},
    {"tcp SO_RCVBUF values*", "its bound follows net.core.rmem_max of this machine"},
    {"udp SO_RCVBUF values*", "its bound follows net.core.rmem_max of this machine"},
    {"tcp SO_SNDBUF values*", "its bound follows net.core.wmem_max of this machine"},
    {"udp SO_SNDBUF values*", "its bound follows net.core.wmem_max of this machine"},
    {"tcp shut for writing: SIOCOUTQ*", "a FIN that is not acknowledged is not counted"},
    {"tcp shut both ways: SIOCOUTQ*", "a FIN that is not acknowledged is not counted"},
    {"tcp shut for writing: TCP_INFO state*", "the kernel's peer puts the FIN's ACK off"},
    {"tcp shut both ways: TCP_INFO state*", "the kernel's peer puts the FIN's ACK off"},
    {"tcp refused: getsockname*", "the port of a connect that failed is given up"},
    {"tcp refused: SIOCOUTQ", "the SYN of a connection that failed is not counted"},
    {"udp refused: send out of reach", "a pending error is told before the route is looked up"},
    {"udp shut for writing: send out of reach",
     "the shutdown is told before the route is looked up"},
};

const Exception* find(const std::string& name) {
  const auto* const found =
      std::find_if(std::begin(kExceptions), std::end(kExceptions), [&](const Exception& e) {
        if (!e.name.ends_with('*')) return e.name == name;
        return name.starts_with(e.name.substr(0, e.name.size() - 1));
      });
  return found != std::end(kExceptions) ? found : nullptr;
}

}  // namespace

const char* reason_to_differ(const std::string& name) {
  const Exception* const found = find(name);
  return found != nullptr ? found->reason : nullptr;
}

bool reason_is_of_many(const std::string& name) {
  const Exception* const found = find(name);
  return found != nullptr && found->name.ends_with('*');
}

}  // namespace linnet::differential
