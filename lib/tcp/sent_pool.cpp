// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/sent_pool.hpp"

namespace linnet::tcp {

SentPool::SentPool(std::uint32_t capacity)
    : capacity_(capacity),
      available_(capacity),
      records_(std::make_unique<SentRecord[]>(capacity)),
      free_(std::make_unique<std::uint32_t[]>(capacity)) {
  for (std::uint32_t i = 0; i < capacity; ++i)
    free_[i] = capacity - 1 - i;
}

SentPool::~SentPool() {
  LINNET_CHECK_OP(available_, ==, capacity_);
}

}  // namespace linnet::tcp
