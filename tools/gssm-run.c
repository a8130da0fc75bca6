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
#include "tools/options.h"

enum { MAX_THREADS = 256, MAX_SEEDS = 10000 };

// When the process began; set once by main().
static double process_start;

int say(const OptCommand *self, int code, const char *why) {
    if (why[0])
        fprintf(stderr, "gssm-run %s: %s\n", self->name, why);
    return code;
}

// Tells what went wrong, and closes the session.
static int finish(const OptCommand *self, RtSession *s, int code) {
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

// ---- train --------------------------------------------------------------------------------------

typedef struct TrainOptions {
    const char *system, *env, *profile, *seeds, *from, *target, *runs;
    OptList sweep;
    int64_t seed, threads;
    bool dry_run, quiet;
} TrainOptions;

// One training: a recipe with its settings.
static int train_one(const OptCommand *self, const TrainOptions *o, const RtRecipeDef *def) {
    RtSession s;
    RtDriver *d = &s.driver;

    // a stop during compilation counts, too
    if (!o->dry_run)
        rt_stop_install();
    int code = rt_session_open(&s, def, (int)o->threads);
    d->process_start = process_start;
    if (code == EXIT_OK && o->dry_run) {
        Buf plan = {0};
        rt_recipe_print(&plan, &s.recipe);
        rt_put_plan(&plan, d);
        put_out(&plan);
    } else if (code == EXIT_OK) {
        code = rt_driver_create(d, o->runs, o->from);
        if (code == EXIT_OK) {
            printf("%s\n", d->run.dir);
            fflush(stdout);
            code = rt_driver_train(d, o->quiet);
        }
    }
    return finish(self, &s, code);
}

// Settings of the trainings that the command line asks for, one list each.
typedef struct Plan {
    Arena arena;
    const char ***settings;
    int *n;
    int n_runs;
} Plan;

static void plan_add(Plan *p, const char *setting) {
    for (int i = 0; i < p->n_runs; i++) {
        p->settings[i] = arena_grow(&p->arena, p->settings[i], (size_t)p->n[i], (size_t)p->n[i] + 1,
                                    sizeof **p->settings);
        p->settings[i][p->n[i]++] = setting;
    }
}

// Every run becomes `n` runs, with one of the settings each.
static void plan_multiply(Plan *p, const char *const *settings, int n) {
    Plan q = {.arena = p->arena, .n_runs = p->n_runs * n};

    q.settings = arena_array(&q.arena, const char **, q.n_runs);
    q.n = arena_array(&q.arena, int, q.n_runs);
    for (int i = 0; i < q.n_runs; i++) {
        int from = i / n;
        q.n[i] = p->n[from] + 1;
        q.settings[i] = arena_grow(&q.arena, p->settings[from], (size_t)p->n[from], (size_t)q.n[i],
                                   sizeof **q.settings);
        q.settings[i][q.n[i] - 1] = settings[i % n];
    }
    *p = q;
}

// KEY=a,b,c as settings KEY=a, KEY=b, KEY=c.
static bool plan_sweep(Plan *p, const char *text) {
    size_t key = strcspn(text, "=");
    const char **settings = NULL;
    int n = 0, cap = 0;

    if (!text[key] || !key)
        return false;
    for (const char *s = text + key + 1; *s;) {
        size_t len = strcspn(s, ",");
        const char *one = arena_printf(&p->arena, "%.*s=%.*s", (int)key, text, (int)len, s);
        arena_push(&p->arena, settings, n, cap, one);
        s += len + (s[len] == ',');
    }
    if (n > 0)
        plan_multiply(p, settings, n);
    return n > 0;
}

// Seeds as "3", "0..4" or "1,5,7".
static bool plan_seeds(Plan *p, const char *text) {
    char *end;
    const char *dots = strstr(text, "..");

    if (!dots)
        return strspn(text, "0123456789,") == strlen(text) &&
               plan_sweep(p, arena_printf(&p->arena, "seed=%s", text));
    long long first = strtoll(text, &end, 10), last = strtoll(dots + 2, NULL, 10);
    if (end != dots || strspn(dots + 2, "0123456789") != strlen(dots + 2) || !dots[2] ||
        first < 0 || last < first || last - first >= MAX_SEEDS)
        return false;
    int n = (int)(last - first) + 1;
    const char **settings = arena_array(&p->arena, const char *, n);
    for (int i = 0; i < n; i++)
        settings[i] = arena_printf(&p->arena, "seed=%lld", first + i);
    plan_multiply(p, settings, n);
    return true;
}

// The names of recipes that --system and --env mean: {env}/{system} for all pairs.
static int list_cells(Arena *a, const char *systems, const char *envs, const char ***names) {
    int n = 0, cap = 0;

    *names = NULL;
    for (const char *e = envs; *e;) {
        size_t env = strcspn(e, ",");
        for (const char *s = systems; *s;) {
            size_t system = strcspn(s, ",");
            const char *name = arena_printf(a, "%.*s/%.*s", (int)env, e, (int)system, s);
            arena_push(a, *names, n, cap, name);
            s += system + (s[system] == ',');
        }
        e += env + (e[env] == ',');
    }
    return n;
}

// What is to be trained: recipes, and for each the runs of the plan.
typedef struct Trainings {
    Plan plan;
    const char **names; // of recipes; NULL in it for the default
    int n_names;
} Trainings;

// The recipes of --system and --env; the default recipe tells what is not given.
static int name_cells(const OptCommand *self, const TrainOptions *o, Trainings *t) {
    RtSession s = {.why = ""};
    int code = rt_recipe_open(&s.recipe, &(RtRecipeDef){.name = NULL});

    if (code == EXIT_OK)
        t->n_names = list_cells(&t->plan.arena, o->system ? o->system : s.recipe.system,
                                o->env ? o->env : s.recipe.env, &t->names);
    return finish(self, &s, code);
}

// Reads recipe and settings from the operands, and the options that make more of them.
static int list_trainings(const OptCommand *self, const TrainOptions *o, const OptRest *rest,
                          Trainings *t) {
    Plan *p = &t->plan;
    const char *name = NULL;

    for (int i = 0; i < rest->n; i++) {
        const char *s = rest->items[i], *equals = strchr(s, '='), *slash = strchr(s, '/');
        if (equals && !(slash && slash < equals))
            plan_add(p, s);
        else if (name)
            return opt_refuse(self, "'%s' is a second recipe, after '%s'", s, name);
        else
            name = s;
    }
    if (o->target)
        plan_add(p, arena_printf(&p->arena, "target=%s", o->target));
    if (o->seed >= 0)
        plan_add(p, arena_printf(&p->arena, "seed=%" PRId64, o->seed));
    if (o->seeds && !plan_seeds(p, o->seeds))
        return opt_refuse(self, "--seeds is '%s', and should be as 0..4 or 0,1,2", o->seeds);
    for (int i = 0; i < o->sweep.n; i++)
        if (!plan_sweep(p, o->sweep.items[i]))
            return opt_refuse(self, "--sweep is '%s', and should be as KEY=a,b", o->sweep.items[i]);

    if (o->from && name)
        return opt_refuse(self, "--from takes its run's recipe; '%s' is a second one", name);
    if ((o->system || o->env) && (name || o->from))
        return opt_refuse(self, "--system and --env name recipes, and '%s' is one already",
                          name ? name : o->from);
    t->names = arena_array(&p->arena, const char *, 1);
    t->names[0] = o->from ? arena_printf(&p->arena, "%s/config.yaml", o->from) : name;
    t->n_names = 1;
    return o->system || o->env ? name_cells(self, o, t) : EXIT_OK;
}

static int train_all(const OptCommand *self, const TrainOptions *o, const OptRest *rest) {
    Trainings t = {.plan = {.n_runs = 1}};
    Plan *p = &t.plan;

    p->settings = arena_array(&p->arena, const char **, 1);
    p->n = arena_array(&p->arena, int, 1);
    int code = list_trainings(self, o, rest, &t);
    for (int k = 0; k < t.n_names && code == EXIT_OK; k++)
        for (int i = 0; i < p->n_runs && code == EXIT_OK; i++) {
            RtRecipeDef def = {.name = t.names[k],
                               .profile = o->profile,
                               .settings = p->settings[i],
                               .n_settings = p->n[i]};
            code = train_one(self, o, &def);
        }
    arena_free(&p->arena);
    return code;
}

static int command_train(const OptCommand *self, int argc, char **argv) {
    TrainOptions o = {.seed = -1, .runs = "runs"};
    OptRest rest = {0};
    // clang-format off
    const Opt table[] = {
        {"system", 0, OPT_TEXT, &o.system, "NAME,...", "systems whose recipes are trained (the default recipe's)", 0, 0},
        {"env", 0, OPT_TEXT, &o.env, "NAME,...", "families of tasks whose recipes are trained (the default recipe's)", 0, 0},
        {"profile", 0, OPT_TEXT, &o.profile, "quick|paper|best", "a profile of the recipe (the recipe says)", 0, 0},
        {"seed", 0, OPT_INT, &o.seed, "N", "of all random numbers (the recipe says)", 0, INT64_MAX},
        {"seeds", 0, OPT_TEXT, &o.seeds, "A..B", "one run for each seed, one after another", 0, 0},
        {"sweep", 0, OPT_LIST, &o.sweep, "KEY=a,b", "one run for each value; several of them multiply", 0, 0},
        {"dry-run", 0, OPT_FLAG, &o.dry_run, NULL, "show the resolved recipe and what it takes; train nothing", 0, 0},
        {"from", 0, OPT_TEXT, &o.from, "RUN", "go on from the newest checkpoint of a run, in a new run", 0, 0},
        {"threads", 0, OPT_INT, &o.threads, "N", "worker threads (all cores this process may use)", 1, MAX_THREADS},
        {"target", 0, OPT_CHOICE, &o.target, "cpu|ref|cuda", "back end (cpu)", 0, 0},
        {"runs", 0, OPT_TEXT, &o.runs, "DIR", "folder of runs (runs)", 0, 0},
        {"quiet", 'q', OPT_FLAG, &o.quiet, NULL, "show no progress", 0, 0},
    };
    // clang-format on
    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);

    return code == OPT_GO_ON ? train_all(self, &o, &rest) : code;
}

// ---- resume -------------------------------------------------------------------------------------

static int resume(const OptCommand *self, const char *dir, int threads, bool quiet) {
    RtSession s;
    RtDriver *d = &s.driver;

    rt_stop_install();
    int code = rt_session_open_run(&s, dir, threads);
    d->process_start = process_start;
    if (code == EXIT_OK)
        code = rt_driver_resume(d, dir);
    if (code == EXIT_OK) {
        printf("%s\n", dir);
        fflush(stdout);
        if (d->iteration >= s.recipe.iterations && !quiet)
            fprintf(stderr,
                    "all %" PRId64 " iterations are done; to go further: gssm-run train --from=%s "
                    "iterations=%" PRId64 "\n",
                    d->iteration, dir, 2 * d->iteration);
        code = rt_driver_train(d, quiet);
    }
    return finish(self, &s, code);
}

static int command_resume(const OptCommand *self, int argc, char **argv) {
    int64_t threads = 0;
    bool quiet = false;
    const Opt table[] = {
        {"threads", 0, OPT_INT, &threads, "N", "worker threads (all cores this process may use)", 1,
         MAX_THREADS},
        {"quiet", 'q', OPT_FLAG, &quiet, NULL, "show no progress", 0, 0},
    };
    OptRest rest = {.least = 1, .most = 1};
    int code = opt_parse(self, table, 2, argc, argv, &rest);

    return code == OPT_GO_ON ? resume(self, rest.items[0], (int)threads, quiet) : code;
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
static int write_result(const TestOptions *o, RtSession *s, const RtTestResult *t,
                        const RtTested *tested) {
    const char *latent = s->recipe.test.latent;
    RtEval e = {.row = rt_result_row(&s->recipe, t, o->dir, tested),
                .latent = latent,
                .task_scores = t->scores,
                .task_mses = t->mses,
                .adapts = t->adapts,
                .beliefs = t->beliefs,
                .steps = t->steps,
                .n_tasks = t->n,
                .by_hand = o->task != NULL};
    const char *name = arena_printf(&s->arena, "%s_%s_%.0f_%.0fx%.0f", o->task ? "task" : "test",
                                    latent, e.row.iteration, e.row.tasks, e.row.episodes);

    return rt_eval_write(o->dir, name, &e, s->why, sizeof s->why) ? EXIT_OK : EXIT_IO;
}

static int test(const OptCommand *self, const TestOptions *o) {
    RtSession s;
    Arena a = {0};
    const char *settings[3];
    int n = 0;
    double params[ENV_TASK_MAX], start = rt_now();
    RtTested tested;

    if (o->tasks > 0)
        settings[n++] = arena_printf(&a, "test.tasks=%" PRId64, o->tasks);
    if (o->episodes > 0)
        settings[n++] = arena_printf(&a, "test.act.episodes=%" PRId64, o->episodes);
    if (o->latent)
        settings[n++] = arena_printf(&a, "test.latent=%s", o->latent);
    int code = rt_session_open_test(&s, o->dir, settings, n, (int)o->threads, &tested);
    if (code == EXIT_OK && o->task &&
        !env_parse_task(s.recipe.family, o->task, params, s.why, sizeof s.why))
        code = EXIT_BAD_USAGE;
    if (code == EXIT_OK) {
        RtTestResult result;
        Buf b = {0};
        rt_stop_install();
        code = rt_session_test(&s, o->task ? params : NULL, o->quiet ? NULL : show_task,
                               &s.recipe.test.tasks, &result);
        if (code == EXIT_OK) {
            rt_put_test(&b, &s.recipe, &result, s.recipe.test.latent, rt_now() - start, o->json);
            put_out(&b);
            code = write_result(o, &s, &result, &tested);
        }
    }
    if (code == EXIT_OK && tested.iteration < s.recipe.iterations)
        fprintf(stderr, "note: training has done %" PRId64 " of %" PRId64 " iterations\n",
                tested.iteration, s.recipe.iterations);
    arena_free(&a);
    return finish(self, &s, code);
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
    "printed on standard output.";

static const char table_more[] =
    "RUN is the folder of a run that was tested, or a folder of runs: a sweep, or all of runs/.";

int main(int argc, char **argv) {
    // clang-format off
    const OptCommand commands[] = {
        {"train",  "[EXPERIMENT] [KEY=VALUE...]", "meta-train (algorithm 1)", train_more, command_train},
        {"resume", "RUN", "go on from the newest good checkpoint, to the same bits", NULL, command_resume},
        {"test",   "RUN", "meta-test on unseen tasks (algorithm 2)", NULL, command_test},
        {"table",  "RUN...", "the paper's tables, results beside its figures", table_more, command_table},
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
