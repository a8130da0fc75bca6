// runtime/train/stage_evaluate.c -- the test of algorithm 2 while training goes on.
//
//   check: {evaluate: test, tasks: 10, episodes: 10, when: "iteration % 10 == 9"}
//
// It looks at the state as it is and changes nothing. Its tasks and streams are its own: unseen in
// training, and others than those of `gssm-run test`. Its numbers are `check.score`, `check.mse`
// and `check.kl`.
#include <math.h>
#include <string.h>

#include "envs/env_random.h"
#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "runtime/train/meta_test.h"

typedef struct Evaluate {
    int64_t tasks, episodes;
    RtTester *tester;
    double *score, *mse, *kl;
} Evaluate;

static void evaluate_read(RtStage *s, RtReader *r) {
    static const char *const known[] = {"evaluate", "tasks", "episodes", "when", NULL};
    static const char *const objects[] = {"test", NULL};
    Evaluate *e = arena_new(r->arena, Evaluate);

    *e = (Evaluate){.tasks = 10, .episodes = 10};
    s->def = e;
    rt_read_keys(r, s->map, known, rt_stage_title(r->arena, s));
    rt_read_word(r, s->map, "evaluate", objects, &s->object);
    rt_read_int(r, s->map, "tasks", 1, 100000, &e->tasks);
    rt_read_int(r, s->map, "episodes", 1, 100000, &e->episodes);
}

static void evaluate_check(RtStage *s, RtRecipe *recipe) {
    (void)s, (void)recipe;
}

static void evaluate_ask(RtStage *s, const RtRecipe *recipe, RtWorld *w) {
    (void)s;
    rt_tester_ask(recipe, w);
}

static double *number(const RtStage *s, RtScene *scene, const char *name) {
    return rt_vars_ensure(scene->vars, arena_printf(&scene->world->arena, "%s.%s", s->name, name));
}

static void evaluate_declare(RtStage *s, RtScene *scene) {
    Evaluate *e = s->def;

    e->score = number(s, scene, "score");
    e->mse = number(s, scene, "mse");
    e->kl = number(s, scene, "kl");
}

static bool evaluate_bind(RtStage *s, RtScene *scene) {
    Evaluate *e = s->def;

    e->tester = rt_tester_new(scene, e->episodes);
    return e->tester != NULL;
}

static int evaluate_run(RtStage *s, RtScene *scene) {
    Evaluate *e = s->def;
    RtTestDef def = {.tasks = e->tasks,
                     .episodes = e->episodes,
                     .latent = "own",
                     .key = env_random_key((uint64_t)scene->recipe->seed, s->name, 0, 0)};
    RtTestResult result;
    int code = rt_tester_run(e->tester, scene, &def, &result);

    if (code == EXIT_OK) {
        *e->score = result.score;
        *e->mse = result.mse;
        *e->kl = result.kl;
    }
    return code;
}

static void evaluate_free(RtStage *s) {
    Evaluate *e = s->def;

    rt_tester_free(e->tester);
    e->tester = NULL;
}

const RtVerb rt_verb_evaluate = {
    .name = "evaluate",
    .read = evaluate_read,
    .check = evaluate_check,
    .ask = evaluate_ask,
    .declare = evaluate_declare,
    .bind = evaluate_bind,
    .run = evaluate_run,
    .free = evaluate_free,
};
