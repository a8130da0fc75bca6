// runtime/train/stage_collect.c -- real episodes of an actor go to memory.
//
//   act: {collect: actor, episodes: 1, steps: 25, as: policy, context: {as: random, rows: 50}}
//
// The actor begins with the belief about the current task that `context` gives: the first `rows`
// transitions of it labelled so (all labels where none is named; none without `context`).
#include <inttypes.h>
#include <stdio.h>

#include "envs/env_random.h"
#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "runtime/train/actor.h"

enum { MAX_EPISODES = 1 << 20, MAX_STEPS = 1000000, MAX_ROWS = 1 << 30 };

static void read_context(RtStage *s, RtReader *r, RtCollect *c) {
    static const char *const known[] = {"as", "rows", NULL};
    const Yaml *map = rt_read_map(r, s->map, "context");

    if (!map)
        return;
    rt_read_keys(r, map, known, "context");
    rt_read_text(r, map, "as", &c->context.as);
    rt_read_int(r, map, "rows", 0, MAX_ROWS, &c->context.rows);
}

static void collect_read(RtStage *s, RtReader *r) {
    static const char *const known[] = {"collect", "episodes", "steps", "as",
                                        "context", "when",     NULL};
    RtCollect *c = arena_new(r->arena, RtCollect);

    *c = (RtCollect){.episodes = 1, .as = s->name};
    s->def = c;
    rt_read_keys(r, s->map, known, rt_stage_title(r->arena, s));
    rt_read_int(r, s->map, "episodes", 1, MAX_EPISODES, &c->episodes);
    rt_read_int(r, s->map, "steps", 1, MAX_STEPS, &c->steps);
    rt_read_text(r, s->map, "as", &c->as);
    read_context(s, r, c);
}

static void collect_check(RtStage *s, RtRecipe *recipe) {
    const RtCollect *c = s->def;
    const Yaml *context = yaml_find(s->map, "context"),
               *as = context ? yaml_find(context, "as") : NULL;
    const Yaml *steps = yaml_find(s->map, "steps");

    rt_recipe_need_instance(recipe, s->object, s->object_loc);
    if (as && c->context.as)
        rt_recipe_need_label(recipe, c->context.as, as->loc);
    if (steps && recipe->family && c->steps > recipe->family->horizon)
        diag_error(&recipe->diag, steps->loc, E_recipe,
                   "steps is %" PRId64 ", and an episode of %s has at most %d", c->steps,
                   recipe->family->name, (int)recipe->family->horizon);
}

static void collect_ask(RtStage *s, const RtRecipe *recipe, RtWorld *w) {
    (void)recipe;
    rt_actor_ask(s->object, s->object_loc, w);
}

static bool collect_bind(RtStage *s, RtScene *scene) {
    RtCollect *c = s->def;
    RtActorDef def = rt_actor_def(s, scene->recipe, c->episodes);

    c->actor = rt_actor_new(&def, scene);
    return c->actor != NULL;
}

static void record(RtScene *scene, const RtEpisode *e) {
    if (!scene->events)
        return;
    rt_event_begin(scene->events, "episode");
    rt_event_put_int(scene->events, "iteration", e->iteration);
    rt_event_put_text(scene->events, "stage", e->stage);
    rt_event_put_int(scene->events, "task", e->task);
    rt_event_put_int(scene->events, "episode", e->number);
    rt_event_put_text(scene->events, "label", e->label);
    rt_event_put_int(scene->events, "steps", e->n);
    rt_event_put_double(scene->events, "return", e->sum);
    rt_event_put_double(scene->events, "score", e->score);
    rt_event_end(scene->events);
}

static int collect_run(RtStage *s, RtScene *scene) {
    const RtCollect *c = s->def;
    const RtRows *rows = rt_experience_rows(scene->experience, scene->task, c->context.as);
    RtRollout r = {.task = scene->experience->tasks[scene->task].params,
                   .key = env_random_key(scene->key, s->name, scene->iteration, 0),
                   .experience = scene->experience,
                   .context = rows->items,
                   .n_context = rows->n < c->context.rows ? rows->n : c->context.rows};
    int code = rt_actor_run(c->actor, scene, &r);

    for (int i = 0; i < c->episodes && code == EXIT_OK; i++) {
        char id[128];
        snprintf(id, sizeof id, "%06" PRId64 "-%.64s-%04d", scene->iteration, s->name, i);
        RtEpisode e = {.id = id,
                       .stage = s->name,
                       .label = c->as,
                       .iteration = scene->iteration,
                       .task = scene->task,
                       .number = i};
        RtEpisodeData data = rt_actor_episode(c->actor, i, &e);
        record(scene, rt_experience_add(scene->experience, &e, &data));
    }
    return code;
}

static void collect_free(RtStage *s) {
    RtCollect *c = s->def;

    rt_actor_free(c->actor);
    c->actor = NULL;
}

const RtVerb rt_verb_collect = {
    .name = "collect",
    .read = collect_read,
    .check = collect_check,
    .ask = collect_ask,
    .bind = collect_bind,
    .run = collect_run,
    .free = collect_free,
};
