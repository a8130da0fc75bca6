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
#include "runtime/exec/call.h"
#include "runtime/exec/roots.h"
#include "runtime/train/world.h"
#include "tools/gssm-run_env.h"

// ---- check --------------------------------------------------------------------------------------

enum { ROWS = 50, STEPS = 60 };

// Runs `rows` episodes, from number `first` on, and puts every observation and reward of each row,
// row after row, behind `path`. False on error.
static bool run_rows(const EnvOptions *o, const EnvFamily *f, int first, int rows, int threads,
                     Buf *path, char *why, int why_size) {
    EnvBatch b;
    size_t width = (size_t)f->obs_dim + 1;
    double *action = calloc((size_t)(rows * f->action_dim), sizeof *action);
    double *all = calloc((size_t)rows * STEPS * width, sizeof *all);
    bool done = action && all && env_open(&b, o, f, rows, threads, NULL, why, why_size);

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

static bool three_threads(const EnvOptions *o, const EnvFamily *f, const Buf *all, char *why,
                          int n) {
    return check_rows(o, f, ROWS, 3, all, why, n);
}

// A state taken out of a row and put into a fresh batch goes on alike, at every step.
static bool state_is_all(const EnvOptions *o, const EnvFamily *f, const Buf *all, char *why,
                         int why_size) {
    EnvBatch b, fresh;
    double action[ENV_STATE_MAX], state[ENV_STATE_MAX], task[ENV_TASK_MAX];
    bool done = true;

    (void)all;
    if (!env_open(&b, o, f, 1, 1, NULL, why, why_size))
        return false;
    done = env_reset_all(&b, o, 0, why, why_size);
    for (int t = 0; t < STEPS && done && b.running[0]; t++) {
        env_batch_get_state(&b, 0, state);
        memcpy(task, b.task, (size_t)f->task_dim * sizeof *task);
        env_random_actions(&b, (uint64_t)o->seed, 0, t, action);
        done = env_batch_step(&b, action, why, why_size) &&
               env_open(&fresh, o, f, 1, 1, NULL, why, why_size);
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
    if (!env_open(&b, o, f, 1, 1, NULL, why, why_size))
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
    {"a row has the same bits alone as among 50", each_alone},
    {"rows have the same bits in batches of 7", by_sevens},
    {"rows have the same bits on two threads", two_threads},
    {"rows have the same bits on three threads", three_threads},
    {"a state is all that a row is", state_is_all},
    {"actions and tasks that are not finite are refused", bad_is_refused},
};
enum { N_PROMISES = sizeof promises / sizeof *promises };

static void put_check(const EnvOptions *o, const EnvFamily *f, const char *what, bool holds) {
    if (o->json)
        printf("{\"env\": \"%s\", \"check\": \"%s\", \"holds\": %s}\n", f->name, what,
               holds ? "true" : "false");
    else
        printf("%-14s %-6s  %s\n", f->name, holds ? "holds" : "FAILS", what);
}

// Reference data are compared where there are any; that there are none is no failure.
static bool check_data(const EnvOptions *o, const EnvFamily *f, char *why, int why_size) {
    char path[4096];

    if (!env_find_data(o, f, path, sizeof path)) {
        if (!o->json)
            printf("%-14s %-6s  no reference data; --data names their folder\n", f->name, "-");
        return true;
    }
    bool holds = env_agrees_with_data(o, f, path, why, why_size);
    put_check(o, f, "transitions are those of the reference data", holds);
    return holds;
}

int env_check(const EnvOptions *o, const EnvFamily *f, char *why, int why_size) {
    Buf together = {0};
    int code = run_rows(o, f, 0, ROWS, 1, &together, why, why_size) ? EXIT_OK : EXIT_MISSING;

    for (int i = 0; i < N_PROMISES && code != EXIT_MISSING; i++) {
        bool holds = promises[i].holds(o, f, &together, why, why_size);
        put_check(o, f, promises[i].what, holds);
        code = holds ? code : EXIT_CHECK;
    }
    if (code != EXIT_MISSING && !check_data(o, f, why, why_size))
        code = EXIT_CHECK;
    buf_free(&together);
    return code;
}

// ---- bench --------------------------------------------------------------------------------------

// A round is the same BENCH_STEPS steps of every row, from the same states and with the same
// actions, as often as it takes to last for round_seconds.
enum { ROUNDS = 9, BENCH_STEPS = 100 };
static const double round_seconds = 0.2;

// A policy that acts in the loop, with fresh parameters; but for the threads all zero where none
// was asked for.
typedef struct Loop {
    Arena arena;
    Diag diag;
    RtPool *pool;
    RtProgram *program;
    RtState *state;
    RtCall *call;
    int in, out; // features and actions
    double *row; // an action of each row, as the policy gives it
} Loop;

static void close_loop(Loop *l) {
    if (l->call)
        rt_call_free(l->call);
    if (l->state)
        rt_state_free(l->state);
    if (l->program)
        rt_program_free(l->program);
    if (l->pool)
        rt_pool_free(l->pool);
    free(l->row);
    diag_free(&l->diag);
    arena_free(&l->arena);
}

// Compiles `act` of the policy for observations as features, without a latent variable.
static bool open_loop(Loop *l, const EnvOptions *o, const EnvBatch *b, char *why, int why_size) {
    int width = b->family->discrete ? b->family->n_actions : b->family->action_dim;
    const LangPair bind = {"", o->module},
                   dims[] = {{"df", arena_printf(&l->arena, "%d", b->family->obs_dim)},
                             {"da", arena_printf(&l->arena, "%d", width)},
                             {"dz", "0"}};
    LangOptions options = {.real = IR_F32, .binds = &bind, .n_binds = 1, .dims = dims, .n_dims = 3};
    LangRequest request = {.instance = "", .name = "act"};
    RtProgramDef def = {.backend = backend_find("cpu")};

    options.n_roots = rt_model_roots(&options.roots);
    LangWorld *world = lang_open(&l->arena, &l->diag, &options);
    if (world && !l->diag.n_errors)
        l->program =
            rt_program_new(&l->arena, world, &l->diag, &request, &def, why, (size_t)why_size);
    if (l->program)
        l->state =
            rt_initial_state(&l->arena, world, &l->diag, (uint64_t)o->seed, why, (size_t)why_size);
    if (!l->state) {
        diag_print(&l->diag, stderr, false);
        return false;
    }
    l->call = rt_call_new(l->program, l->state, l->pool);
    l->in = rt_call_find_input(l->call, "features");
    l->out = rt_call_find_output(l->call, "a");
    if (l->in < 0 || l->out < 0 || !rt_call_set_dim(l->call, "B", b->n) ||
        rt_call_output_count(l->call, l->out) != (int64_t)b->n * width) {
        snprintf(why, (size_t)why_size,
                 "'%s' does not act as a policy does: act(features, z) of B rows", o->module);
        return false;
    }
    l->row = calloc((size_t)(b->n * width), sizeof *l->row);
    return l->row != NULL;
}

// The policy's actions for what is observed now; a choice is where its row is largest.
static void act(Loop *l, const EnvBatch *b, int64_t step, double *action) {
    const EnvFamily *f = b->family;
    int width = f->discrete ? f->n_actions : f->action_dim;

    rt_call_put(l->call, l->in, b->observation, (int64_t)b->n * f->obs_dim);
    rt_call_run(l->call, 0, (uint64_t)step);
    rt_call_get(l->call, l->out, f->discrete ? l->row : action, (int64_t)b->n * width);
    for (int i = 0; f->discrete && i < b->n; i++) {
        int best = 0;
        for (int k = 1; k < width; k++)
            if (l->row[i * width + k] > l->row[i * width + best])
                best = k;
        action[i] = best;
    }
}

// What a round does.
typedef struct Round {
    EnvBatch *b;
    Loop *loop;
    int steps;
    const double *state; // (rows, state_dim) to begin with
    const double *task;  // of every row
    double *action;      // (steps, rows, action_dim)
} Round;

static int64_t run_once(const Round *r) {
    EnvBatch *b = r->b;
    size_t size = (size_t)(b->n * b->family->action_dim);
    int64_t steps = 0;
    char why[256];

    for (int i = 0; i < b->n; i++)
        env_batch_reset_to(b, i, r->task, r->state + (int64_t)i * b->family->state_dim, why,
                           sizeof why);
    for (int t = 0; t < r->steps; t++) {
        double *action = r->action + (size_t)t * size;
        for (int i = 0; i < b->n; i++)
            steps += b->running[i];
        if (r->loop->call)
            act(r->loop, b, t, action);
        env_batch_step(b, action, why, sizeof why);
    }
    return steps;
}

static double time_round(const Round *r) {
    int64_t steps = 0;
    double start = rt_now(), spent = 0;

    while (spent < round_seconds) {
        steps += run_once(r);
        spent = rt_now() - start;
    }
    return (double)steps / spent;
}

static double time_raw(const Round *r, int threads) {
    const EnvFamily *f = r->b->family;
    double start = rt_now(), spent = 0;
    int64_t steps = 0;

    if (!f->physics->raw)
        return NAN;
    while (spent < round_seconds) {
        f->physics->raw(threads, r->b->n, r->steps, r->state, r->action);
        steps += (int64_t)r->b->n * r->steps;
        spent = rt_now() - start;
    }
    return (double)steps / spent;
}

static void print_bench(const EnvOptions *o, const EnvBatch *b, double best, double raw) {
    const char *name = b->family->name;

    if (o->json) {
        printf("{\"env\": \"%s\", \"rows\": %d, \"threads\": %" PRId64
               ", \"steps_per_second\": %.0f",
               name, b->n, o->threads, best);
        if (!isnan(raw))
            printf(", \"raw_steps_per_second\": %.0f, \"ratio\": %.4f", raw, best / raw);
        printf("}\n");
        return;
    }
    printf("%-14s %10.4g steps a second in batches of %d on %" PRId64 " thread%s%s%s", name, best,
           b->n, o->threads, o->threads == 1 ? "" : "s", o->module ? " with " : "",
           o->module ? o->module : "");
    if (!isnan(raw))
        printf("; the simulator alone %.4g, ratio %.3f", raw, best / raw);
    printf("\n");
}

// Every row in one task, the usual one unless another is given; initial states of their own.
static bool prepare(Round *r, const EnvOptions *o, double *state, double *task, char *why,
                    int why_size) {
    const EnvFamily *f = r->b->family;
    size_t size = (size_t)(r->b->n * f->action_dim);

    env_usual_task(f, task);
    if (o->task && !env_parse_task(f, o->task, task, why, why_size))
        return false;
    for (int i = 0; i < r->b->n; i++) {
        uint64_t key = env_random_key((uint64_t)o->seed, "reset", i, 0);
        if (!env_batch_reset(r->b, i, task, key, why, why_size))
            return false;
        env_batch_get_state(r->b, i, state + (int64_t)i * f->state_dim);
    }
    for (int t = 0; t < r->steps; t++)
        env_random_actions(r->b, (uint64_t)o->seed, 0, t, r->action + (size_t)t * size);
    r->state = state;
    r->task = task;
    run_once(r); // a policy's actions are there for the simulator alone
    return true;
}

int env_bench(const EnvOptions *o, const EnvFamily *f, char *why, int why_size) {
    int rows = o->rows ? (int)o->rows : f->physics->raw ? 64 : 1000;
    double task[ENV_TASK_MAX], best = 0, raw = NAN;
    Loop loop = {0};
    EnvBatch b;
    Round r = {.b = &b, .loop = &loop, .steps = BENCH_STEPS};

    if (f->horizon < r.steps)
        r.steps = f->horizon;
    r.action = calloc((size_t)(rows * f->action_dim) * (size_t)r.steps, sizeof *r.action);
    double *state = calloc((size_t)rows * (size_t)f->state_dim, sizeof *state);
    loop.pool = rt_pool_new((int)o->threads);
    bool done = r.action && state &&
                env_open(&b, o, f, rows, (int)o->threads, loop.pool, why, why_size);
    if (!done) {
        close_loop(&loop);
        free(r.action);
        free(state);
        return EXIT_MISSING;
    }
    done = (!o->module || open_loop(&loop, o, &b, why, why_size)) &&
           prepare(&r, o, state, task, why, why_size);

    // the two in turns, and the best of each: a machine's other work slows both
    for (int i = 0; i < ROUNDS && done; i++) {
        best = fmax(best, time_round(&r));
        raw = fmax(raw, time_raw(&r, (int)o->threads));
    }
    if (done)
        print_bench(o, &b, best, raw);
    close_loop(&loop);
    env_batch_close(&b);
    free(r.action);
    free(state);
    return done ? EXIT_OK : EXIT_BAD_USAGE;
}
