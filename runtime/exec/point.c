// runtime/exec/point.c -- a point at which a function is evaluated: sizes, and a value for each
// input.
#include "runtime/exec/point.h"

#include <stdio.h>
#include <string.h>

#include "ir/random.h"

enum { LEAST = 3, MOST = 5, WORDS = 4 };

// The array for an input, or NULL.
static const RtTensor *find(const RtPointData *data, const IrSlot *slot) {
    const char *role = ir_role_name(slot->role);
    size_t len = strlen(role);

    for (int i = 0; data && i < data->n; i++) {
        const char *name = data->names[i];
        if (strncmp(name, role, len) == 0 && name[len] == '.' &&
            strcmp(name + len + 1, slot->name) == 0)
            return data->tensors[i];
    }
    return NULL;
}

// Calls `take` for each axis of an array that is a bounded dim by itself.
static void each_fixed(const IrFunction *f, const RtPointData *data,
                       void (*take)(void *to, const IrDimVar *v, int64_t size), void *to) {
    for (int i = 0; i < f->body->n_params; i++) {
        const IrType *type = &f->body->params[i]->types[0];
        const RtTensor *t = find(data, &f->inputs[i]);
        for (int k = 0; t && t->rank == type->rank && k < type->rank; k++)
            if (ir_dim_is_var(type->dims[k]))
                take(to, ir_dim_is_var(type->dims[k]), t->shape[k]);
    }
}

static void take_size(void *to, const IrDimVar *v, int64_t size) {
    ((int64_t *)to)[v->index] = size;
}

static void take_more(void *to, const IrDimVar *v, int64_t size) {
    int64_t *most = (int64_t *)to + v->index;

    *most = size > *most ? size : *most;
}

void rt_point_cap(IrFunction *f, const RtPointData *data, int64_t most) {
    Arena a = {0};
    int64_t *least = arena_array(&a, int64_t, f->dims->n_vars + 1);

    each_fixed(f, data, take_more, least);
    for (int i = 0; i < f->dims->n_vars; i++) {
        IrDimVar *v = f->dims->vars[i];
        int64_t max = least[i] > most ? least[i] : most;
        if (v->max > max)
            v->max = max;
        if (v->likely > v->max)
            v->likely = v->max;
    }
    arena_free(&a);
}

static void put_shape(Buf *b, const RtTensor *t) {
    buf_puts(b, "[");
    for (int k = 0; k < t->rank; k++)
        buf_printf(b, "%s%lld", k ? "," : "", (long long)t->shape[k]);
    buf_puts(b, "]");
}

static bool fits(const IrType *type, const RtTensor *t, const int64_t *dims) {
    bool same = type->rank == t->rank;

    for (int k = 0; same && k < type->rank; k++)
        same = ir_dim_eval(type->dims[k], dims) == t->shape[k];
    return same;
}

static bool check_shapes(const IrFunction *f, const RtPointData *data, const int64_t *dims,
                         char *why, size_t why_size) {
    for (int i = 0; i < f->body->n_params; i++) {
        const IrType *type = &f->body->params[i]->types[0];
        const RtTensor *t = find(data, &f->inputs[i]);
        if (!t || fits(type, t, dims))
            continue;
        Buf text = {0};
        put_shape(&text, t);
        buf_puts(&text, " in the data, but the function takes ");
        ir_type_print(&text, type);
        snprintf(why, why_size, "'%s.%s' is %s", ir_role_name(f->inputs[i].role), f->inputs[i].name,
                 buf_text(&text));
        buf_free(&text);
        return false;
    }
    return true;
}

int64_t *rt_point_dims(Arena *a, const IrFunction *f, const RtPointData *data, uint64_t seed,
                       char *why, size_t why_size) {
    int64_t *dims = arena_array(a, int64_t, f->dims->n_vars + 1);

    for (int i = 0; i < f->dims->n_vars; i++) {
        const IrDimVar *v = f->dims->vars[i];
        uint64_t bits = ir_random_mix(seed ^ map_hash_str(v->name));
        dims[i] = LEAST + (int64_t)(bits % (MOST - LEAST + 1));
        dims[i] = dims[i] > v->max ? v->max : dims[i];
    }
    each_fixed(f, data, take_size, dims);
    for (int i = 0; i < f->dims->n_vars; i++) {
        const IrDimVar *v = f->dims->vars[i];
        if (dims[i] > v->max) {
            snprintf(why, why_size, "the data have %lld for %s, which is at most %lld",
                     (long long)dims[i], v->name, (long long)v->max);
            return NULL;
        }
    }
    return check_shapes(f, data, dims, why, why_size) ? dims : NULL;
}

// ---- values -------------------------------------------------------------------------------------

static double random_value(IrDtype dtype, RtPointKind kind, uint64_t key, int64_t i) {
    uint32_t w[WORDS];

    ir_philox(key, (uint64_t)i, 0, w);
    if (dtype == IR_BOOL)
        return w[0] & 1;
    if (dtype == IR_I32)
        return w[0] & 3;
    if (kind == RT_POINT_POSITIVE)
        return 0.1 + ir_uniform_f64(w);
    return ir_normal_f64(w) * (kind == RT_POINT_SMALL ? 0.1 : 1);
}

static double value_at(const RtPoint *p, int input, const RtTensor *t, RtPointKind kind,
                       uint64_t key, int64_t i) {
    const IrSlot *slot = &p->fn->inputs[input];

    if (t)
        return rt_tensor_element(t, i);
    if (slot->role == IR_ROLE_SETTING)
        return slot->value;
    if (slot->role == IR_ROLE_STATE) // moments and counts are not negative
        kind = RT_POINT_POSITIVE;
    return random_value(p->fn->body->params[input]->types[0].dtype, kind, key, i);
}

bool rt_point_new(RtPoint *p, Arena *a, const IrFunction *f, const int64_t *dims,
                  const RtPointData *data, const RtState *state, RtPointKind kind, uint64_t seed,
                  bool narrow, char *why, size_t why_size) {
    *p = (RtPoint){.fn = f, .n = f->body->n_params};
    p->dims = arena_array(a, int64_t, f->dims->n_vars + 1);
    memcpy(p->dims, dims, (size_t)f->dims->n_vars * sizeof *dims);
    p->counts = arena_array(a, int64_t, p->n + 1);
    p->values = arena_array(a, double *, p->n + 1);
    if (!check_shapes(f, data, dims, why, why_size))
        return false;
    for (int i = 0; i < p->n; i++) {
        const IrSlot *slot = &f->inputs[i];
        const IrType *type = &f->body->params[i]->types[0];
        const RtTensor *t = find(data, slot);
        uint64_t key = ir_random_key(seed, map_hash_str(slot->name));

        p->counts[i] = 1;
        for (int k = 0; k < type->rank; k++)
            p->counts[i] *= ir_dim_eval(type->dims[k], dims);
        if (!t && slot->role == IR_ROLE_PARAM && state)
            t = rt_state_find(state, slot->name);
        if (t && rt_tensor_elements(t) != p->counts[i])
            diag_bug("the state's '%s' is not what the function takes", slot->name);
        p->values[i] = arena_array(a, double, p->counts[i] + 1);
        for (int64_t k = 0; k < p->counts[i]; k++) {
            double x = value_at(p, i, t, kind, key, k);
            p->values[i][k] = narrow && ir_dtype_is_real(type->dtype) ? (double)(float)x : x;
        }
    }
    return true;
}

void rt_point_put(const RtPoint *p, RtCall *call) {
    for (int i = 0; i < p->fn->dims->n_vars; i++)
        rt_call_set_dim(call, p->fn->dims->vars[i]->name, p->dims[i]);
    for (int i = 0; i < p->n; i++)
        rt_call_put(call, i, p->values[i], p->counts[i]);
}
