// tests/check_stages.c -- stages of a recipe beyond the update on a batch: buffers, imagination,
// rounds, windows, statistics.
//
// The programs of tests/models/stages_probe.yaml tell what they were given.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "ir/base/exits.h"
#include "runtime/train/job.h"
#include "runtime/train/session.h"
#include "tests/support_files.h"

static char dir[64]; // of the test

static void setup(void) {
    strcpy(dir, "/tmp/check_stages_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void) {
    delete_tree(dir);
}

// A path in the test's folder; four can be in use at once.
static const char *at(const char *name) {
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

// ---- buffers ------------------------------------------------------------------------------------

START_TEST(columns_of_a_buffer_keep_their_rows_when_it_grows) {
    static const double first[] = {1.5, 2.5, 3.5, 4.5}, tasks[] = {7, -2};
    static const float more[] = {5.5f, 6.5f};
    RtBuffer *b = rt_buffer_new();

    ck_assert_int_eq(rt_buffer_add(b, "s", IR_F32, 2, 2), 0);
    rt_buffer_ensure(b, 2);
    ck_assert_int_eq(rt_buffer_add(b, "task", IR_I32, 1, 9), 1);
    ck_assert_int_eq(rt_buffer_add(b, "reward", IR_F64, 1, 1), 2);
    ck_assert_int_eq(rt_buffer_find(b, "task"), 1);
    ck_assert_int_eq(rt_buffer_find(b, "tasks"), -1);
    ck_assert_int_eq(b->columns[1].width, 1);
    rt_buffer_put(b, 0, 0, 2, first);
    rt_buffer_put(b, 1, 0, 2, tasks);
    rt_buffer_put(b, 2, 1, 1, first);

    rt_buffer_ensure(b, 100);
    rt_buffer_ensure(b, 3);
    ck_assert_int_eq(b->cap, 100);
    rt_buffer_copy(b, 0, 2, 1, more);
    const float *s = (const float *)b->columns[0].data;
    ck_assert(s[0] == 1.5f && s[3] == 4.5f && s[4] == 5.5f && s[5] == 6.5f);
    ck_assert_int_eq(((const int32_t *)b->columns[1].data)[1], -2);
    ck_assert(((const double *)b->columns[2].data)[1] == 1.5);
    rt_buffer_free(b);
    rt_buffer_free(NULL);
}
END_TEST

// ---- trainings ----------------------------------------------------------------------------------

static const char probe[] = "tests/models/stages.yaml";
static const char imagining[] = "tests/models/imagining.yaml";

static RtSession session; // of the test

// Opens the recipe with settings that end in NULL; an exit code.
static int open_recipe(const char *name, const char *const *settings, int threads) {
    int n = 0;

    while (settings && settings[n])
        n++;
    RtRecipeDef def = {.name = name, .settings = settings, .n_settings = n};
    return rt_session_open(&session, &def, threads);
}

static void tell(int code) {
    diag_print(&session.recipe.diag, stderr, false);
    if (code != EXIT_OK && session.why[0])
        fprintf(stderr, "%s\n", session.why);
}

// Trains in the folder `root` and leaves the session open.
static void train(const char *root, const char *name, const char *const *settings, int threads) {
    int code = open_recipe(name, settings, threads);

    if (code == EXIT_OK)
        code = rt_driver_create(&session.driver, root, NULL);
    if (code == EXIT_OK)
        code = rt_driver_train(&session.driver, true);
    tell(code);
    ck_assert_int_eq(code, EXIT_OK);
}

static void train_whole(const char *root, const char *name, int threads) {
    train(root, name, NULL, threads);
    rt_session_close(&session);
}

static int resume(const char *run) {
    int code = rt_session_open_run(&session, run, 1);

    if (code == EXIT_OK)
        code = rt_driver_resume(&session.driver, run);
    if (code == EXIT_OK)
        code = rt_driver_train(&session.driver, true);
    tell(code);
    rt_session_close(&session);
    return code;
}

static double number(const char *name) {
    const double *x = rt_vars_find(&session.driver.vars, name);

    ck_assert_msg(x != NULL, "there is no number '%s'", name);
    return *x;
}

static RtStage *stage(const char *name) {
    RtStage *s = rt_recipe_find_stage(&session.recipe, name);

    ck_assert_ptr_nonnull(s);
    return s;
}

// The value of a state of one number.
static double state(const char *name) {
    const RtTensor *t = rt_state_find(session.world.state, name);

    ck_assert_msg(t != NULL, "there is no state '%s'", name);
    return *(const float *)t->data;
}

// The row of memory whose field `field` is `row`, or -1.
static int64_t find_row(int field, const float *row) {
    const RtExperience *e = &session.driver.experience;
    const RtFieldRows *f = &e->fields[field];

    for (int64_t i = 0; i < e->n; i++)
        if (memcmp(f->rows + (size_t)i * f->row_bytes, row, f->row_bytes) == 0)
            return i;
    return -1;
}

static bool has_row(int task, const char *as, int64_t row) {
    const RtRows *rows = rt_experience_rows(&session.driver.experience, task, as);

    for (int64_t i = 0; i < rows->n; i++)
        if (rows->items[i] == row)
            return true;
    return false;
}

// ---- bits ---------------------------------------------------------------------------------------

static const struct {
    const char *name;
    const char *settings[4];
} recipes[] = {
    {probe, {NULL}},
    {imagining, {"iterations=4"}},
    {"tests/models/episodes.yaml", {NULL}},
    {"tests/models/episodes.yaml",
     {"bind.objective=objectives/ppo_encoder", "learn.contexts={count: 3, rows: 20, as: random}"}},
    {"tests/models/episodes.yaml", {"bind.encoder=null"}}, // the policy sees no z
    {"tests/models/planning.yaml",
     {"iterations=4", "fit.batch={rows: null, windows: 10}", "fit.context={rows: 4}"}},
};
enum { N_RECIPES = sizeof recipes / sizeof *recipes };

START_TEST(stages_give_the_same_bits_on_two_threads_and_after_a_lost_iteration) {
    char whole[1024], path[1200];

    train(at("one"), recipes[_i].name, recipes[_i].settings, 1);
    rt_session_close(&session);
    snprintf(whole, sizeof whole, "%s", run_in(at("one")));
    train(at("two"), recipes[_i].name, recipes[_i].settings, 2);
    rt_session_close(&session);
    check_same_runs(whole, run_in(at("two")));

    snprintf(path, sizeof path, "%s/checkpoints/000004.safetensors", run_in(at("two")));
    ck_assert_int_eq(truncate(path, 100), 0);
    ck_assert_int_eq(resume(run_in(at("two"))), EXIT_OK);
    check_same_runs(whole, run_in(at("two")));
}
END_TEST

// Sleeps for `ms` milliseconds.
static void sleep_for(int ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

    nanosleep(&t, NULL);
}

START_TEST(a_run_killed_within_its_rounds_ends_like_one_left_alone) {
    static const char *const settings[] = {"search.repeat=40", NULL};
    char whole[1024], path[1100];
    int code = 1, killed = 0;

    train(at("whole"), imagining, settings, 1);
    rt_session_close(&session);
    snprintf(whole, sizeof whole, "%s", run_in(at("whole")));
    for (int i = 0; code != EXIT_OK; i++) {
        const char *run = run_in(at("cut"));
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            snprintf(path, sizeof path, "%s/config.yaml", run ? run : "");
            if (run && access(path, F_OK) != 0)
                delete_tree(run), run = NULL;
            if (run)
                _exit(resume(run));
            train(at("cut"), imagining, settings, 1);
            _exit(EXIT_OK);
        }
        sleep_for(20 + 7 * i);
        kill(child, SIGKILL);
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        killed += WIFSIGNALED(status);
        code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        ck_assert(code == EXIT_OK || WIFSIGNALED(status));
    }
    ck_assert_int_gt(killed, 0);
    check_same_runs(whole, run_in(at("cut")));
}
END_TEST

// ---- what programs are given --------------------------------------------------------------------

START_TEST(rows_of_a_buffer_reach_the_program) {
    train(at("runs"), probe, NULL, 1);

    // of nine states two do not count
    ck_assert(number("imagined.rows") == 7);
    ck_assert(number("learn.n") == 7 && number("learn.indices") == 21);
    ck_assert_double_eq_tol(number("learn.total"), number("imagined.total"), 1e-4);
    ck_assert(number("learn.positions") == 0);
    ck_assert(number("imagined.context") == 10);
    const RtBuffer *b = stage("imagined")->buffer;
    ck_assert_int_eq(b->rows, 7);
    ck_assert_int_eq(b->cap, 9);

    // each is a state of the task, with that label
    for (int i = 0; i < b->rows; i++) {
        const char *row = b->columns[rt_buffer_find(b, "s")].data + (size_t)i * 4 * sizeof(float);
        int64_t found = find_row(RT_FIELD_S, (const float *)row);
        ck_assert(has_row(session.driver.scene.task, "random", found));
    }
    rt_session_close(&session);
}
END_TEST

START_TEST(a_stage_that_is_left_out_gives_no_rows) {
    static const char *const settings[] = {"imagined.when=iteration < 3", NULL};

    train(at("runs"), probe, settings, 1);
    ck_assert(number("learn.n") == 0 && number("learn.total") == 0);
    rt_session_close(&session);
}
END_TEST

START_TEST(an_episodes_transitions_are_a_buffer_with_contexts_beside_it) {
    static const char *const settings[] = {"tasks={iterations_each: 2, at_once: 3}",
                                           "act.into=buffer",
                                           "every_iteration.learned={update: probe.learn_task, "
                                           "buffer: act, contexts: {count: 3, rows: "
                                           "6, as: random}}",
                                           NULL};

    train(at("runs"), probe, settings, 1);
    ck_assert(number("learned.n") == 3 * 2 * 8);
    ck_assert(number("learned.tasks") == 3 && number("learned.most") == 2);
    ck_assert(number("learned.sum") == 2 * 8 * (1 + 2));
    ck_assert_int_eq(session.driver.experience.n, 2 * 3 * 36);
    rt_session_close(&session);
}
END_TEST

START_TEST(windows_follow_each_other_within_one_episode) {
    train(at("runs"), probe, NULL, 1);
    ck_assert(number("follow.gap") == 0);
    ck_assert(number("follow.n") == 2 && number("follow.m") == 3);
    rt_session_close(&session);
}
END_TEST

START_TEST(rows_of_a_batch_do_not) {
    static const char *const settings[] = {"follow.batch={windows: null, rows: 5}", NULL};

    train(at("runs"), probe, settings, 1);
    ck_assert(number("follow.gap") > 1);
    rt_session_close(&session);
}
END_TEST

static const char *const newest[] = {"follow.batch={windows: null, rows: 5, newest: 9, current: 1}",
                                     "follow.batch={newest: 9, current: 1}"};

START_TEST(a_batch_may_be_of_the_newest_rows) {
    const char *const settings[] = {newest[_i], "follow.times=1", "iterations=2", NULL};

    // until the stage ran, and before the episodes that come after it
    train(at("runs"), probe, settings, 1);
    RtCall *call = stage("follow")->job->unit->call;
    const float *rows = rt_call_input_data(call, rt_call_find_input(call, "s"));
    for (int i = 0; i < 4 * 3; i++) {
        int64_t row = find_row(RT_FIELD_S, rows + (size_t)i * 4);
        ck_assert_int_ge(row, 36 + 16 - 9);
        ck_assert_int_lt(row, 36 + 16);
    }
    rt_session_close(&session);
}
END_TEST

static const struct {
    const char *batch;
    int code;
    const char *why;
} meagre[] = {
    {"{update: probe.follow, batch: {windows: 5, as: policy}, context: {rows: 2}}", EXIT_OK, ""},
    {"{update: probe.follow, batch: {rows: 5, as: policy}, context: {rows: 2}}", EXIT_CHECK,
     "a task has no transitions labelled 'policy' for 'probe.follow'"},
};

// The second task has no episodes with that label: windows are then of another.
START_TEST(windows_are_of_tasks_that_have_some) {
    char setting[256];
    const char *const settings[] = {setting, "act.when=iteration == 0", NULL};

    snprintf(setting, sizeof setting, "every_iteration.last=%s", meagre[_i].batch);
    int code = open_recipe(probe, settings, 1);
    if (code == EXIT_OK)
        code = rt_driver_create(&session.driver, at("runs"), NULL);
    if (code == EXIT_OK)
        code = rt_driver_train(&session.driver, true);
    ck_assert_int_eq(code, meagre[_i].code);
    ck_assert_str_eq(session.why, meagre[_i].why);
    ck_assert(code != EXIT_OK || _i > 0 || number("last.gap") == 0);
    rt_session_close(&session);
}
END_TEST

START_TEST(no_window_anywhere_is_told) {
    static const char *const settings[] = {
        "every_iteration.last={update: probe.follow, batch: {windows: 5, as: policy}, context: "
        "{rows: 2}}",
        "act.when=iteration > 0", NULL};

    ck_assert_int_eq(open_recipe(probe, settings, 1), EXIT_OK);
    ck_assert_int_eq(rt_driver_create(&session.driver, at("runs"), NULL), EXIT_OK);
    ck_assert_int_eq(rt_driver_train(&session.driver, true), EXIT_CHECK);
    ck_assert_str_eq(session.why, "no episode has the 5 transitions of a window");
    rt_session_close(&session);
}
END_TEST

START_TEST(current_tasks_take_turns) {
    static const char *const settings[] = {
        "tasks={iterations_each: 2, at_once: 3}", "iterations=1",
        "follow.batch={tasks: 1, windows: null, rows: 5, current: 1}", "follow.times=2", NULL};
    bool seen[3] = {false};

    train(at("runs"), probe, settings, 1);
    RtCall *call = stage("follow")->job->unit->call;
    const float *rows = rt_call_input_data(call, rt_call_find_input(call, "s"));
    int64_t row = find_row(RT_FIELD_S, rows);
    for (int t = 0; t < 3; t++)
        seen[t] = has_row(t, NULL, row);
    ck_assert(!seen[0] && seen[1] && !seen[2]); // the second update is of the second task
    rt_session_close(&session);
}
END_TEST

// ---- until, rounds ------------------------------------------------------------------------------

static const struct {
    const char *count; // of calls that count their calls
    double calls, loss;
} untils[] = {
    {"{update: probe.count, times: 100, until: loss > 7, every: 5}", 10, 8},
    {"{update: probe.count, times: 100, until: previous.loss > 2, every: 5}", 10, 8},
    {"{update: probe.count, times: 100, until: loss > 7}", 8, 8},
    {"{update: probe.count, times: 12, until: loss > 1000, every: 5}", 12, 11.5},
    {"{update: probe.count, times: 20}", 20, 19.5},
    {"{update: probe.count, times: 30, until: loss - previous.loss < 4, every: 4}", 30, 29.5},
};
enum { N_UNTILS = sizeof untils / sizeof *untils };

START_TEST(a_stage_ends_where_its_condition_holds) {
    char setting[256];
    const char *const settings[] = {"count=null", setting, "iterations=1", NULL};

    snprintf(setting, sizeof setting, "every_iteration.tally=%s", untils[_i].count);
    train(at("runs"), probe, settings, 1);
    ck_assert(state("probe.calls") == untils[_i].calls);
    ck_assert(number("tally.loss") == untils[_i].loss && number("loss") == untils[_i].loss);

    // what was before is no output
    Buf text = {0};
    char path[1200], why[256];
    snprintf(path, sizeof path, "%s/events.jsonl", run_in(at("runs")));
    ck_assert(buf_read_file(&text, path, 0, why, sizeof why));
    ck_assert_ptr_null(strstr(text.data, "previous"));
    buf_free(&text);
    rt_session_close(&session);
}
END_TEST

static const struct {
    const char *rounds;
    double calls, start;
} repeats[] = {
    {"{repeat: 4, stages: {tally: {update: probe.count, times: 2, settings: {start: round}}}}", 8,
     3},
    {"{repeat: 9, until: loss > 5, stages: {tally: {update: probe.count, times: 2, settings: "
     "{start: "
     "10 * round}}}}",
     6, 20},
    {"{repeat: 2, stages: {inner: {repeat: 3, stages: {tally: {update: probe.count, settings: "
     "{start: "
     "round}}}}}}",
     6, 2},
    {"{repeat: 5, stages: {tally: {update: probe.count, when: round % 2 == 0}}}", 3, 0},
};
enum { N_REPEATS = sizeof repeats / sizeof *repeats };

START_TEST(stages_run_in_rounds) {
    char setting[256];
    const char *const settings[] = {"count=null", "rounds=null", setting, "iterations=1", NULL};

    snprintf(setting, sizeof setting, "every_iteration.more=%s", repeats[_i].rounds);
    train(at("runs"), probe, settings, 1);
    ck_assert(state("probe.calls") == repeats[_i].calls);
    ck_assert(number("tally.start") == repeats[_i].start);
    ck_assert(number("round") == 0);
    rt_session_close(&session);
}
END_TEST

START_TEST(rounds_draw_anew) {
    static const char *const settings[] = {"rounds.repeat=1", NULL};

    train(at("one"), probe, settings, 1);
    double first = number("imagined.total");
    rt_session_close(&session);
    train(at("two"), probe, NULL, 1);
    ck_assert(number("imagined.total") != first);
    rt_session_close(&session);
}
END_TEST

START_TEST(rounds_can_be_tried_on_fresh_parameters) {
    static const char *const settings[] = {"every_iteration.try={choose: policy, value: "
                                           "imagined_return, keep: most, tries: 2, stages: "
                                           "[search]}",
                                           NULL};

    train(at("runs"), imagining, settings, 1);
    rt_session_close(&session);
}
END_TEST

START_TEST(stages_within_others_are_found_by_name) {
    static const char *const settings[] = {"learn.times=9", "imagined.starts.count=5",
                                           "labelled.as=policy", NULL};

    ck_assert_int_eq(open_recipe(probe, settings, 1), EXIT_OK);
    ck_assert_int_eq(stage("learn")->times, 9);
    ck_assert_int_eq(stage("imagined")->buffer->cap, 5);
    ck_assert_int_eq(stage("rounds")->stages.n, 2);
    RtStages all = rt_stages_flat(&session.arena, &session.recipe.every_iteration);
    ck_assert_int_eq(all.n, 8);
    ck_assert_str_eq(all.items[4]->name, "imagined");
    rt_session_close(&session);
}
END_TEST

// ---- statistics ---------------------------------------------------------------------------------

START_TEST(an_estimate_sees_each_transition_of_the_current_task_once) {
    train(at("runs"), probe, NULL, 1);

    // two tasks with 36 random transitions each; of the policy's those before the last estimate
    ck_assert(state("probe.labelled") == 2 * 36);
    ck_assert(state("probe.all") == 2 * (36 + 16));
    rt_session_close(&session);
}
END_TEST

START_TEST(an_estimate_that_waits_sees_what_came_meanwhile) {
    static const char *const settings[] = {"all.when=iteration % 2 == 1", NULL};

    train(at("runs"), probe, settings, 1);
    ck_assert(state("probe.all") == 2 * (36 + 16));
    ck_assert(number("all.n") == 36 + 16);
    rt_session_close(&session);
}
END_TEST

START_TEST(a_resumed_run_does_not_estimate_twice) {
    char path[1200];

    train_whole(at("runs"), probe, 1);
    snprintf(path, sizeof path, "%s/checkpoints/000004.safetensors", run_in(at("runs")));
    ck_assert_int_eq(truncate(path, 100), 0);
    ck_assert_int_eq(rt_session_open_run(&session, run_in(at("runs")), 1), EXIT_OK);
    ck_assert_int_eq(rt_driver_resume(&session.driver, run_in(at("runs"))), EXIT_OK);
    ck_assert_int_eq(session.driver.iteration, 3);
    ck_assert_int_eq(stage("all")->seen, 2 * 36 + 2 * 16);
    ck_assert_int_eq(rt_driver_train(&session.driver, true), EXIT_OK);
    ck_assert(state("probe.all") == 2 * (36 + 16));
    rt_session_close(&session);
}
END_TEST

// ---- mistakes -----------------------------------------------------------------------------------

static const struct {
    const char *settings[2];
    const char *message; // the first, with its place
} bad[] = {
    {{"learn.buffer=count"}, "1:14: error[E0702]: the stage 'count' gives no buffer"},
    {{"learn.buffer=imagine"}, "1:14: error[E0701]: no stage is called 'imagine'"},
    {{"learn.buffer=act"}, "1:14: error[E0702]: 'act' gives its buffer later"},
    {{"learn.update=probe.learn_other"},
     "1:14: error[E0702]: the stage 'learn' gives nothing for the input 'indx' of "
     "'probe.learn_other'"},
    {{"learn.update=probe.learn_few"},
     "19:44: error[E0309]: the number of rows of 'imagined' is 9, but 'probe.learn_few' takes at "
     "most 8"},
    {{"imagined.imagine=probe.reals"},
     "19:23: error[E0301]: input 's' of 'probe.learn' should be rows and width 3, as 'imagined' "
     "gives it"},
    {{"imagined.imagine=probe.reals", "imagined.contexts=null"},
     "19:23: error[E0301]: input 's' of 'probe.learn' should be rows and width 3, as 'imagined' "
     "gives it"},
    {{"imagined.imagine=probe.cubes"},
     "1:18: error[E0301]: output 's' of 'probe.cubes' should have an axis of rows"},
    {{"imagined.imagine=probe.nothing"}, "1:18: error[E0702]: 'probe.nothing' gives no rows"},
    {{"imagined.imagine=probe.uneven"},
     "1:18: error[E0301]: output 'index' of 'probe.uneven' has 8 rows, and 's' has 9"},
    {{"imagined.imagine=probe.imagin"}, "error[E0202]: 'probe' ("},
    {{"imagined.starts.count=65"},
     "1:17: error[E0309]: starts.count is 65, but 'probe.imagine' takes at most 64"},
    {{"imagined.starts=null"},
     "18:27: error[E0702]: the stage 'imagined' gives nothing for the input 'start' of "
     "'probe.imagine'"},
    {{"imagined.contexts.count=2"},
     "1:19: error[E0309]: contexts.count is 2, but 'probe.imagine' takes one"},
    {{"imagined.contexts=null"},
     "18:27: error[E0702]: the stage 'imagined' gives nothing for the input 'xc'"},
    {{"imagined.dims={S: 65}"},
     "1:19: error[E0309]: S is 65, but 'probe.imagine' takes at most 64"},
    {{"imagined.dims={Z: 6}"}, "1:16: error[E0207]: 'probe.imagine' has no dim 'Z'"},
    {{"imagined.settings={rate: 6}"}, "1:20: error[E0208]: 'probe.imagine' has no setting 'rate'"},
    {{"count.starts={count: 3, as: random}"},
     "1:14: error[E0702]: 'probe.count' has no input that takes starts"},
    {{"every_iteration.last={update: probe.count, buffer: act}", "act.into=buffer"},
     "1:52: error[E0702]: 'probe.count' has no input that takes buffer"},
    {{"follow.batch.windows=13"},
     "1:22: error[E0702]: batch.windows is 13, but an episode has at most 12 transitions"},
    {{"labelled.estimate=probe.learn"},
     "1:19: error[E0702]: the stage 'labelled' gives nothing for the input 'index'"},
    {{"count.until=lost > 7"}, "1:13: error[E0201]: no number is called 'lost' here"},
    {{"rounds.until=previos.loss > 7"}, "1:14: error[E0201]: no number is called 'previos.loss'"},
    {{"learn.tims=7"}, "1:7: error[E0203]: unknown key 'tims' in the stage 'learn'"},
    {{"lern.times=7"}, "1:1: error[E0203]: the recipe has no key 'lern'"},
};
enum { N_BAD = sizeof bad / sizeof *bad };

START_TEST(a_mistake_is_told_with_its_place_before_anything_is_created) {
    const char *settings[] = {bad[_i].settings[0], bad[_i].settings[1], NULL};
    char *text = NULL;
    size_t len = 0;

    int code = open_recipe(probe, settings, 1);
    FILE *f = open_memstream(&text, &len);
    diag_print(&session.recipe.diag, f, false);
    fclose(f);
    ck_assert(code == EXIT_BAD_USAGE || code == EXIT_BAD_INPUT);
    ck_assert_msg(strstr(text, bad[_i].message) != NULL, "'%s' is not in:\n%s", bad[_i].message,
                  text);
    free(text);
    rt_session_close(&session);
}
END_TEST

// ---- tests --------------------------------------------------------------------------------------

static void test_run(const char *run, const char *setting, int threads, double *scores) {
    RtTestResult result;
    RtTested of;
    int code = rt_session_open_test(&session, run, &setting, setting != NULL, threads, &of);

    for (int i = 0; i < 2 && code == EXIT_OK; i++) { // again, from the same state
        code = rt_session_test(&session, NULL, NULL, NULL, &result);
        ck_assert(i == 0 || memcmp(scores, result.scores, 2 * sizeof *scores) == 0);
        memcpy(scores, result.scores, 2 * sizeof *scores);
    }
    tell(code);
    ck_assert_int_eq(code, EXIT_OK);
}

START_TEST(a_test_imagines_and_learns_on_a_copy) {
    double scores[2], again[2];

    train_whole(at("runs"), imagining, 1);
    test_run(run_in(at("runs")), NULL, 1, scores);
    rt_session_close(&session);
    test_run(run_in(at("runs")), NULL, 2, again);
    ck_assert_mem_eq(scores, again, sizeof scores);
    rt_session_close(&session);
}
END_TEST

// The task's 20 random transitions, whatever was tested before.
START_TEST(to_an_estimate_all_of_a_tested_task_is_new) {
    double scores[2];

    train_whole(at("runs"), probe, 1);
    test_run(run_in(at("runs")), "test.adapt={scale: {estimate: probe.see, as: random}}", 1,
             scores);
    const double *n = rt_vars_find(&session.world.test_vars, "scale.n");
    ck_assert(n && *n == 20);
    ck_assert(state("probe.labelled") == 2 * 36);
    rt_session_close(&session);
}
END_TEST

START_TEST(a_test_counts_the_episodes_that_it_adapts_on) {
    const char *setting =
        "test.adapt={again: {repeat: 3, stages: {try: {collect: actor, into: buffer, episodes: 2}, "
        "tune: {update: objective.learn, buffer: try}}}}";
    RtTestResult result;
    RtTested of;

    train_whole(at("runs"), "tests/models/episodes.yaml", 1);
    ck_assert_int_eq(rt_session_open_test(&session, run_in(at("runs")), &setting, 1, 1, &of),
                     EXIT_OK);
    ck_assert_int_eq(of.real_episodes, 2 * 3 * 2 + 4 * 3 * 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(rt_session_test(&session, NULL, NULL, NULL, &result), EXIT_OK);
        ck_assert_int_eq(result.episodes, 2 * (2 + 3 * 2 + 2));
    }
    rt_session_close(&session);
}
END_TEST

START_TEST(two_tests_in_training_share_what_adapts) {
    static const char *const settings[] = {
        "every_iteration.one={evaluate: test, tasks: 1, episodes: 1}",
        "every_iteration.two={evaluate: test, tasks: 2, episodes: 1}",
        "test.adapt.search.stages.improve.settings.rate=1e-3 / (1 + round + update)", NULL};

    train(at("one"), imagining, settings, 1);
    double first = number("one.score"), second = number("two.score");
    rt_session_close(&session);
    train(at("two"), imagining, settings + 1, 1);
    ck_assert(number("two.score") == second && first <= 0);
    rt_session_close(&session);
}
END_TEST

static Suite *stages_suite(void) {
    Suite *s = suite_create("stages");

    TCase *buffers = tcase_create("buffers");
    tcase_add_test(buffers, columns_of_a_buffer_keep_their_rows_when_it_grows);
    suite_add_tcase(s, buffers);

    TCase *bits = tcase_create("bits");
    tcase_set_timeout(bits, 600);
    tcase_add_checked_fixture(bits, setup, teardown);
    tcase_add_loop_test(bits, stages_give_the_same_bits_on_two_threads_and_after_a_lost_iteration,
                        0, N_RECIPES);
    tcase_add_test(bits, a_run_killed_within_its_rounds_ends_like_one_left_alone);
    suite_add_tcase(s, bits);

    TCase *given = tcase_create("given");
    tcase_add_checked_fixture(given, setup, teardown);
    tcase_add_test(given, rows_of_a_buffer_reach_the_program);
    tcase_add_test(given, a_stage_that_is_left_out_gives_no_rows);
    tcase_add_test(given, an_episodes_transitions_are_a_buffer_with_contexts_beside_it);
    tcase_add_test(given, windows_follow_each_other_within_one_episode);
    tcase_add_test(given, rows_of_a_batch_do_not);
    tcase_add_loop_test(given, a_batch_may_be_of_the_newest_rows, 0, 2);
    tcase_add_loop_test(given, windows_are_of_tasks_that_have_some, 0,
                        sizeof meagre / sizeof *meagre);
    tcase_add_test(given, no_window_anywhere_is_told);
    tcase_add_test(given, current_tasks_take_turns);
    suite_add_tcase(s, given);

    TCase *rounds = tcase_create("rounds");
    tcase_add_checked_fixture(rounds, setup, teardown);
    tcase_add_loop_test(rounds, a_stage_ends_where_its_condition_holds, 0, N_UNTILS);
    tcase_add_loop_test(rounds, stages_run_in_rounds, 0, N_REPEATS);
    tcase_add_test(rounds, rounds_draw_anew);
    tcase_add_test(rounds, rounds_can_be_tried_on_fresh_parameters);
    tcase_add_test(rounds, stages_within_others_are_found_by_name);
    suite_add_tcase(s, rounds);

    TCase *statistics = tcase_create("statistics");
    tcase_add_checked_fixture(statistics, setup, teardown);
    tcase_add_test(statistics, an_estimate_sees_each_transition_of_the_current_task_once);
    tcase_add_test(statistics, an_estimate_that_waits_sees_what_came_meanwhile);
    tcase_add_test(statistics, a_resumed_run_does_not_estimate_twice);
    suite_add_tcase(s, statistics);

    TCase *mistakes = tcase_create("mistakes");
    tcase_add_checked_fixture(mistakes, setup, teardown);
    tcase_add_loop_test(mistakes, a_mistake_is_told_with_its_place_before_anything_is_created, 0,
                        N_BAD);
    suite_add_tcase(s, mistakes);

    TCase *tests = tcase_create("meta-test");
    tcase_set_timeout(tests, 600);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_test_imagines_and_learns_on_a_copy);
    tcase_add_test(tests, to_an_estimate_all_of_a_tested_task_is_new);
    tcase_add_test(tests, a_test_counts_the_episodes_that_it_adapts_on);
    tcase_add_test(tests, two_tests_in_training_share_what_adapts);
    suite_add_tcase(s, tests);
    return s;
}

int main(void) {
    SRunner *r = srunner_create(stages_suite());

    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
