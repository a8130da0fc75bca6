// tests/check_train.c -- training by a recipe: the same bits whatever happens on the way.
//
// Trainings run in processes of their own, so that they can be killed. They are tiny: four
// iterations of a small GSSM on Cart-Pole.
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "envs/env_random.h"
#include "ir/base/exits.h"
#include "runtime/train/session.h"
#include "tests/support_files.h"

static char dir[64]; // of the test
static char why[512];

static const char *const tiny[] = {
    "iterations=4",
    "tasks.iterations_each=2",
    "fit.times=6",
    "improve.times=4",
    "dims.objective={K: 3, H: 4}",
    "dynamics.hidden=8",
    "dynamics.width=4",
    "dynamics.latent=2",
    "policy.centres=4",
    "restart.tries=1",
    "restart.when=iteration == 1",
    "test.tasks=2",
    "test.act.episodes=3",
    "target=cpu",
};
enum { N_TINY = sizeof tiny / sizeof *tiny };

static void setup(void) {
    strcpy(dir, "/tmp/check_train_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void) {
    delete_tree(dir);
}

// A path in the test's folder, "{dir}/{name}"; eight can be in use at once.
static const char *at(const char *name) {
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

// ---- trainings ----------------------------------------------------------------------------------

// The tiny recipe with up to two further settings.
static RtRecipeDef recipe(const char **settings, const char *first, const char *second) {
    int n = N_TINY;

    memcpy(settings, tiny, sizeof tiny);
    if (first)
        settings[n++] = first;
    if (second)
        settings[n++] = second;
    return (RtRecipeDef){.name = "cartpole/gssm", .settings = settings, .n_settings = n};
}

static int finish(RtSession *s, int code) {
    diag_print(&s->recipe.diag, stderr, false);
    if (code != EXIT_OK && code != EXIT_STOPPED && s->why[0])
        fprintf(stderr, "%s\n", s->why);
    rt_session_close(s);
    return code;
}

static int train(const char *root, int threads, const char *setting, const char *from) {
    const char *settings[N_TINY + 2];
    RtRecipeDef def = recipe(settings, setting, NULL);
    char config[1024];
    RtSession s;

    if (from) {
        snprintf(config, sizeof config, "%s/config.yaml", from);
        def = (RtRecipeDef){.name = config, .settings = &setting, .n_settings = setting != NULL};
    }
    rt_stop_install();
    int code = rt_session_open(&s, &def, threads);
    if (code == EXIT_OK)
        code = rt_driver_create(&s.driver, root, from);
    if (code == EXIT_OK)
        code = rt_driver_train(&s.driver, true);
    return finish(&s, code);
}

// Further recipes: their number of iterations, and what makes them small.
enum { N_SMALLER = 10 };
static const struct {
    const char *name;
    int iterations;
    const char *settings[N_SMALLER];
} recipes[] = {
    {"tests/models/planning.yaml", 2, {0}}, // the actor carries what it saw and its plan
    {"tests/models/several_tasks.yaml", 4, {0}},
#ifdef GSSM_MUJOCO
    {"tests/models/observed.yaml", 3, {0}},
#endif
    {"examples/dropout_ppo",
     2,
     {"iterations=2", "fit.times=3", "fit.batch.rows=20", "search.repeat=2", "imagined.starts.count=2",
      "imagined.dims={K: 2, H: 10}", "test.tasks=2", "test.act.episodes=2", "policy.hidden=8",
      "encoder.width=4"}},
    {"examples/shooting_gssm",
     2,
     {"iterations=2", "fit.times=3", "actor.candidates=10", "actor.horizon=3", "test.tasks=2",
      "dynamics={width: 4, hidden: 8}"}},
    {"examples/bptt_l2a",
     2,
     {"iterations=2", "fit.times=3", "improve.times=3", "dims.objective={K: 3, H: 4}",
      "test.tasks=2", "dynamics.hidden=8", "policy.centres=4"}},
    {"examples/cem_attention",
     2,
     {"iterations=2", "fit.times=3", "actor={candidates: 10, elites: 3, iterations: 2, horizon: 3}",
      "test.tasks=2", "dynamics={width: 4, hidden: 8}"}},
};
enum { N_RECIPES = sizeof recipes / sizeof *recipes };

static int train_recipe(int i, const char *root, int threads) {
    RtRecipeDef def = {.name = recipes[i].name, .settings = recipes[i].settings};
    RtSession s;

    while (def.n_settings < N_SMALLER && recipes[i].settings[def.n_settings])
        def.n_settings++;

    rt_stop_install();
    int code = rt_session_open(&s, &def, threads);
    if (code == EXIT_OK)
        code = rt_driver_create(&s.driver, root, NULL);
    if (code == EXIT_OK)
        code = rt_driver_train(&s.driver, true);
    return finish(&s, code);
}

static int resume(const char *run, int threads) {
    RtSession s;

    rt_stop_install();
    int code = rt_session_open_run(&s, run, threads);
    if (code == EXIT_OK)
        code = rt_driver_resume(&s.driver, run);
    if (code == EXIT_OK)
        code = rt_driver_train(&s.driver, true);
    return finish(&s, code);
}

// Starts a training in a process of its own: anew where there is no run in `root`.
static pid_t start(const char *root) {
    const char *run = run_in(root);
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        char config[1100];
        snprintf(config, sizeof config, "%s/config.yaml", run ? run : "");
        if (run && access(config, F_OK) != 0)
            delete_tree(run), run = NULL;
        int code = run ? resume(run, 1) : train(root, 1, NULL, NULL);
        _exit(code);
    }
    return child;
}

static int wait_for(pid_t child) {
    int status;

    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static double now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void sleep_for(double seconds) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

    nanosleep(&t, NULL);
}

// ---- comparing ----------------------------------------------------------------------------------

// Trains to the end in the folder `name` and gives the run.
static const char *whole_run(const char *name) {
    static char path[1024];

    ck_assert_int_eq(train(at(name), 1, NULL, NULL), EXIT_OK);
    snprintf(path, sizeof path, "%s", run_in(at(name)));
    return path;
}

// ---- tests --------------------------------------------------------------------------------------

START_TEST(a_run_killed_at_random_moments_ends_like_one_left_alone) {
    enum { KILLS = 12 };
    const char *cut = at("cut");
    whole_run("warm"); // compiles, so that the next run is as long as those that are killed
    double begun = now();
    const char *whole = whole_run("whole");
    double seconds = 0.6 * (now() - begun);
    int killed = 0, code = 1;

    for (int i = 0; i < KILLS; i++) {
        pid_t child = start(cut);
        sleep_for(seconds * env_random_uniform(11, (uint64_t)i));
        kill(child, SIGKILL);
        code = wait_for(child);
        ck_assert(code == EXIT_OK || code == -SIGKILL);
        killed += code != EXIT_OK;
    }
    code = wait_for(start(cut));
    ck_assert_int_eq(code, EXIT_OK);
    ck_assert_int_gt(killed, 0);
    check_same_runs(whole, run_in(cut));
}
END_TEST

START_TEST(a_run_asked_to_stop_gives_75_and_resumes_to_the_same) {
    const char *cut = at("cut");
    whole_run("warm"); // compiles, so that the next run is as long as those that are killed
    double begun = now();
    const char *whole = whole_run("whole");
    double seconds = 0.6 * (now() - begun);
    bool stopped = false;

    for (int i = 0; i < 4 && !stopped; i++) {
        pid_t child = start(cut);
        sleep_for(seconds * (0.8 - 0.1 * i));
        kill(child, i % 2 ? SIGINT : SIGTERM);
        int code = wait_for(child);
        // before the process listens, a signal simply ends it
        ck_assert(code == EXIT_STOPPED || code == EXIT_OK || code == -SIGTERM || code == -SIGINT);
        stopped = code == EXIT_STOPPED;
        if (code == EXIT_OK)
            delete_tree(cut);
    }
    ck_assert(stopped);
    ck_assert_int_eq(wait_for(start(cut)), EXIT_OK);
    check_same_runs(whole, run_in(cut));
}
END_TEST

START_TEST(the_number_of_threads_changes_no_bit) {
    const char *one = whole_run("one");

    ck_assert_int_eq(train(at("two"), 2, NULL, NULL), EXIT_OK);
    check_same_runs(one, run_in(at("two")));
    ck_assert_int_eq(train(at("three"), 3, NULL, NULL), EXIT_OK);
    check_same_runs(one, run_in(at("three")));
}
END_TEST

// Another seed, or a task of its own for every episode.
static const char *const others[] = {"seed=1", "tasks.redrawn=true"};

START_TEST(another_recipe_is_another_run) {
    const char *one = whole_run("one");
    Buf x = {0}, y = {0};
    char path[1200];

    snprintf(path, sizeof path, "%s/events.jsonl", one);
    ck_assert(buf_read_file(&x, path, 0, why, sizeof why));
    ck_assert_int_eq(train(at("two"), 1, others[_i], NULL), EXIT_OK);
    snprintf(path, sizeof path, "%s/events.jsonl", run_in(at("two")));
    ck_assert(buf_read_file(&y, path, 0, why, sizeof why));
    ck_assert(x.len != y.len || memcmp(x.data, y.data, x.len) != 0);
    buf_free(&x);
    buf_free(&y);
}
END_TEST

START_TEST(an_evaluation_on_the_way_changes_nothing) {
    const char *whole = whole_run("whole");
    char x[1200], y[1200];

    ck_assert_int_eq(train(at("looked"), 1,
                           "every_iteration.check={evaluate: test, tasks: 2, episodes: 2}", NULL),
                     EXIT_OK);
    snprintf(x, sizeof x, "%s/episodes", whole);
    snprintf(y, sizeof y, "%s/episodes", run_in(at("looked")));
    ck_assert_int_eq(check_same_folder(x, y), 8);
}
END_TEST

START_TEST(a_run_continued_from_another_ends_like_a_long_one) {
    const char *whole = whole_run("whole");
    char half[1024];

    ck_assert_int_eq(train(at("half"), 1, "iterations=3", NULL), EXIT_OK);
    snprintf(half, sizeof half, "%s", run_in(at("half")));
    ck_assert_int_eq(train(at("none"), 1, NULL, half), EXIT_BAD_USAGE);
    ck_assert_ptr_null(run_in(at("none")));
    ck_assert_int_eq(train(at("more"), 1, "iterations=4", half), EXIT_OK);

    // the older checkpoints of the long run were made with the same total
    char x[1200], y[1200];
    snprintf(x, sizeof x, "%s/events.jsonl", whole);
    snprintf(y, sizeof y, "%s/events.jsonl", run_in(at("more")));
    check_same_file(x, y);
    snprintf(x, sizeof x, "%s/episodes", whole);
    snprintf(y, sizeof y, "%s/episodes", run_in(at("more")));
    check_same_folder(x, y);
}
END_TEST

START_TEST(a_damaged_checkpoint_costs_an_iteration_and_no_bit) {
    const char *whole = whole_run("whole");
    char path[1200];

    ck_assert_int_eq(train(at("cut"), 1, NULL, NULL), EXIT_OK);
    snprintf(path, sizeof path, "%s/checkpoints/000004.safetensors", run_in(at("cut")));
    ck_assert_int_eq(truncate(path, 1000), 0);
    ck_assert_int_eq(resume(run_in(at("cut")), 1), EXIT_OK);
    check_same_runs(whole, run_in(at("cut")));
}
END_TEST

// Collecting and evaluating, for any threads, and after an iteration was lost; then the meta-test.
START_TEST(each_recipe_repeats_to_the_same_bits) {
    char whole[1024], path[1200];

    ck_assert_int_eq(train_recipe(_i, at("one"), 1), EXIT_OK);
    snprintf(whole, sizeof whole, "%s", run_in(at("one")));
    ck_assert_int_eq(train_recipe(_i, at("two"), 2), EXIT_OK);
    check_same_runs(whole, run_in(at("two")));

    snprintf(path, sizeof path, "%s/checkpoints/%06d.safetensors", run_in(at("two")),
             recipes[_i].iterations);
    ck_assert_int_eq(truncate(path, 1000), 0);
    ck_assert_int_eq(resume(run_in(at("two")), 1), EXIT_OK);
    check_same_runs(whole, run_in(at("two")));

    double first[2];
    for (int i = 0; i < 2; i++) {
        RtSession s;
        RtTestResult result;
        RtTested of;
        int code = rt_session_open_test(&s, whole, NULL, 0, 1 + i, &of);
        ck_assert_int_eq(code, EXIT_OK);
        ck_assert_int_eq(rt_session_test(&s, NULL, NULL, NULL, &result), EXIT_OK);
        ck_assert_int_eq(result.n, 2);
        ck_assert(isfinite(result.scores[0]) && result.scores[0] != 0);
        ck_assert(isfinite(result.mse) && result.mse > 0);
        if (i == 0)
            memcpy(first, result.scores, sizeof first);
        ck_assert_mem_eq(result.scores, first, sizeof first);
        rt_session_close(&s);
    }
}
END_TEST

START_TEST(a_run_whose_recipe_changed_is_not_resumed) {
    const char *run = whole_run("whole");
    char path[1200];

    snprintf(path, sizeof path, "%s/config.yaml", run);
    Buf text = {0};
    ck_assert(buf_read_file(&text, path, 0, why, sizeof why));
    char *times = strstr(text.data, "times: 6");
    ck_assert_ptr_nonnull(times);
    times[7] = '7';
    ck_assert(buf_write_file(path, text.data, text.len, why, sizeof why));
    buf_free(&text);
    ck_assert_int_eq(resume(run, 1), EXIT_BAD_INPUT);
    ck_assert_int_eq(resume(at("nothing"), 1), EXIT_MISSING);
}
END_TEST

START_TEST(a_run_in_use_is_left_alone) {
    const char *run = whole_run("whole");
    RtRun held;

    ck_assert_int_eq(rt_run_open(&held, run, true, why, sizeof why), EXIT_OK);
    pid_t child = fork();
    if (child == 0)
        _exit(resume(run, 1));
    ck_assert_int_eq(wait_for(child), EXIT_IN_USE);
    rt_run_close(&held);
}
END_TEST

static const struct {
    const char *setting;
    int code;
} bad[] = {
    {"fit.batch.rows=51", EXIT_BAD_USAGE},  // more than a task has
    {"fit.batch.tasks=9", EXIT_BAD_USAGE},  // more than the program takes
    {"improve.dims.Q=3", EXIT_BAD_USAGE},   // no such dim
    {"fit.settings.rat=1", EXIT_BAD_USAGE}, // no such setting
    {"fit.settings.rate=iteratio", EXIT_BAD_USAGE},
    {"fit.update=dynamics.fitt", EXIT_BAD_USAGE},
    {"act.episodes=2000", EXIT_BAD_USAGE},  // more than the actor takes
    {"act.collect=policy", EXIT_BAD_USAGE}, // no actor
    {"restart.value=cost", EXIT_BAD_USAGE},
    {"log.x=fit.loss +", EXIT_BAD_USAGE},
    {"log.x=fit.los", EXIT_BAD_USAGE},
    {"tasks={at_once: 2, pool: 3}", EXIT_BAD_USAGE},
    {"act.into=bufer", EXIT_BAD_USAGE},
    {"state=task.stat", EXIT_BAD_USAGE},
    {"state=task.features", EXIT_BAD_INPUT}, // states of a width that task.input does not take
    {"target=cuda", EXIT_MISSING},
    {"dynamics.hiden=3", EXIT_BAD_USAGE},
};
enum { N_BAD = sizeof bad / sizeof *bad };

START_TEST(bad_input_is_refused_before_anything_is_created) {
    fclose(stderr);
    ck_assert_int_eq(train(at("runs"), 1, bad[_i].setting, NULL), bad[_i].code);
    ck_assert_ptr_null(run_in(at("runs")));
}
END_TEST

// ---- meta-testing -------------------------------------------------------------------------------

static RtTestResult tested; // its arrays copied
static double scores[16], mses[16];

static void test_run(const char *run, int threads, const char *setting, const double *params) {
    RtSession s;
    RtTested of;
    int code = rt_session_open_test(&s, run, &setting, setting != NULL, threads, &of);

    ck_assert_int_eq(code, EXIT_OK);
    ck_assert_int_eq(of.iteration, 4);
    ck_assert_int_eq(of.real_episodes, 8);
    ck_assert_int_eq(rt_session_test(&s, params, NULL, NULL, &tested), EXIT_OK);
    memcpy(scores, tested.scores, (size_t)tested.n * sizeof *scores);
    memcpy(mses, tested.mses, (size_t)tested.n * sizeof *mses);
    rt_session_close(&s);
}

START_TEST(a_test_repeats_to_the_same_bits) {
    const char *run = whole_run("whole");
    double first[2], errors[2];

    test_run(run, 1, NULL, NULL);
    ck_assert_int_eq(tested.n, 2);
    ck_assert_int_eq(tested.episodes, 2 * (2 + 2 + 3));
    memcpy(first, scores, sizeof first);
    memcpy(errors, mses, sizeof errors);
    ck_assert(first[0] < 0 && first[0] >= -1);
    ck_assert(errors[0] > 0);
    ck_assert_double_eq(tested.score, (first[0] + first[1]) / 2);

    // again, with other threads, and among more tasks
    test_run(run, 1, NULL, NULL);
    ck_assert_mem_eq(scores, first, sizeof first);
    test_run(run, 3, NULL, NULL);
    ck_assert_mem_eq(scores, first, sizeof first);
    ck_assert_mem_eq(mses, errors, sizeof errors);
    test_run(run, 1, "test.tasks=3", NULL);
    ck_assert_int_eq(tested.n, 3);
    ck_assert_mem_eq(scores, first, sizeof first);
    ck_assert_mem_eq(mses, errors, sizeof errors);
}
END_TEST

START_TEST(another_latent_is_another_test_of_the_same_tasks) {
    const char *run = whole_run("whole");
    double own[2], errors[2];

    test_run(run, 1, NULL, NULL);
    memcpy(own, scores, sizeof own);
    memcpy(errors, mses, sizeof errors);
    test_run(run, 1, "test.latent=other", NULL);
    ck_assert_mem_eq(mses, errors, sizeof errors);
    test_run(run, 1, "test.latent=zero", NULL);
    ck_assert(memcmp(scores, own, sizeof own) != 0);
    ck_assert_mem_eq(mses, errors, sizeof errors);
}
END_TEST

START_TEST(adapting_at_test_leaves_the_state_as_it_was) {
    const char *run = whole_run("whole");
    const char *const adapt =
        "test.adapt={tune: {update: objective.step, times: 3, contexts: {rows: 50, as: random}}}";
    RtSession s;
    RtTestResult first, again;
    RtTested of;

    test_run(run, 1, NULL, NULL);
    ck_assert_int_eq(rt_session_open_test(&s, run, &adapt, 1, 1, &of), EXIT_OK);
    ck_assert_int_eq(rt_session_test(&s, NULL, NULL, NULL, &first), EXIT_OK);
    double kept[2] = {first.scores[0], first.scores[1]};
    ck_assert(memcmp(kept, scores, sizeof kept) != 0);
    ck_assert_int_eq(rt_session_test(&s, NULL, NULL, NULL, &again), EXIT_OK);
    ck_assert_mem_eq(kept, again.scores, sizeof kept);
    ck_assert_mem_eq(mses, again.mses, sizeof kept);
    rt_session_close(&s);
}
END_TEST

START_TEST(a_task_can_be_given_by_hand) {
    const char *run = whole_run("whole");
    const double params[] = {1.5, 0.9};

    test_run(run, 1, NULL, params);
    ck_assert_int_eq(tested.n, 1);
    ck_assert(scores[0] < 0 && scores[0] >= -1);
    test_run(run, 1, "test.latent=other", params);
    ck_assert_int_eq(tested.n, 1);
}
END_TEST

// ---- choices ------------------------------------------------------------------------------------

START_TEST(rows_are_picked_without_replacement) {
    Arena a = {0};
    RtPicker p = {0};
    int64_t rows[40], out[40], again[40];

    for (int i = 0; i < 40; i++)
        rows[i] = 100 + i;
    for (int k = 0; k <= 40; k++) {
        bool seen[40] = {0};
        rt_pick_rows(&p, &a, (uint64_t)k, rows, 40, k, out);
        for (int i = 0; i < k; i++) {
            ck_assert(out[i] >= 100 && out[i] < 140 && !seen[out[i] - 100]);
            seen[out[i] - 100] = true;
        }
        // the scratch is as it was, so that order does not matter
        for (int i = 0; i < 40; i++)
            ck_assert_int_eq(p.scratch[i], i);
        rt_pick_rows(&p, &a, (uint64_t)k, rows, 40, k, again);
        ck_assert_mem_eq(out, again, (size_t)k * sizeof *out);
    }
    arena_free(&a);
}
END_TEST

START_TEST(picks_are_uniform) {
    int count[7] = {0};

    for (uint64_t i = 0; i < 70000; i++)
        count[rt_pick(5, i, 7)]++;
    for (int i = 0; i < 7; i++)
        ck_assert_int_lt(abs(count[i] - 10000), 400);
}
END_TEST

static Suite *train_suite(void) {
    Suite *s = suite_create("train");

    TCase *choices = tcase_create("choices");
    tcase_add_test(choices, rows_are_picked_without_replacement);
    tcase_add_test(choices, picks_are_uniform);
    suite_add_tcase(s, choices);

    TCase *runs = tcase_create("runs");
    tcase_set_timeout(runs, 600);
    tcase_add_checked_fixture(runs, setup, teardown);
    tcase_add_test(runs, a_run_killed_at_random_moments_ends_like_one_left_alone);
    tcase_add_test(runs, a_run_asked_to_stop_gives_75_and_resumes_to_the_same);
    tcase_add_test(runs, the_number_of_threads_changes_no_bit);
    tcase_add_loop_test(runs, another_recipe_is_another_run, 0, 2);
    tcase_add_test(runs, an_evaluation_on_the_way_changes_nothing);
    tcase_add_test(runs, a_run_continued_from_another_ends_like_a_long_one);
    tcase_add_test(runs, a_damaged_checkpoint_costs_an_iteration_and_no_bit);
    tcase_add_loop_test(runs, each_recipe_repeats_to_the_same_bits, 0, N_RECIPES);
    tcase_add_test(runs, a_run_whose_recipe_changed_is_not_resumed);
    tcase_add_test(runs, a_run_in_use_is_left_alone);
    tcase_add_loop_test(runs, bad_input_is_refused_before_anything_is_created, 0, N_BAD);
    suite_add_tcase(s, runs);

    TCase *tests = tcase_create("meta-test");
    tcase_set_timeout(tests, 600);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_test_repeats_to_the_same_bits);
    tcase_add_test(tests, another_latent_is_another_test_of_the_same_tasks);
    tcase_add_test(tests, adapting_at_test_leaves_the_state_as_it_was);
    tcase_add_test(tests, a_task_can_be_given_by_hand);
    suite_add_tcase(s, tests);
    return s;
}

int main(void) {
    SRunner *r = srunner_create(train_suite());

    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
