// ir/lang/leaves.c -- records leaf by leaf: operations on them, and making all leaves tensors.
#include "ir/base/errors.h"
#include "ir/lang/elab.h"

// ---- leaf by leaf -------------------------------------------------------------------------------

typedef struct Leafwise {
    LeafFn *f;
    void *data;
    const char *what;
    Loc loc;
} Leafwise;

static Value *walk_leaves(Cx *cx, Value **args, int n, const Leafwise *w) {
    Value *first = NULL;
    for (int i = 0; i < n; i++) {
        if (args[i]->kind == VALUE_POISON)
            return value_poison();
        if (args[i]->kind == VALUE_RECORD && !first)
            first = args[i];
    }
    if (!first)
        return w->f(cx, args, n, w->data);

    Value **below = arena_array(cx->e->a, Value *, n);
    Value *result = value_copy(cx->e->a, first);
    result->items = arena_array(cx->e->a, Value *, first->n);
    result->name = result->from = NULL;
    result->expr = NULL;
    for (int i = 0; i < n; i++) {
        if (args[i]->kind != VALUE_RECORD)
            continue;
        if (args[i]->layer && !result->layer)
            result->layer = args[i]->layer;
        if (args[i]->module && !result->module)
            result->module = args[i]->module;
        bool same = args[i]->n == first->n;
        for (int k = 0; k < first->n && same; k++)
            same = value_field(args[i], first->names[k]) != NULL;
        if (!same) {
            elab_error(cx, w->loc, E_record_mismatch,
                       "%s goes leaf by leaf, and these records differ", w->what);
            elab_note_value(cx, first);
            elab_note_value(cx, args[i]);
            return elab_poison(cx);
        }
    }
    for (int k = 0; k < first->n; k++) {
        if (++cx->e->work > ELAB_MAX_WORK)
            return value_poison();
        for (int i = 0; i < n; i++) {
            below[i] = args[i];
            if (args[i]->kind == VALUE_RECORD)
                below[i] = value_field(args[i], first->names[k]);
        }
        result->items[k] = walk_leaves(cx, below, n, w);
    }
    return result;
}

Value *elab_leafwise(Cx *cx, Value **args, int n, LeafFn *f, void *data, const char *what,
                     Loc loc) {
    return walk_leaves(cx, args, n, &(Leafwise){.f = f, .data = data, .what = what, .loc = loc});
}

// ---- all leaves tensors -------------------------------------------------------------------------

typedef struct ToTensor {
    const char *what;
    Loc loc;
} ToTensor;

static Value *leaf_to_tensor(Cx *cx, Value **args, int n, void *data) {
    (void)n;
    const ToTensor *t = data;
    Value *v = args[0];
    if (v->kind == VALUE_TENSOR || value_is_number(v) || v->kind == VALUE_BOOL ||
        v->kind == VALUE_DIM)
        return arith_tensor(cx, v, IR_DTYPE_COUNT, t->loc);
    elab_error(cx, t->loc, E_not_a_tensor, "%s is made of tensors, and this is %s", t->what,
               elab_describe(cx, v));
    return elab_poison(cx);
}

Value *elab_tensors(Cx *cx, Value *v, const char *what, Loc loc) {
    ToTensor t = {.what = what, .loc = loc};
    return elab_leafwise(cx, &v, 1, leaf_to_tensor, &t, what, loc);
}

Value *elab_tensors_like(Cx *cx, const Value *like, Value *v, const char *what, Loc loc) {
    bool number = value_is_number(v) || v->kind == VALUE_DIM;
    if (like->kind == VALUE_TENSOR && number &&
        !(v->kind == VALUE_REAL && like->type.dtype == IR_I32))
        return arith_tensor(cx, v, like->type.dtype, loc);
    if (like->kind != VALUE_RECORD || v->kind != VALUE_RECORD)
        return elab_tensors(cx, v, what, loc);
    Value *copy = value_copy(cx->e->a, v);
    copy->items = arena_array(cx->e->a, Value *, v->n);
    for (int i = 0; i < v->n; i++) {
        const Value *below = value_field(like, v->names[i]);
        copy->items[i] = below ? elab_tensors_like(cx, below, v->items[i], what, loc)
                               : elab_tensors(cx, v->items[i], what, loc);
    }
    return copy;
}

Value *value_reorder(Arena *a, const Value *like, Value *v) {
    if (like->kind != VALUE_RECORD || v->kind != VALUE_RECORD)
        return v;
    Value *copy = value_copy(a, v);
    copy->names = like->names;
    copy->items = arena_array(a, Value *, like->n);
    copy->layer = like->layer ? like->layer : v->layer;
    copy->module = like->module ? like->module : v->module;
    for (int i = 0; i < like->n; i++)
        copy->items[i] = value_reorder(a, like->items[i], value_field(v, like->names[i]));
    return copy;
}
