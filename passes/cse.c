// passes/cse.c -- common subexpressions.
//
// In order, each node is looked up among the earlier ones of its block: same operation, attributes,
// types and operands. Draws are equal when site, loops and operands are; different sites never
// are. Within a loop, parameters that stand for the same operand count as one, and equal values
// that it collects are collected once. Loops (and gradients) are equal when their bodies are, node
// by node; what they are called does not matter, since draws say themselves which loops they know.
#include <string.h>

#include "ir/base/map.h"
#include "passes/pass.h"

typedef struct Cse {
    IrFunction *f;
    Arena *scratch;
    IrNode **now;    // by id: what a node became, NULL for itself
    IrNode **equals; // by id, while two bodies are compared: the node of the other one
    bool changed;
} Cse;

// A table of nodes for one block, open addressing.
typedef struct Table {
    IrNode **slots;
    int n_slots;
} Table;

static uint64_t mix(uint64_t hash, uint64_t x) {
    return (hash ^ x) * 0x9e3779b97f4a7c15u ^ hash >> 29;
}

static uint64_t hash_of(const IrNode *n) {
    uint64_t bits, hash = mix(n->op, (uint64_t)n->n_in);
    memcpy(&bits, &n->attrs.value, sizeof bits);
    hash = mix(hash, bits);
    hash = mix(hash, (uint64_t)n->attrs.axis << 16 ^ (uint64_t)n->attrs.index);
    hash = mix(hash, (uintptr_t)n->attrs.dim);
    hash = mix(hash, n->attrs.name ? map_hash_str(n->attrs.name) : 0);
    for (int i = 0; i < n->attrs.n_axes; i++)
        hash = mix(hash, (uint64_t)n->attrs.axes[i]);
    for (int i = 0; i < n->n_in; i++)
        hash = mix(hash, (uintptr_t)n->in[i]);
    for (int i = 0; i < n->types[0].rank; i++)
        hash = mix(hash, (uintptr_t)n->types[0].dims[i]);
    return mix(hash, n->types[0].dtype);
}

static bool same_name(const char *a, const char *b) {
    return a == b || (a && b && !strcmp(a, b));
}

static bool same_attrs(const IrAttrs *a, const IrAttrs *b) {
    if (memcmp(&a->value, &b->value, sizeof a->value) != 0 || a->axis != b->axis ||
        a->index != b->index || a->reverse != b->reverse || a->n_axes != b->n_axes ||
        a->dim != b->dim || a->n_batch != b->n_batch || a->n_contract != b->n_contract ||
        a->n_loops != b->n_loops || a->n_key_axes != b->n_key_axes || !same_name(a->name, b->name))
        return false;
    for (int i = 0; i < a->n_loops; i++) {
        if (!same_name(a->loops[i], b->loops[i]))
            return false;
    }
    return !memcmp(a->axes, b->axes, sizeof a->axes[0] * (size_t)a->n_axes) &&
           !memcmp(a->starts, b->starts, sizeof a->starts) &&
           !memcmp(a->lhs_axes, b->lhs_axes, sizeof a->lhs_axes[0] * (size_t)a->n_contract) &&
           !memcmp(a->rhs_axes, b->rhs_axes, sizeof a->rhs_axes[0] * (size_t)a->n_contract);
}

static bool same_node(const IrNode *a, const IrNode *b) {
    if (a->op != b->op || a->n_in != b->n_in || !ir_type_equal(&a->types[0], &b->types[0]) ||
        a->callee != b->callee || !same_attrs(&a->attrs, &b->attrs))
        return false;
    for (int i = 0; i < a->n_in; i++) {
        if (a->in[i] != b->in[i])
            return false;
    }
    return true;
}

// An earlier node equal to `n`, or NULL, and then `n` is put.
static IrNode *find_or_put(Table *t, IrNode *n) {
    uint64_t at = hash_of(n);
    for (;; at++) {
        IrNode **slot = &t->slots[at & (uint64_t)(t->n_slots - 1)];
        if (!*slot) {
            *slot = n;
            return NULL;
        }
        if (same_node(*slot, n))
            return *slot;
    }
}

static IrNode *current(const Cse *c, IrNode *n) {
    return c->now[n->id] ? c->now[n->id] : n;
}

static void replace(Cse *c, const IrNode *n, IrNode *by) {
    c->now[n->id] = by;
    c->changed = true;
}

// Parameters of a body for one and the same operand.
static void merge_params(Cse *c, IrNode *n) {
    int n_captured = n->op == IR_OP_grad ? 0 : n->attrs.n_captured; // wrt tells operands apart
    int first_over = n_captured + n->attrs.n_carry;
    for (int i = 0; i < n->n_in; i++) {
        bool captured = i < n_captured, over = i >= first_over && n->op != IR_OP_grad;
        for (int k = captured ? 0 : first_over; k < i && (captured || over); k++) {
            if (n->in[k] == n->in[i] && !c->now[n->body->params[k]->id]) {
                c->now[n->body->params[i]->id] = n->body->params[k]; // no change by itself
                break;
            }
        }
    }
}

// The result that `get` reads, or an earlier one that collects the same value.
static void merge_collected(Cse *c, IrNode *get) {
    const IrNode *n = get->in[0];
    if (n->op != IR_OP_scan && n->op != IR_OP_map)
        return;
    for (int i = n->attrs.n_carry; i < get->attrs.index; i++) {
        if (n->body->results[i] != n->body->results[get->attrs.index])
            continue;
        get->attrs.index = i;
        c->changed = true;
        return;
    }
}

// ---- bodies -------------------------------------------------------------------------------------

static bool same_body(Cse *c, const IrBlock *a, const IrBlock *b);

static bool same_types(const IrNode *a, const IrNode *b) {
    bool same = a->n_types == b->n_types;
    for (int i = 0; same && i < a->n_types; i++)
        same = ir_type_equal(&a->types[i], &b->types[i]);
    return same;
}

// Whether loops or gradients `a` and `b` do the same with their operands.
static bool same_loop(Cse *c, const IrNode *a, const IrNode *b) {
    const IrAttrs *x = &a->attrs, *y = &b->attrs;
    if (a->op != b->op || a->n_in != b->n_in || !same_types(a, b) || x->dim != y->dim ||
        x->n_captured != y->n_captured || x->n_carry != y->n_carry || x->n_over != y->n_over ||
        x->reverse != y->reverse || x->until != y->until || x->n_wrt != y->n_wrt)
        return false;
    for (int i = 0; i < x->n_wrt; i++) {
        if (x->wrt[i] != y->wrt[i])
            return false;
    }
    return same_body(c, a->body, b->body);
}

static bool same_inner(Cse *c, IrNode *a, const IrNode *b) {
    for (int i = 0; i < b->n_in; i++) {
        if (i >= a->n_in || c->equals[b->in[i]->id] != a->in[i])
            return false;
    }
    c->equals[b->id] = a;
    if (a->body || b->body)
        return a->body && b->body && same_loop(c, a, b);
    return a->op == b->op && a->n_in == b->n_in && a->callee == b->callee && same_types(a, b) &&
           same_attrs(&a->attrs, &b->attrs);
}

static bool same_body(Cse *c, const IrBlock *a, const IrBlock *b) {
    if (a->n_params != b->n_params || a->n != b->n || a->n_results != b->n_results)
        return false;
    for (int i = 0; i < a->n_params; i++) {
        if (!ir_type_equal(&a->params[i]->types[0], &b->params[i]->types[0]))
            return false;
        c->equals[b->params[i]->id] = a->params[i];
    }
    for (int i = 0; i < a->n; i++) {
        if (!same_inner(c, a->nodes[i], b->nodes[i]))
            return false;
    }
    for (int i = 0; i < a->n_results; i++) {
        if (c->equals[b->results[i]->id] != a->results[i])
            return false;
    }
    return true;
}

// One of the first `n` nodes of `b` that has a body and equals `loop`, or NULL.
static IrNode *find_loop(Cse *c, const IrBlock *b, int n, const IrNode *loop) {
    for (int i = 0; i < n; i++) {
        IrNode *x = b->nodes[i];
        bool same = x->body && x->n_in == loop->n_in;
        for (int k = 0; same && k < x->n_in; k++)
            same = x->in[k] == loop->in[k];
        if (same && same_loop(c, x, loop))
            return x;
    }
    return NULL;
}

// ---- the walk -----------------------------------------------------------------------------------

static void merge_block(Cse *c, IrBlock *b) {
    Table t = {.n_slots = 16};
    while (t.n_slots < 2 * b->n + 1)
        t.n_slots *= 2;
    t.slots = arena_array(c->scratch, IrNode *, t.n_slots);

    int kept = 0;
    for (int i = 0; i < b->n; i++) {
        IrNode *n = b->nodes[i];
        for (int k = 0; k < n->n_in; k++) {
            IrNode *to = current(c, n->in[k]);
            c->changed |= to != n->in[k];
            n->in[k] = to;
        }
        if (n->body) {
            merge_params(c, n);
            merge_block(c, n->body);
            IrNode *same = find_loop(c, b, kept, n);
            if (same)
                replace(c, n, same);
            else
                b->nodes[kept++] = n;
            continue;
        }
        if (n->op == IR_OP_get)
            merge_collected(c, n);
        IrNode *same = find_or_put(&t, n);
        if (same)
            replace(c, n, same);
        else
            b->nodes[kept++] = n;
    }
    b->n = kept;
    for (int i = 0; i < b->n_results; i++)
        b->results[i] = current(c, b->results[i]);
}

bool pass_cse(PassCtx *cx, IrFunction *f) {
    Cse c = {.f = f, .scratch = cx->scratch};
    c.now = arena_array(cx->scratch, IrNode *, f->n_nodes);
    c.equals = arena_array(cx->scratch, IrNode *, f->n_nodes);
    merge_block(&c, f->body);
    return c.changed;
}
