// runtime/train/stage_choose.c -- stages run on fresh parameters; the better ones are kept.
//
//   rescue: {choose: policy, value: imagined_cost, tries: 3, stages: [improve],
//            when: "imagined_cost > 0.985"}
//
// A try copies the state, gives the instance and the states of the programs that train it initial
// values of a new seed, and runs the stages. Where `value` is then less than before (`keep: most`:
// more), the copy becomes the state, with its outputs. `when` is asked again before each try.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env_random.h"
#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "runtime/train/scene.h"

enum { MAX_TRIES = 1000, MAX_STAGES = 64 };

typedef struct Choose {
    const char *value, *keep;
    int64_t tries;
    const char **names;
    Loc *locs;
    int n_stages;
    RtStage *stages[MAX_STAGES];

    double *number; // of `value`
    bool *fresh;    // entries of the state
    RtState *candidate;
    double *saved; // numbers of all formulas
    int cap_saved;
} Choose;

static void choose_read(RtStage *s, RtReader *r) {
    static const char *const known[] = {"choose", "value", "keep", "tries", "stages", "when", NULL};
    static const char *const keeps[] = {"least", "most", NULL};
    Choose *c = arena_new(r->arena, Choose);
    const char *title = rt_stage_title(r->arena, s);

    *c = (Choose){.keep = "least", .tries = 1};
    s->def = c;
    rt_read_keys(r, s->map, known, title);
    rt_read_need(r, s->map, "value", title);
    rt_read_need(r, s->map, "stages", title);
    rt_read_text(r, s->map, "value", &c->value);
    rt_read_word(r, s->map, "keep", keeps, &c->keep);
    rt_read_int(r, s->map, "tries", 0, MAX_TRIES, &c->tries);
    c->n_stages = rt_read_texts(r, s->map, "stages", &c->names, &c->locs);
    if (c->n_stages > MAX_STAGES)
        rt_read_refuse(r, s->map, "stages", "holds more than %d stages", MAX_STAGES);
}

// What can be tried: updates, and rounds of stages.
static bool learns(const RtStage *s) {
    return s->verb == &rt_verb_update || s->verb == &rt_verb_repeat;
}

static RtStage *find_in(const RtStages *all, const char *name) {
    for (int i = 0; i < all->n; i++)
        if (learns(all->items[i]) && strcmp(all->items[i]->name, name) == 0)
            return all->items[i];
    return NULL;
}

static void choose_check(RtStage *s, RtRecipe *recipe) {
    Choose *c = s->def;
    RtStages all = rt_stages_flat(&recipe->arena, rt_recipe_list_of(recipe, s));
    const char **names = arena_array(&recipe->arena, const char *, all.n + 1);
    int n_names = 0;

    rt_recipe_need_instance(recipe, s->object, s->object_loc);
    for (int i = 0; i < all.n; i++)
        if (learns(all.items[i]))
            names[n_names++] = all.items[i]->name;
    for (int i = 0; i < c->n_stages && i < MAX_STAGES; i++) {
        c->stages[i] = find_in(&all, c->names[i]);
        if (c->stages[i])
            continue;
        diag_error(&recipe->diag, c->locs[i], E_unknown_stage, "no update or repeat is called '%s'",
                   c->names[i]);
        diag_did_you_mean(&recipe->diag, c->locs[i], c->names[i], names, n_names);
    }
}

static void choose_ask(RtStage *s, const RtRecipe *recipe, RtWorld *w) {
    (void)s, (void)recipe, (void)w; // its stages have asked
}

static bool begins_with(const char *s, const char *instance) {
    size_t len = strlen(instance);

    return strncmp(s, instance, len) == 0 && s[len] == '.';
}

// Marks the states that the program keeps for itself, if it trains parameters of `instance`.
static void mark_program(const RtState *state, const RtUnit *u, const char *instance, bool *fresh) {
    const IrFunction *f = u->program->fn;
    bool trains = false;

    for (int i = 0; i < f->body->n_results; i++)
        if (f->outputs[i].role == IR_ROLE_UPDATE)
            trains |= begins_with(f->inputs[f->outputs[i].target].name, instance);
    for (int i = 0; trains && i < state->n; i++)
        fresh[i] |= begins_with(state->tensors[i].name, u->name);
}

static bool choose_bind(RtStage *s, RtScene *scene) {
    RtWorld *w = scene->world;
    Choose *c = s->def;
    const char **names = arena_array(&w->arena, const char *, scene->vars->map.n + 1);

    c->number = rt_vars_find(scene->vars, c->value);
    if (!c->number) {
        for (int i = 0; i < scene->vars->map.n; i++)
            names[i] = scene->vars->map.entries[i].key;
        Loc loc = yaml_find(s->map, "value")->loc;
        diag_error(w->diag, loc, E_unknown_name, "no stage gives an output '%s'", c->value);
        diag_did_you_mean(w->diag, loc, c->value, names, scene->vars->map.n);
        return false;
    }
    c->fresh = arena_array(&w->arena, bool, w->state->n);
    for (int i = 0; i < w->state->n; i++)
        c->fresh[i] = begins_with(w->state->tensors[i].name, s->object);
    for (int i = 0; i < w->n; i++)
        if (w->units[i]->program)
            mark_program(w->state, w->units[i], s->object, c->fresh);
    c->candidate = rt_state_clone(w->state);
    return true;
}

static void save(Choose *c, Arena *a, const RtVars *v) {
    if (c->cap_saved < v->map.n) {
        c->cap_saved = v->map.n;
        c->saved = arena_array(a, double, c->cap_saved);
    }
    for (int i = 0; i < v->map.n; i++)
        c->saved[i] = *(const double *)v->map.entries[i].value;
}

static void put_back(const Choose *c, const RtVars *v) {
    for (int i = 0; i < v->map.n; i++)
        *(double *)v->map.entries[i].value = c->saved[i];
}

// Runs the stages on a candidate of seed `key`, in a scene of its own names.
static int run_try(Choose *c, RtScene *scene, uint64_t key) {
    RtState *home = scene->world->state;
    uint64_t outer = scene->key;
    int code = EXIT_OK;

    rt_state_copy(c->candidate, home, "");
    rt_world_fresh(scene->world, c->candidate, c->fresh, key);
    rt_world_bind(scene->world, c->candidate);
    for (int i = 0; i < c->n_stages && code == EXIT_OK; i++) {
        scene->key = env_random_key(key, "stage", i, 0);
        code = rt_scene_run(scene, c->stages[i]);
    }
    scene->key = outer;
    rt_world_bind(scene->world, home);
    return code;
}

static bool is_better(const Choose *c, double x, double than) {
    if (isnan(x) || isnan(than))
        return !isnan(x);
    return strcmp(c->keep, "most") == 0 ? x > than : x < than;
}

static void record(RtScene *scene, const RtStage *s, int64_t tried, int64_t kept, double value) {
    if (!scene->events || tried == 0)
        return;
    rt_event_begin(scene->events, "choose");
    rt_event_put_int(scene->events, "iteration", scene->iteration);
    rt_event_put_text(scene->events, "stage", s->name);
    rt_event_put_int(scene->events, "tries", tried);
    rt_event_put_int(scene->events, "kept", kept);
    rt_event_put_double(scene->events, "value", value);
    rt_event_end(scene->events);
}

static int choose_run(RtStage *s, RtScene *scene) {
    Choose *c = s->def;
    int64_t t = 0, kept = 0;

    for (; t < c->tries; t++) {
        bool wanted = !s->condition || isnan(*c->number) || rt_formula_value(s->condition) != 0;
        if (!wanted)
            break;
        double best = *c->number;
        const char *diverged = scene->diverged;
        save(c, &scene->world->arena, scene->vars);
        scene->diverged = NULL;
        uint64_t key = env_random_key(scene->key, s->name, scene->iteration, t);
        int code = run_try(c, scene, key);
        if (code != EXIT_OK)
            return code;
        if (is_better(c, *c->number, best)) {
            rt_state_copy(scene->world->state, c->candidate, "");
            kept = t + 1;
        } else {
            put_back(c, scene->vars);
            scene->diverged = diverged;
        }
    }
    record(scene, s, t, kept, *c->number);
    return EXIT_OK;
}

static void choose_free(RtStage *s) {
    Choose *c = s->def;

    rt_state_free(c->candidate);
    c->candidate = NULL;
}

const RtVerb rt_verb_choose = {
    .name = "choose",
    .read = choose_read,
    .check = choose_check,
    .ask = choose_ask,
    .bind = choose_bind,
    .run = choose_run,
    .free = choose_free,
};
