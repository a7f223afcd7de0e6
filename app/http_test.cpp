// SPDX-License-Identifier: BSD-3-Clause
#include "app/http.hpp"

#include <gtest/gtest.h>

namespace linnet::app {
namespace {

TEST(Http, RequestIsTakenApart) {
  const auto request =
      parse_http_request("GET /a%20b/?q HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n");
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->method, "GET");
  EXPECT_EQ(request->path, "/a b/index.html");
  EXPECT_FALSE(request->keep_alive);
  EXPECT_FALSE(request->has_body);
}

TEST(Http, OldVersionClosesUnlessAsked) {
  EXPECT_FALSE(parse_http_request("GET / HTTP/1.0\r\n")->keep_alive);
  EXPECT_TRUE(parse_http_request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n")->keep_alive);
}

TEST(Http, PathsNeverLeadUpwards) {
  for (const char* path : {"/../x", "/a/../../x", "/..", "/%2e%2e/x", "/a/%2E./x"})
    EXPECT_FALSE(parse_http_request(std::string("GET ") + path + " HTTP/1.1\r\n").has_value())
        << path;
  EXPECT_TRUE(parse_http_request("GET /a..b HTTP/1.1\r\n").has_value());
}

TEST(Http, MalformedRequestsAreRefused) {
  for (const char* head : {"", "GET\r\n", "GET /\r\n", "GET x HTTP/1.1\r\n", "GET / HTTP/2\r\n",
                           "GET /%0 HTTP/1.1\r\n", "GET /%00 HTTP/1.1\r\n",
                           "GET / HTTP/1.1\r\nno colon\r\n", "GET / HTTP/1.1\r\nx: y"})
    EXPECT_FALSE(parse_http_request(head).has_value()) << head;
}

TEST(Http, BodiesAreNoticed) {
  EXPECT_TRUE(parse_http_request("POST / HTTP/1.1\r\nContent-Length: 3\r\n")->has_body);
  EXPECT_FALSE(parse_http_request("GET / HTTP/1.1\r\nContent-Length: 0\r\n")->has_body);
  // A bare CR is no blank (RFC 9112, 2.2): the value is not "0".
  EXPECT_TRUE(parse_http_request("GET / HTTP/1.1\r\nContent-Length: 0\r\r\n")->has_body);
}

}  // namespace
}  // namespace linnet::app
