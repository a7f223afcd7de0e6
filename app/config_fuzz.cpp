// SPDX-License-Identifier: BSD-3-Clause
// A configuration file of any bytes, and what may follow `--port` on the command line.
#include <cstdint>
#include <string>

#include "app/options.hpp"
#include "base/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linnet;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto of_file = app::parse_options(
      {"--config", "fuzz.conf"}, [&](const std::string&) -> Result<std::string> { return text; });
  LINNET_CHECK(of_file.ok() || !of_file.error().text().empty());
  if (text.find('\0') != std::string::npos) return 0;
  const auto of_line = app::parse_options({"--port", text});
  LINNET_CHECK(of_line.ok() || !of_line.error().text().empty());
  return 0;
}
