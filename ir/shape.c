// ir/shape.c -- one rule for each name in the `shape` column of ops.def.
//
// A rule reads operands and attributes, and either gives the result type or, for ops whose type is
// given, checks it. Sizes are compared as polynomials. Where one must not exceed another and the
// difference is no number, the rule is only broken if it is broken for every value of the dims.
#include "ir/shape.h"

#include <inttypes.h>

#include "ir/shape_rules.h"

// ---- saying what is wrong -----------------------------------------------------------------------

// Ends the line in `why` with the rule's name.
bool ir_shape_breaks(Buf *why, const char *rule) {
    buf_printf(why, "   %s", rule);
    return false;
}

void ir_shape_say(Buf *why, const char *what, const IrType *t) {
    buf_printf(why, "%s is ", what);
    ir_type_print(why, t);
}

// "input 1 is f32[3,2], input 0 is f32[3]"
static bool breaks_in(Buf *why, const IrNode *n, int k, const char *rule) {
    buf_printf(why, "input %d", k);
    ir_shape_say(why, "", ir_type_in(n, k));
    return ir_shape_breaks(why, rule);
}

static bool breaks_pair(Buf *why, const IrNode *n, int j, int k, const char *rule) {
    buf_printf(why, "input %d", j);
    ir_shape_say(why, "", ir_type_in(n, j));
    buf_printf(why, ", input %d", k);
    ir_shape_say(why, "", ir_type_in(n, k));
    return ir_shape_breaks(why, rule);
}

// "result is f32[3], input 0 is f32[2]"
static bool breaks_result(Buf *why, const IrNode *n, const char *rule) {
    ir_shape_say(why, "result", &n->types[0]);
    for (int k = 0; k < n->n_in; k++) {
        buf_printf(why, ", input %d", k);
        ir_shape_say(why, "", ir_type_in(n, k));
    }
    return ir_shape_breaks(why, rule);
}

// ---- pieces of rules ----------------------------------------------------------------------------

static bool type_is_sound(Buf *why, const IrType *t, const char *what) {
    if ((unsigned)t->dtype >= IR_DTYPE_COUNT || t->rank < 0 || t->rank > IR_MAX_RANK) {
        buf_printf(why, "%s has dtype %d and rank %d", what, (int)t->dtype, t->rank);
        return ir_shape_breaks(why, "type: a dtype and at most 8 axes");
    }
    for (int i = 0; i < t->rank; i++) {
        int64_t size = 0;
        if (!t->dims[i] || (ir_dim_is_const(t->dims[i], &size) && size < 0)) {
            buf_printf(why, "%s has axis %d of size %" PRId64, what, i, size);
            return ir_shape_breaks(why, "type: sizes are not negative");
        }
    }
    return true;
}

// The result's type as written; NULL when it is missing or unsound.
static IrType *given(IrNode *n, Buf *why) {
    if (n->n_types != 1 || !n->types) {
        buf_puts(why, "no result type");
        ir_shape_breaks(why, "type: this operation's type is given");
        return NULL;
    }
    return type_is_sound(why, &n->types[0], "result") ? &n->types[0] : NULL;
}

static bool give(IrFunction *f, IrNode *n, IrType t) {
    if (n->n_types != 1 || !n->types)
        n->types = arena_new(f->arena, IrType);
    n->n_types = 1;
    n->types[0] = t;
    return true;
}

// `count` axes that are in range and distinct, and increasing if asked.
static bool axes_are_sound(Buf *why, const int *axes, int count, int rank, bool increasing,
                           const char *rule) {
    bool seen[IR_MAX_RANK] = {false};
    if (count < 0 || count > IR_MAX_RANK) {
        buf_printf(why, "%d axes", count);
        return ir_shape_breaks(why, rule);
    }
    for (int i = 0; i < count; i++) {
        if (axes[i] < 0 || axes[i] >= rank) {
            buf_printf(why, "axis %d of %d axes", axes[i], rank);
            return ir_shape_breaks(why, rule);
        }
        if (seen[axes[i]] || (increasing && i && axes[i] < axes[i - 1])) {
            buf_printf(why, "axis %d %s", axes[i], seen[axes[i]] ? "twice" : "out of order");
            return ir_shape_breaks(why, rule);
        }
        seen[axes[i]] = true;
    }
    return true;
}

// True unless start + size > whole, or start < 0, for every value of the dims.
static bool may_lie_within(IrDims *ds, IrDim *start, IrDim *size, IrDim *whole) {
    IrDim *left = ir_dim_sub(ds, ir_dim_sub(ds, whole, start), size);
    return ir_dim_max(left) >= 0 && ir_dim_max(start) >= 0;
}

// `starts` of slice and pad: the part has the axes of the whole and may lie within it.
static bool part_lies_within(IrFunction *f, IrNode *n, const IrType *part, const IrType *whole,
                             Buf *why, const char *rule) {
    if (part->rank != whole->rank || part->dtype != whole->dtype)
        return breaks_result(why, n, rule);
    for (int i = 0; i < part->rank; i++) {
        if (!n->attrs.starts[i]) {
            buf_printf(why, "no start for axis %d", i);
            return ir_shape_breaks(why, rule);
        }
        if (!may_lie_within(f->dims, n->attrs.starts[i], part->dims[i], whole->dims[i])) {
            buf_printf(why, "axis %d: from ", i);
            ir_dim_print(why, n->attrs.starts[i]);
            buf_puts(why, ", ");
            ir_dim_print(why, part->dims[i]);
            buf_puts(why, " of ");
            ir_dim_print(why, whole->dims[i]);
            return ir_shape_breaks(why, rule);
        }
    }
    return true;
}

static bool is_i32_scalar(const IrType *t) {
    return t->dtype == IR_I32 && t->rank == 0;
}

// ---- elementwise --------------------------------------------------------------------------------

bool ir_shape_elementwise(IrFunction *f, IrNode *n, Buf *why) {
    IrType t = *ir_type_in(n, 0);
    IrMapResult result = ir_op_info[n->op].result;
    for (int k = 1; k < n->n_in; k++) {
        if (!ir_type_equal(&t, ir_type_in(n, k)))
            return breaks_pair(why, n, 0, k, "map: inputs of equal type");
    }
    if (result == IR_RESULT_LOGIC ? t.dtype != IR_BOOL : t.dtype == IR_BOOL)
        return breaks_in(why, n, 0, t.dtype == IR_BOOL ? "map: numbers" : "map: truth values");
    if (result == IR_RESULT_REAL && !ir_dtype_is_real(t.dtype))
        return breaks_in(why, n, 0, "map: reals");
    if (result == IR_RESULT_INT && t.dtype != IR_I32)
        return breaks_in(why, n, 0, "map: whole numbers");
    if (result == IR_RESULT_BOOL)
        t.dtype = IR_BOOL;
    return give(f, n, t);
}

// ---- leaves -------------------------------------------------------------------------------------

static bool check_draw(IrNode *n, Buf *why) {
    const IrAttrs *a = &n->attrs;
    const IrType *t = &n->types[0];
    if (!a->name)
        return buf_puts(why, "no site"), ir_shape_breaks(why, "draw: a site");
    if (!ir_dtype_is_real(t->dtype))
        return breaks_result(why, n, "draw: a real");
    if (a->n_key_axes < 0 || a->n_key_axes > t->rank || a->n_loops < a->n_key_axes ||
        n->n_in != a->n_loops - a->n_key_axes) {
        buf_printf(why, "%d loops, %d key axes, %d indices, %d axes", a->n_loops, a->n_key_axes,
                   n->n_in, t->rank);
        return ir_shape_breaks(why, "draw: a loop is a leading axis or an index");
    }
    for (int k = 0; k < a->n_loops; k++) {
        if (!a->loops || !a->loops[k])
            return buf_puts(why, "a loop without a name"),
                   ir_shape_breaks(why, "draw: loops are named");
    }
    for (int k = 0; k < n->n_in; k++) {
        if (!is_i32_scalar(ir_type_in(n, k)))
            return breaks_in(why, n, k, "draw: an index is an i32 scalar");
    }
    for (int i = a->n_key_axes + 1; i < t->rank; i++) {
        if (!ir_dim_is_const(t->dims[i], NULL))
            return breaks_result(why, n, "draw: only the first axis may be bounded");
    }
    return true;
}

// Leaves have the type that is given.
bool ir_shape_none(IrFunction *f, IrNode *n, Buf *why) {
    (void)f;
    IrType *t = given(n, why);
    if (!t)
        return false;
    if (n->op == IR_OP_iota) {
        if (n->attrs.axis < 0 || n->attrs.axis >= t->rank) {
            buf_printf(why, "axis %d of %d axes", n->attrs.axis, t->rank);
            return ir_shape_breaks(why, "iota: axis in range");
        }
        if (t->dtype == IR_BOOL)
            return breaks_result(why, n, "iota: numbers");
    }
    if (n->op == IR_OP_extent) {
        if (!n->attrs.dim)
            return buf_puts(why, "no dim"), ir_shape_breaks(why, "extent: of a dim");
        if (t->rank != 0 || t->dtype == IR_BOOL)
            return breaks_result(why, n, "extent: a number");
    }
    if (n->op == IR_OP_draw_normal || n->op == IR_OP_draw_uniform)
        return check_draw(n, why);
    return true;
}

// ---- moves --------------------------------------------------------------------------------------

bool ir_shape_same(IrFunction *f, IrNode *n, Buf *why) {
    (void)why;
    return give(f, n, *ir_type_in(n, 0));
}

bool ir_shape_cast(IrFunction *f, IrNode *n, Buf *why) {
    (void)f;
    IrType *t = given(n, why);
    if (t && !ir_dims_equal(t, ir_type_in(n, 0)))
        return breaks_result(why, n, "cast: the shape stays");
    return t != NULL;
}

bool ir_shape_select(IrFunction *f, IrNode *n, Buf *why) {
    if (ir_type_in(n, 0)->dtype != IR_BOOL)
        return breaks_in(why, n, 0, "select: input 0 is bool");
    if (!ir_dims_equal(ir_type_in(n, 0), ir_type_in(n, 1)))
        return breaks_pair(why, n, 0, 1, "select: inputs of equal shape");
    if (!ir_type_equal(ir_type_in(n, 1), ir_type_in(n, 2)))
        return breaks_pair(why, n, 1, 2, "select: inputs 1 and 2 of equal type");
    return give(f, n, *ir_type_in(n, 1));
}

bool ir_shape_reshape(IrFunction *f, IrNode *n, Buf *why) {
    IrType *t = given(n, why);
    if (!t)
        return false;
    if (t->dtype != ir_type_in(n, 0)->dtype)
        return breaks_result(why, n, "reshape: the dtype stays");
    if (ir_type_count(f->dims, t) != ir_type_count(f->dims, ir_type_in(n, 0)))
        return breaks_result(why, n, "reshape: as many elements");
    return true;
}

bool ir_shape_transpose(IrFunction *f, IrNode *n, Buf *why) {
    const IrType *x = ir_type_in(n, 0);
    const IrAttrs *a = &n->attrs;
    if (!axes_are_sound(why, a->axes, a->n_axes, x->rank, false, "transpose: each axis once"))
        return false;
    if (a->n_axes != x->rank) {
        buf_printf(why, "%d of %d axes", a->n_axes, x->rank);
        return ir_shape_breaks(why, "transpose: each axis once");
    }
    IrType t = {.dtype = x->dtype, .rank = x->rank};
    for (int i = 0; i < x->rank; i++)
        t.dims[i] = x->dims[a->axes[i]];
    return give(f, n, t);
}

bool ir_shape_broadcast(IrFunction *f, IrNode *n, Buf *why) {
    (void)f;
    const IrType *x = ir_type_in(n, 0), *t = given(n, why);
    const IrAttrs *a = &n->attrs;
    if (!t)
        return false;
    if (!axes_are_sound(why, a->axes, a->n_axes, t->rank, false, "broadcast: distinct axes"))
        return false;
    if (t->dtype != x->dtype || a->n_axes != x->rank)
        return breaks_result(why, n, "broadcast: the dtype stays; an axis for each of the input");
    for (int i = 0; i < x->rank; i++) {
        if (t->dims[a->axes[i]] != x->dims[i])
            return breaks_result(why, n, "broadcast: sizes stay");
    }
    return true;
}

bool ir_shape_slice(IrFunction *f, IrNode *n, Buf *why) {
    const IrType *t = given(n, why);
    return t && part_lies_within(f, n, t, ir_type_in(n, 0), why, "slice: within the input");
}

bool ir_shape_pad(IrFunction *f, IrNode *n, Buf *why) {
    const IrType *t = given(n, why);
    if (t && t->dtype == IR_BOOL)
        return breaks_result(why, n, "pad: numbers");
    return t &&
           part_lies_within(f, n, ir_type_in(n, 0), t, why, "pad: the input within the result");
}

bool ir_shape_concat(IrFunction *f, IrNode *n, Buf *why) {
    int axis = n->attrs.axis;
    if (n->n_in == 0)
        return buf_puts(why, "no inputs"), ir_shape_breaks(why, "concat: at least one input");
    IrType t = *ir_type_in(n, 0);
    if (axis < 0 || axis >= t.rank) {
        buf_printf(why, "axis %d of %d axes", axis, t.rank);
        return ir_shape_breaks(why, "concat: axis in range");
    }
    for (int k = 1; k < n->n_in; k++) {
        IrType x = *ir_type_in(n, k);
        IrDim *size = axis < x.rank ? x.dims[axis] : NULL;
        if (size)
            x.dims[axis] = t.dims[axis];
        if (!ir_type_equal(&x, &t))
            return breaks_pair(why, n, 0, k, "concat: inputs differ in one axis only");
        t.dims[axis] = ir_dim_add(f->dims, t.dims[axis], size);
    }
    return give(f, n, t);
}

bool ir_shape_dynamic_slice(IrFunction *f, IrNode *n, Buf *why) {
    const char *rule = "dynamic_slice: rows of input 0, at most all";
    const IrType *x = ir_type_in(n, 0), *t = given(n, why);
    if (!t)
        return false;
    if (!is_i32_scalar(ir_type_in(n, 1)))
        return breaks_in(why, n, 1, "dynamic_slice: the start is an i32 scalar");
    if (t->dtype != x->dtype || x->rank == 0 || t->rank != x->rank ||
        !may_lie_within(f->dims, ir_dim_const(f->dims, 0), t->dims[0], x->dims[0]))
        return breaks_result(why, n, rule);
    for (int i = 1; i < x->rank; i++) {
        if (t->dims[i] != x->dims[i])
            return breaks_result(why, n, rule);
    }
    return true;
}

bool ir_shape_gather(IrFunction *f, IrNode *n, Buf *why) {
    const IrType *x = ir_type_in(n, 0), *at = ir_type_in(n, 1);
    if (x->rank == 0)
        return breaks_in(why, n, 0, "gather: from rows");
    if (at->dtype != IR_I32)
        return breaks_in(why, n, 1, "gather: indices are i32");
    if (at->rank + x->rank - 1 > IR_MAX_RANK)
        return breaks_pair(why, n, 0, 1, "type: a dtype and at most 8 axes");
    IrType t = *at;
    t.dtype = x->dtype;
    for (int i = 1; i < x->rank; i++)
        t.dims[t.rank++] = x->dims[i];
    return give(f, n, t);
}

bool ir_shape_scatter_add(IrFunction *f, IrNode *n, Buf *why) {
    (void)f;
    const char *rule = "scatter_add: a row for each index; rows like the result's";
    const IrType *at = ir_type_in(n, 0), *x = ir_type_in(n, 1), *t = given(n, why);
    if (!t)
        return false;
    if (at->dtype != IR_I32)
        return breaks_in(why, n, 0, "scatter_add: indices are i32");
    if (x->dtype == IR_BOOL || t->dtype != x->dtype || t->rank == 0 ||
        x->rank != at->rank + t->rank - 1)
        return breaks_result(why, n, rule);
    for (int i = 0; i < x->rank; i++) {
        IrDim *want = i < at->rank ? at->dims[i] : t->dims[i - at->rank + 1];
        if (x->dims[i] != want)
            return breaks_result(why, n, rule);
    }
    return true;
}

// ---- reductions and products --------------------------------------------------------------------

bool ir_shape_reduce(IrFunction *f, IrNode *n, Buf *why) {
    const IrType *x = ir_type_in(n, 0);
    const IrAttrs *a = &n->attrs;
    if (x->dtype == IR_BOOL)
        return breaks_in(why, n, 0, "reduce: numbers");
    if (!axes_are_sound(why, a->axes, a->n_axes, x->rank, true, "reduce: axes in range, in order"))
        return false;
    IrType t = {.dtype = x->dtype};
    for (int i = 0, k = 0; i < x->rank; i++) {
        if (k < a->n_axes && a->axes[k] == i)
            k++;
        else
            t.dims[t.rank++] = x->dims[i];
    }
    return give(f, n, t);
}

bool ir_shape_argmax(IrFunction *f, IrNode *n, Buf *why) {
    IrType t = *ir_type_in(n, 0);
    if (t.rank == 0 || t.dtype == IR_BOOL)
        return breaks_in(why, n, 0, "argmax: numbers along a last axis");
    t.dtype = IR_I32;
    t.dims[--t.rank] = NULL;
    return give(f, n, t);
}

bool ir_shape_top_k(IrFunction *f, IrNode *n, Buf *why) {
    const IrType *x = ir_type_in(n, 0), *t = given(n, why);
    if (!t)
        return false;
    if (x->rank == 0 || x->dtype == IR_BOOL)
        return breaks_in(why, n, 0, "top_k: numbers along a last axis");
    int last = x->rank - 1;
    bool fits = t->dtype == IR_I32 && t->rank == x->rank &&
                may_lie_within(f->dims, ir_dim_const(f->dims, 0), t->dims[last], x->dims[last]);
    for (int i = 0; fits && i < last; i++)
        fits = t->dims[i] == x->dims[i];
    return fits || breaks_result(why, n, "top_k: i32 indices, at most as many as the last axis has");
}

static bool contains(const int *axes, int n, int axis) {
    for (int i = 0; i < n; i++) {
        if (axes[i] == axis)
            return true;
    }
    return false;
}

// Appends the axes of `x` that are neither batch nor contracted.
static bool append_free(IrType *t, const IrType *x, int n_batch, int n_contract, const int *axes) {
    for (int i = n_batch; i < x->rank; i++) {
        if (contains(axes, n_contract, i))
            continue;
        if (t->rank == IR_MAX_RANK)
            return false;
        t->dims[t->rank++] = x->dims[i];
    }
    return true;
}

bool ir_shape_dot(IrFunction *f, IrNode *n, Buf *why) {
    const char *in_range = "dot: contracted axes in range, after the batch";
    const IrType *x = ir_type_in(n, 0), *y = ir_type_in(n, 1);
    const IrAttrs *a = &n->attrs;
    if (x->dtype != y->dtype || !ir_dtype_is_real(x->dtype))
        return breaks_pair(why, n, 0, 1, "dot: reals of one type");
    if (a->n_batch < 0 || a->n_batch > x->rank || a->n_batch > y->rank) {
        buf_printf(why, "%d batch axes, ", a->n_batch);
        return breaks_pair(why, n, 0, 1, "dot: batch axes in range");
    }
    if (!axes_are_sound(why, a->lhs_axes, a->n_contract, x->rank, false, in_range) ||
        !axes_are_sound(why, a->rhs_axes, a->n_contract, y->rank, false, in_range))
        return false;

    IrType t = {.dtype = x->dtype, .rank = a->n_batch};
    for (int i = 0; i < a->n_batch; i++) {
        if (x->dims[i] != y->dims[i])
            return breaks_pair(why, n, 0, 1, "dot: batch axes have equal size");
        t.dims[i] = x->dims[i];
    }
    for (int i = 0; i < a->n_contract; i++) {
        if (a->lhs_axes[i] < a->n_batch || a->rhs_axes[i] < a->n_batch) {
            buf_printf(why, "contract [%d]x[%d]", a->lhs_axes[i], a->rhs_axes[i]);
            return ir_shape_breaks(why, in_range);
        }
        if (x->dims[a->lhs_axes[i]] != y->dims[a->rhs_axes[i]])
            return breaks_pair(why, n, 0, 1, "dot: contracted axes have equal size");
    }
    if (!append_free(&t, x, a->n_batch, a->n_contract, a->lhs_axes) ||
        !append_free(&t, y, a->n_batch, a->n_contract, a->rhs_axes))
        return breaks_pair(why, n, 0, 1, "type: a dtype and at most 8 axes");
    return give(f, n, t);
}

// ---- the table ----------------------------------------------------------------------------------

static IrShapeRule *const shape_rule[IR_OP_COUNT] = {
#define MAP(name, inputs, result, grad, expr, doc) [IR_OP_##name] = ir_shape_elementwise,
#define OP(name, inputs, kind, shape, grad, doc)   [IR_OP_##name] = ir_shape_##shape,
#include "ir/ops.def"
};

bool ir_infer(IrFunction *f, IrNode *n, Buf *why) {
    const IrOpInfo *info = &ir_op_info[n->op];
    if (info->n_in >= 0 && n->n_in != info->n_in) {
        buf_printf(why, "%d inputs", n->n_in);
        return ir_shape_breaks(why, "operands: as many as the operation has");
    }
    for (int k = 0; k < n->n_in; k++) {
        const IrNode *x = n->in[k];
        if (!x || (n->op != IR_OP_get && (x->n_types != 1 || ir_has_results(x)))) {
            buf_printf(why, "input %d", k);
            return ir_shape_breaks(why, "operands: single values; get reads the others");
        }
    }
    return shape_rule[n->op](f, n, why);
}
