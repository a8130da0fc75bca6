// tests/check_examples.c -- models/examples/: each one that has a program `learn` learns its toy
// task, natively compiled, to the same bits for any number of threads.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "runtime/exec/call.h"
#include "runtime/exec/roots.h"

static const struct {
    const char *name, *output;
    int steps;
    double before, after; // bounds of the output: at the first step, and at the end
} examples[] = {
    {"vae", "error", 1500, 100, 6},              // dx / 2 is that of the noise alone
    {"gru", "loss", 1500, 0.15, 0.01},           // 1/6 is that of a constant answer
    {"transformer", "accuracy", 400, 0.4, 0.95}, // 1/8 is that of chance
    {"hamiltonian", "loss", 600, 1, 0.01},
};
enum { N_EXAMPLES = sizeof examples / sizeof *examples };

// One example with a state of its own.
typedef struct Example {
    Arena arena;
    Diag diag;
    RtProgram *program;
    RtState *state;
    RtPool *pool;
    RtCall *call;
    char why[512];
} Example;

static void open_example(Example *e, int i, int threads) {
    char path[128];
    snprintf(path, sizeof path, "models/examples/%s.yaml", examples[i].name);
    LangPair bind = {"", path};
    LangOptions o = {.real = IR_F32, .binds = &bind, .n_binds = 1};
    LangRequest request = {.instance = "", .name = "learn"};
    RtProgramDef def = {
        .backend = &llvm_backend, .passes.verify_each = true, .options.compile_threads = 2};

    *e = (Example){0};
    o.n_roots = rt_model_roots(&o.roots);
    LangWorld *world = lang_open(&e->arena, &e->diag, &o);
    ck_assert(world && !e->diag.n_errors);
    e->program = rt_program_new(&e->arena, world, &e->diag, &request, &def, e->why, sizeof e->why);
    ck_assert_msg(e->program != NULL, "%s", e->why);
    e->state = rt_initial_state(&e->arena, world, &e->diag, 1, e->why, sizeof e->why);
    e->pool = rt_pool_new(threads);
    e->call = rt_call_new(e->program, e->state, e->pool);
}

static void close_example(Example *e) {
    rt_call_free(e->call);
    rt_pool_free(e->pool);
    rt_state_free(e->state);
    rt_program_free(e->program);
    diag_free(&e->diag);
    arena_free(&e->arena);
}

static double step(Example *e, int i, int number) {
    double v;

    rt_call_run(e->call, 7, (uint64_t)number);
    rt_call_get(e->call, rt_call_find_output(e->call, examples[i].output), &v, 1);
    return v;
}

START_TEST(an_example_learns_its_toy_task) {
    bool rises = examples[_i].after > examples[_i].before;
    Example e;

    open_example(&e, _i, 1);
    double first = step(&e, _i, 0), last = 0;
    for (int t = 1; t < examples[_i].steps; t++)
        // the mean of the last steps
        if (t < examples[_i].steps - 20)
            step(&e, _i, t);
        else
            last += step(&e, _i, t) / 20;
    ck_assert_msg(rises ? first < examples[_i].before : first > examples[_i].before,
                  "%s: %s is %g at first", examples[_i].name, examples[_i].output, first);
    ck_assert_msg(rises ? last > examples[_i].after : last < examples[_i].after,
                  "%s: %s goes from %g to %g", examples[_i].name, examples[_i].output, first, last);
    close_example(&e);
}
END_TEST

START_TEST(threads_do_not_change_what_is_learned) {
    Example one, two;

    open_example(&one, _i, 1);
    open_example(&two, _i, 2);
    for (int t = 0; t < 3; t++)
        ck_assert_double_eq(step(&one, _i, t), step(&two, _i, t));
    close_example(&one);
    close_example(&two);
}
END_TEST

static Suite *examples_suite(void) {
    Suite *s = suite_create("examples");

    TCase *learning = tcase_create("learning");
    tcase_set_timeout(learning, 240);
    tcase_add_loop_test(learning, an_example_learns_its_toy_task, 0, N_EXAMPLES);
    tcase_add_loop_test(learning, threads_do_not_change_what_is_learned, 0, N_EXAMPLES);
    suite_add_tcase(s, learning);
    return s;
}

int main(void) {
    SRunner *runner = srunner_create(examples_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
