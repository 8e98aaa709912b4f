/*
 * A WebSocket client of one thread that does next to nothing: epoll, and nothing but libc; Linux. In C because a Node client that takes
 * 2 GB/s is full before the server is: then two servers look alike, whatever they can do. Included by programs of one file each.
 *
 * Messages come as hex, made by whoever starts a program. A run of a letter beyond F stands for what is filled in, big-endian.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { LETTERS = 26, HEAD_BYTES = 1024, READ_BYTES = 256 * 1024 };
enum { TILE = 0x21, END = 0x22, EDITS = 0x41, SNAP = 0x44, WELCOME = 0x81, INFO_OK = 0x90, EDIT_OK = 0xb0, SUBSCRIBE_OK = 0xc0 };
enum { ERROR = 0xfe };
enum { WARM_UP_MS = 1000, SILENCE_MS = 5000 };

/* A message with gaps: `at[letter - 'A']` is where a value goes, `size` how many bytes it has. */
struct template {
  uint8_t bytes[1024];
  size_t length;
  size_t at[LETTERS], size[LETTERS];
};

struct connection {
  int fd;
  /* Its number, from 0. */
  int index;
  /* The frame, or the answer's body, that is being read. */
  uint8_t header[10];
  size_t header_bytes;
  uint64_t left;
  bool is_last;
  /* The message, or the answer's header. */
  uint64_t length;
  uint8_t head[HEAD_BYTES];
  size_t head_bytes;
  /* What was asked and what has come of it. */
  uint32_t id;
  uint64_t received, granted, stream, payload;
  uint8_t writer[16];
  uint32_t number;
  int under_way;
};

static int port;
/* What has come since the warm-up. */
static uint64_t bytes, frames;
/* What the present connection is to send: one write for all that one read has brought about. */
static uint8_t out[128 * 1024];
static size_t out_bytes;

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static double now_ms(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1e3 + at.tv_nsec / 1e6;
}

static uint64_t big_endian(const uint8_t *from, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) value = value << 8 | from[i];
  return value;
}

/* ---- messages out ---- */

static struct template parse_template(const char *hex) {
  struct template t = {.length = strlen(hex) / 2};
  if (t.length > sizeof t.bytes) fail("a message of %zu bytes is too long", t.length);
  for (size_t i = 0; i < t.length; i++) {
    const char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
    if (isxdigit(pair[0])) {
      t.bytes[i] = strtoul(pair, NULL, 16);
      continue;
    }
    size_t letter = pair[0] - 'A';
    if (letter >= LETTERS) fail("%s is neither hex nor a letter", pair);
    if (t.size[letter]++ == 0) t.at[letter] = i;
  }
  return t;
}

static void fill(struct template *t, char letter, uint64_t value) {
  size_t size = t->size[letter - 'A'];
  if (size == 0) fail("a message has no place for %c", letter);
  for (size_t i = 0; i < size; i++) t->bytes[t->at[letter - 'A'] + i] = value >> 8 * (size - 1 - i);
}

static void put(const void *from, size_t size) {
  if (out_bytes + size > sizeof out) fail("there is more to send than fits");
  memcpy(out + out_bytes, from, size);
  out_bytes += size;
}

static void put_message(const struct template *t) {
  uint8_t header[8] = {0x82, 0x80 | (t->length > 125 ? 126 : t->length), t->length >> 8, t->length};
  /* A mask of zeros is a mask: the payload stays as it is. */
  if (t->length <= 125) header[2] = header[3] = 0;
  put(header, t->length > 125 ? 8 : 6);
  put(t->bytes, t->length);
}

static void flush_to(int fd) {
  for (size_t at = 0; at < out_bytes;) {
    ssize_t sent = send(fd, out + at, out_bytes - at, MSG_NOSIGNAL);
    if (sent < 0) fail("sending: %s", strerror(errno));
    at += sent;
  }
  out_bytes = 0;
}

/* Writes an EDIT that merges two ids into what is to be sent. */
static void put_edit(struct connection *c, struct template *t) {
  uint32_t one = 1 + random() % 1000000, other = 1 + random() % 999999;
  c->number++;
  memcpy(t->bytes + t->at['W' - 'A'], c->writer, sizeof c->writer);
  fill(t, 'I', c->number + 1);
  fill(t, 'Q', c->number);
  fill(t, 'X', one);
  fill(t, 'Y', other < one ? other : other + 1);
  put_message(t);
}

/* ---- messages in ---- */

static unsigned type_of(const struct connection *c) {
  if (c->head_bytes < 2) fail("a message is too short");
  unsigned type = c->head[1] < 0x80 ? c->head[1] : c->head[2];
  if (type == ERROR) {
    char text[HEAD_BYTES + 1] = {0};
    for (size_t i = 0; i < c->head_bytes; i++) text[i] = isprint(c->head[i]) ? c->head[i] : ' ';
    fail("the server answered ERROR %s", text);
  }
  return type;
}

static void (*on_message)(struct connection *);

/* Takes one more byte of a frame's header. */
static void take_frame_header(struct connection *c, uint8_t byte) {
  c->header[c->header_bytes++] = byte;
  if (c->header_bytes < 2) return;
  unsigned length = c->header[1];
  if (length > 127) fail("the server masks");
  size_t size = length == 126 ? 4 : length == 127 ? 10 : 2;
  if (c->header_bytes < size) return;
  unsigned opcode = c->header[0] & 0x7f;
  if (opcode == 8) fail("the server closes the connection");
  if (opcode > 2) fail("a frame begins with %02x", c->header[0]);
  c->is_last = c->header[0] & 0x80;
  c->left = size == 2 ? length : big_endian(c->header + 2, size - 2);
  c->header_bytes = 0;
  if (c->left == 0) fail("a frame is empty");
}

static void take_frames(struct connection *c, const uint8_t *data, size_t size) {
  for (size_t at = 0; at < size;) {
    if (c->left == 0) {
      take_frame_header(c, data[at++]);
      continue;
    }
    size_t taken = c->left < size - at ? c->left : size - at;
    size_t kept = HEAD_BYTES - c->head_bytes < taken ? HEAD_BYTES - c->head_bytes : taken;
    memcpy(c->head + c->head_bytes, data + at, kept);
    c->head_bytes += kept;
    c->length += taken;
    c->left -= taken;
    at += taken;
    if (c->left > 0 || !c->is_last) continue;
    on_message(c);
    c->length = c->head_bytes = 0;
  }
}

/* ---- connections ---- */

static int dial(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) fail("connecting: %s", strerror(errno));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return fd;
}

/* The handshake, with the key and the answer of RFC 6455's example. An empty protocol is none. */
static void upgrade(int fd, const char *path, const char *protocol) {
  char text[1024], offer[128] = "";
  if (*protocol != 0) snprintf(offer, sizeof offer, "Sec-WebSocket-Protocol: %s\r\n", protocol);
  put(text, snprintf(text, sizeof text,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                     path, port, offer));
  flush_to(fd);
  size_t length = 0;
  /* Byte by byte, so that nothing behind the answer is taken. */
  while (length < 4 || memcmp(text + length - 4, "\r\n\r\n", 4) != 0)
    if (length == sizeof text - 1 || recv(fd, text + length++, 1, 0) != 1) fail("the handshake was not answered");
  text[length] = 0;
  if (strncmp(text, "HTTP/1.1 101 ", 13) != 0 || strstr(text, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == NULL)
    fail("the handshake was answered %s", text);
}

/* Seconds of processor that this client has used. */
static double used_seconds(void) {
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  return use.ru_utime.tv_sec + use.ru_stime.tv_sec + (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* Called when what a read has brought about is sent. */
static void (*after_read)(void);

typedef void taker(struct connection *, const uint8_t *, size_t);

/* Takes what has come, at most what epoll tells at once. */
static void take_some(int events, taker *take) {
  static uint8_t data[READ_BYTES];
  struct epoll_event ready[64];
  int count = epoll_wait(events, ready, 64, SILENCE_MS);
  if (count <= 0) fail("the server said nothing for %d ms", SILENCE_MS);
  for (int i = 0; i < count; i++) {
    struct connection *c = ready[i].data.ptr;
    ssize_t size = recv(c->fd, data, sizeof data, 0);
    if (size <= 0) fail("the server closed a connection: %s", size == 0 ? "it ended" : strerror(errno));
    take(c, data, size);
    flush_to(c->fd);
    if (after_read != NULL) after_read();
  }
}

/* Takes for some seconds after a warm-up, and prints what came. */
static void run(int events, double seconds, taker *take) {
  /* A second, for a server that starts cold reads its tiles and compiles its JavaScript in it. */
  double from = now_ms() + WARM_UP_MS;
  while (now_ms() < from) take_some(events, take);
  bytes = frames = 0;
  from = now_ms();
  double used = used_seconds(), now = from;
  for (; now < from + seconds * 1e3; now = now_ms()) take_some(events, take);
  printf("{\"bytes\":%llu,\"frames\":%llu,\"seconds\":%.6f,\"used\":%.6f}\n", (unsigned long long)bytes,
         (unsigned long long)frames, (now - from) / 1e3, used_seconds() - used);
}

static void watch(int events, struct connection *c) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(events, EPOLL_CTL_ADD, c->fd, &event) < 0) fail("epoll: %s", strerror(errno));
}

/* A connection that has said nothing yet. */
static struct connection *dial_one(int index) {
  struct connection *c = calloc(1, sizeof *c);
  if (c == NULL || getrandom(c->writer, sizeof c->writer, 0) != sizeof c->writer) fail("no memory or no random bytes");
  c->fd = dial();
  c->index = index;
  return c;
}
