// passes/fuse_plan.c -- which values are computed once, and which wherever they are used.
//
// Products, reductions and loops are items; so is what must be in memory (operands of products,
// rows to gather from, results), and what would be dear to compute more than once. An item that
// ends up in one kernel with all its users costs nothing: it stays in a register.
#include <assert.h>

#include "passes/fuse.h"
#include "passes/layout.h"

// Weights of computing a value where it is used; a dear one that several need becomes an item.
enum { CHEAP = 4, CHEAP_TO_SPREAD = 3, TOO_MUCH = 150, TRANSCENDENTAL = 20, DIVISION = 4 };

FuseScope *fuse_inner(const Fuse *f, const IrNode *scan) {
    return fuse_info(f, scan->body->params[scan->body->n_params - 1])->scope;
}

// ---- uses ---------------------------------------------------------------------------------------

// Marks what the results of `s` need, in all scopes inside too, and counts uses.
static void count_uses(Fuse *f, FuseScope *s) {
    IrBlock *b = s->block;
    for (int i = 0; i < b->n_params; i++) {
        *fuse_info(f, b->params[i]) = (FuseNode){.scope = s, .is_param = true};
    }
    for (int i = 0; i < b->n_results; i++) {
        fuse_info(f, b->results[i])->scope = s;
        fuse_info(f, b->results[i])->n_uses++;
    }
    for (int i = b->n - 1; i >= 0; i--) {
        IrNode *n = b->nodes[i];
        if (!fuse_info(f, n)->scope)
            continue;
        for (int k = 0; k < n->n_in; k++) {
            fuse_info(f, n->in[k])->scope = s;
            fuse_info(f, n->in[k])->n_uses++;
        }
        if (n->op != IR_OP_scan)
            continue;
        FuseScope *inner = arena_new(f->scratch, FuseScope);
        inner->parent = s;
        inner->owner = n;
        inner->block = n->body;
        inner->loop = -1;
        count_uses(f, inner);
    }
}

// ---- what must be in memory ---------------------------------------------------------------------

// `n` itself, without gaps, or the array whose slices it is.
static void force_memory(Fuse *f, IrNode *n) {
    n = fuse_resolve(f, n);
    FuseNode *info = fuse_info(f, n);
    if (!info->is_param)
        info->in_memory = true;
    else if (fuse_is_over(f, n))
        force_memory(f, fuse_operand(info->scope, n));
}

static void need_memory(Fuse *f, IrNode *n, bool dense) {
    n = fuse_resolve(f, n);
    FuseNode *info = fuse_info(f, n);
    info->dense |= dense;
    if (info->is_param) {
        if (fuse_is_over(f, n))
            need_memory(f, fuse_operand(info->scope, n), dense);
        return;
    }
    switch (n->op) {
    case IR_OP_transpose:
    case IR_OP_broadcast:
    case IR_OP_slice:
    case IR_OP_stop_gradient:
    case IR_OP_sample:
        if (!info->in_memory)
            need_memory(f, n->in[0], dense);
        return;
    case IR_OP_reshape: {
        if (info->in_memory)
            return;
        need_memory(f, n->in[0], true);
        IrDim *strides[IR_MAX_RANK];
        if (!fuse_strides(f, n, strides))
            force_memory(f, n->in[0]);
        return;
    }
    default:
        info->in_memory = true;
    }
}

static bool is_matrix_times_vector(const IrNode *dot) {
    return layout_last_free(dot, 0) < 0 || layout_last_free(dot, 1) < 0;
}

// Whether `dot` is a reduction: a product with a vector, read along its rows.
static bool is_row_sum(const IrNode *dot) {
    int lhs = layout_last_free(dot, 0), rhs = layout_last_free(dot, 1);
    if (lhs >= 0 && rhs >= 0)
        return false;
    return rhs < 0 || !layout_unit_stride(dot->in[1], rhs);
}

static bool is_unit(const IrDim *d) {
    int64_t value;
    return d && ir_dim_is_const(d, &value) && value == 1;
}

static void need_operands(Fuse *f, IrNode *n) {
    switch (n->op) {
    case IR_OP_dot:
        if (is_row_sum(n))
            return;
        need_memory(f, n->in[0], false);
        need_memory(f, n->in[1], false);

        // rows of the right operand are read as vectors
        int axis = layout_last_free(n, 1);
        IrDim *strides[IR_MAX_RANK];
        IrNode *rhs = fuse_resolve(f, n->in[1]);
        if (axis == rhs->types[0].rank - 1 && !is_matrix_times_vector(n) &&
            !fuse_info(f, rhs)->is_param && fuse_strides(f, rhs, strides) &&
            !is_unit(strides[axis]))
            fuse_info(f, rhs)->in_memory = true;
        return;
    case IR_OP_gather:
    case IR_OP_dynamic_slice:
        need_memory(f, n->in[0], false);
        return;
    case IR_OP_reshape:
        if (!fuse_reshape_is_affine(f->s->dims, n))
            need_memory(f, n, false);
        return;
    case IR_OP_scan:
        for (int i = 0; i < n->attrs.n_over; i++)
            need_memory(f, n->in[n->attrs.n_captured + n->attrs.n_carry + i], false);
        return;
    default:
        return;
    }
}

// Scopes inside first: what they capture may have to be in memory out here.
static void need_scope(Fuse *f, FuseScope *s) {
    for (int i = s->block->n - 1; i >= 0; i--) {
        IrNode *n = s->block->nodes[i];
        if (!fuse_info(f, n)->scope)
            continue;
        if (n->op == IR_OP_scan)
            need_scope(f, fuse_inner(f, n));
        need_operands(f, n);
    }
    for (int i = 0; i < s->block->n_results; i++) {
        IrNode *n = s->block->results[i];
        if (!fuse_info(f, n)->is_param &&
            (ir_op_info[n->op].kind == IR_KIND_MAP || n->op == IR_OP_select ||
             n->op == IR_OP_cast || n->op == IR_OP_concat))
            fuse_info(f, n)->in_memory = true;
    }
}

// ---- items --------------------------------------------------------------------------------------

static int own_weight(const IrNode *n) {
    switch (n->op) {
    case IR_OP_exp:
    case IR_OP_expm1:
    case IR_OP_log:
    case IR_OP_log1p:
    case IR_OP_tanh:
    case IR_OP_sigmoid:
    case IR_OP_sin:
    case IR_OP_cos:
    case IR_OP_pow:
        return TRANSCENDENTAL;
    case IR_OP_div:
    case IR_OP_sqrt:
        return DIVISION;
    case IR_OP_const:
    case IR_OP_iota:
    case IR_OP_extent:
    case IR_OP_transpose:
    case IR_OP_broadcast:
    case IR_OP_slice:
    case IR_OP_reshape:
    case IR_OP_stop_gradient:
    case IR_OP_sample:
        return 0;
    case IR_OP_pad:
        return 2;
    case IR_OP_concat:
        return 2 * n->n_in;
    default:
        return 1;
    }
}

// Visits the items and parameters of `s` that computing `n` here reads.
static void add_reads(Fuse *f, FuseItem *item, IrNode *n) {
    n = fuse_resolve(f, n);
    FuseNode *info = fuse_info(f, n);
    if (info->scope != item->scope)
        return;
    if (info->is_param) {
        for (int i = 0; i < item->n_reads; i++) {
            if (item->reads[i] == n)
                return;
        }
        arena_push(f->scratch, item->reads, item->n_reads, item->cap_reads, n);
        arena_push(f->scratch, info->readers, info->n_readers, info->cap_readers, item);
        return;
    }
    if (info->item) {
        for (int i = 0; i < item->n_deps; i++) {
            if (item->deps[i] == info->item)
                return;
        }
        arena_push(f->scratch, item->deps, item->n_deps, item->cap_deps, info->item);
        item->n_read = item->n_deps;
        return;
    }
    for (int i = 0; i < n->n_in; i++)
        add_reads(f, item, n->in[i]);
}

static FuseKind kind_of(const IrNode *n) {
    switch (n->op) {
    case IR_OP_sum:
    case IR_OP_reduce_max:
    case IR_OP_reduce_min:
    case IR_OP_argmax:
        return FUSE_REDUCE;
    case IR_OP_dot:
        return is_row_sum(n) ? FUSE_REDUCE : FUSE_PRODUCT;
    case IR_OP_scatter_add:
        return FUSE_SCATTER;
    case IR_OP_concat:
        return FUSE_CONCAT;
    case IR_OP_scan:
        return FUSE_SCAN;
    case IR_OP_get:
        return FUSE_RESULT;
    default:
        return FUSE_MAPS;
    }
}

static FuseItem *new_item(Fuse *f, FuseScope *s, IrNode *n, FuseKind kind) {
    FuseItem *item = arena_new(f->scratch, FuseItem);
    item->scope = s;
    item->kind = kind;
    item->node = n;
    item->position = s->n_items;
    item->scalar = -1;
    item->dense = fuse_info(f, n)->dense;
    arena_push(f->scratch, s->items, s->n_items, s->cap_items, item);
    return item;
}

static FuseItem *copy_item(Fuse *f, FuseScope *s, IrNode *n) {
    FuseItem *item = new_item(f, s, n, FUSE_MAPS);
    item->copy = true;
    add_reads(f, item, n);
    return item;
}

// An item that can store `n` to one more place, chosen for it. That place may have gaps, or soon
// hold another value (`passing`).
static FuseItem *want(Fuse *f, FuseScope *s, IrNode *n, bool gaps, bool passing) {
    IrNode *r = fuse_resolve(f, n);
    const FuseNode *info = fuse_info(f, r);
    FuseItem *item = !info->is_param && info->scope == s ? info->item : NULL;
    if (item && fuse_has_kernel(item))
        return item;
    if (!item || item->claimed || (gaps && item->dense) || (passing && info->n_uses > 1))
        return copy_item(f, s, n);
    item->claimed = true;
    return item;
}

static void request(Fuse *f, FuseScope *s, FuseRequest r) {
    arena_push(f->scratch, s->requests, s->n_requests, s->cap_requests, r);
}

static void add_dep(Fuse *f, FuseItem *item, FuseItem *dep) {
    arena_push(f->scratch, item->deps, item->n_deps, item->cap_deps, dep);
}

// An item whose results others prepare: a concat's parts, a scan's first carries.
static void add_composite(Fuse *f, FuseScope *s, IrNode *n, FuseKind kind) {
    int first = kind == FUSE_SCAN ? n->attrs.n_captured : 0;
    int count = kind == FUSE_SCAN ? n->attrs.n_carry : n->n_in;
    FuseItem **parts = arena_array(f->scratch, FuseItem *, count);
    for (int i = 0; i < count; i++)
        parts[i] = want(f, s, n->in[first + i], kind == FUSE_CONCAT, kind == FUSE_SCAN);

    FuseItem *item = new_item(f, s, n, kind);
    for (int i = 0; kind == FUSE_SCAN && i < n->n_in; i++) {
        if (i < first || i >= first + count)
            add_reads(f, item, n->in[i]);
    }
    for (int i = 0; i < count; i++) {
        add_dep(f, item, parts[i]);
        request(f, s,
                (FuseRequest){.kind = kind == FUSE_SCAN ? FUSE_INIT : FUSE_PART,
                              .item = parts[i],
                              .owner = item,
                              .index = i});
    }
    fuse_info(f, n)->item = item;
}

static bool is_rematerialised(const IrNode *n) {
    return n->op == IR_OP_const || n->op == IR_OP_iota || n->op == IR_OP_extent;
}

// Makes `n` an item, from nodes that have been planned already.
static void add_item(Fuse *f, FuseScope *s, IrNode *n) {
    FuseKind kind = kind_of(n);
    if (kind == FUSE_CONCAT || kind == FUSE_SCAN) {
        add_composite(f, s, n, kind);
        return;
    }

    // nodes that read one result of a loop are one item
    for (int i = 0; kind == FUSE_RESULT && i < s->n_items; i++) {
        FuseItem *other = s->items[i];
        if (other->kind == FUSE_RESULT && other->node->in[0] == n->in[0] &&
            other->node->attrs.index == n->attrs.index) {
            fuse_info(f, n)->item = other;
            fuse_info(f, n)->n_uses += fuse_info(f, other->node)->n_uses;
            fuse_info(f, other->node)->n_uses = fuse_info(f, n)->n_uses;
            other->dense |= fuse_info(f, n)->dense;
            return;
        }
    }
    FuseItem *item = new_item(f, s, n, kind);
    for (int i = 0; i < n->n_in; i++)
        add_reads(f, item, n->in[i]);
    fuse_info(f, n)->item = item;
}

// Decides that `n`, if it is of `s`, is computed once.
static void compute_once(Fuse *f, const FuseScope *s, IrNode *n) {
    n = fuse_resolve(f, n);
    FuseNode *info = fuse_info(f, n);
    if (!info->is_param && info->scope == s && !is_rematerialised(n))
        info->once = true;
}

static int weight_of(const Fuse *f, IrNode *n) {
    n = fuse_resolve(f, n);
    const FuseNode *info = fuse_info(f, n);
    return info->is_param || info->once ? 1 : info->weight;
}

// Whether a broadcast repeats its operand.
static bool spreads(const IrNode *n) {
    return n->op == IR_OP_broadcast && n->types[0].rank > n->in[0]->types[0].rank;
}

static bool is_item(const Fuse *f, const IrNode *n, int weight) {
    const FuseNode *info = fuse_info(f, n);
    switch (ir_op_info[n->op].kind) {
    case IR_KIND_REDUCE:
    case IR_KIND_CONTRACT:
    case IR_KIND_ORDER:
    case IR_KIND_CONTROL:
        return true;
    case IR_KIND_MAP:
    case IR_KIND_LEAF:
    case IR_KIND_MOVE:
        break;
    }
    if (info->in_memory || n->op == IR_OP_scatter_add || n->op == IR_OP_draw_normal ||
        n->op == IR_OP_draw_uniform)
        return true;
    return (info->n_uses > 1 && weight > CHEAP) || weight > TOO_MUCH;
}

// Decides which nodes of `s` and of the scopes inside become items.
static void choose_items(Fuse *f, FuseScope *s) {
    for (int i = 0; i < s->block->n; i++) {
        IrNode *n = s->block->nodes[i];
        FuseNode *info = fuse_info(f, n);
        if (!info->scope)
            continue;

        // what would be computed again and again
        if (spreads(n) && weight_of(f, n->in[0]) > CHEAP_TO_SPREAD)
            compute_once(f, s, n->in[0]);
        for (int k = 0; n->op == IR_OP_scan && k < n->attrs.n_captured; k++) {
            if (weight_of(f, n->in[k]) > 1)
                compute_once(f, s, n->in[k]);
        }

        info->weight = own_weight(n);
        for (int k = 0; n->op != IR_OP_scan && k < n->n_in; k++)
            info->weight += weight_of(f, n->in[k]);
        info->once = is_item(f, n, info->weight);
        if (n->op == IR_OP_scan)
            choose_items(f, fuse_inner(f, n));
    }
}

static void plan_scope(Fuse *f, FuseScope *s) {
    for (int i = 0; i < s->block->n; i++) {
        IrNode *n = s->block->nodes[i];
        if (!fuse_info(f, n)->scope)
            continue;
        if (fuse_info(f, n)->once)
            add_item(f, s, n);
        if (n->op == IR_OP_scan) {
            fuse_inner(f, n)->loop = f->s->n_loops++;
            plan_scope(f, fuse_inner(f, n));
        }
    }

    // results
    for (int i = 0; i < s->block->n_results; i++) {
        FuseRequest r = {.index = i};
        IrNode *n = s->block->results[i];
        if (s->owner) {
            bool next = i < s->owner->attrs.n_carry;
            r.kind = next ? FUSE_NEXT : FUSE_COLLECT;
            if (next && n == s->block->params[s->owner->attrs.n_captured + i])
                continue;
        } else {
            const IrSlot *slot = &f->s->fn->outputs[i];
            r.kind = slot->role == IR_ROLE_UPDATE ? FUSE_UPDATE : FUSE_OUTPUT;
            if (r.kind == FUSE_UPDATE && n == s->block->params[slot->target])
                continue;
        }

        // what replaces something is stored over it at once or copied at the end
        IrNode *resolved = fuse_resolve(f, n);
        bool here = fuse_info(f, resolved)->scope == s && fuse_info(f, resolved)->item;
        if (r.kind == FUSE_NEXT || r.kind == FUSE_UPDATE)
            r.item = here ? fuse_info(f, resolved)->item : copy_item(f, s, n);
        else
            r.item = want(f, s, n, false, false);
        request(f, s, r);
    }
}

void fuse_plan(Fuse *f, FuseScope *s) {
    count_uses(f, s);
    need_scope(f, s);
    choose_items(f, s);
    plan_scope(f, s);
}
