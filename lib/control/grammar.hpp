// SPDX-License-Identifier: BSD-3-Clause
// Reading a command's words. Every error names the word, its place and what was expected there.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ipv4.hpp"
#include "base/mac.hpp"
#include "base/result.hpp"
#include "control/catalog.hpp"
#include "neigh/neighbours.hpp"
#include "route/route.hpp"

namespace linnet::control {

// A device named by a command, and where.
struct DeviceWord {
  std::string name;
  int position = -1;
};

// A place in a command's words. The words must outlive it.
class Cursor {
 public:
  explicit Cursor(std::span<const std::string> words) : words_(words) {}

  bool done() const { return at_ == words_.size(); }
  const std::string& word() const { return words_[at_]; }  // not when done
  int position() const { return static_cast<int>(at_); }
  void next() { ++at_; }

  // An error about the word here, or, at the end, about the word that is missing behind the last.
  Error wrong(std::string_view message, std::string_view expected) const;
  // As `wrong`, about the word before.
  Error wrong_before(std::string_view message, std::string_view expected) const;

  // Each takes the word here or fails and stays.
  Result<std::string> name(std::string_view expected = describe(Operand::Name));
  Result<std::string> device();  // noted in `devices`
  Result<Ipv4Address> address();
  Result<Ipv4Prefix> prefix();  // "any" and "all" are 0.0.0.0/0 too
  Result<Ipv4Interface> interface();
  Result<MacAddress> mac();
  // Decimal or 0x..., within the bounds.
  Result<std::uint32_t> number(std::uint32_t least, std::uint32_t most);
  Result<std::uint8_t> tos();  // hexadecimal with or without 0x, as iproute2 reads it
  Result<bool> on_off();
  Result<route::Scope> scope();
  Result<route::Protocol> protocol();
  Result<route::Type> route_type();
  Result<std::uint32_t> table();  // "all" is 0 where `all` is allowed
  Result<std::uint32_t> table_or_all();
  Result<neigh::Nud> nud();

  // All devices that were named so far.
  const std::vector<DeviceWord>& devices() const { return devices_; }

 private:
  std::span<const std::string> words_;
  std::size_t at_ = 0;
  std::vector<DeviceWord> devices_;
};

// A number of Linux's textual forms: decimal or 0x hexadecimal; all of `text`.
std::optional<std::uint32_t> parse_number(std::string_view text);

// What a keyword (by its id) does with the command's value; the keyword is already taken. The empty
// keyword takes a word that is none.
template <typename Value>
struct Clause {
  std::string_view keyword;
  Result<> (*take)(Cursor& cursor, Value& value);
  bool repeats = false;
};

// The error for a word that no clause takes.
Error unknown_word(const Cursor& cursor, const Verb& verb);

// Reads words to the end by the verb's keywords, each at most once unless its clause repeats.
template <typename Value>
Result<> take_clauses(Cursor& cursor, const Verb& verb, std::span<const Clause<Value>> clauses,
                      Value& value) {
  std::vector<bool> taken(clauses.size());
  while (!cursor.done()) {
    const Keyword* keyword = find_keyword(verb.keywords, cursor.word());
    const std::string_view id = keyword == nullptr ? std::string_view{} : keyword->id();
    std::size_t i = 0;
    while (i < clauses.size() && clauses[i].keyword != id)
      ++i;
    if (i == clauses.size()) return unknown_word(cursor, verb);
    if (taken[i] && !clauses[i].repeats) {
      return keyword == nullptr ? unknown_word(cursor, verb)
                                : cursor.wrong("this was said before", "each word once");
    }
    taken[i] = true;
    if (keyword != nullptr) cursor.next();
    if (auto result = clauses[i].take(cursor, value); !result) return result.error();
  }
  return Ok{};
}

// Stores what a Result holds in a variable or returns its error.
template <typename To, typename From>
Result<> store(To& to, Result<From> from) {
  if (!from) return from.error();
  to = std::move(from).value();
  return Ok{};
}

// Names of Linux's numbers, and their numbers by name.
std::string name_of(route::Scope scope);
std::string name_of(route::Protocol protocol);
std::string_view name_of(route::Type type);
std::string name_of_table(std::uint32_t table);

}  // namespace linnet::control
