// runtime/train/stage_update.c -- a program runs a number of times on batches from memory.
//
//   fit:     {update: dynamics.fit, times: 400, batch: {tasks: 4, current: 0.5, rows: 50},
//             context: {rows: uniform}, settings: {rate: "1e-3 * 0.9 ** (iteration / 10)"}}
//   improve: {update: objective.step, times: 300, contexts: {count: 2, current: 0.5, rows: 50}}
//
// A batch is `rows` transitions of each of `tasks` tasks, drawn anew for every update without
// replacement. Field x of `n` of them goes to the program's input `xc` (the context: uniform in 1
// .. rows - 1, or so many), of the others to `x` (the targets). `contexts` gives xc alone, `count`
// of them. `current` is the share of the current task; other slots take any task seen so far.
//
// An output of the program becomes a number of formulas, `loss` and `fit.loss`: its mean over the
// last tenth of the updates.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "envs/env_random.h"
#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "ir/random.h"
#include "runtime/train/scene.h"

enum { MAX_TIMES = 100000000, MAX_ROWS = 1 << 30, MAX_SLOTS = 1 << 16 };

// An input that is filled from memory: dims are of the slots and of the rows within each.
typedef struct Input {
    int slot, field;
    bool context;
    size_t row_bytes;
} Input;

typedef struct Output {
    int slot;
    const char *name;      // fit.loss
    double *named, *plain; // of it, and of loss
    double sum;
} Output;

typedef struct Setting {
    const char *name;
    RtFormula *value;
} Setting;

typedef struct Update {
    int64_t times;
    enum { NO_DATA, BATCH, CONTEXTS } kind;
    int64_t slots, rows; // tasks of a batch or contexts; transitions of each
    double current;
    const char *as;  // label of the transitions; NULL for all
    int64_t context; // rows of context in a batch; -1 for uniform, 0 for none
    RtEntry *dims, *settings;
    int n_dims, n_settings;

    RtUnit *unit;
    const IrDimVar *slots_dim, *targets_dim, *context_dim;
    Input *inputs;
    Output *outputs;
    Setting *formulas;
    int64_t *dim_values;
    int n_inputs, n_outputs, n_formulas;
    int *tasks; // of the slots
    int64_t *picked;
    RtPicker picker;
} Update;

// ---- reading ------------------------------------------------------------------------------------

static void read_batch(RtStage *s, RtReader *r, Update *u) {
    static const char *const known[] = {"tasks", "current", "rows", "as", NULL};
    const Yaml *map = rt_read_map(r, s->map, "batch");

    if (!map)
        return;
    u->kind = BATCH;
    rt_read_keys(r, map, known, "batch");
    rt_read_need(r, map, "rows", "batch");
    rt_read_int(r, map, "tasks", 1, MAX_SLOTS, &u->slots);
    rt_read_int(r, map, "rows", 1, MAX_ROWS, &u->rows);
    rt_read_real(r, map, "current", 0, 1, &u->current);
    rt_read_text(r, map, "as", &u->as);
}

static void read_contexts(RtStage *s, RtReader *r, Update *u) {
    static const char *const known[] = {"count", "current", "rows", "as", NULL};
    const Yaml *map = rt_read_map(r, s->map, "contexts");

    if (!map)
        return;
    if (u->kind == BATCH)
        rt_read_refuse(r, s->map, "contexts", "and batch exclude each other");
    u->kind = CONTEXTS;
    rt_read_keys(r, map, known, "contexts");
    rt_read_need(r, map, "rows", "contexts");
    rt_read_int(r, map, "count", 1, MAX_SLOTS, &u->slots);
    rt_read_int(r, map, "rows", 0, MAX_ROWS, &u->rows);
    rt_read_real(r, map, "current", 0, 1, &u->current);
    rt_read_text(r, map, "as", &u->as);
}

// `context: {rows: uniform}` or a number of the batch's rows.
static void read_split(RtStage *s, RtReader *r, Update *u) {
    static const char *const known[] = {"rows", NULL};
    const Yaml *map = rt_read_map(r, s->map, "context"), *rows = yaml_find(map, "rows");

    if (!map)
        return;
    rt_read_keys(r, map, known, "context");
    if (u->kind != BATCH)
        rt_read_refuse(r, s->map, "context", "divides a batch, and there is none");
    else if (rows && rows->kind == YAML_SCALAR && strcmp(rows->text, "uniform") == 0)
        u->context = -1;
    else
        rt_read_int(r, map, "rows", 0, u->rows - 1, &u->context);
}

static void update_read(RtStage *s, RtReader *r) {
    static const char *const known[] = {"update", "times",    "batch", "context", "contexts",
                                        "dims",   "settings", "when",  NULL};
    Update *u = arena_new(r->arena, Update);

    *u = (Update){.times = 1, .slots = 1, .current = 1};
    s->def = u;
    rt_read_keys(r, s->map, known, rt_stage_title(r->arena, s));
    rt_read_int(r, s->map, "times", 1, MAX_TIMES, &u->times);
    read_batch(s, r, u);
    read_contexts(s, r, u);
    read_split(s, r, u);
    u->n_settings = rt_read_entries(r, s->map, "settings", true, &u->settings);
    u->n_dims = rt_read_entries(r, s->map, "dims", false, &u->dims);
    u->dim_values = arena_array(r->arena, int64_t, u->n_dims);
    for (int i = 0; i < u->n_dims; i++)
        rt_read_int(r, yaml_find(s->map, "dims"), u->dims[i].name, 0, MAX_ROWS, &u->dim_values[i]);
}

// ---- checking -----------------------------------------------------------------------------------

// Transitions that a task has at least when the stage first runs.
static int64_t first_rows(const RtStage *s, const RtRecipe *recipe, const char *as) {
    int64_t n = rt_stages_transitions(recipe, &recipe->every_task, as);
    RtStages before = {.items = recipe->every_iteration.items};

    for (int i = 0; i < recipe->every_task.n; i++)
        if (recipe->every_task.items[i] == s)
            before = (RtStages){.n = i, .items = recipe->every_task.items}, n = 0;
    for (int i = 0; i < recipe->every_iteration.n; i++)
        if (recipe->every_iteration.items[i] == s)
            before.n = i;
    return n + rt_stages_transitions(recipe, &before, as);
}

static bool is_of_training(const RtStage *s, const RtRecipe *recipe) {
    return rt_recipe_find_stage(recipe, s->name) == s;
}

static void update_check(RtStage *s, RtRecipe *recipe) {
    const Update *u = s->def;
    const char *dot = strchr(s->object, '.');
    const char *instance =
        arena_strndup(&recipe->arena, s->object, dot ? (size_t)(dot - s->object) : 0);

    if (!dot)
        diag_error(&recipe->diag, s->object_loc, E_recipe,
                   "update is '%s', and should be a program such as dynamics.fit", s->object);
    else
        rt_recipe_need_instance(recipe, instance, s->object_loc);
    if (u->as) {
        const Yaml *data = yaml_find(s->map, u->kind == BATCH ? "batch" : "contexts");
        rt_recipe_need_label(recipe, u->as, yaml_find(data, "as")->loc);
    }
    if (u->kind == NO_DATA || !is_of_training(s, recipe))
        return;
    const char *key = u->kind == BATCH ? "batch" : "contexts";
    const Yaml *map = yaml_find(s->map, key), *rows = yaml_find(map, "rows");
    int64_t n = first_rows(s, recipe, u->as);
    if (rows && u->rows > n)
        diag_error(&recipe->diag, rows->loc, E_recipe,
                   "%s.rows is %" PRId64 ", but a task has only %" PRId64
                   " transitions%s%s%s when '%s' first runs",
                   key, u->rows, n, u->as ? " labelled '" : "", u->as ? u->as : "",
                   u->as ? "'" : "", s->name);
}

static void update_ask(RtStage *s, const RtRecipe *recipe, RtWorld *w) {
    (void)recipe;
    rt_world_ask(w, s->object, s->object_loc, LANG_PROGRAM);
}

// ---- binding ------------------------------------------------------------------------------------

// The place of a key of the stage, for errors.
static Loc place(const RtStage *s, const char *map, const char *key) {
    Loc loc;
    const Yaml *y = yaml_find(s->map, map);

    yaml_find_loc(y ? y : s->map, key, &loc);
    return loc;
}

// Finds what the input `slot` is filled with.
static bool bind_input(RtStage *s, RtScene *scene, Update *u, int slot) {
    const char *name = u->unit->program->fn->inputs[slot].name;
    const RtExperience *e = scene->experience;
    const IrType *t = rt_unit_input_type(u->unit, slot);
    size_t len = strlen(name);

    for (int i = 0; i < e->n_fields; i++) {
        size_t field = strlen(e->fields[i].name);
        bool same = strncmp(name, e->fields[i].name, field) == 0;
        bool context = same && len == field + 1 && name[field] == 'c';
        if (!context && !(same && len == field && u->kind == BATCH))
            continue;
        const IrDimVar *rows = rt_unit_input_dim(u->unit, slot, 1);
        int64_t width = -1;
        if (t->rank != 3 || !ir_dim_is_const(t->dims[2], &width) || width != e->fields[i].width) {
            diag_error(scene->world->diag, s->object_loc, E_shape_mismatch,
                       "input '%s' of '%s' should be tasks, rows and width %lld", name,
                       u->unit->name, (long long)e->fields[i].width);
            return false;
        }
        u->slots_dim = rt_unit_input_dim(u->unit, slot, 0);
        *(context ? &u->context_dim : &u->targets_dim) = rows;
        u->inputs[u->n_inputs++] = (Input){slot, i, context, e->fields[i].row_bytes};
        return true;
    }
    diag_error(scene->world->diag, s->object_loc, E_recipe,
               "the stage '%s' gives nothing for the input '%s' of '%s'", s->name, name,
               u->unit->name);
    return false;
}

// Whether the slots and rows that the stage gives fit the input.
static bool check_input(const RtStage *s, RtWorld *w, const Update *u, const Input *in) {
    const char *map = u->kind == BATCH ? "batch" : "contexts";
    const char *slots = u->kind == BATCH ? "tasks" : "count";
    bool uniform = u->kind == BATCH && u->context < 0;
    int64_t rows = u->rows;

    if (u->kind == BATCH && in->context)
        rows = uniform ? u->rows - 1 : u->context;
    else if (u->kind == BATCH && !uniform)
        rows = u->rows - u->context;
    bool first =
        rt_unit_check_axis(w, u->unit, in->slot, 0, u->slots, false,
                           arena_printf(&w->arena, "%s.%s", map, slots), place(s, map, slots));
    bool second = rt_unit_check_axis(w, u->unit, in->slot, 1, rows, uniform,
                                     in->context && u->kind == BATCH ? "the context"
                                     : u->kind == BATCH              ? "the number of targets"
                                                                     : "contexts.rows",
                                     place(s, map, "rows"));
    return first && second;
}

static bool bind_inputs(RtStage *s, RtScene *scene, Update *u) {
    const IrFunction *f = u->unit->program->fn;
    Arena *arena = &scene->world->arena;
    bool done = true;

    u->inputs = arena_array(arena, Input, f->body->n_params);
    for (int i = 0; i < f->body->n_params; i++)
        if (f->inputs[i].role == IR_ROLE_INPUT)
            done = bind_input(s, scene, u, i) && done;
    u->tasks = arena_array(arena, int, u->slots);
    u->picked = arena_array(arena, int64_t, u->rows + 1);
    for (int i = 0; i < u->n_inputs; i++)
        done = check_input(s, scene->world, u, &u->inputs[i]) && done;
    return done;
}

static bool bind_dims(RtScene *scene, Update *u) {
    const IrDims *ds = u->unit->program->fn->dims;
    const char **names = arena_array(&scene->world->arena, const char *, ds->n_vars + 1);
    bool done = true;

    for (int i = 0; i < ds->n_vars; i++)
        names[i] = ds->vars[i]->name;
    for (int i = 0; i < u->n_dims; i++) {
        const RtEntry *d = &u->dims[i];
        int64_t most = rt_unit_max_dim(u->unit, d->name);
        if (most < 0) {
            diag_error(scene->world->diag, d->loc, E_unknown_dim, "'%s' has no dim '%s'",
                       u->unit->name, d->name);
            diag_did_you_mean(scene->world->diag, d->loc, d->name, names, ds->n_vars);
            done = false;
        } else if (u->dim_values[i] > most) {
            diag_error(scene->world->diag, d->value->loc, E_dim_value,
                       "%s is %" PRId64 ", but '%s' takes at most %" PRId64, d->name,
                       u->dim_values[i], u->unit->name, most);
            done = false;
        }
    }
    return done;
}

// The setting's full name in the program, or NULL: "rate" is "dynamics.rate" of dynamics.fit.
static const char *find_setting(Arena *a, const Update *u, const char *name) {
    const IrFunction *f = u->unit->program->fn;
    const char *full = arena_printf(a, "%s.%s", u->unit->instance, name);

    for (int i = 0; i < f->body->n_params; i++)
        if (f->inputs[i].role == IR_ROLE_SETTING &&
            (strcmp(f->inputs[i].name, name) == 0 || strcmp(f->inputs[i].name, full) == 0))
            return f->inputs[i].name;
    return NULL;
}

static bool bind_settings(RtScene *scene, Update *u) {
    const IrFunction *f = u->unit->program->fn;
    Arena *arena = &scene->world->arena;
    const char **names = arena_array(arena, const char *, f->body->n_params + 1);
    int n = 0;
    bool done = true;

    for (int i = 0; i < f->body->n_params; i++)
        if (f->inputs[i].role == IR_ROLE_SETTING) {
            const char *dot = strrchr(f->inputs[i].name, '.');
            names[n++] = dot ? dot + 1 : f->inputs[i].name;
        }
    u->formulas = arena_array(arena, Setting, u->n_settings);
    u->n_formulas = 0;
    for (int i = 0; i < u->n_settings; i++) {
        const RtEntry *e = &u->settings[i];
        const char *name = find_setting(arena, u, e->name);
        RtFormula *value =
            e->expr ? rt_formula_new(arena, scene->world->diag, e->expr, scene->vars) : NULL;
        if (!name) {
            diag_error(scene->world->diag, e->loc, E_unknown_option, "'%s' has no setting '%s'",
                       u->unit->name, e->name);
            const char *text;
            if (lang_option_text(scene->world->lang, u->unit->instance, e->name, &text))
                diag_note(scene->world->diag, e->loc,
                          "'%s' is an option, fixed at compile time: set: {%s: {%s: %s}}", e->name,
                          u->unit->instance, e->name, text);
            else
                diag_did_you_mean(scene->world->diag, e->loc, e->name, names, n);
        }
        done = done && name && value;
        u->formulas[u->n_formulas++] = (Setting){name, value};
    }
    return done;
}

static void bind_outputs(RtStage *s, RtScene *scene, Update *u) {
    const IrFunction *f = u->unit->program->fn;
    Arena *arena = &scene->world->arena;

    u->outputs = arena_array(arena, Output, f->body->n_results);
    u->n_outputs = 0;
    for (int i = 0; i < f->body->n_results; i++) {
        const char *plain = f->outputs[i].name;
        if (f->outputs[i].role != IR_ROLE_OUT || rt_unit_output_type(u->unit, i)->rank > 0)
            continue;
        const char *name = arena_printf(arena, "%s.%s", s->name, plain);
        u->outputs[u->n_outputs++] = (Output){.slot = i,
                                              .name = name,
                                              .named = rt_vars_ensure(scene->vars, name),
                                              .plain = rt_vars_ensure(scene->vars, plain)};
    }
}

static bool update_bind(RtStage *s, RtScene *scene) {
    Update *u = s->def;

    if (!u->unit || !u->unit->program)
        return false;
    bool done = bind_inputs(s, scene, u);
    done = bind_dims(scene, u) && done;
    return bind_settings(scene, u) && done;
}

static void update_declare(RtStage *s, RtScene *scene) {
    Update *u = s->def;

    u->unit = rt_world_ask(scene->world, s->object, s->object_loc, LANG_PROGRAM);
    if (u->unit && u->unit->program)
        bind_outputs(s, scene, u);
}

// ---- running ------------------------------------------------------------------------------------

// The task of slot `slot`: the first slots are the current one's, as many as its share says; chance
// decides over a fraction; the others take any.
static int pick_task(const Update *u, const RtScene *scene, uint64_t key, int64_t slot) {
    double share = u->current * (double)u->slots - (double)slot;
    double chance = (double)rt_pick(key, 0, 1 << 30) / (1 << 30);

    if (share >= 1 || chance < share)
        return scene->task;
    return (int)rt_pick(key, 1, scene->experience->n_tasks);
}

// Copies `n` picked rows into slot `slot` of the inputs that are (not) context.
static void fill(const Update *u, const RtExperience *e, bool context, const int64_t *rows,
                 int64_t n, int64_t slot) {
    for (int i = 0; i < u->n_inputs; i++) {
        const Input *in = &u->inputs[i];
        if (in->context != context)
            continue;
        char *to = rt_call_input_data(u->unit->call, in->slot);
        rt_experience_gather(e, in->field, rows, n, to + (size_t)(slot * n) * in->row_bytes);
    }
}

// Whether the inputs have the rows there are: a program may be made for a number of rows that a
// task whose episodes ended early does not have.
static bool check_counts(const Update *u, RtScene *scene, int64_t rows, int64_t context) {
    for (int i = 0; i < u->n_inputs; i++) {
        const Input *in = &u->inputs[i];
        int64_t n = u->slots * (in->context ? context : rows - context);
        int64_t elements = n * scene->experience->fields[in->field].width;
        if (rt_call_input_count(u->unit->call, in->slot) == elements)
            continue;
        snprintf(scene->why, scene->why_size,
                 "'%s' needs more transitions of each task than the %" PRId64 " there are",
                 u->unit->name, rows);
        return false;
    }
    return true;
}

// Fills the inputs of one update from memory.
static int fill_inputs(Update *u, RtScene *scene, uint64_t key) {
    const RtExperience *e = scene->experience;
    RtCall *call = u->unit->call;
    int64_t rows = u->rows;

    // tasks whose episodes ended early may have fewer transitions
    for (int64_t k = 0; k < u->slots; k++) {
        u->tasks[k] = pick_task(u, scene, ir_random_mix(key + (uint64_t)k), k);
        int64_t n = rt_experience_rows(e, u->tasks[k], u->as)->n;
        rows = n < rows ? n : rows;
    }
    int64_t context = u->kind == CONTEXTS ? rows : u->context;
    if (u->kind == BATCH && u->context < 0)
        context = rows > 1 ? 1 + rt_pick(key, 0, rows - 1) : 0;
    context = u->kind == BATCH && context >= rows ? rows - 1 : context;

    if (u->slots_dim)
        rt_call_set_dim(call, u->slots_dim->name, u->slots);
    if (u->context_dim)
        rt_call_set_dim(call, u->context_dim->name, context);
    if (u->targets_dim)
        rt_call_set_dim(call, u->targets_dim->name, rows - context);
    if (!check_counts(u, scene, rows, context))
        return EXIT_CHECK;
    for (int64_t k = 0; k < u->slots; k++) {
        const RtRows *of = rt_experience_rows(e, u->tasks[k], u->as);
        const int64_t *picked = of->items;
        if (u->kind == BATCH || rows < of->n) {
            rt_pick_rows(&u->picker, &scene->world->arena,
                         ir_random_mix(key ^ ir_random_mix((uint64_t)k + 1)), of->items, of->n,
                         rows, u->picked);
            picked = u->picked;
        }
        fill(u, e, true, picked, context, k);
        fill(u, e, false, picked + context, rows - context, k);
    }
    return EXIT_OK;
}

static void prepare(Update *u) {
    rt_unit_reset(u->unit);
    for (int i = 0; i < u->n_dims; i++)
        rt_call_set_dim(u->unit->call, u->dims[i].name, u->dim_values[i]);
    for (int i = 0; i < u->n_outputs; i++)
        u->outputs[i].sum = 0;
}

static int update_run(RtStage *s, RtScene *scene) {
    Update *u = s->def;
    uint64_t batches = env_random_key(scene->key, s->name, scene->iteration, 0);
    uint64_t draws = env_random_key(scene->key, s->name, scene->iteration, 1);
    int64_t last = u->times / 10 ? u->times / 10 : 1;

    prepare(u);
    *scene->v_times = (double)u->times;
    for (int64_t i = 0; i < u->times; i++) {
        if (rt_stop_asked())
            return EXIT_STOPPED;
        *scene->v_update = (double)i;
        for (int k = 0; k < u->n_formulas; k++)
            rt_call_set_setting(u->unit->call, u->formulas[k].name,
                                rt_formula_value(u->formulas[k].value));
        int code = u->kind == NO_DATA ? EXIT_OK
                                      : fill_inputs(u, scene, ir_random_mix(batches + (uint64_t)i));
        if (code != EXIT_OK)
            return code;
        rt_unit_run(u->unit, draws, (uint64_t)i);
        if (scene->first_step == 0)
            scene->first_step = rt_now();

        for (int k = 0; k < u->n_outputs && i >= u->times - last; k++) {
            double value;
            rt_call_get(u->unit->call, u->outputs[k].slot, &value, 1);
            u->outputs[k].sum += value;
        }
        if (scene->tick)
            scene->tick(scene->tick_data, s, i + 1, u->times);
    }
    for (int k = 0; k < u->n_outputs; k++) {
        const Output *o = &u->outputs[k];
        *o->named = *o->plain = o->sum / (double)last;
        if (!isfinite(*o->named))
            scene->diverged = o->name;
    }
    return EXIT_OK;
}

bool rt_stage_program(const RtStage *s, const char **program, int64_t *times) {
    const Update *u = s->def;

    if (s->verb != &rt_verb_update)
        return false;
    *program = s->object;
    *times = u->times;
    return true;
}

static void update_free(RtStage *s) {
    (void)s;
}

const RtVerb rt_verb_update = {
    .name = "update",
    .read = update_read,
    .check = update_check,
    .ask = update_ask,
    .declare = update_declare,
    .bind = update_bind,
    .run = update_run,
    .free = update_free,
};
