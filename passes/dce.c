// passes/dce.c -- dead code elimination.
//
// A node is live when a result depends on it. A loop's results are live one by one: a carry is when
// its last value is read or when another live result of the body needs it, a collected value when
// it is read; the carry by which a loop ends always is. What is not live goes from the body, and with it operands and parameters.
#include "passes/pass.h"

typedef struct Dce {
    IrFunction *f;
    Arena *scratch;
    bool *live;     // by id
    bool **results; // by id of a loop: which results are read
    int **to;       // by id of a loop that was swept: new index of each result
    bool changed;
} Dce;

static void mark(Dce *d, const IrNode *n) {
    d->live[n->id] = true;
    if (n->op == IR_OP_get && d->results[n->in[0]->id])
        d->results[n->in[0]->id][n->attrs.index] = true;
}

static void mark_body(Dce *d, IrNode *n);

// Marks what the marked nodes of `b` need. Bodies are entered once it is known what is read of
// them, which is when their owner is met: users come later in the block.
static void mark_block(Dce *d, IrBlock *b) {
    for (int i = b->n - 1; i >= 0; i--) {
        IrNode *n = b->nodes[i];
        if (!d->live[n->id])
            continue;
        if (n->body)
            mark_body(d, n);
        for (int k = 0; k < n->n_in; k++) {
            // what a body does not read, its owner does not need
            bool is_read = !n->body || n->op == IR_OP_grad || d->live[n->body->params[k]->id];
            if (is_read)
                mark(d, n->in[k]);
        }
    }
}

static void prepare_block(Dce *d, const IrBlock *b) {
    for (int i = 0; i < b->n; i++) {
        const IrNode *n = b->nodes[i];
        if (n->op == IR_OP_scan || n->op == IR_OP_map)
            d->results[n->id] = arena_array(d->scratch, bool, n->n_types);
        if (n->body)
            prepare_block(d, n->body);
    }
}

static void mark_body(Dce *d, IrNode *n) {
    IrBlock *body = n->body;
    bool *read = d->results[n->id];
    if (!read) { // grad: every result
        for (int i = 0; i < body->n_results; i++)
            mark(d, body->results[i]);
        mark_block(d, body);
        return;
    }

    if (n->attrs.until)
        read[0] = true;

    // a carry that a live result needs makes its own next value live
    for (bool more = true; more;) {
        for (int i = 0; i < body->n_results; i++) {
            if (read[i])
                mark(d, body->results[i]);
        }
        mark_block(d, body);
        more = false;
        for (int i = 0; i < n->attrs.n_carry; i++) {
            bool needed = d->live[body->params[n->attrs.n_captured + i]->id];
            more = more || (needed && !read[i]);
            read[i] = read[i] || needed;
        }
    }
    // a carry that is only read at the end still has its parameter
    for (int i = 0; i < n->attrs.n_carry; i++) {
        if (read[i])
            d->live[body->params[n->attrs.n_captured + i]->id] = true;
    }
}

// ---- taking away --------------------------------------------------------------------------------

static void sweep_loop(Dce *d, IrNode *n) {
    IrBlock *body = n->body;
    IrAttrs *a = &n->attrs;
    const bool *read = d->results[n->id];
    int n_captured = 0, n_carry = 0, n_over = 0, n_in = 0, n_results = 0;

    // operands with their parameters; the step's index stays
    for (int i = 0; i < n->n_in; i++) {
        if (!d->live[body->params[i]->id])
            continue;
        int *count = i < a->n_captured                ? &n_captured
                     : i < a->n_captured + a->n_carry ? &n_carry
                                                      : &n_over;
        ++*count;
        n->in[n_in] = n->in[i];
        body->params[n_in++] = body->params[i];
    }
    d->changed |= n_in < n->n_in;
    body->params[n_in] = body->params[n->n_in];
    n->n_in = n_in;
    body->n_params = n_in + 1;
    for (int i = 0; i < body->n_params; i++)
        body->params[i]->attrs.index = i;

    // results; users find theirs by `to`
    int *to = arena_array(d->scratch, int, n->n_types);
    for (int i = 0; i < n->n_types; i++) {
        to[i] = n_results;
        if (!read[i])
            continue;
        n->types[n_results] = n->types[i];
        body->results[n_results++] = body->results[i];
    }
    d->changed |= n_results < n->n_types;
    n->n_types = body->n_results = n_results;
    a->n_captured = n_captured;
    a->n_carry = n_carry;
    a->n_over = n_over;
    d->to[n->id] = to;
}

static void sweep_block(Dce *d, IrBlock *b) {
    int kept = 0;
    for (int i = 0; i < b->n; i++) {
        IrNode *n = b->nodes[i];
        if (!d->live[n->id])
            continue;
        b->nodes[kept++] = n;
        if (n->body)
            sweep_block(d, n->body);
        if (d->results[n->id])
            sweep_loop(d, n);
        if (n->op == IR_OP_get && d->to[n->in[0]->id])
            n->attrs.index = d->to[n->in[0]->id][n->attrs.index];
    }
    d->changed |= kept < b->n;
    b->n = kept;
}

bool pass_dce(PassCtx *cx, IrFunction *f) {
    Dce d = {.f = f, .scratch = cx->scratch};
    d.live = arena_array(cx->scratch, bool, f->n_nodes);
    d.results = arena_array(cx->scratch, bool *, f->n_nodes);
    d.to = arena_array(cx->scratch, int *, f->n_nodes);

    prepare_block(&d, f->body);
    for (int i = 0; i < f->body->n_results; i++)
        mark(&d, f->body->results[i]);
    mark_block(&d, f->body);
    sweep_block(&d, f->body);
    return d.changed;
}
