// ir/base/trace.c -- what took how long on which thread, as a Chrome trace.
#include "ir/base/trace.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "ir/base/arena.h"
#include "ir/base/buf.h"

typedef struct Span {
    const char *category, *name;
    double start, seconds;
    int thread;
} Span;

static atomic_bool is_on;
static double origin;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of what follows
static Arena memory;
static Span *spans;
static int n_spans, cap_spans, n_threads;

static _Thread_local int thread_number; // 0: none yet

double trace_now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void trace_start(void) {
    origin = trace_now();
    atomic_store(&is_on, true);
}

void trace_span(const char *category, const char *name, double start) {
    if (!atomic_load_explicit(&is_on, memory_order_relaxed))
        return;
    double end = trace_now();
    pthread_mutex_lock(&lock);
    if (!thread_number)
        thread_number = ++n_threads;
    Span span = {.category = arena_strdup(&memory, category),
                 .name = arena_strdup(&memory, name),
                 .start = start - origin,
                 .seconds = end - start,
                 .thread = thread_number};
    arena_push(&memory, spans, n_spans, cap_spans, span);
    pthread_mutex_unlock(&lock);
}

static void put_string(Buf *b, const char *s) {
    buf_puts(b, "\"");
    for (; *s; s++)
        if (*s == '"' || *s == '\\')
            buf_printf(b, "\\%c", *s);
        else if ((unsigned char)*s < ' ')
            buf_printf(b, "\\u%04x", (unsigned)*s);
        else
            buf_put(b, s, 1);
    buf_puts(b, "\"");
}

bool trace_write(const char *path, char *why, size_t why_size) {
    Buf b = {0};

    atomic_store(&is_on, false);
    buf_puts(&b, "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n");
    for (int i = 1; i <= n_threads; i++)
        buf_printf(&b,
                   "{\"ph\": \"M\", \"name\": \"thread_name\", \"pid\": 1, \"tid\": %d, "
                   "\"args\": {\"name\": \"thread %d\"}}%s\n",
                   i, i, i < n_threads || n_spans ? "," : "");
    for (int i = 0; i < n_spans; i++) {
        const Span *s = &spans[i];
        buf_puts(&b, "{\"ph\": \"X\", \"cat\": ");
        put_string(&b, s->category);
        buf_puts(&b, ", \"name\": ");
        put_string(&b, s->name);
        buf_printf(&b, ", \"pid\": 1, \"tid\": %d, \"ts\": %.3f, \"dur\": %.3f}%s\n", s->thread,
                   1e6 * s->start, 1e6 * s->seconds, i + 1 < n_spans ? "," : "");
    }
    buf_puts(&b, "]}\n");
    bool ok = buf_write_file(path, b.data, b.len, why, why_size);
    buf_free(&b);
    arena_free(&memory);
    spans = NULL;
    n_spans = cap_spans = 0;
    return ok;
}
