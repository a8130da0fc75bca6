// runtime/train/session.c -- a recipe with everything it needs to train or to be tested.
#include "runtime/train/session.h"

#include <math.h>

#include "ir/base/exits.h"

// Opens the world of the recipe and asks for its programs; `train`: those of training, too.
static int open_world(RtSession *s, int threads, bool train) {
    int code = rt_world_open(&s->world, &s->recipe, threads, s->why, sizeof s->why);

    if (code != EXIT_OK)
        return code;
    if (train)
        rt_driver_ask(&s->recipe, &s->world);
    else {
        rt_experience_ask(&s->recipe, &s->world);
        rt_tester_ask(&s->recipe, &s->world);
    }
    code = rt_recipe_code(&s->recipe);
    return code == EXIT_OK ? rt_world_build(&s->world, s->why, sizeof s->why) : code;
}

int rt_session_open(RtSession *s, const RtRecipeDef *def, int threads) {
    *s = (RtSession){.why = ""};
    int code = rt_recipe_open(&s->recipe, def);

    if (code == EXIT_OK)
        code = open_world(s, threads, true);
    if (code == EXIT_OK)
        code = rt_driver_open(&s->driver, &s->recipe, &s->world, s->why, sizeof s->why);
    return code;
}

// Looks whether `dir` is a run, and gives the definition of its recipe.
static int look_at_run(RtSession *s, const char *dir, RtRecipeDef *def) {
    RtRun run;
    int code = rt_run_open(&run, dir, false, s->why, sizeof s->why);

    rt_run_close(&run);
    *def = (RtRecipeDef){.name = arena_printf(&s->arena, "%s/config.yaml", dir)};
    return code;
}

int rt_session_open_run(RtSession *s, const char *dir, int threads) {
    Arena keep = {0};
    RtRecipeDef def;

    *s = (RtSession){.why = ""};
    int code = look_at_run(s, dir, &def);
    if (code != EXIT_OK)
        return code;
    keep = s->arena;
    code = rt_session_open(s, &def, threads);
    s->arena = keep;
    return code;
}

static int64_t episodes_of_test(const RtRecipe *r) {
    return ((const RtCollect *)r->test.act->def)->episodes;
}

int rt_session_open_test(RtSession *s, const char *dir, const char *const *settings, int n,
                         int threads, RtTested *tested) {
    RtRecipeDef def;

    *s = (RtSession){.why = ""};
    int code = look_at_run(s, dir, &def);
    if (code != EXIT_OK)
        return code;
    code = rt_recipe_open(&s->recipe, &def);
    if (code != EXIT_OK)
        return code;
    *tested = (RtTested){.tasks = s->recipe.test.tasks, .episodes = episodes_of_test(&s->recipe)};
    rt_recipe_free(&s->recipe);
    def.settings = settings;
    def.n_settings = n;
    code = rt_recipe_open(&s->recipe, &def);
    if (code == EXIT_OK)
        code = open_world(s, threads, false);
    if (code == EXIT_OK)
        code = rt_load_state(s->world.state, dir, &tested->real_episodes, &tested->iteration,
                             s->why, sizeof s->why);
    return code;
}

int rt_session_test(RtSession *s, const double *params,
                    void (*show)(void *data, int task, double score), void *data,
                    RtTestResult *result) {
    const RtTest *test = &s->recipe.test;
    int64_t episodes = episodes_of_test(&s->recipe);
    RtScene scene = {
        .recipe = &s->recipe, .world = &s->world, .why = s->why, .why_size = sizeof s->why};
    RtTestDef def = {.tasks = params ? 1 : test->tasks,
                     .episodes = episodes,
                     .latent = test->latent,
                     .key = (uint64_t)test->seed,
                     .params = params,
                     .memory = s->memory,
                     .show = show,
                     .data = data};

    if (!s->tester)
        s->tester = rt_tester_new(&scene, episodes);
    if (!s->tester)
        return rt_recipe_code(&s->recipe);
    return rt_tester_run(s->tester, &scene, &def, result);
}

void rt_session_close(RtSession *s) {
    rt_tester_free(s->tester);
    rt_driver_close(&s->driver);
    rt_world_close(&s->world);
    rt_recipe_free(&s->recipe);
    arena_free(&s->arena);
    *s = (RtSession){.why = ""};
}

RtRow rt_result_row(const RtRecipe *r, const RtTestResult *t, const char *dir,
                    const RtTested *tested) {
    RtRow row = rt_row();

    row.system = r->system;
    row.env = r->env;
    row.profile = r->profile;
    row.seed = r->seed;
    row.score = t->score;
    row.score_sd_tasks = t->score_sd;
    row.mse = t->mse;
    row.mse_sd = t->mse_sd;
    row.kl = t->kl;
    row.paper_score = r->paper_score;
    row.paper_mse = r->paper_mse;
    row.paper_score_sd = r->paper_score_sd;
    row.paper_mse_sd = r->paper_mse_sd;
    row.paper_seconds = r->paper_seconds;
    row.paper_seconds_sd = r->paper_seconds_sd;
    row.iteration = (double)tested->iteration;
    row.iterations = (double)r->iterations;
    row.tasks = t->n;
    row.episodes = (double)episodes_of_test(r);
    row.recipe_tasks = (double)tested->tasks;
    row.recipe_episodes = (double)tested->episodes;
    row.real_episodes = (double)tested->real_episodes;
    row.seconds = rt_training_seconds(dir);
    row.departs = r->departs;
    row.n_departs = r->n_departs;
    return row;
}
