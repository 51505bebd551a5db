/* A server whose truth is known: streams chat completions on an absolute schedule and logs the clock before each write.
 *
 *   known_truth REQUESTS CHUNKS TTFT_NS GAP_NS CORE FLOOD
 *
 * Prints its port. Chunk k of a request is due TTFT_NS + k * GAP_NS after the request was read. One thread, pinned to
 * CORE (-1: not pinned), which spins while streams run: nothing here sleeps past a due time. With FLOOD the schedule is
 * left out, and every reply is written as fast as the socket takes it, one write a chunk, nothing logged.
 * When its input closes it prints, per request and in the order of their arrival, one line: the request's number
 * ("request_id" in the body), CLOCK_MONOTONIC when it was read, and before the write of every content chunk.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FDS = 4096, MOST_EVENTS = 512, HEAD_ROOM = 16 * 1024, PIECE = 512 };

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
static const char MODELS[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 41\r\n\r\n"
    "{\"object\":\"list\",\"data\":[{\"id\":\"truth\"}]}";
static const char EVENT[] =
    "data: {\"id\":\"chatcmpl-0\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"known-truth\","
    "\"choices\":[{\"index\":0,\"delta\":%s,\"logprobs\":null,\"finish_reason\":%s}]}\n\n";
static const char USAGE[] =
    "data: {\"id\":\"chatcmpl-0\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"known-truth\","
    "\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n";

struct piece {
    char bytes[PIECE * 4];
    size_t length;
};

struct stream {
    int fd, next;      /* next: which piece is written next; -1: no request */
    int64_t due, *log; /* log: number, read, then one stamp a chunk */
    size_t written, seen_length;
    char *seen;
};

static int chunks, is_flood, running, last_fd;
static int64_t ttft_ns, gap_ns;
static struct piece opening, token, ending;
static struct stream streams[MOST_FDS];
static int64_t *first_log, *last_log, *end_of_log;

static int64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void append(struct piece *piece, const char *bytes, size_t length) {
    memcpy(piece->bytes + piece->length, bytes, length);
    piece->length += length;
}

/* One event inside one HTTP chunk. */
static void append_event(struct piece *piece, const char *event) {
    char framed[PIECE * 2];
    append(piece, framed, (size_t)snprintf(framed, sizeof framed, "%zx\r\n%s\r\n", strlen(event), event));
}

static void write_pieces(void) {
    char event[PIECE];
    append(&opening, HEAD, sizeof HEAD - 1);
    snprintf(event, sizeof event, EVENT, "{\"role\":\"assistant\",\"content\":\"\"}", "null");
    append_event(&opening, event);
    snprintf(event, sizeof event, EVENT, "{\"content\":\" word\"}", "null");
    append_event(&token, event);
    snprintf(event, sizeof event, EVENT, "{}", "\"length\"");
    append_event(&ending, event);
    snprintf(event, sizeof event, USAGE, chunks, chunks + 9);
    append_event(&ending, event);
    append_event(&ending, "data: [DONE]\n\n");
    append(&ending, "0\r\n\r\n", 5);
}

static void drop(struct stream *stream) {
    if (stream->next >= 0) running--;
    close(stream->fd);
    stream->fd = stream->next = -1;
    stream->seen_length = stream->written = 0;
}

/* Writes a piece on; 1: it is out, 0: the socket is full, -1: the peer went. */
static int push(struct stream *stream, const struct piece *piece) {
    while (stream->written < piece->length) {
        ssize_t done = send(stream->fd, piece->bytes + stream->written, piece->length - stream->written, MSG_NOSIGNAL);
        if (done < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
        stream->written += (size_t)done;
    }
    stream->written = 0;
    return 1;
}

/* Piece 0 opens the reply, 1 … chunks are content, chunks + 1 ends it. */
static void advance(struct stream *stream) {
    while (stream->next >= 0) {
        int is_content = stream->next >= 1 && stream->next <= chunks;
        if (is_content && !is_flood) {
            int64_t now = now_ns();
            if (now < stream->due) return;
            if (stream->written == 0) stream->log[1 + stream->next] = now;
        }
        const struct piece *piece = stream->next == 0 ? &opening : is_content ? &token : &ending;
        int result = push(stream, piece);
        if (result < 0) drop(stream);
        if (result <= 0) return;
        if (is_content) stream->due += gap_ns;
        stream->next++;
        if (stream->next == chunks + 2) {
            stream->next = -1;
            running--;
            return;
        }
    }
}

static int64_t number_after(const char *text, const char *name) {
    const char *found = strcasestr(text, name);
    return found ? strtoll(found + strlen(name), NULL, 10) : -1;
}

static void read_request(struct stream *stream) {
    ssize_t got = recv(stream->fd, stream->seen + stream->seen_length, HEAD_ROOM - 1 - stream->seen_length, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        drop(stream);
        return;
    }
    int64_t read_at = now_ns();
    stream->seen_length += (size_t)got;
    stream->seen[stream->seen_length] = 0;
    char *body = strstr(stream->seen, "\r\n\r\n");
    if (body && !strncmp(stream->seen, "GET ", 4)) { /* a look at /v1/models before a bench */
        if (send(stream->fd, MODELS, sizeof MODELS - 1, MSG_NOSIGNAL) < 0) drop(stream);
        stream->seen_length = 0;
        return;
    }
    if (!body || strlen(body + 4) < (size_t)number_after(stream->seen, "content-length:")) return;
    if (!is_flood) {
        if (last_log + chunks + 2 > end_of_log) fail("the log is full");
        stream->log = last_log;
        last_log += chunks + 2;
        stream->log[0] = number_after(body, "\"request_id\":\"");
        stream->log[1] = read_at;
    }
    stream->due = read_at + ttft_ns;
    stream->seen_length = 0;
    stream->next = 0;
    running++;
    advance(stream);
}

static int listening(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1024)) fail("listen");
    if (getsockname(fd, (struct sockaddr *)&address, &size)) fail("getsockname");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void watch(int epoll, int fd, uint32_t events) {
    struct epoll_event wanted = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted)) fail("epoll_ctl");
}

static void accept_all(int epoll, int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MOST_FDS) fail("too many connections");
        if (!streams[fd].seen && !(streams[fd].seen = malloc(HEAD_ROOM))) fail("malloc");
        if (fd > last_fd) last_fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        streams[fd].fd = fd;
        streams[fd].next = -1;
        streams[fd].seen_length = streams[fd].written = 0;
        watch(epoll, fd, EPOLLIN | (is_flood ? EPOLLOUT | EPOLLET : 0u));
    }
}

static void print_log(void) {
    for (int64_t *log = first_log; log < last_log; log += chunks + 2) {
        for (int at = 0; at < chunks + 2; at++) printf(at ? " %lld" : "%lld", (long long)log[at]);
        putchar('\n');
    }
    fflush(stdout);
}

static void serve(int epoll, int listener) {
    struct epoll_event events[MOST_EVENTS];
    for (;;) {
        int count = epoll_wait(epoll, events, MOST_EVENTS, running && !is_flood ? 0 : -1);
        for (int at = 0; at < count; at++) {
            int fd = events[at].data.fd;
            if (fd == STDIN_FILENO) return;
            if (fd == listener) {
                accept_all(epoll, listener);
            } else if (streams[fd].fd == fd) {
                if (streams[fd].next < 0) read_request(&streams[fd]);
                else if (events[at].events & (EPOLLHUP | EPOLLERR)) drop(&streams[fd]);
                else if (is_flood) advance(&streams[fd]);
            }
        }
        if (running && !is_flood)
            for (int fd = 0; fd <= last_fd; fd++)
                if (streams[fd].next >= 0) advance(&streams[fd]);
    }
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: %s REQUESTS CHUNKS TTFT_NS GAP_NS CORE FLOOD\n", argv[0]);
        return 2;
    }
    size_t requests = strtoul(argv[1], NULL, 10);
    chunks = atoi(argv[2]);
    ttft_ns = atoll(argv[3]);
    gap_ns = atoll(argv[4]);
    is_flood = atoi(argv[6]);
    if (atoi(argv[5]) >= 0) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET(atoi(argv[5]), &cores);
        if (sched_setaffinity(0, sizeof cores, &cores)) fail("sched_setaffinity");
    }
    for (int fd = 0; fd < MOST_FDS; fd++) streams[fd].fd = streams[fd].next = -1;
    size_t size = requests * (size_t)(chunks + 2);
    first_log = last_log = malloc(size * sizeof *first_log);
    if (!first_log) fail("malloc");
    memset(first_log, 0, size * sizeof *first_log);
    end_of_log = first_log + size;
    write_pieces();
    int listener = listening(), epoll = epoll_create1(0);
    if (epoll < 0) fail("epoll_create1");
    watch(epoll, listener, EPOLLIN);
    watch(epoll, STDIN_FILENO, EPOLLIN);
    serve(epoll, listener);
    print_log();
    return 0;
}
