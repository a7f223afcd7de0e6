// SPDX-License-Identifier: BSD-3-Clause
// Where ours differs from the kernel's, and why that is right or known.
#pragma once

#include <string>

namespace linnet::differential {

// Why the case may differ; nullptr: it may not.
const char* reason_to_differ(const std::string& name);
// Some that the reason covers may agree.
bool reason_is_of_many(const std::string& name);

}  // namespace linnet::differential
