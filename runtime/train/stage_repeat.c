// runtime/train/stage_repeat.c -- stages run in rounds.
//
//   search: {repeat: 10, until: imagined_return > 100,
//            stages: {imagined: {imagine: ...}, improve: {update: ..., buffer: imagined}}}
//
// Formulas know the `round`, from 0. Each round makes its random choices by keys of its own. After
// each the condition `until` is looked at, with the numbers that the round gave.
#include "envs/env_random.h"
#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "runtime/train/scene.h"

enum { MAX_ROUNDS = 1000000 };

typedef struct Repeat {
    const Expr *until; // NULL: all rounds
    RtFormula *stop;
} Repeat;

static void repeat_read(RtStage *s, RtReader *r) {
    static const char *const known[] = {"repeat", "stages", "until", "when", NULL};
    Repeat *p = arena_new(r->arena, Repeat);
    const char *title = rt_stage_title(r->arena, s);

    *p = (Repeat){0};
    s->def = p;
    s->rounds = 1;
    rt_read_keys(r, s->map, known, title);
    rt_read_int(r, s->map, "repeat", 1, MAX_ROUNDS, &s->rounds);
    rt_read_expr(r, s->map, "until", &p->until);
    if (rt_read_need(r, s->map, "stages", title))
        rt_stages_read(r, s->map, "stages", &s->stages);
}

static void repeat_check(RtStage *s, RtRecipe *recipe) {
    for (int i = 0; i < s->stages.n; i++) {
        RtStage *inner = s->stages.items[i];
        const RtCollect *c = inner->def;
        inner->verb->check(inner, recipe);
        if (inner->verb == &rt_verb_collect && !c->to_buffer)
            diag_error(&recipe->diag, inner->loc, E_recipe,
                       "the rounds of a repeat cannot collect into memory: say into: buffer");
    }
}

static void repeat_ask(RtStage *s, const RtRecipe *recipe, RtWorld *w) {
    rt_stages_ask(&s->stages, recipe, w);
}

static void repeat_declare(RtStage *s, RtScene *scene) {
    rt_stages_declare(&s->stages, scene);
}

static bool repeat_bind(RtStage *s, RtScene *scene) {
    Repeat *p = s->def;
    bool done = rt_stages_bind(&s->stages, scene);

    if (p->until) {
        p->stop = rt_formula_new(&scene->world->arena, scene->world->diag, p->until, scene->vars);
        done = done && p->stop;
    }
    return done;
}

static int repeat_run(RtStage *s, RtScene *scene) {
    const Repeat *p = s->def;
    uint64_t outer = scene->key;
    double outer_round = *scene->v_round;
    bool done = false;
    int code = EXIT_OK;

    for (int64_t i = 0; i < s->rounds && !done && code == EXIT_OK; i++) {
        scene->key = env_random_key(outer, s->name, scene->iteration, i);
        *scene->v_round = (double)i;
        for (int k = 0; k < s->stages.n && code == EXIT_OK; k++)
            code = rt_scene_run(scene, s->stages.items[k]);
        done = p->stop && rt_formula_value(p->stop) != 0;
    }
    scene->key = outer;
    *scene->v_round = outer_round;
    return code;
}

static void repeat_free(RtStage *s) {
    rt_stages_free(&s->stages);
}

const RtVerb rt_verb_repeat = {
    .name = "repeat",
    .read = repeat_read,
    .check = repeat_check,
    .ask = repeat_ask,
    .declare = repeat_declare,
    .bind = repeat_bind,
    .run = repeat_run,
    .free = repeat_free,
};
