// runtime/train/fields.c -- transitions as programs see them.
#include <string.h>

#include "ir/base/errors.h"
#include "runtime/train/experience.h"

static const char *const raw_names[] = {"s", "a", "s2"};

void rt_experience_ask(const RtRecipe *recipe, RtWorld *w) {
    if (recipe->state)
        rt_world_ask(w, recipe->state, recipe->state_loc, LANG_FUNCTION);
    for (int i = 0; i < recipe->n_fields; i++) {
        const Yaml *y = recipe->fields[i].value;
        if (y->kind == YAML_SCALAR)
            rt_world_ask(w, y->text, y->loc, LANG_FUNCTION);
    }
}

// ---- finding ------------------------------------------------------------------------------------

// Whether input `slot` of the unit is rows of width `want`.
static bool check_width(RtWorld *w, const RtFieldRows *f, int slot, int64_t want, const char *what,
                        Loc loc) {
    const IrType *t = rt_unit_input_type(f->unit, slot);
    int64_t width = -1;

    if (t->rank == 2 && ir_dim_is_const(t->dims[1], &width) && width == want)
        return true;
    diag_error(w->diag, loc, E_shape_mismatch,
               "'%s' takes %s of width %lld, and the family '%s' has width %lld", f->unit->name,
               what, (long long)width, w->recipe->env, (long long)want);
    return false;
}

// Takes what the unit gives as the rows of the field.
static bool take_output(RtWorld *w, RtFieldRows *f, const IrDimVar *rows, const char *from,
                        Loc loc) {
    f->out = rt_call_find_output(f->unit->call, "out");
    const IrType *t = f->out < 0 ? NULL : rt_unit_output_type(f->unit, f->out);

    if (!t || t->rank != 2 || t->dtype != w->recipe->real ||
        !ir_dim_is_const(t->dims[1], &f->width) || !rows) {
        diag_error(w->diag, loc, E_recipe, "'%s' should make a row of numbers from each row of %s",
                   f->unit->name, from);
        return false;
    }
    f->batch = rows->max;
    return true;
}

// What programs see as s or s2: what the real task shows, or what the recipe's function makes of
// it.
static bool open_state(RtExperience *e, const RtRecipe *recipe, RtWorld *w, RtFieldRows *f) {
    const IrDimVar *rows = NULL;

    f->width = e->family->obs_dim;
    if (!recipe->state)
        return true;
    f->unit = rt_world_ask(w, recipe->state, recipe->state_loc, LANG_FUNCTION);
    if (!f->unit || !f->unit->program)
        return false;
    const IrFunction *fn = f->unit->program->fn;
    for (int i = 0; i < fn->body->n_params && !rows; i++) {
        if (fn->inputs[i].role != IR_ROLE_INPUT)
            continue;
        f->in[0] = i;
        rows = rt_unit_input_dim(f->unit, i, 0);
    }
    return take_output(w, f, rows, "what the real task shows", recipe->state_loc) &&
           check_width(w, f, f->in[0], e->family->obs_dim, "observations", recipe->state_loc);
}

static bool open_made(RtExperience *e, RtWorld *w, RtFieldRows *f, const RtEntry *entry) {
    const IrDimVar *rows = NULL;
    Loc loc = entry->value->loc;
    bool done = true;

    f->unit = rt_world_ask(w, entry->value->text, loc, LANG_FUNCTION);
    if (!f->unit || !f->unit->program)
        return false;
    for (int k = 0; k < RT_FIELD_RAW; k++) {
        f->in[k] = rt_call_find_input(f->unit->call, raw_names[k]);
        if (f->in[k] < 0)
            continue;
        done = check_width(w, f, f->in[k], e->fields[k].width, raw_names[k], loc) && done;
        rows = rows ? rows : rt_unit_input_dim(f->unit, f->in[k], 0);
    }
    return take_output(w, f, rows, "s, a, s2", loc) && done;
}

bool rt_fields_open(RtExperience *e, const RtRecipe *recipe, RtWorld *w) {
    const EnvFamily *family = e->family;
    bool done = true;

    e->n_fields = RT_FIELD_RAW + recipe->n_fields;
    e->fields = arena_array(&e->arena, RtFieldRows, e->n_fields);
    for (int i = 0; i < e->n_fields; i++) {
        RtFieldRows *f = &e->fields[i];
        if (i >= RT_FIELD_RAW) {
            const RtEntry *entry = &recipe->fields[i - RT_FIELD_RAW];
            f->name = entry->name;
            done = done && open_made(e, w, f, entry);
        } else {
            f->name = raw_names[i];
            if (i == RT_FIELD_A)
                f->width = family->discrete ? family->n_actions : family->action_dim;
            else
                done = open_state(e, recipe, w, f) && done;
        }
        f->row_bytes = (size_t)f->width * ir_dtype_size(recipe->real);
    }
    return done;
}

// ---- making -------------------------------------------------------------------------------------

static void put_rows(RtUnit *u, int slot, int64_t rows) {
    const IrDimVar *d = rt_unit_input_dim(u, slot, 0);

    if (d)
        rt_call_set_dim(u->call, d->name, rows);
}

// Puts number `i` of an array whose elements have `bytes` bytes.
static void put_number(char *out, size_t bytes, int64_t i, double x) {
    if (bytes == sizeof(double))
        ((double *)out)[i] = x;
    else
        ((float *)out)[i] = (float)x;
}

static size_t element_bytes(const RtFieldRows *f) {
    return f->width > 0 ? f->row_bytes / (size_t)f->width : 0;
}

static void put_numbers(const RtFieldRows *f, const double *from, int64_t n, char *out) {
    for (int64_t i = 0; i < n * f->width; i++)
        put_number(out, element_bytes(f), i, from[i]);
}

void rt_fields_states(const RtExperience *e, const double *observation, int64_t n, char *out) {
    const RtFieldRows *f = &e->fields[RT_FIELD_S];
    int obs = e->family->obs_dim;

    if (!f->unit) {
        put_numbers(f, observation, n, out);
        return;
    }
    rt_unit_reset(f->unit);
    for (int64_t at = 0; at < n; at += f->batch) {
        int64_t k = n - at < f->batch ? n - at : f->batch;
        put_rows(f->unit, f->in[0], k);
        rt_call_put(f->unit->call, f->in[0], observation + at * obs, k * obs);
        rt_unit_run(f->unit, 0, 0);
        memcpy(out + (size_t)at * f->row_bytes, rt_call_output_data(f->unit->call, f->out),
               (size_t)k * f->row_bytes);
    }
}

void rt_fields_actions(const RtExperience *e, const double *action, int64_t n, char *out) {
    const RtFieldRows *f = &e->fields[RT_FIELD_A];

    if (!e->family->discrete) {
        put_numbers(f, action, n, out);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < f->width; k++)
            put_number(out, element_bytes(f), i * f->width + k, k == (int64_t)action[i]);
}

// The rows of a field of the recipe, from those of s, a and s2.
static void make_field(const RtExperience *e, const RtFieldRows *f, int64_t n, char *const *raw,
                       char *out) {
    rt_unit_reset(f->unit);
    for (int64_t at = 0; at < n; at += f->batch) {
        int64_t k = n - at < f->batch ? n - at : f->batch;
        for (int i = 0; i < RT_FIELD_RAW; i++) {
            size_t bytes = e->fields[i].row_bytes;
            if (f->in[i] < 0)
                continue;
            put_rows(f->unit, f->in[i], k);
            memcpy(rt_call_input_data(f->unit->call, f->in[i]), raw[i] + (size_t)at * bytes,
                   (size_t)k * bytes);
        }
        rt_unit_run(f->unit, 0, 0);
        memcpy(out + (size_t)at * f->row_bytes, rt_call_output_data(f->unit->call, f->out),
               (size_t)k * f->row_bytes);
    }
}

void rt_fields_make(const RtExperience *e, const double *o, const double *a, const double *o2,
                    int64_t n, char *const *out) {
    rt_fields_states(e, o, n, out[RT_FIELD_S]);
    rt_fields_actions(e, a, n, out[RT_FIELD_A]);
    rt_fields_states(e, o2, n, out[RT_FIELD_S2]);
    for (int i = RT_FIELD_RAW; i < e->n_fields; i++)
        make_field(e, &e->fields[i], n, out, out[i]);
}
