// runtime/train/stage_update.c -- a program runs a number of times on data that is there.
//
//   fit:     {update: dynamics.fit, times: 400, batch: {tasks: 4, current: 0.5, rows: 50},
//             context: {rows: uniform}, settings: {rate: "1e-3 * 0.9 ** (iteration / 10)"}}
//   improve: {update: objective.step, times: 300, contexts: {count: 2, current: 0.5, rows: 50}}
//   learn:   {update: objective.step, buffer: imagined}
//
// An output of the program becomes a number of formulas, `loss` and `fit.loss`: its mean over the
// last tenth of the updates. With `until`, a condition, it is the mean since the last check; there
// is a check after every `every` updates, which ends the stage where the condition holds.
#include "envs/env_random.h"
#include "ir/base/exits.h"
#include "ir/random.h"
#include "runtime/train/job.h"
#include "runtime/train/scene.h"

enum { MAX_TIMES = 100000000 };

typedef struct Update {
    RtJob job;
    int64_t every;
    const Expr *until; // NULL: all times
    RtFormula *stop;
} Update;

static void update_read(RtStage *s, RtReader *r) {
    static const char *const known[] = {"update",   "times",    "until",  "every",  "batch",
                                        "context",  "contexts", "starts", "buffer", "dims",
                                        "settings", "when",     NULL};
    Update *u = arena_new(r->arena, Update);

    *u = (Update){.job = {.kind = LANG_PROGRAM}, .every = 1};
    s->def = u;
    s->job = &u->job;
    s->times = 1;
    rt_read_keys(r, s->map, known, rt_stage_title(r->arena, s));
    rt_read_int(r, s->map, "times", 1, MAX_TIMES, &s->times);
    rt_read_expr(r, s->map, "until", &u->until);
    rt_read_int(r, s->map, "every", 1, MAX_TIMES, &u->every);
    if (yaml_find(s->map, "every") && !yaml_find(s->map, "until"))
        rt_read_refuse(r, s->map, "every", "is how often until is looked at, and there is none");
    rt_job_read(&u->job, s, r);
}

static void update_check(RtStage *s, RtRecipe *recipe) {
    rt_job_check(s->job, s, recipe, "dynamics.fit");
}

static void update_ask(RtStage *s, const RtRecipe *recipe, RtWorld *w) {
    (void)recipe;
    rt_job_ask(s->job, s, w);
}

static void update_declare(RtStage *s, RtScene *scene) {
    const Update *u = s->def;

    rt_job_declare(s->job, s, scene, u->until != NULL);
}

static bool update_bind(RtStage *s, RtScene *scene) {
    Update *u = s->def;
    bool done = rt_job_bind_inputs(s->job, s, scene);

    done = rt_job_bind_settings(s->job, scene) && done;
    if (u->until) {
        u->stop = rt_formula_new(&scene->world->arena, scene->world->diag, u->until, scene->vars);
        done = done && u->stop;
    }
    return done;
}

// Whether the outputs of update `i` (from 0) belong to the numbers: all since the last check, or
// the last tenth.
static bool counts(const RtStage *s, int64_t i) {
    const Update *u = s->def;
    int64_t last = s->times / 10 ? s->times / 10 : 1;

    return u->until || i >= s->times - last;
}

static int update_run(RtStage *s, RtScene *scene) {
    Update *u = s->def;
    uint64_t batches = env_random_key(scene->key, s->name, scene->iteration, 0);
    uint64_t draws = env_random_key(scene->key, s->name, scene->iteration, 1);
    int code = rt_job_begin(&u->job, scene);
    bool done = false;

    *scene->v_times = (double)s->times;
    for (int64_t i = 0; i < s->times && !done && code == EXIT_OK; i++) {
        if (rt_stop_asked())
            return EXIT_STOPPED;
        *scene->v_update = (double)i;
        code = rt_job_call(&u->job, scene, ir_random_mix(batches + (uint64_t)i), draws, i);
        if (code != EXIT_OK)
            return code;
        if (counts(s, i))
            rt_job_count(&u->job);
        if (u->until && (i + 1) % u->every == 0) {
            rt_job_give(&u->job, scene);
            done = rt_formula_value(u->stop) != 0;
        }
        if (scene->tick)
            scene->tick(scene->tick_data, s, i + 1, s->times);
    }
    if (code == EXIT_OK && u->job.n_counted > 0)
        rt_job_give(&u->job, scene);
    rt_job_end(&u->job);
    return code;
}

static void update_free(RtStage *s) {
    rt_job_free(s->job);
}

const RtVerb rt_verb_update = {
    .name = "update",
    .read = update_read,
    .check = update_check,
    .ask = update_ask,
    .declare = update_declare,
    .bind = update_bind,
    .run = update_run,
    .free = update_free,
};
