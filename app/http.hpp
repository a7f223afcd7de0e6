// SPDX-License-Identifier: BSD-3-Clause
// The text of HTTP/1.1 (RFC 9110, 9112), as far as serving files needs it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace linnet::app {

struct HttpRequest {
  std::string method;
  std::string path;  // decoded, begins with '/', without "..", "index.html" put after a final '/'
  bool keep_alive = true;
  bool has_body = false;  // what follows the head is not the next request
};

// `head`: request line and fields, each ended by CR LF. Empty: it is malformed.
std::optional<HttpRequest> parse_http_request(std::string_view head);
// Status line and fields, with the empty line.
std::string http_head(int status, std::string_view type, std::uint64_t length, bool keep_alive);
std::string http_error_page(int status);
// The media type by the name's ending.
std::string_view http_type_of(std::string_view path);

}  // namespace linnet::app
