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
    const char *name; // "carry.z"
    int from, to, back;
    size_t size; // of an element
    bool real;
    bool by_row;   // its first axis is the episodes
    int64_t width; // elements of a row where that is a number, else -1
    char *kept;    // (rows, steps, width) of it before each step, or NULL
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
    int steps, rows_each; // rows_each: of a task
    double *action;       // (rows, action_dim)
    double *choice;       // (rows, n_actions) where actions are whole numbers
    double *s, *a, *r; // (rows, steps + 1, obs_dim), (rows, steps, action_dim), (rows, steps)
    double *start;     // (rows)
    int *n;            // (rows) transitions made
    double begin_seconds, step_seconds; // of the last run, in programs
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

// Whether the leaf has a row for each episode, and how wide that is.
static void take_rows(const RtActor *a, Leaf *leaf) {
    const IrType *t = rt_unit_input_type(a->step, leaf->to);
    int64_t size;

    leaf->by_row = rt_unit_input_dim(a->step, leaf->to, 0) == a->rows_dim;
    leaf->width = 1;
    for (int k = 1; k < t->rank; k++)
        leaf->width = leaf->width >= 0 && ir_dim_is_const(t->dims[k], &size) ? leaf->width * size
                                                                             : -1;
}

// Finds where each output of begin goes, and the output of step that takes its place.
static bool bind_carry(RtActor *a, RtWorld *w, int64_t tasks, Loc loc) {
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
        Leaf leaf = {.name = name,
                     .from = i,
                     .to = to,
                     .back = back,
                     .size = ir_dtype_size(type->dtype),
                     .real = ir_dtype_is_real(type->dtype)};
        take_rows(a, &leaf);
        if (tasks > 1 && !leaf.by_row) {
            diag_error(w->diag, loc, E_recipe,
                       "'%s' of '%s' has no row for each episode, and so cannot act in several "
                       "tasks at once",
                       name, a->step->name);
            done = false;
        }
        a->carry[a->n_carry++] = leaf;
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
    done = (most < 0 || check_most(scene, a->begin, def->rows_loc, "episodes at once",
                                   def->rows / def->tasks, most)) &&
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
    int64_t da = -1, ds = -1, want_a = e->fields[RT_FIELD_A].width;
    int64_t want_s = e->fields[RT_FIELD_S].width;
    if (action->rank != 2 || !ir_dim_is_const(action->dims[1], &da) ||
        !ir_dim_is_const(state->dims[1], &ds) || da != want_a || ds != want_s) {
        diag_error(
            scene->world->diag, loc, E_shape_mismatch,
            "'%s' makes actions of width %lld from states of width %lld; the family '%s' has "
            "%lld and %lld",
            a->step->name, (long long)da, (long long)ds, a->family->name, (long long)want_a,
            (long long)want_s);
        done = false;
    }
    done = bind_carry(a, scene->world, def->tasks, loc) && done;
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

static char *bytes(size_t n) {
    char *p = calloc(n + 1, 1);

    if (!p)
        arena_out_of_memory(n);
    return p;
}

static Loc place(const Yaml *map, const char *key, Loc otherwise) {
    const Yaml *y = yaml_find(map, key);

    return y ? y->loc : otherwise;
}

RtActorDef rt_actor_def(const RtStage *s, const RtRecipe *recipe, int64_t episodes, int64_t tasks) {
    const RtCollect *c = s->def;

    return (RtActorDef){
        .name = s->object,
        .rows = episodes * tasks,
        .tasks = tasks,
        .steps = c->steps ? c->steps : recipe->family->horizon,
        .context = c->context.rows,
        .keeps_carry = c->to_buffer,
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
    memcpy(a->batch.variant, scene->recipe->variant, sizeof a->batch.variant);
    a->batch.run = rt_pool_run_on;
    a->batch.pool = scene->world->pool;
    size_t n = (size_t)def->rows, k = (size_t)def->steps;
    a->rows_each = (int)(def->rows / def->tasks);
    for (int i = 0; i < a->n_carry && def->keeps_carry; i++)
        if (a->carry[i].by_row && a->carry[i].width > 0)
            a->carry[i].kept = bytes(n * k * (size_t)a->carry[i].width * a->carry[i].size);
    if (a->family->discrete)
        a->choice = doubles(n * (size_t)a->family->n_actions);
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
    for (int i = 0; i < a->n_carry; i++)
        free(a->carry[i].kept);
    free(a->choice);
    free(a->action);
    free(a->s);
    free(a->a);
    free(a->r);
    free(a->start);
    free(a->n);
    free(a);
}

// ---- running ------------------------------------------------------------------------------------

// Gives `leaf` of step the dims and the value that `from`'s output has: its rows from `row` on, where
// it has some.
static void put_leaf(RtActor *a, const RtUnit *from, int output, const Leaf *leaf, int row) {
    const IrType *source = rt_unit_output_type(from, output);
    size_t n = (size_t)rt_call_output_count(from->call, output) * leaf->size, at = 0;

    for (int k = leaf->by_row; k < source->rank; k++) {
        const IrDimVar *d = rt_unit_input_dim(a->step, leaf->to, k);
        if (d)
            rt_call_set_dim(a->step->call, d->name, rt_call_dim(from->call, source->dims[k]));
    }
    if (row > 0)
        at = n / (size_t)a->rows_each * (size_t)row;
    memcpy((char *)rt_call_input_data(a->step->call, leaf->to) + at,
           rt_call_output_data(from->call, output), n);
}

// Calls begin for the rows of task `t`, on its context.
static int begin_task(RtActor *a, RtScene *scene, const RtRollout *r, int t) {
    const RtRolloutTask *task = &r->tasks[t];
    RtCall *call = a->begin->call;

    rt_unit_reset(a->begin);
    rt_call_set_dim(call, "B", a->rows_each);
    for (int i = 0; i < r->experience->n_fields; i++) {
        int slot = a->context_in[i];
        const IrDimVar *d = rt_unit_input_dim(a->begin, slot, 0);
        if (slot < 0)
            continue;
        if (d)
            rt_call_set_dim(call, d->name, task->n_context);
        if (rt_call_input_count(call, slot) != task->n_context * r->experience->fields[i].width) {
            snprintf(scene->why, scene->why_size,
                     "'%s' needs another number of rows of context than the %lld there are",
                     a->begin->name, (long long)task->n_context);
            return EXIT_CHECK;
        }
        rt_experience_gather(r->experience, i, task->context, task->n_context,
                             rt_call_input_data(call, slot));
    }
    rt_unit_run(a->begin, env_random_key(r->key, "begin", t, 0), 0);
    for (int i = 0; i < a->n_carry; i++)
        put_leaf(a, a->begin, a->carry[i].from, &a->carry[i], t * a->rows_each);
    return EXIT_OK;
}

static int begin(RtActor *a, RtScene *scene, const RtRollout *r) {
    int code = EXIT_OK;

    rt_unit_reset(a->step);
    rt_call_set_dim(a->step->call, a->rows_dim->name, a->batch.n);
    for (int t = 0; t < r->n_tasks && a->begin->program && code == EXIT_OK; t++)
        code = begin_task(a, scene, r, t);
    for (int i = 0; i < a->n_carry && r->zero; i++) {
        const Leaf *leaf = &a->carry[i];
        if (leaf->real)
            memset(rt_call_input_data(a->step->call, leaf->to), 0,
                   (size_t)rt_call_input_count(a->step->call, leaf->to) * leaf->size);
    }
    return code;
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
        const double *task = r->tasks[i / a->rows_each].params;
        double drawn[ENV_TASK_MAX];
        if (r->redrawn) {
            env_draw_task(a->family, ENV_TRAIN, env_random_key(r->key, "task", i, 0), 0, drawn);
            task = drawn;
        }
        done = env_batch_reset(&a->batch, i, task, env_random_key(r->key, "reset", i, 0),
                               scene->why, (int)scene->why_size);
        a->start[i] = a->batch.reward[i];
        a->n[i] = 0;
    }
    scene->physics_seconds += rt_now() - start;
    return done;
}

// The actions of all rows as the real task takes them: a one-hot row becomes its place.
static void take_actions(RtActor *a) {
    int n = a->batch.n, choices = a->family->n_actions;

    if (!a->family->discrete) {
        rt_call_get(a->step->call, a->out_a, a->action, (int64_t)n * a->family->action_dim);
        return;
    }
    rt_call_get(a->step->call, a->out_a, a->choice, (int64_t)n * choices);
    for (int i = 0; i < n; i++) {
        const double *row = a->choice + (size_t)i * (size_t)choices;
        int best = 0;
        for (int k = 1; k < choices; k++)
            best = row[k] > row[best] ? k : best;
        a->action[i] = best;
    }
}

// Keeps what is carried into step `t`.
static void keep_carry(RtActor *a, int t) {
    for (int k = 0; k < a->n_carry; k++) {
        const Leaf *leaf = &a->carry[k];
        size_t row = leaf->kept ? (size_t)leaf->width * leaf->size : 0;
        const char *from = rt_call_input_data(a->step->call, leaf->to);
        for (size_t i = 0; i < (size_t)a->batch.n && leaf->kept; i++)
            memcpy(leaf->kept + (i * (size_t)a->steps + (size_t)t) * row, from + i * row, row);
    }
}

// One action and its transition, for every row that runs.
static bool step_rows(RtActor *a, RtScene *scene, const RtExperience *e, int t, uint64_t key) {
    size_t da = (size_t)a->family->action_dim, n = (size_t)a->batch.n;

    double start = rt_now();
    keep_carry(a, t);
    rt_fields_states(e, a->batch.observation, (int64_t)n,
                     rt_call_input_data(a->step->call, a->in_s));
    rt_unit_run(a->step, key, (uint64_t)t);
    take_actions(a);
    for (int i = 0; i < a->n_carry; i++)
        put_leaf(a, a->step, a->carry[i].back, &a->carry[i], 0);
    a->step_seconds += rt_now() - start;

    // rows that have ended keep their length
    for (size_t i = 0; i < n; i++)
        a->n[i] += a->batch.running[i];
    start = rt_now();
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

    double start = rt_now();
    int code = begin(a, scene, r);
    a->begin_seconds = rt_now() - start;
    a->step_seconds = 0;
    if (code != EXIT_OK)
        return code;
    if (!reset_rows(a, scene, r))
        return EXIT_BUG;
    keep_states(a, 0);
    for (int t = 0; t < a->steps && n_running > 0; t++) {
        if (rt_stop_asked())
            return EXIT_STOPPED;
        if (!step_rows(a, scene, r->experience, t, key))
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

void rt_actor_times(const RtActor *a, double *begin, double *step) {
    int64_t n = 0;

    for (int i = 0; i < a->batch.n; i++)
        n += a->n[i];
    *begin = a->begin_seconds;
    *step = n > 0 ? a->step_seconds / (double)n : 0;
}

double rt_actor_score(const RtActor *a, int i) {
    return env_score(a->family, a->start[i], a->r + (size_t)i * (size_t)a->steps, a->n[i]);
}

bool rt_actor_failed(const RtActor *a, int i) {
    return a->batch.failed[i];
}

int rt_actor_n_carry(const RtActor *a) {
    return a->n_carry;
}

bool rt_actor_carry_part(const RtActor *a, int k, const char **name, int64_t *width,
                         size_t *row_bytes) {
    const Leaf *leaf = &a->carry[k];

    const char *dot = strchr(leaf->name, '.');

    *name = dot ? dot + 1 : leaf->name;
    *width = leaf->width;
    *row_bytes = (size_t)leaf->width * leaf->size;
    return leaf->kept != NULL && leaf->real;
}

const char *rt_actor_carry(const RtActor *a, int k, int i) {
    const Leaf *leaf = &a->carry[k];

    return leaf->kept + (size_t)i * (size_t)a->steps * (size_t)leaf->width * leaf->size;
}
