// ir/shape_control.c -- shape rules of nodes with bodies: what goes in, what comes out.
#include <inttypes.h>

#include "ir/shape_rules.h"

// ---- pieces of rules ----------------------------------------------------------------------------

// `x` with axis 0 of size `size` in front.
static bool stack_type(IrType *out, IrDim *size, const IrType *x) {
    if (x->rank == IR_MAX_RANK)
        return false;
    *out = (IrType){.dtype = x->dtype, .rank = x->rank + 1, .dims = {size}};
    for (int i = 0; i < x->rank; i++)
        out->dims[i + 1] = x->dims[i];
    return true;
}

// Parameter `k` of the body has type `want`.
static bool param_fits(Buf *why, const IrBlock *body, int k, const IrType *want, const char *rule) {
    const IrType *t = &body->params[k]->types[0];
    if (ir_type_equal(t, want))
        return true;
    buf_printf(why, "parameter %d", k);
    ir_shape_say(why, "", t);
    ir_shape_say(why, ", what it is given", want);
    return ir_shape_breaks(why, rule);
}

// The body is there, with `n_params` parameters and at least `n_results` results of one value each.
static bool body_is_sound(Buf *why, const IrBlock *body, int n_params, int n_results,
                          const char *rule) {
    if (!body)
        return buf_puts(why, "no body"), ir_shape_breaks(why, rule);
    if (body->n_params != n_params || body->n_results < n_results) {
        buf_printf(why, "the body has %d parameters and %d results", body->n_params,
                   body->n_results);
        return ir_shape_breaks(why, rule);
    }
    for (int i = 0; i < body->n_results; i++) {
        const IrNode *r = body->results[i];
        if (!r || r->n_types != 1 || !r->types || ir_has_results(r)) {
            buf_printf(why, "result %d of the body", i);
            return ir_shape_breaks(why, "operands: single values; get reads the others");
        }
    }
    return true;
}

// Operands are [captured | carried | per step], with nothing left over.
static bool groups_are_sound(Buf *why, const IrNode *n, const char *rule) {
    const IrAttrs *a = &n->attrs;
    if (a->n_captured >= 0 && a->n_carry >= 0 && a->n_over >= 0 &&
        (int64_t)a->n_captured + a->n_carry + a->n_over == n->n_in)
        return true;
    buf_printf(why, "%d captured, %d carried, %d per step of %d inputs", a->n_captured, a->n_carry,
               a->n_over, n->n_in);
    return ir_shape_breaks(why, rule);
}

// Parameters of a loop's body: captured and carried values, slices, the index.
static bool loop_fits(const IrNode *n, Buf *why, const char *rule) {
    const IrAttrs *a = &n->attrs;
    if (!groups_are_sound(why, n, rule))
        return false;
    if (!a->dim)
        return buf_puts(why, "no number of steps"), ir_shape_breaks(why, rule);
    int64_t steps = 0;
    if (ir_dim_is_const(a->dim, &steps) && steps < 0) {
        buf_printf(why, "%" PRId64 " steps", steps);
        return ir_shape_breaks(why, rule);
    }
    if (!body_is_sound(why, n->body, n->n_in + 1, a->n_carry, rule))
        return false;
    int n_whole = a->n_captured + a->n_carry;
    for (int k = 0; k < n_whole; k++) {
        if (!param_fits(why, n->body, k, ir_type_in(n, k), rule))
            return false;
    }
    for (int k = n_whole; k < n->n_in; k++) {
        IrType want;
        const IrType *slice = &n->body->params[k]->types[0];
        if (!stack_type(&want, a->dim, slice) || !ir_type_equal(&want, ir_type_in(n, k))) {
            buf_printf(why, "parameter %d", k);
            ir_shape_say(why, "", slice);
            buf_printf(why, ", input %d", k);
            ir_shape_say(why, "", ir_type_in(n, k));
            return ir_shape_breaks(
                why, "loop: a parameter is a row of its array, of which there are steps");
        }
    }
    IrType index = ir_scalar(IR_I32);
    return param_fits(why, n->body, n->n_in, &index, "loop: the last parameter is the index");
}

// Makes room for `n_types` result types.
static IrType *give_many(IrFunction *f, IrNode *n, int n_types) {
    if (n->n_types != n_types || !n->types)
        n->types = arena_array(f->arena, IrType, n_types);
    n->n_types = n_types;
    return n->types;
}

bool ir_shape_call(IrFunction *f, IrNode *n, Buf *why) {
    const char *rule = "call: inputs as the function's";
    if (!n->callee)
        return buf_puts(why, "no callee"), ir_shape_breaks(why, rule);
    const IrBlock *body = n->callee->body;
    if (!body_is_sound(why, body, n->n_in, 0, rule))
        return false;
    for (int k = 0; k < n->n_in; k++) {
        if (!param_fits(why, body, k, ir_type_in(n, k), rule))
            return false;
    }
    IrType *types = give_many(f, n, body->n_results);
    for (int i = 0; i < body->n_results; i++)
        types[i] = body->results[i]->types[0];
    return true;
}

bool ir_shape_scan(IrFunction *f, IrNode *n, Buf *why) {
    const IrAttrs *a = &n->attrs;
    if (!loop_fits(n, why, "scan: the body fits the inputs"))
        return false;
    const IrType *end = a->until && a->n_carry ? ir_type_in(n, a->n_captured) : NULL;
    if (a->until && (!end || end->dtype != IR_BOOL || end->rank)) {
        if (end)
            ir_shape_say(why, "carry 0", end);
        else
            buf_puts(why, "nothing carried");
        return ir_shape_breaks(why, "scan: ends by its first carry, a bool scalar");
    }
    IrType *types = give_many(f, n, n->body->n_results);
    for (int i = 0; i < n->body->n_results; i++) {
        const IrType *t = &n->body->results[i]->types[0];
        if (i < a->n_carry && !ir_type_equal(t, ir_type_in(n, a->n_captured + i))) {
            buf_printf(why, "carry %d starts as ", i);
            ir_type_print(why, ir_type_in(n, a->n_captured + i));
            buf_puts(why, " and becomes ");
            ir_type_print(why, t);
            return ir_shape_breaks(why, "scan: carries keep their type");
        }
        if (i < a->n_carry)
            types[i] = *t;
        else if (!stack_type(&types[i], a->dim, t))
            return ir_shape_say(why, "a collected value", t),
                   ir_shape_breaks(why, "type: at most 8 axes");
    }
    return true;
}

bool ir_shape_map(IrFunction *f, IrNode *n, Buf *why) {
    if (n->attrs.n_carry != 0) {
        buf_printf(why, "%d carried", n->attrs.n_carry);
        return ir_shape_breaks(why, "map: nothing is carried");
    }
    if (!loop_fits(n, why, "map: the body fits the inputs"))
        return false;
    IrType *types = give_many(f, n, n->body->n_results);
    for (int i = 0; i < n->body->n_results; i++) {
        const IrType *t = &n->body->results[i]->types[0];
        if (!stack_type(&types[i], n->attrs.dim, t))
            return ir_shape_say(why, "a result", t), ir_shape_breaks(why, "type: at most 8 axes");
    }
    return true;
}

bool ir_shape_grad(IrFunction *f, IrNode *n, Buf *why) {
    const char *rule = "grad: the body fits the inputs";
    const IrAttrs *a = &n->attrs;
    if (a->n_captured != n->n_in) {
        buf_printf(why, "%d captured of %d inputs", a->n_captured, n->n_in);
        return ir_shape_breaks(why, rule);
    }
    if (!body_is_sound(why, n->body, n->n_in, 1, rule))
        return false;
    for (int k = 0; k < n->n_in; k++) {
        if (!param_fits(why, n->body, k, ir_type_in(n, k), rule))
            return false;
    }
    const IrType *value = &n->body->results[0]->types[0];
    if (value->rank != 0 || !ir_dtype_is_real(value->dtype))
        return ir_shape_say(why, "the value", value),
               ir_shape_breaks(why, "grad: of a real scalar");

    // `wrt`: distinct operands, in any order, real
    if (a->n_wrt < 0 || a->n_wrt > n->n_in || (a->n_wrt && !a->wrt)) {
        buf_printf(why, "%d gradients of %d inputs", a->n_wrt, n->n_in);
        return ir_shape_breaks(why, "grad: wrt in range");
    }
    Arena scratch = {0};
    bool *seen = arena_array(&scratch, bool, n->n_in);
    int bad = -1;
    for (int i = 0; i < a->n_wrt && bad < 0; i++) {
        int k = a->wrt[i];
        if (k < 0 || k >= n->n_in || seen[k] || !ir_dtype_is_real(ir_type_in(n, k)->dtype))
            bad = i;
        else
            seen[k] = true;
    }
    arena_free(&scratch);
    if (bad >= 0) {
        buf_printf(why, "wrt %d", a->wrt[bad]);
        return ir_shape_breaks(why, "grad: wrt distinct real inputs");
    }

    int n_results = n->body->n_results;
    IrType *types = give_many(f, n, n_results + a->n_wrt);
    for (int i = 0; i < n_results; i++)
        types[i] = n->body->results[i]->types[0];
    for (int i = 0; i < a->n_wrt; i++)
        types[n_results + i] = *ir_type_in(n, a->wrt[i]);
    return true;
}

bool ir_shape_get(IrFunction *f, IrNode *n, Buf *why) {
    const IrNode *x = n->in[0];
    if (!ir_has_results(x) || n->attrs.index < 0 || n->attrs.index >= x->n_types) {
        buf_printf(why, "result %d of %s, which has %d", n->attrs.index, ir_op_info[x->op].name,
                   x->n_types);
        return ir_shape_breaks(why, "get: of call, scan, map or grad, in range");
    }
    IrType t = x->types[n->attrs.index];
    give_many(f, n, 1)[0] = t;
    return true;
}
