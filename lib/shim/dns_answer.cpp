// SPDX-License-Identifier: BSD-3-Clause
#include "shim/dns_answer.hpp"

#include <ares.h>
#include <netdb.h>

#include <cstring>

namespace linnet::shim {
namespace {

// Walks the records of an answer that c-ares has found to be well formed (RFC 1035, 4.1).
// ares_hostent has only the first of several aliases' targets.
class Records {
 public:
  Records(const unsigned char* bytes, int length) : bytes_(bytes), length_(length) {
    left_ = length >= kHeader ? bytes[6] << 8 | bytes[7] : 0;
    take_name();
    at_ += 4;  // type and class of the question
  }
  // The next record with the name that owns it. False: there is none.
  bool next() {
    owner_ = take_name();
    if (left_-- <= 0 || at_ + kFixed > length_) return false;
    type_ = bytes_[at_] << 8 | bytes_[at_ + 1];
    data_ = at_ + kFixed;
    at_ = data_ + (bytes_[data_ - 2] << 8 | bytes_[data_ - 1]);
    return true;
  }
  const std::string& owner() const { return owner_; }
  bool is_alias() const { return type_ == kAlias; }
  std::string target() const { return name_at(data_, nullptr); }

 private:
  static constexpr int kHeader = 12, kFixed = 10, kAlias = 5;

  std::string name_at(int at, long* taken) const {
    char* text = nullptr;
    long size = 0;
    if (at >= length_ || ares_expand_name(bytes_ + at, bytes_, length_, &text, &size) != 0)
      return {};
    std::string out = text;
    ares_free_string(text);
    if (taken != nullptr) *taken = size;
    return out;
  }
  std::string take_name() {
    long taken = 0;
    std::string out = name_at(at_, &taken);
    at_ += static_cast<int>(taken);
    return out;
  }

  const unsigned char* bytes_;
  int length_, left_, at_ = kHeader, type_ = 0, data_ = 0;
  std::string owner_{};
};

}  // namespace

int take_addresses(std::span<const unsigned char> reply, HostEntry& out) {
  const auto length = static_cast<int>(reply.size());
  hostent* host = nullptr;
  const int status = ares_parse_a_reply(reply.data(), length, &host, nullptr, nullptr);
  if (status != ARES_SUCCESS) return status;
  out.name = host->h_name;
  for (char** address = host->h_addr_list; *address != nullptr; ++address) {
    in_addr network;
    std::memcpy(&network, *address, sizeof network);
    out.addresses.push_back(Ipv4Address::from_host(ntohl(network.s_addr)));
  }
  ares_free_hostent(host);
  for (Records records(reply.data(), length); records.next();) {
    if (!records.is_alias()) continue;
    out.aliases.push_back(records.owner());
    out.name = records.target();
  }
  return out.addresses.empty() ? ARES_ENODATA : ARES_SUCCESS;
}

int take_pointer(std::span<const unsigned char> reply, Ipv4Address address, HostEntry& out) {
  const in_addr network{htonl(address.host())};
  hostent* host = nullptr;
  const int status = ares_parse_ptr_reply(reply.data(), static_cast<int>(reply.size()), &network,
                                          sizeof network, AF_INET, &host);
  if (status != ARES_SUCCESS) return status;
  out = {host->h_name, {}, {address}};
  ares_free_hostent(host);
  return ARES_SUCCESS;
}

}  // namespace linnet::shim
