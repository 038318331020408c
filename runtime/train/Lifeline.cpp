#include "runtime/train/Lifeline.h"

#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <random>
#include <sys/socket.h>
#include <unistd.h>

namespace hb {
namespace {

constexpr int kTimeoutMs = 60'000, kConnectMs = 5'000;
constexpr char kFinished = 'F', kInterrupted = 'I';

/// Where rank 0 can be reached, and how a caller is known to belong to the run. Sent through MPI, so plain bytes.
struct Address {
  char machine[40] = {};     ///< the boot of the kernel: equal on one machine only
  uint64_t token[2] = {};    ///< what a caller sends first and gets back inverted
  uint32_t hosts[8] = {};    ///< IPv4, in network order
  uint32_t hostCount = 0;
  uint16_t port = 0;
};
struct Greeting {
  uint64_t token[2];
  int32_t rank;
};

[[noreturn]] void unreachable(int rank, const std::string &found) {
  throw Error(667, "rank " + std::to_string(rank), "a connection between all ranks", found, "let the machines of the run reach rank 0's by TCP");
}

void machineName(char (&name)[40]) {
  std::string boot;
  if (int file = ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC); file >= 0) {
    [[maybe_unused]] ssize_t got = ::read(file, name, sizeof name - 1);
    ::close(file);
  }
}

/// Reads or writes exactly so many bytes within the time; false otherwise.
bool transfer(int socket, void *data, size_t size, bool send, int milliseconds) {
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  for (char *at = static_cast<char *>(data); size > 0;) {
    int left = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count());
    pollfd wait{socket, static_cast<short>(send ? POLLOUT : POLLIN), 0};
    if (left <= 0 || ::poll(&wait, 1, left) <= 0)
      return false;
    ssize_t moved = send ? ::send(socket, at, size, MSG_NOSIGNAL) : ::recv(socket, at, size, 0);
    if (moved <= 0 && !(moved < 0 && (errno == EINTR || errno == EAGAIN)))
      return false;
    if (moved > 0)
      at += moved, size -= static_cast<size_t>(moved);
  }
  return true;
}

int listenAnywhere(Address &address) {
  int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t length = sizeof any;
  if (socket < 0 || ::bind(socket, reinterpret_cast<sockaddr *>(&any), sizeof any) || ::listen(socket, 64) || ::getsockname(socket, reinterpret_cast<sockaddr *>(&any), &length))
    unreachable(0, std::strerror(errno));
  address.port = ntohs(any.sin_port);
  ifaddrs *all = nullptr;
  ::getifaddrs(&all);
  for (ifaddrs *i = all; i && address.hostCount < std::size(address.hosts); i = i->ifa_next)
    if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && !(i->ifa_flags & IFF_LOOPBACK))
      address.hosts[address.hostCount++] = reinterpret_cast<sockaddr_in *>(i->ifa_addr)->sin_addr.s_addr;
  if (all)
    ::freeifaddrs(all);
  return socket;
}

/// A connection to one of rank 0's addresses, confirmed by it; −1 when there is none.
int callHost(uint32_t host, const Address &address, int rank) {
  int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = host;
  to.sin_port = htons(address.port);
  Greeting greeting{{address.token[0], address.token[1]}, rank};
  uint64_t answer = 0;
  if (socket >= 0 && (::connect(socket, reinterpret_cast<sockaddr *>(&to), sizeof to) == 0 || errno == EINPROGRESS) && transfer(socket, &greeting, sizeof greeting, true, kConnectMs) &&
      transfer(socket, &answer, sizeof answer, false, kConnectMs) && answer == ~address.token[0])
    return socket;
  if (socket >= 0)
    ::close(socket);
  return -1;
}

/// A machine that vanishes closes nothing: the system asks it now and then.
void keepAlive(int socket) {
  int on = 1, idle = 5, every = 2, times = 3;
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
}

} // namespace

Lifeline::Lifeline(Ranks &ranks) {
  Address mine;
  int listening = -1;
  if (ranks.rank() == 0) {
    std::random_device random;
    for (uint64_t &word : mine.token)
      word = (uint64_t(random()) << 32) | random();
    machineName(mine.machine);
    listening = listenAnywhere(mine);
  }
  std::vector<Address> all(static_cast<size_t>(ranks.size()));
  ranks.gather(&mine, all.data(), sizeof mine);
  const Address &root = all.front();
  if (ranks.rank() != 0) {
    char machine[40] = {};
    machineName(machine);
    int socket = std::strcmp(machine, root.machine) == 0 ? callHost(htonl(INADDR_LOOPBACK), root, ranks.rank()) : -1;
    for (uint32_t i = 0; socket < 0 && i < root.hostCount; ++i)
      socket = callHost(root.hosts[i], root, ranks.rank());
    if (socket < 0)
      unreachable(ranks.rank(), "no way to rank 0");
    keepAlive(socket);
    peers_.push_back({0, socket});
    return;
  }
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kTimeoutMs);
  while (peers_.size() + 1 < static_cast<size_t>(ranks.size())) {
    int left = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count());
    pollfd wait{listening, POLLIN, 0};
    if (left <= 0 || ::poll(&wait, 1, left) < 0) {
      ::close(listening);
      unreachable(0, std::to_string(ranks.size() - 1 - static_cast<int>(peers_.size())) + " ranks that did not call within a minute");
    }
    int socket = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0)
      continue;
    Greeting greeting{};
    uint64_t answer = ~root.token[0];
    // Whoever else found the port does not know the token.
    if (!transfer(socket, &greeting, sizeof greeting, false, kConnectMs) || greeting.token[0] != root.token[0] || greeting.token[1] != root.token[1] || !transfer(socket, &answer, sizeof answer, true, kConnectMs)) {
      ::close(socket);
      continue;
    }
    keepAlive(socket);
    peers_.push_back({greeting.rank, socket});
  }
  ::close(listening);
}

Lifeline::~Lifeline() {
  for (const Peer &peer : peers_)
    if (peer.socket >= 0)
      ::close(peer.socket);
}

Lifeline::News Lifeline::wait(int milliseconds) {
  std::vector<pollfd> sockets;
  for (const Peer &peer : peers_)
    sockets.push_back({peer.socket, POLLIN, 0}); // a negative descriptor is passed over
  if (::poll(sockets.data(), sockets.size(), milliseconds) <= 0)
    return {};
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (!sockets[i].revents)
      continue;
    char word = 0;
    ssize_t got = ::recv(peers_[i].socket, &word, 1, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
      continue;
    if (got == 1 && word == kFinished) {
      ::close(peers_[i].socket);
      peers_[i].socket = -1;
      continue;
    }
    return {got == 1 && word == kInterrupted ? Event::Interrupted : Event::Lost, peers_[i].rank};
  }
  return {};
}

void Lifeline::farewell(bool interrupted) {
  char word = interrupted ? kInterrupted : kFinished;
  for (const Peer &peer : peers_)
    if (peer.socket >= 0)
      [[maybe_unused]] ssize_t sent = ::send(peer.socket, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

} // namespace hb
