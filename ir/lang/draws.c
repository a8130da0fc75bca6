// ir/lang/draws.c -- random numbers: each draw has a site, made of the names that lead to it.
#include "ir/base/errors.h"
#include "ir/lang/builtins.h"

// Whether `d` has a name that got its maximum only because nothing is compiled.
static bool is_undeclared(const Cx *cx, const IrDim *d) {
    const IrDimTerm *terms;
    int n = cx->e->lenient || cx->e->checking ? ir_dim_terms(d, &terms) : 0;
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < terms[i].n_factors; k++) {
            if (terms[i].factors[k]->max == ELAB_LENIENT_MAX)
                return true;
        }
    }
    return false;
}

// A draw of `op` and `shape` at the current path. Only its first axis may be bounded, so that a row
// has the same draws however many rows there are.
static Value *draw_of(Cx *cx, IrOp op, int rank, IrDim *const *dims, Loc loc) {
    IrBuilder b = frame_builder(cx, loc);
    IrType t = ir_type(cx->e->w->real, rank, dims);
    for (int i = 1; i < rank; i++) {
        if (ir_dim_is_const(dims[i], NULL))
            continue;

        // a size without a declaration may be a number in the end
        if (is_undeclared(cx, dims[i]))
            return frame_value(cx, ir_const(&b, t, 0), NULL, loc);
        elab_error(
            cx, loc, E_bad_draw,
            "axis %d of a draw is %s: only the first axis may be a size that comes with each call",
            i, elab_dim_text(cx, dims[i]));
        return elab_poison(cx);
    }
    const char *site = fn_take_site(cx->fn, cx->path);
    return frame_value(cx, ir_draw(&b, op, t, site, 0, 0, NULL, NULL), NULL, loc);
}

static Value *draw_shape(Cx *cx, const BuiltinCall *c, IrOp op) {
    int rank;
    IrDim *dims[IR_MAX_RANK];
    if (!builtin_shape(cx, c->in[0], c->locs[0], &rank, dims))
        return value_poison();
    return draw_of(cx, op, rank, dims, c->loc);
}

// `v`, made of the random numbers `u`, as the value of u's site: data gives v, not u.
static Value *sample_of(Cx *cx, const Value *u, Value *v, Loc loc) {
    if (u->kind != VALUE_TENSOR || v->kind != VALUE_TENSOR)
        return v;
    const IrNode *draw = frame_use(cx, u);
    if (draw->op != IR_OP_draw_uniform) // stands for a size that is not known
        return v;
    IrBuilder b = frame_builder(cx, loc);
    return frame_value(cx, ir_sample(&b, frame_use(cx, v), draw->attrs.name), NULL, loc);
}

Value *draw_normal(Cx *cx, const BuiltinCall *c) {
    return draw_shape(cx, c, IR_OP_draw_normal);
}

Value *draw_uniform(Cx *cx, const BuiltinCall *c) {
    return draw_shape(cx, c, IR_OP_draw_uniform);
}

// 2 r u - r
Value *draw_spread(Cx *cx, const BuiltinCall *c) {
    Value *u = draw_uniform(cx, c);
    Value *two = value_real(cx->e->a, 2), *one = value_real(cx->e->a, 1);
    Value *centred =
        arith_binary(cx, "-", arith_binary(cx, "*", two, u, NULL, c->loc), one, NULL, c->loc);
    return arith_binary(cx, "*", centred, c->in[1], NULL, c->loc);
}

Value *draw_bernoulli(Cx *cx, const BuiltinCall *c) {
    const Value *p = c->in[1];
    if (value_is_number(p) && !(value_number(p) >= 0 && value_number(p) <= 1)) {
        elab_error(cx, c->locs[1], E_bad_draw, "a probability is from 0 to 1, and this is %s",
                   elab_describe(cx, p));
        return elab_poison(cx);
    }
    Value *u = draw_uniform(cx, c);
    Value *hit = arith_binary(cx, "<", u, c->in[1], NULL, c->loc);
    if (hit->kind == VALUE_POISON)
        return hit;
    if (!ir_dims_equal(&hit->type, &u->type)) {
        elab_error(cx, c->loc, E_bad_draw, "the probability has more axes than the draw");
        elab_note_value(cx, c->in[1]);
        return elab_poison(cx);
    }
    return sample_of(cx, u, arith_cast(cx, hit, cx->e->w->real, NULL, c->loc), c->loc);
}

// floor(u n), and never n
Value *draw_randint(Cx *cx, const BuiltinCall *c) {
    if (c->in[1]->kind == VALUE_INT && c->in[1]->i < 1) {
        elab_error(cx, c->locs[1], E_bad_draw,
                   "a draw is one of the whole numbers below n, and n is %s",
                   elab_describe(cx, c->in[1]));
        return elab_poison(cx);
    }
    Value *u = draw_uniform(cx, c), *n = c->in[1];
    Value *i = arith_binary(cx, "*", u, n, NULL, c->loc);
    if (i->kind == VALUE_POISON)
        return i;
    Value *top = arith_binary(cx, "-", n, value_int(cx->e->a, 1), NULL, c->loc);
    i = arith_cast(cx, i, IR_I32, NULL, c->loc);
    if (value_is_number(top) || top->kind == VALUE_DIM)
        top = arith_tensor(cx, top, IR_I32, c->loc);
    if (top->kind == VALUE_TENSOR && top->type.dtype != IR_I32) {
        elab_error(cx, c->locs[1], E_dtype_mismatch,
                   "the number of values is whole, and this is %s", elab_describe(cx, n));
        return elab_poison(cx);
    }
    i = arith_map(cx, IR_OP_min, (Value *[]){i, top}, c->row->name, NULL, c->loc);
    return sample_of(cx, u, i, c->loc);
}

// The largest of logits - log(-log(u)) has the probabilities softmax(logits).
Value *draw_categorical(Cx *cx, const BuiltinCall *c) {
    Value *logits = builtin_tensor(cx, c->in[0], c->locs[0], false);
    if (logits->kind == VALUE_POISON)
        return logits;
    if (!logits->type.rank) {
        elab_error(cx, c->loc, E_bad_draw, "a choice is made along the last axis, and this is %s",
                   elab_describe(cx, logits));
        elab_note_value(cx, logits);
        return elab_poison(cx);
    }
    Value *u = draw_of(cx, IR_OP_draw_uniform, logits->type.rank, logits->type.dims, c->loc);
    Value *v = u;
    for (int i = 0; i < 2; i++) {
        v = arith_map(cx, IR_OP_log, &v, c->row->name, NULL, c->loc);
        v = arith_unary(cx, "-", v, NULL, c->loc);
    }
    v = arith_binary(cx, "+", logits, v, NULL, c->loc);
    if (v->kind == VALUE_POISON)
        return v;
    IrBuilder b = frame_builder(cx, c->loc);
    Value *choice = frame_value(cx, ir_argmax(&b, frame_use(cx, v)), NULL, c->loc);
    return sample_of(cx, u, choice, c->loc);
}
