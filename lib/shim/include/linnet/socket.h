/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets of Linnet: the calls of POSIX and Linux under names that start with ln_.
 *
 * Arguments, results and errno are those of Linux's calls of the same name (socket(2), tcp(7),
 * udp(7), ip(7) ...); structures and constants are those of the system's own headers. A call that
 * fails returns -1 and sets errno. lib/shim/README.md lists what differs, with the reason.
 *
 * Any thread may use any descriptor. Descriptors are Linnet's own numbers, from LN_FD_BASE on: the
 * kernel's never clash with them. The waiting calls (ln_poll, ln_ppoll, ln_epoll_*) take both kinds.
 * A call that is given a kernel descriptor where only one of ours will do fails with EBADF.
 *
 * Which stack a new socket belongs to: the one that the calling thread has chosen (ln_embed_use in
 * linnet/embed.h), else the process's (a program that starts Linnet in process has one).
 */
#ifndef LINNET_SOCKET_H
#define LINNET_SOCKET_H

#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LN_EXPORT __attribute__((visibility("default")))

/* The lowest descriptor of ours, and how many a process can have. */
#define LN_FD_BASE 0x100000
#define LN_FD_MOST 0x100000

struct mmsghdr;

/*
 * socket(2). Domain PF_INET: SOCK_STREAM (TCP) and SOCK_DGRAM (UDP; IPPROTO_ICMP: ping); type may
 * carry SOCK_NONBLOCK and SOCK_CLOEXEC. Other domains: EAFNOSUPPORT; other types, SOCK_RAW among
 * them: ESOCKTNOSUPPORT; a protocol that is not there: EPROTONOSUPPORT. No stack in this process:
 * ENETDOWN.
 */
LN_EXPORT int ln_socket(int domain, int type, int protocol);
LN_EXPORT int ln_bind(int fd, const struct sockaddr *address, socklen_t length);
LN_EXPORT int ln_listen(int fd, int backlog);
LN_EXPORT int ln_accept(int fd, struct sockaddr *address, socklen_t *length);
LN_EXPORT int ln_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
LN_EXPORT int ln_connect(int fd, const struct sockaddr *address, socklen_t length);
LN_EXPORT int ln_shutdown(int fd, int how);
/* Another number for the same socket; ln_close of the last one closes it. */
LN_EXPORT int ln_dup(int fd);
LN_EXPORT int ln_close(int fd);
LN_EXPORT int ln_getsockname(int fd, struct sockaddr *address, socklen_t *length);
LN_EXPORT int ln_getpeername(int fd, struct sockaddr *address, socklen_t *length);

/*
 * Flags: MSG_PEEK, MSG_OOB, MSG_DONTWAIT, MSG_MORE, MSG_WAITALL, MSG_TRUNC, MSG_NOSIGNAL,
 * MSG_ERRQUEUE, MSG_DONTROUTE is EOPNOTSUPP. A write to a connection that was shut down raises
 * SIGPIPE unless MSG_NOSIGNAL is given. MSG_FASTOPEN with an address connects, and the SYN carries
 * what it can (RFC 7413; net.ipv4.tcp_fastopen has 1, else EOPNOTSUPP).
 */
LN_EXPORT ssize_t ln_send(int fd, const void *bytes, size_t count, int flags);
LN_EXPORT ssize_t ln_sendto(int fd, const void *bytes, size_t count, int flags,
                            const struct sockaddr *address, socklen_t length);
LN_EXPORT ssize_t ln_sendmsg(int fd, const struct msghdr *message, int flags);
LN_EXPORT int ln_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
LN_EXPORT ssize_t ln_recv(int fd, void *bytes, size_t count, int flags);
LN_EXPORT ssize_t ln_recvfrom(int fd, void *bytes, size_t count, int flags,
                              struct sockaddr *address, socklen_t *length);
LN_EXPORT ssize_t ln_recvmsg(int fd, struct msghdr *message, int flags);
LN_EXPORT int ln_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                          struct timespec *timeout);
LN_EXPORT ssize_t ln_read(int fd, void *bytes, size_t count);
LN_EXPORT ssize_t ln_write(int fd, const void *bytes, size_t count);
LN_EXPORT ssize_t ln_readv(int fd, const struct iovec *parts, int count);
LN_EXPORT ssize_t ln_writev(int fd, const struct iovec *parts, int count);

LN_EXPORT int ln_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
LN_EXPORT int ln_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
/* FIONREAD, FIONBIO, SIOCATMARK, SIOCOUTQ; others: ENOTTY. */
LN_EXPORT int ln_ioctl(int fd, unsigned long request, ...);
/* F_GETFL, F_SETFL (O_NONBLOCK), F_GETFD, F_SETFD, F_DUPFD, F_DUPFD_CLOEXEC; others: EINVAL. */
LN_EXPORT int ln_fcntl(int fd, int command, ...);

/* --- Waiting. Kernel descriptors (below LN_FD_BASE) may stand beside ours. */
LN_EXPORT int ln_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
LN_EXPORT int ln_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                       const sigset_t *mask);

/* Sets of our descriptors for ln_select: the system's fd_set cannot hold their numbers. */
#define LN_FD_SETSIZE 4096
typedef struct ln_fd_set {
  uint64_t bits[LN_FD_SETSIZE / 64];
} ln_fd_set;
LN_EXPORT void ln_fd_zero(ln_fd_set *set);
LN_EXPORT void ln_fd_add(int fd, ln_fd_set *set); /* a number that does not fit is left out */
LN_EXPORT void ln_fd_remove(int fd, ln_fd_set *set);
LN_EXPORT int ln_fd_isset(int fd, const ln_fd_set *set);
/* `highest`: the highest descriptor in any set, plus 1. The timeout is not changed. */
LN_EXPORT int ln_select(int highest, ln_fd_set *readable, ln_fd_set *writable, ln_fd_set *except,
                        const struct timeval *timeout);

/*
 * epoll(7): level- and edge-triggered (EPOLLET), EPOLLONESHOT, EPOLLRDHUP. EPOLLEXCLUSIVE is refused
 * with EINVAL. A set may hold other sets of ours.
 */
LN_EXPORT int ln_epoll_create1(int flags);
LN_EXPORT int ln_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
LN_EXPORT int ln_epoll_wait(int set, struct epoll_event *events, int most, int timeout_ms);
LN_EXPORT int ln_epoll_pwait(int set, struct epoll_event *events, int most, int timeout_ms,
                             const sigset_t *mask);
/*
 * A kernel descriptor for programs with a loop of their own around the kernel's poll or epoll: it is
 * readable when ln_epoll_wait(set, ..., 0) should be called. Before waiting for it, call that until
 * it returns 0. It belongs to the set: do not read or close it. One of a set's life.
 */
LN_EXPORT int ln_epoll_kernel_fd(int set);

/*
 * --- Without copying. A buffer is memory of the stack's: `data` and `length` say where the bytes
 * are; `token` is Linnet's.
 */
struct ln_buffer {
  void *data;
  size_t length;
  uint64_t token;
};
/*
 * Takes received bytes as they lie: up to `count` buffers of a stream, or those of one datagram
 * (EMSGSIZE where it has more; it stays). Returns how many buffers were lent; 0: end of the stream. Flags: MSG_DONTWAIT. The bytes
 * count as read; their memory is the caller's until ln_recv_return, which must follow before the
 * socket's last ln_close.
 */
LN_EXPORT int ln_recv_borrow(int fd, struct ln_buffer *buffers, int count, int flags);
LN_EXPORT int ln_recv_return(int fd, const struct ln_buffer *buffers, int count);
/*
 * A free buffer to write into: `data`, and in `length` how many bytes it can take. It is given to
 * ln_send_buffer, which takes `length` bytes of it, or to ln_send_buffer_drop. ENOBUFS: none free.
 */
LN_EXPORT int ln_send_buffer_get(int fd, struct ln_buffer *buffer);
/*
 * Sends the buffers in order, on a stream or connected datagram socket (one datagram each). Returns
 * how many were taken: those are the stack's, the others remain the caller's. -1: none was.
 */
LN_EXPORT int ln_send_buffer(int fd, const struct ln_buffer *buffers, int count, int flags);
LN_EXPORT int ln_send_buffer_drop(int fd, const struct ln_buffer *buffers, int count);

/*
 * --- Names: getaddrinfo(3), getnameinfo(3), gethostbyname(3) with <netdb.h>'s structures, flags and
 * codes. IPv4 only: AF_UNSPEC means AF_INET, AF_INET6 is EAI_FAMILY, an IPv6 number EAI_ADDRFAMILY.
 *
 * Numbers are taken as they are; then the hosts file, "localhost", then DNS by the calling thread's
 * stack (ln_socket): the servers of ln_resolver_set, else of the environment's LINNET_NAMESERVERS
 * (same form), else of resolv.conf(5); UDP from a new random port each time, TCP where an answer is
 * truncated. Services are those of /etc/services.
 *
 * A question to DNS sleeps, by the stack's time, for at most timeout x attempts x servers (twice that
 * with TCP) and each name searched. On the thread that drives an embedded stack, which never sleeps,
 * what needs one is EAI_AGAIN. Without a stack it is EAI_SYSTEM with ENETDOWN, from a stack that ends
 * with EBADF.
 */
struct addrinfo;
struct hostent;
/*
 * 0 and a list in `*result` (ln_freeaddrinfo), or EAI_: NONAME (there is no such name, or nothing was
 * asked), NODATA (it has no IPv4 address), AGAIN (no server answered, or each of them could not),
 * FAIL (an answer made no sense), SERVICE (also a number above 65535), SOCKTYPE (SOCK_STREAM with TCP
 * and SOCK_DGRAM with UDP are there), FAMILY, ADDRFAMILY, BADFLAGS, MEMORY, SYSTEM (errno). Flags:
 * AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST, AI_NUMERICSERV; AI_V4MAPPED, AI_ALL and AI_ADDRCONFIG
 * change nothing, for all is IPv4. Addresses stand in the order in which they were found.
 */
LN_EXPORT int ln_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                             struct addrinfo **result);
/* Only lists of ln_getaddrinfo's; whole ones. */
LN_EXPORT void ln_freeaddrinfo(struct addrinfo *list);
/* The words for a code: the C library's own. */
LN_EXPORT const char *ln_gai_strerror(int code);
/*
 * 0 or EAI_. Flags: NI_NUMERICHOST, NI_NUMERICSERV, NI_NAMEREQD, NI_DGRAM, NI_NOFQDN (the local
 * domain is cut off). An address without a name is told by number. EAI_OVERFLOW: too little room.
 */
LN_EXPORT int ln_getnameinfo(const struct sockaddr *address, socklen_t length, char *host,
                             socklen_t host_room, char *service, socklen_t service_room, int flags);
/* NULL: h_errno says why. The result is the calling thread's until its next call. */
LN_EXPORT struct hostent *ln_gethostbyname(const char *name);
/*
 * Likewise in the caller's room. 0: `*result` is `host`, or NULL with `*error` as h_errno; else
 * errno's number, ERANGE where the room is too small.
 */
LN_EXPORT int ln_gethostbyname_r(const char *name, struct hostent *host, char *room, size_t count,
                                 struct hostent **result, int *error);

/* Where names are looked up. NULL and 0 mean the default. The words are copied. */
struct ln_resolver_options {
  size_t size;             /* sizeof(struct ln_resolver_options); fields beyond it are defaults */
  const char *servers;     /* "192.0.2.53,192.0.2.54:5353" */
  const char *search;      /* domains, by blanks or commas; "": none; NULL: those of resolv_file */
  const char *hosts_file;  /* default /etc/hosts */
  const char *resolv_file; /* default /etc/resolv.conf */
  unsigned timeout_ms;     /* of one question to one server; default resolv_file's, else 5000 */
  unsigned attempts;       /* rounds over all servers; default resolv_file's, else 2 */
};
/*
 * For the calling thread's stack, all threads, from the next look-up on. NULL: the defaults again.
 * EINVAL: a server is not an address with or without a port; ENETDOWN: there is no stack.
 */
LN_EXPORT int ln_resolver_set(const struct ln_resolver_options *options);

#ifdef __cplusplus
}
#endif

#endif
