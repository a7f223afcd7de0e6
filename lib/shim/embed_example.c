/* SPDX-License-Identifier: BSD-3-Clause */
/* Linnet in a C program: a stack without a link layer answers a ping that is handed to it as bytes. */
#include <linnet/embed.h>
#include <linnet/socket.h>
#include <stdio.h>
#include <string.h>

/* RFC 1071. */
static unsigned checksum(const unsigned char *bytes, size_t count) {
  unsigned long sum = 0;
  size_t i;
  for (i = 0; i < count; ++i)
    sum += (unsigned long)bytes[i] << (i % 2 == 0 ? 8 : 0);
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return (unsigned)(~sum & 0xffff);
}

static void put16(unsigned char *at, unsigned value) {
  at[0] = (unsigned char)(value >> 8);
  at[1] = (unsigned char)value;
}

static int failed(const char *what) {
  fprintf(stderr, "%s: %s\n", what, ln_embed_error());
  return 1;
}

int main(void) {
  static const unsigned char from[4] = {192, 0, 2, 2}, to[4] = {192, 0, 2, 1};
  unsigned char request[20 + 8 + 4] = {0x45, 0, 0, sizeof request, 0, 1, 0, 0, 64, 1};
  unsigned char answer[1500];
  int64_t sent_ns;
  ssize_t length;
  int port;
  ln_stack *stack = ln_embed_create(NULL);
  if (stack == NULL) return failed("ln_embed_create");
  port = ln_embed_add_ip_port(stack, "tun0", 1500);
  if (port < 0) return failed("ln_embed_add_ip_port");
  if (ln_embed_command(stack, "ip addr add 192.0.2.1/24 dev tun0", NULL, 0) != 0)
    return failed("ip addr add");

  memcpy(request + 12, from, 4);
  memcpy(request + 16, to, 4);
  put16(request + 10, checksum(request, 20));
  request[20] = 8; /* echo request */
  memcpy(request + 28, "ping", 4);
  put16(request + 22, checksum(request + 20, 12));

  if (ln_embed_advance(stack, 5 * 1000000) != 0) return failed("ln_embed_advance");
  if (ln_embed_inject(stack, port, request, sizeof request) != 0) return failed("ln_embed_inject");
  length = ln_embed_take(stack, port, answer, sizeof answer, &sent_ns);
  if (length < 0) return failed("ln_embed_take");
  printf("an answer of %zd bytes, ICMP type %d, at %lld ns\n", length, answer[20], (long long)sent_ns);
  if (length != sizeof request || answer[20] != 0 || memcmp(answer + 28, "ping", 4) != 0) return 1;
  if (sent_ns != ln_embed_now(stack)) return 1;
  ln_embed_destroy(stack);
  return 0;
}
