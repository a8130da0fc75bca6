// passes/grad_scan.c -- the gradient of a scan is a scan in reverse.
//
// The body is differentiated as a block of its own, from the adjoints of its next carries and
// collected values, which come as extra parameters. That joint body is then cut in two:
//
//   forward  the loop that was there; it also collects what the other needs from each step
//   reverse  carries the adjoints of carries and, as sums over the steps, of captured values;
//            takes adjoints of collected values, and what was collected, as slices
//
// A value of the joint body belongs to the forward part unless it depends on an adjoint. Where the
// reverse part needs one, it is made again from carries, slices and captured values if it is cheap
// (elementwise, a move, a draw, a constant) or does not change from step to step; products,
// reductions and results of inner loops are collected. Inner loops were cut the same way before,
// so what they collected is collected once more, with an axis in front.
#include "passes/grad.h"

#include "ir/shape.h"

// A scan while it is differentiated.
typedef struct Scan {
    GradBlock *outer;
    GradBlock joint;
    IrNode *node;
    IrBlock *body;
    int n_captured, n_carry, n_over, n_params; // params: of the body as it was
    PassSet reached;                           // nodes of the body that may get an adjoint
    PassSet late;                              // depend on an adjoint
    PassSet changes;                           // depend on the step
    PassSet needed;                            // of the joint body, by the reverse part
    IrNode **d_result; // of each of the body's results: its adjoint's parameter, or NULL
    IrNode **dx;       // of each of the body's parameters: its adjoint in the joint body, or NULL
} Scan;

// ---- which values get an adjoint ----------------------------------------------------------------

static void reach(PassSet *reached, const PassSet *varies, IrNode *n) {
    if (pass_set_has(varies, n))
        pass_set_add(reached, n);
}

// Spreads `reached` from the results of a scan to its body and its operands. A carry's parameter
// stands for its result: both have an adjoint or none.
static void reach_through_scan(PassSet *reached, const PassSet *varies, const IrNode *scan) {
    const IrBlock *body = scan->body;
    IrNode **carries = body->params + scan->attrs.n_captured;
    int n_carry = scan->attrs.n_carry;

    for (bool again = true; again;) {
        int before = 0, after = 0;
        for (int c = 0; c < n_carry; c++) {
            before += pass_set_has(reached, carries[c]);
            if (pass_set_has(reached, carries[c]))
                reach(reached, varies, body->results[c]);
        }
        for (int i = body->n - 1; i >= 0; i--) {
            const IrNode *n = body->nodes[i];
            if (n->op == IR_OP_scan) {
                reach_through_scan(reached, varies, n);
            } else if (n->op == IR_OP_get && pass_set_has(reached, n)) {
                const IrNode *of = n->in[0];
                int k = n->attrs.index;
                if (of->op == IR_OP_scan)
                    reach(reached, varies,
                          k < of->attrs.n_carry ? of->body->params[of->attrs.n_captured + k]
                                                : of->body->results[k]);
            } else if (pass_set_has(reached, n)) {
                for (int k = 0; k < n->n_in; k++)
                    reach(reached, varies, n->in[k]);
            }
        }
        for (int c = 0; c < n_carry; c++)
            after += pass_set_has(reached, carries[c]);
        again = after > before;
    }
    for (int k = 0; k < scan->n_in; k++) {
        if (pass_set_has(reached, body->params[k]))
            reach(reached, varies, scan->in[k]);
    }
}

// Carries whose adjoint is carried are those whose parameter is reached.
static bool carries_adjoint(const Scan *s, int c) {
    return pass_set_has(&s->reached, s->body->params[s->n_captured + c]);
}

static void find_reached(Scan *s, IrNode *const *d) {
    s->reached = pass_set(s->outer->cx->scratch);
    for (int i = 0; i < s->node->n_types; i++) {
        if (d[i])
            reach(&s->reached, s->outer->varies,
                  i < s->n_carry ? s->body->params[s->n_captured + i] : s->body->results[i]);
    }
    reach_through_scan(&s->reached, s->outer->varies, s->node);
}

// ---- the joint body -----------------------------------------------------------------------------

static void differentiate_body(Scan *s, IrNode *const *d) {
    IrFunction *f = s->outer->fn;
    Arena *scratch = s->outer->cx->scratch;
    s->joint =
        (GradBlock){.cx = s->outer->cx, .fn = f, .block = s->body, .varies = s->outer->varies};
    s->joint.adjoints.arena = scratch;
    s->late = pass_set(scratch);
    s->d_result = arena_array(scratch, IrNode *, s->body->n_results);

    for (int i = 0; i < s->body->n_results; i++) {
        IrNode *r = s->body->results[i];
        bool gets =
            i < s->n_carry ? carries_adjoint(s, i) : d[i] && pass_set_has(s->outer->varies, r);
        if (!gets)
            continue;
        s->d_result[i] = ir_block_add_param(f, s->body, r->types[0], NULL, r->loc);
        pass_set_add(&s->late, s->d_result[i]);
        grad_put(&s->joint, r, s->d_result[i], r);
    }
    grad_walk(&s->joint);

    s->dx = arena_array(scratch, IrNode *, s->n_params);
    for (int k = 0; k < s->n_params; k++)
        s->dx[k] = grad_get_adjoint(&s->joint, s->body->params[k]);
}

// ---- the cut ------------------------------------------------------------------------------------

static bool is_in(const PassSet *set, const IrNode *n) {
    return pass_set_has(set, n) || (n->op == IR_OP_get && pass_set_has(set, n->in[0]));
}

static bool is_cheap(const IrNode *n) {
    switch (ir_op_info[n->op].kind) {
    case IR_KIND_MAP:
    case IR_KIND_LEAF:
        return true;
    case IR_KIND_MOVE:
        return n->op != IR_OP_scatter_add;
    case IR_KIND_REDUCE:
    case IR_KIND_CONTRACT:
    case IR_KIND_ORDER:
    case IR_KIND_CONTROL:
        return false;
    }
    ir_bug(n, "an operation of no kind");
}

// A node of the forward part whose value is handed to the reverse part.
static bool is_collected(const Scan *s, const IrNode *n) {
    return !is_in(&s->late, n) && is_in(&s->changes, n) && !is_cheap(n);
}

static void find_needed(Scan *s) {
    Arena *scratch = s->outer->cx->scratch;
    pass_spread(&s->late, s->body, NULL);
    s->changes = pass_set(scratch);
    for (int k = s->n_captured; k < s->n_params; k++)
        pass_set_add(&s->changes, s->body->params[k]);
    pass_spread(&s->changes, s->body, NULL);

    s->needed = pass_set(scratch);
    for (int k = 0; k < s->n_params; k++) {
        if (s->dx[k])
            pass_set_add(&s->needed, s->dx[k]);
    }
    for (int i = s->body->n - 1; i >= 0; i--) {
        IrNode *n = s->body->nodes[i];
        if (!pass_set_has(&s->needed, n) || is_collected(s, n))
            continue;
        for (int k = 0; k < n->n_in; k++)
            pass_set_add(&s->needed, n->in[k]);
    }
}

// ---- the reverse part ---------------------------------------------------------------------------

// The reverse loop while it is put together: a parameter of its body goes with an operand.
typedef struct Reverse {
    IrBlock *body;
    IrNodeMap became; // of nodes of the joint body: nodes of the reverse body
    IrNode **in;
    int n_in, cap_in;
    IrNode **sums; // of each captured operand: the parameter of its adjoint's sum, or NULL
} Reverse;

static IrNode *add_operand(Scan *s, Reverse *r, IrNode *operand, IrType param, const IrNode *like) {
    arena_push(s->outer->cx->scratch, r->in, r->n_in, r->cap_in, operand);
    const char *name = like->op == IR_OP_input ? like->attrs.name : NULL;
    return ir_block_add_param(s->outer->fn, r->body, param, name, like->loc);
}

// Appends to what the forward loop collects; gives the number of the result.
static int collect(Scan *s, IrNode *n) {
    ir_block_add_result(s->outer->fn, s->body, n);
    return s->body->n_results - 1;
}

static void add_captured(Scan *s, Reverse *r) {
    for (int k = 0; k < s->n_captured; k++) {
        IrNode *p = s->body->params[k];
        if (pass_set_has(&s->needed, p))
            ir_node_map_put(&r->became, p, add_operand(s, r, s->node->in[k], p->types[0], p));
    }
}

// Adjoints of carries start as those of the last carries, sums as zero.
static void add_carries(Scan *s, Reverse *r, IrBuilder *b, IrNode *const *d) {
    for (int c = 0; c < s->n_carry; c++) {
        IrNode *p = s->d_result[c];
        if (!p)
            continue;
        IrNode *start = d[c] ? d[c] : ir_const_like(b, p, 0);
        ir_node_map_put(&r->became, p, add_operand(s, r, start, p->types[0], p));
    }
    r->sums = arena_array(s->outer->cx->scratch, IrNode *, s->n_captured);
    for (int k = 0; k < s->n_captured; k++) {
        IrNode *p = s->body->params[k];
        if (s->dx[k])
            r->sums[k] = add_operand(s, r, ir_const_like(b, p, 0), p->types[0], p);
    }
}

// Slices: adjoints of collected values, the arrays of the forward loop, what it collects.
static void add_slices(Scan *s, Reverse *r, IrBuilder *b, IrNode *const *d, int n_results) {
    for (int i = s->n_carry; i < n_results; i++) {
        IrNode *p = s->d_result[i];
        if (p)
            ir_node_map_put(&r->became, p, add_operand(s, r, d[i], p->types[0], p));
    }
    int first_over = s->n_captured + s->n_carry;
    for (int k = first_over; k < first_over + s->n_over; k++) {
        IrNode *p = s->body->params[k];
        if (pass_set_has(&s->needed, p))
            ir_node_map_put(&r->became, p, add_operand(s, r, s->node->in[k], p->types[0], p));
    }

    // the forward loop's new results have no types before all are there
    IrNode **kept = NULL;
    int n_kept = 0, cap_kept = 0;
    for (int c = 0; c < s->n_carry; c++) {
        IrNode *p = s->body->params[s->n_captured + c];
        if (pass_set_has(&s->needed, p))
            arena_push(s->outer->cx->scratch, kept, n_kept, cap_kept, p);
    }
    for (int i = 0; i < s->body->n; i++) {
        IrNode *n = s->body->nodes[i];
        if (pass_set_has(&s->needed, n) && is_collected(s, n))
            arena_push(s->outer->cx->scratch, kept, n_kept, cap_kept, n);
    }
    for (int i = 0; i < n_kept; i++)
        collect(s, kept[i]);
    Buf why = {0};
    if (!ir_infer(s->outer->fn, s->node, &why))
        ir_bug(s->node, "%s", buf_text(&why));
    buf_free(&why);
    for (int i = 0; i < n_kept; i++) {
        IrNode *all = ir_get(b, s->node, n_results + i);
        ir_node_map_put(&r->became, kept[i], add_operand(s, r, all, kept[i]->types[0], kept[i]));
    }
}

static void copy_needed(Scan *s, Reverse *r) {
    IrBuilder b = {.fn = s->outer->fn, .block = r->body};
    for (int i = 0; i < s->body->n; i++) {
        IrNode *n = s->body->nodes[i];
        if (!pass_set_has(&s->needed, n) || ir_node_map_get(&r->became, n))
            continue;
        IrNode **in = arena_array(s->outer->cx->scratch, IrNode *, n->n_in);
        for (int k = 0; k < n->n_in; k++)
            in[k] = ir_node_map_get(&r->became, n->in[k]);

        // a body that stays in the forward loop too is copied
        IrNode own = *n;
        if (n->body && !is_in(&s->late, n))
            own.body = ir_clone_block(s->outer->fn, n->body);
        ir_node_map_put(&r->became, n, ir_copy(&b, &own, in));
    }
}

// Next adjoints of carries, next sums, then adjoints of the slices of each array. Results in the
// order of the operands they belong to; gives the number of carries.
static int add_results(Scan *s, Reverse *r) {
    IrFunction *f = s->outer->fn;
    IrBuilder b = {.fn = f, .block = r->body, .loc = s->node->loc, .path = s->node->path};
    int n_carry = 0;

    for (int c = 0; c < s->n_carry; c++) {
        IrNode *dx = s->dx[s->n_captured + c];
        if (!s->d_result[c])
            continue;
        ir_block_add_result(f, r->body,
                            dx ? ir_node_map_get(&r->became, dx)
                               : ir_const_like(&b, s->d_result[c], 0));
        n_carry++;
    }
    for (int k = 0; k < s->n_captured; k++) {
        if (!r->sums[k])
            continue;
        IrNode *dx = ir_node_map_get(&r->became, s->dx[k]);
        ir_block_add_result(f, r->body, ir_add(&b, r->sums[k], dx));
        n_carry++;
    }
    int first_over = s->n_captured + s->n_carry;
    for (int k = first_over; k < first_over + s->n_over; k++) {
        if (s->dx[k])
            ir_block_add_result(f, r->body, ir_node_map_get(&r->became, s->dx[k]));
    }
    return n_carry;
}

// Hands the results of the reverse loop to the operands of the forward loop.
static void put_results(Scan *s, IrBuilder *b, const Reverse *r, IrNode *reverse) {
    IrNode *const *in = s->node->in;
    int next = 0;

    for (int c = 0; c < s->n_carry; c++) {
        if (s->d_result[c])
            grad_put(s->outer, in[s->n_captured + c], ir_get(b, reverse, next++), s->node);
    }
    for (int k = 0; k < s->n_captured; k++) {
        if (r->sums[k])
            grad_put(s->outer, in[k], ir_get(b, reverse, next++), s->node);
    }
    int first_over = s->n_captured + s->n_carry;
    for (int k = first_over; k < first_over + s->n_over; k++) {
        if (s->dx[k])
            grad_put(s->outer, in[k], ir_get(b, reverse, next++), s->node);
    }
}

void grad_through_scan(GradBlock *g, IrNode *scan, IrNode *const *d) {
    const IrAttrs *a = &scan->attrs;
    Scan s = {.outer = g,
              .node = scan,
              .body = scan->body,
              .n_captured = a->n_captured,
              .n_carry = a->n_carry,
              .n_over = a->n_over,
              .n_params = scan->body->n_params};
    int n_results = scan->body->n_results;
    find_reached(&s, d);
    differentiate_body(&s, d);
    find_needed(&s);

    // the forward loop again, without the adjoints' parameters
    IrNode *index = s.body->params[s.n_params - 1];
    s.body->n_params = s.n_params;

    // the reverse loop
    IrBuilder b = grad_builder(g, scan);
    Reverse r = {.body = ir_block_new(g->fn->arena), .became = {.arena = g->cx->scratch}};
    add_captured(&s, &r);
    int n_captured = r.n_in;
    add_carries(&s, &r, &b, d);
    int n_whole = r.n_in;
    add_slices(&s, &r, &b, d, n_results);
    ir_node_map_put(
        &r.became, index,
        ir_block_add_param(g->fn, r.body, index->types[0], index->attrs.name, index->loc));
    copy_needed(&s, &r);
    int n_carry = add_results(&s, &r);
    if (n_carry != n_whole - n_captured)
        ir_bug(scan, "%d adjoints carried, %d given", n_carry, n_whole - n_captured);
    pass_prune(g->cx, s.body);
    pass_prune(g->cx, r.body);

    if (r.body->n_results == 0)
        return;
    IrNode *reverse = ir_scan(&b, r.body, a->dim, !a->reverse, a->name, n_captured, n_carry,
                              r.n_in - n_whole, r.in);
    put_results(&s, &b, &r, reverse);
}
