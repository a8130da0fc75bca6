// passes/rewrite.c -- what the passes that replace CONTROL nodes share.
//
// A block sees only its own parameters, so a rewrite works on one block at a time: the list of
// nodes is taken away and built up again, with operands looked up in a table as they come.
#include "passes/rewrite.h"

#include <assert.h>
#include <string.h>

bool pass_set_add(PassSet *s, IrNode *n) {
    if (pass_set_has(s, n))
        return false;
    ir_node_map_put(&s->map, n, n);
    return true;
}

// What `n` became, or itself.
static IrNode *now(const IrNodeMap *map, IrNode *n) {
    IrNode *to = ir_node_map_get(map, n);
    return to ? to : n;
}

// Whether a gradient or a map stands somewhere in `b`.
static bool has_eliminable(const IrBlock *b) {
    for (int i = 0; i < b->n; i++) {
        const IrNode *n = b->nodes[i];
        if (n->op == IR_OP_grad || n->op == IR_OP_map || (n->body && has_eliminable(n->body)))
            return true;
    }
    return false;
}

bool pass_expand(PassCtx *cx, IrFunction *f, IrBlock *b, IrOp op, PassExpand *expand, void *data) {
    IrNodeMap became = {.arena = cx->scratch};  // of a `get`: the result
    IrNodeMap results = {.arena = cx->scratch}; // of an expanded node: its array of results
    bool changed = false;

    IrBlock old = *b;
    b->nodes = NULL;
    b->n = b->cap = 0;
    for (int i = 0; i < old.n; i++) {
        IrNode *n = old.nodes[i];
        IrNode **outs = n->op == IR_OP_get ? ir_node_map_get(&results, n->in[0]) : NULL;
        if (outs) {
            ir_node_map_put(&became, n, outs[n->attrs.index]);
            continue;
        }

        for (int k = 0; k < n->n_in; k++)
            n->in[k] = now(&became, n->in[k]);
        bool is_next = n->op == op && !(n->body && has_eliminable(n->body));
        if (n->body)
            changed |= pass_expand(cx, f, n->body, op, expand, data);
        if (!is_next) {
            ir_block_append(f, b, n);
            continue;
        }

        outs = arena_array(cx->scratch, IrNode *, n->n_types);
        expand(data, n, b, outs);
        ir_node_map_put(&results, n, outs);
        changed = true;
    }

    for (int i = 0; i < b->n_results; i++)
        b->results[i] = now(&became, b->results[i]);
    return changed;
}

void pass_splice(PassCtx *cx, IrFunction *f, IrBlock *b, IrBlock *body, IrNode *const *args,
                 IrNode **out) {
    IrNodeMap became = {.arena = cx->scratch};

    for (int i = 0; i < body->n_params; i++)
        ir_node_map_put(&became, body->params[i], args[i]);
    for (int i = 0; i < body->n; i++) {
        IrNode *n = body->nodes[i];
        for (int k = 0; k < n->n_in; k++)
            n->in[k] = now(&became, n->in[k]);
        ir_block_append(f, b, n);
    }
    for (int i = 0; i < body->n_results; i++)
        out[i] = now(&became, body->results[i]);
}

void pass_prune(PassCtx *cx, IrBlock *b) {
    PassSet live = pass_set(cx->scratch);

    for (int i = 0; i < b->n_results; i++)
        pass_set_add(&live, b->results[i]);
    for (int i = b->n - 1; i >= 0; i--) {
        IrNode *n = b->nodes[i];
        for (int k = 0; pass_set_has(&live, n) && k < n->n_in; k++)
            pass_set_add(&live, n->in[k]);
    }

    int kept = 0;
    for (int i = 0; i < b->n; i++) {
        if (pass_set_has(&live, b->nodes[i]))
            b->nodes[kept++] = b->nodes[i];
    }
    b->n = kept;
}

// `items` with `item` put in at `at`; owned by `a`.
static IrNode **insert(Arena *a, IrNode *const *items, int n, int at, IrNode *item) {
    IrNode **more = arena_array(a, IrNode *, n + 1);
    for (int i = 0; i <= n; i++)
        more[i] = i < at ? items[i] : i == at ? item : items[i - 1];
    return more;
}

IrNode *pass_capture(IrFunction *f, IrNode *owner, IrNode *value) {
    IrBlock *body = owner->body;
    int at = owner->op == IR_OP_grad ? owner->n_in : owner->attrs.n_captured;

    // the new parameter is made last and moved to its place
    IrNode *param = ir_block_add_param(f, body, value->types[0], value->attrs.name, value->loc);
    body->params = insert(f->arena, body->params, body->n_params - 1, at, param);
    body->cap_params = body->n_params;
    for (int i = 0; i < body->n_params; i++)
        body->params[i]->attrs.index = i;

    owner->in = insert(f->arena, owner->in, owner->n_in, at, value);
    owner->n_in++;
    owner->attrs.n_captured = at + 1;
    return param;
}

// ---- through bodies -----------------------------------------------------------------------------

static bool is_loop(const IrNode *n) {
    return n->op == IR_OP_scan || n->op == IR_OP_map;
}

// Hands `value` of the block around `owner` into its body: a slice for loops, whole for gradients.
static IrNode *enter(IrFunction *f, IrNode *owner, IrNode *value, const char *name) {
    if (!is_loop(owner))
        return pass_capture(f, owner, value);

    IrType type = value->types[0];
    type.rank--;
    memmove(type.dims, type.dims + 1, (size_t)type.rank * sizeof *type.dims);
    owner->in = insert(f->arena, owner->in, owner->n_in, owner->n_in, value);
    owner->n_in++;
    owner->attrs.n_over++;

    // the step's index stays the last parameter
    IrNode *p = ir_block_add_param(f, owner->body, type, name, value->loc);
    IrNode **params = owner->body->params;
    int last = owner->body->n_params - 1;
    params[last] = params[last - 1];
    params[last - 1] = p;
    p->attrs.index = last - 1;
    params[last]->attrs.index = last;
    return p;
}

IrNode *pass_enter(IrFunction *f, IrNode *const *owners, int depth, IrNode *value,
                   const char *name) {
    for (int i = 0; i < depth; i++)
        value = enter(f, owners[i], value, name);
    return value;
}

// Makes `value` of the body of `owner`, which stands in `b`, its result number `at`.
static IrNode *leave(IrFunction *f, IrBlock *b, IrNode *owner, IrNode *value) {
    IrBlock *body = owner->body;
    IrType type = value->types[0];
    int at = body->n_results; // the gradients of a grad come behind the results of its body

    ir_block_add_result(f, body, value);
    if (is_loop(owner)) {
        memmove(type.dims + 1, type.dims, (size_t)type.rank * sizeof *type.dims);
        type.dims[0] = owner->attrs.dim;
        type.rank++;
    }
    IrType *types = arena_array(f->arena, IrType, owner->n_types + 1);
    for (int i = 0; i <= owner->n_types; i++)
        types[i] = i < at ? owner->types[i] : i == at ? type : owner->types[i - 1];
    owner->types = types;
    owner->n_types++;
    ir_each_node(n, b) {
        if (n->op == IR_OP_get && n->in[0] == owner && n->attrs.index >= at)
            n->attrs.index++;
    }
    IrBuilder builder = {.fn = f, .block = b, .loc = value->loc, .path = value->path};
    return ir_get(&builder, owner, at);
}

IrNode *pass_leave(IrFunction *f, IrBlock *const *blocks, IrNode *const *owners, int depth,
                   IrNode *value) {
    for (int i = depth - 1; i >= 0; i--)
        value = leave(f, blocks[i], owners[i], value);
    return value;
}

// ---- what depends -------------------------------------------------------------------------------

static bool spread_block(PassSet *set, const IrBlock *b, bool (*stops)(const IrNode *n));

static bool add_unless(PassSet *set, IrNode *n, bool (*stops)(const IrNode *n)) {
    return !(stops && stops(n)) && pass_set_add(set, n);
}

// Whether it depends after how many steps the loop ends, and with it all that the loop gives.
static bool end_depends(const PassSet *set, const IrNode *scan) {
    return scan->attrs.until && pass_set_has(set, scan->body->params[scan->attrs.n_captured]);
}

// Until no further carry depends.
static bool spread_scan(PassSet *set, const IrNode *scan, bool (*stops)(const IrNode *n)) {
    const IrBlock *body = scan->body;
    bool changed = false, again = true;

    for (int k = 0; k < scan->n_in; k++) {
        if (pass_set_has(set, scan->in[k]))
            changed |= add_unless(set, body->params[k], stops);
    }
    while (again) {
        again = false;
        changed |= spread_block(set, body, stops);
        for (int c = 0; c < scan->attrs.n_carry; c++) {
            if (pass_set_has(set, body->results[c]) || end_depends(set, scan))
                again |= add_unless(set, body->params[scan->attrs.n_captured + c], stops);
        }
        changed |= again;
    }
    return changed;
}

// Whether the result that `get` reads depends.
static bool get_depends(const PassSet *set, const IrNode *get) {
    const IrNode *scan = get->in[0];
    int i = get->attrs.index;
    if (scan->op != IR_OP_scan)
        return pass_set_has(set, scan);
    if (end_depends(set, scan))
        return true;
    return pass_set_has(set, i < scan->attrs.n_carry
                                 ? scan->body->params[scan->attrs.n_captured + i]
                                 : scan->body->results[i]);
}

static bool spread_block(PassSet *set, const IrBlock *b, bool (*stops)(const IrNode *n)) {
    bool changed = false;

    for (int i = 0; i < b->n; i++) {
        IrNode *n = b->nodes[i];
        if (n->op == IR_OP_get) {
            if (get_depends(set, n))
                changed |= add_unless(set, n, stops);
            continue;
        }
        if (n->op == IR_OP_scan)
            changed |= spread_scan(set, n, stops);
        for (int k = 0; k < n->n_in; k++) {
            if (pass_set_has(set, n->in[k])) {
                changed |= add_unless(set, n, stops);
                break;
            }
        }
    }
    return changed;
}

void pass_spread(PassSet *set, const IrBlock *b, bool (*stops)(const IrNode *n)) {
    spread_block(set, b, stops);
}
