// runtime/train/stage_estimate.c -- a program takes the transitions that are new.
//
//   scale: {estimate: scale.pooled, as: random}
//
// Transitions of the current tasks with that label (all labels where none is named) that came since
// the stage last ran go to the program at once: input x takes their field x. What it makes of them
// is its own matter: statistics that it keeps as states. Where none are new it does not run. At
// test all transitions of the task are new, since what is kept there is a copy.
#include "envs/env_random.h"
#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "runtime/train/job.h"
#include "runtime/train/scene.h"

typedef struct Estimate {
    RtJob job;
    const char *as;
    bool at_test;
    int64_t *rows; // that are new
    int n, cap;
} Estimate;

static void estimate_read(RtStage *s, RtReader *r) {
    static const char *const known[] = {"estimate", "as", "settings", "when", NULL};
    Estimate *e = arena_new(r->arena, Estimate);

    *e = (Estimate){.job = {.kind = LANG_PROGRAM}};
    s->def = e;
    s->job = &e->job;
    s->times = 1;
    rt_read_keys(r, s->map, known, rt_stage_title(r->arena, s));
    rt_read_text(r, s->map, "as", &e->as);
    rt_job_read(&e->job, s, r);
    e->job.feed.kind = RT_FEED_GIVEN;
}

static void estimate_check(RtStage *s, RtRecipe *recipe) {
    Estimate *e = s->def;

    rt_job_check(s->job, s, recipe, "scale.pooled");
    e->at_test = rt_recipe_list_of(recipe, s) == &recipe->test.adapt;
    if (e->as)
        rt_recipe_need_label(recipe, e->as, yaml_find(s->map, "as")->loc);
    else if (e->at_test && recipe->test.model)
        diag_error(&recipe->diag, s->loc, E_missing_key,
                   "the stage '%s' has no 'as': in test.adapt it would use the transitions of "
                   "test.model",
                   s->name);
}

static void estimate_ask(RtStage *s, const RtRecipe *recipe, RtWorld *w) {
    (void)recipe;
    rt_job_ask(s->job, s, w);
}

static void estimate_declare(RtStage *s, RtScene *scene) {
    rt_job_declare(s->job, s, scene, false);
}

static bool estimate_bind(RtStage *s, RtScene *scene) {
    bool done = rt_job_bind_inputs(s->job, s, scene);

    return rt_job_bind_settings(s->job, scene) && done;
}

// Lists the rows of the current tasks from row `seen` on; those of a task are in order.
static void list_new(Estimate *e, RtScene *scene, int64_t seen) {
    e->n = 0;
    for (int t = 0; t < scene->n_tasks; t++) {
        const RtRows *rows = rt_experience_rows(scene->experience, scene->task + t, e->as);
        int64_t first = rows->n;
        while (first > 0 && rows->items[first - 1] >= seen)
            first--;
        for (int64_t i = first; i < rows->n; i++)
            arena_push(&scene->world->arena, e->rows, e->n, e->cap, rows->items[i]);
    }
}

static int estimate_run(RtStage *s, RtScene *scene) {
    Estimate *e = s->def;
    uint64_t draws = env_random_key(scene->key, s->name, scene->iteration, 1);

    list_new(e, scene, e->at_test ? 0 : s->seen);
    s->seen = scene->experience->n;
    if (e->n == 0)
        return EXIT_OK;
    int code = rt_job_begin(&e->job, scene);
    if (code == EXIT_OK)
        code = rt_feed_give(&e->job.feed, scene, e->rows, e->n);
    if (code != EXIT_OK)
        return code;
    rt_job_run(&e->job, scene, draws, 0);
    rt_job_count(&e->job);
    rt_job_give(&e->job, scene);
    rt_job_end(&e->job);
    return EXIT_OK;
}

static void estimate_free(RtStage *s) {
    rt_job_free(s->job);
}

const RtVerb rt_verb_estimate = {
    .name = "estimate",
    .read = estimate_read,
    .check = estimate_check,
    .ask = estimate_ask,
    .declare = estimate_declare,
    .bind = estimate_bind,
    .run = estimate_run,
    .free = estimate_free,
};
