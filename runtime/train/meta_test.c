// runtime/train/meta_test.c -- meta-testing on unseen tasks (paper, algorithm 2).
#include "runtime/train/meta_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env_random.h"
#include "ir/base/exits.h"
#include "runtime/train/measure.h"

static const char model_label[] = "model"; // of the transitions that the model is measured on

struct RtTester {
    Arena arena;
    RtRecipe *recipe;
    RtExperience experience;
    RtActor *context, *model, *act;
    const RtCollect *context_def, *model_def, *act_def;
    RtMeasure measure;
    RtState *copy; // of the state, for test.adapt
    double *params, *scores, *mses, *kls;
    double *adapts, *beliefs, *steps; // seconds
    int64_t cap; // tasks that fit
};

static void ask_actor(const RtStage *s, RtWorld *w) {
    if (s)
        rt_actor_ask(s->object, s->object_loc, w);
}

void rt_tester_ask(const RtRecipe *recipe, RtWorld *w) {
    ask_actor(recipe->test.context, w);
    ask_actor(recipe->test.model, w);
    ask_actor(recipe->test.act, w);
    if (recipe->test.measure)
        rt_world_ask(w, recipe->test.measure, recipe->test.measure_loc, LANG_FUNCTION);
    rt_stages_ask(&recipe->test.adapt, recipe, w);
}

// ---- making -------------------------------------------------------------------------------------

static int64_t steps_of(const RtTester *t, const RtCollect *c) {
    return c->steps ? c->steps : t->recipe->family->horizon;
}

static int64_t rows_of(const RtTester *t, const RtCollect *c) {
    return c ? c->episodes * steps_of(t, c) : 0;
}

static bool bind_measure(RtTester *t, RtScene *scene) {
    if (!t->recipe->test.model || !t->recipe->test.measure)
        return true;
    return rt_measure_bind(&t->measure, scene, rows_of(t, t->context_def),
                           rows_of(t, t->model_def), steps_of(t, t->model_def));
}

bool rt_tester_check(RtScene *scene) {
    const RtTest *test = &scene->recipe->test;
    RtTester t = {.recipe = scene->recipe,
                  .context_def = test->context ? test->context->def : NULL,
                  .model_def = test->model ? test->model->def : NULL};
    return bind_measure(&t, scene);
}

static RtActor *new_actor(RtTester *t, RtScene *scene, const RtStage *s, int64_t episodes,
                          bool *done) {
    if (!s)
        return NULL;
    RtActorDef def = rt_actor_def(s, t->recipe, episodes, 1);
    RtActor *a = rt_actor_new(&def, scene);
    *done = *done && a;
    return a;
}

RtTester *rt_tester_new(RtScene *scene, int64_t episodes) {
    const RtTest *test = &scene->recipe->test;
    RtTester *t = calloc(1, sizeof *t);
    RtScene inner = *scene;

    if (!t)
        arena_out_of_memory(sizeof *t);
    t->recipe = scene->recipe;
    t->context_def = test->context ? test->context->def : NULL;
    t->model_def = test->model ? test->model->def : NULL;
    t->act_def = test->act->def;
    bool done = rt_experience_open(&t->experience, scene->recipe, scene->world, 0);
    inner.experience = &t->experience;
    inner.n_tasks = 1;
    inner.vars = &scene->world->test_vars;
    rt_scene_open(&inner);
    if (done) {
        const int64_t n[] = {t->context_def ? t->context_def->episodes : 0,
                             t->model_def ? t->model_def->episodes : 0};
        t->context = new_actor(t, &inner, test->context, n[0], &done);
        t->model = new_actor(t, &inner, test->model, n[1], &done);
        t->act = new_actor(t, &inner, test->act, episodes, &done);
        done = bind_measure(t, &inner) && done;
        rt_stages_declare(&test->adapt, &inner);
        done = rt_stages_bind(&test->adapt, &inner) && done;
    }
    if (test->adapt.n > 0)
        t->copy = rt_state_clone(scene->world->state);
    if (done)
        return t;
    rt_tester_free(t);
    return NULL;
}

void rt_tester_free(RtTester *t) {
    if (!t)
        return;
    rt_stages_free(&t->recipe->test.adapt);
    rt_actor_free(t->context);
    rt_actor_free(t->model);
    rt_actor_free(t->act);
    rt_experience_close(&t->experience);
    rt_state_free(t->copy);
    free(t->params);
    free(t->scores);
    free(t->mses);
    free(t->kls);
    free(t->adapts);
    free(t->beliefs);
    free(t->steps);
    arena_free(&t->arena);
    free(t);
}

// ---- running ------------------------------------------------------------------------------------

// Task `i` with the context of task `of`, as the stage takes it.
static RtRolloutTask task_of(const RtTester *t, int i, int of, const RtCollect *c) {
    const RtRows *rows = rt_experience_rows(&t->experience, of, c->context.as);

    return (RtRolloutTask){.params = t->experience.tasks[i].params,
                           .context = rows->items,
                           .n_context = rows->n < c->context.rows ? rows->n : c->context.rows};
}

// Episodes of a task go to the experience, labelled.
static int collect(RtTester *t, RtScene *scene, RtActor *actor, const RtStage *s, const char *label,
                   uint64_t key) {
    const RtCollect *c = s->def;
    RtRolloutTask task = task_of(t, scene->task, scene->task, c);
    RtRollout r = {.tasks = &task,
                   .n_tasks = 1,
                   .key = env_random_key(key, s->name, 0, 0),
                   .experience = &t->experience};
    int code = rt_actor_run(actor, scene, &r);
    for (int i = 0; i < c->episodes && code == EXIT_OK; i++) {
        RtEpisode e = {
            .id = "", .stage = s->name, .label = label, .task = scene->task, .number = i};
        RtEpisodeData data = rt_actor_episode(actor, i, &e);
        if (e.n > 0)
            rt_experience_add(&t->experience, &e, &data);
    }
    return code;
}

// The error of the model on the current task.
static int measure(RtTester *t, RtScene *scene, uint64_t key) {
    return rt_measure_run(&t->measure, scene, t->context_def ? t->context_def->as : "", model_label,
                          env_random_key(key, "measure", 0, 0), &t->mses[scene->task],
                          &t->kls[scene->task]);
}

// Context and further transitions of task `i`.
static int prepare_task(RtTester *t, RtScene *scene, int i, uint64_t key) {
    const RtTest *test = &t->recipe->test;
    int code = EXIT_OK;

    scene->task = i;
    t->mses[i] = t->kls[i] = NAN;
    if (t->context)
        code = collect(t, scene, t->context, test->context, t->context_def->as, key);
    if (code == EXIT_OK && t->model)
        code = collect(t, scene, t->model, test->model, model_label, key);
    return code;
}

// Runs the stages of `test.adapt` on a copy of the state, which stays bound.
static int adapt(RtTester *t, RtScene *scene, uint64_t key) {
    const RtStages *stages = &t->recipe->test.adapt;
    double start = rt_now();
    int code = EXIT_OK;

    if (stages->n > 0) {
        rt_state_copy(t->copy, scene->world->state, "");
        rt_world_bind(scene->world, t->copy);
        scene->key = env_random_key(key, "adapt", 0, 0);
        rt_scene_forget(scene);
        for (int k = 0; k < stages->n && code == EXIT_OK; k++)
            code = rt_scene_run(scene, stages->items[k]);
    }
    t->adapts[scene->task] = stages->n > 0 ? rt_now() - start : 0;
    return code;
}

// Adapts where the recipe says so, measures the model, and acts.
static int act_on_task(RtTester *t, RtScene *scene, int i, int of, const char *latent,
                       uint64_t key) {
    const RtTest *test = &t->recipe->test;
    RtState *home = scene->world->state;

    scene->task = i;
    int code = adapt(t, scene, key);

    if (code == EXIT_OK && t->measure.unit)
        code = measure(t, scene, key);

    RtRolloutTask task = task_of(t, i, of, t->act_def);
    RtRollout r = {.tasks = &task,
                   .n_tasks = 1,
                   .key = env_random_key(key, test->act->name, 0, 0),
                   .experience = &t->experience,
                   .zero = strcmp(latent, "zero") == 0};
    if (code == EXIT_OK)
        code = rt_actor_run(t->act, scene, &r);
    rt_actor_times(t->act, &t->beliefs[i], &t->steps[i]);
    rt_world_bind(scene->world, home);
    return code;
}

static double *resize(double *p, size_t n) {
    p = realloc(p, n * sizeof *p);
    if (!p)
        arena_out_of_memory(n * sizeof *p);
    return p;
}

static void reserve(RtTester *t, int64_t n) {
    if (n <= t->cap)
        return;
    t->cap = n;
    t->params = resize(t->params, (size_t)n * ENV_TASK_MAX);
    t->scores = resize(t->scores, (size_t)n);
    t->mses = resize(t->mses, (size_t)n);
    t->kls = resize(t->kls, (size_t)n);
    t->adapts = resize(t->adapts, (size_t)n);
    t->beliefs = resize(t->beliefs, (size_t)n);
    t->steps = resize(t->steps, (size_t)n);
}

static void mean_and_sd(const double *x, int n, double *mean, double *sd) {
    double sum = 0, squares = 0;

    for (int i = 0; i < n; i++)
        sum += x[i];
    *mean = sum / n;
    for (int i = 0; i < n; i++)
        squares += (x[i] - *mean) * (x[i] - *mean);
    if (sd)
        *sd = n > 1 ? sqrt(squares / (n - 1)) : NAN;
}

static void summarize(const RtTester *t, RtTestResult *result, int n, int64_t episodes) {
    *result = (RtTestResult){.n = n,
                             .params = t->params,
                             .scores = t->scores,
                             .mses = t->mses,
                             .kls = t->kls,
                             .adapts = t->adapts,
                             .beliefs = t->beliefs,
                             .steps = t->steps,
                             .episodes = episodes};
    mean_and_sd(t->scores, n, &result->score, &result->score_sd);
    mean_and_sd(t->mses, n, &result->mse, &result->mse_sd);
    mean_and_sd(t->kls, n, &result->kl, NULL);
}

// Tests task `i` with the belief of task `of`, or takes what is known of it; adds its real episodes.
static int test_task(RtTester *t, RtScene *scene, const RtTestDef *def, int i, int of,
                     double *episodes) {
    int64_t before = t->experience.passed_episodes;
    const RtTestMemory *m = &def->memory;
    RtTaskResult r = {0};
    bool found = m->find && m->find(m->data, i, &r);
    int code = EXIT_OK;

    if (!found) {
        code = act_on_task(t, scene, i, of, def->latent, env_random_key(def->key, "test", i, 0));
        for (int k = 0; k < def->episodes && code == EXIT_OK; k++)
            r.score += rt_actor_score(t->act, k);
        r = (RtTaskResult){
            .score = r.score / (double)def->episodes,
            .mse = t->mses[i],
            .kl = t->kls[i],
            .adapt = t->adapts[i],
            .belief = t->beliefs[i],
            .step = t->steps[i],
            .episodes = (double)(def->episodes + t->experience.passed_episodes - before)};
    }
    t->scores[i] = r.score;
    t->mses[i] = r.mse;
    t->kls[i] = r.kl;
    t->adapts[i] = r.adapt;
    t->beliefs[i] = r.belief;
    t->steps[i] = r.step;
    *episodes += r.episodes;
    if (code == EXIT_OK && !found && m->keep && !m->keep(m->data, i, &r))
        code = EXIT_IO;
    if (code == EXIT_OK && def->show)
        def->show(def->data, i, r.score);
    return code;
}

int rt_tester_run(RtTester *t, RtScene *outer, const RtTestDef *def, RtTestResult *result) {
    const EnvFamily *family = t->recipe->family;
    bool other = strcmp(def->latent, "other") == 0;
    int n = def->params ? 1 : (int)def->tasks, code = EXIT_OK;
    int n_all = other && n == 1 ? 2 : n; // with the task whose belief is borrowed
    RtScene scene = *outer;

    scene.experience = &t->experience;
    scene.n_tasks = 1;
    scene.vars = &scene.world->test_vars;
    rt_scene_open(&scene);
    scene.events = NULL;
    scene.tick = NULL;
    scene.iteration = 0;
    rt_experience_reset(&t->experience);
    reserve(t, n_all);
    for (int i = 0; i < n_all && code == EXIT_OK; i++) {
        double *params = t->params + i * family->task_dim;
        if (def->params && i == 0)
            memcpy(params, def->params, (size_t)family->task_dim * sizeof *params);
        else
            env_draw_task(family, ENV_TEST, def->key, i, params);
        rt_experience_add_task(&t->experience, params);
        code = prepare_task(t, &scene, i, env_random_key(def->key, "test", i, 0));
    }
    double episodes = (double)(t->experience.n_episodes + t->experience.passed_episodes);
    for (int i = 0; i < n && code == EXIT_OK; i++)
        code = test_task(t, &scene, def, i, other ? (i + 1) % n_all : i, &episodes);
    outer->physics_seconds = scene.physics_seconds;
    if (code == EXIT_OK)
        summarize(t, result, n, (int64_t)episodes);
    return code;
}
