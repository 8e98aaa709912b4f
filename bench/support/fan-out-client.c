/*
 * One stream of edits to many subscribers: sends them, and counts what comes of it. Closed loop: at most WINDOW edits are not yet with
 * everybody, so that nobody's buffers grow.
 *
 *   fan-out-client bfly  PORT SUBSCRIBERS SECONDS WINDOW HELLO SUBSCRIBE CREDIT EDIT UNANSWERED CREDIT_BYTES
 *   fan-out-client plain PORT SUBSCRIBERS SECONDS WINDOW PATH GREETING AT PATTERN LENGTH FRAMES
 *
 * bfly: SUBSCRIBERS connections and as many writers as WINDOW needs, of which each has UNANSWERED edits under way. CREDIT has a gap S.
 * plain: the first subscriber writes, and is told of it like all others. GREETING is sent on each as it is, hex. What is an edit: a
 * message of LENGTH bytes (0: any) that has PATTERN, hex, at AT. FRAMES: a file of frames to send, each behind its length of 32 bits,
 * little-endian; a single one is sent again and again.
 *
 * Before it measures, it sends some edits and looks whether each subscriber gets each of them once. Prints one line of JSON: `frames` are
 * deliveries.
 */
#include "websocket-load.h"

enum { CHECKED = 16, SETTLE_MS = 500 };

static struct template hello, subscribe, credit, edit;
static struct connection **connections;
static int subscribers, writers, ready;
static uint64_t window, sent, delivered, limit, credit_bytes;
static int unanswered;

static void count_delivery(struct connection *c, uint64_t edits) {
  c->payload += edits;
  delivered += edits;
  frames += edits;
  bytes += c->length;
}

/* How many edits may be sent now. */
static uint64_t room(void) {
  uint64_t out_there = sent - delivered / subscribers, most = limit - sent;
  uint64_t some = out_there < window ? window - out_there : 0;
  return some < most ? some : most;
}

/* ---- ours ---- */

static void send_edits(void) {
  static int turn;
  for (int tries = 0; tries < writers && room() > 0; tries++) {
    struct connection *c = connections[subscribers + turn++ % writers];
    for (; c->under_way < unanswered && room() > 0; c->under_way++, sent++) put_edit(c, &edit);
    flush_to(c->fd);
  }
}

static void on_ours(struct connection *c) {
  unsigned type = type_of(c);
  if (type == WELCOME) {
    if (c->index < subscribers) put_message(&subscribe);
    else ready++;
  } else if (type == SUBSCRIBE_OK) ready++;
  else if (type == EDIT_OK) c->under_way--;
  else if (type == EDITS || type == SNAP) {
    c->received += c->length;
    if (type == EDITS) count_delivery(c, big_endian(c->head + 17, 8) - big_endian(c->head + 8, 8));
    if (c->granted - c->received > credit_bytes / 2) return;
    c->granted = c->received + credit_bytes;
    fill(&credit, 'S', c->granted);
    put_message(&credit);
  }
}

/* ---- others ---- */

static uint8_t *list, *pattern;
static size_t list_bytes, list_at, pattern_at, pattern_bytes, message_bytes;

static void send_frames(void) {
  while (room() > 0 && out_bytes < sizeof out / 2) {
    if (list_at == list_bytes) fail("all messages were sent");
    uint32_t size;
    memcpy(&size, list + list_at, sizeof size);
    put(list + list_at + sizeof size, size);
    if (sizeof size + size < list_bytes) list_at += sizeof size + size;
    sent++;
  }
  flush_to(connections[0]->fd);
}

static void on_theirs(struct connection *c) {
  if (message_bytes != 0 && c->length != message_bytes) return;
  if (c->head_bytes >= pattern_at + pattern_bytes && memcmp(c->head + pattern_at, pattern, pattern_bytes) == 0) count_delivery(c, 1);
}

static void read_list(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) fail("there are no frames at %s", path);
  list_bytes = ftell(file);
  rewind(file);
  list = malloc(list_bytes);
  if (list == NULL || fread(list, 1, list_bytes, file) != list_bytes) fail("the frames cannot be read");
  fclose(file);
}

/* ---- both ---- */

static void check(int events) {
  limit = CHECKED;
  after_read();
  for (double until = now_ms() + SILENCE_MS; delivered < (uint64_t)subscribers * CHECKED; take_some(events, take_frames))
    if (now_ms() > until) fail("%zu of %d deliveries came", (size_t)delivered, subscribers * CHECKED);
  for (int n = 0; n < subscribers; n++)
    if (connections[n]->payload != CHECKED) fail("a subscriber got %zu of %d edits", (size_t)connections[n]->payload, CHECKED);
  limit = UINT64_MAX;
  after_read();
}

static void nothing(void) {}

static void measure(int count, const char *path, const char *protocol, const struct template *greeting, double seconds) {
  void (*send_some)(void) = after_read;
  int events = epoll_create1(0);
  connections = calloc(count, sizeof *connections);
  after_read = nothing;
  for (int n = 0; n < count; n++) {
    struct connection *c = connections[n] = dial_one(n);
    c->granted = credit_bytes;
    upgrade(c->fd, path, protocol);
    if (unanswered > 0) put_message(greeting);
    else put(greeting->bytes, greeting->length);
    flush_to(c->fd);
    watch(events, c);
  }
  if (unanswered > 0)
    while (ready < count) take_some(events, take_frames);
  /* What servers say to whom has come is over when nothing more comes. */
  struct epoll_event event;
  for (double until = now_ms() + SETTLE_MS; now_ms() < until;)
    if (epoll_wait(events, &event, 1, SETTLE_MS) > 0) take_some(events, take_frames);
    else break;
  if (delivered > 0) fail("there were edits before any was sent");
  after_read = send_some;
  check(events);
  run(events, seconds, take_frames);
}

int main(int count, char **words) {
  if (count < 12) fail("usage: %s bfly|plain PORT SUBSCRIBERS SECONDS WINDOW ...", words[0]);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  port = atoi(words[2]);
  subscribers = atoi(words[3]);
  double seconds = atof(words[4]);
  window = strtoull(words[5], NULL, 10);
  if (strcmp(words[1], "bfly") == 0) {
    on_message = on_ours;
    after_read = send_edits;
    hello = parse_template(words[6]);
    subscribe = parse_template(words[7]);
    credit = parse_template(words[8]);
    edit = parse_template(words[9]);
    unanswered = atoi(words[10]);
    credit_bytes = strtoull(words[11], NULL, 10);
    writers = (window + unanswered - 1) / unanswered;
    measure(subscribers + writers, "/v1", "bfly.v1", &hello, seconds);
  } else if (count == 12) {
    on_message = on_theirs;
    after_read = send_frames;
    struct template greeting = parse_template(words[7]), wanted = parse_template(words[9]);
    pattern = wanted.bytes;
    pattern_bytes = wanted.length;
    pattern_at = strtoull(words[8], NULL, 10);
    message_bytes = strtoull(words[10], NULL, 10);
    read_list(words[11]);
    measure(subscribers, words[6], "", &greeting, seconds);
  } else fail("%s with %d words is no mode", words[1], count);
}
