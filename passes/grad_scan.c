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
// reverse part needs one, it is stored, which is to say collected by the forward loop, or made
// again from what is stored, slices and captured values, whichever costs less (residuals.c). Inner
// loops were cut the same way before, so what they collected may be collected once more, with an
// axis in front.
//
// The adjoint of a weight is a product in each step. Where that costs less memory traffic, its
// factors are collected instead, and one product over all steps is made after the loop.
#include "passes/grad.h"

#include "ir/shape.h"
#include "passes/residuals.h"

// The adjoint of a captured value in one step, as a sum.
typedef struct Terms {
    IrNode **products; // made after the loop, over all steps at once
    int n_products, cap_products;
    IrNode **others; // added up in the loop
    int n_others, cap_others;
} Terms;

// A scan while it is differentiated.
typedef struct Scan {
    GradBlock *outer;
    GradBlock joint;
    IrNode *node;
    IrBlock *body;
    int n_captured, n_carry, n_over; // of the node's operands
    int n_params, n_results;         // of the body as it was
    PassSet reached;                 // nodes of the body that may get an adjoint
    PassSet late;                    // depend on an adjoint
    PassSet changes;                 // depend on the step
    PassSet stored;                  // forward values that are kept for the reverse part
    PassSet needed;                  // of the joint body, by the reverse part
    PassSet stacked;                 // factors of products that are made after the loop
    Terms *terms;                    // of each captured operand
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

static void find_parts(Scan *s) {
    s->changes = pass_set(s->outer->cx->scratch);
    for (int k = s->n_captured; k < s->n_params; k++)
        pass_set_add(&s->changes, s->body->params[k]);
    pass_spread(&s->changes, s->body, NULL);
    pass_spread(&s->late, s->body, NULL);
}

// True when the values of all steps are, or will be, an array outside of the reverse loop.
static bool is_array(const Scan *s, const IrNode *n) {
    for (int k = s->n_captured + s->n_carry; k < s->n_params; k++) {
        if (s->body->params[k] == n)
            return true;
    }
    for (int i = s->n_carry; i < s->n_results; i++) {
        if (s->d_result[i] == n)
            return true;
    }
    return pass_set_has(&s->stored, n);
}

// Elements that are written to collect `n` in the reverse loop.
static int64_t cost_of_array(const Scan *s, const IrNode *n) {
    return is_array(s, n) ? 0 : ir_dim_likely(ir_type_count(s->outer->fn->dims, &n->types[0]));
}

// The product that `n` is, perhaps with its axes in another order.
static IrNode *product_of(IrNode *n) {
    IrNode *x = n->op == IR_OP_transpose ? n->in[0] : n;
    return x->op == IR_OP_dot ? x : NULL;
}

// A product whose factors both change, so that one over all steps is the sum over the steps.
static bool can_be_after_loop(const Scan *s, IrNode *n) {
    IrNode *dot = product_of(n);
    if (!dot || dot->attrs.n_batch > 0 || dot->attrs.n_contract == IR_MAX_RANK)
        return false;
    for (int k = 0; k < 2; k++) {
        const IrNode *x = dot->in[k];
        if (x->types[0].rank == IR_MAX_RANK ||
            !(pass_set_covers(&s->changes, x) || pass_set_covers(&s->late, x)))
            return false;
    }
    return true;
}

// A sum in the loop reads and writes the whole result in each step; factors are written, and read
// by the product, which has to be made anyway.
static bool is_better_after_loop(const Scan *s, IrNode *n) {
    if (!can_be_after_loop(s, n))
        return false;
    IrNode *dot = product_of(n);
    int64_t result = ir_dim_likely(ir_type_count(s->outer->fn->dims, &n->types[0]));
    return cost_of_array(s, dot->in[0]) + cost_of_array(s, dot->in[1]) <= result;
}

// Adds the factors of products that may be made after the loop.
static void find_factors(const Scan *s, IrNode *n, PassSet *factors) {
    if (n->op == IR_OP_add) {
        find_factors(s, n->in[0], factors);
        find_factors(s, n->in[1], factors);
    } else if (can_be_after_loop(s, n)) {
        pass_set_add(factors, product_of(n)->in[0]);
        pass_set_add(factors, product_of(n)->in[1]);
    }
}

// Decides what the forward loop stores, from what the adjoints read.
static void find_stored(Scan *s) {
    Arena *scratch = s->outer->cx->scratch;
    PassSet wanted = pass_set(scratch), factors = pass_set(scratch), given = pass_set(scratch);
    for (int k = 0; k < s->n_params; k++) {
        if (s->dx[k])
            pass_set_add(&wanted, s->dx[k]);
        if (s->dx[k] && k < s->n_captured)
            find_factors(s, s->dx[k], &factors);
    }
    for (int i = s->body->n - 1; i >= 0; i--) {
        IrNode *n = s->body->nodes[i];
        for (int k = 0; k < n->n_in && pass_set_has(&wanted, n) && pass_set_covers(&s->late, n);
             k++)
            pass_set_add(&wanted, n->in[k]);
    }
    for (int i = s->n_carry; i < s->n_results; i++)
        pass_set_add(&given, s->body->results[i]);
    s->stored = residuals_choose(&(Residuals){.cx = s->outer->cx,
                                              .fn = s->outer->fn,
                                              .body = s->body,
                                              .loop = s->node,
                                              .carries = s->body->params + s->n_captured,
                                              .n_carry = s->n_carry,
                                              .changes = &s->changes,
                                              .late = &s->late,
                                              .wanted = &wanted,
                                              .arrays = &factors,
                                              .given = &given});
}

static void split_sum(Scan *s, IrNode *n, Terms *t) {
    Arena *scratch = s->outer->cx->scratch;
    if (n->op == IR_OP_add) {
        split_sum(s, n->in[0], t);
        split_sum(s, n->in[1], t);
    } else if (is_better_after_loop(s, n)) {
        arena_push(scratch, t->products, t->n_products, t->cap_products, n);
    } else {
        arena_push(scratch, t->others, t->n_others, t->cap_others, n);
    }
}

static void find_terms(Scan *s) {
    s->terms = arena_array(s->outer->cx->scratch, Terms, s->n_captured);
    for (int k = 0; k < s->n_captured; k++) {
        if (s->dx[k])
            split_sum(s, s->dx[k], &s->terms[k]);
    }
}

static void find_needed(Scan *s) {
    s->needed = pass_set(s->outer->cx->scratch);
    s->stacked = pass_set(s->outer->cx->scratch);
    for (int k = 0; k < s->n_captured; k++) {
        const Terms *t = &s->terms[k];
        for (int i = 0; i < t->n_others; i++)
            pass_set_add(&s->needed, t->others[i]);
        for (int i = 0; i < 2 * t->n_products; i++) {
            IrNode *factor = product_of(t->products[i / 2])->in[i % 2];
            pass_set_add(&s->stacked, factor);
            if (!is_array(s, factor))
                pass_set_add(&s->needed, factor);
        }
    }
    for (int k = s->n_captured; k < s->n_params; k++) {
        if (s->dx[k])
            pass_set_add(&s->needed, s->dx[k]);
    }
    for (int i = s->body->n - 1; i >= 0; i--) {
        IrNode *n = s->body->nodes[i];
        if (!pass_set_has(&s->needed, n) || pass_set_has(&s->stored, n))
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
    IrNode **sums;    // of each captured operand: the parameter of its adjoint's sum, or NULL
    IrNodeMap arrays; // of nodes of the joint body: all their values, outside
    IrNode **stacked; // nodes whose values it collects for products, from result `n_own` on
    int n_stacked, cap_stacked, n_own;
} Reverse;

static IrNode *add_operand(Scan *s, Reverse *r, IrNode *operand, IrType param, const IrNode *like) {
    arena_push(s->outer->cx->scratch, r->in, r->n_in, r->cap_in, operand);
    const char *name = like->op == IR_OP_input ? like->attrs.name : NULL;
    return ir_block_add_param(s->outer->fn, r->body, param, name, like->loc);
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
        if (s->terms[k].n_others > 0)
            r->sums[k] = add_operand(s, r, ir_const_like(b, p, 0), p->types[0], p);
    }
}

// The array `all` has the values of `n` in all steps.
static void add_array(Scan *s, Reverse *r, IrNode *n, IrNode *all) {
    ir_node_map_put(&r->arrays, n, all);
    if (pass_set_has(&s->needed, n))
        ir_node_map_put(&r->became, n, add_operand(s, r, all, n->types[0], n));
}

static bool is_wanted(const Scan *s, const IrNode *n) {
    return pass_set_has(&s->needed, n) || pass_set_has(&s->stacked, n);
}

// Which of the loop's results collects `n`, or -1.
static int result_of(const Scan *s, const IrNode *n) {
    for (int i = s->n_carry; i < s->n_results; i++) {
        if (s->body->results[i] == n)
            return i;
    }
    return -1;
}

// Makes the forward loop collect what is stored, and hands that on.
static void add_collected(Scan *s, Reverse *r, IrBuilder *b) {
    Arena *scratch = s->outer->cx->scratch;
    IrNode **kept = NULL;
    int n_kept = 0, cap_kept = 0;
    for (int c = 0; c < s->n_carry; c++) {
        IrNode *p = s->body->params[s->n_captured + c];
        if (is_wanted(s, p))
            arena_push(scratch, kept, n_kept, cap_kept, p);
    }
    for (int i = 0; i < s->body->n; i++) {
        IrNode *n = s->body->nodes[i];
        if (is_wanted(s, n) && pass_set_has(&s->stored, n))
            arena_push(scratch, kept, n_kept, cap_kept, n);
    }

    // the loop's types, once all results are there
    int *at = arena_array(scratch, int, n_kept);
    for (int i = 0; i < n_kept; i++) {
        at[i] = result_of(s, kept[i]);
        if (at[i] >= 0)
            continue;
        at[i] = s->body->n_results;
        ir_block_add_result(s->outer->fn, s->body, kept[i]);
    }
    Buf why = {0};
    if (!ir_infer(s->outer->fn, s->node, &why))
        ir_bug(s->node, "%s", buf_text(&why));
    buf_free(&why);
    for (int i = 0; i < n_kept; i++)
        add_array(s, r, kept[i], ir_get(b, s->node, at[i]));
}

// Slices: adjoints of collected values, the arrays of the forward loop, what it collects.
static void add_slices(Scan *s, Reverse *r, IrBuilder *b, IrNode *const *d) {
    for (int i = s->n_carry; i < s->n_results; i++) {
        if (s->d_result[i])
            add_array(s, r, s->d_result[i], d[i]);
    }
    int first_over = s->n_captured + s->n_carry;
    for (int k = first_over; k < first_over + s->n_over; k++)
        add_array(s, r, s->body->params[k], s->node->in[k]);
    add_collected(s, r, b);
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
        if (n->body && !pass_set_covers(&s->late, n))
            own.body = ir_clone_block(s->outer->fn, n->body);
        ir_node_map_put(&r->became, n, ir_copy(&b, &own, in));
    }
}

static bool is_listed(IrNode *const *list, int n, const IrNode *x) {
    for (int i = 0; i < n; i++) {
        if (list[i] == x)
            return true;
    }
    return false;
}

// Next adjoints of carries, next sums, then adjoints of the slices of each array, in the order of
// the operands they belong to; then factors. Gives the number of carries.
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
        IrNode *sum = r->sums[k];
        for (int i = 0; i < s->terms[k].n_others; i++)
            sum = ir_add(&b, sum, ir_node_map_get(&r->became, s->terms[k].others[i]));
        if (sum) {
            ir_block_add_result(f, r->body, sum);
            n_carry++;
        }
    }
    int first_over = s->n_captured + s->n_carry;
    for (int k = first_over; k < first_over + s->n_over; k++) {
        if (s->dx[k])
            ir_block_add_result(f, r->body, ir_node_map_get(&r->became, s->dx[k]));
    }

    // factors of products
    r->n_own = r->body->n_results;
    for (int k = 0; k < s->n_captured; k++) {
        const Terms *t = &s->terms[k];
        for (int i = 0; i < 2 * t->n_products; i++) {
            IrNode *factor = product_of(t->products[i / 2])->in[i % 2];
            if (is_array(s, factor) || is_listed(s->dx + first_over, s->n_over, factor) ||
                is_listed(r->stacked, r->n_stacked, factor))
                continue;
            arena_push(s->outer->cx->scratch, r->stacked, r->n_stacked, r->cap_stacked, factor);
            ir_block_add_result(f, r->body, ir_node_map_get(&r->became, factor));
        }
    }
    return n_carry;
}

// Hands the results of the reverse loop to the operands of the forward loop.
static void put_results(Scan *s, IrBuilder *b, Reverse *r, IrNode *reverse) {
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
        if (!s->dx[k])
            continue;
        IrNode *all = ir_get(b, reverse, next++);
        ir_node_map_put(&r->arrays, s->dx[k], all);
        grad_put(s->outer, in[k], all, s->node);
    }
}

// One product over all steps for each that was left out of the loop: the steps are one more
// contracting axis, in front of the factors' own.
static void put_products(Scan *s, IrBuilder *b, Reverse *r, IrNode *reverse) {
    for (int i = 0; i < r->n_stacked; i++)
        ir_node_map_put(&r->arrays, r->stacked[i], ir_get(b, reverse, r->n_own + i));

    for (int k = 0; k < s->n_captured; k++) {
        const Terms *t = &s->terms[k];
        for (int i = 0; i < t->n_products; i++) {
            const IrNode *n = t->products[i], *dot = product_of(t->products[i]);
            int n_contract = dot->attrs.n_contract + 1;
            int lhs_axes[IR_MAX_RANK] = {0}, rhs_axes[IR_MAX_RANK] = {0};
            for (int c = 1; c < n_contract; c++) {
                lhs_axes[c] = dot->attrs.lhs_axes[c - 1] + 1;
                rhs_axes[c] = dot->attrs.rhs_axes[c - 1] + 1;
            }
            IrBuilder at = grad_builder(s->outer, n);
            IrNode *dx =
                ir_dot(&at, ir_node_map_get(&r->arrays, dot->in[0]),
                       ir_node_map_get(&r->arrays, dot->in[1]), 0, n_contract, lhs_axes, rhs_axes);
            if (n->op == IR_OP_transpose)
                dx = ir_transpose(&at, dx, n->attrs.axes);
            grad_put(s->outer, s->node->in[k], dx, n);
        }
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
              .n_params = scan->body->n_params,
              .n_results = scan->body->n_results};
    find_reached(&s, d);
    differentiate_body(&s, d);
    find_parts(&s);
    find_stored(&s);
    find_terms(&s);
    find_needed(&s);

    // the forward loop again, without the adjoints' parameters
    IrNode *index = s.body->params[s.n_params - 1];
    s.body->n_params = s.n_params;

    // the reverse loop
    IrBuilder b = grad_builder(g, scan);
    Reverse r = {.body = ir_block_new(g->fn->arena)};
    r.became.arena = r.arrays.arena = g->cx->scratch;
    add_captured(&s, &r);
    int n_captured = r.n_in;
    add_carries(&s, &r, &b, d);
    int n_whole = r.n_in;
    add_slices(&s, &r, &b, d);
    ir_node_map_put(
        &r.became, index,
        ir_block_add_param(g->fn, r.body, index->types[0], index->attrs.name, index->loc));
    copy_needed(&s, &r);
    int n_carry = add_results(&s, &r);
    if (n_carry != n_whole - n_captured)
        ir_bug(scan, "%d adjoints carried, %d given", n_carry, n_whole - n_captured);
    pass_prune(g->cx, s.body);
    pass_prune(g->cx, r.body);

    // a loop that is left with nothing to give is not made
    IrNode *reverse = NULL;
    if (r.body->n_results > 0)
        reverse = ir_scan(&b, r.body, a->dim, !a->reverse, a->name, n_captured, n_carry,
                          r.n_in - n_whole, r.in);
    put_results(&s, &b, &r, reverse);
    put_products(&s, &b, &r, reverse);
}
