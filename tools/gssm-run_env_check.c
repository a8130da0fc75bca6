// tools/gssm-run_env_check.c -- gssm-run env check | bench: whether a family keeps what every
// family promises, and how fast it is.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env_random.h"
#include "ir/base/buf.h"
#include "ir/base/exits.h"
#include "runtime/train/world.h"
#include "tools/gssm-run_env.h"

// ---- check --------------------------------------------------------------------------------------

enum { ROWS = 24, STEPS = 60 };

// Runs `rows` episodes, from number `first` on, and puts every observation and reward of each row,
// row after row, behind `path`. False on error.
static bool run_rows(const EnvOptions *o, const EnvFamily *f, int first, int rows, int threads,
                     Buf *path, char *why, int why_size) {
    EnvBatch b;
    size_t width = (size_t)f->obs_dim + 1;
    double *action = calloc((size_t)(rows * f->action_dim), sizeof *action);
    double *all = calloc((size_t)rows * STEPS * width, sizeof *all);
    bool done = action && all && env_batch_open(&b, f, rows, threads, why, why_size);

    if (!done) {
        free(action);
        free(all);
        return false;
    }
    done = env_reset_all(&b, o, first, why, why_size);
    for (int t = 0; t < STEPS && done; t++) {
        env_random_actions(&b, (uint64_t)o->seed, first, t, action);
        done = env_batch_step(&b, action, why, why_size);
        for (int i = 0; i < rows; i++) {
            double *at = all + ((size_t)i * STEPS + (size_t)t) * width;
            memcpy(at, b.observation + i * f->obs_dim, (size_t)f->obs_dim * sizeof *at);
            at[f->obs_dim] = b.reward[i];
        }
    }
    buf_put(path, (const char *)all, (size_t)rows * STEPS * width * sizeof *all);
    env_batch_close(&b);
    free(action);
    free(all);
    return done;
}

static bool same(const Buf *a, const Buf *b) {
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

// Rows must not know of each other, nor of threads.
static bool check_rows(const EnvOptions *o, const EnvFamily *f, int per_batch, int threads,
                       const Buf *together, char *why, int why_size) {
    Buf apart = {0};
    bool done = true;

    for (int i = 0; i < ROWS && done; i += per_batch)
        done = run_rows(o, f, i, i + per_batch <= ROWS ? per_batch : ROWS - i, threads, &apart, why,
                        why_size);
    done = done && same(together, &apart);
    buf_free(&apart);
    return done;
}

static bool each_alone(const EnvOptions *o, const EnvFamily *f, const Buf *all, char *why, int n) {
    return check_rows(o, f, 1, 1, all, why, n);
}

static bool by_sevens(const EnvOptions *o, const EnvFamily *f, const Buf *all, char *why, int n) {
    return check_rows(o, f, 7, 1, all, why, n);
}

static bool two_threads(const EnvOptions *o, const EnvFamily *f, const Buf *all, char *why, int n) {
    return check_rows(o, f, ROWS, 2, all, why, n);
}

// A state taken out of a row and put into a fresh batch goes on alike, at every step.
static bool state_is_all(const EnvOptions *o, const EnvFamily *f, const Buf *all, char *why,
                         int why_size) {
    EnvBatch b, fresh;
    double action[ENV_STATE_MAX], state[ENV_STATE_MAX], task[ENV_TASK_MAX];
    bool done = true;

    (void)all;
    if (!env_batch_open(&b, f, 1, 1, why, why_size))
        return false;
    done = env_reset_all(&b, o, 0, why, why_size);
    for (int t = 0; t < STEPS && done && b.running[0]; t++) {
        env_batch_get_state(&b, 0, state);
        memcpy(task, b.task, (size_t)f->task_dim * sizeof *task);
        env_random_actions(&b, (uint64_t)o->seed, 0, t, action);
        done = env_batch_step(&b, action, why, why_size) &&
               env_batch_open(&fresh, f, 1, 1, why, why_size);
        if (!done)
            break;
        done = env_batch_reset_to(&fresh, 0, task, state, why, why_size) &&
               env_batch_step(&fresh, action, why, why_size) &&
               memcmp(b.observation, fresh.observation, (size_t)f->obs_dim * sizeof *state) == 0 &&
               b.reward[0] == fresh.reward[0];
        env_batch_close(&fresh);
    }
    env_batch_close(&b);
    return done;
}

// Whether `action` is refused by name, and nothing moves.
static bool refuses(EnvBatch *b, const double *action) {
    char said[256] = "";
    int steps = b->steps[0];

    return !env_batch_step(b, action, said, sizeof said) && strncmp(said, "row 0", 5) == 0 &&
           b->steps[0] == steps && b->running[0];
}

static bool bad_is_refused(const EnvOptions *o, const EnvFamily *f, const Buf *all, char *why,
                           int why_size) {
    static const double bad[] = {NAN, INFINITY, -INFINITY, 1e300};
    double action[ENV_STATE_MAX] = {0}, task[ENV_TASK_MAX];
    char said[256];
    EnvBatch b;

    (void)all;
    if (!env_batch_open(&b, f, 1, 1, why, why_size))
        return false;
    bool done = env_reset_all(&b, o, 0, why, why_size);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        action[f->action_dim - 1] = bad[i];
        done = done && refuses(&b, action);
    }
    for (int k = 0; k < f->task_dim; k++) {
        env_usual_task(f, task);
        task[k] = NAN;
        done = done && !env_batch_reset(&b, 0, task, 0, said, sizeof said);
    }
    env_batch_close(&b);
    return done;
}

static const struct {
    const char *what;
    bool (*holds)(const EnvOptions *o, const EnvFamily *f, const Buf *together, char *why, int n);
} promises[] = {
    {"a row has the same bits alone as among others", each_alone},
    {"rows have the same bits in batches of 7", by_sevens},
    {"rows have the same bits on two threads", two_threads},
    {"a state is all that a row is", state_is_all},
    {"actions and tasks that are not finite are refused", bad_is_refused},
};
enum { N_PROMISES = sizeof promises / sizeof *promises };

int env_check(const EnvOptions *o, const EnvFamily *f, char *why, int why_size) {
    Buf together = {0};
    int code = run_rows(o, f, 0, ROWS, 1, &together, why, why_size) ? EXIT_OK : EXIT_MISSING;

    for (int i = 0; i < N_PROMISES && code != EXIT_MISSING; i++) {
        bool holds = promises[i].holds(o, f, &together, why, why_size);
        if (o->json)
            printf("{\"env\": \"%s\", \"check\": \"%s\", \"holds\": %s}\n", f->name,
                   promises[i].what, holds ? "true" : "false");
        else
            printf("%-14s %-6s  %s\n", f->name, holds ? "holds" : "FAILS", promises[i].what);
        code = holds ? code : EXIT_CHECK;
    }
    buf_free(&together);
    return code;
}

// ---- bench --------------------------------------------------------------------------------------

enum { ROUNDS = 5, CYCLE = 16 };
static const double round_seconds = 0.3;

// Transitions a second of one round. Actions are drawn before; rows that end begin again.
static double time_round(EnvBatch *b, const double *actions, uint64_t seed) {
    int64_t steps = 0, restarts = 0;
    size_t size = (size_t)(b->n * b->family->action_dim);
    char why[256];
    double task[ENV_TASK_MAX], start = rt_now(), spent = 0;

    for (int t = 0; spent < round_seconds; t++) {
        env_batch_step(b, actions + (size_t)(t % CYCLE) * size, why, sizeof why);
        for (int i = 0; i < b->n; i++) {
            steps++;
            if (b->running[i])
                continue;
            for (int k = 0; k < b->family->task_dim; k++)
                task[k] = b->task[(int64_t)k * b->n + i];
            env_batch_reset(b, i, task, env_random_key(seed, "again", i, restarts++), why,
                            sizeof why);
        }
        spent = rt_now() - start;
    }
    return (double)steps / spent;
}

static double time_raw(const EnvFamily *f, int threads) {
    return f->physics->raw ? f->physics->raw(threads, round_seconds) : NAN;
}

int env_bench(const EnvOptions *o, const EnvFamily *f, char *why, int why_size) {
    int rows = o->rows ? (int)o->rows : f->physics->raw ? 64 : 1000;
    size_t size = (size_t)(rows * f->action_dim);
    double *actions = calloc(size * CYCLE, sizeof *actions), best = 0, raw = NAN;
    EnvBatch b;

    if (!actions || !env_batch_open(&b, f, rows, (int)o->threads, why, why_size)) {
        free(actions);
        return EXIT_MISSING;
    }
    bool done = env_reset_all(&b, o, 0, why, why_size);
    for (int t = 0; t < CYCLE; t++)
        env_random_actions(&b, (uint64_t)o->seed, 0, t, actions + (size_t)t * size);

    // the two in turns, and the best of each: a machine's other work slows both
    for (int i = 0; i < ROUNDS && done; i++) {
        best = fmax(best, time_round(&b, actions, (uint64_t)o->seed));
        raw = fmax(raw, time_raw(f, (int)o->threads));
    }
    if (done && o->json) {
        printf("{\"env\": \"%s\", \"rows\": %d, \"threads\": %" PRId64
               ", \"steps_per_second\": %.0f",
               f->name, rows, o->threads, best);
        if (!isnan(raw))
            printf(", \"raw_steps_per_second\": %.0f, \"ratio\": %.4f", raw, best / raw);
        printf("}\n");
    } else if (done) {
        printf("%-14s %10.4g steps a second in batches of %d on %" PRId64 " thread%s", f->name,
               best, rows, o->threads, o->threads == 1 ? "" : "s");
        if (!isnan(raw))
            printf("; the simulator alone %.4g, ratio %.3f", raw, best / raw);
        printf("\n");
    }
    env_batch_close(&b);
    free(actions);
    return done ? EXIT_OK : EXIT_BAD_USAGE;
}
