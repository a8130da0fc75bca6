// tests/check_objectives.c -- PPO: its loss and advantages against reference data, rounds of
// updates in one call, imagined buffers, and what is learned from them.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "ir/base/exits.h"
#include "ir/random.h"
#include "runtime/exec/call.h"
#include "runtime/exec/roots.h"
#include "runtime/record/safetensors.h"
#include "tests/support_cli.h"
#include "tests/support_files.h"

static char cache[] = "/tmp/check_objectives_XXXXXX"; // compiled objects, shared by the tests

static Backend *const targets[] = {&ref_backend, &llvm_backend};

// ---- worlds -------------------------------------------------------------------------------------

// PPO with a policy, on a point on a line (tests/models).
typedef struct World {
    Arena arena;
    Diag diag;
    LangWorld *world;
    RtState *state;
    char why[512];
} World;

static void give_up(World *w, const char *what) {
    diag_print(&w->diag, stderr, false);
    ck_abort_msg("%s: %s", what, w->why);
}

static LangPair given[4], given_sets[8]; // -D and --set of the next world, before a zeroed pair

static void open_world(World *w, const char *policy, const char *task, IrDtype real) {
    const LangPair binds[] = {{"", "objectives/ppo"},
                              {"policy", policy},
                              {"dynamics", "tests/models/line_dynamics"},
                              {"task", task}};
    LangOptions o = {.real = real, .binds = binds, .n_binds = 4, .sets = given_sets, .dims = given};

    *w = (World){0};
    o.n_roots = rt_model_roots(&o.roots);
    while (given_sets[o.n_sets].name)
        o.n_sets++;
    given_sets[o.n_sets++] = (LangPair){.name = "policy.hidden", .value = "12"};
    if (strstr(policy, "gaussian"))
        given_sets[o.n_sets++] = (LangPair){.name = "policy.limit", .value = "2"};
    while (given[o.n_dims].name)
        o.n_dims++;
    w->world = lang_open(&w->arena, &w->diag, &o);
    memset(given, 0, sizeof given);
    memset(given_sets, 0, sizeof given_sets);
    if (!w->world || w->diag.n_errors)
        give_up(w, "the world");
    w->state = rt_initial_state(&w->arena, w->world, &w->diag, 5, w->why, sizeof w->why);
    if (!w->state)
        give_up(w, "initial values");
}

static void open_gaussian(World *w, IrDtype real) {
    open_world(w, "policies/mlp_gaussian", "tests/models/line_task", real);
}

static void open_softmax(World *w, IrDtype real) {
    open_world(w, "policies/mlp_softmax", "tests/models/steps_task", real);
}

static void close_world(World *w) {
    rt_state_free(w->state);
    diag_free(&w->diag);
    arena_free(&w->arena);
}

static RtProgram *build(World *w, Backend *backend, const char *name, const char *draw) {
    LangRequest request = {.instance = "", .name = name};
    RtProgramDef def = {.backend = backend,
                        .passes.verify_each = true,
                        .options = {.cache_dir = cache, .compile_threads = 2},
                        .draws = &draw,
                        .n_draws = draw != NULL};

    RtProgram *p =
        rt_program_new(&w->arena, w->world, &w->diag, &request, &def, w->why, sizeof w->why);
    if (!p)
        give_up(w, name);
    ck_assert(!draw || p->draws_found[0]);
    return p;
}

static void set_dim(RtCall *call, const char *name, int64_t value) {
    ck_assert_msg(rt_call_set_dim(call, name, value), "no dim '%s'", name);
}

static int input_at(const RtCall *call, const char *name) {
    int i = rt_call_find_input(call, name);
    ck_assert_msg(i >= 0, "no input '%s'", name);
    return i;
}

// An output, as doubles owned by the world.
static const double *output_of(World *w, const RtCall *call, const char *name, int64_t *n) {
    int i = rt_call_find_output(call, name);
    ck_assert_msg(i >= 0, "no output '%s'", name);
    *n = rt_call_output_count(call, i);
    double *v = arena_array(&w->arena, double, *n + 1);
    rt_call_get(call, i, v, *n);
    return v;
}

static double scalar_of(World *w, const RtCall *call, const char *name) {
    int64_t n;
    const double *v = output_of(w, call, name, &n);
    ck_assert_int_eq(n, 1);
    return v[0];
}

static double normal_at(const char *name, int64_t k) {
    uint32_t bits[4];
    ir_philox(ir_random_key(1, map_hash_str(name)), (uint64_t)k, 0, bits);
    return ir_normal_f64(bits);
}

static const char *const columns[] = {"features", "z", "a", "logp", "advantage", "return"};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

// A buffer of `rows` random rows; softmax policies want one-hot actions.
static void fill(World *w, RtCall *call, int64_t rows) {
    int64_t da;

    set_dim(call, "R", rows);
    ck_assert(lang_dim_value(w->world, "policy", "da", &da));
    for (int c = 0; c < N_COLUMNS; c++) {
        int i = input_at(call, columns[c]);
        for (int64_t k = 0; k < rt_call_input_count(call, i); k++) {
            double x = normal_at(columns[c], k);
            if (strcmp(columns[c], "a") == 0 && da > 1)
                x = k % da == (k / da) * 7 % da ? 1 : 0;
            rt_call_put_at(call, i, k, strcmp(columns[c], "logp") == 0 ? 0.3 * x - 1 : x);
        }
    }
}

// ---- reference data -----------------------------------------------------------------------------

#define RENAME                                                                                 \
    "--rename=p:p.policy --rename=g:g.policy --rename=in.observation:in.features "             \
    "--rename=in.action:in.a --rename=in.log_prob:in.logp --set policy.hidden=20 --grad=loss " \
    "--data=tests/data/ppo_"

// The reference computed the fraction in single precision, where the rest is double.
#define NO_FRACTION " --rename=out.clip_fraction:mid.clip_fraction"

static const struct {
    const char *arguments, *double_only;
} reference[] = {
    {"models/objectives/ppo.yaml loss --bind policy=policies/mlp_softmax " RENAME
     "discrete.safetensors",
     NO_FRACTION},
    {"models/objectives/ppo.yaml loss --bind policy=policies/mlp_gaussian "
     "--set policy.limit=0.4 " RENAME "continuous.safetensors",
     NO_FRACTION},
    {"models/lib/advantage.yaml gae --data=tests/data/gae.safetensors", ""},
};

// Values and gradients; the tolerance is that of --check: 1e-10, and 1e-4 for f32.
START_TEST(reference_data_is_met) {
    static const char *const told[][2] = {{"equal: 17 arrays", "equal: 16 arrays"},
                                          {"equal: 18 arrays", "equal: 17 arrays"},
                                          {"equal: 2 arrays", "equal: 2 arrays"}};
    bool is_double = !(_i & 2);
    Cli cli;

    cli_open(&cli, "gssmc");
    cli_expect(&cli, EXIT_OK, "run %s --target=%s --dtype=%s --check%s",
               reference[_i / 4].arguments, _i & 1 ? "cpu" : "ref", is_double ? "f64" : "f32",
               is_double ? reference[_i / 4].double_only : "");
    cli_expect_out(&cli, told[_i / 4][is_double]);
    cli_close(&cli);
}
END_TEST

// 7 and 11 of 15 ratios are farther than 0.2 from 1.
START_TEST(clip_fraction_counts_rows) {
    Cli cli;

    cli_open(&cli, "gssmc");
    cli_expect(&cli, EXIT_OK, "run %s --dtype=f64", reference[_i].arguments);
    cli_expect_out(&cli, _i ? "0.733333333333333" : "0.466666666666666");
    cli_close(&cli);
}
END_TEST

// ---- a round of updates -------------------------------------------------------------------------

enum { UPDATES = 10, MINIBATCH = 64, ROWS = 150 };

static double row_of(int update, int k) {
    return (update * 37 + k * 11 + update * k) % ROWS;
}

// The state after the updates in `calls` calls, each of UPDATES / calls updates, on given rows.
static RtState *improved(World *w, Backend *backend, int calls) {
    RtProgram *p = build(w, backend, "step", "round.path.drawn");
    RtState *s = rt_state_clone(w->state);
    RtCall *call = rt_call_new(p, s, NULL);
    int rows = input_at(call, "round.path.drawn"), each = UPDATES / calls;

    fill(w, call, ROWS);
    ck_assert_int_eq(rt_call_input_count(call, rows), each * MINIBATCH);
    for (int c = 0; c < calls; c++) {
        for (int u = 0; u < each; u++)
            for (int k = 0; k < MINIBATCH; k++)
                rt_call_put_at(call, rows, u * MINIBATCH + k, row_of(c * each + u, k));
        rt_call_run(call, 1, (uint64_t)c);
        ck_assert(isfinite(scalar_of(w, call, "loss")));
    }
    rt_call_free(call);
    rt_program_free(p);
    return s;
}

static void expect_same_state(const RtState *a, const RtState *b, double tolerance) {
    ck_assert_int_eq(a->n, b->n);
    for (int i = 0; i < a->n; i++) {
        if (a->tensors[i].dtype != RT_F64) {
            ck_assert_mem_eq(a->tensors[i].data, b->tensors[i].data, a->tensors[i].bytes);
            continue;
        }
        const double *x = a->tensors[i].data, *y = b->tensors[i].data;
        for (int64_t k = 0; k < rt_tensor_elements(&a->tensors[i]); k++)
            ck_assert_msg(fabs(x[k] - y[k]) <= tolerance * fmax(1, fabs(y[k])), "%s[%d]: %g, %g",
                          a->tensors[i].name, (int)k, x[k], y[k]);
    }
}

START_TEST(ten_updates_in_one_call_are_ten_calls) {
    World all, one;

    open_gaussian(&all, IR_F64);
    given[0] = (LangPair){.name = "updates", .value = "1"};
    open_gaussian(&one, IR_F64);
    RtState *together = improved(&all, targets[_i], 1), *apart = improved(&one, targets[_i], 10);
    RtTensor *t = rt_state_find(together, "adam.t");
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(*(const int32_t *)t->data, UPDATES);
    ck_assert(memcmp(rt_state_find(together, "policy.actor.0.w")->data,
                     rt_state_find(all.state, "policy.actor.0.w")->data, 12 * sizeof(double)) != 0);
    expect_same_state(together, apart, 1e-12);
    rt_state_free(together);
    rt_state_free(apart);
    close_world(&all);
    close_world(&one);
}
END_TEST

// What a round leaves when everything behind the rows of the buffer is `behind`.
static RtState *round_with(World *w, const RtProgram *p, int64_t rows, double behind, int threads) {
    RtState *s = rt_state_clone(w->state);
    RtPool *pool = rt_pool_new(threads);
    RtCall *call = rt_call_new(p, s, pool);

    fill(w, call, rows + 100);
    for (int c = 0; c < N_COLUMNS; c++) {
        int i = input_at(call, columns[c]);
        int64_t n = rt_call_input_count(call, i);
        for (int64_t k = n / (rows + 100) * rows; k < n; k++)
            rt_call_put_at(call, i, k, behind);
    }
    set_dim(call, "R", rows);
    for (uint64_t k = 0; k < 2; k++)
        rt_call_run(call, 9, k);
    rt_call_free(call);
    rt_pool_free(pool);
    return s;
}

// Rows beyond the bounded count are never drawn, and threads change no bit.
START_TEST(a_round_depends_on_its_rows_alone) {
    static const int64_t sizes[] = {1, 2, 7, 65, 3000};
    World w;

    open_softmax(&w, IR_F32);
    RtProgram *p = build(&w, targets[_i], "step", NULL);
    for (int k = 0; k < 5; k++) {
        RtState *first = round_with(&w, p, sizes[k], 0, 1);
        ck_assert(memcmp(first->memory.data, w.state->memory.data, first->memory.bytes) != 0);
        for (int threads = 1; threads <= 3; threads++) {
            RtState *s = round_with(&w, p, sizes[k], NAN, threads);
            ck_assert_msg(!memcmp(s->memory.data, first->memory.data, s->memory.bytes),
                          "%d rows, %d threads", (int)sizes[k], threads);
            rt_state_free(s);
        }
        rt_state_free(first);
    }
    rt_program_free(p);
    close_world(&w);
}
END_TEST

START_TEST(no_rows_change_nothing) {
    World w;

    open_softmax(&w, IR_F32);
    RtProgram *p = build(&w, targets[_i], "step", NULL);
    RtState *s = rt_state_clone(w.state);
    RtCall *call = rt_call_new(p, s, NULL);
    set_dim(call, "R", 0);
    rt_call_run(call, 9, 0);
    ck_assert_mem_eq(s->memory.data, w.state->memory.data, s->memory.bytes);
    rt_call_free(call);
    rt_state_free(s);
    rt_program_free(p);
    close_world(&w);
}
END_TEST

// ---- imagined episodes --------------------------------------------------------------------------

static void put_all(RtState *s, const char *name, double value) {
    RtTensor *t = rt_state_find(s, name);
    ck_assert_msg(t && t->dtype == RT_F64, "no '%s'", name);
    for (int64_t k = 0; k < rt_tensor_elements(t); k++)
        ((double *)t->data)[k] = value;
}

// The policy goes right by 1 a step, nearly without noise, and expects the return `value`.
static void go_right(World *w, double value) {
    for (int i = 0; i < w->state->n; i++)
        if (strncmp(w->state->tensors[i].name, "policy.", 7) == 0)
            put_all(w->state, w->state->tensors[i].name, 0);
    put_all(w->state, "policy.actor.2.b", atanh(0.5));
    put_all(w->state, "policy.critic.2.b", value);
    put_all(w->state, "policy.log_std", -10);
}

enum { EPISODES = 3, MOST = 6 };

static const double starts[EPISODES] = {-0.5, 2.5, 1.5}; // the end is beyond 3
static const int lengths[EPISODES] = {4, 1, 2};

// Row after row: states, ends, advantages with gamma 0.99 and lambda 0.95 of rewards within +-1.
static void expect_buffer(World *w, const RtCall *call, int steps, double value, bool bootstrap) {
    int64_t n;
    const double *s = output_of(w, call, "state", &n), *done = output_of(w, call, "done", &n);
    const double *r = output_of(w, call, "reward", &n), *a = output_of(w, call, "advantage", &n);
    const double *g = output_of(w, call, "return", &n), *logp = output_of(w, call, "logp", &n);
    const double *features = output_of(w, call, "features", &n), *u = output_of(w, call, "a", &n);
    int row = 0;
    double sum = 0;

    for (int k = 0; k < EPISODES; k++) {
        int length = lengths[k] < steps ? lengths[k] : steps;
        double after = 0;
        for (int t = length - 1; t >= 0; t--) {
            int i = row + t;
            double x = starts[k] + t, pays = -x * x - 0.1;
            bool ends = lengths[k] - 1 == t;
            double next = ends || (t == length - 1 && !bootstrap) ? 0 : value;
            double delta = fmax(pays, -1) + 0.99 * next - value;
            after = delta + (t == length - 1 ? 0 : 0.99 * 0.95 * after);
            sum += pays;
            ck_assert_double_eq_tol(s[i], x, 1e-2);
            ck_assert_double_eq(features[i], s[i]);
            ck_assert_double_eq_tol(u[i], 1, 1e-2);
            ck_assert_double_eq_tol(r[i], pays, 1e-1);
            ck_assert_double_eq(done[i], ends);
            ck_assert_double_eq_tol(a[i], after, 1e-2);
            ck_assert_double_eq_tol(g[i], after + value, 1e-2);
            ck_assert(isfinite(logp[i]));
        }
        row += length;
    }
    ck_assert_int_eq((int)scalar_of(w, call, "rows"), row);
    ck_assert_int_eq(n, EPISODES * steps);
    ck_assert_double_eq_tol(scalar_of(w, call, "imagined_return"), sum / EPISODES, 1e-1);
}

// A world whose policy goes right, and imagined episodes of it from the starts.
static RtCall *imagine(World *w, RtProgram **p, Backend *backend, RtPool *pool, int steps) {
    *p = build(w, backend, "imagine_from", NULL);
    RtCall *call = rt_call_new(*p, w->state, pool);
    set_dim(call, "N", 0);
    set_dim(call, "K", 0);
    set_dim(call, "S", EPISODES);
    set_dim(call, "H", steps);
    rt_call_put(call, input_at(call, "start"), starts, EPISODES);
    rt_call_run(call, 3, 1);
    return call;
}

// Episodes are cut where they are done, or at the time limit; what follows is in no counted row.
START_TEST(imagined_buffer_holds_the_steps_that_count) {
    int steps = _i & 1 ? 2 : MOST;
    bool bootstrap = _i & 2;
    World w;
    RtProgram *p;

    if (bootstrap)
        given_sets[0] = (LangPair){.name = "bootstrap", .value = "true"};
    open_gaussian(&w, IR_F64);
    go_right(&w, 2);
    RtCall *call = imagine(&w, &p, targets[_i / 4], NULL, steps);
    expect_buffer(&w, call, steps, 2, bootstrap);
    rt_call_free(call);
    rt_program_free(p);
    close_world(&w);
}
END_TEST

// Two episodes from the start of episodes, at 0, stand before those from given states. The second of
// these ends at once.
START_TEST(given_starts_follow_those_of_the_task) {
    int64_t n;
    World w;
    RtProgram *p;

    open_gaussian(&w, IR_F64);
    go_right(&w, 2);
    RtCall *call = imagine(&w, &p, targets[_i], NULL, 2);
    set_dim(call, "K", 2);
    rt_call_run(call, 3, 1);
    const double *s = output_of(&w, call, "state", &n);
    ck_assert_int_eq(n, (2 + EPISODES) * 2);
    int row = 0;
    for (int k = 0; k < 2 + EPISODES; k++)
        for (int t = 0; t < (k == 3 ? 1 : 2); t++, row++)
            ck_assert_double_eq_tol(s[row], (k < 2 ? 0 : starts[k - 2]) + t, 0.2);
    ck_assert_int_eq((int)scalar_of(&w, call, "rows"), row);
    rt_call_free(call);
    rt_program_free(p);
    close_world(&w);
}
END_TEST

START_TEST(edges_of_imagined_dims_are_finite) {
    static const int64_t sizes[][2] = {{0, 5}, {3, 0}, {0, 0}, {1, 1}, {64, 1000}};
    World w;

    open_softmax(&w, IR_F32);
    for (int backend = 0; backend < 2; backend++) {
        RtProgram *p = build(&w, targets[backend], "imagine", NULL);
        RtPool *pool = rt_pool_new(2);
        RtCall *call = rt_call_new(p, w.state, pool);
        set_dim(call, "N", 3);
        for (int k = 0; k < 4 + backend; k++) {
            set_dim(call, "K", sizes[k][0]);
            set_dim(call, "H", sizes[k][1]);
            rt_call_run(call, 3, 1);
            double rows = scalar_of(&w, call, "rows");
            ck_assert(rows >= (double)(sizes[k][1] ? sizes[k][0] : 0));
            ck_assert(rows <= (double)(sizes[k][0] * sizes[k][1]));
            int64_t n;
            const double *a = output_of(&w, call, "advantage", &n);
            ck_assert_int_eq(n, sizes[k][0] * sizes[k][1]);
            for (int64_t i = 0; i < n; i++)
                ck_assert(isfinite(a[i]));
        }
        rt_call_free(call);
        rt_pool_free(pool);
        rt_program_free(p);
    }
    close_world(&w);
}
END_TEST

START_TEST(threads_do_not_change_a_buffer) {
    void *first = NULL;
    World w;

    open_softmax(&w, IR_F32);
    RtProgram *p = build(&w, &llvm_backend, "imagine", NULL);
    for (int threads = 1; threads <= 3; threads++) {
        RtPool *pool = rt_pool_new(threads);
        RtCall *call = rt_call_new(p, w.state, pool);
        set_dim(call, "N", 3);
        set_dim(call, "K", 33);
        set_dim(call, "H", 40);
        rt_call_run(call, 3, 1);
        int o = rt_call_find_output(call, "return");
        size_t bytes = (size_t)rt_call_output_count(call, o) * sizeof(float);
        if (!first)
            first = memcpy(arena_array(&w.arena, char, bytes), rt_call_output_data(call, o), bytes);
        ck_assert_mem_eq(first, rt_call_output_data(call, o), bytes);
        rt_call_free(call);
        rt_pool_free(pool);
    }
    rt_program_free(p);
    close_world(&w);
}
END_TEST

// ---- real episodes ------------------------------------------------------------------------------

// Two episodes of two steps: one terminates, one is cut off. The critic expects 2 everywhere.
// Rewards are limited to +-1, or not.
START_TEST(advantages_end_where_episodes_end) {
    static const double reward[] = {0.5, -0.25, 3, 0.125};
    static const double terminated[] = {0, 1, 0, 0}, ended[] = {0, 1, 0, 1};
    bool bootstrap = _i & 2, limited = !(_i & 4);
    double last = 0.125 + (bootstrap ? 0.99 * 2 : 0) - 2, end = -0.25 - 2;
    const double want[] = {0.5 + 0.99 * 2 - 2 + 0.99 * 0.95 * end, end,
                           (limited ? 1 : 3) + 0.99 * 2 - 2 + 0.99 * 0.95 * last, last};
    int64_t n;
    World w;

    given_sets[0] = (LangPair){.name = "bootstrap", .value = bootstrap ? "true" : "false"};
    given_sets[1] = (LangPair){.name = "reward_clip", .value = limited ? "1" : "0"};
    open_gaussian(&w, IR_F64);
    go_right(&w, 2);
    RtProgram *p = build(&w, targets[_i & 1], "advantages", NULL);
    RtCall *call = rt_call_new(p, w.state, NULL);
    set_dim(call, "R", 4);
    rt_call_put(call, input_at(call, "reward"), reward, 4);
    rt_call_put(call, input_at(call, "terminated"), terminated, 4);
    rt_call_put(call, input_at(call, "ended"), ended, 4);
    rt_call_run(call, 0, 0);
    const double *a = output_of(&w, call, "advantage", &n), *r = output_of(&w, call, "return", &n);
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq_tol(a[i], want[i], 1e-12);
        ck_assert_double_eq_tol(r[i], want[i] + 2, 1e-12);
    }
    rt_call_free(call);
    rt_program_free(p);
    close_world(&w);
}
END_TEST

// The surrogate and the divergence of three rows, by hand; actions are off[i] deviations from the
// mean.
START_TEST(normalised_advantages_have_mean_0_and_deviation_1) {
    static const double advantage[] = {1, 3, 8}, off[] = {-1.5, -0.25, 0.5};
    double mean = 4, deviation = sqrt((9 + 1 + 16) / 3.0), want = 0;
    int64_t n;
    World w;

    given_sets[0] = (LangPair){.name = "normalise", .value = "true"};
    open_gaussian(&w, IR_F64);
    go_right(&w, 2);
    RtProgram *p = build(&w, targets[_i], "loss", NULL);
    RtProgram *evaluate = build(&w, targets[_i], "kl", NULL);
    RtCall *call = rt_call_new(p, w.state, NULL), *kl = rt_call_new(evaluate, w.state, NULL);
    double sigma = exp(-10), density = -log(sigma) - 0.5 * log(2 * acos(-1)), divergence = 0;
    for (int i = 0; i < 3; i++) {
        double a = 1 + off[i] * sigma, r = -0.5 * off[i] * off[i] - 0.1 * i;
        double gain = (advantage[i] - mean) / deviation;
        want -= fmin(exp(r) * gain, fmin(fmax(exp(r), 0.8), 1.2) * gain) / 3;
        divergence += (exp(r) - 1 - r) / 3;
        for (int k = 0; k < 2; k++) {
            RtCall *to = k ? kl : call;
            set_dim(to, "R", 3);
            rt_call_put_at(to, input_at(to, "a"), i, a);
            rt_call_put_at(to, input_at(to, "logp"), i, density + 0.1 * i);
        }
        rt_call_put_at(call, input_at(call, "advantage"), i, advantage[i]);
    }
    rt_call_run(call, 0, 0);
    rt_call_run(kl, 0, 0);
    ck_assert_double_eq_tol(scalar_of(&w, call, "policy"), want, 1e-8);
    ck_assert_double_eq_tol(scalar_of(&w, call, "kl"), divergence, 1e-8);
    ck_assert_double_eq_tol(*output_of(&w, kl, "out", &n), divergence, 1e-8);

    // equal advantages tell nothing
    for (int i = 0; i < 3; i++)
        rt_call_put_at(call, input_at(call, "advantage"), i, 5);
    rt_call_run(call, 0, 0);
    ck_assert_double_eq(scalar_of(&w, call, "policy"), 0);
    rt_call_free(call);
    rt_call_free(kl);
    rt_program_free(p);
    rt_program_free(evaluate);
    close_world(&w);
}
END_TEST

// What `learn` makes of real episodes is what `step` makes of rows with the densities and advantages
// that belong to them.
START_TEST(learning_from_real_episodes_is_a_step_on_their_advantages) {
    enum { STEPS = 40 };
    World w;
    int64_t n;

    open_softmax(&w, IR_F64);
    RtProgram *learn = build(&w, targets[_i], "learn", "round.path.drawn");
    RtProgram *step = build(&w, targets[_i], "step", "round.path.drawn");
    RtProgram *advantages = build(&w, targets[_i], "advantages", NULL);
    RtProgram *kl = build(&w, targets[_i], "kl", NULL);
    RtState *learned = rt_state_clone(w.state), *stepped = rt_state_clone(w.state);
    RtCall *to = rt_call_new(learn, learned, NULL), *by = rt_call_new(step, stepped, NULL);
    RtCall *of = rt_call_new(advantages, w.state, NULL), *at = rt_call_new(kl, w.state, NULL);

    fill(&w, by, STEPS); // actions, and states that are features
    set_dim(to, "R", STEPS);
    set_dim(of, "R", STEPS);
    const double *f = rt_call_input_data(by, input_at(by, "features"));
    const double *a = rt_call_input_data(by, input_at(by, "a"));
    int64_t n_f = rt_call_input_count(by, input_at(by, "features"));
    rt_call_put(to, input_at(to, "s"), f, n_f);
    rt_call_put(to, input_at(to, "a"), a, rt_call_input_count(by, input_at(by, "a")));
    rt_call_put(of, input_at(of, "features"), f, n_f);
    for (int64_t i = 0; i < n_f; i++) {
        rt_call_put_at(to, input_at(to, "s2"), i, f[i] + 0.5);
        rt_call_put_at(of, input_at(of, "after"), i, f[i] + 0.5);
    }
    for (int i = 0; i < STEPS; i++) {
        double ended = i % 9 == 8 || i == STEPS - 1, terminated = i % 18 == 8;
        for (int k = 0; k < 2; k++) {
            RtCall *call = k ? to : of;
            rt_call_put_at(call, input_at(call, "reward"), i, cos(i));
            rt_call_put_at(call, input_at(call, "ended"), i, ended);
            rt_call_put_at(call, input_at(call, "terminated"), i, terminated);
        }
    }
    rt_call_run(of, 0, 0);
    rt_call_put(by, input_at(by, "advantage"), output_of(&w, of, "advantage", &n), STEPS);
    rt_call_put(by, input_at(by, "return"), output_of(&w, of, "return", &n), STEPS);

    // the density under the policy is where the divergence from it is 0
    set_dim(at, "R", 1);
    for (int i = 0; i < STEPS; i++) {
        int64_t df = n_f / STEPS, da = rt_call_input_count(at, input_at(at, "a"));
        double low = -8, high = 0;
        rt_call_put(at, input_at(at, "features"), f + i * df, df);
        rt_call_put(at, input_at(at, "a"), a + i * da, da);
        for (int k = 0; k < 200; k++) { // of r - 1 - log r, least at 1: its slope has the sign of logp - x
            double third = (high - low) / 3, value[2];
            for (int side = 0; side < 2; side++) {
                rt_call_put_at(at, input_at(at, "logp"), 0, side ? high - third : low + third);
                rt_call_run(at, 0, 0);
                value[side] = *output_of(&w, at, "out", &n);
            }
            *(value[0] > value[1] ? &low : &high) += value[0] > value[1] ? third : -third;
        }
        rt_call_put_at(by, input_at(by, "logp"), i, (low + high) / 2);
    }
    for (int k = 0; k < UPDATES * MINIBATCH; k++) {
        rt_call_put_at(to, input_at(to, "round.path.drawn"), k, k * 7 % STEPS);
        rt_call_put_at(by, input_at(by, "round.path.drawn"), k, k * 7 % STEPS);
    }
    rt_call_run(to, 0, 0);
    rt_call_run(by, 0, 0);
    ck_assert(memcmp(learned->memory.data, w.state->memory.data, learned->memory.bytes) != 0);
    expect_same_state(learned, stepped, 1e-6);
    RtCall *calls[] = {to, by, of, at};
    RtProgram *programs[] = {learn, step, advantages, kl};
    for (int i = 0; i < 4; i++) {
        rt_call_free(calls[i]);
        rt_program_free(programs[i]);
    }
    rt_state_free(learned);
    rt_state_free(stepped);
    close_world(&w);
}
END_TEST

// ---- an encoder that the critic trains ----------------------------------------------------------

// Gradients of the loss of ppo_encoder by a parameter of the encoder, the actor and the critic.
static void gradients_of(const char *options, double sums[3]) {
    static const char *const names[] = {"g.encoder.node.0.w", "g.policy.actor.0.w",
                                        "g.policy.critic.0.w"};
    Cli cli;

    cli_open(&cli, "gssmc");
    cli_expect(&cli, EXIT_OK,
               "run models/objectives/ppo_encoder.yaml loss --bind encoder=encoders/mean_pool "
               "--bind policy=policies/mlp_gaussian --bind task=tasks/half_cheetah "
               "--set policy.hidden=10 --set policy.log_std_start=0 --set policy.log_std_high=2 "
               "--dtype=f64 --seed=3 -D G=3 -D N=7 -D R=20 --grad=loss "
               "-o $DIR/out.safetensors %s",
               options);
    RtTensorFile file = {0};
    char why[256], path[128];
    snprintf(path, sizeof path, "%s/out.safetensors", cli.dir);
    ck_assert_msg(rt_safetensors_read(&file, path, why, sizeof why), "%s", why);
    for (int i = 0; i < 3; i++) {
        const RtTensor *g = rt_safetensors_find(&file, names[i]);
        ck_assert_ptr_nonnull(g);
        sums[i] = 0;
        for (int64_t k = 0; k < rt_tensor_elements(g); k++)
            sums[i] += fabs(rt_tensor_element(g, k));
    }
    rt_safetensors_close(&file);
    cli_close(&cli);
}

START_TEST(encoder_learns_from_critic_and_divergence_alone) {
    double all[3], no_value[3], no_kl[3], detached[3], neither[3];

    gradients_of("", all);
    gradients_of("--set value_weight=0", no_value);
    gradients_of("--set kl_weight=0", no_kl);
    gradients_of("--set detach=true", detached);
    gradients_of("--set detach=true --set kl_weight=0", neither);
    ck_assert_double_gt(no_kl[0], 1e-6);
    ck_assert_double_gt(no_value[0], 1e-6);
    ck_assert_double_eq_tol(detached[0], no_value[0], 1e-12);
    ck_assert_double_eq(neither[0], 0); // nothing of the policy's loss reaches the encoder
    ck_assert_double_eq(no_value[2], 0);
    ck_assert_double_gt(all[1], 1e-9);
    for (int i = 1; i < 3; i++)
        ck_assert_double_eq_tol(detached[i], all[i], 1e-12);
}
END_TEST

// ---- learning -----------------------------------------------------------------------------------

// Rounds of imagined episodes and updates. Gives the mean imagined return of the last one.
static double learn(World *w, int steps, int rounds, double rate) {
    RtProgram *imagine = build(w, &llvm_backend, "imagine", NULL);
    RtProgram *step = build(w, &llvm_backend, "step", NULL);
    RtCall *from = rt_call_new(imagine, w->state, NULL), *to = rt_call_new(step, w->state, NULL);
    double score = 0;

    set_dim(from, "N", 0);
    set_dim(from, "K", 64);
    set_dim(from, "H", steps);
    ck_assert(rt_call_set_setting(to, "rate", rate));
    for (int round = 0; round < rounds; round++) {
        rt_call_run(from, 2, (uint64_t)round);
        int64_t rows = (int64_t)scalar_of(w, from, "rows"), n;
        set_dim(to, "R", rows);
        for (int c = 0; c < N_COLUMNS; c++) {
            int i = input_at(to, columns[c]);
            const double *v = output_of(w, from, columns[c], &n);
            ck_assert_int_ge(n, rt_call_input_count(to, i));
            rt_call_put(to, i, v, rt_call_input_count(to, i));
        }
        rt_call_run(to, 2, (uint64_t)round);
        score = scalar_of(w, from, "imagined_return");
    }
    rt_call_free(from);
    rt_call_free(to);
    rt_program_free(imagine);
    rt_program_free(step);
    return score;
}

// One step from 0: -(a - 1)^2 - 0.1 a^2 is greatest, -0.091, at a = 0.91; the first policies do 0.
START_TEST(gaussian_policy_learns_a_bandit) {
    World w;

    open_gaussian(&w, IR_F32);
    double before = learn(&w, 1, 1, 0), after = learn(&w, 1, 60, 5e-3);
    ck_assert_msg(before < -0.5, "%g", before);
    ck_assert_msg(after > -0.12, "%g", after);
    close_world(&w);
}
END_TEST

// Two steps to the right reach the end: -1 in all.
START_TEST(softmax_policy_learns_the_way) {
    World w;

    open_softmax(&w, IR_F32);
    double before = learn(&w, 8, 1, 0), after = learn(&w, 8, 60, 5e-3);
    ck_assert_msg(before < -4, "%g", before);
    ck_assert_msg(after > -1.2, "%g", after);
    close_world(&w);
}
END_TEST

static Suite *objectives_suite(void) {
    Suite *s = suite_create("objectives");
    TCase *data = tcase_create("data"), *rounds = tcase_create("rounds"),
          *buffers = tcase_create("buffers"), *learning = tcase_create("learning");

    tcase_set_timeout(data, 120);
    tcase_add_loop_test(data, reference_data_is_met, 0, 12);
    tcase_add_loop_test(data, clip_fraction_counts_rows, 0, 2);
    suite_add_tcase(s, data);
    tcase_set_timeout(rounds, 300);
    tcase_add_loop_test(rounds, ten_updates_in_one_call_are_ten_calls, 0, 2);
    tcase_add_loop_test(rounds, a_round_depends_on_its_rows_alone, 0, 2);
    tcase_add_loop_test(rounds, no_rows_change_nothing, 0, 2);
    suite_add_tcase(s, rounds);
    tcase_set_timeout(buffers, 300);
    tcase_add_loop_test(buffers, imagined_buffer_holds_the_steps_that_count, 0, 8);
    tcase_add_loop_test(buffers, given_starts_follow_those_of_the_task, 0, 2);
    tcase_add_test(buffers, edges_of_imagined_dims_are_finite);
    tcase_add_test(buffers, threads_do_not_change_a_buffer);
    tcase_add_loop_test(buffers, advantages_end_where_episodes_end, 0, 8);
    tcase_add_loop_test(buffers, learning_from_real_episodes_is_a_step_on_their_advantages, 0, 2);
    tcase_add_loop_test(buffers, normalised_advantages_have_mean_0_and_deviation_1, 0, 2);
    tcase_add_test(buffers, encoder_learns_from_critic_and_divergence_alone);
    suite_add_tcase(s, buffers);
    tcase_set_timeout(learning, 300);
    tcase_add_test(learning, gaussian_policy_learns_a_bandit);
    tcase_add_test(learning, softmax_policy_learns_the_way);
    suite_add_tcase(s, learning);
    return s;
}

int main(void) {

    if (!mkdtemp(cache))
        return EXIT_FAILURE;
    SRunner *r = srunner_create(objectives_suite());
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return delete_tree(cache) && n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
