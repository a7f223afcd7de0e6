// SPDX-License-Identifier: BSD-3-Clause
// The two ends of a test.
#pragma once

#include "app/iperf/options.hpp"

namespace linnet::app::iperf {

// Until the test is over, or the process ends. The exit code.
int run_client(const Options& options);
// Until -1 lets it end after one test, or the process ends. The exit code.
int run_server(const Options& options);

}  // namespace linnet::app::iperf
