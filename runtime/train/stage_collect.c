// runtime/train/stage_collect.c -- real episodes of an actor go to memory.
//
//   act: {collect: actor, episodes: 1, steps: 25, as: policy, context: {as: random, rows: 50}}
//
// The actor begins with the belief about the current task that `context` gives: the first `rows`
// transitions of it labelled so (all labels where none is named; none without `context`). Where there
// are several current tasks, `episodes` of each run side by side.
//
// With `into: buffer` the transitions are not kept: they are the stage's buffer, which later stages
// of the iteration use. Its columns are the fields of transitions; reward, terminated, ended (the
// last transition of its episode); task, from 0 among the current ones; and each part of what the
// actor carries that has a row for every episode, as it was before the step.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
                                        "into",    "context",  "when",  NULL};
    static const char *const places[] = {"memory", "buffer", NULL};
    RtCollect *c = arena_new(r->arena, RtCollect);
    const char *into = places[0];

    *c = (RtCollect){.episodes = 1, .as = s->name};
    s->def = c;
    rt_read_keys(r, s->map, known, rt_stage_title(r->arena, s));
    rt_read_int(r, s->map, "episodes", 1, MAX_EPISODES, &c->episodes);
    rt_read_int(r, s->map, "steps", 1, MAX_STEPS, &c->steps);
    rt_read_text(r, s->map, "as", &c->as);
    rt_read_word(r, s->map, "into", places, &into);
    c->to_buffer = into == places[1];
    read_context(s, r, c);
}

static void collect_check(RtStage *s, RtRecipe *recipe) {
    const RtCollect *c = s->def;
    const Yaml *context = yaml_find(s->map, "context"),
               *as = context ? yaml_find(context, "as") : NULL;

    rt_recipe_need_instance(recipe, s->object, s->object_loc);
    if (as && c->context.as)
        rt_recipe_need_label(recipe, c->context.as, as->loc);
}

static void collect_ask(RtStage *s, const RtRecipe *recipe, RtWorld *w) {
    (void)recipe;
    rt_actor_ask(s->object, s->object_loc, w);
}

static int64_t steps_of(const RtCollect *c, const RtScene *scene) {
    return c->steps ? c->steps : scene->recipe->family->horizon;
}

// The columns of the buffer, in the order that put_columns() fills them.
static void add_columns(RtStage *s, RtScene *scene) {
    const RtCollect *c = s->def;
    const RtExperience *e = scene->experience;
    IrDtype real = scene->recipe->real;
    const char *name;
    int64_t width;
    size_t bytes;

    s->buffer = rt_buffer_new();
    for (int i = 0; i < e->n_fields; i++)
        rt_buffer_add(s->buffer, e->fields[i].name, real, 2, e->fields[i].width);
    rt_buffer_add(s->buffer, "reward", real, 1, 1);
    rt_buffer_add(s->buffer, "terminated", real, 1, 1);
    rt_buffer_add(s->buffer, "ended", real, 1, 1);
    rt_buffer_add(s->buffer, "task", IR_I32, 1, 1);
    for (int k = 0; k < rt_actor_n_carry(c->actor); k++)
        if (rt_actor_carry_part(c->actor, k, &name, &width, &bytes))
            rt_buffer_add(s->buffer, name, real, 2, width);
    rt_buffer_ensure(s->buffer, scene->n_tasks * c->episodes * steps_of(c, scene));
}

static void collect_declare(RtStage *s, RtScene *scene) {
    RtCollect *c = s->def;
    RtActorDef def = rt_actor_def(s, scene->recipe, c->episodes, scene->n_tasks);

    c->actor = rt_actor_new(&def, scene);
    if (c->actor && c->to_buffer)
        add_columns(s, scene);
}

static bool collect_bind(RtStage *s, RtScene *scene) {
    (void)scene;
    return ((RtCollect *)s->def)->actor != NULL;
}

static void record(RtScene *scene, const RtEpisode *e, bool failed) {
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
    if (failed)
        rt_event_put_text(scene->events, "ended", "the physics broke down");
    rt_event_end(scene->events);
}

static void put_same(RtBuffer *b, int column, int64_t row, double x) {
    rt_buffer_put(b, column, row, 1, &x);
}

// Adds the transitions of episode `i` of the actor's last run to the buffer.
static void put_columns(RtStage *s, RtScene *scene, const RtEpisode *e, const RtEpisodeData *data,
                        int i) {
    const RtCollect *c = s->def;
    const RtExperience *x = scene->experience;
    RtBuffer *b = s->buffer;
    int64_t first = b->rows, n = e->n;
    Arena scratch = {0};
    char **out = arena_array(&scratch, char *, x->n_fields);
    int at = x->n_fields;
    const char *name;
    int64_t width;
    size_t bytes;

    for (int k = 0; k < x->n_fields; k++)
        out[k] = b->columns[k].data + (size_t)first * b->columns[k].row_bytes;
    rt_fields_make(x, data->s, data->a, data->s + x->family->obs_dim, n, out);
    rt_buffer_put(b, at++, first, n, data->r);
    for (int64_t t = 0; t < n; t++) {
        put_same(b, at, first + t, t == n - 1 && e->terminated);
        put_same(b, at + 1, first + t, t == n - 1);
        put_same(b, at + 2, first + t, e->task - scene->task);
    }
    at += 3;
    for (int k = 0; k < rt_actor_n_carry(c->actor); k++)
        if (rt_actor_carry_part(c->actor, k, &name, &width, &bytes))
            rt_buffer_copy(b, at++, first, n, rt_actor_carry(c->actor, k, i));
    b->rows += n;
    arena_free(&scratch);
}

// The sums of an episode that is not kept.
static void sum_up(RtScene *scene, RtEpisode *e, const RtEpisodeData *data) {
    e->score = env_score(scene->experience->family, e->start, data->r, e->n);
    for (int t = 0; t < e->n; t++)
        e->sum += data->r[t];
    scene->experience->passed_rows += e->n;
    scene->experience->passed_episodes++;
}

// Takes episode `i` of the actor's last run.
static void take_episode(RtStage *s, RtScene *scene, int i) {
    const RtCollect *c = s->def;
    char id[128];
    bool failed = rt_actor_failed(c->actor, i);

    snprintf(id, sizeof id, "%06" PRId64 "-%.64s-%04d", scene->iteration, s->name, i);
    RtEpisode e = {.id = id,
                   .stage = s->name,
                   .label = c->as,
                   .iteration = scene->iteration,
                   .task = scene->task + i / (int)c->episodes,
                   .number = i};
    RtEpisodeData data = rt_actor_episode(c->actor, i, &e);
    if (c->to_buffer || e.n == 0)
        sum_up(scene, &e, &data);
    else
        e = *rt_experience_add(scene->experience, &e, &data);
    if (c->to_buffer)
        put_columns(s, scene, &e, &data, i);
    record(scene, &e, failed);
    scene->tally.episodes++;
    scene->tally.failed += failed;
    scene->tally.sum += e.sum;
    scene->tally.score += e.score;
}

static int collect_run(RtStage *s, RtScene *scene) {
    const RtCollect *c = s->def;
    const RtExperience *e = scene->experience;
    Arena scratch = {0};
    RtRolloutTask *tasks = arena_array(&scratch, RtRolloutTask, scene->n_tasks);

    for (int i = 0; i < scene->n_tasks; i++) {
        const RtRows *rows = rt_experience_rows(e, scene->task + i, c->context.as);
        tasks[i] = (RtRolloutTask){.params = e->tasks[scene->task + i].params,
                                   .context = rows->items,
                                   .n_context =
                                       rows->n < c->context.rows ? rows->n : c->context.rows};
    }
    RtRollout r = {.tasks = tasks,
                   .n_tasks = scene->n_tasks,
                   .key = env_random_key(scene->key, s->name, scene->iteration, 0),
                   .experience = e,
                   .redrawn = scene->recipe->redrawn};
    int code = rt_actor_run(c->actor, scene, &r);
    if (s->buffer)
        s->buffer->rows = 0;
    for (int i = 0; i < scene->n_tasks * c->episodes && code == EXIT_OK; i++)
        take_episode(s, scene, i);
    arena_free(&scratch);
    return code;
}

static void collect_free(RtStage *s) {
    RtCollect *c = s->def;

    rt_actor_free(c->actor);
    rt_buffer_free(s->buffer);
    c->actor = NULL;
    s->buffer = NULL;
}

const RtVerb rt_verb_collect = {
    .name = "collect",
    .read = collect_read,
    .check = collect_check,
    .ask = collect_ask,
    .declare = collect_declare,
    .bind = collect_bind,
    .run = collect_run,
    .free = collect_free,
};
