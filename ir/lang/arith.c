// ir/lang/arith.c -- arithmetic on values: at compile time where both are known, else as nodes.
//
// Numbers take the element type of what they meet; whole numbers promote to reals. Shapes broadcast
// by NumPy's rule, where an axis repeats only when its size is the number 1.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"

// ---- tensors ------------------------------------------------------------------------------------

static Value *not_a_tensor(Cx *cx, const Value *v, Loc loc) {
    if (v->kind == VALUE_POISON)
        return value_poison();
    elab_error(cx, loc, E_not_a_tensor, "a tensor was expected, and this is %s",
               elab_describe(cx, v));
    elab_note_value(cx, v);
    if (v->kind == VALUE_LIST)
        elab_note(cx, loc,
                  "a list is a shape, or axes; concat(x, y) and stack(x, y) take tensors "
                  "one by one");
    return elab_poison(cx);
}

Value *arith_tensor(Cx *cx, Value *v, IrDtype like, Loc loc) {
    IrBuilder b = frame_builder(cx, loc);
    IrDtype real = cx->e->w->real;
    bool wants_real = ir_dtype_is_real(like) && like != IR_DTYPE_COUNT;
    switch (v->kind) {
    case VALUE_TENSOR:
        return v;
    case VALUE_INT:
        if (!wants_real && (v->i > INT32_MAX || v->i < INT32_MIN)) {
            elab_error(cx, loc, E_number, "%" PRId64 " does not fit into i32", v->i);
            return elab_poison(cx);
        }
        return frame_value(cx, ir_const(&b, ir_scalar(wants_real ? real : IR_I32), (double)v->i),
                           v->expr, loc);
    case VALUE_REAL:
        return frame_value(cx, ir_const(&b, ir_scalar(real), v->x), v->expr, loc);
    case VALUE_BOOL:
        return frame_value(cx, ir_const(&b, ir_scalar(IR_BOOL), (double)v->i), v->expr, loc);
    case VALUE_DIM:
        return frame_value(cx, ir_extent(&b, wants_real ? real : IR_I32, v->dim), v->expr, loc);
    case VALUE_POISON:
    case VALUE_NOTHING:
    case VALUE_STRING:
    case VALUE_LIST:
    case VALUE_RECORD:
    case VALUE_FUNCTION:
        break;
    }
    return not_a_tensor(cx, v, loc);
}

// ---- broadcasting -------------------------------------------------------------------------------

static bool is_one(const IrDim *d) {
    int64_t size;
    return ir_dim_is_const(d, &size) && size == 1;
}

bool arith_broadcast(Cx *cx, int n, Value *const *in, IrType *to, const char *what, Loc loc) {
    to->rank = 0;
    for (int i = 0; i < n; i++) {
        if (in[i]->type.rank > to->rank)
            to->rank = in[i]->type.rank;
    }
    for (int axis = 1; axis <= to->rank; axis++) {
        IrDim *size = NULL;
        for (int i = 0; i < n; i++) {
            if (axis > in[i]->type.rank)
                continue;
            IrDim *own = in[i]->type.dims[in[i]->type.rank - axis];
            if (!size || is_one(size)) {
                size = own;
            } else if (own != size && !is_one(own)) {
                elab_error(cx, loc, E_shape_mismatch,
                           "the shapes under '%s' do not fit: %s against %s", what,
                           elab_dim_text(cx, size), elab_dim_text(cx, own));
                for (int k = 0; k < n; k++)
                    elab_note_value(cx, in[k]);
                elab_poison(cx);
                return false;
            }
        }
        to->dims[to->rank - axis] = size;
    }
    return true;
}

IrNode *arith_node(Cx *cx, const Value *v, const IrType *to, Loc loc) {
    IrBuilder b = frame_builder(cx, loc);
    IrNode *n = frame_use(cx, v);
    if (n->types[0].dtype != to->dtype)
        n = ir_cast(&b, n, to->dtype);
    return ir_broadcast_to(&b, n, to->rank, to->dims);
}

// ---- elementwise --------------------------------------------------------------------------------

static Value *truth_in_arithmetic(Cx *cx, const Value *v, const char *what, Loc loc) {
    elab_error(cx, loc, E_dtype_mismatch, "'%s' takes numbers, and this is %s", what,
               elab_describe(cx, v));
    elab_note_value(cx, v);
    elab_note(cx, loc, "real(x) makes 0 or 1 of a truth value, where(c, a, b) chooses by it");
    return elab_poison(cx);
}

// Whether all operands are numbers known now.
static bool all_numbers(Value **in, int n) {
    for (int i = 0; i < n; i++) {
        if (!value_is_number(in[i]))
            return false;
    }
    return true;
}

static Value *static_map(Cx *cx, IrOp op, Value **in, int n, const char *name, Loc loc) {
    double x[2] = {0};
    bool ints = true;
    for (int i = 0; i < n; i++) {
        x[i] = value_number(in[i]);
        ints = ints && in[i]->kind == VALUE_INT;
    }
    double y = ir_eval_map(op, IR_F64, x);
    IrMapResult result = ir_op_info[op].result;
    if (result == IR_RESULT_BOOL)
        return value_bool(cx->e->a, y != 0);
    if (!isfinite(y)) {
        elab_error(cx, loc, E_number, "'%s' of these numbers is not finite", name);
        return elab_poison(cx);
    }
    if (result == IR_RESULT_SAME && ints)
        return value_int(cx->e->a, (int64_t)y);
    return value_real(cx->e->a, y);
}

typedef struct MapCall {
    IrOp op;
    int n;
    const char *name;
    const Expr *expr;
    Loc loc;
} MapCall;

static Value *map_leaf(Cx *cx, Value **in, int n, void *data) {
    const MapCall *m = data;
    const IrOpInfo *info = &ir_op_info[m->op];
    bool logic = info->result == IR_RESULT_LOGIC;
    if (!logic && all_numbers(in, n))
        return static_map(cx, m->op, in, n, m->name, m->loc);

    // the common element type
    IrType to = {.dtype = logic ? IR_BOOL : IR_I32};
    for (int i = 0; i < n; i++) {
        bool is_bool = in[i]->kind == VALUE_BOOL ||
                       (in[i]->kind == VALUE_TENSOR && in[i]->type.dtype == IR_BOOL);
        bool is_value = is_bool || value_is_number(in[i]) || in[i]->kind == VALUE_DIM ||
                        in[i]->kind == VALUE_TENSOR;
        if (!is_value)
            return not_a_tensor(cx, in[i], m->loc);
        if (is_bool && !logic)
            return truth_in_arithmetic(cx, in[i], m->name, m->loc);
        if (!is_bool && logic) {
            elab_error(cx, m->loc, E_dtype_mismatch, "'%s' takes truth values, and this is %s",
                       m->name, elab_describe(cx, in[i]));
            elab_note_value(cx, in[i]);
            return elab_poison(cx);
        }
        if (in[i]->kind == VALUE_REAL ||
            (in[i]->kind == VALUE_TENSOR && ir_dtype_is_real(in[i]->type.dtype)))
            to.dtype = cx->e->w->real;
    }
    if (info->result == IR_RESULT_REAL || m->op == IR_OP_is_finite)
        to.dtype = cx->e->w->real;

    Value *tensors[2];
    for (int i = 0; i < n; i++) {
        tensors[i] = arith_tensor(cx, in[i], to.dtype, m->loc);
        if (tensors[i]->kind == VALUE_POISON)
            return tensors[i];
    }
    if (!arith_broadcast(cx, n, tensors, &to, m->name, m->loc))
        return value_poison();
    IrNode *nodes[2];
    for (int i = 0; i < n; i++)
        nodes[i] = arith_node(cx, tensors[i], &to, m->loc);
    IrBuilder b = frame_builder(cx, m->loc);
    return frame_value(cx, ir_map_op(&b, m->op, nodes), m->expr, m->loc);
}

Value *arith_map(Cx *cx, IrOp op, Value **in, const char *name, const Expr *expr, Loc loc) {
    MapCall m = {.op = op, .n = ir_op_info[op].n_in, .name = name, .expr = expr, .loc = loc};
    return elab_leafwise(cx, in, m.n, map_leaf, &m, arena_printf(cx->e->a, "'%s'", name), loc);
}

Value *arith_cast(Cx *cx, Value *x, IrDtype dtype, const Expr *expr, Loc loc) {
    IrBuilder b = frame_builder(cx, loc);
    bool real = ir_dtype_is_real(dtype);
    if (x->kind == VALUE_INT || x->kind == VALUE_REAL || x->kind == VALUE_BOOL) {
        double number = value_number(x);
        if (real)
            return value_real(cx->e->a, number);
        if (fabs(number) > INT32_MAX) {
            elab_error(cx, loc, E_number, "%g does not fit into i32", number);
            return elab_poison(cx);
        }
        return value_int(cx->e->a, (int64_t)number);
    }
    if (x->kind == VALUE_DIM)
        return real ? frame_value(cx, ir_extent(&b, dtype, x->dim), expr, loc) : x;
    if (x->kind != VALUE_TENSOR)
        return not_a_tensor(cx, x, loc);
    return frame_value(cx, ir_cast(&b, frame_use(cx, x), dtype), expr, loc);
}

typedef struct SelectCall {
    const Expr *expr;
    Loc loc;
} SelectCall;

static Value *select_leaf(Cx *cx, Value **in, int n, void *data) {
    (void)n;
    const SelectCall *s = data;
    if (in[0]->kind == VALUE_BOOL)
        return in[in[0]->i ? 1 : 2];
    if (in[0]->kind != VALUE_TENSOR || in[0]->type.dtype != IR_BOOL) {
        elab_error(cx, s->loc, E_dtype_mismatch,
                   "'where' chooses by truth values, and the first argument is %s",
                   elab_describe(cx, in[0]));
        elab_note_value(cx, in[0]);
        return elab_poison(cx);
    }
    IrDtype like = IR_DTYPE_COUNT;
    for (int i = 1; i < 3; i++) {
        if (in[i]->kind == VALUE_REAL ||
            (in[i]->kind == VALUE_TENSOR && ir_dtype_is_real(in[i]->type.dtype)))
            like = cx->e->w->real;
    }
    Value *t[3] = {in[0]};
    for (int i = 1; i < 3; i++) {
        t[i] = arith_tensor(cx, in[i], like, s->loc);
        if (t[i]->kind == VALUE_POISON)
            return t[i];
    }
    bool bools = t[1]->type.dtype == IR_BOOL;
    if (bools != (t[2]->type.dtype == IR_BOOL)) {
        elab_error(cx, s->loc, E_dtype_mismatch,
                   "'where' chooses between values of one element type");
        elab_note_value(cx, t[1]);
        elab_note_value(cx, t[2]);
        return elab_poison(cx);
    }
    IrType to;
    if (!arith_broadcast(cx, 3, t, &to, "where", s->loc))
        return value_poison();
    IrNode *nodes[3];
    for (int i = 0; i < 3; i++) {
        to.dtype = i == 0 || bools ? IR_BOOL : like == IR_DTYPE_COUNT ? IR_I32 : like;
        nodes[i] = arith_node(cx, t[i], &to, s->loc);
    }
    IrBuilder b = frame_builder(cx, s->loc);
    return frame_value(cx, ir_select(&b, nodes[0], nodes[1], nodes[2]), s->expr, s->loc);
}

Value *arith_select(Cx *cx, Value *c, Value *x, Value *y, const Expr *expr, Loc loc) {
    SelectCall s = {.expr = expr, .loc = loc};
    return elab_leafwise(cx, (Value *[]){c, x, y}, 3, select_leaf, &s, "'where'", loc);
}

// ---- operators ----------------------------------------------------------------------------------

// Size of the greatest term, as a guard before polynomials are multiplied.
static double magnitude(const IrDim *d, int *n_terms) {
    const IrDimTerm *terms;
    *n_terms = ir_dim_terms(d, &terms);
    double sum = 0;
    for (int i = 0; i < *n_terms; i++) {
        double x = fabs((double)terms[i].coefficient);
        for (int k = 0; k < terms[i].n_factors; k++)
            x *= (double)terms[i].factors[k]->max;
        sum += x;
    }
    return sum;
}

static bool is_size(const Value *v) {
    return v->kind == VALUE_DIM || v->kind == VALUE_INT;
}

static bool is_whole(const Value *v) {
    return is_size(v) || (v->kind == VALUE_TENSOR && v->type.dtype == IR_I32);
}

static bool is_truth(const Value *v) {
    return v->kind == VALUE_BOOL || (v->kind == VALUE_TENSOR && v->type.dtype == IR_BOOL);
}

// + - * and exact // of sizes.
static Value *size_arith(Cx *cx, char op, Value *x, Value *y, Loc loc) {
    IrDims *ds = cx->e->module->dims;
    IrDim *p = x->kind == VALUE_DIM ? x->dim : ir_dim_const(ds, x->i);
    IrDim *q = y->kind == VALUE_DIM ? y->dim : ir_dim_const(ds, y->i);
    int n, m;
    double a = magnitude(p, &n), b = magnitude(q, &m);
    if ((op == '*' ? a * b : a + b) > 1e15 || (op == '*' ? n * m : n + m) > 64) {
        elab_error(cx, loc, E_limit, "a size is too large: %s and %s", elab_dim_text(cx, p),
                   elab_dim_text(cx, q));
        return elab_poison(cx);
    }
    IrDim *d = op == '+'   ? ir_dim_add(ds, p, q)
               : op == '-' ? ir_dim_sub(ds, p, q)
               : op == '*' ? ir_dim_mul(ds, p, q)
                           : ir_dim_div(ds, p, q);
    if (!d) {
        elab_error(cx, loc, E_not_static, "%s cannot be divided by %s for every size",
                   elab_dim_text(cx, p), elab_dim_text(cx, q));
        return elab_poison(cx);
    }
    return value_dim(cx->e->a, d);
}

// Whole numbers known now; NULL where the operator gives a real.
static Value *int_arith(Cx *cx, const char *op, int64_t x, int64_t y, Loc loc) {
    int64_t r = 0;
    bool overflow = false;
    if (!strcmp(op, "+"))
        overflow = __builtin_add_overflow(x, y, &r);
    else if (!strcmp(op, "-"))
        overflow = __builtin_sub_overflow(x, y, &r);
    else if (!strcmp(op, "*"))
        overflow = __builtin_mul_overflow(x, y, &r);
    else if (!strcmp(op, "**") && y >= 0 && y < 64) {
        r = 1;
        for (int64_t i = 0; i < y && !overflow; i++)
            overflow = __builtin_mul_overflow(r, x, &r);
    } else if (!strcmp(op, "//") || !strcmp(op, "%")) {
        if (y == 0 || (x == INT64_MIN && y == -1)) {
            elab_error(cx, loc, E_number, "division by zero");
            return elab_poison(cx);
        }
        int64_t m = x % y;
        m += m && (m < 0) != (y < 0) ? y : 0;
        r = *op == '%' ? m : (x - m) / y;
    } else {
        return NULL;
    }
    if (overflow) {
        elab_error(cx, loc, E_number, "the number is too large for 64 bits");
        return elab_poison(cx);
    }
    return value_int(cx->e->a, r);
}

typedef struct Operator {
    const char *name;
    IrOp op;
    bool swap;
} Operator;

static const Operator operators[] = {
    {"+", IR_OP_add, false},         {"-", IR_OP_sub, false},
    {"*", IR_OP_mul, false},         {"/", IR_OP_div, false},
    {"**", IR_OP_pow, false},        {"<", IR_OP_less, false},
    {"<=", IR_OP_less_equal, false}, {">", IR_OP_less, true},
    {">=", IR_OP_less_equal, true},  {"==", IR_OP_equal, false},
    {"!=", IR_OP_not_equal, false},  {"and", IR_OP_logical_and, false},
    {"or", IR_OP_logical_or, false}, {"//", IR_OP_floor_div, false},
    {"%", IR_OP_mod, false},
};

typedef struct BinaryCall {
    const char *name;
    const Expr *expr;
    Loc loc;
} BinaryCall;

static Value *binary_leaf(Cx *cx, Value **in, int n, void *data) {
    const BinaryCall *c = data;
    Value *x = in[0], *y = in[1];
    const char *op = c->name;
    bool is_equal = !strcmp(op, "=="), is_unequal = !strcmp(op, "!=");
    if (x->kind == VALUE_INT && y->kind == VALUE_INT) {
        Value *v = int_arith(cx, op, x->i, y->i, c->loc);
        if (v)
            return v;
    }
    if (is_size(x) && is_size(y) &&
        (*op == '+' || *op == '-' || !strcmp(op, "*") || !strcmp(op, "//")))
        return size_arith(cx, *op, x, y, c->loc);
    if (is_size(x) && is_size(y) && x->kind == VALUE_DIM && y->kind == VALUE_DIM &&
        x->dim == y->dim && (is_equal || is_unequal))
        return value_bool(cx->e->a, is_equal);
    if ((!strcmp(op, "//") || !strcmp(op, "%")) && !(is_whole(x) && is_whole(y))) {
        elab_error(cx, c->loc, E_dtype_mismatch, "'%s' is for whole numbers", op);
        elab_note_value(cx, x);
        elab_note_value(cx, y);
        if (*op == '/')
            elab_note(cx, c->loc, "floor(x / y) is the quotient of reals, rounded down");
        return elab_poison(cx);
    }

    // words, truth values and nothing are compared as they are
    bool one_word = (x->kind == VALUE_STRING) != (y->kind == VALUE_STRING);
    const Value *other = x->kind == VALUE_STRING ? y : x;
    if ((is_equal || is_unequal) && one_word &&
        (value_is_number(other) || other->kind == VALUE_BOOL)) {
        elab_error(cx, c->loc, E_wrong_kind, "%s and %s are never equal", elab_describe(cx, x),
                   elab_describe(cx, y));
        return elab_poison(cx);
    }
    if ((is_equal || is_unequal) && value_is_static(x) && value_is_static(y) &&
        !(value_is_number(x) && value_is_number(y)))
        return value_bool(cx->e->a, value_same_type(x, y) == is_equal);
    if ((is_equal || is_unequal) && is_truth(x) && is_truth(y)) {
        x = in[0] = arith_cast(cx, x, IR_I32, NULL, c->loc);
        y = in[1] = arith_cast(cx, y, IR_I32, NULL, c->loc);
    }
    if (x->kind == VALUE_BOOL && y->kind == VALUE_BOOL && !strcmp(op, "and"))
        return value_bool(cx->e->a, x->i && y->i);
    if (x->kind == VALUE_BOOL && y->kind == VALUE_BOOL && !strcmp(op, "or"))
        return value_bool(cx->e->a, x->i || y->i);

    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        const Operator *o = &operators[i];
        if (strcmp(o->name, op))
            continue;
        MapCall m = {.op = o->op, .n = n, .name = op, .expr = c->expr, .loc = c->loc};
        return map_leaf(cx, o->swap ? (Value *[]){y, x} : in, n, &m);
    }
    diag_bug("no rule for operator '%s'", op);
}

Value *arith_binary(Cx *cx, const char *op, Value *x, Value *y, const Expr *expr, Loc loc) {
    BinaryCall c = {.name = op, .expr = expr, .loc = loc};
    return elab_leafwise(cx, (Value *[]){x, y}, 2, binary_leaf, &c,
                         arena_printf(cx->e->a, "'%s'", op), loc);
}

static Value *unary_leaf(Cx *cx, Value **in, int n, void *data) {
    const BinaryCall *c = data;
    Value *x = in[0];
    if (!strcmp(c->name, "not")) {
        if (x->kind == VALUE_BOOL)
            return value_bool(cx->e->a, !x->i);
        MapCall m = {
            .op = IR_OP_logical_not, .n = n, .name = "not", .expr = c->expr, .loc = c->loc};
        return map_leaf(cx, in, n, &m);
    }
    if (!strcmp(c->name, "+"))
        return x;
    if (x->kind == VALUE_INT)
        return int_arith(cx, "-", 0, x->i, c->loc);
    if (x->kind == VALUE_REAL)
        return value_real(cx->e->a, -x->x);
    if (x->kind == VALUE_DIM)
        return size_arith(cx, '-', value_int(cx->e->a, 0), x, c->loc);
    MapCall m = {.op = IR_OP_neg, .n = n, .name = "-", .expr = c->expr, .loc = c->loc};
    return map_leaf(cx, in, n, &m);
}

Value *arith_unary(Cx *cx, const char *op, Value *x, const Expr *expr, Loc loc) {
    BinaryCall c = {.name = op, .expr = expr, .loc = loc};
    return elab_leafwise(cx, &x, 1, unary_leaf, &c, arena_printf(cx->e->a, "'%s'", op), loc);
}

// ---- matrix product -----------------------------------------------------------------------------

static Value *matmul_mismatch(Cx *cx, const Value *x, const Value *y, Loc loc, int code,
                              const char *why) {
    elab_error(cx, loc, code, "%s", why);
    elab_note_value(cx, x);
    elab_note_value(cx, y);
    return elab_poison(cx);
}

Value *arith_matmul(Cx *cx, Value *x, Value *y, const Expr *expr, Loc loc) {
    Value *in[2] = {x, y};
    for (int i = 0; i < 2; i++) {
        if (in[i]->kind != VALUE_TENSOR)
            return not_a_tensor(cx, in[i], loc);
        if (in[i]->type.dtype == IR_BOOL)
            return truth_in_arithmetic(cx, in[i], "@", loc);
    }
    int p = x->type.rank, q = y->type.rank;
    if (!p || !q)
        return matmul_mismatch(cx, x, y, loc, E_rank,
                               "'@' multiplies matrices and vectors, not scalars");
    if (q > 2 && p != q)
        return matmul_mismatch(cx, x, y, loc, E_rank,
                               "the operands of '@' have batches of different rank");
    int batch = q > 2 ? q - 2 : 0, lhs = p - 1, rhs = q == 1 ? 0 : q - 2;
    for (int i = 0; i < batch; i++) {
        if (x->type.dims[i] != y->type.dims[i])
            return matmul_mismatch(cx, x, y, loc, E_shape_mismatch,
                                   arena_printf(cx->e->a,
                                                "the batches of '@' differ: %s against %s",
                                                elab_dim_text(cx, x->type.dims[i]),
                                                elab_dim_text(cx, y->type.dims[i])));
    }
    if (x->type.dims[lhs] != y->type.dims[rhs])
        return matmul_mismatch(cx, x, y, loc, E_shape_mismatch,
                               arena_printf(cx->e->a,
                                            "'@' sums over axes of different size: %s against %s",
                                            elab_dim_text(cx, x->type.dims[lhs]),
                                            elab_dim_text(cx, y->type.dims[rhs])));

    IrBuilder b = frame_builder(cx, loc);
    IrNode *nodes[2];
    bool real = ir_dtype_is_real(x->type.dtype) || ir_dtype_is_real(y->type.dtype);
    for (int i = 0; i < 2; i++) {
        nodes[i] = frame_use(cx, in[i]);
        if (real && !ir_dtype_is_real(in[i]->type.dtype))
            nodes[i] = ir_cast(&b, nodes[i], cx->e->w->real);
    }
    if (!real) {
        nodes[0] = ir_cast(&b, nodes[0], cx->e->w->real);
        nodes[1] = ir_cast(&b, nodes[1], cx->e->w->real);
    }
    return frame_value(cx, ir_dot(&b, nodes[0], nodes[1], batch, 1, &lhs, &rhs), expr, loc);
}
