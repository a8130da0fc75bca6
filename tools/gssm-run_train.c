// tools/gssm-run_train.c -- gssm-run train and resume: one run, or the runs of a sweep.
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/exits.h"
#include "runtime/train/listing.h"
#include "runtime/train/runs.h"
#include "runtime/train/sweep.h"
#include "tools/gssm-run.h"
#include "tools/gssm-run_sweep.h"

enum { MAX_SEEDS = 10000, MAX_JOBS = 1024 };

// ---- one run ------------------------------------------------------------------------------------

// Trains in a session that is open and has its run folder, and tests where that is asked for.
static int train(const OptCommand *self, const TrainHow *how, RtSession *s) {
    Arena a = {0};
    const char *dir = arena_strdup(&a, s->driver.run.dir);

    printf("%s\n", dir);
    fflush(stdout);
    int code = finish(self, s, rt_driver_train(&s->driver, how->quiet));
    if (code == EXIT_OK && how->test)
        code = test_run(self, dir, how->threads);
    arena_free(&a);
    return code;
}

int train_run(const OptCommand *self, const TrainHow *how, const RtRecipeDef *def) {
    RtSession s;

    // a stop during compilation counts, too
    rt_stop_install();
    int code = rt_session_open(&s, def, how->threads);
    s.driver.process_start = process_start;
    s.driver.label = how->label;
    if (code == EXIT_OK)
        code = rt_driver_create(&s.driver, how->runs, how->from);
    return code == EXIT_OK ? train(self, how, &s) : finish(self, &s, code);
}

int resume_run(const OptCommand *self, const TrainHow *how, const char *dir) {
    RtSession s;
    RtDriver *d = &s.driver;

    rt_stop_install();
    int code = rt_session_open_run(&s, dir, how->threads);
    d->process_start = process_start;
    if (code == EXIT_OK)
        code = rt_driver_resume(d, dir);
    if (code == EXIT_OK && d->iteration >= s.recipe.iterations && !how->quiet)
        fprintf(stderr,
                "all %" PRId64 " iterations are done; to go further: gssm-run train --from=%s "
                "iterations=%" PRId64 "\n",
                d->iteration, dir, 2 * d->iteration);
    return code == EXIT_OK ? train(self, how, &s) : finish(self, &s, code);
}

// Shows what a training would be.
static int show_plan(const OptCommand *self, const RtRecipeDef *def, int threads) {
    RtSession s;
    Buf plan = {0};
    int code = rt_session_open(&s, def, threads);

    if (code == EXIT_OK) {
        rt_recipe_print(&plan, &s.recipe);
        rt_put_plan(&plan, &s.driver);
        put_out(&plan);
    }
    return finish(self, &s, code);
}

// ---- what is asked for --------------------------------------------------------------------------

typedef struct TrainOptions {
    const char *system, *env, *profile, *seeds, *from, *target, *runs;
    OptList sweep;
    int64_t seed, threads, jobs;
    bool dry_run, quiet, test;
} TrainOptions;

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

// Reads recipe and settings from the operands, and the options that make more of them. The settings
// that --sweep varies come last.
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

// ---- a sweep ------------------------------------------------------------------------------------

// The keys of --sweep, parted by commas.
static const char *swept_keys(Arena *a, const OptList *sweep) {
    Buf b = {0};

    for (int i = 0; i < sweep->n; i++)
        buf_printf(&b, "%s%.*s", i ? "," : "", (int)strcspn(sweep->items[i], "="), sweep->items[i]);
    const char *keys = arena_strdup(a, buf_text(&b));
    buf_free(&b);
    return keys;
}

// The last part of a run's name: its number, and its values of the keys of --sweep.
static const char *label_of(Arena *a, int number, const char *const *settings, int n, int n_swept) {
    enum { MOST = 100 };
    const char *label = arena_printf(a, "%03d", number);

    for (int i = n - n_swept; i < n; i++)
        label = arena_printf(a, "%s-%s", label, settings[i]);
    return arena_printf(a, "%.*s", MOST, label);
}

// Reads the recipe of a run, gives it its name, and tells of it.
static int ask_run(const OptCommand *self, Arena *a, RtSweepAsk *ask, Buf *listing) {
    RtSession s = {.why = ""};
    int code = rt_recipe_open(&s.recipe, &ask->def);

    if (code == EXIT_OK) {
        RtPlan plan = rt_plan_of(&s.recipe);
        ask->name = rt_sweep_name(a, &s.recipe, ask->label);
        buf_printf(listing,
                   "%s  %s, profile %s: %" PRId64 " iterations, %" PRId64 " real episodes\n",
                   ask->name, s.recipe.experiment, s.recipe.profile, s.recipe.iterations,
                   plan.task_episodes + plan.iteration_episodes);
    }
    return finish(self, &s, code);
}

// Asks for every run, so that nothing begins where one has errors. Of a recipe those of the first
// run that has some are told.
static int ask_runs(const OptCommand *self, const TrainOptions *o, Trainings *t, RtSweepAsk *asks,
                    Buf *listing) {
    const Plan *p = &t->plan;
    int code = EXIT_OK;

    for (int k = 0; k < t->n_names; k++) {
        int read = EXIT_OK;
        for (int i = 0; i < p->n_runs && read == EXIT_OK; i++) {
            int n = k * p->n_runs + i;
            asks[n].def = (RtRecipeDef){.name = t->names[k],
                                        .profile = o->profile,
                                        .settings = p->settings[i],
                                        .n_settings = p->n[i]};
            asks[n].label = label_of(&t->plan.arena, n, p->settings[i], p->n[i], o->sweep.n);
            read = ask_run(self, &t->plan.arena, &asks[n], listing);
        }
        code = code == EXIT_OK ? read : code;
    }
    return code;
}

static int make_sweep(const OptCommand *self, const TrainOptions *o, Trainings *t,
                      const RtSweepAsk *asks, int n, const char *asked) {
    Arena *a = &t->plan.arena;
    char why[1024] = "", from[PATH_MAX];
    const char *dir;
    RtSweepDef def = {.root = o->runs,
                      .asked = asked,
                      .by = swept_keys(a, &o->sweep),
                      .from = o->from && realpath(o->from, from) ? from : NULL,
                      .test = o->test,
                      .runs = asks,
                      .n = n};
    int code = rt_sweep_create(&def, a, &dir, why, sizeof why);

    if (code != EXIT_OK)
        return say(self, code, why);
    printf("%s\n", dir);
    fflush(stdout);
    return sweep_work(self, dir, &(SweepHow){(int)o->jobs, (int)o->threads, o->quiet});
}

static int train_sweep(const OptCommand *self, const TrainOptions *o, Trainings *t,
                       const char *asked) {
    int n = t->n_names * t->plan.n_runs;
    RtSweepAsk *asks = arena_array(&t->plan.arena, RtSweepAsk, n);
    Buf listing = {0};
    int code = ask_runs(self, o, t, asks, &listing);

    if (code == EXIT_OK && o->dry_run) {
        SweepShare share = sweep_share(&(SweepHow){(int)o->jobs, (int)o->threads, o->quiet}, n);
        buf_printf(&listing, "%d runs, %d at once, threads of each: %d\n", n, share.jobs,
                   share.threads);
        put_out(&listing);
    } else if (code == EXIT_OK)
        code = make_sweep(self, o, t, asks, n, asked);
    buf_free(&listing);
    return code;
}

static int train_one(const OptCommand *self, const TrainOptions *o, const Trainings *t) {
    RtRecipeDef def = {.name = t->names[0],
                       .profile = o->profile,
                       .settings = t->plan.settings[0],
                       .n_settings = t->plan.n[0]};
    TrainHow how = {.threads = (int)o->threads,
                    .runs = o->runs,
                    .from = o->from,
                    .test = o->test,
                    .quiet = o->quiet};

    return o->dry_run ? show_plan(self, &def, how.threads) : train_run(self, &how, &def);
}

static int train_all(const OptCommand *self, const TrainOptions *o, const OptRest *rest,
                     const char *asked) {
    Trainings t = {.plan = {.n_runs = 1}};
    Plan *p = &t.plan;

    p->settings = arena_array(&p->arena, const char **, 1);
    p->n = arena_array(&p->arena, int, 1);
    int code = list_trainings(self, o, rest, &t);
    if (code == EXIT_OK)
        code = t.n_names * p->n_runs > 1 ? train_sweep(self, o, &t, asked) : train_one(self, o, &t);
    arena_free(&p->arena);
    return code;
}

// ---- commands -----------------------------------------------------------------------------------

int command_train(const OptCommand *self, int argc, char **argv) {
    TrainOptions o = {.seed = -1, .runs = "runs"};
    OptRest rest = {0};
    // clang-format off
    const Opt table[] = {
        {"system", 0, OPT_TEXT, &o.system, "NAME,...", "systems whose recipes are trained (the default recipe's)", 0, 0},
        {"env", 0, OPT_TEXT, &o.env, "NAME,...", "families of tasks whose recipes are trained (the default recipe's)", 0, 0},
        {"profile", 0, OPT_TEXT, &o.profile, "quick|paper|best", "a profile of the recipe (the recipe says)", 0, 0},
        {"seed", 0, OPT_INT, &o.seed, "N", "of all random numbers (the recipe says)", 0, INT64_MAX},
        {"seeds", 0, OPT_TEXT, &o.seeds, "A..B", "one run for each seed", 0, 0},
        {"sweep", 0, OPT_LIST, &o.sweep, "KEY=a,b", "one run for each value; several of them multiply", 0, 0},
        {"test", 0, OPT_FLAG, &o.test, NULL, "meta-test each run at its end", 0, 0},
        {"dry-run", 0, OPT_FLAG, &o.dry_run, NULL, "show the resolved recipe and what it takes, or the runs of a sweep; train nothing", 0, 0},
        {"from", 0, OPT_TEXT, &o.from, "RUN", "go on from the newest checkpoint of a run, in a new run", 0, 0},
        {"jobs", 'j', OPT_INT, &o.jobs, "N", "runs of a sweep at once (as many as there are threads)", 1, MAX_JOBS},
        {"threads", 0, OPT_INT, &o.threads, "N", "worker threads, shared by the runs of a sweep (all cores this process may use)", 1, MAX_THREADS},
        {"target", 0, OPT_CHOICE, &o.target, "cpu|ref|cuda", "back end (cpu)", 0, 0},
        {"runs", 0, OPT_TEXT, &o.runs, "DIR", "folder of runs (runs)", 0, 0},
        {"quiet", 'q', OPT_FLAG, &o.quiet, NULL, "show no progress", 0, 0},
    };
    // clang-format on
    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);
    Buf asked = {0};

    if (code != OPT_GO_ON)
        return code;
    for (int i = 1; i < argc; i++)
        buf_printf(&asked, "%s%s", i > 1 ? " " : "", argv[i]);
    code = train_all(self, &o, &rest, buf_text(&asked));
    buf_free(&asked);
    return code;
}

int command_resume(const OptCommand *self, int argc, char **argv) {
    int64_t threads = 0, jobs = 0;
    bool quiet = false;
    // clang-format off
    const Opt table[] = {
        {"jobs", 'j', OPT_INT, &jobs, "N", "runs of a sweep at once (as many as there are threads)", 1, MAX_JOBS},
        {"threads", 0, OPT_INT, &threads, "N", "worker threads, shared by the runs of a sweep (all cores this process may use)", 1, MAX_THREADS},
        {"quiet", 'q', OPT_FLAG, &quiet, NULL, "show no progress", 0, 0},
    };
    // clang-format on
    OptRest rest = {.least = 1, .most = 1};
    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);

    if (code != OPT_GO_ON)
        return code;
    if (rt_is_sweep(rest.items[0])) {
        printf("%s\n", rest.items[0]);
        fflush(stdout);
        return sweep_work(self, rest.items[0], &(SweepHow){(int)jobs, (int)threads, quiet});
    }
    return resume_run(self, &(TrainHow){.threads = (int)threads, .quiet = quiet}, rest.items[0]);
}
