// tools/gssm-run.c -- the runtime: meta-training, meta-testing, and what came of them.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/base/exits.h"
#include "runtime/record/table.h"
#include "runtime/train/listing.h"
#include "runtime/train/session.h"
#include "tools/gssm-run.h"
#include "tools/gssm-run_partial.h"
#include "tools/options.h"

double process_start;

int say(const OptCommand *self, int code, const char *why) {
    if (why[0])
        fprintf(stderr, "gssm-run %s: %s\n", self->name, why);
    return code;
}

int finish(const OptCommand *self, RtSession *s, int code) {
    diag_print(&s->recipe.diag, stderr, opt_color(STDERR_FILENO));
    if (code != EXIT_OK)
        say(self, code, s->why);
    rt_session_close(s);
    return code;
}

void put_out(Buf *b) {
    fwrite(buf_text(b), 1, b->len, stdout);
    fflush(stdout);
    buf_free(b);
}

// ---- test ---------------------------------------------------------------------------------------

typedef struct TestOptions {
    const char *dir, *latent, *task;
    int64_t tasks, episodes, threads;
    bool quiet, json;
} TestOptions;

static void show_task(void *data, int task, double score) {
    int64_t tasks = *(const int64_t *)data;

    if (task % 10 == 9 || task + 1 == tasks)
        fprintf(stderr, "task %d of %" PRId64 ": %.4f\n", task + 1, tasks, score);
}

// Writes the result into the run folder.
static int write_result(const TestOptions *o, RtSession *s, const char *name, const RtTestResult *t,
                        const RtTested *tested) {
    RtEval e = {.row = rt_result_row(&s->recipe, t, o->dir, tested),
                .latent = s->recipe.test.latent,
                .task_scores = t->scores,
                .task_mses = t->mses,
                .adapts = t->adapts,
                .beliefs = t->beliefs,
                .steps = t->steps,
                .n_tasks = t->n,
                .by_hand = o->task != NULL};

    return rt_eval_write(o->dir, name, &e, s->why, sizeof s->why) ? EXIT_OK : EXIT_IO;
}

// Tests in a session that is open, prints the result and writes it.
static int test_session(const TestOptions *o, RtSession *s, const RtTested *tested,
                        const double *params) {
    const RtTest *test = &s->recipe.test;
    double start = rt_now();
    const char *name = arena_printf(&s->arena, "%s_%s_%" PRId64 "_%" PRId64 "x%" PRId64,
                                    params ? "task" : "test", test->latent, tested->iteration,
                                    params ? 1 : test->tasks,
                                    ((const RtCollect *)test->act->def)->episodes);
    Partial partial = {0};
    RtTestResult result;
    Buf b = {0};
    int code = EXIT_OK;

    if (!params && !partial_open(&partial, s, o->dir, name, (int)test->tasks))
        code = EXIT_IO;
    if (partial.n_known > 0 && !o->quiet)
        fprintf(stderr, "going on: %d of %d tasks were tested before\n", partial.n_known,
                partial.n_tasks);
    if (code == EXIT_OK)
        code = rt_session_test(s, params, o->quiet ? NULL : show_task, &s->recipe.test.tasks,
                               &result);
    if (code == EXIT_OK) {
        rt_put_test(&b, &s->recipe, &result, test->latent, rt_now() - start, o->json);
        put_out(&b);
        code = write_result(o, s, name, &result, tested);
    }
    if (code == EXIT_STOPPED)
        snprintf(s->why, sizeof s->why,
                 "stopped after %d of %d tasks; the same command goes on with the others",
                 partial.n_known, partial.n_tasks);
    partial_close(&partial, code == EXIT_OK);
    return code;
}

static int test(const OptCommand *self, const TestOptions *o) {
    RtSession s;
    Arena a = {0};
    const char *settings[3];
    int n = 0;
    double params[ENV_TASK_MAX];
    RtTested tested;

    if (o->tasks > 0)
        settings[n++] = arena_printf(&a, "test.tasks=%" PRId64, o->tasks);
    if (o->episodes > 0)
        settings[n++] = arena_printf(&a, "test.act.episodes=%" PRId64, o->episodes);
    if (o->latent)
        settings[n++] = arena_printf(&a, "test.latent=%s", o->latent);
    rt_stop_install();
    int code = rt_session_open_test(&s, o->dir, settings, n, (int)o->threads, &tested);
    if (code == EXIT_OK && o->task &&
        !env_parse_task(s.recipe.family, o->task, params, s.why, sizeof s.why))
        code = EXIT_BAD_USAGE;
    if (code == EXIT_OK)
        code = test_session(o, &s, &tested, o->task ? params : NULL);
    if (code == EXIT_OK && tested.iteration < s.recipe.iterations)
        fprintf(stderr, "note: training has done %" PRId64 " of %" PRId64 " iterations\n",
                tested.iteration, s.recipe.iterations);
    arena_free(&a);
    return finish(self, &s, code);
}

int test_run(const OptCommand *self, const char *dir, int threads) {
    return test(self, &(TestOptions){.dir = dir, .threads = threads, .quiet = true});
}

static int command_test(const OptCommand *self, int argc, char **argv) {
    TestOptions o = {0};
    // clang-format off
    const Opt table[] = {
        {"tasks", 0, OPT_INT, &o.tasks, "N", "unseen tasks (the recipe says)", 1, 100000},
        {"episodes", 0, OPT_INT, &o.episodes, "N", "episodes of each task (the recipe says)", 1, 100000},
        {"latent", 0, OPT_CHOICE, &o.latent, "own|other|zero", "whose task the policy believes to be in (own)", 0, 0},
        {"task", 0, OPT_TEXT, &o.task, "NAME=X,...", "one task given by hand", 0, 0},
        {"threads", 0, OPT_INT, &o.threads, "N", "worker threads (all cores this process may use)", 1, MAX_THREADS},
        {"json", 0, OPT_FLAG, &o.json, NULL, "print JSON", 0, 0},
        {"quiet", 'q', OPT_FLAG, &o.quiet, NULL, "show no progress", 0, 0},
    };
    // clang-format on
    OptRest rest = {.least = 1, .most = 1};
    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);

    if (code != OPT_GO_ON)
        return code;
    if (o.task && o.tasks > 0)
        return opt_refuse(self,
                          "--task gives one task by hand, --tasks draws some: say one of them");
    o.dir = rest.items[0];
    return test(self, &o);
}

// ---- show, ls -----------------------------------------------------------------------------------

static int command_show(const OptCommand *self, int argc, char **argv) {
    bool json = false;
    const Opt table[] = {{"json", 0, OPT_FLAG, &json, NULL, "print JSON", 0, 0}};
    OptRest rest = {.least = 1, .most = 1};
    int code = opt_parse(self, table, 1, argc, argv, &rest);
    char why[1024] = "";
    Buf b = {0};

    if (code != OPT_GO_ON)
        return code;
    code = rt_put_run(&b, rest.items[0], json, why, sizeof why);
    put_out(&b);
    return say(self, code, why);
}

static int command_ls(const OptCommand *self, int argc, char **argv) {
    bool json = false;
    const Opt table[] = {{"json", 0, OPT_FLAG, &json, NULL, "print JSON", 0, 0}};
    OptRest rest = {.most = 1};
    int code = opt_parse(self, table, 1, argc, argv, &rest);
    char why[1024] = "";
    Buf b = {0};

    if (code != OPT_GO_ON)
        return code;
    code = rt_put_runs(&b, rest.n ? rest.items[0] : "runs", json, why, sizeof why);
    put_out(&b);
    return say(self, code, why);
}

static const char train_more[] =
    "EXPERIMENT is a recipe's path, or its name under models/experiments (default). KEY=VALUE "
    "sets\n"
    "any key of it: iterations=20, fit.times=100, dynamics.hidden=50. The folder of the run is\n"
    "printed on standard output.\n"
    "\n"
    "--system and --env name recipes as ENV/SYSTEM. Where there is more than one run (of these,\n"
    "--seeds, --sweep), all are a sweep: a folder of its own that is printed, several runs at once,\n"
    "each a process. One that fails is told and the others go on; 'gssm-run resume' goes on with "
    "the\n"
    "sweep as a whole.";

static const char resume_more[] =
    "RUN is the folder of a run, or of a sweep: what is done stays, what was stopped goes on, what\n"
    "is missing starts.";

static const char table_more[] =
    "RUN is the folder of a run that was tested, or a folder of runs: a sweep, or all of runs/.";

static const char plot_more[] =
    "RUN is the folder of a run, or a folder of runs. A panel is a family of tasks, a line a system,\n"
    "the runs of a line differ in their seeds.";

int main(int argc, char **argv) {
    // clang-format off
    const OptCommand commands[] = {
        {"train",  "[EXPERIMENT] [KEY=VALUE...]", "meta-train (algorithm 1)", train_more, command_train},
        {"resume", "RUN", "go on from the newest good checkpoint, to the same bits", resume_more, command_resume},
        {"test",   "RUN", "meta-test on unseen tasks (algorithm 2)", NULL, command_test},
        {"table",  "RUN...", "the paper's tables, results beside its figures", table_more, command_table},
        {"plot",   "RUN... -o FILE.png|svg", "learning curves, mean and spread over seeds", plot_more, command_plot},
        {"env",    "ls|bench|check|show [NAME]", "the families of real tasks; show prints an episode", NULL, command_env},
        {"ls",     "[DIR]", "the runs of a folder (runs)", NULL, command_ls},
        {"show",   "RUN", "a run's configuration with the origin of each key, and its results", NULL, command_show},
    };
    // clang-format on
    const OptProgram program = {
        .name = "gssm-run",
        .version = GSSM_VERSION,
        .doc = "Meta-trains and meta-tests model-based reinforcement learners.",
        .commands = commands,
        .n_commands = sizeof commands / sizeof *commands,
    };

    process_start = rt_now();
    return opt_main(&program, argc, argv);
}
