// SPDX-License-Identifier: BSD-3-Clause
// Receive side scaling: which queue a flow comes to. It only ever spares a hand-over between lanes:
// nothing depends on it. Its key is random (rule R6: the drivers' default key is public).
#include <rte_ethdev.h>

#include <algorithm>
#include <cstring>

#include "device/port.hpp"
#include "time/random.hpp"

namespace linnet::device {
namespace {

constexpr std::uint64_t kWanted = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
constexpr std::uint8_t kUsualKey = 40;  // bytes, where the driver does not say

}  // namespace

// rte_eth_dev_configure refuses whatever the driver did not offer, so it is asked for nothing else.
void Port::choose_spreading(const rte_eth_dev_info& info, rte_eth_conf& conf) {
  spreading_ = {.queues = queues_};
  spread_key_bytes_ = 0;
  set_spreads(queues_ >= options_.lanes && queues_ > 1);
  if (queues_ == 1) {
    spreading_.why = "it has one queue";
    return;
  }
  rte_eth_rss_conf& rss = conf.rx_adv_conf.rss_conf;
  rss.rss_hf = info.flow_type_rss_offloads & kWanted;
  if (rss.rss_hf == 0) {
    spreading_.why = "the driver has no receive side scaling";
    return;
  }
  conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
  spreading_.by_hash = true;
  const std::size_t bytes = info.hash_key_size;
  if (options_.spread_seed == 0 || bytes == 0 || bytes > spread_key_.size()) return;
  time::Random random(options_.spread_seed + port());
  std::generate_n(spread_key_.begin(), bytes,
                  [&] { return static_cast<std::uint8_t>(random.next()); });
  spread_key_bytes_ = static_cast<std::uint8_t>(bytes);
  rss.rss_key = spread_key_.data();
  rss.rss_key_len = spread_key_bytes_;
}

// What a driver accepts is not yet what it does: the key and the hash functions are read back.
void Port::check_spreading() {
  if (!spreading_.by_hash) return;
  std::array<std::uint8_t, 64> key{};
  rte_eth_rss_conf rss{};
  rss.rss_key = key.data();
  rss.rss_key_len = spread_key_bytes_ != 0 ? spread_key_bytes_ : kUsualKey;
  const auto doubt = [this](const char* why) {
    spreading_.by_hash = false;
    spreading_.why = why;
  };
  if (ethdev_->spreading(rss) != 0) return doubt("the driver does not tell its hash key");
  if ((rss.rss_hf & kWanted) == 0) return doubt("the driver turned its hash off");
  if (spread_key_bytes_ != 0 && std::memcmp(key.data(), spread_key_.data(), spread_key_bytes_) != 0)
    doubt("the driver keeps a key of its own");
}

}  // namespace linnet::device
