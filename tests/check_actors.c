// tests/check_actors.c -- actors: what they carry through an episode, and what they do.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "envs/env.h"
#include "envs/env_random.h"
#include "runtime/exec/call.h"
#include "runtime/exec/roots.h"
#include "tests/support_files.h"

static char cache[] = "/tmp/check_actors_XXXXXX"; // compiled objects, shared by the tests

static Backend *const targets[] = {&ref_backend, &llvm_backend};

// An actor in a world of its own, compiled for one target.
typedef struct Actor {
    Arena arena;
    Diag diag;
    LangWorld *world;
    char why[512];
    RtState *state;
    RtProgram *begin_program, *step_program; // NULL for a begin that gives nothing
    RtCall *begin, *step;
    RtPool *pool;
    const char *draw; // site whose values come with each step, or NULL
} Actor;

static void give_up(Actor *a, const char *what) {
    diag_print(&a->diag, stderr, false);
    ck_abort_msg("%s: %s", what, a->why);
}

static RtProgram *build(Actor *a, Backend *backend, const char *name) {
    LangRequest request = {.instance = "actor", .name = name};
    RtProgramDef def = {.backend = backend,
                        .passes.verify_each = true,
                        .options = {.cache_dir = cache, .compile_threads = 2},
                        .draws = &a->draw,
                        .n_draws = a->draw && strcmp(name, "step") == 0};
    IrModule *m = lang_elaborate(a->world, &a->diag, &request);

    if (!m)
        give_up(a, name);
    IrFunction *f = m->functions[m->n - 1];
    if (f->body->n_results == 0)
        return NULL;
    RtProgram *p = rt_program_from(&a->arena, f, &a->diag, &def, a->why, sizeof a->why);
    if (!p)
        give_up(a, name);
    ck_assert_msg(def.n_draws == 0 || p->draws_found[0], "no draw '%s'", a->draw);
    return p;
}

// `binds` and `sets` end with a zeroed pair.
static void open_actor(Actor *a, const LangPair *binds, const LangPair *sets, IrDtype real,
                       Backend *backend, int threads, const char *draw) {
    LangOptions o = {.real = real, .binds = binds, .sets = sets};

    *a = (Actor){.draw = draw};
    while (binds[o.n_binds].name)
        o.n_binds++;
    while (sets && sets[o.n_sets].name)
        o.n_sets++;
    o.n_roots = rt_model_roots(&o.roots);
    a->world = lang_open(&a->arena, &a->diag, &o);
    if (!a->world || a->diag.n_errors)
        give_up(a, "the world");
    a->begin_program = build(a, backend, "begin");
    a->step_program = build(a, backend, "step");
    a->state = rt_initial_state(&a->arena, a->world, &a->diag, 5, a->why, sizeof a->why);
    if (!a->state)
        give_up(a, "initial values");
    a->pool = rt_pool_new(threads);
    if (a->begin_program)
        a->begin = rt_call_new(a->begin_program, a->state, a->pool);
    a->step = rt_call_new(a->step_program, a->state, a->pool);
}

static void close_actor(Actor *a) {
    rt_call_free(a->begin);
    rt_call_free(a->step);
    rt_program_free(a->begin_program);
    rt_program_free(a->step_program);
    rt_state_free(a->state);
    rt_pool_free(a->pool);
    diag_free(&a->diag);
    arena_free(&a->arena);
}

// Copies what `from` gives as its carry to the inputs of step.
static void carry_on(Actor *a, const RtProgram *from, const RtCall *call, const char *prefix) {
    for (int i = 0; i < from->fn->body->n_results; i++) {
        const char *name = arena_printf(&a->arena, "%s%s", prefix, from->fn->outputs[i].name);
        int to = rt_call_find_input(a->step, name);
        if (strncmp(name, "carry.", 6) != 0)
            continue;
        const IrType *t = &from->fn->body->results[i]->types[0];
        ck_assert_msg(to >= 0, "%s is not taken", name);
        ck_assert_int_eq(rt_call_input_count(a->step, to), rt_call_output_count(call, i));
        memcpy(rt_call_input_data(a->step, to), rt_call_output_data(call, i),
               (size_t)rt_call_output_count(call, i) * ir_dtype_size(t->dtype));
    }
}

// Sets the rows of both calls, and begins.
static void begin(Actor *a, int64_t rows, uint64_t seed) {
    rt_call_set_dim(a->step, "B", rows);
    if (!a->begin)
        return;
    rt_call_set_dim(a->begin, "B", rows);
    rt_call_run(a->begin, seed, 0);
    carry_on(a, a->begin_program, a->begin, "carry.");
}

// One step from the states `s` (rows, ds); `action` (rows, da) is written.
static void step(Actor *a, const double *s, double *action, uint64_t seed, uint64_t t) {
    int in = rt_call_find_input(a->step, "s"), out = rt_call_find_output(a->step, "a");

    if (in >= 0)
        rt_call_put(a->step, in, s, rt_call_input_count(a->step, in));
    rt_call_run(a->step, seed, t);
    rt_call_get(a->step, out, action, rt_call_output_count(a->step, out));
    carry_on(a, a->step_program, a->step, "");
}

// ---- random actions -----------------------------------------------------------------------------

static const LangPair random_world[] = {
    {"actor", "actors/random"}, {"task", "tasks/cartpole"}, {0}};
static const LangPair held[] = {{.name = "actor.hold", .value = "4"}, {0}};

enum { ROWS = 20, STEPS = 200 };

// The lengths for which each action is held are 1, 2, 3 or 4, equally often.
START_TEST(random_actions_are_held_for_random_times) {
    static double s[ROWS * 4], action[STEPS][ROWS];
    int count[5] = {0}, n = 0;
    Actor a;

    open_actor(&a, random_world, held, IR_F32, targets[_i], 1, NULL);
    begin(&a, ROWS, 3);
    for (int t = 0; t < STEPS; t++)
        step(&a, s, action[t], 3, (uint64_t)t);
    for (int i = 0; i < ROWS; i++) {
        int length = 1;
        for (int t = 1; t < STEPS; t++, length++) {
            ck_assert(fabs(action[t][i]) <= 10);
            if (action[t][i] == action[t - 1][i])
                continue;
            ck_assert_int_le(length, 4);
            count[length]++;
            n++;
            length = 0;
        }
    }
    ck_assert_int_gt(n, 1400);
    for (int k = 1; k <= 4; k++)
        ck_assert_msg(abs(4 * count[k] - n) < n / 4, "held %d steps: %d of %d", k, count[k], n);
    close_actor(&a);
}
END_TEST

START_TEST(an_action_that_is_not_held_is_new_at_every_step) {
    double s[ROWS * 4] = {0}, last[ROWS] = {0}, action[ROWS];
    Actor a;

    open_actor(&a, random_world, NULL, IR_F32, targets[_i], 1, NULL);
    ck_assert_ptr_null(a.begin);
    begin(&a, ROWS, 3);
    for (int t = 0; t < 20; t++) {
        step(&a, s, action, 3, (uint64_t)t);
        for (int i = 0; i < ROWS; i++) {
            ck_assert(action[i] != last[i]);
            last[i] = action[i];
        }
    }
    close_actor(&a);
}
END_TEST

static const struct {
    const char *task, *family;
} tasks[] = {{"tasks/cartpole", "cartpole"}, {"tasks/cartpole_raw", "cartpole"}};

START_TEST(bounds_of_a_task_are_those_of_its_family) {
    const LangPair binds[] = {{"", tasks[_i].task}};
    const EnvFamily *family = env_find(tasks[_i].family);
    LangOptions o = {.real = IR_F64, .binds = binds, .n_binds = 1};
    LangRequest request = {.instance = "", .name = "bounds"};
    RtProgramDef def = {.backend = &ref_backend};
    Actor a = {0};

    o.n_roots = rt_model_roots(&o.roots);
    a.world = lang_open(&a.arena, &a.diag, &o);
    ck_assert_ptr_nonnull(a.world);
    RtProgram *p = rt_program_new(&a.arena, a.world, &a.diag, &request, &def, a.why, sizeof a.why);
    if (!p)
        give_up(&a, tasks[_i].task);
    RtCall *call = rt_call_new(p, NULL, NULL);
    rt_call_run(call, 0, 0);
    int low = rt_call_find_output(call, "low"), high = rt_call_find_output(call, "high");
    ck_assert_int_eq(rt_call_output_count(call, low), family->action_dim);
    for (int i = 0; i < family->action_dim; i++) {
        ck_assert_double_eq(((const double *)rt_call_output_data(call, low))[i],
                            family->action_low);
        ck_assert_double_eq(((const double *)rt_call_output_data(call, high))[i],
                            family->action_high);
    }
    rt_call_free(call);
    rt_program_free(p);
    diag_free(&a.diag);
    arena_free(&a.arena);
}
END_TEST

// ---- random shooting ----------------------------------------------------------------------------

// The two tasks of tests/models on a line, with a gain of 1.
static const struct {
    LangPair binds[4];
    const char *draw; // of the sequences
    int width;        // of an action
} toys[] = {
    {{{"actor", "planners/random_shooting"},
      {"dynamics", "tests/models/line_dynamics"},
      {"task", "tests/models/line_task"}},
     "act.sequences",
     1},
    {{{"actor", "planners/random_shooting"},
      {"dynamics", "tests/models/line_dynamics"},
      {"task", "tests/models/steps_task"}},
     "act.sequences.i",
     3},
};
static const LangPair short_plans[] = {
    {.name = "actor.candidates", .value = "40"}, {.name = "actor.horizon", .value = "4"}, {0}};

enum { CANDIDATES = 40, HORIZON = 4, MOST_ROWS = 64 };

// What the draw `u` means: a move, which for steps is -1, 0 or 1.
static double move_of(int toy, double u) {
    return toy == 0 ? 4 * u - 2 : u - 1;
}

// The sum of rewards of candidate `c` of the sequences drawn as `u` (HORIZON, CANDIDATES).
static double return_of(int toy, double s, const double *u, int c, double gain) {
    double total = 0;

    for (int t = 0; t < HORIZON; t++) {
        double a = move_of(toy, u[t * CANDIDATES + c]);
        s += gain * a;
        if (toy == 0)
            total += -(s - 1) * (s - 1) - 0.1 * a * a;
        else
            total += (s > 1.5) - 1 - (a == 0 ? 0.01 : 0);
        if (s > (toy == 0 ? 3 : 1.5))
            break;
    }
    return total;
}

// The move that the best of the sequences begins with.
static double best_move(int toy, double s, const double *u, double gain) {
    int best = 0;

    for (int c = 1; c < CANDIDATES; c++)
        if (return_of(toy, s, u, c, gain) > return_of(toy, s, u, best, gain))
            best = c;
    return move_of(toy, u[best]);
}

// Puts values drawn for `rows` episodes into the step, and gives them.
static double *put_draws(Actor *a, int toy, int rows, uint64_t seed) {
    int in = rt_call_find_input(a->step, arena_printf(&a->arena, "%s", a->draw));
    int n = rows * HORIZON * CANDIDATES;
    double *u = arena_array(&a->arena, double, n + 1);

    ck_assert_int_ge(in, 0);
    ck_assert_int_eq(rt_call_input_count(a->step, in), n);
    for (int i = 0; i < n; i++) {
        u[i] = env_random_uniform(seed, (uint64_t)i);
        if (toy == 1)
            u[i] = floor(3 * u[i]);
        rt_call_put_at(a->step, in, i, u[i]);
    }
    return u;
}

static double made_move(int toy, const double *action) {
    return toy == 0 ? action[0] : action[2] - action[0];
}

static const int some_rows[] = {0, 1, 2, MOST_ROWS};

// On given draws, for both tasks, no row, one, two and as many as there can be.
START_TEST(random_shooting_takes_the_best_of_its_draws) {
    int toy = _i & 1, rows = some_rows[_i >> 2];
    double s[MOST_ROWS], action[MOST_ROWS * 3];
    Actor a;

    open_actor(&a, toys[toy].binds, short_plans, IR_F64, targets[_i >> 1 & 1], 1, toys[toy].draw);
    begin(&a, rows, 3);
    for (uint64_t t = 0; t < 3; t++) {
        double *u = put_draws(&a, toy, rows, 10 + t);
        for (int i = 0; i < rows; i++)
            s[i] = 4 * env_random_uniform(20 + t, (uint64_t)i) - 1; // some near the end
        step(&a, s, action, 3, t);
        for (int i = 0; i < rows; i++)
            ck_assert_double_eq_tol(made_move(toy, action + i * toys[toy].width),
                                    best_move(toy, s[i], u + i * HORIZON * CANDIDATES, 1), 1e-12);
    }
    close_actor(&a);
}
END_TEST

static const LangPair adapting[] = {{.name = "actor.candidates", .value = "40"},
                                    {.name = "actor.horizon", .value = "4"},
                                    {.name = "actor.window", .value = "3"},
                                    {0}};

// Points move by gains that differ from row to row, and from what is believed at first. From three
// transitions on each row is planned for with its own.
START_TEST(the_last_transitions_of_each_episode_adapt_its_belief) {
    enum { N = 2, LENGTH = 9 };
    static const double gain[N] = {-1, 2};
    double s[N] = {0, 0.5}, action[N];
    Actor a;

    open_actor(&a, toys[0].binds, adapting, IR_F64, targets[_i], 1, toys[0].draw);
    begin(&a, N, 3);
    for (uint64_t t = 0; t < LENGTH; t++) {
        double *u = put_draws(&a, 0, N, 10 + t);
        step(&a, s, action, 3, t);
        for (int i = 0; i < N; i++) {
            double believed = t < 3 ? 1 : gain[i];
            double want = best_move(0, s[i], u + i * HORIZON * CANDIDATES, believed);
            ck_assert_double_eq_tol(action[i], want, 1e-9);
            s[i] += gain[i] * action[i];
        }
    }
    close_actor(&a);
}
END_TEST

static const LangPair filling[] = {{.name = "actor.candidates", .value = "40"},
                                   {.name = "actor.horizon", .value = "4"},
                                   {.name = "actor.window", .value = "3"},
                                   {.name = "actor.fill", .value = "true"},
                                   {0}};

// The gain is that of the last three transitions of context and episode, by least squares.
START_TEST(a_window_may_begin_with_the_context) {
    enum { CONTEXT = 5, WINDOW = 3, LENGTH = 6 };
    double a[CONTEXT + LENGTH], y[CONTEXT + LENGTH], s = 0, action[1];
    Actor actor;

    open_actor(&actor, toys[0].binds, filling, IR_F64, targets[_i], 1, toys[0].draw);
    rt_call_set_dim(actor.begin, "N", CONTEXT);
    for (int i = 0; i < CONTEXT; i++) {
        a[i] = 1 + i;
        y[i] = i < CONTEXT - WINDOW ? 100 : 0.5 * a[i];
        rt_call_put_at(actor.begin, rt_call_find_input(actor.begin, "xc"), 2 * i + 1, a[i]);
        rt_call_put_at(actor.begin, rt_call_find_input(actor.begin, "yc"), i, y[i]);
    }
    begin(&actor, 1, 3);
    for (int t = 0; t < LENGTH; t++) {
        double square = 0, product = 0;
        for (int i = CONTEXT + t - WINDOW; i < CONTEXT + t; i++) {
            square += a[i] * a[i];
            product += a[i] * y[i];
        }
        double *u = put_draws(&actor, 0, 1, 10 + (uint64_t)t);
        step(&actor, &s, action, 3, (uint64_t)t);
        ck_assert_double_eq_tol(action[0], best_move(0, s, u, product / square), 1e-9);
        a[CONTEXT + t] = action[0];
        y[CONTEXT + t] = 2 * action[0];
        s += y[CONTEXT + t];
    }
    close_actor(&actor);
}
END_TEST

// ---- cross-entropy ------------------------------------------------------------------------------

static const LangPair cem_numbers[] = {{"actor", "planners/cem"},
                                       {"dynamics", "tests/models/line_dynamics"},
                                       {"task", "tests/models/line_task"},
                                       {0}};
static const LangPair cem_choices[] = {{"actor", "planners/cem"},
                                       {"dynamics", "tests/models/line_dynamics"},
                                       {"task", "tests/models/steps_task"},
                                       {0}};

// The best first move from `s` of a point that moves by what it is told: the linear regulator.
static double best_number(double s, int horizon) {
    double p = 0, a = 0;

    for (int k = 0; k < horizon; k++) {
        a = -(1 + p) / (1 + p + 0.1) * (s - 1);
        p = (1 + p) * 0.1 / (1 + p + 0.1);
    }
    return fmin(fmax(a, -2), 2);
}

enum { CEM_ROWS = 8 };

// Root of the mean squared distance from the best move over rows, for the second of two steps in
// the same states, and some iterations.
static double cem_error(Backend *backend, const char *iterations, const char *warm) {
    const LangPair sets[] = {{.name = "actor.iterations", .value = iterations},
                             {.name = "actor.warm", .value = warm},
                             {.name = "actor.horizon", .value = "3"},
                             {.name = "actor.candidates", .value = "100"},
                             {.name = "actor.elites", .value = "10"},
                             {.name = "actor.floor", .value = "0.001"},
                             {0}};
    double s[CEM_ROWS], action[CEM_ROWS], sum = 0;
    Actor a;

    open_actor(&a, cem_numbers, sets, IR_F64, backend, 1, NULL);
    begin(&a, CEM_ROWS, 3);
    for (uint64_t t = 0; t < 2; t++) {
        for (int i = 0; i < CEM_ROWS; i++) // in the last rows the best move is the bound
            s[i] = t == 0 ? -1.0 + 0.1 * i - 2 * (i > 5) : s[i] + action[i];
        step(&a, s, action, 3, t);
    }
    for (int i = 0; i < CEM_ROWS; i++)
        sum += pow(action[i] - best_number(s[i], 3), 2);
    close_actor(&a);
    return sqrt(sum / CEM_ROWS);
}

START_TEST(cem_finds_the_optimum_of_a_quadratic) {
    double coarse = cem_error(targets[_i], "1", "false"),
           fine = cem_error(targets[_i], "12", "false");

    ck_assert_double_gt(coarse, 0.1);
    ck_assert_double_lt(fine, 0.01);
}
END_TEST

// The second step goes on with the plan of the first, which was right.
START_TEST(a_warm_search_starts_from_the_last_plan) {
    double cold = cem_error(targets[_i], "2", "false"), warm = cem_error(targets[_i], "2", "true");

    ck_assert_msg(warm < 0.7 * cold, "%g warm, %g cold", warm, cold);
}
END_TEST

START_TEST(cem_finds_the_best_choices) {
    static const LangPair sets[] = {{.name = "actor.horizon", .value = "4"}, {0}};
    double s[3] = {0, 0.7, -1}, action[9];
    Actor a;

    open_actor(&a, cem_choices, sets, IR_F32, targets[_i], 1, NULL);
    begin(&a, 3, 3);
    step(&a, s, action, 3, 0);
    for (int i = 0; i < 9; i++)
        ck_assert_double_eq(action[i], i % 3 == 2); // to the right
    close_actor(&a);
}
END_TEST

// ---- planners with learned models ---------------------------------------------------------------

static const struct {
    LangPair binds[4], sets[8];
} planners[] = {
    {{{"actor", "planners/random_shooting"}, {"dynamics", "gssm"}, {"task", "tasks/cartpole"}},
     {{.name = "dynamics.hidden", .value = "16"}, {.name = "actor.candidates", .value = "20"}}},
    {{{"actor", "planners/random_shooting"}, {"dynamics", "l2a"}, {"task", "tasks/cartpole"}},
     {{.name = "dynamics.hidden", .value = "16"},
      {.name = "dynamics.inner_rate", .value = "0.1"},
      {.name = "actor.candidates", .value = "20"},
      {.name = "actor.window", .value = "2"}}},
    {{{"actor", "planners/random_shooting"}, {"dynamics", "gssm"}, {"task", "tasks/cartpole"}},
     {{.name = "dynamics.hidden", .value = "16"},
      {.name = "actor.candidates", .value = "20"},
      {.name = "actor.fill", .value = "true"},
      {.name = "actor.window", .value = "3"}}},
    {{{"actor", "planners/cem"}, {"dynamics", "mlsm_v1"}, {"task", "tasks/cartpole"}},
     {{.name = "dynamics.hidden", .value = "16"},
      {.name = "actor.candidates", .value = "20"},
      {.name = "actor.elites", .value = "5"}}},
    {{{"actor", "planners/cem"}, {"dynamics", "l2a"}, {"task", "tasks/cartpole"}},
     {{.name = "dynamics.hidden", .value = "16"},
      {.name = "dynamics.inner_rate", .value = "0.1"},
      {.name = "actor.candidates", .value = "20"},
      {.name = "actor.elites", .value = "5"},
      {.name = "actor.warm", .value = "true"},
      {.name = "actor.window", .value = "2"}}},
};
enum { N_PLANNERS = sizeof planners / sizeof *planners };

enum { PLANNED = 4 };

// Moves of some steps of `rows` episodes, by the imagined start; (PLANNED, rows).
static void plan(int which, IrDtype real, Backend *backend, int threads, int rows, double *moves) {
    double s[4 * MOST_ROWS];
    Actor a;

    open_actor(&a, planners[which].binds, planners[which].sets, real, backend, threads, NULL);
    int in = a.begin ? rt_call_find_input(a.begin, "xc") : -1;
    if (in >= 0) {
        rt_call_set_dim(a.begin, "N", 7);
        rt_call_set_dim(a.step, "N", 7);
        for (int i = 0; i < 7 * 6; i++)
            rt_call_put_at(a.begin, in, i, env_random_uniform(5, (uint64_t)i) - 0.5);
    }
    begin(&a, rows, 3);
    for (uint64_t t = 0; t < PLANNED; t++) {
        for (int i = 0; i < 4 * rows; i++)
            s[i] = env_random_uniform(20 + t, (uint64_t)i) - 0.5;
        step(&a, s, moves + (int)t * rows, 3, t);
    }
    close_actor(&a);
}

START_TEST(planners_agree_with_the_interpreter) {
    int which = _i / 4, rows = some_rows[_i % 4];
    static double want[PLANNED * MOST_ROWS], got[PLANNED * MOST_ROWS];

    plan(which, IR_F64, &ref_backend, 1, rows, want);
    plan(which, IR_F64, &llvm_backend, 2, rows, got);
    for (int i = 0; i < PLANNED * rows; i++) {
        ck_assert(fabs(want[i]) <= 10 && want[i] != 0);
        ck_assert_double_eq_tol(got[i], want[i], 1e-8);
    }
}
END_TEST

START_TEST(planners_give_the_same_bits_for_any_threads_and_rows) {
    double one[PLANNED * 3], two[PLANNED * 3], alone[PLANNED];

    plan(_i, IR_F32, &llvm_backend, 1, 3, one);
    plan(_i, IR_F32, &llvm_backend, 2, 3, two);
    plan(_i, IR_F32, &llvm_backend, 2, 1, alone);
    ck_assert_mem_eq(one, two, sizeof one);
    for (int t = 0; t < PLANNED; t++)
        ck_assert_double_eq(alone[t], one[3 * t]);
}
END_TEST

static Suite *actors_suite(void) {
    Suite *s = suite_create("actors");

    TCase *random = tcase_create("random");
    tcase_add_loop_test(random, random_actions_are_held_for_random_times, 0, 2);
    tcase_add_loop_test(random, an_action_that_is_not_held_is_new_at_every_step, 0, 2);
    tcase_add_loop_test(random, bounds_of_a_task_are_those_of_its_family, 0,
                        sizeof tasks / sizeof *tasks);
    suite_add_tcase(s, random);

    TCase *shooting = tcase_create("shooting");
    tcase_add_loop_test(shooting, random_shooting_takes_the_best_of_its_draws, 0, 16);
    tcase_add_loop_test(shooting, the_last_transitions_of_each_episode_adapt_its_belief, 0, 2);
    tcase_add_loop_test(shooting, a_window_may_begin_with_the_context, 0, 2);
    suite_add_tcase(s, shooting);

    TCase *cem = tcase_create("cem");
    tcase_add_loop_test(cem, cem_finds_the_optimum_of_a_quadratic, 0, 2);
    tcase_add_loop_test(cem, a_warm_search_starts_from_the_last_plan, 0, 2);
    tcase_add_loop_test(cem, cem_finds_the_best_choices, 0, 2);
    suite_add_tcase(s, cem);

    TCase *learned = tcase_create("learned");
    tcase_set_timeout(learned, 300);
    tcase_add_loop_test(learned, planners_agree_with_the_interpreter, 0, 4 * N_PLANNERS);
    tcase_add_loop_test(learned, planners_give_the_same_bits_for_any_threads_and_rows, 0,
                        N_PLANNERS);
    suite_add_tcase(s, learned);
    return s;
}

int main(void) {

    if (!mkdtemp(cache))
        return EXIT_FAILURE;
    SRunner *r = srunner_create(actors_suite());
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return delete_tree(cache) && n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
