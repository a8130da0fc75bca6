// passes/grad.c -- reverse-mode differentiation.
//
// A `grad` is differentiated within its own body, which is then moved to where the node stood. The
// body is walked backwards from its first result: each node asks its rule (grad_rules.c) for the
// gradients of its operands, as new nodes behind the old ones; gradients that meet are added. Only
// nodes that depend on an operand of `wrt` get one, and no gradient stands for zero, so that only
// paths from `wrt` to the result are followed. The result is an ordinary graph: gradients nest.
// The pass eliminates those that hold no other and no map; what that made is tidied, and hoisted
// out of its loops, before the next is eliminated (pipeline.c).
#include "passes/grad.h"

#include "ir/base/errors.h"

IrBuilder grad_builder(const GradBlock *g, const IrNode *n) {
    return (IrBuilder){.fn = g->fn, .block = g->block, .loc = n->loc, .path = n->path};
}

bool grad_stops(const IrNode *n) {
    if (ir_has_results(n))
        return false;
    return !ir_dtype_is_real(n->types[0].dtype) || grad_rule[n->op] == grad_zero;
}

IrNode *grad_get_adjoint(const GradBlock *g, const IrNode *x) {
    return ir_node_map_get(&g->adjoints, x);
}

void grad_put(GradBlock *g, IrNode *x, IrNode *dx, const IrNode *by) {
    if (!dx || !pass_set_has(g->varies, x))
        return;
    IrBuilder b = grad_builder(g, by);
    IrNode *sum = grad_get_adjoint(g, x);
    ir_node_map_put(&g->adjoints, x, sum ? ir_add(&b, sum, dx) : dx);
}

// ---- the walk -----------------------------------------------------------------------------------

static void no_gradient(GradBlock *g, const IrNode *y) {
    diag_error(g->cx->diag, y->loc, E_not_differentiable, "no gradient through '%s'",
               ir_op_info[y->op].name);
}

// Adjoints of the results of nodes that have several, gathered from their `get`s.
static void gather_result(GradBlock *g, IrNodeMap *parts, IrNode *get, IrNode *dy) {
    IrNode *of = get->in[0];
    IrNode **d = ir_node_map_get(parts, of);
    if (!d) {
        d = arena_array(g->cx->scratch, IrNode *, of->n_types);
        ir_node_map_put(parts, of, d);
    }
    IrBuilder b = grad_builder(g, get);
    IrNode **sum = &d[get->attrs.index];
    *sum = *sum ? ir_add(&b, *sum, dy) : dy;
}

static void through_node(GradBlock *g, IrNode *y, IrNode *dy) {
    GradRule *rule = grad_rule[y->op];
    if (rule == grad_none) {
        no_gradient(g, y);
        return;
    }
    IrBuilder b = grad_builder(g, y);
    IrNode **dx = arena_array(g->cx->scratch, IrNode *, y->n_in);
    rule(&b, y, dy, dx);
    for (int k = 0; k < y->n_in; k++)
        grad_put(g, y->in[k], dx[k], y);
}

void grad_walk(GradBlock *g) {
    IrNodeMap parts = {.arena = g->cx->scratch};

    for (int i = g->block->n - 1; i >= 0; i--) {
        IrNode *y = g->block->nodes[i];
        if (ir_has_results(y)) {
            IrNode **d = ir_node_map_get(&parts, y);
            if (d && y->op == IR_OP_scan && y->attrs.until)
                diag_error(g->cx->diag, y->loc, E_not_differentiable,
                           "no gradient through a loop that ends early, by 'until'");
            else if (d && y->op == IR_OP_scan)
                grad_through_scan(g, y, d);
            else if (d)
                no_gradient(g, y);
            continue;
        }
        IrNode *dy = grad_get_adjoint(g, y);
        if (dy && y->op == IR_OP_get)
            gather_result(g, &parts, y, dy);
        else if (dy)
            through_node(g, y, dy);
    }
}

// ---- gradients as nodes -------------------------------------------------------------------------

typedef struct Eliminator {
    PassCtx *cx;
    IrFunction *fn;
} Eliminator;

static void expand_grad(void *data, IrNode *n, IrBlock *b, IrNode **out) {
    const Eliminator *e = data;
    IrBlock *body = n->body;
    pass_prune(e->cx, body);

    // what depends on the operands in question
    PassSet varies = pass_set(e->cx->scratch);
    for (int i = 0; i < n->attrs.n_wrt; i++)
        pass_set_add(&varies, body->params[n->attrs.wrt[i]]);
    pass_spread(&varies, body, grad_stops);

    GradBlock g = {.cx = e->cx, .fn = e->fn, .block = body, .varies = &varies};
    g.adjoints.arena = e->cx->scratch;
    IrBuilder at = grad_builder(&g, n);
    if (pass_set_has(&varies, body->results[0]))
        grad_put(&g, body->results[0], ir_const_like(&at, body->results[0], 1), n);
    grad_walk(&g);

    for (int i = 0; i < n->attrs.n_wrt; i++) {
        IrNode *x = body->params[n->attrs.wrt[i]];
        IrNode *dx = grad_get_adjoint(&g, x);
        ir_block_add_result(e->fn, body, dx ? dx : ir_const_like(&at, x, 0));
    }
    pass_prune(e->cx, body);
    pass_splice(e->cx, e->fn, b, body, n->in, out);
}

bool pass_grad(PassCtx *cx, IrFunction *f) {
    Eliminator e = {.cx = cx, .fn = f};
    bool changed = pass_expand(cx, f, f->body, IR_OP_grad, expand_grad, &e);
    ir_renumber(f);
    return changed;
}
