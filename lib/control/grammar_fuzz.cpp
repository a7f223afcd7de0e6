// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer: any text is split, parsed and completed without harm; an error names a place inside
// the command or right behind its end.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "control/completion.hpp"
#include "control/execute.hpp"
#include "control/protocol.hpp"
#include "control/words.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace linnet::control;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  RequestReader reader;
  reader.append(text.substr(0, reader.room()));
  static_cast<void>(reader.next().ok());
  const auto words = split_words(text);
  if (!words) return 0;
  const auto again = split_words(join_words(*words));
  if (!again || *again != *words) std::abort();
  const auto result = check(*words);
  if (!result) {
    const int position = result.error().position;
    if (position < 0 || position > static_cast<int>(words->size())) std::abort();
  }
  static_cast<void>(complete(*words, {}).size());
  return 0;
}
