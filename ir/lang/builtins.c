// ir/lang/builtins.c -- the functions that are not written in the language, one row each.
#include "ir/lang/builtins.h"

#include <inttypes.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/structures.h"

// ---- reading arguments --------------------------------------------------------------------------

bool builtin_bool(Cx *cx, const BuiltinCall *c, int option, bool or_else, bool *b) {
    const Value *v = c->options[option];
    *b = or_else;
    if (!v)
        return true;
    if (v->kind == VALUE_BOOL) {
        *b = v->i != 0;
        return true;
    }
    elab_not_truth(cx, v, NULL, c->option_locs[option],
                   arena_printf(cx->e->a, "'%s'", c->row->keywords[option]));
    return false;
}

bool builtin_axis(Cx *cx, const Value *v, int rank, Loc loc, int *axis) {
    if (v->kind == VALUE_POISON)
        return false;
    if (v->kind != VALUE_INT) {
        elab_error(cx, loc, E_not_static,
                   "an axis is a whole number known at compile time, and this is %s",
                   elab_describe(cx, v));
        elab_note_not_static(cx, v, NULL);
        elab_poison(cx);
        return false;
    }
    int64_t i = v->i < 0 ? v->i + rank : v->i;
    if (i < 0 || i >= rank) {
        elab_error(cx, loc, E_axis, "axis %" PRId64 " of a tensor with %d axes", v->i, rank);
        elab_poison(cx);
        return false;
    }
    *axis = (int)i;
    return true;
}

bool builtin_axes(Cx *cx, const Value *v, int rank, Loc loc, int *n, int *axes) {
    *n = 0;
    if (!v || v->kind == VALUE_NOTHING) {
        for (; *n < rank; ++*n)
            axes[*n] = *n;
        return true;
    }
    if (v->kind != VALUE_LIST) {
        *n = 1;
        return builtin_axis(cx, v, rank, loc, &axes[0]);
    }
    if (v->n > rank) {
        elab_error(cx, loc, E_axis, "%d axes of a tensor with %d", v->n, rank);
        elab_poison(cx);
        return false;
    }
    for (int i = 0; i < v->n; i++) {
        if (!builtin_axis(cx, v->items[i], rank, loc, &axes[i]))
            return false;
        for (int k = 0; k < i; k++) {
            if (axes[k] != axes[i])
                continue;
            elab_error(cx, loc, E_axis, "axis %d is named twice", axes[i]);
            elab_poison(cx);
            return false;
        }
        ++*n;
    }
    return true;
}

bool builtin_shape(Cx *cx, const Value *v, Loc loc, int *rank, IrDim **dims) {
    if (v->kind == VALUE_POISON)
        return false;
    if (v->kind != VALUE_LIST) {
        elab_error(cx, loc, E_wrong_kind,
                   "a shape is a list of sizes such as [N, 3], and this is %s",
                   elab_describe(cx, v));
        elab_note_value(cx, v);
        if (v->kind == VALUE_TENSOR)
            elab_note(cx, loc, "shape(x) is the shape of a tensor");
        elab_poison(cx);
        return false;
    }
    if (v->n > IR_MAX_RANK) {
        elab_error(cx, loc, E_rank, "a tensor has at most %d axes, and this has %d", IR_MAX_RANK,
                   v->n);
        elab_poison(cx);
        return false;
    }
    *rank = v->n;
    double elements = 1;
    for (int i = 0; i < v->n; i++) {
        dims[i] = elab_size(cx, v->items[i], loc, "an axis");
        if (!dims[i]) {
            if (v->items[i]->kind == VALUE_INT && v->items[i]->i == -1)
                elab_note(cx, loc, "no size is left open; size(x) is the number of elements");
            return false;
        }
        elements *= elab_dim_most(dims[i]);
    }
    if (elements > (double)ELAB_MAX_ELEMENTS) {
        elab_error(cx, loc, E_limit, "the shape has more than 2^40 elements");
        elab_poison(cx);
        return false;
    }
    return true;
}

Value *builtin_tensor(Cx *cx, Value *v, Loc loc, bool allow_bool) {
    v = arith_tensor(cx, v, IR_DTYPE_COUNT, loc);
    if (v->kind == VALUE_POISON || allow_bool || v->type.dtype != IR_BOOL)
        return v;
    elab_error(cx, loc, E_dtype_mismatch, "numbers were expected, and this is %s",
               elab_describe(cx, v));
    elab_note_value(cx, v);
    elab_note(cx, loc, "real(x) makes 0 or 1 of a truth value");
    return elab_poison(cx);
}

typedef struct LeafCall {
    const BuiltinCall *call;
    LeafRule *rule;
} LeafCall;

static Value *leaf_rule(Cx *cx, Value **in, int n, void *data) {
    (void)n;
    const LeafCall *l = data;
    return l->rule(cx, l->call, in);
}

Value *builtin_each_leaf(Cx *cx, const BuiltinCall *c, LeafRule *rule) {
    LeafCall l = {.call = c, .rule = rule};
    return elab_leafwise(cx, c->in, c->n, leaf_rule, &l,
                         arena_printf(cx->e->a, "'%s'", c->row->name), c->loc);
}

// ---- elementwise --------------------------------------------------------------------------------

static Value *make_map(Cx *cx, const BuiltinCall *c) {
    return arith_map(cx, c->row->op, c->in, c->row->name, NULL, c->loc);
}

static Value *make_where(Cx *cx, const BuiltinCall *c) {
    return arith_select(cx, c->in[0], c->in[1], c->in[2], NULL, c->loc);
}

static Value *real_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    return arith_cast(cx, in[0], cx->e->w->real, NULL, c->loc);
}

static Value *make_real(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, real_leaf);
}

static Value *int_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    return arith_cast(cx, in[0], IR_I32, NULL, c->loc);
}

static Value *make_int(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, int_leaf);
}

static Value *stop_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    if (in[0]->kind != VALUE_TENSOR)
        return in[0];
    IrBuilder b = frame_builder(cx, c->loc);
    return frame_value(cx, ir_stop_gradient(&b, frame_use(cx, in[0])), NULL, c->loc);
}

static Value *make_stop_gradient(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, stop_leaf);
}

// ---- reductions ---------------------------------------------------------------------------------

static Value *reduce_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    Value *x = builtin_tensor(cx, in[0], c->locs[0], false);
    int n, axes[IR_MAX_RANK];
    bool keep;
    if (x->kind == VALUE_POISON || !builtin_bool(cx, c, 1, false, &keep) ||
        !builtin_axes(cx, c->options[0], x->type.rank, c->option_locs[0], &n, axes))
        return value_poison();
    IrBuilder b = frame_builder(cx, c->loc);
    IrNode *node = n ? ir_reduce(&b, c->row->op, frame_use(cx, x), n, axes) : frame_use(cx, x);
    if (keep) {
        IrType t = x->type;
        for (int i = 0; i < n; i++)
            t.dims[axes[i]] = ir_dim_const(cx->e->module->dims, 1);
        node = ir_reshape(&b, node, t.rank, t.dims);
    }
    return frame_value(cx, node, NULL, c->loc);
}

static Value *make_reduce(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, reduce_leaf);
}

// ---- records ------------------------------------------------------------------------------------

static Value *sum_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    Value *x = builtin_tensor(cx, in[0], c->locs[0], false);
    if (x->kind == VALUE_POISON)
        return x;
    IrBuilder b = frame_builder(cx, c->loc);
    int axes[IR_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    IrNode *n = frame_use(cx, x);
    if (!ir_dtype_is_real(x->type.dtype))
        n = ir_cast(&b, n, cx->e->w->real);
    if (x->type.rank)
        n = ir_reduce(&b, IR_OP_sum, n, x->type.rank, axes);
    return frame_value(cx, n, NULL, c->loc);
}

static Value *make_total(Cx *cx, const BuiltinCall *c) {
    Value *sums = builtin_each_leaf(cx, c, sum_leaf);
    if (value_has_poison(sums))
        return value_poison();
    int n = value_count_leaves(sums);
    Value **leaves = arena_array(cx->e->a, Value *, n);
    value_leaves(sums, leaves);
    Value *sum = n ? leaves[0] : arith_tensor(cx, value_real(cx->e->a, 0), IR_DTYPE_COUNT, c->loc);
    for (int i = 1; i < n; i++)
        sum = arith_binary(cx, "+", sum, leaves[i], NULL, c->loc);
    return sum;
}

static Value *make_merge(Cx *cx, const BuiltinCall *c) {
    int n = 0;
    for (int i = 0; i < c->n; i++) {
        if (c->in[i]->kind == VALUE_RECORD) {
            n += c->in[i]->n;
            continue;
        }
        elab_error(cx, c->locs[i], E_not_a_record, "'merge' joins records, and this is %s",
                   elab_describe(cx, c->in[i]));
        elab_note_value(cx, c->in[i]);
        return elab_poison(cx);
    }
    Value *all = value_record(cx->e->a, 0, arena_array(cx->e->a, const char *, n),
                              arena_array(cx->e->a, Value *, n));
    for (int i = 0; i < c->n; i++) {
        for (int k = 0; k < c->in[i]->n; k++) {
            const char *name = c->in[i]->names[k];
            if (value_field(all, name)) {
                elab_error(cx, c->locs[i], E_duplicate_name,
                           "'merge' would give the field '%s' twice", name);
                elab_note_value(cx, c->in[0]);
                elab_note_value(cx, c->in[i]);
                return elab_poison(cx);
            }
            all->names[all->n] = name;
            all->items[all->n++] = c->in[i]->items[k];
        }
    }
    return all;
}

// ---- map and gradients --------------------------------------------------------------------------

typedef struct MapApply {
    Callable *f;
    const BuiltinCall *call;
} MapApply;

static Value *map_apply_body(Cx *in, Value **slices, Value *index, void *data) {
    (void)index;
    const MapApply *m = data;
    int n = m->call->n - 1;
    Args args = {.loc = m->call->loc,
                 .n = n,
                 .values = slices,
                 .names = arena_array(in->e->a, const char *, n),
                 .locs = m->call->locs + 1};
    return elab_apply(in, m->f, &args);
}

static Value *make_map_loop(Cx *cx, const BuiltinCall *c) {
    MapApply m = {.f = c->in[0]->callable, .call = c};
    Value **over = arena_array(cx->e->a, Value *, c->n);
    for (int i = 1; i < c->n; i++)
        over[i - 1] = c->in[i];
    return elab_map_over(cx, c->n - 1, over, c->locs + 1, map_apply_body, &m, c->loc);
}

static Value *make_gradient(Cx *cx, const BuiltinCall *c, bool with_value) {
    Callable f = {.kind = CALL_GRAD,
                  .name = c->row->name,
                  .of = c->in[0]->callable,
                  .with_value = with_value};
    Value *wrt = c->options[0];
    if (!wrt) {
        elab_error(cx, c->loc, E_arguments,
                   "'%s' lacks 'wrt': a record of parameters, or the name of an input in quotes",
                   c->row->name);
        return elab_poison(cx);
    }
    f.wrt_loc = c->option_locs[0];
    if (wrt->kind == VALUE_STRING) {
        f.wrt_name = wrt->s;
    } else if (wrt->kind == VALUE_RECORD || wrt->kind == VALUE_TENSOR) {
        f.wrt = wrt;
    } else {
        elab_error(
            cx, f.wrt_loc, E_wrong_kind,
            "'wrt' is a record of parameters or the name of an input in quotes, and this is %s",
            elab_describe(cx, wrt));
        return elab_poison(cx);
    }
    return value_function(cx->e->a, &f);
}

static Value *make_grad(Cx *cx, const BuiltinCall *c) {
    return make_gradient(cx, c, false);
}

static Value *make_value_and_grad(Cx *cx, const BuiltinCall *c) {
    return make_gradient(cx, c, true);
}

// ---- the table ----------------------------------------------------------------------------------

// clang-format off
static const Builtin builtins[] = {
    // name, inputs, how many (-1: any number), keywords, rule, op, whether a function comes first, doc
    {"neg",             "x",           1, 1, {0}, make_map, IR_OP_neg, false, "negation"},
    {"abs",             "x",           1, 1, {0}, make_map, IR_OP_abs, false, "absolute value"},
    {"sign",            "x",           1, 1, {0}, make_map, IR_OP_sign, false, "-1, 0 or 1"},
    {"exp",             "x",           1, 1, {0}, make_map, IR_OP_exp, false, "e to the x"},
    {"expm1",           "x",           1, 1, {0}, make_map, IR_OP_expm1, false, "exp(x) - 1, exact near 0"},
    {"log",             "x",           1, 1, {0}, make_map, IR_OP_log, false, "natural logarithm"},
    {"log1p",           "x",           1, 1, {0}, make_map, IR_OP_log1p, false, "log(1 + x), exact near 0"},
    {"sqrt",            "x",           1, 1, {0}, make_map, IR_OP_sqrt, false, "square root"},
    {"tanh",            "x",           1, 1, {0}, make_map, IR_OP_tanh, false, "hyperbolic tangent"},
    {"sigmoid",         "x",           1, 1, {0}, make_map, IR_OP_sigmoid, false, "logistic function"},
    {"sin",             "x",           1, 1, {0}, make_map, IR_OP_sin, false, "sine"},
    {"cos",             "x",           1, 1, {0}, make_map, IR_OP_cos, false, "cosine"},
    {"floor",           "x",           1, 1, {0}, make_map, IR_OP_floor, false, "greatest whole number not above x"},
    {"round",           "x",           1, 1, {0}, make_map, IR_OP_round, false, "nearest whole number; of two the even one"},
    {"relu",            "x",           1, 1, {0}, make_map, IR_OP_relu, false, "max(x, 0)"},
    {"is_finite",       "x",           1, 1, {0}, make_map, IR_OP_is_finite, false, "true where x is neither infinite nor NaN"},
    {"maximum",         "x, y",        2, 2, {0}, make_map, IR_OP_max, false, "the larger; a tie takes the first"},
    {"minimum",         "x, y",        2, 2, {0}, make_map, IR_OP_min, false, "the smaller; a tie takes the first"},
    {"pow",             "x, y",        2, 2, {0}, make_map, IR_OP_pow, false, "x to the y"},
    {"where",           "c, a, b",     3, 3, {0}, make_where, 0, false, "second where the first is true, else third"},
    {"real",            "x",           1, 1, {0}, make_real, 0, false, "as a real"},
    {"int",             "x",           1, 1, {0}, make_int, 0, false, "as i32, towards zero"},
    {"stop_gradient",   "x",           1, 1, {0}, make_stop_gradient, 0, false, "the value, through which no gradient passes"},

    {"sum",             "x",           1, 1, {"axis", "keepdims"}, make_reduce, IR_OP_sum, false, "sum over axes"},
    {"max",             "x",           1, 1, {"axis", "keepdims"}, make_reduce, IR_OP_reduce_max, false, "largest over axes"},
    {"min",             "x",           1, 1, {"axis", "keepdims"}, make_reduce, IR_OP_reduce_min, false, "smallest over axes"},
    {"prod",            "x",           1, 1, {"axis", "keepdims"}, builtin_prod, IR_OP_mul, false, "product over axes"},
    {"cumsum",          "x",           1, 1, {"axis"}, builtin_cumulate, IR_OP_add, false, "sums along an axis up to each element"},
    {"cumprod",         "x",           1, 1, {"axis"}, builtin_cumulate, IR_OP_mul, false, "products along an axis up to each element"},

    {"argmax",          "x",           1, 1, {0}, builtin_argmax, 0, false, "index of the largest along the last axis"},
    {"argmin",          "x",           1, 1, {0}, builtin_argmin, 0, false, "index of the smallest along the last axis"},
    {"top_k",           "x, k",        2, 2, {0}, builtin_top_k, 0, false, "the largest along the last axis, {value, index}"},
    {"argsort",         "x",           1, 1, {0}, builtin_argsort, 0, false, "indices in increasing order along the last axis"},
    {"sort",            "x",           1, 1, {0}, builtin_sort, 0, false, "in increasing order along the last axis"},
    {"take_along",      "x, i",        2, 2, {0}, builtin_take_along, 0, false, "elements of the last axis at i32 indices"},
    {"scatter_add",     "i, x, n",     3, 3, {0}, builtin_scatter_add, 0, false, "sums of rows at i32 indices"},
    {"one_hot",         "i, n",        2, 2, {0}, builtin_one_hot, 0, false, "1.0 at an i32 index, else 0.0"},

    {"concat",          "x, y, ...",   1, -1, {"axis"}, builtin_concat, 0, false, "joined along an axis"},
    {"stack",           "x, y, ...",   1, -1, {"axis"}, builtin_stack, 0, false, "joined along a new axis"},
    {"reshape",         "x, shape",    2, 2, {0}, builtin_reshape, 0, false, "same elements, other axes"},
    {"transpose",       "x, axes",     2, 2, {0}, builtin_transpose, 0, false, "axes in another order"},
    {"broadcast",       "x, shape",    2, 2, {0}, builtin_broadcast, 0, false, "repeated to a shape"},
    {"gather",          "x, i",        2, 2, {0}, builtin_gather, 0, false, "rows of axis 0 at i32 indices"},
    {"shape",           "x",           1, 1, {0}, builtin_shape_list, 0, false, "the sizes, where a shape is expected"},
    {"size",            "x",           1, 2, {"axis"}, builtin_size, 0, false, "number of elements, or size of an axis"},
    {"arange",          "n",           1, 1, {0}, builtin_arange, 0, false, "0, 1, ... as i32"},
    {"eye",             "n",           1, 1, {0}, builtin_eye, 0, false, "the identity matrix"},
    {"zeros",           "shape",       1, 1, {0}, builtin_zeros, 0, false, "zeros of a shape"},
    {"ones",            "shape",       1, 1, {0}, builtin_ones, 0, false, "ones of a shape"},
    {"full",            "shape, x",    2, 2, {0}, builtin_full, 0, false, "a scalar repeated to a shape"},
    {"zeros_like",      "x",           1, 1, {0}, builtin_zeros_like, 0, false, "zeros of the same type"},
    {"ones_like",       "x",           1, 1, {0}, builtin_ones_like, 0, false, "ones of the same type"},

    {"total",           "r",           1, 1, {0}, make_total, 0, false, "sum of all elements of all leaves"},
    {"merge",           "r, s, ...",   2, -1, {0}, make_merge, 0, false, "records of different fields as one"},

    {"map",             "f, x, ...",   2, -1, {0}, make_map_loop, 0, true, "a function for every row of axis 0"},
    {"grad",            "f",           1, 1, {"wrt"}, make_grad, 0, true, "the function that gives the gradient"},
    {"value_and_grad",  "f",           1, 1, {"wrt"}, make_value_and_grad, 0, true, "the function that gives {value, grad}"},

    {"draw.normal",     "shape",       1, 1, {0}, draw_normal, 0, false, "standard normal draws of a shape"},
    {"draw.uniform",    "shape",       1, 1, {0}, draw_uniform, 0, false, "draws on [0, 1)"},
    {"draw.bernoulli",  "shape, p",    2, 2, {0}, draw_bernoulli, 0, false, "1.0 with probability p, else 0.0"},
    {"draw.randint",    "shape, n",    2, 2, {0}, draw_randint, 0, false, "i32 draws from 0 to n - 1"},
    {"draw.categorical", "logits",      1, 1, {0}, draw_categorical, 0, false, "i32 index along the last axis by softmax"},
    {"uniform",         "shape, r",    2, 2, {0}, draw_spread, 0, false, "draws on (-r, r)"},
};
// clang-format on

const Builtin *builtin_find(const char *name) {
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++) {
        if (!strcmp(builtins[i].name, name))
            return &builtins[i];
    }
    return NULL;
}

int builtin_count(void) {
    return (int)(sizeof builtins / sizeof *builtins);
}

const Builtin *builtin_at(int i) {
    return &builtins[i];
}
