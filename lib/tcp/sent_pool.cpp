// SPDX-License-Identifier: BSD-3-Clause
#include "tcp/sent_pool.hpp"

#include "base/check.hpp"

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

SentRecord* SentPool::take() {
  if (available_ == 0) return nullptr;
  return &records_[free_[--available_]];
}

void SentPool::give_back(SentRecord& record) {
  LINNET_CHECK_OP(available_, <, capacity_);
  record.state = SentState::Outstanding;
  record.retransmitted = record.app_limited = false;
  free_[available_++] = static_cast<std::uint32_t>(&record - records_.get());
}

}  // namespace linnet::tcp
