// runtime/train/meta_test.c -- meta-testing on unseen tasks (paper, algorithm 2).
#include "runtime/train/meta_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env_random.h"
#include "ir/base/errors.h"
#include "ir/base/exits.h"

static const char model_label[] = "model"; // of the transitions that the model is measured on

// Inputs of the measuring function for one field: context and targets, or -1.
typedef struct Ports {
    int context, targets;
} Ports;

struct RtTester {
    Arena arena;
    RtRecipe *recipe;
    RtExperience experience;
    RtVars vars; // numbers of test.adapt
    RtActor *context, *model, *act;
    const RtCollect *context_def, *model_def, *act_def;
    RtUnit *measure;
    Ports *ports;
    int out_mse, out_kl;
    RtState *copy; // of the state, for test.adapt
    double *params, *scores, *mses, *kls;
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
    const RtTest *test = &t->recipe->test;
    bool done = true;

    if (!test->model || !test->measure)
        return true;
    t->measure = rt_world_ask(scene->world, test->measure, test->measure_loc, LANG_FUNCTION);
    if (!t->measure || !t->measure->program)
        return false;
    t->ports = arena_array(&t->arena, Ports, t->experience.n_fields);
    for (int i = 0; i < t->experience.n_fields; i++) {
        const char *name = t->experience.fields[i].name;
        Ports *p = &t->ports[i];
        p->targets = rt_call_find_input(t->measure->call, name);
        p->context = rt_call_find_input(t->measure->call, arena_printf(&t->arena, "%sc", name));
        done = rt_unit_check_axis(scene->world, t->measure, p->targets, 0, rows_of(t, t->model_def),
                                  false, "the number of transitions of test.model",
                                  test->measure_loc) &&
               done;
        done = rt_unit_check_axis(scene->world, t->measure, p->context, 0,
                                  rows_of(t, t->context_def), false,
                                  "the number of transitions of test.context", test->measure_loc) &&
               done;
    }
    t->out_mse = rt_call_find_output(t->measure->call, "mse");
    t->out_kl = rt_call_find_output(t->measure->call, "kl");
    if (t->out_mse < 0) {
        diag_error(scene->world->diag, test->measure_loc, E_recipe, "'%s' gives no output 'mse'",
                   t->measure->name);
        return false;
    }
    return done;
}

bool rt_tester_check(RtScene *scene) {
    const RtTest *test = &scene->recipe->test;
    RtTester t = {.recipe = scene->recipe,
                  .experience = *scene->experience,
                  .context_def = test->context ? test->context->def : NULL,
                  .model_def = test->model ? test->model->def : NULL};
    bool done = bind_measure(&t, scene);
    arena_free(&t.arena);
    return done;
}

static RtActor *new_actor(RtTester *t, RtScene *scene, const RtStage *s, int64_t episodes,
                          bool *done) {
    if (!s)
        return NULL;
    RtActorDef def = rt_actor_def(s, t->recipe, episodes);
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
    inner.vars = &t->vars;
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
    rt_vars_free(&t->vars);
    arena_free(&t->arena);
    free(t);
}

// ---- running ------------------------------------------------------------------------------------

// Episodes of a task go to the experience, labelled.
static int collect(RtTester *t, RtScene *scene, RtActor *actor, const RtStage *s, const char *label,
                   uint64_t key) {
    const RtCollect *c = s->def;
    RtRollout r = {.task = t->experience.tasks[scene->task].params,
                   .key = env_random_key(key, s->name, 0, 0),
                   .experience = &t->experience};
    const RtRows *rows = rt_experience_rows(&t->experience, scene->task, c->context.as);

    r.context = rows->items;
    r.n_context = rows->n < c->context.rows ? rows->n : c->context.rows;
    int code = rt_actor_run(actor, scene, &r);
    for (int i = 0; i < c->episodes && code == EXIT_OK; i++) {
        RtEpisode e = {
            .id = "", .stage = s->name, .label = label, .task = scene->task, .number = i};
        RtEpisodeData data = rt_actor_episode(actor, i, &e);
        rt_experience_add(&t->experience, &e, &data);
    }
    return code;
}

// Gives the measuring function rows of a field as its input `slot`.
static int put_rows(RtTester *t, RtScene *scene, int field, int slot, const RtRows *rows) {
    const RtExperience *e = &t->experience;
    const IrDimVar *d = rt_unit_input_dim(t->measure, slot, 0);
    RtCall *call = t->measure->call;

    if (slot < 0)
        return EXIT_OK;
    if (d)
        rt_call_set_dim(call, d->name, rows->n);
    if (rt_call_input_count(call, slot) != rows->n * e->fields[field].width) {
        snprintf(scene->why, scene->why_size, "'%s' does not take the %lld transitions there are",
                 t->measure->name, (long long)rows->n);
        return EXIT_CHECK;
    }
    rt_experience_gather(e, field, rows->items, rows->n, rt_call_input_data(call, slot));
    return EXIT_OK;
}

// One prediction with one z of all further transitions of the task.
static int measure(RtTester *t, RtScene *scene, uint64_t key) {
    const RtExperience *e = &t->experience;
    const char *as = t->context_def ? t->context_def->as : "";
    const RtRows *model = rt_experience_rows(e, scene->task, model_label);
    const RtRows *context = rt_experience_rows(e, scene->task, as);
    int code = EXIT_OK;

    rt_unit_reset(t->measure);
    for (int i = 0; i < e->n_fields && code == EXIT_OK; i++) {
        code = put_rows(t, scene, i, t->ports[i].context, context);
        if (code == EXIT_OK)
            code = put_rows(t, scene, i, t->ports[i].targets, model);
    }
    if (code != EXIT_OK)
        return code;
    rt_unit_run(t->measure, env_random_key(key, "measure", 0, 0), 0);
    rt_call_get(t->measure->call, t->out_mse, &t->mses[scene->task], 1);
    if (t->out_kl >= 0)
        rt_call_get(t->measure->call, t->out_kl, &t->kls[scene->task], 1);
    return EXIT_OK;
}

// Context and further transitions of task `i`, and the model's error.
static int prepare_task(RtTester *t, RtScene *scene, int i, uint64_t key) {
    const RtTest *test = &t->recipe->test;
    int code = EXIT_OK;

    scene->task = i;
    t->mses[i] = t->kls[i] = NAN;
    if (t->context)
        code = collect(t, scene, t->context, test->context, t->context_def->as, key);
    if (code == EXIT_OK && t->model)
        code = collect(t, scene, t->model, test->model, model_label, key);
    if (code == EXIT_OK && t->measure)
        code = measure(t, scene, key);
    return code;
}

// Adapts a copy of the state where the recipe says so, and acts.
static int act_on_task(RtTester *t, RtScene *scene, int i, int of, const char *latent,
                       uint64_t key) {
    const RtTest *test = &t->recipe->test;
    RtState *home = scene->world->state;
    int code = EXIT_OK;

    scene->task = i;
    if (test->adapt.n > 0) {
        rt_state_copy(t->copy, home, "");
        rt_world_bind(scene->world, t->copy);
        scene->key = env_random_key(key, "adapt", 0, 0);
        for (int k = 0; k < test->adapt.n && code == EXIT_OK; k++)
            code = rt_scene_run(scene, test->adapt.items[k]);
    }

    const RtRows *rows = rt_experience_rows(&t->experience, of, t->act_def->context.as);
    int64_t want = t->act_def->context.rows;
    RtRollout r = {.task = t->experience.tasks[i].params,
                   .key = env_random_key(key, test->act->name, 0, 0),
                   .experience = &t->experience,
                   .context = rows->items,
                   .n_context = rows->n < want ? rows->n : want,
                   .zero = strcmp(latent, "zero") == 0};
    if (code == EXIT_OK)
        code = rt_actor_run(t->act, scene, &r);
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
                             .episodes = episodes};
    mean_and_sd(t->scores, n, &result->score, &result->score_sd);
    mean_and_sd(t->mses, n, &result->mse, &result->mse_sd);
    mean_and_sd(t->kls, n, &result->kl, NULL);
}

int rt_tester_run(RtTester *t, RtScene *outer, const RtTestDef *def, RtTestResult *result) {
    const EnvFamily *family = t->recipe->family;
    bool other = strcmp(def->latent, "other") == 0;
    int n = def->params ? 1 : (int)def->tasks, code = EXIT_OK;
    int n_all = other && n == 1 ? 2 : n; // with the task whose belief is borrowed
    int64_t episodes = 0;
    RtScene scene = *outer;

    scene.experience = &t->experience;
    scene.n_tasks = 1;
    scene.vars = &t->vars;
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
    for (int i = 0; i < n && code == EXIT_OK; i++) {
        uint64_t key = env_random_key(def->key, "test", i, 0);
        double sum = 0;
        code = act_on_task(t, &scene, i, other ? (i + 1) % n_all : i, def->latent, key);
        for (int k = 0; k < def->episodes && code == EXIT_OK; k++)
            sum += rt_actor_score(t->act, k);
        t->scores[i] = sum / (double)def->episodes;
        episodes += def->episodes;
        if (def->show && code == EXIT_OK)
            def->show(def->data, i, t->scores[i]);
    }
    outer->physics_seconds = scene.physics_seconds;
    if (code == EXIT_OK)
        summarize(t, result, n, episodes + t->experience.n_episodes);
    return code;
}
