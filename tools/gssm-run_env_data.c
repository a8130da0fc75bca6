// tools/gssm-run_env_data.c -- a family's transitions against those of another program.
//
// NAME.safetensors of a folder of reference data holds episodes: `mass` or `scale` (their tasks),
// `action`, `reward`, and `state` or a simulator's `qpos` and `qvel`; `observation` and `length`
// where there are any. Each transition starts from the state that is recorded, so that nothing adds
// up.
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/exec/roots.h"
#include "runtime/record/safetensors.h"
#include "tools/gssm-run_env.h"

typedef struct Data {
    RtTensorFile file;
    const RtTensor *task, *action, *reward, *state, *qpos, *qvel, *observation, *length;
    int64_t episodes, steps;
} Data;

// Whether `t` is (episodes, steps, width), or lacks the last axis where `width` is 1.
static bool has_shape(const RtTensor *t, int64_t episodes, int64_t steps, int64_t width) {
    if (!t || t->rank < 2 || t->shape[0] != episodes || t->shape[1] != steps)
        return false;
    return t->rank == 2 ? width == 1 : t->rank == 3 && t->shape[2] == width;
}

static bool fits(Data *d, const EnvFamily *f) {
    int64_t e, n, nq = d->qpos && d->qpos->rank == 3 ? d->qpos->shape[2] : 0,
                  nv = d->qvel && d->qvel->rank == 3 ? d->qvel->shape[2] : 0;

    if (!d->task || d->task->rank != 2 || d->task->shape[1] != f->task_dim || !d->action ||
        d->action->rank < 2)
        return false;
    e = d->episodes = d->task->shape[0];
    n = d->steps = d->action->shape[1];
    bool states = d->state ? has_shape(d->state, e, n + 1, f->state_dim)
                           : has_shape(d->qpos, e, n + 1, nq) && has_shape(d->qvel, e, n + 1, nv) &&
                                 f->physics->qpos + nq + nv <= f->state_dim;
    return e > 0 && n > 0 && states && has_shape(d->action, e, n, f->action_dim) &&
           has_shape(d->reward, e, n, 1) &&
           (!d->observation || has_shape(d->observation, e, n + 1, f->obs_dim)) &&
           (!d->length || (d->length->rank == 1 && d->length->shape[0] == e));
}

static bool open_data(Data *d, const EnvFamily *f, const char *path, char *why, int why_size) {
    *d = (Data){0};
    if (!rt_safetensors_read(&d->file, path, why, (size_t)why_size))
        return false;
    const RtTensor *scale = rt_safetensors_find(&d->file, "scale");
    d->task = scale ? scale : rt_safetensors_find(&d->file, "mass");
    d->action = rt_safetensors_find(&d->file, "action");
    d->reward = rt_safetensors_find(&d->file, "reward");
    d->state = rt_safetensors_find(&d->file, "state");
    d->qpos = rt_safetensors_find(&d->file, "qpos");
    d->qvel = rt_safetensors_find(&d->file, "qvel");
    d->observation = rt_safetensors_find(&d->file, "observation");
    d->length = rt_safetensors_find(&d->file, "length");
    if (fits(d, f))
        return true;
    snprintf(why, (size_t)why_size, "'%s' holds no episodes of %s", path, f->name);
    rt_safetensors_close(&d->file);
    return false;
}

// Copies row `row` of `t`, `n` wide.
static void take(const RtTensor *t, int64_t row, int64_t n, double *to) {
    for (int64_t k = 0; k < n; k++)
        to[k] = rt_tensor_element(t, row * n + k);
}

static bool near(double got, double want, double tolerance) {
    return fabs(got - want) <= tolerance * fmax(1, fabs(want));
}

// Puts the recorded state `t` of episode `e` into row 0, with what the step before left of the rest.
static bool restore(EnvBatch *b, const Data *d, int64_t e, int64_t t, char *why, int why_size) {
    double state[ENV_STATE_MAX] = {0}, task[ENV_TASK_MAX];
    int64_t at = e * (d->steps + 1) + t;

    if (t > 0)
        env_batch_get_state(b, 0, state);
    if (d->state)
        take(d->state, at, b->family->state_dim, state);
    else {
        double *qpos = state + b->family->physics->qpos;
        take(d->qpos, at, d->qpos->shape[2], qpos);
        take(d->qvel, at, d->qvel->shape[2], qpos + d->qpos->shape[2]);
    }
    take(d->task, e, b->family->task_dim, task);
    return env_batch_reset_to(b, 0, task, state, why, why_size);
}

// Compares what row 0 came to with what is recorded.
static bool compare(const EnvBatch *b, const Data *d, int64_t e, int64_t t, bool ends, char *why,
                    int why_size) {
    const EnvFamily *f = b->family;
    const RtTensor *table = d->state ? d->state : d->observation;
    double tolerance = f->physics->tolerance, want[ENV_STATE_MAX], got[ENV_STATE_MAX];
    int n = d->state ? f->state_dim : f->obs_dim;
    double reward = rt_tensor_element(d->reward, e * d->steps + t);

    if (d->state)
        env_batch_get_state(b, 0, got);
    else
        memcpy(got, b->observation, (size_t)n * sizeof *got);
    take(table, e * (d->steps + 1) + t + 1, n, want);
    for (int k = 0; k < n; k++)
        if (!near(got[k], want[k], tolerance)) {
            snprintf(why, (size_t)why_size,
                     "%s: episode %" PRId64 ", step %" PRId64 ": %s %d is %.12g, and %.12g there",
                     f->name, e, t, d->state ? "state" : "observation", k, got[k], want[k]);
            return false;
        }
    if (near(b->reward[0], reward, fmin(tolerance, 1e-9)) && b->terminated[0] == ends)
        return true;
    snprintf(why, (size_t)why_size,
             "%s: episode %" PRId64 ", step %" PRId64 ": the reward is %.12g%s, and %.12g%s there",
             f->name, e, t, b->reward[0], b->terminated[0] ? " at the end" : "", reward,
             ends ? " at the end" : "");
    return false;
}

static bool run_data(EnvBatch *b, const Data *d, char *why, int why_size) {
    for (int64_t e = 0; e < d->episodes; e++) {
        int64_t n = d->length ? (int64_t)rt_tensor_element(d->length, e) : d->steps;
        for (int64_t t = 0; t < n && t < d->steps; t++) {
            double action[ENV_STATE_MAX];
            take(d->action, e * d->steps + t, b->family->action_dim, action);
            if (!restore(b, d, e, t, why, why_size) || !env_batch_step(b, action, why, why_size) ||
                !compare(b, d, e, t, t + 1 == n && n < d->steps, why, why_size))
                return false;
        }
    }
    return true;
}

bool env_find_data(const EnvOptions *o, const EnvFamily *f, char *path, size_t size) {
    const char *const *roots;
    int n = rt_model_roots(&roots);

    if (o->data)
        return snprintf(path, size, "%s/%s.safetensors", o->data, f->name) < (int)size;
    for (int i = 0; i < n; i++)
        if (snprintf(path, size, "%s/../tests/data/%s.safetensors", roots[i], f->name) <
                (int)size &&
            access(path, R_OK) == 0)
            return true;
    return false;
}

bool env_agrees_with_data(const EnvOptions *o, const EnvFamily *f, const char *path, char *why,
                          int why_size) {
    EnvOptions usual = *o;
    EnvBatch b;
    Data d;

    usual.variant = NULL;
    if (!open_data(&d, f, path, why, why_size))
        return false;
    bool done = env_open(&b, &usual, f, 1, 1, NULL, why, why_size);
    if (done) {
        done = run_data(&b, &d, why, why_size);
        env_batch_close(&b);
    }
    rt_safetensors_close(&d.file);
    return done;
}
