// envs/env_batch.c -- the episodes of many tasks at once.
//
// A step is made in three moves: every action is looked at, the family's physics writes the next
// states beside the present ones, and those that are finite are committed. So a step that is
// refused has changed nothing, and a row whose physics breaks down keeps its last good state.
// Where there are rows enough, the second and third move are made by parts, on the caller's threads.
#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env.h"

enum {
    BLOCK = 64,     // rows that are looked at together; parts begin at its multiples
    PART_ROWS = 256, // fewer are not worth a thread
    PARTS_MAX = 64
};

// Takes `count` elements off the front of `*at`.
static double *cut_doubles(double **at, int64_t count) {
    double *p = *at;
    *at += count;
    return p;
}

static bool *cut_flags(bool **at, int64_t count) {
    bool *p = *at;
    *at += count;
    return p;
}

static bool alloc_arrays(EnvBatch *b, char *why, int why_size) {
    const EnvFamily *f = b->family;
    int64_t n = b->n;
    int64_t n_doubles = n * (f->obs_dim + 2 * f->state_dim + f->task_dim + 2);
    int64_t n_flags = n * 6;

    double *numbers = calloc((size_t)n_doubles, sizeof *numbers);
    bool *flags = calloc((size_t)n_flags, sizeof *flags);
    b->steps = calloc((size_t)n, sizeof *b->steps);
    b->memory[0] = numbers;
    b->memory[1] = flags;
    if (!numbers || !flags || !b->steps) {
        snprintf(why, (size_t)why_size, "%s: no memory for %d rows", f->name, b->n);
        return false;
    }

    b->observation = cut_doubles(&numbers, n * f->obs_dim);
    b->state = cut_doubles(&numbers, n * f->state_dim);
    b->next_state = cut_doubles(&numbers, n * f->state_dim);
    b->task = cut_doubles(&numbers, n * f->task_dim);
    b->reward = cut_doubles(&numbers, n);
    b->next_reward = cut_doubles(&numbers, n);

    b->terminated = cut_flags(&flags, n);
    b->truncated = cut_flags(&flags, n);
    b->failed = cut_flags(&flags, n);
    b->running = cut_flags(&flags, n);
    b->refused = cut_flags(&flags, n);
    b->next_terminated = cut_flags(&flags, n);
    return true;
}

bool env_batch_open(EnvBatch *b, const EnvFamily *f, int n, int threads, char *why, int why_size) {
    *b = (EnvBatch){0};
    if (n < 1 || n > ENV_ROWS_MAX) {
        snprintf(why, (size_t)why_size, "%s: a batch has 1 to %d rows, not %d", f->name,
                 ENV_ROWS_MAX, n);
        return false;
    }

    *b = (EnvBatch){.family = f, .n = n, .threads = threads, .limit = f->horizon};
    env_usual_variant(f, b->variant);
    if (alloc_arrays(b, why, why_size) && (!f->physics->open || f->physics->open(b, why, why_size)))
        return true;
    env_batch_close(b);
    return false;
}

void env_batch_close(EnvBatch *b) {
    if (b->simulation)
        b->family->physics->close(b);
    free(b->steps);
    free(b->memory[0]);
    free(b->memory[1]);
    *b = (EnvBatch){0};
}

void env_batch_get_state(const EnvBatch *b, int row, double *state) {
    for (int k = 0; k < b->family->state_dim; k++)
        state[k] = b->state[(int64_t)k * b->n + row];
}

// Writes the observation of `row`, whose state is `state`.
static void observe(EnvBatch *b, int row, const double *state) {
    const EnvFamily *f = b->family;
    double *observation = b->observation + (int64_t)row * f->obs_dim;

    if (f->physics->observe)
        f->physics->observe(state, observation);
    else
        memcpy(observation, state, (size_t)f->obs_dim * sizeof *state);
}

bool env_batch_reset_to(EnvBatch *b, int row, const double *task, const double *state, char *why,
                        int why_size) {
    const EnvFamily *f = b->family;
    assert(row >= 0 && row < b->n);

    if (!env_check_task(f, task, why, why_size))
        return false;
    for (int k = 0; k < f->state_dim; k++) {
        if (isfinite(state[k]))
            continue;
        snprintf(why, (size_t)why_size, "row %d: state[%d] is %g, and must be finite", row, k,
                 state[k]);
        return false;
    }

    for (int k = 0; k < f->task_dim; k++)
        b->task[(int64_t)k * b->n + row] = task[k];
    for (int k = 0; k < f->state_dim; k++)
        b->state[(int64_t)k * b->n + row] = state[k];

    observe(b, row, state);
    b->reward[row] = f->score.start ? f->physics->reward(b->variant, state) : 0.0;
    b->terminated[row] = b->truncated[row] = b->failed[row] = b->refused[row] = false;
    b->running[row] = true;
    b->steps[row] = 0;
    return true;
}

bool env_batch_reset(EnvBatch *b, int row, const double *task, uint64_t key, char *why,
                     int why_size) {
    double state[ENV_STATE_MAX];

    if (!env_check_task(b->family, task, why, why_size))
        return false;
    b->family->physics->reset(b->variant, task, key, state);
    return env_batch_reset_to(b, row, task, state, why, why_size);
}

static bool action_is_allowed(const EnvFamily *f, double a) {
    if (f->discrete)
        return a >= 0 && a < f->n_actions && a == floor(a);
    return fabs(a) <= ENV_ACTION_MAX; // false for NaN
}

static void explain_action(const EnvFamily *f, int row, int k, double a, char *why, int why_size) {
    if (f->discrete)
        snprintf(why, (size_t)why_size,
                 "row %d: the action is %g, and %s takes a whole number from 0 to %d", row, a,
                 f->name, f->n_actions - 1);
    else
        snprintf(why, (size_t)why_size,
                 "row %d: action[%d] is %g, and %s takes finite numbers up to %d in size", row, k,
                 a, f->name, ENV_ACTION_MAX);
}

// Marks each running row with an action that is not allowed, and explains the first.
static bool check_actions(EnvBatch *b, const double *action, char *why, int why_size) {
    const EnvFamily *f = b->family;
    bool all_allowed = true;

    for (int i = 0; i < b->n; i++) {
        for (int k = 0; k < f->action_dim && b->running[i] && !b->refused[i]; k++) {
            double a = action[(int64_t)i * f->action_dim + k];
            if (action_is_allowed(f, a))
                continue;
            if (all_allowed)
                explain_action(f, i, k, a, why, why_size);
            b->refused[i] = true;
            all_allowed = false;
        }
    }
    return all_allowed;
}

void env_batch_fail(EnvBatch *b, int row, const char *format, ...) {
    va_list args;

    if (b->failed[row])
        return;
    b->failed[row] = true;
    b->n_failed++;
    int n = snprintf(b->failure, sizeof b->failure, "row %d, step %d: ", row, b->steps[row] + 1);
    va_start(args, format);
    vsnprintf(b->failure + n, sizeof b->failure - (size_t)n, format, args);
    va_end(args);
}

// Whether the next states and rewards of the running rows among `n` from `first` on are finite.
static bool all_finite(const EnvBatch *b, int first, int n) {
    int state_dim = b->family->state_dim;

    for (int i = 0; i < n; i += BLOCK) {
        int rows = n - i < BLOCK ? n - i : BLOCK;
        const bool *running = b->running + first + i;
        double sum[BLOCK] = {0}; // of zeros, or NaN

        for (int k = 0; k <= state_dim; k++) {
            const double *next = k == state_dim ? b->next_reward : b->next_state + (int64_t)k * b->n;
            for (int j = 0; j < rows; j++)
                sum[j] += 0.0 * next[first + i + j];
        }
        for (int j = 0; j < rows; j++)
            if (running[j] && sum[j] != 0.0)
                return false;
    }
    return true;
}

// Fails each running row whose next state or reward is not finite.
static void fail_rows(EnvBatch *b) {
    const EnvFamily *f = b->family;

    for (int k = 0; k <= f->state_dim; k++) {
        bool is_reward = k == f->state_dim;
        const double *next = is_reward ? b->next_reward : b->next_state + (int64_t)k * b->n;
        for (int i = 0; i < b->n; i++) {
            if (!b->running[i] || isfinite(next[i]))
                continue;
            if (is_reward)
                env_batch_fail(b, i, "the reward is %g", next[i]);
            else
                env_batch_fail(b, i, "state[%d] became %g", k, next[i]);
        }
    }
}

// Makes the next states the present ones, in the rows that run among `n` from `first` on.
static void commit(EnvBatch *b, int first, int n) {
    double state[ENV_STATE_MAX];

    for (int k = 0; k < b->family->state_dim; k++) {
        double *now = b->state + (int64_t)k * b->n;
        const double *next = b->next_state + (int64_t)k * b->n;
        for (int i = first; i < first + n; i++)
            now[i] = b->running[i] && !b->failed[i] ? next[i] : now[i];
    }

    for (int i = first; i < first + n; i++) {
        bool moved = b->running[i] && !b->failed[i];
        b->reward[i] = moved ? b->next_reward[i] : 0.0;
        b->truncated[i] = b->truncated[i] || b->failed[i];
        b->running[i] = moved;
        if (!moved)
            continue;
        b->steps[i]++;
        b->terminated[i] = b->next_terminated[i];
        b->truncated[i] = !b->terminated[i] && b->steps[i] >= b->limit;
        b->running[i] = !b->terminated[i] && !b->truncated[i];
        env_batch_get_state(b, i, state);
        observe(b, i, state);
    }
}

// A step by parts. A part that is not sound waits until all have stepped.
typedef struct Move {
    EnvBatch *b;
    const double *action;
    int parts;
    bool waits[PARTS_MAX];
} Move;

// The first row of part `i` of `parts`.
static int first_row(const EnvBatch *b, int i, int parts) {
    return i == parts ? b->n : (int)((int64_t)b->n * i / parts / BLOCK * BLOCK);
}

static void move_parts(void *data, int thread, int threads) {
    Move *m = data;

    for (int i = thread; i < m->parts; i += threads) {
        int first = first_row(m->b, i, m->parts), n = first_row(m->b, i + 1, m->parts) - first;
        m->b->family->physics->step(m->b, m->action, first, n);
        m->waits[i] = !all_finite(m->b, first, n);
        if (!m->waits[i])
            commit(m->b, first, n);
    }
}

// A simulation has threads of its own, and steps all rows at once.
static int count_parts(const EnvBatch *b) {
    int most = b->threads < PARTS_MAX ? b->threads : PARTS_MAX, n = b->n / PART_ROWS;

    if (!b->run || b->simulation || n < 2 || most < 2)
        return 1;
    return n < most ? n : most;
}

static void move(EnvBatch *b, const double *action) {
    Move m = {.b = b, .action = action, .parts = count_parts(b)};
    bool waits = false;

    if (m.parts > 1)
        b->run(b->pool, m.parts, move_parts, &m);
    else
        move_parts(&m, 0, 1);
    for (int i = 0; i < m.parts; i++)
        waits |= m.waits[i];
    if (waits)
        fail_rows(b);
    for (int i = 0; i < m.parts; i++) {
        int first = first_row(b, i, m.parts);
        if (m.waits[i])
            commit(b, first, first_row(b, i + 1, m.parts) - first);
    }
}

bool env_batch_step(EnvBatch *b, const double *action, char *why, int why_size) {
    memset(b->refused, 0, (size_t)b->n * sizeof *b->refused);
    memset(b->next_terminated, 0, (size_t)b->n * sizeof *b->next_terminated);

    if (!check_actions(b, action, why, why_size))
        return false;
    move(b, action);
    return true;
}
