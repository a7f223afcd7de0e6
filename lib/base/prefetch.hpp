// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace linnet {
inline namespace base {

// Fetches a line that another core has written and this one will write, too: at once for this core
// alone, so that the first write needs no second trip. The compiler's own prefetch for writing is
// one for reading unless it is told that every processor has this instruction; those of x86-64 that
// have it not take it for none.
inline void prefetch_for_writing(const void* at) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#else
  __builtin_prefetch(at, 1);
#endif
}

}  // namespace base
}  // namespace linnet
