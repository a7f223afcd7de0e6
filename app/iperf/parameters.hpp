// SPDX-License-Identifier: BSD-3-Clause
// What the two ends of an iperf3 test tell each other on the control connection: one byte of state
// at a time, and texts of JSON behind their length. Names and numbers are iperf3's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace linnet::app::iperf {

// 36 characters and a zero: the first thing on every connection of a test.
constexpr std::size_t kCookieBytes = 37;
constexpr std::uint16_t kPort = 5201;
constexpr unsigned kMostStreams = 128;
constexpr std::uint32_t kLongestBlock = 1 << 20;
constexpr std::uint32_t kLongestDatagram = 65507;
constexpr std::uint32_t kShortestDatagram = 16;
// The first datagram of a stream and the answer to it, and the answer of servers before 3.11, in
// the byte order of the machine.
constexpr std::uint32_t kDatagramHello = 0x36373839;
constexpr std::uint32_t kDatagramAnswer = 0x39383736;
constexpr std::uint32_t kOldDatagramAnswer = 987654321;

enum class State : std::int8_t {
  ServerError = -2,  // two be32 follow: iperf3's number of the error, errno
  AccessDenied = -1,
  TestStart = 1,
  TestRunning = 2,
  TestEnd = 4,
  ParamExchange = 9,
  CreateStreams = 10,
  ServerTerminate = 11,
  ClientTerminate = 12,
  ExchangeResults = 13,
  DisplayResults = 14,
  IperfDone = 16,
};

// iperf3's numbers of errors that a server of ours has.
enum class ServerFault : std::uint32_t {
  Parameters = 114,
  Results = 117,
  Mss = 123,
  Window = 124,
  Tos = 125,
  Protocol = 131,
  Congestion = 134,
  StreamAccept = 204,
};

// What a test is, as the client decides. `length` is known when it is told.
struct Parameters {
  bool udp = false;
  bool reverse = false;     // the server sends
  bool both_ways = false;   // each sends on `streams` streams
  bool no_delay = false;    // TCP_NODELAY
  bool wide_count = false;  // datagrams are numbered with 64 bits
  unsigned streams = 1;
  unsigned seconds = 10;     // 0: until `bytes` or `blocks`
  unsigned omit = 0;         // seconds at the start that are not counted
  std::uint64_t bytes = 0;   // of all streams together; 0: no limit
  std::uint64_t blocks = 0;  // likewise
  std::uint32_t length = 0;  // of a write, or of a datagram's data
  std::uint64_t rate = 0;    // bits a second and stream; 0: as fast as it goes
  std::uint32_t burst = 0;   // writes at a time when paced
  std::uint32_t window = 0;  // SO_SNDBUF and SO_RCVBUF; 0: left to the stack
  std::uint32_t mss = 0;     // TCP_MAXSEG; 0: left to the stack
  std::uint32_t tos = 0;
  std::string congestion{};  // TCP_CONGESTION; empty: left to the stack
};

// One end's account of one stream.
struct StreamResult {
  int id = 0;
  std::uint64_t bytes = 0;
  std::int64_t retransmits = -1;  // -1: not known
  double jitter = 0;              // seconds
  std::uint64_t errors = 0;       // datagrams that are missing
  std::uint64_t packets = 0;
  double start = 0, end = 0;  // seconds
};

// One end's account of a test.
struct Results {
  double cpu_total = 0, cpu_user = 0, cpu_system = 0;  // percent of a core
  bool has_retransmits = false;
  std::string congestion{};
  std::vector<StreamResult> streams{};
};

std::string to_text(const Parameters& parameters);
std::string to_text(const Results& results);
// What a peer has told. An error says which field is wrong or missing.
Result<Parameters> parse_parameters(std::string_view text);
Result<Results> parse_results(std::string_view text);

// The number of a test's stream, counted from 0: 1, 3, 4, 5 ...: iperf3 leaves out 2.
constexpr int stream_id(unsigned index) {
  return index == 0 ? 1 : static_cast<int>(index) + 2;
}

}  // namespace linnet::app::iperf
