// ir/lang/shapes.c -- built-in functions that move elements or make tensors of a shape.
#include "ir/base/errors.h"
#include "ir/lang/builtins.h"

// ---- joining ------------------------------------------------------------------------------------

// Tensors of one element type: real where one is.
static bool same_element(Cx *cx, const BuiltinCall *c, Value **in, Value **out, IrNode **nodes) {
    bool any_real = false;
    for (int i = 0; i < c->n; i++) {
        any_real = any_real || in[i]->kind == VALUE_REAL ||
                   (in[i]->kind == VALUE_TENSOR && ir_dtype_is_real(in[i]->type.dtype));
    }
    IrDtype like = any_real ? cx->e->w->real : IR_DTYPE_COUNT;
    for (int i = 0; i < c->n; i++) {
        out[i] = arith_tensor(cx, in[i], like, c->locs[i]);
        if (out[i]->kind == VALUE_POISON)
            return false;
        if ((out[i]->type.dtype == IR_BOOL) != (out[0]->type.dtype == IR_BOOL)) {
            elab_error(cx, c->loc, E_dtype_mismatch, "'%s' joins tensors of one element type",
                       c->row->name);
            elab_note_value(cx, out[0]);
            elab_note_value(cx, out[i]);
            elab_poison(cx);
            return false;
        }
        IrBuilder b = frame_builder(cx, c->loc);
        nodes[i] = frame_use(cx, out[i]);
        if (any_real && !ir_dtype_is_real(out[i]->type.dtype))
            nodes[i] = ir_cast(&b, nodes[i], like);
    }
    return true;
}

static Value *shapes_differ(Cx *cx, const BuiltinCall *c, const Value *x, const Value *y, int code,
                            const char *why) {
    elab_error(cx, c->loc, code, "'%s' joins tensors %s", c->row->name, why);
    elab_note_value(cx, x);
    if (y != x)
        elab_note_value(cx, y);
    return elab_poison(cx);
}

static Value *concat_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    Value **x = arena_array(cx->e->a, Value *, c->n);
    IrNode **nodes = arena_array(cx->e->a, IrNode *, c->n);
    if (!same_element(cx, c, in, x, nodes))
        return value_poison();
    int rank = x[0]->type.rank, axis = rank - 1;
    for (int i = 0; i < c->n; i++) {
        if (x[i]->type.rank != rank || !rank)
            return shapes_differ(cx, c, x[0], x[i], E_rank,
                                 rank ? "with equally many axes" : "with at least one axis");
    }
    if (c->options[0] && !builtin_axis(cx, c->options[0], rank, c->option_locs[0], &axis))
        return value_poison();
    for (int i = 1; i < c->n; i++) {
        for (int k = 0; k < rank; k++) {
            if (k != axis && x[i]->type.dims[k] != x[0]->type.dims[k])
                return shapes_differ(
                    cx, c, x[0], x[i], E_shape_mismatch,
                    arena_printf(cx->e->a,
                                 "that differ along axis %d alone, and axis %d is %s against %s",
                                 axis, k, elab_dim_text(cx, x[0]->type.dims[k]),
                                 elab_dim_text(cx, x[i]->type.dims[k])));
        }
    }
    IrBuilder b = frame_builder(cx, c->loc);
    return frame_value(cx, ir_concat(&b, c->n, nodes, axis), NULL, c->loc);
}

Value *builtin_concat(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, concat_leaf);
}

static Value *stack_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    Value **x = arena_array(cx->e->a, Value *, c->n);
    IrNode **nodes = arena_array(cx->e->a, IrNode *, c->n);
    if (!same_element(cx, c, in, x, nodes))
        return value_poison();
    for (int i = 1; i < c->n; i++) {
        if (!ir_dims_equal(&x[0]->type, &x[i]->type))
            return shapes_differ(cx, c, x[0], x[i], E_shape_mismatch, "of equal shape");
    }
    IrType t = x[0]->type;
    int axis = 0;
    if (t.rank == IR_MAX_RANK)
        return shapes_differ(cx, c, x[0], x[0], E_rank, "with fewer than 8 axes");
    if (c->options[0] && !builtin_axis(cx, c->options[0], t.rank + 1, c->option_locs[0], &axis))
        return value_poison();
    for (int i = t.rank; i > axis; i--)
        t.dims[i] = t.dims[i - 1];
    t.dims[axis] = ir_dim_const(cx->e->module->dims, 1);
    t.rank++;
    IrBuilder b = frame_builder(cx, c->loc);
    for (int i = 0; i < c->n; i++)
        nodes[i] = ir_reshape(&b, nodes[i], t.rank, t.dims);
    return frame_value(cx, ir_concat(&b, c->n, nodes, axis), NULL, c->loc);
}

Value *builtin_stack(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, stack_leaf);
}

// ---- moving -------------------------------------------------------------------------------------

Value *builtin_reshape(Cx *cx, const BuiltinCall *c) {
    Value *x = builtin_tensor(cx, c->in[0], c->locs[0], true);
    int rank;
    IrDim *dims[IR_MAX_RANK];
    if (x->kind == VALUE_POISON || !builtin_shape(cx, c->in[1], c->locs[1], &rank, dims))
        return value_poison();
    IrDims *ds = cx->e->module->dims;
    IrType t = ir_type(x->type.dtype, rank, dims);
    IrDim *from = ir_type_count(ds, &x->type), *to = ir_type_count(ds, &t);
    if (from != to) {
        elab_error(cx, c->loc, E_shape_mismatch,
                   "'reshape' keeps the number of elements: %s against %s", elab_dim_text(cx, from),
                   elab_dim_text(cx, to));
        elab_note_value(cx, x);
        return elab_poison(cx);
    }
    IrBuilder b = frame_builder(cx, c->loc);
    return frame_value(cx, ir_reshape(&b, frame_use(cx, x), rank, dims), NULL, c->loc);
}

Value *builtin_transpose(Cx *cx, const BuiltinCall *c) {
    Value *x = builtin_tensor(cx, c->in[0], c->locs[0], true);
    int n, axes[IR_MAX_RANK];
    if (x->kind == VALUE_POISON || !builtin_axes(cx, c->in[1], x->type.rank, c->locs[1], &n, axes))
        return value_poison();
    if (n != x->type.rank) {
        elab_error(cx, c->loc, E_axis, "'transpose' names each of the %d axes once", x->type.rank);
        elab_note_value(cx, x);
        return elab_poison(cx);
    }
    IrBuilder b = frame_builder(cx, c->loc);
    return frame_value(cx, ir_transpose(&b, frame_use(cx, x), axes), NULL, c->loc);
}

static Value *broadcast_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    Value *x = builtin_tensor(cx, in[0], c->locs[0], true);
    int rank;
    IrDim *dims[IR_MAX_RANK];
    if (x->kind == VALUE_POISON || !builtin_shape(cx, in[1], c->locs[1], &rank, dims))
        return value_poison();
    IrType t = ir_type(x->type.dtype, rank, dims);
    bool fits = x->type.rank <= rank;
    for (int i = 0; fits && i < x->type.rank; i++) {
        int64_t size;
        IrDim *own = x->type.dims[i];
        fits = own == dims[rank - x->type.rank + i] || (ir_dim_is_const(own, &size) && size == 1);
    }
    if (!fits) {
        elab_error(cx, c->loc, E_shape_mismatch, "%s does not repeat to %s",
                   elab_type_text(cx, &x->type), elab_type_text(cx, &t));
        elab_note_value(cx, x);
        return elab_poison(cx);
    }
    return frame_value(cx, arith_node(cx, x, &t, c->loc), NULL, c->loc);
}

Value *builtin_broadcast(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, broadcast_leaf);
}

static Value *gather_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    Value *x = arith_tensor(cx, in[0], IR_DTYPE_COUNT, c->locs[0]);
    Value *i = arith_tensor(cx, in[1], IR_DTYPE_COUNT, c->locs[1]);
    if (x->kind == VALUE_POISON || i->kind == VALUE_POISON)
        return value_poison();
    if (i->type.dtype != IR_I32 || !x->type.rank) {
        const Value *wrong = x->type.rank ? i : x;
        elab_error(cx, c->loc, x->type.rank ? E_dtype_mismatch : E_rank,
                   x->type.rank ? "'gather' takes rows at i32 indices, and these are %s"
                                : "'gather' takes rows of axis 0, and this is %s",
                   elab_describe(cx, wrong));
        elab_note_value(cx, wrong);
        return elab_poison(cx);
    }
    if (i->type.rank + x->type.rank - 1 > IR_MAX_RANK)
        return shapes_differ(cx, c, x, i, E_rank, "of too many axes");
    IrBuilder b = frame_builder(cx, c->loc);
    return frame_value(cx, ir_gather(&b, frame_use(cx, x), frame_use(cx, i)), NULL, c->loc);
}

Value *builtin_gather(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, gather_leaf);
}

// ---- sizes and fillings -------------------------------------------------------------------------

Value *builtin_shape_list(Cx *cx, const BuiltinCall *c) {
    Value *x = arith_tensor(cx, c->in[0], IR_DTYPE_COUNT, c->locs[0]);
    if (x->kind == VALUE_POISON)
        return x;
    Value **items = arena_array(cx->e->a, Value *, x->type.rank);
    for (int i = 0; i < x->type.rank; i++)
        items[i] = value_dim(cx->e->a, x->type.dims[i]);
    return value_list(cx->e->a, x->type.rank, items);
}

Value *builtin_size(Cx *cx, const BuiltinCall *c) {
    Value *x = arith_tensor(cx, c->in[0], IR_DTYPE_COUNT, c->locs[0]);
    int n, axes[IR_MAX_RANK];
    const Value *axis = c->n > 1 ? c->in[1] : c->options[0];
    if (x->kind == VALUE_POISON || !builtin_axes(cx, axis, x->type.rank, c->loc, &n, axes))
        return value_poison();
    IrDims *ds = cx->e->module->dims;
    IrDim *size = ir_dim_const(ds, 1);
    for (int i = 0; i < n; i++)
        size = ir_dim_mul(ds, size, x->type.dims[axes[i]]);
    return value_dim(cx->e->a, size);
}

Value *builtin_arange(Cx *cx, const BuiltinCall *c) {
    IrDim *n = elab_size(cx, c->in[0], c->locs[0], "the length");
    if (!n)
        return value_poison();
    IrBuilder b = frame_builder(cx, c->loc);
    return frame_value(cx, ir_iota(&b, ir_type(IR_I32, 1, &n), 0), NULL, c->loc);
}

Value *builtin_eye(Cx *cx, const BuiltinCall *c) {
    IrDim *n = elab_size(cx, c->in[0], c->locs[0], "the number of rows");
    if (!n)
        return value_poison();
    IrBuilder b = frame_builder(cx, c->loc);
    IrType t = ir_type(IR_I32, 2, (IrDim *[]){n, n});
    IrNode *hit = ir_equal(&b, ir_iota(&b, t, 0), ir_iota(&b, t, 1));
    return frame_value(cx, ir_cast(&b, hit, cx->e->w->real), NULL, c->loc);
}

static Value *filled(Cx *cx, const BuiltinCall *c, double x) {
    int rank;
    IrDim *dims[IR_MAX_RANK];
    if (!builtin_shape(cx, c->in[0], c->locs[0], &rank, dims))
        return value_poison();
    IrBuilder b = frame_builder(cx, c->loc);
    return frame_value(cx, ir_const(&b, ir_type(cx->e->w->real, rank, dims), x), NULL, c->loc);
}

Value *builtin_zeros(Cx *cx, const BuiltinCall *c) {
    return filled(cx, c, 0);
}

Value *builtin_ones(Cx *cx, const BuiltinCall *c) {
    return filled(cx, c, 1);
}

Value *builtin_full(Cx *cx, const BuiltinCall *c) {
    int rank;
    IrDim *dims[IR_MAX_RANK];
    Value *v = arith_tensor(cx, c->in[1], cx->e->w->real, c->locs[1]);
    if (v->kind == VALUE_POISON || !builtin_shape(cx, c->in[0], c->locs[0], &rank, dims))
        return value_poison();
    if (v->type.rank) {
        elab_error(cx, c->locs[1], E_rank, "'full' repeats a scalar, and this is %s",
                   elab_describe(cx, v));
        elab_note(cx, c->locs[1], "broadcast(x, shape) repeats a tensor");
        return elab_poison(cx);
    }
    IrType t = ir_type(v->type.dtype, rank, dims);
    return frame_value(cx, arith_node(cx, v, &t, c->loc), NULL, c->loc);
}

static Value *like_leaf(Cx *cx, const BuiltinCall *c, Value **in, double x) {
    Value *v = arith_tensor(cx, in[0], IR_DTYPE_COUNT, c->locs[0]);
    if (v->kind == VALUE_POISON)
        return v;
    IrBuilder b = frame_builder(cx, c->loc);
    return frame_value(cx, ir_const(&b, v->type, x), NULL, c->loc);
}

static Value *zeros_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    return like_leaf(cx, c, in, 0);
}

static Value *ones_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    return like_leaf(cx, c, in, 1);
}

Value *builtin_zeros_like(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, zeros_leaf);
}

Value *builtin_ones_like(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, ones_leaf);
}
