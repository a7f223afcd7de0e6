// SPDX-License-Identifier: BSD-3-Clause
#include "base/result.hpp"

namespace linnet {
inline namespace base {

std::string Error::text() const {
  std::string out = message;
  if (!word.empty()) {
    out += ": \"" + word + "\"";
    if (position >= 0) out += " (word " + std::to_string(position + 1) + ")";
  }
  if (!expected.empty()) out += ", expected " + expected;
  return out;
}

}  // namespace base
}  // namespace linnet
