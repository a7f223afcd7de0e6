// SPDX-License-Identifier: BSD-3-Clause
// The loss matrix: transfers between two stacks over an impaired wire, in virtual time. Every byte
// is looked at; goodput and retransmissions are compared with a committed table.
//   tcp_matrix --check TABLE    the rows of the table (the pairwise subset), as CI runs them
//   tcp_matrix --write TABLE    the same rows, written anew
//   tcp_matrix --all            every combination; prints those that fail, and a count
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tcp/transfer.hpp"

namespace {

using linnet::tests::kShapeNames;
using linnet::tests::Shape;
using linnet::tests::TransferResult;
using linnet::tests::TwoStacks;
using linnet::tests::WireOptions;

constexpr double kLoss[] = {0, 0.1, 1, 5, 10, 20, 30};  // percent
constexpr double kReorder[] = {0, 5}, kDuplicate[] = {0, 2}, kCorrupt[] = {0, 1};
constexpr double kRttMs[] = {0.1, 10, 100, 300};
constexpr unsigned kMtu[] = {576, 1500, 9000};

// Which value of each of the seven dimensions.
using Row = std::vector<unsigned>;
constexpr unsigned kSizes[] = {7, 2, 2, 2, 4, 3, 4};
constexpr unsigned kDimensions = 7;

std::vector<Row> all_rows() {
  std::vector<Row> out = {{}};
  for (const unsigned size : kSizes) {
    std::vector<Row> longer;
    for (const Row& row : out) {
      for (unsigned value = 0; value < size; ++value) {
        longer.push_back(row);
        longer.back().push_back(value);
      }
    }
    out = std::move(longer);
  }
  return out;
}

// The pairs of values that a row shows.
std::vector<unsigned> pairs_of(const Row& row) {
  std::vector<unsigned> out;
  for (unsigned a = 0; a < kDimensions; ++a)
    for (unsigned b = a + 1; b < kDimensions; ++b)
      out.push_back(((a * kDimensions + b) * 8 + row[a]) * 8 + row[b]);
  return out;
}

// Rows so that each pair of values of two dimensions stands in one at least: greedily, the row with
// the most new pairs, the first of equals.
std::vector<Row> pairwise_rows() {
  const std::vector<Row> all = all_rows();
  std::map<unsigned, bool> covered;
  for (const Row& row : all)
    for (const unsigned pair : pairs_of(row))
      covered[pair] = false;
  std::vector<Row> out;
  while (true) {
    std::size_t best = 0;
    const Row* choice = nullptr;
    for (const Row& row : all) {
      const auto pairs = pairs_of(row);
      const auto fresh = static_cast<std::size_t>(
          std::count_if(pairs.begin(), pairs.end(), [&](unsigned pair) { return !covered[pair]; }));
      if (fresh <= best) continue;
      best = fresh;
      choice = &row;
    }
    if (choice == nullptr) return out;
    out.push_back(*choice);
    for (const unsigned pair : pairs_of(*choice))
      covered[pair] = true;
  }
}

std::string name_of(const Row& row) {
  char out[120];
  std::snprintf(out, sizeof out, "loss=%g%% reorder=%g%% dup=%g%% corrupt=%g%% rtt=%gms mtu=%u %s",
                kLoss[row[0]], kReorder[row[1]], kDuplicate[row[2]], kCorrupt[row[3]],
                kRttMs[row[4]], kMtu[row[5]], kShapeNames[row[6]]);
  return out;
}

TransferResult run_row(const Row& row) {
  WireOptions wire;
  wire.loss = kLoss[row[0]] / 100;
  wire.reorder = kReorder[row[1]] / 100;
  wire.duplicate = kDuplicate[row[2]] / 100;
  wire.corrupt = kCorrupt[row[3]] / 100;
  wire.rtt_ns = static_cast<std::int64_t>(kRttMs[row[4]] * 1e6);
  wire.mtu = kMtu[row[5]];
  for (const unsigned value : row)
    wire.seed = wire.seed * 31 + value;
  TwoStacks stacks(wire);
  const auto shape = static_cast<Shape>(row[6]);
  return transfer(stacks, shape, shape == Shape::RequestResponse ? 100'000 : 500'000);
}

struct Figures {
  double goodput = 0;  // kilobytes a second
  unsigned retransmissions = 0;
};

Figures figures_of(const TransferResult& result) {
  return {static_cast<double>(result.bytes) / 1000 / std::max(result.seconds, 1e-9),
          result.retransmissions};
}

// Slower by more than a third, or a third more is sent again: somebody should look.
bool much_worse(const Figures& have, const Figures& want) {
  return have.goodput < want.goodput * 0.66 ||
         have.retransmissions > want.retransmissions * 1.34 + 10;
}

std::map<std::string, Figures> read_table(const char* path) {
  std::map<std::string, Figures> out;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto bar = line.find(" | ");
    if (line.empty() || line[0] == '#' || bar == std::string::npos) continue;
    Figures figures;
    std::string word;
    std::stringstream(line.substr(bar + 3)) >> figures.goodput >> word >> figures.retransmissions;
    out[line.substr(0, bar)] = figures;
  }
  return out;
}

int run_rows(const std::vector<Row>& rows, const std::map<std::string, Figures>* table,
             std::ostream* write) {
  int failed = 0;
  for (const Row& row : rows) {
    const TransferResult result = run_row(row);
    const Figures have = figures_of(result);
    const std::string name = name_of(row);
    std::string fault = result.fault;
    if (fault.empty() && table != nullptr) {
      const auto want = table->find(name);
      if (want == table->end()) {
        fault = "not in the table";
      } else if (much_worse(have, want->second)) {
        fault = "much worse than the table: " + std::to_string(want->second.goodput) + " kB/s, " +
                std::to_string(want->second.retransmissions) + " again";
      }
    }
    char line[200];
    std::snprintf(line, sizeof line, "%s | %.4g kB/s, %u again", name.c_str(), have.goodput,
                  have.retransmissions);
    if (write != nullptr) *write << line << '\n';
    if (fault.empty()) continue;
    ++failed;
    std::printf("FAIL %s: %s\n", line, fault.c_str());
  }
  std::printf("%zu rows, %d failures\n", rows.size(), failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string mode = count > 1 ? arguments[1] : "";
  if (mode == "--all" && count == 2) return run_rows(all_rows(), nullptr, nullptr);
  if (mode == "--check" && count == 3) {
    const auto table = read_table(arguments[2]);
    return run_rows(pairwise_rows(), &table, nullptr);
  }
  if (mode == "--write" && count == 3) {
    std::ofstream file(arguments[2]);
    file << "# SPDX-License-Identifier: BSD-3-Clause\n# Written by tcp_matrix --write. Goodput, "
            "and segments sent again, of each row.\n";
    return run_rows(pairwise_rows(), nullptr, &file);
  }
  std::fprintf(stderr, "usage: tcp_matrix --check TABLE | --write TABLE | --all\n");
  return 2;
}
