// SPDX-License-Identifier: BSD-3-Clause
#include "control/ss_filter.hpp"

#include <netdb.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

namespace linnet::control {

using socket::Endpoint;
using socket::SocketRow;

struct SsFilter::Node {
  enum class Kind : std::uint8_t { And, Or, Not, Source, Destination, SourcePort, PeerPort, Auto };
  enum class Compare : std::uint8_t { Equal, Unequal, Less, AtMost, Greater, AtLeast };
  Kind kind = Kind::And;
  Compare compare = Compare::Equal;
  std::shared_ptr<const Node> left{}, right{};  // of And, Or; Not has `left`
  Ipv4Prefix prefix{};
  bool any_port = true;
  std::uint16_t port = 0;

  bool holds(const SocketRow& row, Ports ephemeral) const;
  bool holds(const Endpoint& end) const {
    return prefix.contains(end.address) && (any_port || end.port == port);
  }
  bool holds(std::uint16_t of) const;
};

bool SsFilter::Node::holds(std::uint16_t of) const {
  switch (compare) {
    case Compare::Equal:
      return of == port;
    case Compare::Unequal:
      return of != port;
    case Compare::Less:
      return of < port;
    case Compare::AtMost:
      return of <= port;
    case Compare::Greater:
      return of > port;
    case Compare::AtLeast:
      return of >= port;
  }
  return false;
}

bool SsFilter::Node::holds(const SocketRow& row, Ports ephemeral) const {
  switch (kind) {
    case Kind::And:
      return left->holds(row, ephemeral) && right->holds(row, ephemeral);
    case Kind::Or:
      return left->holds(row, ephemeral) || right->holds(row, ephemeral);
    case Kind::Not:
      return !left->holds(row, ephemeral);
    case Kind::Source:
      return holds(row.local) == (compare == Compare::Equal);
    case Kind::Destination:
      return holds(row.peer) == (compare == Compare::Equal);
    case Kind::SourcePort:
      return holds(row.local.port);
    case Kind::PeerPort:
      return holds(row.peer.port);
    case Kind::Auto:
      return row.local.port >= ephemeral.least && row.local.port <= ephemeral.most;
  }
  return false;
}

bool SsFilter::matches(const SocketRow& row, Ports ephemeral) const {
  return root_ == nullptr || root_->holds(row, ephemeral);
}

namespace {

using Node = SsFilter::Node;
using NodeRef = std::shared_ptr<const Node>;

constexpr std::uint32_t bit(unsigned state) {
  return 1u << state;
}
// TCP's numbers; 0 and what is above CLOSING are none.
constexpr std::uint32_t kAll = 0xffe;
constexpr std::uint32_t kConnected = kAll & ~(bit(7) | bit(10));
constexpr std::uint32_t kBucket = bit(3) | bit(6);

struct StateName {
  std::string_view name;
  std::uint32_t states;
};
constexpr StateName kStateNames[] = {
    {"all", kAll},          {"connected", kConnected}, {"synchronized", kConnected & ~bit(2)},
    {"bucket", kBucket},    {"big", kAll & ~kBucket},  {"established", bit(1)},
    {"syn-sent", bit(2)},   {"syn-recv", bit(3)},      {"syn-rcv", bit(3)},
    {"fin-wait-1", bit(4)}, {"fin-wait-2", bit(5)},    {"time-wait", bit(6)},
    {"closed", bit(7)},     {"close", bit(7)},         {"unconnected", bit(7)},
    {"close-wait", bit(8)}, {"last-ack", bit(9)},      {"listening", bit(10)},
    {"closing", bit(11)}};

constexpr std::string_view kStateExpected =
    "established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, closed, close-wait, "
    "last-ack, listening, closing, all, connected, synchronized, bucket or big";
constexpr std::string_view kTermExpected = "src, dst, sport, dport, autobound, not or (";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char letter) {
    return static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter + 32 : letter);
  });
  return out;
}

Result<std::uint32_t> take_state(Cursor& cursor) {
  if (cursor.done()) return cursor.wrong("a state is missing", kStateExpected);
  const std::string asked = lower(cursor.word());
  const auto* const found = std::find_if(std::begin(kStateNames), std::end(kStateNames),
                                         [&](const StateName& each) { return each.name == asked; });
  if (found == std::end(kStateNames)) return cursor.wrong("unknown state", kStateExpected);
  cursor.next();
  return found->states;
}

// The expression as ss cuts it: at blanks inside of words too, parentheses alone.
//   EITHER := BOTH { or BOTH }    BOTH := TERM { [and] TERM }    TERM := not TERM | ( EITHER ) |
//   ...
class Expression {
 public:
  explicit Expression(Cursor& cursor) : cursor_(cursor) { refill(); }

  Result<NodeRef> parse() {
    auto all = either(0);
    if (!all) return all;
    if (!token_.empty()) return wrong("unexpected here", "and, or, or the end");
    return all;
  }

 private:
  static constexpr unsigned kDeepest = 64;

  Error wrong(std::string_view message, std::string_view expected) const {
    // A word that was cut into pieces is named by its place all the same.
    return cursor_.wrong(message, expected);
  }
  // The next piece into token_; empty at the end.
  void refill() {
    token_.clear();
    while (token_.empty() && !cursor_.done()) {
      const std::string_view word = cursor_.word();
      constexpr std::string_view kBlanks = " \t\n";
      const std::size_t begin = std::min(word.find_first_not_of(kBlanks, at_), word.size());
      if (begin == word.size()) {
        cursor_.next();
        at_ = 0;
        continue;
      }
      std::size_t end = begin + 1;
      const bool alone = word[begin] == '(' || word[begin] == ')' ||
                         (word[begin] == '!' && word.substr(begin, 2) != "!=");
      while (!alone && end < word.size() && kBlanks.find(word[end]) == kBlanks.npos &&
             word[end] != '(' && word[end] != ')')
        ++end;
      token_ = word.substr(begin, end - begin);
      at_ = end;
    }
  }
  bool take(std::initializer_list<std::string_view> names) {
    if (std::find(names.begin(), names.end(), token_) == names.end()) return false;
    refill();
    return true;
  }
  bool ends() const {
    return token_.empty() || token_ == ")" || token_ == "or" || token_ == "|" || token_ == "||";
  }

  static NodeRef join(Node::Kind kind, NodeRef left, NodeRef right) {
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->left = std::move(left);
    node->right = std::move(right);
    return node;
  }
  Result<NodeRef> either(unsigned depth) {
    auto left = both(depth);
    while (left && take({"or", "|", "||"})) {
      auto right = both(depth);
      if (!right) return right;
      left = join(Node::Kind::Or, *left, *right);
    }
    return left;
  }
  Result<NodeRef> both(unsigned depth) {
    auto left = term(depth);
    while (left) {
      const bool said = take({"and", "&", "&&"});
      if (!said && ends()) break;
      auto right = term(depth);
      if (!right) return right;
      left = join(Node::Kind::And, *left, *right);
    }
    return left;
  }
  Result<NodeRef> term(unsigned depth) {
    if (depth > kDeepest) return wrong("nested too deeply", "at most 64 levels");
    if (take({"not", "!"})) {
      auto inner = term(depth + 1);
      if (!inner) return inner;
      return join(Node::Kind::Not, *inner, nullptr);
    }
    if (take({"("})) {
      auto inner = either(depth + 1);
      if (!inner) return inner;
      if (!take({")"})) return wrong("the parenthesis is not closed", ")");
      return inner;
    }
    auto node = std::make_shared<Node>();
    if (take({"autobound"})) {
      node->kind = Node::Kind::Auto;
      return NodeRef(node);
    }
    if (take({"src"}))
      node->kind = Node::Kind::Source;
    else if (take({"dst"}))
      node->kind = Node::Kind::Destination;
    else if (take({"sport"}))
      node->kind = Node::Kind::SourcePort;
    else if (take({"dport"}))
      node->kind = Node::Kind::PeerPort;
    else
      return wrong(token_.empty() ? "a condition is missing" : "unknown condition", kTermExpected);
    const bool by_port = node->kind == Node::Kind::SourcePort || node->kind == Node::Kind::PeerPort;
    if (Result<> taken = comparison(*node, by_port); !taken) return taken.error();
    if (Result<> taken = by_port ? port(*node, token_) : host(*node); !taken) return taken.error();
    refill();
    return NodeRef(node);
  }
  Result<> comparison(Node& node, bool by_port) {
    using Compare = Node::Compare;
    if (take({"=", "==", "eq"})) {
      node.compare = Compare::Equal;
    } else if (take({"!=", "ne", "neq"})) {
      node.compare = Compare::Unequal;
    } else if (!by_port) {
      for (const std::string_view order : {"<", ">", "<=", ">=", "lt", "gt", "le", "ge"}) {
        if (token_ == order) return wrong("addresses have no order", "= or !=");
      }
    } else if (take({"<", "lt"})) {
      node.compare = Compare::Less;
    } else if (take({">", "gt"})) {
      node.compare = Compare::Greater;
    } else if (take({"<=", "le", "leq"})) {
      node.compare = Compare::AtMost;
    } else if (take({">=", "ge", "geq"})) {
      node.compare = Compare::AtLeast;
    }
    return Ok{};
  }
  // :80, 80, :http.
  Result<> port(Node& node, std::string_view text) {
    constexpr std::string_view kExpected = "a port: :NUMBER or :SERVICE";
    if (!text.empty() && text[0] == ':') text.remove_prefix(1);
    if (text.empty()) return wrong("a port is missing", kExpected);
    const auto number = parse_number(text);
    if (number && *number > 65535) return wrong("not a port", kExpected);
    const std::optional<std::uint16_t> found =
        number ? static_cast<std::uint16_t>(*number) : service(text);
    if (!found) return wrong("not a port", kExpected);
    node.port = *found;
    node.any_port = false;
    return Ok{};
  }
  static std::optional<std::uint16_t> service(std::string_view name) {
    std::array<char, 1024> room;
    servent entry{};
    servent* found = nullptr;
    for (const char* const protocol : {"tcp", "udp"}) {
      if (getservbyname_r(std::string(name).c_str(), protocol, &entry, room.data(), room.size(),
                          &found) == 0 &&
          found != nullptr)
        return __builtin_bswap16(static_cast<std::uint16_t>(found->s_port));
    }
    return std::nullopt;
  }
  // ADDRESS, PREFIX, *, each with :PORT or without, or :PORT alone.
  Result<> host(Node& node) {
    constexpr std::string_view kExpected = "ADDRESS[/LENGTH][:PORT], *:PORT or :PORT";
    if (token_.empty()) return wrong("an address is missing", kExpected);
    const std::size_t colon = token_.rfind(':');
    const std::string_view whole = token_;
    if (colon != whole.npos && whole.substr(colon) != ":*") {
      if (Result<> taken = port(node, whole.substr(colon)); !taken) return taken;
    }
    const std::string_view address = whole.substr(0, std::min(colon, whole.size()));
    if (address.empty() || address == "*") return Ok{};
    const auto prefix = Ipv4Interface::parse(address);
    if (!prefix) return wrong("not an IPv4 address", kExpected);
    node.prefix = prefix->prefix();
    return Ok{};
  }

  Cursor& cursor_;
  std::size_t at_ = 0;  // in the cursor's word, behind token_
  std::string token_;
};

}  // namespace

Result<SsFilter> SsFilter::parse(Cursor& cursor) {
  SsFilter out;
  while (!cursor.done()) {
    const std::string& word = cursor.word();
    const bool excludes = word == "exclude" || word == "excl";
    if (word != "state" && !excludes) break;
    cursor.next();
    const auto states = take_state(cursor);
    if (!states) return states.error();
    if (excludes)
      out.states_ = out.states_.value_or(kAll) & ~*states;
    else
      out.states_ = out.states_.value_or(0) | *states;
  }
  if (cursor.done()) return out;
  auto root = Expression(cursor).parse();
  if (!root) return root.error();
  out.root_ = std::move(root).value();
  return out;
}

}  // namespace linnet::control
