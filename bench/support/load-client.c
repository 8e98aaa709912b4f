/*
 * A client that asks and counts, for servers that fill a core.
 *
 *   load-client pull  PORT CONNECTIONS SECONDS HELLO REQUEST CREDIT WINDOW BYTES   streams of TILE; BYTES: payload of an answer
 *   load-client edits PORT CONNECTIONS SECONDS HELLO EDIT UNANSWERED               edits, UNANSWERED under way on each
 *   load-client ask   PORT CONNECTIONS SECONDS HELLO REQUEST UNANSWERED            INFO, UNANSWERED under way on each
 *   load-client echo  PORT CONNECTIONS SECONDS REQUEST UNANSWERED                  the same of a server that sends back what it gets
 *   load-client push  PORT CONNECTIONS SECONDS BYTES                               takes messages of BYTES that a bare server pushes
 *   load-client http  PORT CONNECTIONS SECONDS PATH...                             keep-alive GETs of the paths, in turn
 *
 * HELLO, REQUEST, CREDIT and EDIT are messages in hex. Letters that stand for what is filled in: I id, L the connection's limit, S the
 * stream's limit, W writer, Q its number, X and Y two different ids.
 *
 * Prints one line of JSON: what came after the warm-up. Anything unexpected ends it with a sentence and status 1.
 */
#include "websocket-load.h"

enum { TILE_HEADER_BYTES = 64, CONT_FLAG = 1, LAST_FLAG = 2, FIRST_ID = 1 << 16 };

static struct template hello, request, credit;
static uint64_t window, answer_bytes;
static int unanswered;
static char **paths;
static size_t path_count, next_path;

static void ask(struct connection *c) {
  c->stream = c->payload = 0;
  fill(&request, 'I', ++c->id);
  put_message(&request);
}

static void grant(struct connection *c) {
  c->granted = c->received;
  fill(&credit, 'L', c->received + window);
  fill(&credit, 'I', c->id);
  fill(&credit, 'S', c->stream + window);
  put_message(&credit);
}

static void on_tile(struct connection *c) {
  const uint8_t *head = c->head;
  if (c->head_bytes < TILE_HEADER_BYTES || big_endian(head + 3, 4) != c->id || (head[8] & ~(CONT_FLAG | LAST_FLAG)) != 0 ||
      big_endian(head + 60, 4) != c->length - TILE_HEADER_BYTES)
    fail("a TILE of %zu bytes has a bad header", (size_t)c->length);
  bytes += c->length;
  frames++;
  c->received += c->length;
  c->stream += c->length;
  c->payload += c->length - TILE_HEADER_BYTES;
  if (c->received - c->granted >= window / 2) grant(c);
}

/* pull */
static void on_stream(struct connection *c) {
  unsigned type = type_of(c);
  if (type == TILE) on_tile(c);
  else if (type == WELCOME) ask(c);
  else if (type == END) {
    if (c->payload != answer_bytes) fail("an answer ended after %zu bytes of %zu", (size_t)c->payload, (size_t)answer_bytes);
    ask(c);
  }
}

/* edits */
static void on_answer(struct connection *c) {
  unsigned type = type_of(c);
  if (type == EDIT_OK) {
    frames++;
    bytes += c->length;
    put_edit(c, &request);
  } else if (type == WELCOME)
    for (int n = 0; n < unanswered; n++) put_edit(c, &request);
}

/* ask and echo. Ids begin where all of them take as many bytes: then answers are as long as each other. */
static void ask_more(struct connection *c, int count) {
  if (c->id < FIRST_ID) c->id = FIRST_ID;
  while (count-- > 0) {
    fill(&request, 'I', ++c->id);
    put_message(&request);
  }
}

static void take_reply(struct connection *c, size_t id_at) {
  if (answer_bytes == 0) answer_bytes = c->length;
  uint32_t id = big_endian(c->head + id_at, 4);
  if (c->length != answer_bytes || c->head_bytes < id_at + 4 || id > c->id || id + unanswered <= c->id)
    fail("an answer of %zu bytes, not %zu, is to %u", (size_t)c->length, (size_t)answer_bytes, id);
  frames++;
  bytes += c->length;
  ask_more(c, 1);
}

/* ask: array, type of two bytes, then the token of 32 bits and the id. */
static void on_reply(struct connection *c) {
  unsigned type = type_of(c);
  if (type == WELCOME) ask_more(c, unanswered);
  else if (type == INFO_OK && c->head[3] == 0xce) take_reply(c, 4);
  else fail("an answer has type %02x", type);
}

/* echo */
static void on_echo(struct connection *c) {
  size_t at = request.at['I' - 'A'];
  if (c->length != request.length || memcmp(c->head, request.bytes, at) != 0 ||
      memcmp(c->head + at + 4, request.bytes + at + 4, request.length - at - 4) != 0)
    fail("%zu bytes came back, not those %zu that were sent", (size_t)c->length, request.length);
  take_reply(c, at);
}

/* push */
static void on_push(struct connection *c) {
  if (c->length != answer_bytes) fail("a message has %zu bytes, not %zu", (size_t)c->length, (size_t)answer_bytes);
  bytes += c->length;
  frames++;
}

/* ---- plain HTTP ---- */

static void get(void) {
  char text[2048];
  put(text, snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", paths[next_path++ % path_count], port));
}

/* Takes one more byte of an answer's header. */
static void take_answer_header(struct connection *c, uint8_t byte) {
  if (c->head_bytes == HEAD_BYTES - 1) fail("an answer's header is too long");
  c->head[c->head_bytes++] = byte;
  if (c->head_bytes < 4 || memcmp(c->head + c->head_bytes - 4, "\r\n\r\n", 4) != 0) return;
  c->head[c->head_bytes] = 0;
  c->head_bytes = 0;
  const char *head = (const char *)c->head, *length = strcasestr(head, "\ncontent-length:");
  if (strncmp(head, "HTTP/1.1 200 ", 13) != 0 || length == NULL) fail("the server answered %s", head);
  c->left = strtoull(length + 16, NULL, 10);
  if (c->left == 0) fail("an answer is empty");
}

static void take_answers(struct connection *c, const uint8_t *data, size_t size) {
  for (size_t at = 0; at < size;) {
    if (c->left == 0) {
      take_answer_header(c, data[at++]);
      continue;
    }
    size_t taken = c->left < size - at ? c->left : size - at;
    bytes += taken;
    c->left -= taken;
    at += taken;
    if (c->left > 0) continue;
    frames++;
    get();
  }
}

/* Opens connections that begin by asking for something. */
static int open_all(int connections, const char *path, const char *protocol) {
  int events = epoll_create1(0);
  for (int n = 0; n < connections; n++) {
    struct connection *c = dial_one(n);
    c->id = 1;
    if (path == NULL) get();
    else upgrade(c->fd, path, protocol);
    if (hello.length > 0) put_message(&hello);
    else if (request.length > 0) ask_more(c, unanswered);
    flush_to(c->fd);
    watch(events, c);
  }
  return events;
}

int main(int count, char **words) {
  if (count < 6) fail("usage: %s MODE PORT CONNECTIONS SECONDS ...", words[0]);
  const char *mode = words[1];
  int connections = atoi(words[3]);
  double seconds = atof(words[4]);
  port = atoi(words[2]);
  if (strcmp(mode, "http") == 0) {
    paths = words + 5;
    path_count = count - 5;
    run(open_all(connections, NULL, NULL), seconds, take_answers);
    return 0;
  }
  const char *at = "/v1", *protocol = "bfly.v1";
  if (strcmp(mode, "push") == 0 && count == 6) {
    on_message = on_push;
    answer_bytes = strtoull(words[5], NULL, 10);
    at = "/", protocol = "x";
  } else if (strcmp(mode, "echo") == 0 && count == 7) {
    on_message = on_echo;
    request = parse_template(words[5]);
    unanswered = atoi(words[6]);
    at = "/", protocol = "x";
  } else if (strcmp(mode, "pull") == 0 && count == 10) {
    on_message = on_stream;
    hello = parse_template(words[5]);
    request = parse_template(words[6]);
    credit = parse_template(words[7]);
    window = strtoull(words[8], NULL, 10);
    answer_bytes = strtoull(words[9], NULL, 10);
  } else if ((strcmp(mode, "edits") == 0 || strcmp(mode, "ask") == 0) && count == 8) {
    on_message = strcmp(mode, "ask") == 0 ? on_reply : on_answer;
    hello = parse_template(words[5]);
    request = parse_template(words[6]);
    unanswered = atoi(words[7]);
  } else fail("%s with %d words is no mode", mode, count);
  run(open_all(connections, at, protocol), seconds, take_frames);
}
