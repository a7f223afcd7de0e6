// SPDX-License-Identifier: BSD-3-Clause
// ln_gethostbyname: the older face of the same look-up.
#include <linnet/socket.h>
#include <netdb.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "shim/api_names.hpp"

using namespace linnet::shim;
using linnet::Ipv4Address;

namespace {

// Hands out parts of the caller's room; nullptr once it is used up.
class Room {
 public:
  Room(char* at, std::size_t left) : at_(at), left_(left) {}

  template <typename T>
  T* take(std::size_t count) {
    if (std::align(alignof(T), count * sizeof(T), at_, left_) == nullptr) return nullptr;
    T* const out = static_cast<T*>(at_);
    at_ = out + count;
    left_ -= count * sizeof(T);
    return out;
  }
  char* copy(const void* bytes, std::size_t count) {
    char* const out = take<char>(count);
    if (out != nullptr) std::memcpy(out, bytes, count);
    return out;
  }
  char* copy(const std::string& text) { return copy(text.c_str(), text.size() + 1); }

 private:
  void* at_;
  std::size_t left_;
};

// False: the room is too small.
bool fill_hostent(const HostEntry& entry, Room room, hostent& out) {
  char** const aliases = room.take<char*>(entry.aliases.size() + 1);
  char** const addresses = room.take<char*>(entry.addresses.size() + 1);
  out = {room.copy(entry.name), aliases, AF_INET, sizeof(in_addr), addresses};
  if (aliases == nullptr || addresses == nullptr || out.h_name == nullptr) return false;
  std::size_t n = 0;
  for (const Ipv4Address address : entry.addresses) {
    addresses[n] = room.copy(&address, sizeof address);
    if (addresses[n++] == nullptr) return false;
  }
  addresses[n] = nullptr;
  n = 0;
  for (const std::string& alias : entry.aliases) {
    aliases[n] = room.copy(alias);
    if (aliases[n++] == nullptr) return false;
  }
  aliases[n] = nullptr;
  return true;
}

int h_errno_of(Found found) {
  switch (found) {
    case Found::Yes:
      return NETDB_SUCCESS;
    case Found::NoName:
      return HOST_NOT_FOUND;
    case Found::NoData:
      return NO_DATA;
    case Found::Again:
      return TRY_AGAIN;
    case Found::Failed:
      return NO_RECOVERY;
    case Found::NoMemory:
    case Found::System:
      break;
  }
  return NETDB_INTERNAL;
}

Found find_entry(const char* name, HostEntry& out) {
  if (const auto address = numeric_host(name)) {
    out = {name, {}, {*address}};
    return Found::Yes;
  }
  const Found found = find_by_name(name, out);
  if (found == Found::NoMemory) errno = ENOMEM;
  return found;
}

// 0 where nothing of that name was found: `host` is cleared then, `*error` says why.
int fill_found(Found found, const HostEntry& entry, Room room, hostent*& host, int* error) {
  *error = h_errno_of(found);
  hostent* const filled = host;
  host = nullptr;
  if (found != Found::Yes) return *error == NETDB_INTERNAL ? errno : 0;
  if (!fill_hostent(entry, room, *filled)) {
    *error = NETDB_INTERNAL;
    return errno = ERANGE;
  }
  host = filled;
  return 0;
}

}  // namespace

int ln_gethostbyname_r(const char* name, hostent* host, char* room, size_t count, hostent** result,
                       int* error) {
  HostEntry entry;
  const Found found = find_entry(name, entry);
  *result = host;
  return fill_found(found, entry, Room(room, count), *result, error);
}

hostent* ln_gethostbyname(const char* name) {
  thread_local hostent host;
  thread_local std::vector<char> room;
  HostEntry entry;
  const Found found = find_entry(name, entry);
  std::size_t need = 64 + entry.name.size() + entry.addresses.size() * 16;
  for (const std::string& alias : entry.aliases)
    need += alias.size() + 16;
  room.resize(need);
  hostent* out = &host;
  int error = 0;
  fill_found(found, entry, Room(room.data(), room.size()), out, &error);
  if (out == nullptr) h_errno = error;
  return out;
}
