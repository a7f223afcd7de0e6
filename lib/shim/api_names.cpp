// SPDX-License-Identifier: BSD-3-Clause
// ln_getaddrinfo, ln_getnameinfo and what goes with them (POSIX; RFC 3493, 6).
#include <arpa/inet.h>
#include <linnet/socket.h>
#include <netdb.h>

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <new>

#include "shim/api_names.hpp"
#include "shim/current.hpp"

using namespace linnet::shim;
using linnet::Ipv4Address;

namespace linnet::shim {

// As inet_aton takes them ("127.1", octal), but nothing behind them.
std::optional<Ipv4Address> numeric_host(const char* text) {
  in_addr address;
  const bool blank = std::strpbrk(text, " \t\n\r\v\f") != nullptr;
  if (blank || inet_aton(text, &address) == 0) return std::nullopt;
  return Ipv4Address::from_host(ntohl(address.s_addr));
}

}  // namespace linnet::shim

namespace {

constexpr int kInfoFlags = AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_NUMERICSERV |
                           AI_V4MAPPED | AI_ALL | AI_ADDRCONFIG;
constexpr int kNameFlags = NI_NUMERICHOST | NI_NUMERICSERV | NI_NAMEREQD | NI_DGRAM | NI_NOFQDN;

// What sockets there are, in the order in which they are answered.
struct Transport {
  int type, protocol;
  const char* name;
};
constexpr Transport kTransports[] = {{SOCK_STREAM, IPPROTO_TCP, "tcp"},
                                     {SOCK_DGRAM, IPPROTO_UDP, "udp"}};

struct Choice {
  Transport transport;
  in_port_t port;  // network order
};

int gai_code(Found found) {
  switch (found) {
    case Found::Yes:
      return 0;
    case Found::NoName:
      return EAI_NONAME;
    case Found::NoData:
      return EAI_NODATA;
    case Found::Again:
      return EAI_AGAIN;
    case Found::NoMemory:
      return EAI_MEMORY;
    case Found::System:
      return EAI_SYSTEM;
    case Found::Failed:
      break;
  }
  return EAI_FAIL;
}

bool all_digits(const char* text) {
  return *text != '\0' && text[std::strspn(text, "0123456789")] == '\0';
}

// /etc/services, by the C library's own reader. False: it is not there.
bool service_port(const char* name, const char* protocol, in_port_t& port) {
  servent room, *found = nullptr;
  char text[4096];
  if (getservbyname_r(name, protocol, &room, text, sizeof text, &found) != 0) return false;
  if (found != nullptr) port = static_cast<in_port_t>(found->s_port);
  return found != nullptr;
}

// 0, or EAI_.
int port_of(const char* service, const Transport& transport, int flags, in_port_t& port) {
  port = 0;
  if (service == nullptr) return 0;
  if (all_digits(service)) {
    std::uint16_t number = 0;
    const auto error = std::from_chars(service, service + std::strlen(service), number).ec;
    port = htons(number);
    return error == std::errc() ? 0 : EAI_SERVICE;
  }
  if ((flags & AI_NUMERICSERV) != 0) return EAI_NONAME;
  return service_port(service, transport.name, port) ? 0 : EAI_SERVICE;
}

// Which sockets the hints leave, with their ports. 0, or EAI_.
int choose_transports(const char* service, const addrinfo& hints, std::vector<Choice>& out) {
  int wrong = hints.ai_socktype != 0 ? EAI_SOCKTYPE : EAI_SERVICE;
  for (const Transport& transport : kTransports) {
    if (hints.ai_socktype != 0 && hints.ai_socktype != transport.type) continue;
    if (hints.ai_protocol != 0 && hints.ai_protocol != transport.protocol) continue;
    in_port_t port = 0;
    wrong = port_of(service, transport, hints.ai_flags, port);
    if (wrong == 0) out.push_back({transport, port});
  }
  return out.empty() ? wrong : 0;
}

int find_host(const char* host, int flags, HostEntry& out) {
  if (host == nullptr) {
    const bool passive = (flags & AI_PASSIVE) != 0;
    out.addresses = {passive ? Ipv4Address() : Ipv4Address(127, 0, 0, 1)};
    return 0;
  }
  if (const auto address = numeric_host(host)) {
    out = {host, {}, {*address}};
    return 0;
  }
  in6_addr six;
  if (inet_pton(AF_INET6, host, &six) == 1) return EAI_ADDRFAMILY;
  if ((flags & AI_NUMERICHOST) != 0) return EAI_NONAME;
  return gai_code(find_by_name(host, out));
}

// One result and the address that it points to.
struct InfoNode {
  addrinfo info;
  sockaddr_in name;
};

addrinfo* make_info(Ipv4Address address, const Choice& choice, int flags) {
  auto* const node = new (std::nothrow) InfoNode{};
  if (node == nullptr) return nullptr;
  node->name.sin_family = AF_INET;
  node->name.sin_port = choice.port;
  node->name.sin_addr.s_addr = htonl(address.host());
  node->info.ai_flags = flags;
  node->info.ai_family = AF_INET;
  node->info.ai_socktype = choice.transport.type;
  node->info.ai_protocol = choice.transport.protocol;
  node->info.ai_addrlen = sizeof node->name;
  node->info.ai_addr = reinterpret_cast<sockaddr*>(&node->name);
  return &node->info;
}

// Copies with the final NUL. 0, or EAI_OVERFLOW.
int put_text(const std::string& text, char* to, socklen_t room) {
  if (text.size() >= room) return EAI_OVERFLOW;
  std::memcpy(to, text.c_str(), text.size() + 1);
  return 0;
}

// Linux (glibc): nrl_domainname.
void cut_domain(std::string& name) {
  const std::string domain = "." + local_domain();
  if (domain.size() > 1 && name.size() > domain.size() && name.ends_with(domain))
    name.resize(name.size() - domain.size());
}

int name_host(Ipv4Address address, int flags, char* host, socklen_t room) {
  if ((flags & NI_NUMERICHOST) == 0) {
    HostEntry entry;
    const Found found = find_by_address(address, entry);
    if (found == Found::Yes) {
      if ((flags & NI_NOFQDN) != 0) cut_domain(entry.name);
      return put_text(entry.name, host, room);
    }
    // What has no name is told by number; what could not be asked is an error, as in glibc.
    if (found != Found::NoName && found != Found::NoData) return gai_code(found);
  }
  if ((flags & NI_NAMEREQD) != 0) return EAI_NONAME;
  return put_text(address.text(), host, room);
}

int name_service(in_port_t port, int flags, char* service, socklen_t room) {
  servent space, *found = nullptr;
  char text[4096];
  const char* const protocol = (flags & NI_DGRAM) != 0 ? "udp" : "tcp";
  const bool wanted = (flags & NI_NUMERICSERV) == 0;
  if (wanted && getservbyport_r(port, protocol, &space, text, sizeof text, &found) == 0 &&
      found != nullptr)
    return put_text(found->s_name, service, room);
  return put_text(std::to_string(ntohs(port)), service, room);
}

const char* or_null(const char* word) {
  return word != nullptr && std::strcmp(word, "*") != 0 ? word : nullptr;
}

}  // namespace

int ln_getaddrinfo(const char* host, const char* service, const addrinfo* given,
                   addrinfo** result) {
  static constexpr addrinfo kNoHints{};
  const addrinfo& hints = given != nullptr ? *given : kNoHints;
  host = or_null(host);
  service = or_null(service);
  if (host == nullptr && service == nullptr) return EAI_NONAME;
  if ((hints.ai_flags & ~kInfoFlags) != 0) return EAI_BADFLAGS;
  if ((hints.ai_flags & AI_CANONNAME) != 0 && host == nullptr) return EAI_BADFLAGS;
  if (hints.ai_family != AF_UNSPEC && hints.ai_family != AF_INET) return EAI_FAMILY;
  std::vector<Choice> choices;
  if (const int wrong = choose_transports(service, hints, choices); wrong != 0) return wrong;
  HostEntry entry;
  if (const int wrong = find_host(host, hints.ai_flags, entry); wrong != 0) return wrong;
  addrinfo* first = nullptr;
  addrinfo** end = &first;
  for (const Ipv4Address address : entry.addresses) {
    for (const Choice& choice : choices) {
      *end = make_info(address, choice, hints.ai_flags);
      if (*end == nullptr) {
        ln_freeaddrinfo(first);
        return EAI_MEMORY;
      }
      end = &(*end)->ai_next;
    }
  }
  if ((hints.ai_flags & AI_CANONNAME) != 0) {
    first->ai_canonname = strdup(entry.name.c_str());
    if (first->ai_canonname == nullptr) {
      ln_freeaddrinfo(first);
      return EAI_MEMORY;
    }
  }
  *result = first;
  return 0;
}

void ln_freeaddrinfo(addrinfo* list) {
  while (list != nullptr) {
    addrinfo* const next = list->ai_next;
    std::free(list->ai_canonname);
    delete reinterpret_cast<InfoNode*>(list);
    list = next;
  }
}

const char* ln_gai_strerror(int code) {
  return gai_strerror(code);
}

int ln_getnameinfo(const sockaddr* address, socklen_t length, char* host, socklen_t host_room,
                   char* service, socklen_t service_room, int flags) {
  if ((flags & ~kNameFlags) != 0) return EAI_BADFLAGS;
  if (address == nullptr || length < sizeof(sockaddr_in) || address->sa_family != AF_INET)
    return EAI_FAMILY;
  const bool wants_host = host != nullptr && host_room > 0;
  const bool wants_service = service != nullptr && service_room > 0;
  if (!wants_host && !wants_service) return EAI_NONAME;
  sockaddr_in name;
  std::memcpy(&name, address, sizeof name);
  const auto number = Ipv4Address::from_host(ntohl(name.sin_addr.s_addr));
  const int wrong = wants_host ? name_host(number, flags, host, host_room) : 0;
  if (wrong != 0 || !wants_service) return wrong;
  return name_service(name.sin_port, flags, service, service_room);
}

int ln_resolver_set(const ln_resolver_options* given) {
  ln_resolver_options options{};
  if (given != nullptr) std::memcpy(&options, given, std::min(given->size, sizeof options));
  NameSources sources;
  if (options.servers != nullptr) {
    sources.servers = options.servers;
    if (!parse_servers(sources.servers)) {
      errno = EINVAL;
      return -1;
    }
  }
  if (options.search != nullptr) sources.search = options.search;
  if (options.hosts_file != nullptr) sources.hosts_file = options.hosts_file;
  if (options.resolv_file != nullptr) sources.resolv_file = options.resolv_file;
  sources.timeout_ms = options.timeout_ms;
  sources.attempts = options.attempts;
  const std::shared_ptr<Program> program = current_program();
  if (program == nullptr) {
    errno = ENETDOWN;
    return -1;
  }
  program->set_name_sources(std::move(sources));
  return 0;
}
