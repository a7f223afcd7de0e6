// SPDX-License-Identifier: BSD-3-Clause
#include "control/output.hpp"

namespace linnet::control {

std::string write_json(const Json& json, const Format& format) {
  // Names come from users' files: what is no UTF-8 is replaced rather than thrown over.
  return json.dump(format.pretty ? 4 : -1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string right(std::string_view text, std::size_t width) {
  return std::string(text.size() < width ? width - text.size() : 0, ' ') + std::string(text);
}

std::string left(std::string_view text, std::size_t width) {
  return std::string(text) + std::string(text.size() < width ? width - text.size() : 0, ' ');
}

std::string right(std::uint64_t number, std::size_t width) {
  return right(std::string_view(std::to_string(number)), width);
}

}  // namespace linnet::control
