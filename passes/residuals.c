// passes/residuals.c -- which forward values a loop stores for its reverse loop.
//
// What the reverse loop reads of the forward loop is there when it was stored, for the bytes that
// are written and read again, or is made again, for its arithmetic, from values that are there.
// Of all ways to have what is needed, the cheapest is a least cut (passes/cut.h): each value has
// two nodes, "is there" and "is made again", on the source's side where that is so. Being there
// costs what storing costs, being made again the difference; being made again implies being there,
// and that the operands are.
//
// Bytes are cheap while all that is stored stays in a near cache, otherwise dear; beyond what
// memory is meant for they get dearer until products are made again rather than stored.
#include "passes/residuals.h"

#include "passes/cut.h"

// What writing and reading a byte costs, in operations, while it stays near and when it does not. A
// value that is written in any case is only read, for a third of that.
static const double near_byte = 0.75, far_byte = 3;
static const double near_bytes = 1 << 20, most_bytes = 1 << 30;

// Costs are counted in quarters of operations.
enum { QUARTERS = 4, MOST_DEAR = 1 << 20 };
static const double most_cost = (int64_t)1 << 46;

// A forward value that changes from step to step.
typedef struct Value {
    IrNode *node;
    double bytes;   // of one step
    double work;    // operations that make it again
    double share;   // of writing and reading that storing it costs
    bool can_store; // not a node of several results
    bool can_make;  // not a carry
} Value;

typedef struct Choice {
    const Residuals *r;
    Arena *scratch;
    Value *values;
    int n, cap;
    IrNodeMap numbers; // of each value's node: its Value in `values` is the one before this number
} Choice;

// ---- sizes and work -----------------------------------------------------------------------------

static double count(const Residuals *r, const IrType *t) {
    return (double)ir_dim_likely(ir_type_count(r->fn->dims, t));
}

// Operations of one evaluation of `n`, inner loops included.
static double work_of(const Residuals *r, const IrNode *n) {
    if (n->body) {
        double sum = 0;
        for (int i = 0; i < n->body->n; i++)
            sum += work_of(r, n->body->nodes[i]);
        return sum * (double)ir_dim_likely(n->attrs.dim);
    }
    IrKind kind = ir_op_info[n->op].kind;
    bool by_operand = kind == IR_KIND_REDUCE || kind == IR_KIND_ORDER;
    double work = count(r, by_operand ? &n->in[0]->types[0] : &n->types[0]) * ir_op_cost(n->op);
    for (int i = 0; n->op == IR_OP_dot && i < n->attrs.n_contract; i++)
        work *= (double)ir_dim_likely(n->in[0]->types[0].dims[n->attrs.lhs_axes[i]]);
    return work;
}

// ---- the values ---------------------------------------------------------------------------------

static int number_of(const Choice *c, const IrNode *n) {
    const int *number = ir_node_map_get(&c->numbers, n);
    return number ? *number : -1;
}

static void add_value(Choice *c, IrNode *n, bool can_make) {
    const Residuals *r = c->r;
    Value v = {.node = n, .can_store = !ir_has_results(n), .can_make = can_make};
    v.bytes = v.can_store ? count(r, &n->types[0]) * (double)ir_dtype_size(n->types[0].dtype) : 0;
    v.work = can_make ? work_of(r, n) : 0;
    v.share = pass_set_has(r->given, n) ? 1.0 / 3 : 1;
    int *number = arena_new(c->scratch, int);
    *number = c->n;
    ir_node_map_put(&c->numbers, n, number);
    arena_push(c->scratch, c->values, c->n, c->cap, v);
}

// Carries, and the forward nodes that depend on the step and that something wanted is made of.
static void find_values(Choice *c) {
    const Residuals *r = c->r;
    PassSet reached = pass_set(c->scratch);
    bool *use = arena_array(c->scratch, bool, r->body->n);
    for (int i = r->body->n - 1; i >= 0; i--) {
        IrNode *n = r->body->nodes[i];
        use[i] = (pass_set_has(r->wanted, n) || pass_set_has(&reached, n)) &&
                 pass_set_covers(r->changes, n) && !pass_set_covers(r->late, n);
        for (int k = 0; use[i] && k < n->n_in; k++)
            pass_set_add(&reached, n->in[k]);
    }
    for (int k = 0; k < r->n_carry; k++) {
        if (pass_set_has(r->wanted, r->carries[k]) || pass_set_has(&reached, r->carries[k]))
            add_value(c, r->carries[k], false);
    }
    for (int i = 0; i < r->body->n; i++) {
        if (use[i])
            add_value(c, r->body->nodes[i], true);
    }
}

// ---- the cut ------------------------------------------------------------------------------------

static int64_t quarters(double operations) {
    return (int64_t)((operations < most_cost ? operations : most_cost) * QUARTERS + 0.5);
}

static int there(int i) {
    return 2 + 2 * i;
}

static int made(int i) {
    return 3 + 2 * i;
}

// A node on the source's side costs `cost`, which may be less than nothing.
static void add_cost(PassCut *cut, int node, int64_t cost) {
    if (cost > 0)
        pass_cut_edge(cut, node, PASS_CUT_SINK, cost);
    else if (cost < 0)
        pass_cut_edge(cut, PASS_CUT_SOURCE, node, -cost);
}

static void add_to_cut(const Choice *c, PassCut *cut, int i, double byte) {
    const Value *v = &c->values[i];
    bool is_array = pass_set_has(c->r->arrays, v->node);
    double store = v->bytes * byte, make = v->work + (is_array ? store : 0);

    // where a view costs as much as what it is a view of, that is stored
    int64_t to_store =
        v->can_store ? quarters(store * v->share) + (v->work == 0 && v->can_make) : 0;
    add_cost(cut, there(i), to_store);
    if (pass_set_has(c->r->wanted, v->node))
        pass_cut_edge(cut, PASS_CUT_SOURCE, there(i), PASS_CUT_NEVER);
    if (!v->can_make)
        return;
    add_cost(cut, made(i), quarters(make) - to_store);
    pass_cut_edge(cut, made(i), there(i), PASS_CUT_NEVER);
    if (!v->can_store)
        pass_cut_edge(cut, there(i), made(i), PASS_CUT_NEVER);
    for (int k = 0; k < v->node->n_in; k++) {
        int operand = number_of(c, v->node->in[k]);
        if (operand >= 0)
            pass_cut_edge(cut, made(i), there(operand), PASS_CUT_NEVER);
    }
}

// What is stored when a byte costs `byte`, and how many bytes that is in all steps.
static PassSet choose_at(const Choice *c, double byte, double *bytes) {
    PassCut cut = {.arena = c->scratch, .n_nodes = 2 + 2 * c->n};
    for (int i = 0; i < c->n; i++)
        add_to_cut(c, &cut, i, byte);
    const bool *side = pass_cut_solve(&cut);

    PassSet stored = pass_set(c->scratch);
    *bytes = 0;
    for (int i = 0; i < c->n; i++) {
        if (!side[there(i)] || (c->values[i].can_make && side[made(i)]))
            continue;
        pass_set_add(&stored, c->values[i].node);
        *bytes += c->values[i].bytes * (double)ir_dim_likely(c->r->loop->attrs.dim);
    }
    return stored;
}

static void note(const Choice *c, const PassSet *stored, double bytes) {
    if (!c->r->cx->notes)
        return;
    int n = 0;
    for (int i = 0; i < c->n; i++)
        n += pass_set_has(stored, c->values[i].node);
    buf_printf(c->r->cx->notes, "grad: loop %s stores %d of %d values, %.0f bytes in all steps\n",
               c->r->loop->attrs.name ? c->r->loop->attrs.name : "-", n, c->n, bytes);
}

PassSet residuals_choose(const Residuals *r) {
    Choice c = {.r = r, .scratch = r->cx->scratch, .numbers = {.arena = r->cx->scratch}};
    find_values(&c);
    double bytes;
    PassSet stored = choose_at(&c, near_byte, &bytes);
    if (bytes > near_bytes)
        stored = choose_at(&c, far_byte, &bytes);
    for (double byte = 2 * far_byte; bytes > most_bytes && byte < MOST_DEAR; byte *= 2)
        stored = choose_at(&c, byte, &bytes);
    note(&c, &stored, bytes);
    return stored;
}
