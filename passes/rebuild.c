// passes/rebuild.c -- rewriting node by node, for passes that replace nodes by simpler ones.
#include "passes/rebuild.h"

typedef struct Rebuild {
    IrFunction *f;
    PassRule *rule;
    void *data;
    IrNode **now; // by id: what a node became, NULL for itself
    int n_now;
    bool changed;
} Rebuild;

static IrNode *current(const Rebuild *r, IrNode *n) {
    while (n->id < r->n_now && r->now[n->id])
        n = r->now[n->id];
    return n;
}

static void rebuild_block(Rebuild *r, IrBlock *b) {
    IrBlock old = *b;
    b->nodes = NULL;
    b->n = b->cap = 0;

    for (int i = 0; i < old.n; i++) {
        IrNode *n = old.nodes[i];
        for (int k = 0; k < n->n_in; k++)
            n->in[k] = current(r, n->in[k]);
        if (n->body)
            rebuild_block(r, n->body);

        IrBuilder builder = {.fn = r->f, .block = b, .loc = n->loc, .path = n->path};
        IrNode *to = r->rule(&builder, n, r->data);
        if (to) {
            r->now[n->id] = to;
            r->changed = true;
        } else {
            ir_block_append(r->f, b, n);
        }
    }
    for (int i = 0; i < b->n_results; i++)
        b->results[i] = current(r, b->results[i]);
}

enum { MAX_ROUNDS = 20 };

bool pass_rebuild(PassCtx *cx, IrFunction *f, PassRule *rule, void *data) {
    bool changed = false;
    for (int round = 0; round < MAX_ROUNDS; round++) {
        ir_renumber(f);
        Rebuild r = {.f = f, .rule = rule, .data = data, .n_now = f->n_nodes};
        r.now = arena_array(cx->scratch, IrNode *, f->n_nodes);
        rebuild_block(&r, f->body);
        if (!r.changed)
            break;
        changed = true;
    }
    return changed;
}
