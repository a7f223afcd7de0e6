// SPDX-License-Identifier: BSD-3-Clause
// getsockopt and setsockopt: what the table of options does not say.
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "shim/socket.hpp"
#include "socket/options.hpp"

namespace linnet::shim {
namespace {

constexpr std::string_view kCongestionNames[] = {"", "reno", "cubic", "bbr", "dctcp"};
// Linux, x86-64: SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF.
constexpr int kLeastSendBuffer = 4608, kLeastReceiveBuffer = 2304;

// Linux: copy of an int to as much room as there is.
int write_value(const void* from, std::size_t size, void* value, socklen_t* length) {
  const auto count = std::min<std::size_t>(*length, size);
  std::memcpy(value, from, count);
  *length = static_cast<socklen_t>(count);
  return 0;
}

int write_int(int number, void* value, socklen_t* length) {
  return write_value(&number, sizeof number, value, length);
}

// Linux: do_ip_getsockopt answers into a byte where there is room for no more.
int write_ip_int(int number, void* value, socklen_t* length) {
  if (*length < sizeof(int) && *length > 0 && number >= 0 && number <= 255) {
    const auto byte = static_cast<unsigned char>(number);
    return write_value(&byte, 1, value, length);
  }
  return write_int(number, value, length);
}

// Reads an int; IP's options may be given as one byte.
int read_int(int level, const void* value, socklen_t length, int& out) {
  if (level == IPPROTO_IP && length == 0) {
    out = 0;
    return 0;
  }
  if (level == IPPROTO_IP && length < sizeof(int)) {
    if (value == nullptr) return -EFAULT;
    unsigned char byte;
    std::memcpy(&byte, value, 1);
    out = byte;
    return 0;
  }
  if (length < sizeof(int)) return -EINVAL;
  if (value == nullptr) return -EFAULT;
  std::memcpy(&out, value, sizeof out);
  return 0;
}

int read_timeout(const void* value, socklen_t length, time::Duration& out) {
  timeval time;
  if (length < sizeof time) return -EINVAL;
  if (value == nullptr) return -EFAULT;
  std::memcpy(&time, value, sizeof time);
  if (time.tv_usec < 0 || time.tv_usec >= 1'000'000) return -EDOM;
  // Negative: Linux returns at once, as a timeout of nothing.
  out = time.tv_sec < 0
            ? time::Duration::nanoseconds(1)
            : time::Duration::seconds(time.tv_sec) + time::Duration::microseconds(time.tv_usec);
  return 0;
}

// SO_MAX_PACING_RATE: an int, whose ~0 is that of 64 bits, or 64 bits where there is room.
int read_rate(const void* value, socklen_t length, std::uint64_t& out) {
  std::uint32_t narrow;
  if (length < sizeof narrow) return -EINVAL;
  if (value == nullptr) return -EFAULT;
  std::memcpy(&narrow, value, sizeof narrow);
  out = narrow == UINT32_MAX ? UINT64_MAX : narrow;
  if (length >= sizeof out) std::memcpy(&out, value, sizeof out);
  return 0;
}

int write_rate(std::uint64_t rate, void* value, socklen_t* length) {
  if (*length >= sizeof rate) return write_value(&rate, sizeof rate, value, length);
  const auto narrow = static_cast<std::uint32_t>(std::min<std::uint64_t>(rate, UINT32_MAX));
  return write_value(&narrow, sizeof narrow, value, length);
}

int write_timeout(time::Duration timeout, void* value, socklen_t* length) {
  timeval time{};
  time.tv_sec = timeout.count_ns() / 1'000'000'000;
  time.tv_usec = timeout.count_us() % 1'000'000;
  return write_value(&time, sizeof time, value, length);
}

int buffer_size(int asked, int least, int most) {
  return std::max(std::clamp(asked, 0, most) * 2, least);
}

bool applies(const OptionRow& row, File::Kind kind) {
  const auto bit = kind == File::Kind::Stream ? OptionRow::kStream : OptionRow::kDatagram;
  return (row.applies & bit) != 0;
}

}  // namespace

int Socket::set_travelling(std::unique_lock<Mutex>& lock, const OptionRow& row,
                           std::int64_t value) {
  if (!row.travels) return 0;
  Message message = this->message(RequestKind::SetOption);
  message.option =
      socket::option(static_cast<std::uint32_t>(row.level), static_cast<std::uint32_t>(row.name));
  message.value = static_cast<std::uint64_t>(value);
  const std::vector<LaneHandle> all = handles();
  lock.unlock();
  for (const LaneHandle& at : all) {
    message.handle = at.handle;
    program().request(at.lane, message);
    program().carry_out(at.lane);
  }
  return 0;
}

namespace {

// SO_LINGER and other structures. -ENOPROTOOPT: none of them.
int set_structure(OptionValues& options, int name, const void* value, socklen_t length) {
  switch (name) {
    case SO_LINGER: {
      struct linger linger;
      if (length < sizeof linger) return -EINVAL;
      if (value == nullptr) return -EFAULT;
      std::memcpy(&linger, value, sizeof linger);
      options.change().linger = linger.l_onoff != 0;
      if (options->linger) options.change().linger_seconds = linger.l_linger;
      return 0;
    }
    case SO_RCVTIMEO:
      return read_timeout(value, length, options.change().receive_timeout);
    case SO_SNDTIMEO:
      return read_timeout(value, length, options.change().send_timeout);
    default:
      return -ENOPROTOOPT;
  }
}

int set_congestion(OptionValues& options, const void* value, socklen_t length) {
  if (length < 1) return -EINVAL;
  if (value == nullptr) return -EFAULT;
  const std::string_view given(static_cast<const char*>(value),
                               strnlen(static_cast<const char*>(value), length));
  const auto* const found =
      std::find(std::begin(kCongestionNames) + 1, std::end(kCongestionNames), given);
  if (found == std::end(kCongestionNames)) return -ENOENT;
  options.change().congestion = static_cast<int>(found - kCongestionNames);
  return 0;
}

}  // namespace

// What Linux makes of a number: refused, or bent into bounds.
int Socket::adjust(const OptionRow& row, int& number) const {
  const auto is = [&](int level, int name) { return row.level == level && row.name == name; };
  const bool stream = kind() == File::Kind::Stream;
  if (row.kind == OptionRow::Fixed) return -ENOPROTOOPT;
  if (is(IPPROTO_IP, IP_MULTICAST_TTL) && stream) return -EINVAL;
  if (row.kind == OptionRow::Switch) number = number != 0 ? 1 : 0;
  if (is(IPPROTO_TCP, TCP_MAXSEG) && number == 0) number = row.initial;
  if (is(IPPROTO_TCP, TCP_LINGER2)) {
    number = number == 0 ? row.initial : std::clamp(number, -1, 120);
  }
  if (is(IPPROTO_TCP, TCP_WINDOW_CLAMP) && number != 0)
    number = std::max(number, kLeastReceiveBuffer / 2);
  if (is(SOL_SOCKET, SO_RCVLOWAT)) number = number == 0 ? 1 : number < 0 ? 0x7fffffff : number;
  if (is(IPPROTO_IP, kLocalPortRange)) {
    const auto range = static_cast<std::uint32_t>(number);
    const std::uint32_t low = range & 0xffff, high = range >> 16;
    if (low != 0 && high != 0 && low > high) return -EINVAL;
  }
  if (is(IPPROTO_IP, IP_TOS)) {
    number &= 0xff;
    // ECN's bits are TCP's own.
    if (stream) number = (number & ~3) | (options_.get(row) & 3);
  }
  if (is(IPPROTO_IP, IP_UNICAST_IF) && number != 0) {
    char device[16];
    if (!program().host().device_name(ntohl(static_cast<std::uint32_t>(number)) - 1, device))
      return -EADDRNOTAVAIL;
    if (options_->device >= 0) return -EINVAL;
  }
  if (number < row.least || number > row.most) return -EINVAL;
  if (is(IPPROTO_IP, IP_TTL) && number == 0) return -EINVAL;
  if ((is(IPPROTO_IP, IP_TTL) || is(IPPROTO_IP, IP_MULTICAST_TTL)) && number == -1)
    number = row.initial;
  return 0;
}

int Socket::set_option(int level, int name, const void* value, socklen_t length) {
  if (static_cast<int>(length) < 0) return -EINVAL;
  std::unique_lock lock(mutex_);
  const auto travel = [&](int option_level, int option_name, std::int64_t number) {
    const OptionRow row{option_level, option_name, OptionRow::Number, OptionRow::kBoth, 0, 0, 0,
                        true};
    return set_travelling(lock, row, number);
  };
  if (level == SOL_SOCKET && name == SO_BINDTODEVICE) {
    char device[16] = {};
    const std::size_t count = std::min<std::size_t>(length, sizeof device - 1);
    if (value == nullptr && count > 0) return -EFAULT;
    if (count > 0) std::memcpy(device, value, count);
    const int index = device[0] == '\0' ? -1 : program().host().device_index(device);
    if (device[0] != '\0' && index < 0) return -ENODEV;
    options_.change().device = index;
    local_.device = index < 0 ? std::uint16_t{0xffff} : static_cast<std::uint16_t>(index);
    return travel(level, name, index);
  }
  if (level == IPPROTO_TCP && name == TCP_CONGESTION && kind() == File::Kind::Stream) {
    if (const int bad = set_congestion(options_, value, length); bad != 0) return bad;
    return travel(level, name, options_->congestion);
  }
  if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE) {
    if (const int bad = read_rate(value, length, options_.change().max_pacing_rate); bad != 0)
      return bad;
    return travel(level, name, static_cast<std::int64_t>(options_->max_pacing_rate));
  }
  if (const int special = set_special(lock, level, name, value, length); special != -ENOPROTOOPT)
    return special;
  const bool own_level = level == SOL_SOCKET || (level == IPPROTO_TCP && protocol_ == IPPROTO_TCP);
  if (own_level && length < sizeof(int)) return -EINVAL;
  const bool needs_a_byte = name == IP_FREEBIND || name == IP_MULTICAST_TTL;
  if (level == IPPROTO_IP && needs_a_byte && length < 1) return -EINVAL;
  const bool needs_an_int = name == IP_UNICAST_IF || name == kLocalPortRange;
  // Linux reads the number before it judges how long it has to be.
  const bool reads_first = level == SOL_SOCKET || (level == IPPROTO_IP && needs_an_int);
  if (value == nullptr && length > 0 && reads_first) return -EFAULT;
  if (level == IPPROTO_IP && needs_an_int && length != sizeof(int)) return -EINVAL;
  if (level == SOL_SOCKET) {
    const int structure = set_structure(options_, name, value, length);
    if (structure != -ENOPROTOOPT) return structure;
  }
  const bool sizes = level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF);
  const OptionRow* const row = find_option(level, name);
  if (!sizes && (row == nullptr || !applies(*row, kind()))) return -ENOPROTOOPT;
  int number = 0;
  if (const int bad = read_int(level, value, length, number); bad != 0) return bad;
  if (sizes) {
    const auto most = static_cast<int>(name == SO_SNDBUF ? program().settings().wmem_max.load()
                                                         : program().settings().rmem_max.load());
    // What a lane is told is doubled there; zero would mean that nothing was set.
    const int asked = std::clamp(number < 0 ? most : number, 1, most);
    (name == SO_SNDBUF ? options_.change().send_buffer : options_.change().receive_buffer) = asked;
    return travel(level, name, asked);
  }
  if (const int bad = adjust(*row, number); bad != 0) return bad;
  if (const int bad = judge_option(*row, number); bad != 0) return bad;
  options_.set(*row, number);
  const bool shares = level == SOL_SOCKET && (name == SO_REUSEADDR || name == SO_REUSEPORT);
  if (shares && ticket_ != 0) {
    program().ports().change(ticket_, options_.get(SOL_SOCKET, SO_REUSEADDR) != 0,
                             options_.get(SOL_SOCKET, SO_REUSEPORT) != 0, local_.device);
  }
  refresh();
  option_changed(lock, *row);
  return set_travelling(lock, *row, number);
}

int Socket::get_special(int level, int name, void* value, socklen_t* length) {
  if (level != SOL_SOCKET) return -ENOPROTOOPT;
  const std::lock_guard lock(mutex_);
  const auto& settings = program().settings();
  const bool stream = kind() == File::Kind::Stream;
  switch (name) {
    case SO_ERROR:
      return write_int(-take_error(), value, length);
    case SO_TYPE:
      return write_int(type_, value, length);
    case SO_DOMAIN:
      return write_int(AF_INET, value, length);
    case SO_PROTOCOL:
      return write_int(protocol_, value, length);
    case SO_ACCEPTCONN:
      return write_int(listening() ? 1 : 0, value, length);
    case SO_RCVTIMEO:
      return write_timeout(options_->receive_timeout, value, length);
    case SO_SNDTIMEO:
      return write_timeout(options_->send_timeout, value, length);
    case SO_SNDBUF: {
      const int initial =
          stream ? program().stream_send_buffer() : static_cast<int>(settings.wmem_default.load());
      const auto most = static_cast<int>(settings.wmem_max.load());
      return write_int(options_->send_buffer == 0
                           ? initial
                           : buffer_size(options_->send_buffer, kLeastSendBuffer, most),
                       value, length);
    }
    case SO_RCVBUF: {
      const int initial = stream ? program().stream_receive_buffer()
                                 : static_cast<int>(settings.rmem_default.load());
      const auto most = static_cast<int>(settings.rmem_max.load());
      return write_int(options_->receive_buffer == 0
                           ? initial
                           : buffer_size(options_->receive_buffer, kLeastReceiveBuffer, most),
                       value, length);
    }
    case SO_MAX_PACING_RATE:
      return write_rate(options_->max_pacing_rate, value, length);
    case SO_LINGER: {
      const struct linger linger{options_->linger ? 1 : 0, options_->linger_seconds};
      return write_value(&linger, sizeof linger, value, length);
    }
    case SO_BINDTODEVICE: {
      if (options_->device < 0) {
        *length = 0;
        return 0;
      }
      char device[16] = {};
      if (*length < sizeof device) return -EINVAL;
      if (!program().host().device_name(static_cast<unsigned>(options_->device), device))
        return -ENODEV;
      return write_value(device, std::strlen(device) + 1, value, length);
    }
    default:
      return -ENOPROTOOPT;
  }
}

int Socket::get_option(int level, int name, void* value, socklen_t* length) {
  if (length == nullptr) return -EFAULT;
  if (static_cast<int>(*length) < 0) return -EINVAL;
  if (value == nullptr && *length > 0) return -EFAULT;
  if (level == IPPROTO_TCP && name == TCP_CONGESTION && kind() == File::Kind::Stream) {
    const std::lock_guard lock(mutex_);
    char text[16] = {};  // TCP_CA_NAME_MAX
    kCongestionNames[options_->congestion == 0 ? 2 : options_->congestion].copy(text, sizeof text);
    return write_value(text, sizeof text, value, length);
  }
  if (level == IPPROTO_TCP && name == TCP_MAXSEG) {
    const int used = get_special(level, name, value, length);
    if (used != -ENOPROTOOPT) return used;
  }
  const OptionRow* const row = find_option(level, name);
  if (row == nullptr || !applies(*row, kind())) {
    const int special = get_special(level, name, value, length);
    // Linux: ip_getsockopt says so to a level that the protocol does not know.
    const bool strange = level != SOL_SOCKET && level != IPPROTO_IP &&
                         level != (kind() == File::Kind::Stream ? IPPROTO_TCP : protocol_);
    return special == -ENOPROTOOPT && strange ? -EOPNOTSUPP : special;
  }
  const std::lock_guard lock(mutex_);
  const int number = options_.get(*row);
  return level == IPPROTO_IP ? write_ip_int(number, value, length)
                             : write_int(number, value, length);
}

}  // namespace linnet::shim
