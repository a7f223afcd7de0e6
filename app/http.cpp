// SPDX-License-Identifier: BSD-3-Clause
#include "app/http.hpp"

#include <algorithm>
#include <utility>

#include "app/words.hpp"

namespace linnet::app {
namespace {

constexpr std::string_view kSeparators = " \t";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool same_word(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

// RFC 3986 section 2.1. Empty: an escape is malformed, or names a NUL.
std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// The path of a request's target: "/a%20b?c" or "http://host/a".
std::optional<std::string> path_of(std::string_view target) {
  if (target.starts_with("http://")) {
    const auto slash = target.find('/', 7);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  auto path = decode(target.substr(0, target.find_first_of("?#")));
  if (!path || !path->starts_with('/')) return std::nullopt;
  // No segment leads upwards.
  if ((*path + "/").find("/../") != std::string::npos) return std::nullopt;
  if (path->ends_with('/')) *path += "index.html";
  return path;
}

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Request Header Fields Too Large";
  }
}

}  // namespace

std::optional<HttpRequest> parse_http_request(std::string_view head) {
  const auto line_end = head.find("\r\n");
  if (line_end == std::string_view::npos) return std::nullopt;
  const std::string_view line = head.substr(0, line_end);
  const auto first = line.find(' '), second = line.rfind(' ');
  if (first == std::string_view::npos || first == second || first == 0) return std::nullopt;
  const std::string_view version = line.substr(second + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return std::nullopt;
  auto path = path_of(line.substr(first + 1, second - first - 1));
  if (!path) return std::nullopt;
  HttpRequest request{std::string(line.substr(0, first)), std::move(*path), version == "HTTP/1.1",
                      false};
  for (std::string_view rest = head.substr(line_end + 2); !rest.empty();) {
    const auto end = rest.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view field = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    const auto colon = field.find(':');
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    const std::string_view name = field.substr(0, colon),
                           value = trim(field.substr(colon + 1), kSeparators);
    if (same_word(name, "connection") && same_word(value, "close")) request.keep_alive = false;
    if (same_word(name, "connection") && same_word(value, "keep-alive")) request.keep_alive = true;
    if (same_word(name, "content-length") && value != "0") request.has_body = true;
    if (same_word(name, "transfer-encoding")) request.has_body = true;
  }
  return request;
}

std::string http_head(int status, std::string_view type, std::uint64_t length, bool keep_alive) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + ' ';
  out += reason_of(status);
  out += "\r\nServer: linnet-httpd\r\nContent-Type: ";
  out += type;
  out += "\r\nContent-Length: " + std::to_string(length) + "\r\n";
  if (status == 405) out += "Allow: GET, HEAD\r\n";
  if (!keep_alive) out += "Connection: close\r\n";
  return out + "\r\n";
}

std::string http_error_page(int status) {
  const std::string text = std::to_string(status) + ' ' + std::string(reason_of(status));
  return "<!doctype html><title>" + text + "</title><h1>" + text + "</h1>\n";
}

std::string_view http_type_of(std::string_view path) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html"},     {".txt", "text/plain"},        {".css", "text/css"},
      {".js", "text/javascript"}, {".json", "application/json"}, {".png", "image/png"},
      {".jpg", "image/jpeg"},     {".svg", "image/svg+xml"},     {".md", "text/markdown"},
  };
  for (const auto& [ending, type] : kTypes) {
    if (path.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

}  // namespace linnet::app
