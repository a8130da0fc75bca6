// ir/lang/order.c -- built-in functions by order and by index: argmax, top_k, sort, take_along,
// scatter_add, one_hot.
#include "ir/base/errors.h"
#include "ir/lang/builtins.h"

// ---- order --------------------------------------------------------------------------------------

// Numbers with a last axis. Poison, reported.
static Value *ordered(Cx *cx, const BuiltinCall *c, Value *v) {
    Value *x = builtin_tensor(cx, v, c->locs[0], false);
    if (x->kind == VALUE_POISON || x->type.rank)
        return x;
    elab_error(cx, c->loc, E_rank, "'%s' goes along the last axis, and this is %s", c->row->name,
               elab_describe(cx, x));
    elab_note_value(cx, x);
    return elab_poison(cx);
}

static Value *argmax_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    Value *x = ordered(cx, c, in[0]);
    if (x->kind == VALUE_POISON)
        return x;
    IrBuilder b = frame_builder(cx, c->loc);
    return frame_value(cx, ir_argmax(&b, frame_use(cx, x)), NULL, c->loc);
}

Value *builtin_argmax(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, argmax_leaf);
}

// The largest of -x, or for whole numbers of -1 - x, which always fits.
static Value *argmin_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    Value *x = ordered(cx, c, in[0]);
    if (x->kind == VALUE_POISON)
        return x;
    IrBuilder b = frame_builder(cx, c->loc);
    IrNode *n = frame_use(cx, x);
    n = ir_dtype_is_real(x->type.dtype) ? ir_neg(&b, n) : ir_sub(&b, ir_const_like(&b, n, -1), n);
    return frame_value(cx, ir_argmax(&b, n), NULL, c->loc);
}

Value *builtin_argmin(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, argmin_leaf);
}

// Elements of `x` along its last axis at indices `i`, [leading axes of x, ...].
static IrNode *take_along(Cx *cx, IrNode *x, IrNode *i, Loc loc) {
    IrBuilder b = frame_builder(cx, loc);
    IrDims *ds = cx->e->module->dims;
    const IrType *t = &x->types[0], *to = &i->types[0];
    IrDim *size = t->dims[t->rank - 1], *rows = ir_dim_const(ds, 1), *each = ir_dim_const(ds, 1);
    for (int k = 0; k < to->rank; k++)
        *(k < t->rank - 1 ? &rows : &each) =
            ir_dim_mul(ds, k < t->rank - 1 ? rows : each, to->dims[k]);

    // all rows as one, in which row k begins at k * size
    IrType at = ir_type(IR_I32, 2, (IrDim *[]){rows, each});
    IrDim *last = ir_dim_sub(ds, size, ir_dim_const(ds, 1)), *all = ir_dim_mul(ds, rows, size);
    IrNode *most = ir_broadcast(&b, ir_extent(&b, IR_I32, last), 2, at.dims, NULL);
    IrNode *first = ir_mul(&b, ir_iota(&b, at, 0),
                           ir_broadcast(&b, ir_extent(&b, IR_I32, size), 2, at.dims, NULL));
    IrNode *index = ir_reshape(&b, i, 2, at.dims);
    index = ir_max(&b, ir_min(&b, index, most), ir_const(&b, at, 0));
    IrNode *y = ir_gather(&b, ir_reshape(&b, x, 1, &all), ir_add(&b, index, first));
    return ir_reshape(&b, y, to->rank, to->dims);
}

// The `count` first in order along the last axis of `in`, with their values.
static Value *first_in_order(Cx *cx, const BuiltinCall *c, Value *in, IrDim *count, bool smallest,
                             IrNode **value) {
    Value *x = ordered(cx, c, in);
    if (x->kind == VALUE_POISON)
        return x;
    IrDim *size = x->type.dims[x->type.rank - 1];
    if (!count)
        count = size;
    if (ir_dim_max(ir_dim_sub(cx->e->module->dims, size, count)) < 0) {
        elab_error(cx, c->locs[1], E_axis, "'%s' of %s along an axis of size %s", c->row->name,
                   elab_dim_text(cx, count), elab_dim_text(cx, size));
        elab_note_value(cx, x);
        return elab_poison(cx);
    }
    IrBuilder b = frame_builder(cx, c->loc);
    IrNode *n = frame_use(cx, x), *i = ir_top_k(&b, n, count, smallest);
    if (value)
        *value = take_along(cx, n, i, c->loc);
    return frame_value(cx, i, NULL, c->loc);
}

Value *builtin_top_k(Cx *cx, const BuiltinCall *c) {
    IrDim *count = elab_size(cx, c->in[1], c->locs[1], "the number of elements");
    if (!count)
        return value_poison();
    IrNode *value = NULL;
    Value *index = first_in_order(cx, c, c->in[0], count, false, &value);
    if (index->kind == VALUE_POISON)
        return index;
    const char **names = arena_array(cx->e->a, const char *, 2);
    Value **items = arena_array(cx->e->a, Value *, 2);
    names[0] = "value";
    names[1] = "index";
    items[0] = frame_value(cx, value, NULL, c->loc);
    items[1] = index;
    return value_record(cx->e->a, 2, names, items);
}

static Value *argsort_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    return first_in_order(cx, c, in[0], NULL, true, NULL);
}

Value *builtin_argsort(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, argsort_leaf);
}

static Value *sort_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    IrNode *value = NULL;
    Value *index = first_in_order(cx, c, in[0], NULL, true, &value);
    return index->kind == VALUE_POISON ? index : frame_value(cx, value, NULL, c->loc);
}

Value *builtin_sort(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, sort_leaf);
}

// ---- indices ------------------------------------------------------------------------------------

// i32 indices. Poison, reported.
static Value *indices(Cx *cx, const BuiltinCall *c, Value *v, int argument) {
    Value *i = arith_tensor(cx, v, IR_DTYPE_COUNT, c->locs[argument]);
    if (i->kind == VALUE_POISON || i->type.dtype == IR_I32)
        return i;
    elab_error(cx, c->locs[argument], E_dtype_mismatch, "'%s' takes i32 indices, and this is %s",
               c->row->name, elab_describe(cx, i));
    elab_note_value(cx, i);
    return elab_poison(cx);
}

static Value *shapes_do_not_fit(Cx *cx, const BuiltinCall *c, const char *rule, const Value *x,
                                const Value *y) {
    elab_error(cx, c->loc, E_shape_mismatch, "'%s' takes %s", c->row->name, rule);
    elab_note_value(cx, x);
    elab_note_value(cx, y);
    return elab_poison(cx);
}

static Value *take_along_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    Value *x = arith_tensor(cx, in[0], IR_DTYPE_COUNT, c->locs[0]), *i = indices(cx, c, in[1], 1);
    if (x->kind == VALUE_POISON || i->kind == VALUE_POISON)
        return value_poison();
    bool fits = x->type.rank && i->type.rank >= x->type.rank - 1;
    for (int k = 0; fits && k < x->type.rank - 1; k++)
        fits = x->type.dims[k] == i->type.dims[k];
    if (!fits)
        return shapes_do_not_fit(
            cx, c, "indices whose first axes are all axes of the tensor but the last", x, i);
    return frame_value(cx, take_along(cx, frame_use(cx, x), frame_use(cx, i), c->loc), NULL,
                       c->loc);
}

Value *builtin_take_along(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, take_along_leaf);
}

Value *builtin_scatter_add(Cx *cx, const BuiltinCall *c) {
    Value *i = indices(cx, c, c->in[0], 0), *x = builtin_tensor(cx, c->in[1], c->locs[1], false);
    IrDim *rows = elab_size(cx, c->in[2], c->locs[2], "the number of rows");
    if (i->kind == VALUE_POISON || x->kind == VALUE_POISON || !rows)
        return value_poison();
    bool fits = i->type.rank <= x->type.rank;
    for (int k = 0; fits && k < i->type.rank; k++)
        fits = x->type.dims[k] == i->type.dims[k];
    if (!fits)
        return shapes_do_not_fit(cx, c, "a row for each index", i, x);
    if (x->type.rank - i->type.rank == IR_MAX_RANK)
        return shapes_do_not_fit(cx, c, "rows of at most 7 axes", i, x);
    IrBuilder b = frame_builder(cx, c->loc);
    return frame_value(cx, ir_scatter_add(&b, frame_use(cx, i), frame_use(cx, x), rows), NULL,
                       c->loc);
}

Value *builtin_one_hot(Cx *cx, const BuiltinCall *c) {
    Value *i = indices(cx, c, c->in[0], 0);
    IrDim *size = elab_size(cx, c->in[1], c->locs[1], "the number of classes");
    if (i->kind == VALUE_POISON || !size)
        return value_poison();
    int rank = i->type.rank;
    if (rank == IR_MAX_RANK) {
        elab_error(cx, c->loc, E_rank, "'one_hot' would give more than %d axes", IR_MAX_RANK);
        elab_note_value(cx, i);
        return elab_poison(cx);
    }
    IrType t = i->type;
    t.dims[t.rank++] = size;
    int axes[IR_MAX_RANK];
    for (int k = 0; k < rank; k++)
        axes[k] = k;
    IrBuilder b = frame_builder(cx, c->loc);
    IrNode *own = ir_broadcast(&b, frame_use(cx, i), t.rank, t.dims, axes);
    IrNode *hit = ir_equal(&b, own, ir_iota(&b, t, rank));
    return frame_value(cx, ir_cast(&b, hit, cx->e->w->real), NULL, c->loc);
}
