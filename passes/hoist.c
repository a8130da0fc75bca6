// passes/hoist.c -- what does not change leaves the loops.
//
// A node of a body that depends on captured values alone is the same in each step. It moves in
// front of the loop if it is work to compute: a product, a reduction, a loop, something
// transcendental. What is cheap (broadcasts, constants, a sum of two arrays) stays, since keeping
// it in memory would cost more than computing it. Carries that no step changes become captured
// values first.
#include "ir/node_map.h"
#include "passes/rewrite.h"

enum { DEAR = 8, SMALL = 64 };

typedef struct Hoist {
    IrFunction *f;
    Arena *scratch;
    IrNode *loop;
    IrBlock *outer;     // where the loop is
    int at;             // position of the loop in it
    PassSet invariant;  // nodes and parameters of the body
    IrNodeMap moved;    // node of the body -> node of the outer block
    IrNodeMap captured; // node of the outer block -> parameter
    bool changed;
} Hoist;

// ---- carries that stay --------------------------------------------------------------------------

// The last value of such a carry is its first.
static void use_first_value(IrBlock *b, const IrNode *loop, int index, IrNode *first, int from) {
    for (int i = from; i < b->n; i++) {
        IrNode *n = b->nodes[i];
        for (int k = 0; k < n->n_in; k++) {
            const IrNode *get = n->in[k];
            if (get->op == IR_OP_get && get->in[0] == loop && get->attrs.index == index)
                n->in[k] = first;
        }
    }
    for (int i = 0; i < b->n_results; i++) {
        const IrNode *get = b->results[i];
        if (get->op == IR_OP_get && get->in[0] == loop && get->attrs.index == index)
            b->results[i] = first;
    }
}

// Lets uses of a carry's parameter that no step changes read a captured value; dce drops the carry.
static void capture_constant_carries(Hoist *h) {
    IrNode *loop = h->loop;
    IrBlock *body = loop->body;
    for (int i = 0; i < loop->attrs.n_carry; i++) {
        IrNode *param = body->params[loop->attrs.n_captured + i];
        if (body->results[i] != param)
            continue;
        IrNode *first = loop->in[loop->attrs.n_captured + i];
        use_first_value(h->outer, loop, i, first, h->at + 1);

        bool used = false;
        for (int k = 0; k < body->n && !used; k++) {
            for (int j = 0; j < body->nodes[k]->n_in; j++)
                used = used || body->nodes[k]->in[j] == param;
        }
        for (int k = 0; k < body->n_results; k++)
            used = used || (k != i && body->results[k] == param);
        if (!used)
            continue;
        IrNode *captured = pass_capture(h->f, loop, first);
        for (int k = 0; k < body->n; k++) {
            for (int j = 0; j < body->nodes[k]->n_in; j++) {
                if (body->nodes[k]->in[j] == param)
                    body->nodes[k]->in[j] = captured;
            }
        }
        for (int k = 0; k < body->n_results; k++) {
            if (k != i && body->results[k] == param)
                body->results[k] = captured;
        }
        h->changed = true;
    }
}

// ---- what is worth moving -----------------------------------------------------------------------

// At most DEAR: what sums or loops always is, and a scatter, which goes row by row.
static int own_cost(const IrNode *n) {
    IrKind kind = ir_op_info[n->op].kind;
    if (n->op == IR_OP_scatter_add)
        return DEAR;
    if (kind == IR_KIND_MAP || kind == IR_KIND_MOVE || kind == IR_KIND_LEAF) {
        double cost = ir_op_cost(n->op);
        return cost < DEAR ? (int)cost : DEAR;
    }
    return n->op == IR_OP_get ? 0 : DEAR;
}

// Cost of computing invariant `n` for one element, at most DEAR, from what has moved already.
static int cost_of(const Hoist *h, const IrNode *n) {
    int cost = own_cost(n);
    for (int i = 0; i < n->n_in && cost < DEAR; i++) {
        const IrNode *x = n->in[i];
        if (x->op != IR_OP_input && !ir_node_map_get(&h->moved, x))
            cost += cost_of(h, x);
    }
    return cost < DEAR ? cost : DEAR;
}

// Whether the loop has a parameter for `n`, which moved.
static bool has_param(const Hoist *h, const IrNode *n) {
    const IrNode *to = ir_node_map_get(&h->moved, n);
    return to && ir_node_map_get(&h->captured, to);
}

static bool is_move(const IrNode *n) {
    return own_cost(n) == 0;
}

// A small value with some work in it, or a large one with much. A broadcast is computed from what
// it repeats, in the loop. A loop moves with all of its results.
static bool is_worth_moving(const Hoist *h, const IrNode *n) {
    if (n->op == IR_OP_get || has_param(h, n))
        return true;
    if (n->n_types != 1 || is_move(n))
        return false;
    bool small = true;
    double size = 1;
    for (int i = 0; i < n->types[0].rank; i++)
        size *= (double)ir_dim_max(n->types[0].dims[i]);
    small = size <= SMALL;
    return cost_of(h, n) >= (small ? 2 : DEAR);
}

// ---- moving -------------------------------------------------------------------------------------

static bool stays(const Hoist *h, const IrNode *n) {
    bool is_draw = n->op == IR_OP_draw_normal || n->op == IR_OP_draw_uniform;
    if (n->op == IR_OP_call ||
        (is_draw && n->attrs.n_loops == 0)) // not told yet what it depends on
        return true;
    for (int i = 0; i < n->n_in; i++) {
        if (!pass_set_has(&h->invariant, n->in[i]))
            return true;
    }
    return false;
}

// The node of the outer block that stands for invariant `n`, moved there if needed.
static IrNode *move_out(Hoist *h, IrNode *n) {
    if (n->op == IR_OP_input)
        return h->loop->in[n->attrs.index];
    IrNode *to = ir_node_map_get(&h->moved, n);
    if (to)
        return to;

    IrNode **in = arena_array(h->scratch, IrNode *, n->n_in);
    for (int i = 0; i < n->n_in; i++)
        in[i] = move_out(h, n->in[i]);

    // appended, then carried in front of the loop; what stays for now keeps its body
    IrBuilder b = {.fn = h->f, .block = h->outer};
    int before = h->outer->n;
    IrNode own = *n;
    own.body = n->body ? ir_clone_block(h->f, n->body) : NULL;
    to = ir_copy(&b, &own, in);
    int n_new = h->outer->n - before;
    for (int k = 0; k < n_new; k++) {
        IrNode *made = h->outer->nodes[before + k];
        for (int i = before + k; i > h->at; i--)
            h->outer->nodes[i] = h->outer->nodes[i - 1];
        h->outer->nodes[h->at++] = made;
    }
    ir_node_map_put(&h->moved, n, to);
    return to;
}

// The parameter for moved node `n`.
static IrNode *param_for(Hoist *h, IrNode *n) {
    IrNode *to = move_out(h, n);
    IrNode *param = ir_node_map_get(&h->captured, to);
    if (!param) {
        param = pass_capture(h->f, h->loop, to);
        ir_node_map_put(&h->captured, to, param);
        pass_set_add(&h->invariant, param);
    }
    h->changed = true;
    return param;
}

// What a node that stays reads instead of invariant `n`: a parameter where that pays; otherwise
// `n`, with its own operands looked at.
static IrNode *instead_of(Hoist *h, IrNode *n, PassSet *seen) {
    if (n->op == IR_OP_input || !pass_set_has(&h->invariant, n))
        return n; // changes, or is a parameter already
    if (is_worth_moving(h, n))
        return param_for(h, n);
    if (!pass_set_add(seen, n) || n->body)
        return n;
    for (int i = 0; i < n->n_in; i++)
        n->in[i] = instead_of(h, n->in[i], seen);
    return n;
}

static bool hoist_block(PassCtx *cx, IrFunction *f, IrBlock *b);

static bool hoist_loop(PassCtx *cx, IrFunction *f, IrBlock *outer, int *at) {
    Hoist h = {.f = f, .scratch = cx->scratch, .loop = outer->nodes[*at], .outer = outer};
    h.at = *at;
    h.invariant = pass_set(cx->scratch);
    h.moved.arena = h.captured.arena = cx->scratch;
    IrBlock *body = h.loop->body;
    if (h.loop->op == IR_OP_scan)
        capture_constant_carries(&h);

    for (int i = 0; i < h.loop->attrs.n_captured; i++) {
        pass_set_add(&h.invariant, body->params[i]);
        if (!ir_node_map_get(&h.captured, h.loop->in[i]))
            ir_node_map_put(&h.captured, h.loop->in[i], body->params[i]);
    }
    for (int i = 0; i < body->n; i++) {
        if (!stays(&h, body->nodes[i]))
            pass_set_add(&h.invariant, body->nodes[i]);
    }

    PassSet seen = pass_set(cx->scratch);
    for (int i = 0; i < body->n; i++) {
        IrNode *n = body->nodes[i];
        if (pass_set_has(&h.invariant, n))
            continue;
        for (int k = 0; k < n->n_in; k++)
            n->in[k] = instead_of(&h, n->in[k], &seen);
    }
    for (int i = 0; i < body->n_results; i++)
        body->results[i] = instead_of(&h, body->results[i], &seen);

    // what moved has no use left here
    if (h.changed)
        pass_prune(cx, body);
    *at = h.at;
    return h.changed;
}

static bool hoist_block(PassCtx *cx, IrFunction *f, IrBlock *b) {
    bool changed = false;
    for (int i = 0; i < b->n; i++) {
        IrNode *n = b->nodes[i];
        if (!n->body)
            continue;
        changed |= hoist_block(cx, f, n->body);
        if (n->op == IR_OP_scan || n->op == IR_OP_map)
            changed |= hoist_loop(cx, f, b, &i);
    }
    return changed;
}

bool pass_hoist(PassCtx *cx, IrFunction *f) {
    return hoist_block(cx, f, f->body);
}
