// passes/lowrank.c -- products with a sum of products, without making the sum.
//
// x (W - a X^T G) is x W - a (x X^T) G. Where X has few rows, as in a step of gradient descent on a
// few samples, the right side is less work; and where many x, X and G (one for each window) meet
// one W, all of them share one product with W, since no matrix of their own is ever made.
//
// An operand of a product is looked at as a sum: through additions, signs, transposes, broadcasts,
// and factors that do not depend on what the product sums over. Each term is then multiplied by
// itself: a term that is a product in whichever order costs least, a term that only repeats along
// some axes without the repeats. A sum over a product's own axes becomes part of that product.
//
// Axes carry labels, as in Einstein's notation: 0, 1, ... for the axes of the result, others for
// what is summed over. Costs are multiply-adds and elements touched, at the likely sizes. The bits
// of results change, within rounding; where a factor that leaves an empty sum is not finite, the
// result is NaN instead of 0.
#include "ir/node_map.h"
#include "passes/labels.h"
#include "passes/rewrite.h"

// Labels: axes of the result, then of what the product sums over, then of what a term that is a
// product itself sums over.
enum { SUMMED = IR_MAX_RANK, INNER = 2 * IR_MAX_RANK };

enum {
    TOUCH = 4, // an element read or written, in multiply-adds
    MAX_TERMS = 32,
    MAX_ROUNDS = 8,
};

// ---- a product in labels ------------------------------------------------------------------------

// A product (or a sum of one) whose operand may be taken apart.
typedef struct Product {
    IrNode *dot; // what gives the result: a dot, or the sum of one
    int side;    // operand that is looked at as a sum
    Labelled in[2];
    unsigned result; // labels of the result: bits 0 .. rank - 1
    IrDim *dims[PASS_LABELS];
} Product;

static double elements(const Product *p, unsigned labels) {
    double n = 1;
    for (int i = 0; i < PASS_LABELS; i++)
        n *= labels_has(labels, i) ? (double)ir_dim_likely(p->dims[i]) : 1;
    return n;
}

// Labels of the operands of `dot`, whose result has labels `of`; what it sums over is labelled
// from `first` on.
static void label_operands(Product *p, IrNode *dot, const int *of, int first, Labelled *in) {
    const IrAttrs *a = &dot->attrs;
    int next = a->n_batch; // axis of the result that the next free axis is
    for (int side = 0; side < 2; side++) {
        const IrType *t = &dot->in[side]->types[0];
        in[side].node = dot->in[side];
        for (int i = 0; i < t->rank; i++) {
            int summed = -1;
            for (int c = 0; c < a->n_contract; c++) {
                if ((side ? a->rhs_axes : a->lhs_axes)[c] == i)
                    summed = c;
            }
            in[side].labels[i] = i < a->n_batch ? of[i] : summed >= 0 ? first + summed : of[next++];
            p->dims[in[side].labels[i]] = t->dims[i];
        }
    }
}

static Product product_of(IrNode *dot, int side) {
    Product p = {.dot = dot, .side = side, .result = (1u << dot->types[0].rank) - 1};
    int of[IR_MAX_RANK];
    for (int i = 0; i < IR_MAX_RANK; i++)
        of[i] = i;
    label_operands(&p, dot, of, SUMMED, p.in);
    return p;
}

// Work of multiplying arrays with labels x and y and summing down to `out`.
static double cost_of_product(const Product *p, unsigned x, unsigned y, unsigned out) {
    return elements(p, x | y) + TOUCH * (elements(p, x) + elements(p, y) + elements(p, out));
}

// ---- terms --------------------------------------------------------------------------------------

// What becomes of an operand, multiplied by the other one.
typedef struct Term {
    IrOp op; // of the terms x, y: add, sub, neg, mul or div by `value`; dot: a leaf
    struct Term *x, *y;
    Labelled value; // of a leaf, or the factor
    int split;      // of a leaf that is a product: the operand that is taken first; else -1
    Labelled in[2]; //   its operands
    double cost;    //   the work of its product
    bool is_gain;   // less work than the operand as a whole might be
} Term;

typedef struct Rewrite {
    Product product;
    Term *term; // NULL: a sum of a product, which is one product
} Rewrite;

// What is known of a node of the block.
typedef struct Known {
    int n_uses; // that are left
    int n_users;
    IrNode **users; // nodes, one for each use; results of the block are none
    bool fixed;     // the same in each step of the loop whose body this is
    Rewrite *rewrite;
} Known;

typedef struct Lowrank {
    IrFunction *f;
    Arena *scratch;
    Known *known; // by id
    int n_known;
    double steps; // of the loop whose body is looked at: what is fixed is computed once for all
    int n_terms;
} Lowrank;

static Known *known(const Lowrank *l, const IrNode *n) {
    return &l->known[n->id];
}

// Operand `k` of `n`, elementwise.
static Labelled operand(const Labelled *n, int k) {
    Labelled x = *n;
    x.node = n->node->in[k];
    return x;
}

// Whether `x` may be multiplied to the result instead.
static bool is_factor(const Product *p, Labelled *x) {
    *x = labelled_strip(*x);
    return x->node->op == IR_OP_const || !(labels_of(x) & ~p->result);
}

static Term *new_term(Lowrank *l, IrOp op, Labelled value) {
    Term *t = arena_new(l->scratch, Term);
    *t = (Term){.op = op, .value = value, .split = -1};
    return t;
}

static unsigned other_labels(const Product *p) {
    return labels_of(&p->in[!p->side]);
}

// Labels of the product of the other operand and operand `first` of the leaf, as far as they are
// needed afterwards.
static unsigned labels_between(const Product *p, const Term *t, int first) {
    return (other_labels(p) | labels_of(&t->in[first])) & (p->result | labels_of(&t->in[!first]));
}

// Work of a leaf times the other operand, taking operand `split` of the leaf first, or -1: whole.
static double cost_of_leaf(const Lowrank *l, const Product *p, const Term *t, int split) {
    unsigned other = other_labels(p), leaf = labels_of(&t->value);
    if (split < 0)
        return cost_of_product(p, other, leaf, (other | leaf) & p->result);
    unsigned first = labels_of(&t->in[split]), second = labels_of(&t->in[!split]);
    unsigned between = labels_between(p, t, split);
    if (labels_count(between) > IR_MAX_RANK)
        return 1e300;
    bool fixed = known(l, p->in[!p->side].node)->fixed && known(l, t->in[split].node)->fixed;
    return cost_of_product(p, other, first, between) / (fixed ? l->steps : 1) +
           cost_of_product(p, between, second, (between | second) & p->result);
}

static Term *leaf(Lowrank *l, Product *p, Labelled x) {
    Labelled core = labelled_strip(x);
    bool repeats = labelled_rank(&core) < labelled_rank(&x);
    Term *t = new_term(l, IR_OP_dot, repeats || core.node->op == IR_OP_dot ? core : x);
    t->is_gain = repeats;
    t->cost = cost_of_leaf(l, p, t, -1);
    if (core.node->op != IR_OP_dot)
        return t;

    // a product by itself, whose own work may become needless
    label_operands(p, core.node, core.labels, INNER, t->in);
    unsigned inner = labels_of(&t->in[0]) | labels_of(&t->in[1]);
    double best = t->cost + elements(p, inner);
    for (int k = 0; k < 2; k++) {
        double cost = cost_of_leaf(l, p, t, k);
        if (cost >= best)
            continue;
        best = t->cost = cost;
        t->split = k;
        t->is_gain = true;
    }
    return t;
}

// `x`, an operand of `p`, as a sum of terms. What has no term that gains by itself is one leaf.
static Term *take_apart(Lowrank *l, Product *p, Labelled x) {
    Labelled n = labelled_strip(x), factor;
    Term *t = NULL;
    if (++l->n_terms > MAX_TERMS)
        return leaf(l, p, x);
    switch (n.node->op) {
    case IR_OP_add:
    case IR_OP_sub:
        t = new_term(l, n.node->op, n);
        t->x = take_apart(l, p, operand(&n, 0));
        t->y = take_apart(l, p, operand(&n, 1));
        t->is_gain = t->x->is_gain || t->y->is_gain;
        break;
    case IR_OP_neg:
        t = new_term(l, IR_OP_neg, n);
        t->x = take_apart(l, p, operand(&n, 0));
        t->is_gain = t->x->is_gain;
        break;
    case IR_OP_mul:
    case IR_OP_div:
        for (int k = 1; k >= (n.node->op == IR_OP_mul ? 0 : 1) && !t; k--) {
            factor = operand(&n, k);
            if (!is_factor(p, &factor))
                continue;
            t = new_term(l, n.node->op, factor);
            t->x = take_apart(l, p, operand(&n, !k));
            t->is_gain = t->x->is_gain;
        }
        break;
    default:
        break;
    }
    return t && t->is_gain ? t : leaf(l, p, x);
}

// Work of `t` times the other operand, all added up.
static double cost_of_term(const Product *p, const Term *t) {
    if (t->op == IR_OP_dot)
        return t->cost;
    double cost = cost_of_term(p, t->x) + TOUCH * elements(p, p->result);
    return t->y ? cost + cost_of_term(p, t->y) : cost;
}

// ---- what is left to do -------------------------------------------------------------------------

// Adds `by` to the uses of what the product of term `t` will read.
static void hold(Lowrank *l, const Term *t, int by) {
    if (t->op != IR_OP_dot) {
        hold(l, t->x, by);
        if (t->y)
            hold(l, t->y, by);
        else if (t->op != IR_OP_neg)
            known(l, t->value.node)->n_uses += by;
        return;
    }
    for (int k = 0; k < 2 && t->split >= 0; k++)
        known(l, t->in[k].node)->n_uses += by;
    if (t->split < 0)
        known(l, t->value.node)->n_uses += by;
}

static double own_cost(const IrNode *n) {
    if (n->op == IR_OP_dot) {
        Product p = product_of((IrNode *)n, 0);
        return cost_of_product(&p, labels_of(&p.in[0]), labels_of(&p.in[1]), p.result);
    }
    if (ir_op_info[n->op].kind != IR_KIND_MAP)
        return 0;
    double size = 1;
    for (int i = 0; i < n->types[0].rank; i++)
        size *= (double)ir_dim_likely(n->types[0].dims[i]);
    return TOUCH * size;
}

// Takes a use of `n` away (by = -1) or gives it back (1), and with the last one the uses of its
// operands. Gives the work that this saves.
static double release(Lowrank *l, IrNode *n, int by) {
    int *uses = &known(l, n)->n_uses;
    bool last = by < 0 ? *uses == 1 : *uses == 0;
    *uses += by;
    if (!last || n->op == IR_OP_input || n->n_types != 1 || n->op == IR_OP_get)
        return 0;
    double saved = own_cost(n) / (known(l, n)->fixed ? l->steps : 1);
    for (int k = 0; k < n->n_in; k++)
        saved += release(l, n->in[k], by);
    return saved;
}

// Whether rewriting `n` products, all with the operand `of`, is less work than before. If so, the
// uses are what they are afterwards.
static bool pays(Lowrank *l, Rewrite *const *rewrites, int n, IrNode *of) {
    double before = 0, after = 0;
    for (int i = 0; i < n; i++) {
        const Rewrite *r = rewrites[i];
        before += own_cost(r->product.dot);
        after += cost_of_term(&r->product, r->term);
        hold(l, r->term, 1);
    }
    for (int i = 0; i < n; i++)
        before += release(l, of, -1);
    if (after < before)
        return true;
    for (int i = 0; i < n; i++)
        release(l, of, 1);
    for (int i = 0; i < n; i++)
        hold(l, rewrites[i]->term, -1);
    return false;
}

// ---- which products are rewritten ---------------------------------------------------------------

static bool is_sum_like(const IrNode *n) {
    switch (n->op) {
    case IR_OP_add:
    case IR_OP_sub:
    case IR_OP_neg:
    case IR_OP_mul:
    case IR_OP_div:
    case IR_OP_broadcast:
    case IR_OP_transpose:
    case IR_OP_dot:
        return ir_dtype_is_real(n->types[0].dtype);
    default:
        return false;
    }
}

// The rewrite of a product that has `n` as one operand, or NULL.
static Rewrite *try_product(Lowrank *l, IrNode *dot, const IrNode *n) {
    if (dot->op != IR_OP_dot || dot->in[0] == dot->in[1] || known(l, dot)->n_uses == 0 ||
        known(l, dot)->rewrite)
        return NULL;
    Rewrite *r = arena_new(l->scratch, Rewrite);
    r->product = product_of(dot, dot->in[1] == n);
    l->n_terms = 0;
    r->term = take_apart(l, &r->product, r->product.in[r->product.side]);
    return r->term->is_gain ? r : NULL;
}

static void accept(Lowrank *l, Rewrite *const *rewrites, int n) {
    for (int i = 0; i < n; i++)
        known(l, rewrites[i]->product.dot)->rewrite = rewrites[i];
}

// All products that read `n` together, if nothing else does, so that `n` is not needed any more;
// or else each one alone.
static void look_at_operand(Lowrank *l, IrNode *n) {
    int n_rewrites = 0, n_users = known(l, n)->n_users;
    Rewrite **rewrites = arena_array(l->scratch, Rewrite *, n_users);
    for (int i = 0; i < n_users; i++) {
        Rewrite *r = try_product(l, known(l, n)->users[i], n);
        if (r)
            rewrites[n_rewrites++] = r;
    }
    if (n_rewrites == 0)
        return;
    if (pays(l, rewrites, n_rewrites, n)) {
        accept(l, rewrites, n_rewrites);
        return;
    }
    for (int i = 0; i < n_rewrites && n_rewrites > 1; i++) {
        if (pays(l, &rewrites[i], 1, n))
            accept(l, &rewrites[i], 1);
    }
}

// A sum over axes of a product that nothing else reads is one product.
static void look_at_sum(Lowrank *l, IrNode *n) {
    IrNode *dot = n->in[0];
    if (dot->op != IR_OP_dot || known(l, dot)->n_uses != 1 || known(l, dot)->rewrite)
        return;
    Rewrite *r = arena_new(l->scratch, Rewrite);
    r->product = product_of(dot, 0);
    Product *p = &r->product;

    // axes that stay are the first labels
    int to[PASS_LABELS], kept = 0, gone = INNER;
    for (int i = 0; i < PASS_LABELS; i++)
        to[i] = i;
    for (int i = 0, k = 0; i < dot->types[0].rank; i++) {
        bool summed = k < n->attrs.n_axes && n->attrs.axes[k] == i;
        to[i] = summed ? gone++ : kept++;
        k += summed;
    }
    IrDim *dims[PASS_LABELS] = {0};
    for (int i = 0; i < PASS_LABELS; i++) {
        if (p->dims[i])
            dims[to[i]] = p->dims[i];
    }
    for (int i = 0; i < PASS_LABELS; i++)
        p->dims[i] = dims[i];
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < labelled_rank(&p->in[side]); i++)
            p->in[side].labels[i] = to[p->in[side].labels[i]];
    }
    p->dot = n;
    p->result = (1u << kept) - 1;
    known(l, n)->rewrite = r;
    known(l, dot)->n_uses = 0;
}

// ---- rewriting ----------------------------------------------------------------------------------

static Labelled current(const IrNodeMap *now, Labelled x) {
    IrNode *to = ir_node_map_get(now, x.node);
    x.node = to ? to : x.node;
    return x;
}

// `x` times the other operand of `p`, on the side where it was.
static Labelled beside(IrBuilder *b, const Product *p, Labelled x, Labelled other, unsigned out) {
    return p->side ? labelled_multiply(b, other, x, out) : labelled_multiply(b, x, other, out);
}

static IrNode *emit_leaf(IrBuilder *b, const Product *p, const Term *t, const IrNodeMap *now) {
    Labelled other = current(now, p->in[!p->side]), z;
    if (t->split < 0) {
        z = beside(b, p, current(now, t->value), other, p->result);
    } else {
        z = beside(b, p, current(now, t->in[t->split]), other, labels_between(p, t, t->split));
        z = beside(b, p, current(now, t->in[!t->split]), z, p->result);
    }
    return labelled_as(b, &z, &p->dot->types[0]);
}

static IrNode *emit_term(IrBuilder *b, const Product *p, const Term *t, const IrNodeMap *now) {
    if (t->op == IR_OP_dot)
        return emit_leaf(b, p, t, now);
    IrNode *in[2] = {emit_term(b, p, t->x, now), NULL};
    if (t->y) {
        in[1] = emit_term(b, p, t->y, now);
    } else if (t->op != IR_OP_neg) {
        Labelled factor = current(now, t->value);
        in[1] = factor.node->op == IR_OP_const ? ir_const_like(b, in[0], factor.node->attrs.value)
                                               : labelled_as(b, &factor, &p->dot->types[0]);
    }
    return ir_map_op(b, t->op, in);
}

// The nodes in order once more, with what takes the place of those that are rewritten.
static void rewrite_block(Lowrank *l, IrBlock *b) {
    IrNodeMap now = {.arena = l->scratch};
    IrBlock old = *b;
    b->nodes = NULL;
    b->n = b->cap = 0;
    for (int i = 0; i < old.n; i++) {
        IrNode *n = old.nodes[i];
        for (int k = 0; k < n->n_in; k++)
            n->in[k] = current(&now, (Labelled){.node = n->in[k]}).node;
        const Rewrite *r = known(l, n)->rewrite;
        if (!r) {
            ir_block_append(l->f, b, n);
            continue;
        }
        IrBuilder at = {.fn = l->f, .block = b, .loc = n->loc, .path = n->path};
        const Product *p = &r->product;
        IrNode *to;
        if (r->term) {
            to = emit_term(&at, p, r->term, &now);
        } else {
            Labelled z =
                labelled_multiply(&at, current(&now, p->in[0]), current(&now, p->in[1]), p->result);
            to = labelled_as(&at, &z, &p->dot->types[0]);
        }
        ir_node_map_put(&now, n, to);
    }
    for (int i = 0; i < b->n_results; i++)
        b->results[i] = current(&now, (Labelled){.node = b->results[i]}).node;
}

// ---- blocks -------------------------------------------------------------------------------------

// Forgets what was known of the nodes of `b`, and makes room for new ones.
static void forget(Lowrank *l, const IrBlock *b) {
    if (l->n_known < l->f->n_nodes) {
        l->n_known = 2 * l->f->n_nodes;
        l->known = arena_array(l->scratch, Known, l->n_known);
    }
    for (int i = 0; i < b->n_params; i++)
        *known(l, b->params[i]) = (Known){0};
    for (int i = 0; i < b->n; i++)
        *known(l, b->nodes[i]) = (Known){0};
}

static void count_uses(Lowrank *l, const IrBlock *b) {
    for (int i = 0; i < b->n; i++) {
        for (int k = 0; k < b->nodes[i]->n_in; k++)
            known(l, b->nodes[i]->in[k])->n_users++;
    }
    for (int i = 0; i < b->n; i++) {
        IrNode *n = b->nodes[i];
        known(l, n)->users = arena_array(l->scratch, IrNode *, known(l, n)->n_users);
        for (int k = 0; k < n->n_in; k++) {
            Known *in = known(l, n->in[k]);
            if (in->users)
                in->users[in->n_uses] = n;
            in->n_uses++;
        }
    }
    for (int i = 0; i < b->n_results; i++)
        known(l, b->results[i])->n_uses++;
}

// Marks what depends on captured values alone, in the body of loop `owner`.
static void find_fixed(Lowrank *l, const IrNode *owner, const IrBlock *b) {
    l->steps = 1;
    if (!owner || owner->op == IR_OP_grad)
        return;
    double steps = (double)ir_dim_likely(owner->attrs.dim);
    l->steps = steps > 1 ? steps : 1;
    for (int i = 0; i < owner->attrs.n_captured; i++)
        known(l, b->params[i])->fixed = true;
    for (int i = 0; i < b->n; i++) {
        bool fixed = b->nodes[i]->n_in > 0 || b->nodes[i]->op == IR_OP_const;
        for (int k = 0; k < b->nodes[i]->n_in; k++)
            fixed = fixed && known(l, b->nodes[i]->in[k])->fixed;
        known(l, b->nodes[i])->fixed = fixed;
    }
}

// One look at each node, users before what they use. What a rewrite leaves is for the next round.
static bool improve(PassCtx *cx, Lowrank *l, const IrNode *owner, IrBlock *b) {
    pass_prune(cx, b);
    forget(l, b);
    count_uses(l, b);
    find_fixed(l, owner, b);
    for (int i = b->n - 1; i >= 0; i--) {
        IrNode *n = b->nodes[i];
        if (n->op == IR_OP_sum)
            look_at_sum(l, n);
        else if (is_sum_like(n) && known(l, n)->n_uses > 0)
            look_at_operand(l, n);
    }
    bool changed = false;
    for (int i = 0; i < b->n && !changed; i++)
        changed = known(l, b->nodes[i])->rewrite != NULL;
    if (changed)
        rewrite_block(l, b);
    return changed;
}

// `b` and all bodies in it; `owner` is the node whose body it is, or NULL.
static bool improve_all(PassCtx *cx, Lowrank *l, const IrNode *owner, IrBlock *b) {
    bool changed = false;
    for (int i = 0; i < b->n; i++) {
        if (b->nodes[i]->body)
            changed |= improve_all(cx, l, b->nodes[i], b->nodes[i]->body);
    }
    int round = 0;
    while (round < MAX_ROUNDS && improve(cx, l, owner, b))
        round++;
    if (round > 0)
        pass_prune(cx, b);
    return changed || round > 0;
}

bool pass_lowrank(PassCtx *cx, IrFunction *f) {
    Lowrank l = {.f = f, .scratch = cx->scratch};
    return improve_all(cx, &l, NULL, f->body);
}
