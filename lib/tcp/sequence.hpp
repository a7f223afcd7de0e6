// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/sequence.hpp"

namespace linnet::tcp {

using base::earlier;
using base::later;
using base::Seq;
using base::SeqRange;

}  // namespace linnet::tcp
