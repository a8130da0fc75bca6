// runtime/train/actor.c -- an actor in real episodes: `begin` once, `step` for every action.
#include "runtime/train/actor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env_random.h"
#include "ir/base/errors.h"
#include "ir/base/exits.h"

// A leaf of what is carried: output of begin, input of step, output of step.
typedef struct Leaf {
    int from, to, back;
    size_t size; // of an element
    bool real;
} Leaf;

struct RtActor {
    const EnvFamily *family;
    RtUnit *begin, *step;
    int *context_in; // of begin, one for each field, or -1
    int in_s, out_a;
    const IrDimVar *rows_dim; // of step
    Leaf *carry;
    int n_carry;

    EnvBatch batch;
    int steps;
    double *action;    // (rows, action_dim)
    double *s, *a, *r; // (rows, steps + 1, obs_dim), (rows, steps, action_dim), (rows, steps)
    double *start;     // (rows)
    int *n;            // (rows) transitions made
};

static const char *entry_of(Arena *a, const char *instance, const char *entry) {
    return arena_printf(a, "%s.%s", instance, entry);
}

bool rt_actor_ask(const char *name, Loc loc, RtWorld *w) {
    bool begin = rt_world_ask(w, entry_of(&w->arena, name, "begin"), loc, LANG_FUNCTION);
    bool step = rt_world_ask(w, entry_of(&w->arena, name, "step"), loc, LANG_FUNCTION);
    return begin && step;
}

// ---- binding ------------------------------------------------------------------------------------

// Whether an input of type `to` of `step` can take what has the type `from` in `u`.
static bool fits(const RtUnit *u, const IrType *from, const RtUnit *step, const IrType *to) {
    bool done = from->dtype == to->dtype && from->rank == to->rank;

    for (int k = 0; done && k < from->rank; k++) {
        int64_t size, other;
        bool is_const = ir_dim_is_const(from->dims[k], &size);
        done = is_const ? ir_dim_is_const(to->dims[k], &other) && other == size
                        : ir_dim_is_var(to->dims[k]) != NULL;
    }
    IrDims *ds = u->program->fn->dims, *own = step->program->fn->dims;
    return done && ir_dim_max(ir_type_count(ds, from)) <= ir_dim_max(ir_type_count(own, to));
}

// Finds where each output of begin goes, and the output of step that takes its place.
static bool bind_carry(RtActor *a, RtWorld *w, Loc loc) {
    const IrFunction *f = a->begin->program ? a->begin->program->fn : NULL;
    bool done = true;

    a->carry = arena_array(&w->arena, Leaf, f ? f->body->n_results : 0);
    for (int i = 0; f && i < f->body->n_results; i++) {
        bool whole = strcmp(f->outputs[i].name, "out") == 0;
        const char *name =
            whole ? "carry" : arena_printf(&w->arena, "carry.%s", f->outputs[i].name);
        const IrType *type = rt_unit_output_type(a->begin, i);
        int to = rt_call_find_input(a->step->call, name);
        int back = rt_call_find_output(a->step->call, name);
        if (to < 0 || back < 0 || !fits(a->begin, type, a->step, rt_unit_input_type(a->step, to)) ||
            !fits(a->step, rt_unit_output_type(a->step, back), a->step,
                  rt_unit_input_type(a->step, to))) {
            diag_error(w->diag, loc, E_recipe,
                       "'%s' should take and give back '%s' as '%s' gives it", a->step->name, name,
                       a->begin->name);
            done = false;
            continue;
        }
        a->carry[a->n_carry++] = (Leaf){.from = i,
                                        .to = to,
                                        .back = back,
                                        .size = ir_dtype_size(type->dtype),
                                        .real = ir_dtype_is_real(type->dtype)};
    }
    return done;
}

static bool check_most(RtScene *scene, const RtUnit *u, Loc loc, const char *what, int64_t value,
                       int64_t most) {
    if (value <= most)
        return true;
    diag_error(scene->world->diag, loc, E_recipe, "%lld %s, but '%s' takes at most %lld",
               (long long)value, what, u->name, (long long)most);
    return false;
}

// Inputs and outputs of the two programs, and whether rows and context fit their dims.
static bool bind_programs(RtActor *a, RtScene *scene, const RtActorDef *def) {
    const Loc loc = def->loc;
    const RtExperience *e = scene->experience;
    Arena *arena = &scene->world->arena;
    bool done = true;

    a->context_in = arena_array(arena, int, e->n_fields);
    for (int i = 0; i < e->n_fields; i++) {
        const char *name = arena_printf(arena, "%sc", e->fields[i].name);
        a->context_in[i] = a->begin->program ? rt_call_find_input(a->begin->call, name) : -1;
        done = rt_unit_check_axis(scene->world, a->begin, a->context_in[i], 0, def->context, false,
                                  "context.rows", def->context_loc) &&
               done;
    }
    int64_t most = a->begin->program ? rt_unit_max_dim(a->begin, "B") : -1;
    done = (most < 0 ||
            check_most(scene, a->begin, def->rows_loc, "episodes at once", def->rows, most)) &&
           done;

    a->in_s = rt_call_find_input(a->step->call, "s");
    a->out_a = rt_call_find_output(a->step->call, "a");
    if (a->in_s >= 0)
        a->rows_dim = rt_unit_input_dim(a->step, a->in_s, 0);
    if (!a->rows_dim || a->out_a < 0) {
        diag_error(scene->world->diag, loc, E_recipe,
                   "'%s' should take states s, a row for each episode, and give actions",
                   a->step->name);
        return false;
    }
    const IrType *action = rt_unit_output_type(a->step, a->out_a);
    const IrType *state = rt_unit_input_type(a->step, a->in_s);
    int64_t da = -1, ds = -1;
    if (action->rank != 2 || !ir_dim_is_const(action->dims[1], &da) ||
        !ir_dim_is_const(state->dims[1], &ds) || da != a->family->action_dim ||
        ds != a->family->obs_dim) {
        diag_error(
            scene->world->diag, loc, E_shape_mismatch,
            "'%s' makes actions of width %lld from states of width %lld; the family '%s' has "
            "%d and %d",
            a->step->name, (long long)da, (long long)ds, a->family->name, a->family->action_dim,
            a->family->obs_dim);
        done = false;
    }
    done = bind_carry(a, scene->world, loc) && done;
    return check_most(scene, a->step, def->rows_loc, "episodes at once", def->rows,
                      a->rows_dim->max) &&
           done;
}

static double *doubles(size_t n) {
    double *p = calloc(n + 1, sizeof *p);

    if (!p)
        arena_out_of_memory(n * sizeof *p);
    return p;
}

static Loc place(const Yaml *map, const char *key, Loc otherwise) {
    const Yaml *y = yaml_find(map, key);

    return y ? y->loc : otherwise;
}

RtActorDef rt_actor_def(const RtStage *s, const RtRecipe *recipe, int64_t episodes) {
    const RtCollect *c = s->def;

    return (RtActorDef){
        .name = s->object,
        .rows = episodes,
        .steps = c->steps ? c->steps : recipe->family->horizon,
        .context = c->context.rows,
        .loc = s->object_loc,
        .rows_loc = place(s->map, "episodes", s->object_loc),
        .context_loc = place(yaml_find(s->map, "context"), "rows", s->object_loc),
    };
}

RtActor *rt_actor_new(const RtActorDef *def, RtScene *scene) {
    Arena *arena = &scene->world->arena;
    RtActor *a = calloc(1, sizeof *a);
    char why[256];

    if (!a)
        arena_out_of_memory(sizeof *a);
    a->family = scene->recipe->family;
    a->steps = (int)def->steps;
    a->begin =
        rt_world_ask(scene->world, entry_of(arena, def->name, "begin"), def->loc, LANG_FUNCTION);
    a->step =
        rt_world_ask(scene->world, entry_of(arena, def->name, "step"), def->loc, LANG_FUNCTION);
    if (!a->begin || !a->step || !a->step->program || !bind_programs(a, scene, def)) {
        rt_actor_free(a);
        return NULL;
    }
    int threads = rt_pool_size(scene->world->pool);
    if (!env_batch_open(&a->batch, a->family, (int)def->rows, threads, why, sizeof why)) {
        diag_error(scene->world->diag, def->rows_loc, E_recipe, "%s", why);
        rt_actor_free(a);
        return NULL;
    }
    size_t n = (size_t)def->rows, k = (size_t)def->steps;
    a->action = doubles(n * (size_t)a->family->action_dim);
    a->s = doubles(n * (k + 1) * (size_t)a->family->obs_dim);
    a->a = doubles(n * k * (size_t)a->family->action_dim);
    a->r = doubles(n * k);
    a->start = doubles(n);
    a->n = calloc(n + 1, sizeof *a->n);
    if (!a->n)
        arena_out_of_memory(n * sizeof *a->n);
    return a;
}

void rt_actor_free(RtActor *a) {
    if (!a)
        return;
    env_batch_close(&a->batch);
    free(a->action);
    free(a->s);
    free(a->a);
    free(a->r);
    free(a->start);
    free(a->n);
    free(a);
}

// ---- running ------------------------------------------------------------------------------------

// Gives `leaf` of step the dims and the value that `from`'s output has.
static void put_leaf(RtActor *a, const RtUnit *from, int output, const Leaf *leaf) {
    const IrType *source = rt_unit_output_type(from, output);

    for (int k = 0; k < source->rank; k++) {
        const IrDimVar *d = rt_unit_input_dim(a->step, leaf->to, k);
        if (d)
            rt_call_set_dim(a->step->call, d->name, rt_call_dim(from->call, source->dims[k]));
    }
    memcpy(rt_call_input_data(a->step->call, leaf->to), rt_call_output_data(from->call, output),
           (size_t)rt_call_output_count(from->call, output) * leaf->size);
}

// Calls begin on the context.
static int run_begin(RtActor *a, RtScene *scene, const RtRollout *r) {
    RtCall *call = a->begin->call;

    rt_unit_reset(a->begin);
    rt_call_set_dim(call, "B", a->batch.n);
    for (int i = 0; i < r->experience->n_fields; i++) {
        int slot = a->context_in[i];
        const IrDimVar *d = rt_unit_input_dim(a->begin, slot, 0);
        if (slot < 0)
            continue;
        if (d)
            rt_call_set_dim(call, d->name, r->n_context);
        if (rt_call_input_count(call, slot) != r->n_context * r->experience->fields[i].width) {
            snprintf(scene->why, scene->why_size,
                     "'%s' needs another number of rows of context than the %lld there are",
                     a->begin->name, (long long)r->n_context);
            return EXIT_CHECK;
        }
        rt_experience_gather(r->experience, i, r->context, r->n_context,
                             rt_call_input_data(call, slot));
    }
    rt_unit_run(a->begin, env_random_key(r->key, "begin", 0, 0), 0);
    return EXIT_OK;
}

static int begin(RtActor *a, RtScene *scene, const RtRollout *r) {
    int code = a->begin->program ? run_begin(a, scene, r) : EXIT_OK;

    if (code != EXIT_OK)
        return code;
    rt_unit_reset(a->step);
    rt_call_set_dim(a->step->call, a->rows_dim->name, a->batch.n);
    for (int i = 0; i < a->n_carry; i++) {
        const Leaf *leaf = &a->carry[i];
        put_leaf(a, a->begin, leaf->from, leaf);
        if (r->zero && leaf->real)
            memset(rt_call_input_data(a->step->call, leaf->to), 0,
                   (size_t)rt_call_input_count(a->step->call, leaf->to) * leaf->size);
    }
    return EXIT_OK;
}

// Keeps the observations of all rows as those of step `t`.
static void keep_states(RtActor *a, int t) {
    size_t obs = (size_t)a->family->obs_dim, row = (size_t)(a->steps + 1) * obs;

    for (int i = 0; i < a->batch.n; i++)
        memcpy(a->s + (size_t)i * row + (size_t)t * obs, a->batch.observation + (size_t)i * obs,
               obs * sizeof *a->s);
}

static bool reset_rows(RtActor *a, RtScene *scene, const RtRollout *r) {
    double start = rt_now();
    bool done = true;

    a->batch.limit = a->steps;
    for (int i = 0; i < a->batch.n && done; i++) {
        done = env_batch_reset(&a->batch, i, r->task, env_random_key(r->key, "reset", i, 0),
                               scene->why, (int)scene->why_size);
        a->start[i] = a->batch.reward[i];
        a->n[i] = 0;
    }
    scene->physics_seconds += rt_now() - start;
    return done;
}

// One action and its transition, for every row that runs.
static bool step_rows(RtActor *a, RtScene *scene, int t, uint64_t key) {
    size_t da = (size_t)a->family->action_dim, n = (size_t)a->batch.n;

    rt_call_put(a->step->call, a->in_s, a->batch.observation, (int64_t)n * a->family->obs_dim);
    rt_unit_run(a->step, key, (uint64_t)t);
    rt_call_get(a->step->call, a->out_a, a->action, (int64_t)(n * da));
    for (int i = 0; i < a->n_carry; i++)
        put_leaf(a, a->step, a->carry[i].back, &a->carry[i]);

    // rows that have ended keep their length
    for (size_t i = 0; i < n; i++)
        a->n[i] += a->batch.running[i];
    double start = rt_now();
    bool done = env_batch_step(&a->batch, a->action, scene->why, (int)scene->why_size);
    scene->physics_seconds += rt_now() - start;
    if (!done)
        return false;
    for (size_t i = 0; i < n; i++) {
        // a transition that failed was none
        if (a->n[i] == t + 1 && a->batch.failed[i])
            a->n[i] = t;
        if (a->n[i] != t + 1)
            continue;
        memcpy(a->a + (i * (size_t)a->steps + (size_t)t) * da, a->action + i * da,
               da * sizeof *a->a);
        a->r[i * (size_t)a->steps + (size_t)t] = a->batch.reward[i];
    }
    keep_states(a, t + 1);
    return true;
}

int rt_actor_run(RtActor *a, RtScene *scene, const RtRollout *r) {
    uint64_t key = env_random_key(r->key, "step", 0, 0);
    int n_running = a->batch.n;

    int code = begin(a, scene, r);
    if (code != EXIT_OK)
        return code;
    if (!reset_rows(a, scene, r))
        return EXIT_BUG;
    keep_states(a, 0);
    for (int t = 0; t < a->steps && n_running > 0; t++) {
        if (rt_stop_asked())
            return EXIT_STOPPED;
        if (!step_rows(a, scene, t, key))
            return EXIT_CHECK;
        n_running = 0;
        for (int i = 0; i < a->batch.n; i++)
            n_running += a->batch.running[i];
    }
    return EXIT_OK;
}

RtEpisodeData rt_actor_episode(const RtActor *a, int i, RtEpisode *e) {
    size_t row = (size_t)i, steps = (size_t)a->steps;

    e->n = a->n[i];
    e->start = a->start[i];
    e->terminated = a->batch.terminated[i];
    return (RtEpisodeData){.s = a->s + row * (steps + 1) * (size_t)a->family->obs_dim,
                           .a = a->a + row * steps * (size_t)a->family->action_dim,
                           .r = a->r + row * steps};
}

double rt_actor_score(const RtActor *a, int i) {
    return env_score(a->family, a->start[i], a->r + (size_t)i * (size_t)a->steps, a->n[i]);
}
