/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Linnet inside a test or a program: stacks in the caller's process, each with ports in memory and a
 * clock that the caller sets. Nothing happens by itself: packets are handed in as bytes, what the
 * stack sends is taken out with the virtual time at which it was sent, and time moves when it is
 * told to. No root, no hugepages, no DPDK argument. docs/embed.md is the guide to this header.
 *
 *     ln_stack *stack = ln_embed_create(NULL);
 *     int port = ln_embed_add_ip_port(stack, "tun0", 1500);
 *     ln_embed_command(stack, "ip addr add 192.0.2.1/24 dev tun0", NULL, 0);
 *     int fd = ln_socket(AF_INET, SOCK_STREAM, 0);
 *     ...
 *     ln_embed_inject(stack, port, packet, length);
 *     n = ln_embed_take(stack, port, bytes, sizeof bytes, &sent_ns);
 *     ln_embed_advance(stack, 200 * 1000000);
 *
 * Functions return -1 (or NULL) where they fail, with errno set and a sentence in ln_embed_error().
 * Times are nanoseconds of the stack's clock. Several stacks may live at once or in turn.
 *
 * Threads: the thread that creates a stack drives it: only it calls the functions here that are not
 * marked "any thread" (ln_embed_drive_here passes that on). Socket calls (linnet/socket.h) of the
 * driving thread never sleep: the stack carries out at once, at the time that stands, what was asked,
 * and then they return what a non-blocking call would. Blocking calls of other threads really sleep
 * until the driving thread's packets and time wake them.
 */
#ifndef LINNET_EMBED_H
#define LINNET_EMBED_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "linnet/socket.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ln_stack ln_stack;

/* What can be chosen; 0 means the default everywhere. */
struct ln_embed_options {
  size_t size;            /* sizeof(struct ln_embed_options); fields beyond it are defaults */
  unsigned lanes;         /* 1 to 16; default 1 */
  unsigned packets;       /* packet buffers of 2 KiB; default 4096 */
  unsigned neighbours;    /* capacity of the neighbour table; default 256 */
  unsigned memory_mb;     /* for all stacks of the process; only the first stack's counts; default 128 */
  uint64_t seed;          /* of sequence numbers, ports, hashes: equal seeds, equal packets */
  int64_t start_ns;       /* the clock at the start; default 1 second */
};

/* Any thread. The sentence about the calling thread's last failure here; valid until its next. */
LN_EXPORT const char *ln_embed_error(void);

/*
 * A stack with the loopback device `lo`. `options` may be NULL. It becomes the stack of the calling
 * thread's new sockets (ln_embed_use).
 */
LN_EXPORT ln_stack *ln_embed_create(const struct ln_embed_options *options);
/* Ends the stack; its sockets fail with EBADF from then on. No other thread may be in a call. */
LN_EXPORT void ln_embed_destroy(ln_stack *stack);
/* Any thread. New sockets and epoll sets of the calling thread belong to `stack` from now on. */
LN_EXPORT int ln_embed_use(ln_stack *stack);
/* The calling thread drives the stack from now on; the former one has left its calls. */
LN_EXPORT int ln_embed_drive_here(ln_stack *stack);

/* --- Ports. Return the port's number, from 0. The port is up. */
/* Packets are Ethernet frames without FCS. `mac`: 6 bytes; NULL: one is made up. `mtu`: of IP. */
LN_EXPORT int ln_embed_add_ethernet_port(ln_stack *stack, const char *name, const uint8_t *mac,
                                         unsigned mtu);
/* Packets are IPv4 datagrams, without any link layer and without neighbour resolution. */
LN_EXPORT int ln_embed_add_ip_port(ln_stack *stack, const char *name, unsigned mtu);

/* --- Configuration. */
/*
 * Runs a command of the `linnet` grammar ("ip addr add ...", "ip route add ...", "ip neigh ...",
 * "show drops"; docs/commands.md). What it prints is written to `output` (up to `room` bytes with
 * the final NUL; NULL: not wanted). Fails with EINVAL, or EPERM where the stack refused it.
 */
LN_EXPORT int ln_embed_command(ln_stack *stack, const char *line, char *output, size_t room);
/* Settings by Linux's names: "net.ipv4.tcp_sack". ENOENT: there is none; EINVAL: out of range. */
LN_EXPORT int ln_embed_sysctl_set(ln_stack *stack, const char *name, const char *value);
LN_EXPORT int ln_embed_sysctl_get(ln_stack *stack, const char *name, char *value, size_t room);

/* --- Packets. */
/*
 * Gives the stack a packet that arrives now on the port, and lets it do what follows from it. The
 * bytes are copied. EMSGSIZE: longer than 65535 bytes; ENOBUFS: no packet buffer was free.
 */
LN_EXPORT int ln_embed_inject(ln_stack *stack, int port, const void *bytes, size_t length);
/* As ln_embed_inject, but the stack does not look at it before the next call that lets it run. */
LN_EXPORT int ln_embed_queue(ln_stack *stack, int port, const void *bytes, size_t length);
/*
 * Takes the next packet that the stack has sent on the port. Returns its length; where it is longer
 * than `room` the rest is lost. `sent_ns` (may be NULL): when it was sent. None there: -1, EAGAIN.
 */
LN_EXPORT ssize_t ln_embed_take(ln_stack *stack, int port, void *bytes, size_t room,
                                int64_t *sent_ns);
/* How many packets wait to be taken. */
LN_EXPORT int ln_embed_waiting(ln_stack *stack, int port);

/* --- Time. */
LN_EXPORT int64_t ln_embed_now(ln_stack *stack); /* any thread */
/* When a timer of the stack or a timeout of a sleeping call is due next; -1: none is. */
LN_EXPORT int64_t ln_embed_next_deadline(ln_stack *stack);
/* Lets the stack do all that is to be done at the time that stands. */
LN_EXPORT int ln_embed_run(ln_stack *stack);
/* Moves time on, stopping at every deadline on the way, so that each timer fires at its own time. */
LN_EXPORT int ln_embed_advance(ln_stack *stack, int64_t span_ns);
LN_EXPORT int ln_embed_advance_to(ln_stack *stack, int64_t at_ns);
/* Moves time to the next deadline. Returns 1; 0: there is none, nothing was done. */
LN_EXPORT int ln_embed_advance_to_deadline(ln_stack *stack);

/* --- Other threads' blocking calls. */
/* How many threads sleep in calls on the stack's descriptors. */
LN_EXPORT int ln_embed_sleepers(ln_stack *stack);
/*
 * Lets the stack run at the time that stands until at least `count` threads sleep, or for
 * `timeout_ms` of real time: then it fails with ETIMEDOUT. So a driver knows that a blocking call,
 * started in another thread, has done all it can before it is woken.
 */
LN_EXPORT int ln_embed_await_sleepers(ln_stack *stack, int count, int timeout_ms);
/* Likewise until at most `count` threads sleep: those that were woken have left their calls. */
LN_EXPORT int ln_embed_await_returns(ln_stack *stack, int count, int timeout_ms);

/* --- The account of packets: received + generated == sent + delivered + held + dropped. */
struct ln_embed_account {
  uint64_t received, generated, sent, delivered, held, dropped;
  uint64_t buffers_in_use;
};
LN_EXPORT int ln_embed_get_account(ln_stack *stack, struct ln_embed_account *account);

#ifdef __cplusplus
}
#endif

#endif
