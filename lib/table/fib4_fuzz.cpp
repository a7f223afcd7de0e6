// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer: a stream of changes to Fib4, held against the definition of longest prefix. Each
// change is six bytes: what to do, the prefix's length, its address.
#include <cstddef>
#include <cstdint>
#include <map>

#include "base/check.hpp"
#include "table/fib4.hpp"

namespace {

using linnet::Ipv4Address;
using linnet::Ipv4Prefix;
using linnet::table::Fib4;
using Prefixes = std::map<Ipv4Prefix, std::uint32_t>;

Fib4::Cover cover_of(const Prefixes& prefixes, Ipv4Address address, unsigned below) {
  for (unsigned length = below; length-- > 0;) {
    const auto found = prefixes.find(Ipv4Prefix(address, length));
    if (found != prefixes.end()) return {length, found->second};
  }
  return {};
}

void check(const Fib4& fib, const Prefixes& prefixes, Ipv4Address address) {
  LINNET_CHECK_OP(fib.lookup(address), ==, cover_of(prefixes, address, 33).value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kChange = 6;
  linnet::table::Rcu rcu(1);
  // Few chunks, so that running out of them is part of the game.
  Fib4 fib(rcu, 24);
  Prefixes prefixes;
  for (; size >= kChange; data += kChange, size -= kChange) {
    const std::uint8_t what = data[0];
    const Ipv4Prefix prefix(Ipv4Address(data[2], data[3], data[4], data[5]), data[1] % 33U);
    if ((what & 1) != 0) {
      const std::uint32_t value = 1U + (what >> 4);
      if (fib.insert(prefix, value)) prefixes[prefix] = value;
    } else {
      prefixes.erase(prefix);
      fib.erase(prefix, cover_of(prefixes, prefix.address(), prefix.length()));
    }
    if ((what & 2) != 0) rcu.reclaim();
    for (const Ipv4Address address : {prefix.address(), prefix.last()}) {
      check(fib, prefixes, address);
      check(fib, prefixes, Ipv4Address::from_host(address.host() - 1));
      check(fib, prefixes, Ipv4Address::from_host(address.host() + 1));
    }
  }
  Ipv4Address where[Fib4::kBurst];
  std::uint32_t values[Fib4::kBurst];
  unsigned count = 0;
  for (const auto& [prefix, value] : prefixes) {
    if (count < Fib4::kBurst) where[count++] = prefix.last();
  }
  fib.lookup(where, count, values);
  for (unsigned i = 0; i < count; ++i)
    LINNET_CHECK_OP(values[i], ==, cover_of(prefixes, where[i], 33).value);
  while (!prefixes.empty()) {
    const Ipv4Prefix prefix = prefixes.begin()->first;
    prefixes.erase(prefixes.begin());
    fib.erase(prefix, cover_of(prefixes, prefix.address(), prefix.length()));
  }
  LINNET_CHECK_OP(fib.chunks(), ==, 0u);
  return 0;
}
