// runtime/train/world.c -- the programs of a recipe, compiled, and the state they work on.
#include "runtime/train/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "ir/text.h"
#include "runtime/exec/roots.h"

double rt_now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int rt_world_open(RtWorld *w, RtRecipe *recipe, int threads, char *why, size_t why_size) {
    *w = (RtWorld){.recipe = recipe, .diag = &recipe->diag};
    why[0] = '\0';
    double start = rt_now();

    w->backend = backend_find(recipe->target);
    if (!w->backend) {
        snprintf(why, why_size, "this build has no back end '%s'", recipe->target);
        return EXIT_MISSING;
    }
    if (!w->backend->open(why, why_size))
        return EXIT_MISSING;

    LangOptions options = {.real = recipe->real,
                           .binds = recipe->binds,
                           .n_binds = recipe->n_binds,
                           .sets = recipe->sets,
                           .n_sets = recipe->n_sets,
                           .dims = recipe->dims,
                           .n_dims = recipe->n_dims};
    options.n_roots = rt_model_roots(&options.roots);
    w->lang = lang_open(&w->arena, w->diag, &options);
    if (!w->lang || w->diag->n_errors > 0)
        return w->diag->n_errors > 0 ? rt_recipe_code(recipe) : EXIT_BAD_INPUT;
    w->pool = rt_pool_new(threads);
    w->build_seconds = rt_now() - start;
    return EXIT_OK;
}

void rt_world_close(RtWorld *w) {
    for (int i = 0; i < w->n; i++) {
        rt_call_free(w->units[i]->call);
        rt_program_free(w->units[i]->program);
    }
    rt_call_free(w->initial_call);
    rt_program_free(w->initial);
    rt_state_free(w->state);
    if (w->pool)
        rt_pool_free(w->pool);
    rt_vars_free(&w->test_vars);
    arena_free(&w->arena);
    *w = (RtWorld){0};
}

// ---- asking -------------------------------------------------------------------------------------

// Whether the instance has the entry; if not, an error names the nearest.
static bool check_entry(RtWorld *w, const RtUnit *u, Loc loc, LangEntryKind kind) {
    const char *what = kind == LANG_PROGRAM ? "program" : "function";
    const LangEntry *entries;
    int n = lang_entries(w->lang, &entries), n_names = 0;
    const char **names = arena_array(&w->arena, const char *, n);

    if (kind == LANG_FUNCTION && lang_has_function(w->lang, u->instance, u->entry))
        return true;
    for (int i = 0; i < n; i++) {
        if (strcmp(entries[i].instance, u->instance) != 0 || entries[i].kind != kind)
            continue;
        if (strcmp(entries[i].name, u->entry) == 0)
            return true;
        names[n_names++] = entries[i].name;
    }
    diag_error(w->diag, loc, E_unknown_function, "'%s' (%s) has no %s '%s'", u->instance,
               lang_module_path(w->lang, u->instance), what, u->entry);
    diag_did_you_mean_or(w->diag, loc, u->entry, names, n_names,
                         kind == LANG_PROGRAM ? "its programs" : "its functions");
    return false;
}

RtUnit *rt_world_ask(RtWorld *w, const char *name, Loc loc, LangEntryKind kind) {
    const char *dot = strchr(name, '.');

    for (int i = 0; i < w->n; i++)
        if (strcmp(w->units[i]->name, name) == 0)
            return w->units[i];
    if (!dot) {
        diag_error(w->diag, loc, E_recipe, "'%s' should be an instance and an entry: dynamics.fit",
                   name);
        return NULL;
    }
    RtUnit *u = arena_new(&w->arena, RtUnit);
    *u = (RtUnit){.name = arena_strdup(&w->arena, name), .loc = loc};
    u->instance = arena_strndup(&w->arena, name, (size_t)(dot - name));
    u->entry = arena_strdup(&w->arena, dot + 1);
    if (!rt_recipe_need_instance(w->recipe, u->instance, loc) || !check_entry(w, u, loc, kind))
        return NULL;
    arena_push(&w->arena, w->units, w->n, w->cap, u);
    return u;
}

// ---- building -----------------------------------------------------------------------------------

static void take_hash(RtUnit *u) {
    Buf text = {0};

    ir_print_function(&text, u->program->fn, false);
    rt_hash(u->hash, text.data, text.len);
    buf_free(&text);
}

// Compiles one unit. A function whose value is an empty record needs no program.
static bool build_unit(RtWorld *w, RtUnit *u, const RtProgramDef *def, char *why, size_t why_size) {
    LangRequest request = {.instance = u->instance, .name = u->entry};
    IrModule *m = lang_elaborate(w->lang, w->diag, &request);

    if (!m)
        return false;
    IrFunction *fn = m->functions[m->n - 1];
    if (fn->body->n_results == 0)
        return true;
    u->program = rt_program_from(&w->arena, fn, w->diag, def, why, why_size);
    if (!u->program)
        return false;
    u->program->name = u->name;
    take_hash(u);
    return true;
}

int rt_world_build(RtWorld *w, char *why, size_t why_size) {
    RtProgramDef def = {.backend = w->backend};
    RtProgramDef reference = {.backend = &ref_backend};
    LangRequest initial = {.instance = ""};
    double start = rt_now();
    bool done = true;

    why[0] = '\0';
    for (int i = 0; i < w->n && !*why; i++)
        done = build_unit(w, w->units[i], &def, why, why_size) && done;

    // initial values come last: only now all optimisers' states are known
    if (done)
        w->initial =
            rt_program_new(&w->arena, w->lang, w->diag, &initial, &reference, why, why_size);
    if (!w->initial)
        return w->diag->n_errors > 0 ? rt_recipe_code(w->recipe) : EXIT_BUG;
    w->initial_call = rt_call_new(w->initial, NULL, NULL);
    w->state = rt_world_initial(w, (uint64_t)w->recipe->seed);
    for (int i = 0; i < w->n; i++)
        if (w->units[i]->program)
            w->units[i]->call = rt_call_new(w->units[i]->program, w->state, w->pool);
    w->build_seconds += rt_now() - start;
    return EXIT_OK;
}

void rt_world_fresh(RtWorld *w, RtState *s, const bool *fresh, uint64_t seed) {
    rt_call_run(w->initial_call, seed, 0);
    for (int i = 0; i < s->n; i++)
        if (s->tensors[i].bytes > 0 && (!fresh || fresh[i]))
            memcpy(s->tensors[i].data, rt_call_output_data(w->initial_call, i),
                   s->tensors[i].bytes);
}

RtState *rt_world_initial(RtWorld *w, uint64_t seed) {
    RtState *s = rt_state_new(w->initial->fn);

    rt_world_fresh(w, s, NULL, seed);
    return s;
}

void rt_world_bind(RtWorld *w, RtState *s) {
    if (w->state == s)
        return;
    w->state = s;
    for (int i = 0; i < w->n; i++)
        if (w->units[i]->call)
            rt_call_bind(w->units[i]->call, s);
}

void rt_unit_reset(RtUnit *u) {
    const IrFunction *f = u->program->fn;

    for (int i = 0; i < f->dims->n_vars; i++) {
        const IrDimVar *v = f->dims->vars[i];
        rt_call_set_dim(u->call, v->name, v->likely ? v->likely : v->max);
    }
    for (int i = 0; i < f->body->n_params; i++)
        if (f->inputs[i].role == IR_ROLE_SETTING)
            rt_call_set_setting(u->call, f->inputs[i].name, f->inputs[i].value);
}

void rt_unit_run(RtUnit *u, uint64_t seed, uint64_t call) {
    double start = rt_now();

    rt_call_run(u->call, seed, call);
    u->seconds += rt_now() - start;
    u->calls++;
}

// ---- slots --------------------------------------------------------------------------------------

const IrType *rt_unit_input_type(const RtUnit *u, int slot) {
    return &u->program->fn->body->params[slot]->types[0];
}

const IrType *rt_unit_output_type(const RtUnit *u, int slot) {
    return &u->program->fn->body->results[slot]->types[0];
}

static const IrDimVar *dim_of(const IrType *t, int axis) {
    return axis < t->rank ? ir_dim_is_var(t->dims[axis]) : NULL;
}

const IrDimVar *rt_unit_input_dim(const RtUnit *u, int slot, int axis) {
    return slot < 0 ? NULL : dim_of(rt_unit_input_type(u, slot), axis);
}

const IrDimVar *rt_unit_output_dim(const RtUnit *u, int slot, int axis) {
    return slot < 0 ? NULL : dim_of(rt_unit_output_type(u, slot), axis);
}

bool rt_unit_check_axis(RtWorld *w, const RtUnit *u, int slot, int axis, int64_t value,
                        bool changes, const char *what, Loc loc) {
    if (slot < 0)
        return true;
    const IrType *t = rt_unit_input_type(u, slot);
    const IrDimVar *d = dim_of(t, axis);
    const char *name = u->program->fn->inputs[slot].name;
    int64_t size = -1;

    if (d && value <= d->max)
        return true;
    if (d)
        diag_error(w->diag, loc, E_dim_value, "%s is %" PRId64 ", but '%s' takes at most %" PRId64,
                   what, value, u->name, d->max);
    else if (axis >= t->rank || !ir_dim_is_const(t->dims[axis], &size))
        diag_error(w->diag, loc, E_dim_value, "axis %d of '%s' of '%s' is no dim", axis, name,
                   u->name);
    else if (changes)
        diag_error(w->diag, loc, E_dim_value,
                   "%s changes from call to call, but '%s' takes exactly %" PRId64, what, u->name,
                   size);
    else if (size == value)
        return true;
    else
        diag_error(w->diag, loc, E_dim_value, "%s is %" PRId64 ", but '%s' takes exactly %" PRId64,
                   what, value, u->name, size);
    return false;
}

int64_t rt_unit_max_dim(const RtUnit *u, const char *name) {
    const IrDims *ds = u->program->fn->dims;

    for (int i = 0; i < ds->n_vars; i++)
        if (strcmp(ds->vars[i]->name, name) == 0)
            return ds->vars[i]->max;
    return -1;
}
