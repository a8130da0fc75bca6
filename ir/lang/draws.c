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
static Value *draw_of(Cx *cx, IrOp op, IrDtype real, int rank, IrDim *const *dims, Loc loc) {
    IrBuilder b = frame_builder(cx, loc);
    IrType t = ir_type(real, rank, dims);
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
    return draw_of(cx, op, cx->e->w->real, rank, dims, c->loc);
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

// How many values there are, as i32 in the shape of `u`. NULL, reported.
static IrNode *number_of_values(Cx *cx, const BuiltinCall *c, const Value *u) {
    Value *n = arith_tensor(cx, c->in[1], IR_DTYPE_COUNT, c->locs[1]);
    if (n->kind == VALUE_POISON)
        return NULL;
    if (n->type.dtype != IR_I32) {
        elab_error(cx, c->locs[1], E_dtype_mismatch,
                   "the number of values is whole, and this is %s", elab_describe(cx, c->in[1]));
        elab_poison(cx);
        return NULL;
    }
    IrType t;
    if (!arith_broadcast(cx, 2, (Value *[]){(Value *)(uintptr_t)u, n}, &t, c->row->name, c->loc))
        return NULL;
    t.dtype = IR_I32;
    if (!ir_dims_equal(&t, &u->type)) {
        elab_error(cx, c->loc, E_bad_draw, "the number of values has more axes than the draw");
        elab_note_value(cx, n);
        elab_poison(cx);
        return NULL;
    }
    return arith_node(cx, n, &t, c->loc);
}

// floor(u n) with u of 53 bits whatever reals are: it is below n, and each value has the
// probability 1 / n but for n * 2^-53 of that. Where n is not positive, 0.
Value *draw_randint(Cx *cx, const BuiltinCall *c) {
    int rank;
    IrDim *dims[IR_MAX_RANK];
    if (c->in[1]->kind == VALUE_INT && c->in[1]->i < 1) {
        elab_error(cx, c->locs[1], E_bad_draw,
                   "a draw is one of the whole numbers below n, and n is %s",
                   elab_describe(cx, c->in[1]));
        return elab_poison(cx);
    }
    if (!builtin_shape(cx, c->in[0], c->locs[0], &rank, dims))
        return value_poison();
    Value *u = draw_of(cx, IR_OP_draw_uniform, IR_F64, rank, dims, c->loc);
    IrNode *n = u->kind == VALUE_POISON ? NULL : number_of_values(cx, c, u);
    if (!n)
        return value_poison();
    IrBuilder b = frame_builder(cx, c->loc);
    IrNode *i = ir_mul(&b, frame_use(cx, u), ir_cast(&b, n, IR_F64));
    i = ir_cast(&b, i, IR_I32);
    if (c->in[1]->kind == VALUE_TENSOR)
        i = ir_max(&b, i, ir_const_like(&b, i, 0));
    return sample_of(cx, u, frame_value(cx, i, NULL, c->loc), c->loc);
}

// The largest of logits - log(-log(u)) has the probabilities softmax(logits); with u of 53 bits,
// down to probabilities of 1e-15.
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
    Value *u =
        draw_of(cx, IR_OP_draw_uniform, IR_F64, logits->type.rank, logits->type.dims, c->loc);
    if (u->kind == VALUE_POISON)
        return u;
    IrBuilder b = frame_builder(cx, c->loc);
    IrNode *v = frame_use(cx, u);
    for (int i = 0; i < 2; i++)
        v = ir_neg(&b, ir_log(&b, v));
    v = ir_add(&b, ir_cast(&b, frame_use(cx, logits), IR_F64), v);
    Value *choice = frame_value(cx, ir_argmax(&b, v), NULL, c->loc);
    return sample_of(cx, u, choice, c->loc);
}
