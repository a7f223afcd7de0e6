// SPDX-License-Identifier: BSD-3-Clause
// For fuzz targets on a whole embedded stack: 192.0.2.1/24 on a raw IP port, around whose packets
// AddressSanitizer watches.
#pragma once

#include <linnet/embed.h>
#include <rte_mbuf_pool_ops.h>

#include <csignal>
#include <string>

#include "shim/embed.hpp"
#include "support/fuzz_eal.hpp"

namespace linnet::tests {

inline ln_stack* make_fuzz_stack() {
  std::signal(SIGPIPE, SIG_IGN);
  const std::string ops = poison_ops();
  if (!ops.empty()) rte_mbuf_set_platform_mempool_ops(ops.c_str());
  ln_embed_options options{};
  options.size = sizeof options;
  options.packets = 1024;
  options.seed = 7;
  ln_stack* const stack = ln_embed_create(&options);
  LINNET_CHECK(stack != nullptr);
  arm(stack->stack().pool());
  LINNET_CHECK_OP(ln_embed_add_ip_port(stack, "tun0", 1500), ==, 0);
  LINNET_CHECK_OP(ln_embed_command(stack, "ip addr add 192.0.2.1/24 dev tun0", nullptr, 0), ==, 0);
  return stack;
}

// The account balances, nothing is held, all buffers are back, so many ports are bound.
inline void check_at_rest(ln_stack* stack, std::size_t bound) {
  ln_embed_account account{};
  ln_embed_get_account(stack, &account);
  LINNET_CHECK_OP(account.received + account.generated, ==,
                  account.sent + account.delivered + account.held + account.dropped);
  LINNET_CHECK_OP(account.held, ==, 0u);
  LINNET_CHECK_OP(account.buffers_in_use, ==, 0u);
  LINNET_CHECK_OP(stack->stack().sockets().ports.size(), ==, bound);
}

}  // namespace linnet::tests
