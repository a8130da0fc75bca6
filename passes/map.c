// passes/map.c -- maps become batched operations.
//
// The nodes of the body are rebuilt where the map stood. What depends on the map's index or on a
// slice of an array gets a new axis in front, of the map's extent; each operation has a rule for
// that (batch_rules.c). Everything else stays as it is, so that a product with a shared operand
// becomes one product over all rows, and a draw that does not list the map is made once. A draw
// that lists it has the map's index as an operand; the loop becomes an axis of the draw instead.
// Results that do not depend on the index are repeated at the end. The pass eliminates the maps
// that hold no other and no gradient.
#include "passes/map.h"

BatchValue batch_value(const Batch *m, const IrNode *n) {
    const BatchValue *v = ir_node_map_get(&m->values, n);
    if (!v)
        ir_bug(n, "used before it was batched");
    return *v;
}

void batch_set_value(Batch *m, const IrNode *n, BatchValue value) {
    BatchValue *v = arena_new(m->cx->scratch, BatchValue);
    *v = value;
    ir_node_map_put(&m->values, n, v);
}

IrType batch_type(const Batch *m, const IrNode *n, IrType t) {
    if (t.rank == IR_MAX_RANK)
        ir_bug(n, "a map needs more than %d axes", IR_MAX_RANK);
    IrType to = {.dtype = t.dtype, .rank = t.rank + 1, .dims = {m->extent}};
    for (int i = 0; i < t.rank; i++)
        to.dims[i + 1] = t.dims[i];
    return to;
}

IrNode *batch_node(Batch *m, BatchValue v) {
    return v.is_index ? ir_iota(&m->b, ir_type(IR_I32, 1, &m->extent), 0) : v.node;
}

IrNode *batch_batched(Batch *m, BatchValue v) {
    if (v.is_batched)
        return batch_node(m, v);
    IrType t = batch_type(m, v.node, v.node->types[0]);
    if (v.node->op == IR_OP_const)
        return ir_const(&m->b, t, v.node->attrs.value);
    int axes[IR_MAX_RANK];
    for (int i = 0; i < t.rank - 1; i++)
        axes[i] = i + 1;
    return ir_broadcast(&m->b, v.node, t.rank, t.dims, axes);
}

IrNode *batch_move_axis(Batch *m, IrNode *x, int from, int to) {
    int rank = x->types[0].rank, axes[IR_MAX_RANK], next = 0;
    for (int i = 0; i < rank; i++) {
        if (i == to) {
            axes[i] = from;
            continue;
        }
        next += next == from;
        axes[i] = next++;
    }
    return ir_transpose(&m->b, x, axes);
}

// ---- one node after the other -------------------------------------------------------------------

// `n` with the new operands. It depends on nothing of the map, and moves as it is.
static void keep(Batch *m, IrNode *n, const BatchValue *in) {
    for (int k = 0; k < n->n_in; k++)
        n->in[k] = in[k].node;
    ir_block_append(m->b.fn, m->b.block, n);
    batch_set_value(m, n, (BatchValue){.node = n});
}

void batch_batch_block(Batch *m, const IrBlock *b) {
    for (int i = 0; i < b->n; i++) {
        IrNode *n = b->nodes[i];
        m->b.loc = n->loc;
        m->b.path = n->path;

        const BatchValue *results =
            n->op == IR_OP_get ? ir_node_map_get(&m->loops, n->in[0]) : NULL;
        if (results) {
            batch_set_value(m, n, results[n->attrs.index]);
            continue;
        }
        bool any = false;
        BatchValue *in = arena_array(m->cx->scratch, BatchValue, n->n_in);
        for (int k = 0; k < n->n_in; k++) {
            in[k] = batch_value(m, n->in[k]);
            any |= in[k].is_batched;
        }
        if (!any)
            keep(m, n, in);
        else if (n->op == IR_OP_scan)
            batch_loop(m, n);
        else
            batch_set_value(m, n,
                            (BatchValue){.node = batch_rule[n->op](m, n, in), .is_batched = true});
    }
}

// ---- loops within the map -----------------------------------------------------------------------

// A scan's body while it is rebuilt, with the operands that go with its parameters.
typedef struct Loop {
    IrNode *old;
    IrBlock *body;
    IrNode **in;
    int n_in, cap_in;
    bool ends; // not at the same step for all indices of the map
} Loop;

// A parameter in the place of `old`, and the operand that goes with it.
static void add_param(Batch *m, Loop *l, const IrNode *old, IrNode *operand, bool is_batched) {
    arena_push(m->cx->scratch, l->in, l->n_in, l->cap_in, operand);
    IrType t = is_batched ? batch_type(m, old, old->types[0]) : old->types[0];
    IrNode *p = ir_block_add_param(m->b.fn, l->body, t, old->attrs.name, old->loc);
    batch_set_value(m, old, (BatchValue){.node = p, .is_batched = is_batched});
}

// Whether all of `x` along axis 0, true of nothing.
static IrNode *all_of(Batch *m, IrNode *x) {
    IrNode *least = ir_reduce(&m->b, IR_OP_reduce_min, ir_cast(&m->b, x, IR_I32), 1, (int[]){0});
    return ir_cast(&m->b, least, IR_BOOL);
}

// Carries are batched when they ever depend on the map, which m->varies knows. A loop that ends
// goes on until it has ended for all indices of the map: that is one more carry, the first.
static void add_params(Batch *m, Loop *l, int *n_captured) {
    const IrNode *n = l->old;
    const IrBlock *body = n->body;
    int n_carry = n->attrs.n_carry, k = 0;

    for (; k < n->attrs.n_captured; k++) {
        BatchValue v = batch_value(m, n->in[k]);
        if (v.is_index)
            batch_set_value(m, body->params[k], v);
        else
            add_param(m, l, body->params[k], v.node, v.is_batched);
    }
    *n_captured = l->n_in;
    if (l->ends) {
        IrNode *ended = batch_batched(m, batch_value(m, n->in[k]));
        arena_push(m->cx->scratch, l->in, l->n_in, l->cap_in, all_of(m, ended));
        ir_block_add_param(m->b.fn, l->body, ir_scalar(IR_BOOL), NULL, n->loc);
    }
    for (; k < n->attrs.n_captured + n_carry; k++) {
        BatchValue v = batch_value(m, n->in[k]);
        bool is_batched = pass_set_has(&m->varies, body->params[k]);
        add_param(m, l, body->params[k], is_batched ? batch_batched(m, v) : v.node, is_batched);
    }
    for (; k < n->n_in; k++) {
        BatchValue v = batch_value(m, n->in[k]);
        IrNode *x = batch_node(m, v);
        add_param(m, l, body->params[k], v.is_batched ? batch_move_axis(m, x, 1, 0) : x,
                  v.is_batched);
    }
    const IrNode *index = body->params[k];
    IrNode *p =
        ir_block_add_param(m->b.fn, l->body, index->types[0], index->attrs.name, index->loc);
    batch_set_value(m, index, (BatchValue){.node = p});
}

// Adds result `i` of the loop's body. For an index whose loop has ended carries stay and collected
// values are zeros.
static void add_result(Batch *m, Loop *l, int i, bool is_batched) {
    const IrNode *n = l->old;
    int n_captured = n->attrs.n_captured;
    BatchValue v = batch_value(m, n->body->results[i]);
    IrNode *x = is_batched ? batch_batched(m, v) : v.node;
    if (l->ends) {
        IrNode *ended = batch_node(m, batch_value(m, n->body->params[n_captured]));
        if (i == 0) {
            x = ir_logical_or(&m->b, ended, x);
            ir_block_add_result(m->b.fn, l->body, all_of(m, x));
        } else {
            const IrType *t = &x->types[0];
            IrNode *stays = i < n->attrs.n_carry
                                ? batch_node(m, batch_value(m, n->body->params[n_captured + i]))
                                : ir_const(&m->b, *t, 0);
            ended = ir_broadcast(&m->b, ended, t->rank, t->dims, (int[]){0});
            x = ir_select(&m->b, ended, stays, x);
        }
    }
    ir_block_add_result(m->b.fn, l->body, x);
}

void batch_loop(Batch *m, IrNode *n) {
    IrBuilder outside = m->b;
    const IrBlock *body = n->body;
    const IrAttrs *a = &n->attrs;
    int n_carry = a->n_carry, n_captured = 0;
    Loop l = {.old = n, .body = ir_block_new(m->b.fn->arena)};
    l.ends = a->until && pass_set_has(&m->varies, body->params[a->n_captured]);
    add_params(m, &l, &n_captured);

    // the body
    m->b.block = l.body;
    batch_batch_block(m, body);
    m->b.loc = outside.loc;
    m->b.path = outside.path;
    bool *is_batched = arena_array(m->cx->scratch, bool, body->n_results);
    for (int i = 0; i < body->n_results; i++) {
        is_batched[i] =
            l.ends || (i < n_carry ? pass_set_has(&m->varies, body->params[a->n_captured + i])
                                   : batch_value(m, body->results[i]).is_batched);
        add_result(m, &l, i, is_batched[i]);
    }

    // the loop; what it collects has the steps in front of the map's axis
    m->b = outside;
    IrNode *loop = (a->until ? ir_scan_until : ir_scan)(
        &m->b, l.body, a->dim, a->reverse, a->name, n_captured, n_carry + l.ends, a->n_over, l.in);
    BatchValue *results = arena_array(m->cx->scratch, BatchValue, body->n_results);
    for (int i = 0; i < body->n_results; i++) {
        IrNode *x = ir_get(&m->b, loop, i + l.ends);
        if (i >= n_carry && is_batched[i])
            x = batch_move_axis(m, x, 1, 0);
        results[i] = (BatchValue){.node = x, .is_batched = is_batched[i]};
    }
    ir_node_map_put(&m->loops, n, results);
}

// ---- maps as nodes ------------------------------------------------------------------------------

typedef struct Eliminator {
    PassCtx *cx;
    IrFunction *fn;
} Eliminator;

static void expand_map(void *data, IrNode *n, IrBlock *b, IrNode **out) {
    const Eliminator *e = data;
    IrBlock *body = n->body;
    int n_captured = n->attrs.n_captured;
    Batch m = {.cx = e->cx, .extent = n->attrs.dim, .varies = pass_set(e->cx->scratch)};
    m.values.arena = m.loops.arena = e->cx->scratch;
    m.b = (IrBuilder){.fn = e->fn, .block = b, .loc = n->loc, .path = n->path};
    pass_prune(e->cx, body);

    for (int k = 0; k < body->n_params; k++) {
        BatchValue v = {.is_batched = k >= n_captured, .is_index = k == n->n_in};
        v.node = v.is_index ? NULL : n->in[k];
        batch_set_value(&m, body->params[k], v);
        if (v.is_batched)
            pass_set_add(&m.varies, body->params[k]);
    }
    pass_spread(&m.varies, body, NULL);
    batch_batch_block(&m, body);

    m.b.loc = n->loc;
    m.b.path = n->path;
    for (int i = 0; i < body->n_results; i++)
        out[i] = batch_batched(&m, batch_value(&m, body->results[i]));
}

bool pass_map(PassCtx *cx, IrFunction *f) {
    Eliminator e = {.cx = cx, .fn = f};
    bool changed = pass_expand(cx, f, f->body, IR_OP_map, expand_map, &e);
    ir_renumber(f);
    return changed;
}
