// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace linnet::app {

// "0000:3b:00.1", "3b:00.1" or either after "pci:", as sysfs writes it; nullopt for other words.
inline std::optional<std::string> parse_pci_address(std::string_view text) {
  if (text.starts_with("pci:")) text.remove_prefix(4);
  const std::string full = text.size() == 7 ? "0000:" + std::string(text) : std::string(text);
  constexpr std::string_view kForm = "hhhh:hh:hh.o";
  if (full.size() != kForm.size()) return std::nullopt;
  for (std::size_t i = 0; i < full.size(); ++i) {
    const bool digit = full[i] >= '0' && full[i] <= (kForm[i] == 'o' ? '7' : '9');
    const bool letter = full[i] >= 'a' && full[i] <= 'f' && kForm[i] == 'h';
    const bool place = kForm[i] == 'h' || kForm[i] == 'o';
    if (place ? !digit && !letter : full[i] != kForm[i]) return std::nullopt;
  }
  return full;
}

}  // namespace linnet::app
