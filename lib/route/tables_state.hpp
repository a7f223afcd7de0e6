// SPDX-License-Identifier: BSD-3-Clause
// What stands behind Tables; read only by the sources that implement it.
#pragma once

#include <atomic>
#include <initializer_list>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "route/check_route.hpp"
#include "route/infos.hpp"
#include "route/longest_match.hpp"
#include "route/rib.hpp"
#include "route/rules.hpp"
#include "route/tables.hpp"
#include "route/view.hpp"

namespace linnet::route {

// Around whatever changes what a look-up answers. It is odd before anything is given up: a lane
// that passed a quiescent state since then sees that.
class Tables::Change {
 public:
  explicit Change(Tables& tables) : generation_(tables.generation_) {
    generation_.fetch_add(1, std::memory_order_seq_cst);
  }
  ~Change() { generation_.fetch_add(1, std::memory_order_seq_cst); }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  std::atomic<std::uint64_t>& generation_;
};

struct Tables::State {
  struct Table {
    std::unique_ptr<Rib> rib = std::make_unique<Rib>();
    std::map<std::uint8_t, std::size_t> of_tos;  // routes with a TOS, by TOS
  };
  // How an equal prefix, TOS and metric is taken (Linux: NLM_F_EXCL, NLM_F_REPLACE, NLM_F_APPEND).
  enum class Mode { Add, Replace, Append };
  // Table and TOS; table 0: local and main as one.
  using MatchName = std::pair<std::uint32_t, std::uint8_t>;

  State(const device::DeviceTable& devices, table::Rcu& rcu);
  ~State();

  Result<> insert(const RouteSpec& spec, Mode mode);
  Result<> remove(const RouteSpec& spec);
  void erase(std::uint32_t table, std::uint32_t node);
  // Erases every route for which `chosen(table, node)` is true; returns how many.
  template <typename Chosen>
  std::size_t erase_if(Chosen chosen);
  void device_changed(std::uint16_t device);
  // Erases the routes of one table, or of all (0), whose Info `chosen` says.
  template <typename Chosen>
  void erase_infos(std::uint32_t table, Chosen chosen);

  // Publishes a new View where rules, tables or the set of TOS values changed. False where memory
  // does not suffice: nothing changed.
  bool republish();
  // A prefix's routes in a table changed: those of `changed` came or went. False where memory does
  // not suffice: nothing changed.
  bool refresh(const Rib& rib, Ipv4Prefix prefix, std::initializer_list<std::uint32_t> changed);

  Result<> place(Table& table, const RouteSpec& spec, std::uint32_t info, Mode mode);
  Result<> put(Table& table, const RouteSpec& spec, std::uint32_t info, std::uint32_t after);
  Result<> swap(Table& table, std::uint32_t node, std::uint32_t info);
  void count_tos(Table& table, std::uint8_t tos, bool added);

  bool agrees(const RouteSpec& wanted, const Info& info, bool any_type) const;
  RouteSpec spec_of(std::uint32_t table, const Rib::Node& node) const;
  std::optional<GatewayAnswer> find_gateway(const GatewayQuery& query) const;
  bool is_local(Ipv4Address address) const;
  // The answer to a question about a device that no route leads through.
  Result<Answer> on_link(const Key& key) const;

  bool keyed() const;
  std::shared_ptr<LongestMatch> match(const MatchName& name,
                                      std::map<MatchName, std::shared_ptr<LongestMatch>>& into);
  const View* view() const { return published.load(std::memory_order_acquire); }

  const device::DeviceTable& devices;
  table::Rcu& rcu;
  Infos infos;
  Rules rules;
  std::map<std::uint32_t, Table> tables;
  std::map<MatchName, std::shared_ptr<LongestMatch>> matches;  // those of the published View
  Route blackhole, unreachable, prohibit;                      // verdicts of rules
  std::atomic<const View*> published{nullptr};
};

template <typename Chosen>
std::size_t Tables::State::erase_if(Chosen chosen) {
  std::size_t count = 0;
  for (auto at = tables.begin(); at != tables.end();) {
    // Erasing the last route of a table may end the table.
    const std::uint32_t table = at->first;
    const Rib& rib = *at->second.rib;
    ++at;
    std::vector<std::uint32_t> nodes;
    for (std::uint32_t node = 0; node < rib.limit(); ++node) {
      if (rib.at(node).used && chosen(table, rib.at(node))) nodes.push_back(node);
    }
    for (const std::uint32_t node : nodes)
      erase(table, node);
    count += nodes.size();
  }
  return count;
}

template <typename Chosen>
void Tables::State::erase_infos(std::uint32_t only, Chosen chosen) {
  const std::vector<std::uint32_t> ids = infos.find_if(chosen);
  if (ids.empty()) return;
  std::vector<bool> erased(infos.limit(), false);
  for (const std::uint32_t id : ids)
    erased[id] = true;
  erase_if([&](std::uint32_t table, const Rib::Node& node) {
    return (only == 0 || table == only) && erased[node.info];
  });
}

}  // namespace linnet::route
