// runtime/train/commit.c -- a driver's state to a checkpoint, and back.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "ir/base/exits.h"
#include "runtime/train/driver.h"

static const char tasks_name[] = "tasks"; // parameters of all tasks so far

// Puts how much of the memory the stages of a list have seen.
static void put_seen(Buf *b, const RtStages *list) {
    for (int i = 0; i < list->n; i++) {
        const RtStage *s = list->items[i];
        if (s->seen > 0)
            buf_printf(b, ",\"seen.%s\":%" PRId64, s->name, s->seen);
        put_seen(b, &s->stages);
    }
}

static void put_cursor(Buf *b, const RtDriver *d) {
    const RtExperience *e = &d->experience;

    buf_printf(b,
               "{\"iteration\":%" PRId64 ",\"iterations\":%" PRId64
               ",\"tasks\":%d,\"transitions\":%" PRId64 ",\"episodes\":%" PRId64,
               d->iteration, d->recipe->iterations, e->n_tasks, e->n + e->passed_rows,
               e->n_episodes + e->passed_episodes);
    put_seen(b, &d->recipe->every_task);
    put_seen(b, &d->recipe->every_iteration);
    buf_puts(b, "}");
}

// What a checkpoint was made with, owned by `a`: names and hashes.
static RtPair *list_hashes(Arena *a, const RtDriver *d, int *n) {
    const RtWorld *w = d->world;
    RtPair *pairs = arena_array(a, RtPair, w->n + 2);

    pairs[(*n)++] = (RtPair){"recipe", d->recipe->hash};
    pairs[(*n)++] = (RtPair){"target", arena_printf(a, "%s, vectors of %d bytes", w->backend->name,
                                                    w->backend->target.vector_bytes)};
    for (int i = 0; i < w->n; i++)
        if (w->units[i]->program)
            pairs[(*n)++] = (RtPair){w->units[i]->name, w->units[i]->hash};
    return pairs;
}

static RtTensor *list_tensors(Arena *a, const RtDriver *d, int *n) {
    const RtState *s = d->world->state;
    const RtExperience *e = &d->experience;
    int dims = e->family->task_dim;
    RtTensor *tensors = arena_array(a, RtTensor, s->n + 1);
    double *tasks = arena_array(a, double, e->n_tasks *dims);

    for (int i = 0; i < e->n_tasks; i++)
        memcpy(tasks + i * dims, e->tasks[i].params, (size_t)dims * sizeof *tasks);
    memcpy(tensors, s->tensors, (size_t)s->n * sizeof *tensors);
    tensors[s->n] =
        (RtTensor){tasks_name,         RT_F64, 2,
                   {e->n_tasks, dims}, tasks,  (size_t)(e->n_tasks * dims) * sizeof *tasks};
    *n = s->n + 1;
    return tensors;
}

int rt_commit(RtDriver *d) {
    double start = rt_now();
    RtExperience *e = &d->experience;
    Arena scratch = {0};
    Buf cursor = {0};
    bool done = true;

    for (int i = 0; i < e->n_episodes && done; i++)
        done = rt_experience_write(e, i, d->run.dir, d->why, d->why_size);
    done = done && rt_log_flush(&d->events, d->why, d->why_size);

    put_cursor(&cursor, d);
    const RtLogMark mark = {"events.jsonl", d->events.offset};
    RtCheckpoint c = {.commit = d->iteration, .cursor = cursor.data, .logs = &mark, .n_logs = 1};
    RtEpisodeRef *episodes = arena_array(&scratch, RtEpisodeRef, e->n_episodes);
    for (int i = 0; i < e->n_episodes; i++)
        episodes[i] = (RtEpisodeRef){e->episodes[i].id, e->episodes[i].hash};
    c.episodes = episodes;
    c.n_episodes = e->n_episodes;
    c.tensors = list_tensors(&scratch, d, &c.n_tensors);
    c.hashes = list_hashes(&scratch, d, &c.n_hashes);
    done = done &&
           rt_checkpoint_write(d->run.dir, &c, (int)d->recipe->checkpoints, d->why, d->why_size);
    buf_free(&cursor);
    arena_free(&scratch);
    d->commit_seconds += rt_now() - start;
    return done ? EXIT_OK : EXIT_IO;
}

// Copies the arrays of the checkpoint into the state; both must have the same.
static bool take_tensors(RtState *s, const RtCheckpoint *c, char *why, size_t why_size) {
    for (int i = 0; i < s->n; i++) {
        RtTensor *to = &s->tensors[i];
        const RtTensor *from = rt_safetensors_find(&c->file, to->name);
        bool fits = from && from->dtype == to->dtype && from->rank == to->rank &&
                    memcmp(from->shape, to->shape, (size_t)to->rank * sizeof *to->shape) == 0;
        if (!fits) {
            snprintf(why, why_size, "the checkpoint %s '%s': the models are others now",
                     from ? "has another shape of" : "has no", to->name);
            return false;
        }
        if (to->bytes > 0)
            memcpy(to->data, from->data, to->bytes);
    }
    return true;
}

static bool take_tasks(RtExperience *e, const RtCheckpoint *c, char *why, size_t why_size) {
    const RtTensor *t = rt_safetensors_find(&c->file, tasks_name);

    if (!t || t->dtype != RT_F64 || t->rank != 2 || t->shape[1] != e->family->task_dim) {
        snprintf(why, why_size, "the checkpoint has no list of tasks");
        return false;
    }
    for (int64_t i = 0; i < t->shape[0]; i++)
        rt_experience_add_task(e, (const double *)t->data + i * t->shape[1]);
    return true;
}

// The number `key` of a cursor, or -1.
static int64_t cursor_number(const RtCheckpoint *c, const char *key) {
    cJSON *cursor = cJSON_Parse(c->cursor);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(cursor, key);
    int64_t x = cJSON_IsNumber(item) ? (int64_t)item->valuedouble : -1;

    cJSON_Delete(cursor);
    return x;
}

static void take_seen(const RtCheckpoint *c, const RtStages *list) {
    for (int i = 0; i < list->n; i++) {
        RtStage *s = list->items[i];
        char key[160];
        snprintf(key, sizeof key, "seen.%s", s->name);
        int64_t seen = cursor_number(c, key);
        s->seen = seen > 0 ? seen : 0;
        take_seen(c, &s->stages);
    }
}

int rt_restore(RtDriver *d, const RtCheckpoint *c, const char *run_dir) {
    d->iteration = cursor_number(c, "iteration");
    if (d->iteration < 0) {
        snprintf(d->why, d->why_size, "the checkpoint has no cursor");
        return EXIT_BAD_INPUT;
    }
    bool done = take_tensors(d->world->state, c, d->why, d->why_size) &&
                take_tasks(&d->experience, c, d->why, d->why_size) &&
                rt_experience_read(&d->experience, run_dir, c, d->why, d->why_size);
    take_seen(c, &d->recipe->every_task);
    take_seen(c, &d->recipe->every_iteration);
    RtExperience *e = &d->experience;
    e->passed_rows = cursor_number(c, "transitions") - e->n;
    e->passed_episodes = cursor_number(c, "episodes") - e->n_episodes;
    return done ? EXIT_OK : EXIT_BAD_INPUT;
}

int rt_load_state(RtState *s, const char *run_dir, int64_t *episodes, int64_t *iteration, char *why,
                  size_t why_size) {
    RtCheckpoint c;
    RtFound found = rt_checkpoint_find_newest_good(&c, run_dir, NULL, why, why_size);

    if (found != RT_FOUND)
        return EXIT_BAD_INPUT;
    bool done = take_tensors(s, &c, why, why_size);
    *episodes = cursor_number(&c, "episodes");
    *iteration = cursor_number(&c, "iteration");
    rt_checkpoint_close(&c);
    return done ? EXIT_OK : EXIT_BAD_INPUT;
}

double rt_training_seconds(const char *run_dir) {
    Arena scratch = {0};
    Buf text = {0};
    char why[256];
    double seconds = 0;

    if (!buf_read_file(&text, arena_printf(&scratch, "%s/timing.jsonl", run_dir), 0, why,
                       sizeof why))
        seconds = NAN;
    const char *end = buf_text(&text) + text.len;
    for (const char *line = buf_text(&text); line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop ? stop : end;
        cJSON *event = cJSON_ParseWithLength(line, (size_t)(stop - line));
        const cJSON *kind = cJSON_GetObjectItemCaseSensitive(event, "event");
        const cJSON *x = cJSON_GetObjectItemCaseSensitive(event, "seconds");
        bool counts = cJSON_IsString(kind) && (strcmp(kind->valuestring, "iteration") == 0 ||
                                               strcmp(kind->valuestring, "from") == 0);
        if (counts && cJSON_IsNumber(x))
            seconds += x->valuedouble;
        cJSON_Delete(event);
        line = stop + 1;
    }
    buf_free(&text);
    arena_free(&scratch);
    return seconds;
}
