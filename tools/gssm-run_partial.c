// tools/gssm-run_partial.c -- a test that goes on: what is known of its tasks, in a file.
#include "tools/gssm-run_partial.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "ir/base/map.h"
#include "runtime/record/json.h"

static const struct {
    const char *key;
    size_t offset;
} numbers[] = {
    {"score", offsetof(RtTaskResult, score)},   {"mse", offsetof(RtTaskResult, mse)},
    {"kl", offsetof(RtTaskResult, kl)},         {"adapt", offsetof(RtTaskResult, adapt)},
    {"belief", offsetof(RtTaskResult, belief)}, {"step", offsetof(RtTaskResult, step)},
    {"episodes", offsetof(RtTaskResult, episodes)},
};
enum { N_NUMBERS = sizeof numbers / sizeof *numbers };

// The first line: the recipe, and the programs that are run.
static const char *head_of(Arena *a, const RtSession *s) {
    Buf b = {0};

    buf_puts(&b, s->recipe.hash);
    for (int i = 0; i < s->world.n; i++)
        buf_puts(&b, s->world.units[i]->hash);
    const char *head =
        arena_printf(a, "{\"tested\":\"%016" PRIx64 "\"}", map_hash_str(buf_text(&b)));
    buf_free(&b);
    return head;
}

static void read_task(Partial *p, const char *line, size_t len) {
    cJSON *object = cJSON_ParseWithLength(line, len);
    const cJSON *task = cJSON_GetObjectItemCaseSensitive(object, "task");
    int i = cJSON_IsNumber(task) ? task->valueint : -1;

    for (int k = 0; k < N_NUMBERS && i >= 0 && i < p->n_tasks; k++) {
        const cJSON *x = cJSON_GetObjectItemCaseSensitive(object, numbers[k].key);
        double *to = (double *)(void *)((char *)&p->results[i] + numbers[k].offset);
        *to = cJSON_IsNumber(x) ? x->valuedouble : NAN;
    }
    if (i >= 0 && i < p->n_tasks && !isnan(p->results[i].score)) {
        p->n_known += !p->known[i];
        p->known[i] = true;
    }
    cJSON_Delete(object);
}

// Reads the file; gives the bytes of it that stay: whole lines, of the test that `head` names.
static size_t read_file(Partial *p, const char *head) {
    size_t len = strlen(head), at = 0;
    Buf text = {0};
    char why[256];

    if (buf_read_file(&text, p->path, 0, why, sizeof why) && text.len > len &&
        strncmp(text.data, head, len) == 0 && text.data[len] == '\n')
        at = len + 1;
    for (const char *end; at > 0 && (end = memchr(text.data + at, '\n', text.len - at));) {
        read_task(p, text.data + at, (size_t)(end - text.data) - at);
        at = (size_t)(end - text.data) + 1;
    }
    buf_free(&text);
    return at;
}

static bool find(void *data, int task, RtTaskResult *r) {
    const Partial *p = data;

    if (!p->known[task])
        return false;
    *r = p->results[task];
    return true;
}

static bool put(Partial *p, const char *text, size_t len) {
    for (ssize_t n; len > 0; text += n, len -= (size_t)n) {
        n = write(p->fd, text, len);
        if (n < 0 && errno == EINTR)
            n = 0;
        if (n < 0) {
            snprintf(p->why, p->why_size, "cannot write '%s': %s", p->path, strerror(errno));
            return false;
        }
    }
    return true;
}

static bool keep(void *data, int task, const RtTaskResult *r) {
    Partial *p = data;
    Buf b = {0};

    buf_printf(&b, "{\"task\":%d", task);
    for (int k = 0; k < N_NUMBERS; k++) {
        buf_printf(&b, ",\"%s\":", numbers[k].key);
        rt_json_put_double(&b, *(const double *)(const void *)((const char *)r + numbers[k].offset));
    }
    buf_puts(&b, "}\n");
    bool done = put(p, b.data, b.len);
    buf_free(&b);
    p->n_known += done;
    return done;
}

bool partial_open(Partial *p, RtSession *s, const char *dir, const char *name, int n_tasks) {
    *p = (Partial){.n_tasks = n_tasks, .why = s->why, .why_size = sizeof s->why};
    p->path = arena_printf(&p->arena, "%s/eval/%s.partial.jsonl", dir, name);
    p->results = arena_array(&p->arena, RtTaskResult, n_tasks);
    p->known = arena_array(&p->arena, bool, n_tasks);
    const char *head = head_of(&p->arena, s);
    size_t length = read_file(p, head);

    if (!buf_make_dirs(arena_printf(&p->arena, "%s/eval", dir), s->why, sizeof s->why))
        return false;
    p->fd = open(p->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    p->open = p->fd >= 0;
    if (!p->open || ftruncate(p->fd, (off_t)length) != 0) {
        snprintf(s->why, sizeof s->why, "cannot write '%s': %s", p->path, strerror(errno));
        return false;
    }
    s->memory = (RtTestMemory){.find = find, .keep = keep, .data = p};
    return length > 0 || (put(p, head, strlen(head)) && put(p, "\n", 1));
}

void partial_close(Partial *p, bool done) {
    if (p->open)
        close(p->fd);
    if (p->open && done)
        unlink(p->path);
    arena_free(&p->arena);
    *p = (Partial){0};
}
