// SPDX-License-Identifier: BSD-3-Clause
// linnet-iperf: measures TCP and UDP with an iperf3 at the other end, in either role.
#include "app/in_process.hpp"
#include "app/iperf/ends.hpp"
#include "app/start.hpp"

int main(int argc, char** argv) {
  using namespace linnet::app;
  return run_in_process(argc, argv,
                        {.name = "linnet-iperf",
                         .usage = iperf::kUsage,
                         .run =
                             [](std::span<const std::string> words) {
                               const iperf::Options options = *iperf::parse_options(words);
                               return options.server ? iperf::run_server(options)
                                                     : iperf::run_client(options);
                             },
                         .check =
                             [](std::span<const std::string> words) {
                               const auto options = iperf::parse_options(words);
                               if (!options)
                                 complain("linnet-iperf", options.error(), "linnet-iperf --help");
                               return options.ok();
                             }});
}
