// ir/copy.c -- copying nodes, blocks and functions.
//
// Two ways to copy. A *copy* is made by the builders: operands are given, types are inferred
// anew, and what has become simpler folds. A *clone* is the same nodes once more, nothing folded.
#include "ir/build.h"
#include "ir/fold.h"
#include "ir/node_map.h"

// ---- copies -------------------------------------------------------------------------------------

// The operand whose dtype a given result type follows, or -1.
static int dtype_from(IrOp op) {
    bool first = op == IR_OP_reshape || op == IR_OP_broadcast || op == IR_OP_slice ||
                 op == IR_OP_pad || op == IR_OP_dynamic_slice;
    return first ? 0 : op == IR_OP_scatter_add ? 1 : -1;
}

IrNode *ir_copy(IrBuilder *b, const IrNode *n, IrNode *const *in) {
    if (n->op == IR_OP_input)
        ir_bug(n, "copy of a parameter");
    IrBuilder at = *b;
    at.loc = n->loc;
    at.path = n->path;

    IrNode *m = ir_node_new(b->fn, n->op, n->n_in, in);
    m->loc = n->loc;
    m->path = n->path;
    m->attrs = n->attrs;
    m->body = n->body;
    m->callee = n->callee;

    // where types are inferred, these are only room for them
    m->n_types = n->n_types;
    m->types = arena_array(b->fn->arena, IrType, n->n_types);
    for (int i = 0; i < n->n_types; i++)
        m->types[i] = n->types[i];
    if (dtype_from(n->op) >= 0)
        m->types[0].dtype = in[dtype_from(n->op)]->types[0].dtype;
    return ir_finish(&at, m);
}

enum { SMALL_INPUTS = 64 };

void ir_copy_block(IrBuilder *b, const IrBlock *src, IrNode **map) {
    for (int i = 0; i < src->n; i++) {
        const IrNode *n = src->nodes[i];
        if (map[n->id])
            continue;
        IrNode *small[SMALL_INPUTS];
        IrNode **in =
            n->n_in <= SMALL_INPUTS ? small : arena_array(b->fn->arena, IrNode *, n->n_in);
        for (int k = 0; k < n->n_in; k++) {
            in[k] = map[n->in[k]->id];
            if (!in[k])
                ir_bug(n, "copy before its input %d", k);
        }
        if (n->body) {
            IrNode with_own_body = *n;
            with_own_body.body = ir_clone_block(b->fn, n->body);
            map[n->id] = ir_copy(b, &with_own_body, in);
        } else {
            map[n->id] = ir_copy(b, n, in);
        }
    }
}

// ---- clones -------------------------------------------------------------------------------------

// What a clone is made with.
typedef struct Clone {
    IrFunction *f;    // owner of the clone
    IrNodeMap map;    // old node -> new node
    bool own_strings; // also copy names
} Clone;

static const char *clone_string(const Clone *c, const char *s) {
    return s && c->own_strings ? arena_strdup(c->f->arena, s) : s;
}

static IrBlock *clone_block(Clone *c, const IrBlock *src);

static IrNode *clone_node(Clone *c, const IrNode *n) {
    Arena *a = c->f->arena;
    IrBlock *body = n->body ? clone_block(c, n->body) : NULL;

    IrNode *m = ir_node_new(c->f, n->op, n->n_in, n->in);
    for (int k = 0; k < n->n_in; k++) {
        m->in[k] = ir_node_map_get(&c->map, n->in[k]);
        if (!m->in[k])
            ir_bug(n, "clone before its input %d", k);
    }
    m->n_types = n->n_types;
    m->types = arena_array(a, IrType, n->n_types);
    for (int i = 0; i < n->n_types; i++)
        m->types[i] = n->types[i];

    m->attrs = n->attrs;
    m->attrs.name = clone_string(c, n->attrs.name);
    if (n->attrs.loops) {
        m->attrs.loops = arena_array(a, const char *, n->attrs.n_loops);
        for (int i = 0; i < n->attrs.n_loops; i++)
            m->attrs.loops[i] = clone_string(c, n->attrs.loops[i]);
    }
    if (n->attrs.wrt) {
        m->attrs.wrt = arena_array(a, int, n->attrs.n_wrt);
        for (int i = 0; i < n->attrs.n_wrt; i++)
            m->attrs.wrt[i] = n->attrs.wrt[i];
    }
    m->body = body;
    m->callee = n->callee;
    m->loc = n->loc;
    m->path = clone_string(c, n->path);
    ir_node_map_put(&c->map, n, m);
    return m;
}

static IrBlock *clone_block(Clone *c, const IrBlock *src) {
    IrFunction *f = c->f;
    IrBlock *b = ir_block_new(f->arena);
    for (int i = 0; i < src->n_params; i++) {
        const IrNode *p = src->params[i];
        IrNode *q = ir_block_add_param(f, b, p->types[0], p->attrs.name, p->loc);
        q->path = clone_string(c, p->path);
        ir_node_map_put(&c->map, p, q);
    }
    for (int i = 0; i < src->n; i++)
        ir_block_append(f, b, clone_node(c, src->nodes[i]));
    for (int i = 0; i < src->n_results; i++) {
        IrNode *r = ir_node_map_get(&c->map, src->results[i]);
        if (!r)
            ir_bug(src->results[i], "result %d of a block is not in it", i);
        ir_block_add_result(f, b, r);
    }
    return b;
}

IrBlock *ir_clone_block(IrFunction *f, const IrBlock *src) {
    Arena scratch = {0};
    Clone c = {.f = f, .map = {.arena = &scratch}};
    IrBlock *b = clone_block(&c, src);
    arena_free(&scratch);
    return b;
}

static IrSlot *clone_slots(Arena *a, const IrSlot *slots, int n) {
    IrSlot *own = arena_array(a, IrSlot, n);
    for (int i = 0; i < n; i++) {
        own[i] = slots[i];
        own[i].name = slots[i].name ? arena_strdup(a, slots[i].name) : NULL;
    }
    return own;
}

IrFunction *ir_clone_function(Arena *a, const IrFunction *f) {
    Arena scratch = {0};
    IrFunction *g = arena_new(a, IrFunction);
    *g = (IrFunction){.arena = a, .dims = f->dims, .name = arena_strdup(a, f->name), .loc = f->loc};
    Clone c = {.f = g, .map = {.arena = &scratch}, .own_strings = true};
    g->body = clone_block(&c, f->body);
    g->inputs = clone_slots(a, f->inputs, f->body->n_params);
    g->outputs = clone_slots(a, f->outputs, f->body->n_results);
    g->cap_inputs = f->body->n_params;
    g->cap_outputs = f->body->n_results;
    arena_free(&scratch);
    return g;
}
