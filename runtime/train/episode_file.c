// runtime/train/episode_file.c -- episodes as files of a run, and back.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/experience.h"

bool rt_experience_write(RtExperience *e, int i, const char *run_dir, char *why, size_t why_size) {
    RtEpisode *ep = &e->episodes[i];
    int obs = e->family->obs_dim, action = e->family->action_dim, dims = e->family->task_dim;
    int64_t n = ep->n;
    char task[24], iteration[24], number[24];
    double ends[2] = {ep->start, ep->terminated};

    if (ep->written)
        return true;
    snprintf(task, sizeof task, "%d", ep->task);
    snprintf(iteration, sizeof iteration, "%lld", (long long)ep->iteration);
    snprintf(number, sizeof number, "%d", ep->number);

    const RtTensor tensors[] = {
        {"s", RT_F64, 2, {n, obs}, e->s + ep->first * obs, (size_t)(n * obs) * 8},
        {"a", RT_F64, 2, {n, action}, e->a + ep->first * action, (size_t)(n * action) * 8},
        {"r", RT_F64, 1, {n}, e->r + ep->first, (size_t)n * 8},
        {"s2", RT_F64, 2, {n, obs}, e->s2 + ep->first * obs, (size_t)(n * obs) * 8},
        {"task", RT_F64, 1, {dims}, e->tasks[ep->task].params, (size_t)dims * 8},
        {"start_and_terminated", RT_F64, 1, {2}, ends, sizeof ends},
    };
    const RtPair metadata[] = {
        {"env", e->family->name}, {"stage", ep->stage},     {"label", ep->label},
        {"task", task},           {"iteration", iteration}, {"number", number},
    };
    ep->written =
        rt_episode_write(run_dir, ep->id, tensors, sizeof tensors / sizeof *tensors, metadata,
                         sizeof metadata / sizeof *metadata, ep->hash, why, why_size);
    return ep->written;
}

static bool has_shape(const RtTensor *t, int rank, int64_t rows, int64_t columns) {
    return t && t->dtype == RT_F64 && t->rank == rank && t->shape[0] == rows &&
           (rank < 2 || t->shape[1] == columns);
}

static int number_of(const RtTensorFile *f, const char *key) {
    const char *text = rt_safetensors_find_metadata(f, key);

    return text ? atoi(text) : -1;
}

// Adds the episode that the file holds.
static bool add_file(RtExperience *e, const RtTensorFile *f, const char *id, const char *hash,
                     char *why, size_t why_size) {
    const RtTensor *s = rt_safetensors_find(f, "s"), *a = rt_safetensors_find(f, "a");
    const RtTensor *r = rt_safetensors_find(f, "r"), *s2 = rt_safetensors_find(f, "s2");
    const RtTensor *ends = rt_safetensors_find(f, "start_and_terminated");
    const char *stage = rt_safetensors_find_metadata(f, "stage");
    const char *label = rt_safetensors_find_metadata(f, "label");
    int64_t n = r && r->rank == 1 ? r->shape[0] : -1, obs = e->family->obs_dim;
    int task = number_of(f, "task");

    if (n < 1 || n > INT32_MAX || !has_shape(s, 2, n, obs) || !has_shape(s2, 2, n, obs) ||
        !has_shape(a, 2, n, e->family->action_dim) || !has_shape(r, 1, n, 0) ||
        !has_shape(ends, 1, 2, 0) || !stage || !label || task < 0 || task >= e->n_tasks) {
        snprintf(why, why_size, "the episode '%s' does not fit the family '%s'", id,
                 e->family->name);
        return false;
    }

    // states of the whole episode: all s, and the last s2
    size_t row = (size_t)obs * sizeof(double);
    double *states = malloc((size_t)(n + 1) * row);
    if (!states)
        arena_out_of_memory((size_t)(n + 1) * row);
    memcpy(states, s->data, (size_t)n * row);
    memcpy(states + n * obs, (const char *)s2->data + (size_t)(n - 1) * row, row);
    RtEpisode ep = {.id = id,
                    .stage = stage,
                    .label = label,
                    .iteration = number_of(f, "iteration"),
                    .task = task,
                    .number = number_of(f, "number"),
                    .n = (int)n,
                    .start = ((const double *)ends->data)[0],
                    .terminated = ((const double *)ends->data)[1] != 0,
                    .written = true};
    snprintf(ep.hash, sizeof ep.hash, "%s", hash);
    rt_experience_add(e, &ep, &(RtEpisodeData){states, a->data, r->data});
    free(states);
    return true;
}

bool rt_experience_read(RtExperience *e, const char *run_dir, const RtCheckpoint *c, char *why,
                        size_t why_size) {
    for (int i = 0; i < c->n_episodes; i++) {
        const RtEpisodeRef *ref = &c->episodes[i];
        RtTensorFile f;
        if (!rt_episode_read(&f, run_dir, ref->id, ref->hash, why, why_size))
            return false;
        bool done = add_file(e, &f, ref->id, ref->hash, why, why_size);
        rt_safetensors_close(&f);
        if (!done)
            return false;
    }
    return true;
}
