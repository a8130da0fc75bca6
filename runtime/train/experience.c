// runtime/train/experience.c -- real episodes: what was seen of each task.
#include "runtime/train/experience.h"

#include <stdlib.h>
#include <string.h>

#include "envs/env_random.h"
#include "ir/base/errors.h"
#include "ir/random.h"

// ---- memory -------------------------------------------------------------------------------------

static void *grow(void *old, size_t bytes) {
    void *p = realloc(old, bytes ? bytes : 1);

    if (!p)
        arena_out_of_memory(bytes);
    return p;
}

static void reserve(RtExperience *e, int64_t rows) {
    size_t obs = (size_t)e->family->obs_dim, action = (size_t)e->family->action_dim;

    if (rows <= e->cap)
        return;
    size_t cap = (size_t)(rows > 2 * e->cap ? rows : 2 * e->cap);
    e->cap = (int64_t)cap;
    e->s = grow(e->s, cap * obs * sizeof *e->s);
    e->s2 = grow(e->s2, cap * obs * sizeof *e->s2);
    e->a = grow(e->a, cap * action * sizeof *e->a);
    e->r = grow(e->r, cap * sizeof *e->r);
    for (int i = 0; i < e->n_fields; i++)
        e->fields[i].rows = grow(e->fields[i].rows, cap * e->fields[i].row_bytes);
}

bool rt_experience_open(RtExperience *e, const RtRecipe *recipe, RtWorld *w, int64_t rows) {
    *e = (RtExperience){.family = recipe->family};
    if (!rt_fields_open(e, recipe, w))
        return false;
    reserve(e, rows > 0 ? rows : 1);
    return true;
}

void rt_experience_close(RtExperience *e) {
    for (int i = 0; i < e->n_fields; i++)
        free(e->fields[i].rows);
    free(e->s);
    free(e->s2);
    free(e->a);
    free(e->r);
    for (int i = 0; i < e->n_tasks; i++)
        for (int k = 0; k < e->tasks[i].n_lists; k++)
            free(e->tasks[i].lists[k].items);
    arena_free(&e->arena);
    *e = (RtExperience){0};
}

void rt_experience_reset(RtExperience *e) {
    for (int i = 0; i < e->n_tasks; i++)
        for (int k = 0; k < e->tasks[i].n_lists; k++)
            free(e->tasks[i].lists[k].items);
    e->n_tasks = e->n_episodes = 0;
    e->n = e->passed_rows = e->passed_episodes = 0;
}

int rt_experience_add_task(RtExperience *e, const double *params) {
    RtTaskRows t = {0};

    memcpy(t.params, params, (size_t)e->family->task_dim * sizeof *params);
    arena_push(&e->arena, e->tasks, e->n_tasks, e->cap_tasks, t);
    return e->n_tasks - 1;
}

// The list of a label, made where it is missing.
static RtRows *ensure_list(RtExperience *e, int task, const char *label) {
    RtTaskRows *t = &e->tasks[task];

    for (int i = 0; i < t->n_lists; i++) {
        const char *has = t->lists[i].label;
        if (label ? has && strcmp(has, label) == 0 : !has)
            return &t->lists[i];
    }
    RtRows list = {.label = label};
    arena_push(&e->arena, t->lists, t->n_lists, t->cap_lists, list);
    return &t->lists[t->n_lists - 1];
}

static void put_rows(RtRows *list, int64_t first, int64_t n) {
    if (list->n + n > list->cap) {
        list->cap = 2 * (list->n + n);
        list->items = grow(list->items, (size_t)list->cap * sizeof *list->items);
    }
    for (int64_t i = 0; i < n; i++)
        list->items[list->n++] = first + i;
}

const RtRows *rt_experience_rows(const RtExperience *e, int task, const char *label) {
    static const RtRows none = {0};
    const RtTaskRows *t = &e->tasks[task];

    for (int i = 0; i < t->n_lists; i++) {
        const char *has = t->lists[i].label;
        if (label ? has && strcmp(has, label) == 0 : !has)
            return &t->lists[i];
    }
    return &none;
}

static void make_fields(RtExperience *e, size_t first, int64_t n) {
    size_t obs = (size_t)e->family->obs_dim, action = (size_t)e->family->action_dim;
    Arena scratch = {0};
    char **out = arena_array(&scratch, char *, e->n_fields);

    for (int i = 0; i < e->n_fields; i++)
        out[i] = e->fields[i].rows + first * e->fields[i].row_bytes;
    rt_fields_make(e, e->s + first * obs, e->a + first * action, e->s2 + first * obs, n, out);
    arena_free(&scratch);
}

RtEpisode *rt_experience_add(RtExperience *e, const RtEpisode *episode, const RtEpisodeData *data) {
    size_t obs = (size_t)e->family->obs_dim, action = (size_t)e->family->action_dim;
    size_t n = (size_t)episode->n, first = (size_t)e->n;
    RtEpisode ep = *episode;

    reserve(e, e->n + episode->n);
    memcpy(e->s + first * obs, data->s, n * obs * sizeof *e->s);
    memcpy(e->s2 + first * obs, data->s + obs, n * obs * sizeof *e->s2);
    memcpy(e->a + first * action, data->a, n * action * sizeof *e->a);
    memcpy(e->r + first, data->r, n * sizeof *e->r);
    e->n += episode->n;
    make_fields(e, first, episode->n);

    ep.first = (int64_t)first;
    ep.id = arena_strdup(&e->arena, episode->id);
    ep.stage = arena_strdup(&e->arena, episode->stage);
    ep.label = arena_strdup(&e->arena, episode->label);
    ep.score = env_score(e->family, ep.start, data->r, ep.n);
    ep.sum = 0;
    for (size_t i = 0; i < n; i++)
        ep.sum += data->r[i];
    put_rows(ensure_list(e, ep.task, NULL), ep.first, ep.n);
    put_rows(ensure_list(e, ep.task, ep.label), ep.first, ep.n);
    arena_push(&e->arena, e->episodes, e->n_episodes, e->cap_episodes, ep);
    return &e->episodes[e->n_episodes - 1];
}

// Copies `bytes` bytes, a multiple of 4: rows are short, and a loop is faster than a call.
static void copy_row(char *to, const char *from, size_t bytes) {
    size_t i = 0;

    for (; i + 8 <= bytes; i += 8)
        memcpy(to + i, from + i, 8);
    if (i < bytes)
        memcpy(to + i, from + i, 4);
}

void rt_experience_gather(const RtExperience *e, int field, const int64_t *rows, int64_t n,
                          char *out) {
    const RtFieldRows *f = &e->fields[field];
    size_t bytes = f->row_bytes;

    for (int64_t i = 0; i < n; i++)
        copy_row(out + (size_t)i * bytes, f->rows + (size_t)rows[i] * bytes, bytes);
}

// ---- choices ------------------------------------------------------------------------------------

int64_t rt_pick(uint64_t key, uint64_t i, int64_t n) {
    uint32_t bits = (uint32_t)(ir_random_mix(key + i * 0x9E3779B97F4A7C15u) >> 32);

    return (int64_t)((uint64_t)bits * (uint64_t)n >> 32);
}

static void ensure_scratch(RtPicker *p, Arena *a, int64_t n) {
    if (n <= p->cap)
        return;
    int64_t cap = 2 * n;
    p->scratch = arena_array(a, int64_t, cap);
    p->swapped = arena_array(a, int64_t, cap);
    for (int64_t i = 0; i < cap; i++)
        p->scratch[i] = i;
    p->cap = cap;
}

void rt_pick_rows(RtPicker *p, Arena *a, uint64_t key, const int64_t *rows, int64_t n, int64_t k,
                  int64_t *out) {
    ensure_scratch(p, a, n);

    // the first k steps of a shuffle, which are taken back afterwards
    for (int64_t i = 0; i < k; i++) {
        int64_t j = i + rt_pick(key, (uint64_t)i, n - i), t = p->scratch[i];
        p->scratch[i] = p->scratch[j];
        p->scratch[j] = t;
        p->swapped[i] = j;
        out[i] = rows[p->scratch[i]];
    }
    for (int64_t i = k - 1; i >= 0; i--) {
        int64_t j = p->swapped[i], t = p->scratch[i];
        p->scratch[i] = p->scratch[j];
        p->scratch[j] = t;
    }
}
