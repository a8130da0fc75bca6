// tests/check_actors.c -- actors: what they carry through an episode, and what they do.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "runtime/exec/call.h"
#include "runtime/exec/roots.h"

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
} Actor;

static void give_up(Actor *a, const char *what) {
    diag_print(&a->diag, stderr, false);
    ck_abort_msg("%s: %s", what, a->why);
}

static RtProgram *build(Actor *a, Backend *backend, const char *name) {
    LangRequest request = {.instance = "actor", .name = name};
    RtProgramDef def = {.backend = backend,
                        .passes.verify_each = true,
                        .options = {.cache_dir = cache, .compile_threads = 2}};
    IrModule *m = lang_elaborate(a->world, &a->diag, &request);

    if (!m)
        give_up(a, name);
    IrFunction *f = m->functions[m->n - 1];
    if (f->body->n_results == 0)
        return NULL;
    RtProgram *p = rt_program_from(&a->arena, f, &a->diag, &def, a->why, sizeof a->why);
    if (!p)
        give_up(a, name);
    return p;
}

// `binds` and `sets` end with a zeroed pair.
static void open_actor(Actor *a, const LangPair *binds, const LangPair *sets, IrDtype real,
                       Backend *backend, int threads) {
    LangOptions o = {.real = real, .binds = binds, .sets = sets};

    *a = (Actor){0};
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

    open_actor(&a, random_world, held, IR_F32, targets[_i], 1);
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

    open_actor(&a, random_world, NULL, IR_F32, targets[_i], 1);
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

static Suite *actors_suite(void) {
    Suite *s = suite_create("actors");

    TCase *random = tcase_create("random");
    tcase_add_loop_test(random, random_actions_are_held_for_random_times, 0, 2);
    tcase_add_loop_test(random, an_action_that_is_not_held_is_new_at_every_step, 0, 2);
    suite_add_tcase(s, random);
    return s;
}

int main(void) {
    char command[64];

    if (!mkdtemp(cache))
        return EXIT_FAILURE;
    SRunner *r = srunner_create(actors_suite());
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    snprintf(command, sizeof command, "rm -rf %s", cache);
    return system(command) == 0 && n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
