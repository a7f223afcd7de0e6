// SPDX-License-Identifier: BSD-3-Clause
// A bad wire between two interfaces: what comes in at one goes out at the other, but for what is
// lost, and maybe twice, late or with a bit turned. Everything follows from the seed and the
// frames.
//
//   impaired_wire SEED INTERFACE INTERFACE [loss=P] [duplicate=P] [reorder=P] [corrupt=P]
//   [delay=MS]
//
// P: a share from 0 to 1, of each direction. Only what lies behind the Ethernet header of IPv4
// frames is corrupted: the frame check sequence of a real wire guards the rest, and ARP has no
// other. SIGTERM ends it with a line of counts.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Frame = std::vector<unsigned char>;

constexpr auto kLate = std::chrono::milliseconds(3);  // what is reordered comes this much later
constexpr int kSocketBuffer = 32 << 20;
constexpr int kFramesAtOnce = 64;

volatile std::sig_atomic_t ended = 0;

struct Impairment {
  double loss = 0, duplicate = 0, reorder = 0, corrupt = 0;
  double delay = 0;  // milliseconds
};

[[noreturn]] void give_up(const std::string& what) {
  std::perror(("impaired_wire: " + what).c_str());
  std::exit(1);
}

int open_interface(const char* name) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
  if (fd < 0) give_up("a packet socket");
  sockaddr_ll where{};
  where.sll_family = AF_PACKET;
  where.sll_protocol = htons(ETH_P_ALL);
  where.sll_ifindex = static_cast<int>(::if_nametoindex(name));
  const int on = 1;
  if (where.sll_ifindex == 0) give_up(name);
  if (::setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0)
    give_up("outgoing");
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) give_up(name);
  return fd;
}

class Wire {
 public:
  Wire(unsigned seed, const char* one, const char* other, const Impairment& by)
      : random_(seed), by_(by), fds_{open_interface(one), open_interface(other)}, room_(65536) {}

  void run() {
    while (ended == 0) {
      pollfd fds[2] = {{fds_[0], POLLIN, 0}, {fds_[1], POLLIN, 0}};
      const timespec wait = until_next();
      if (::ppoll(fds, 2, &wait, nullptr) < 0) continue;
      for (int side = 0; side < 2; ++side)
        if (fds[side].revents != 0) take(side);
      send_due();
    }
    std::printf("carried %lu lost %lu duplicated %lu reordered %lu corrupted %lu refused %lu\n",
                carried_, lost_, duplicated_, reordered_, corrupted_, refused_);
  }

 private:
  bool chance(double share) { return std::uniform_real_distribution<>(0, 1)(random_) < share; }

  timespec until_next() const {
    std::chrono::nanoseconds left = std::chrono::milliseconds(200);
    if (!flying_.empty())
      left = std::max(std::chrono::nanoseconds(0), flying_.begin()->first - Clock::now());
    return {left.count() / 1'000'000'000, left.count() % 1'000'000'000};
  }

  void take(int side) {
    for (int i = 0; i < kFramesAtOnce; ++i) {
      const ssize_t count = ::recv(fds_[side], room_.data(), room_.size(), MSG_DONTWAIT);
      if (count <= 0) return;
      impair(1 - side, Frame(room_.begin(), room_.begin() + count));
    }
  }

  void impair(int to, Frame frame) {
    auto at = Clock::now() + std::chrono::microseconds(static_cast<long>(by_.delay * 1000));
    if (chance(by_.loss)) {
      ++lost_;
      return;
    }
    if (chance(by_.reorder)) {
      at += kLate;
      ++reordered_;
    }
    if (chance(by_.duplicate)) {
      ++duplicated_;
      flying_.emplace(at, Flying{to, frame});
    }
    const bool ipv4 = frame.size() > 14 && frame[12] == 8 && frame[13] == 0;
    if (ipv4 && chance(by_.corrupt)) {
      ++corrupted_;
      frame[14 + random_() % (frame.size() - 14)] ^=
          static_cast<unsigned char>(1u << random_() % 8);
    }
    flying_.emplace(at, Flying{to, std::move(frame)});
  }

  void send_due() {
    const auto now = Clock::now();
    while (!flying_.empty() && flying_.begin()->first <= now) {
      const Flying& one = flying_.begin()->second;
      ++carried_;
      if (::send(fds_[one.to], one.frame.data(), one.frame.size(), 0) < 0) ++refused_;
      flying_.erase(flying_.begin());
    }
  }

  struct Flying {
    int to;
    Frame frame;
  };

  std::mt19937 random_;
  const Impairment by_;
  const int fds_[2];
  std::vector<unsigned char> room_;
  std::multimap<Clock::time_point, Flying> flying_;
  unsigned long carried_ = 0, lost_ = 0, duplicated_ = 0, reordered_ = 0, corrupted_ = 0,
                refused_ = 0;
};

// False: it is no word of ours.
bool read_word(const std::string& word, Impairment& to) {
  const std::size_t sign = word.find('=');
  if (sign == std::string::npos) return false;
  const std::map<std::string, double*> names = {{"loss", &to.loss},
                                                {"duplicate", &to.duplicate},
                                                {"reorder", &to.reorder},
                                                {"corrupt", &to.corrupt},
                                                {"delay", &to.delay}};
  const auto found = names.find(word.substr(0, sign));
  if (found == names.end()) return false;
  char* end = nullptr;
  *found->second = std::strtod(word.c_str() + sign + 1, &end);
  return *end == '\0' && end != word.c_str() + sign + 1;
}

}  // namespace

int main(int argc, char** argv) {
  Impairment by;
  bool right = argc >= 4;
  for (int i = 4; i < argc && right; ++i)
    right = read_word(argv[i], by);
  if (!right) {
    std::fputs(
        "impaired_wire SEED INTERFACE INTERFACE [loss=P] [duplicate=P] [reorder=P] [corrupt=P] "
        "[delay=MS]\n",
        stderr);
    return 2;
  }
  struct sigaction action{};
  action.sa_handler = [](int) { ended = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  Wire(static_cast<unsigned>(std::strtoul(argv[1], nullptr, 10)), argv[2], argv[3], by).run();
  return 0;
}
