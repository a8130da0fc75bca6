// envs/env.c -- the table of families, and what follows from a row alone.
#include "envs/env.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "envs/env_random.h"

#define VALUES(...) \
    .n_values = (int)(sizeof(double[]){__VA_ARGS__} / sizeof(double)), .values = {__VA_ARGS__}

#define UNIFORM(l, h) \
    { .kind = ENV_UNIFORM, .low = (l), .high = (h) }
#define ONE_OF(...) \
    { .kind = ENV_ONE_OF, VALUES(__VA_ARGS__) }
#define EACH_OF(...) \
    { .kind = ENV_EACH_OF, VALUES(__VA_ARGS__) }

#define PARAM(n, u, v, l, m, training, testing, d)                       \
    {                                                                    \
        .name = #n, .unit = u, .usual = (v), .least = (l), .most = (m),  \
        .draw = {[ENV_TRAIN] = training, [ENV_TEST] = testing}, .doc = d \
    }

#define VARIANTS(...) \
    { __VA_ARGS__ }

#define VARIANT(n, u, l, m, d) \
    { .name = #n, .usual = (u), .least = (l), .most = (m), .doc = d }

static const EnvFamily families[] = {
#define ENV(n, s, o, a, t, choices, low, high, h, c, score_steps, score_start, score_over, d, \
            observed, actuated, variants, ...)                                                \
    {.name = #n,                                                                              \
     .state_dim = (s),                                                                        \
     .obs_dim = (o),                                                                          \
     .action_dim = (a),                                                                       \
     .task_dim = (t),                                                                         \
     .discrete = (choices) > 0,                                                               \
     .n_actions = (choices),                                                                  \
     .action_low = (low),                                                                     \
     .action_high = (high),                                                                   \
     .horizon = (h),                                                                          \
     .collect = (c),                                                                          \
     .score = {.steps = (score_steps), .start = (score_start), .over = (score_over)},         \
     .variant = variants,                                                                     \
     .task = {__VA_ARGS__},                                                                   \
     .doc = d,                                                                                \
     .observation = observed,                                                                 \
     .action = actuated,                                                                      \
     .physics = &env_##n},
#include "envs/envs.def"
};

#define ENV(name, state, obs, action, task, ...)                           \
    static_assert((state) <= ENV_STATE_MAX && (obs) <= ENV_STATE_MAX &&    \
                      (action) <= ENV_STATE_MAX && (task) <= ENV_TASK_MAX, \
                  #name " has more components than a batch takes");
#include "envs/envs.def"

int env_count(void) {
    return (int)(sizeof families / sizeof *families);
}

const EnvFamily *env_get(int i) {
    assert(i >= 0 && i < env_count());
    return &families[i];
}

const EnvFamily *env_find(const char *name) {
    for (int i = 0; i < env_count(); i++)
        if (strcmp(families[i].name, name) == 0)
            return &families[i];
    return NULL;
}

double env_score(const EnvFamily *f, double start, const double *reward, int n) {
    double sum = f->score.start ? start : 0.0;

    for (int i = 0; i < n && i < f->score.steps; i++)
        sum += reward[i];
    return sum / f->score.over;
}

void env_random_action(const EnvFamily *f, uint64_t key, int64_t step, double *action) {
    assert(step >= 0);
    if (f->discrete) {
        action[0] = env_random_below(key, (uint64_t)step, f->n_actions);
        return;
    }
    uint64_t first = (uint64_t)step * (uint64_t)f->action_dim;
    double width = f->action_high - f->action_low;
    for (int k = 0; k < f->action_dim; k++)
        action[k] = f->action_low + width * env_random_uniform(key, first + (uint64_t)k);
}
