// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <iosfwd>

#include "base/result.hpp"

namespace linnet::bench {

struct RequestsOptions {
  unsigned lanes = 1;
  unsigned core = 1;          // CPU of the last lane; the others have the CPUs before it
  unsigned connections = 64;  // of a lane
  unsigned bytes = 64;
  unsigned memory_mb = 256;
  std::uint32_t packets = 32768;
  bool hugepages = false;
};

// One stack; a thread a lane that gives the lane its turns and runs a program of its own, which
// asks and answers itself over `lo` by connections of that lane. Nobody else makes load, so all of
// a core goes into requests. Obeys lines and answers each with one of JSON (requests answered,
// seconds, CPU time of all lanes):
//
//   run SECONDS
//   quit
Result<> run_requests(const RequestsOptions& options, std::istream& in, std::ostream& out);

}  // namespace linnet::bench
