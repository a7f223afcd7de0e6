// SPDX-License-Identifier: BSD-3-Clause
// EAL starts once in a process: each test that starts it does so in a child.
#include "stack/eal.hpp"

#include <gtest/gtest.h>
#include <rte_lcore.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>

namespace linnet::stack {
namespace {

// What a child said on standard output and error, and what it returned.
struct Outcome {
  std::string printed;
  std::string report;
  int status = -1;
};

Outcome in_child(const std::function<std::string()>& body) {
  int printed[2], report[2];
  EXPECT_EQ(::pipe(printed), 0);
  EXPECT_EQ(::pipe(report), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(printed[1], STDOUT_FILENO);
    ::dup2(printed[1], STDERR_FILENO);
    for (const int fd : {printed[0], printed[1], report[0]})
      ::close(fd);
    const std::string text = body();
    const bool whole =
        ::write(report[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::_exit(whole ? 0 : 1);
  }
  ::close(printed[1]);
  ::close(report[1]);
  const auto read_all = [](int fd) {
    std::string out;
    char piece[512];
    for (ssize_t n = ::read(fd, piece, sizeof piece); n > 0; n = ::read(fd, piece, sizeof piece))
      out.append(piece, static_cast<std::size_t>(n));
    ::close(fd);
    return out;
  };
  Outcome out;
  out.printed = read_all(printed[0]);
  out.report = read_all(report[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return out;
}

EalOptions plain() {
  EalOptions options;
  options.memory_mb = 64;
  options.hugepages = Hugepages::No;
  return options;
}

unsigned some_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  unsigned cpu = 0;
  while (!CPU_ISSET(cpu, &set))
    ++cpu;
  return cpu;
}

TEST(Eal, StartsWithoutHugepagesAndPrintsNothing) {
  const Outcome outcome = in_child([] {
    EalOptions options = plain();
    options.log_level = 8;  // as loud as it can be
    auto eal = Eal::start(options);
    if (!eal) return eal.error().text();
    std::string out = (*eal)->hugepages() ? "huge" : "plain";
    if ((*eal)->lane_lcore(0)) out += " lane";
    if ((*eal)->log_tail().find("EAL") == std::string::npos) out += " nolog";
    if ((*eal)->log_tail(10).size() > 10) out += " longtail";
    return out;
  });
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.report, "plain");
  EXPECT_EQ(outcome.printed, "");
}

TEST(Eal, TakesHugepagesWhereEnoughAreFreeAndLeavesNone) {
  const HugepageFacts before = hugepage_facts();
  if (before.free_mb < 64) GTEST_SKIP() << "needs 64 MB of free hugepages";
  const Outcome outcome = in_child([] {
    EalOptions options = plain();
    options.hugepages = Hugepages::Auto;
    auto eal = Eal::start(options);
    if (!eal) return eal.error().text();
    return std::string((*eal)->hugepages() ? "huge" : "plain");
  });
  EXPECT_EQ(outcome.report, "huge");
  EXPECT_EQ(outcome.printed, "");
  EXPECT_EQ(hugepage_facts().free_mb, before.free_mb);
}

TEST(Eal, LanesGetAnLcoreEachEvenOnOneCpu) {
  const Outcome outcome = in_child([] {
    EalOptions options = plain();
    options.control_core = some_cpu();
    options.lane_cores = {some_cpu(), some_cpu()};
    auto eal = Eal::start(options);
    if (!eal) return eal.error().text();
    std::ostringstream out;
    out << *(*eal)->lane_lcore(0) << ' ' << *(*eal)->lane_lcore(1) << ' '
        << (*eal)->lane_lcore(2).has_value() << ' ' << rte_lcore_count();
    return out.str();
  });
  EXPECT_EQ(outcome.report, "1 2 0 3");
  EXPECT_EQ(outcome.printed, "");
}

TEST(Eal, WhatDriversPrintIsKeptFromTheUser) {
  const Outcome outcome = in_child([] {
    auto eal = Eal::start(plain());
    if (!eal) return eal.error().text();
    {
      const Quiet quiet = (*eal)->quiet();
      std::puts("a driver prints");
      std::fputs("and complains\n", stderr);
    }
    std::puts("ours");
    std::fflush(stdout);
    const std::string log = (*eal)->log_tail();
    const bool kept = log.find("a driver prints") != std::string::npos &&
                      log.find("and complains") != std::string::npos;
    return kept ? std::string("kept") : log;
  });
  EXPECT_EQ(outcome.report, "kept");
  EXPECT_EQ(outcome.printed, "ours\n");
}

TEST(Eal, TheLogGoesToAFileWhenOneIsNamed) {
  const std::string path = testing::TempDir() + "linnet-eal-" + std::to_string(::getpid());
  const Outcome outcome = in_child([&] {
    EalOptions options = plain();
    options.log_path = path;
    options.log_level = 8;
    auto eal = Eal::start(options);
    return eal ? std::string("ok") : eal.error().text();
  });
  EXPECT_EQ(outcome.report, "ok");
  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_NE(text.find("EAL"), std::string::npos);
  std::filesystem::remove(path);
}

TEST(Eal, ASecondStartIsRefused) {
  const Outcome outcome = in_child([] {
    auto first = Eal::start(plain());
    if (!first) return first.error().text();
    auto second = Eal::start(plain());
    return second ? std::string("started twice") : second.error().text();
  });
  EXPECT_EQ(outcome.report, "DPDK was started before in this process");
}

TEST(Eal, D12_MissingHugepagesAreNamedWithTheCommandThatMakesThem) {
  EalOptions options = plain();
  options.hugepages = Hugepages::Yes;
  options.memory_mb = 1u << 24;  // 16 TB
  auto eal = Eal::start(options);
  ASSERT_FALSE(eal.ok());
  const std::string text = eal.error().text();
  EXPECT_NE(text.find("not enough free hugepages for 16777216 MB"), std::string::npos) << text;
  EXPECT_NE(text.find("sysctl -w vm.nr_hugepages="), std::string::npos) << text;
}

TEST(Eal, MemoryThatIsNotThereIsRefusedBeforeDpdkStarts) {
  EalOptions options = plain();
  options.memory_mb = 1u << 24;
  auto eal = Eal::start(options);
  ASSERT_FALSE(eal.ok());
  EXPECT_NE(eal.error().text().find("not enough memory"), std::string::npos);
  EXPECT_EQ(eal.error().word, "16777216");
}

TEST(Eal, ACoreThatIsNotThereIsNamed) {
  EalOptions options = plain();
  options.lane_cores = {1000};
  auto eal = Eal::start(options);
  ASSERT_FALSE(eal.ok());
  EXPECT_EQ(eal.error().message, "no such core for this process");
  EXPECT_EQ(eal.error().word, "1000");
}

TEST(Eal, ALogThatCannotBeWrittenIsNamed) {
  EalOptions options = plain();
  options.log_path = "/nonexistent/linnet.log";
  auto eal = Eal::start(options);
  ASSERT_FALSE(eal.ok());
  EXPECT_EQ(eal.error().word, "/nonexistent/linnet.log");
}

}  // namespace
}  // namespace linnet::stack
