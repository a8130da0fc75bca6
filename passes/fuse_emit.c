// passes/fuse_emit.c -- homes for values, and the tree of kernels and loops.
//
// A value is stored where it is wanted: in an output, in its slice of what a loop collects, in the
// carry of a loop, in its part of a concat, over the parameter that it updates. Only where that is
// not possible it gets memory of its own and is copied when all else in the scope is done.
#include <assert.h>
#include <string.h>

#include "passes/fuse.h"

static void add_dest(Fuse *f, FuseItem *item, FuseView v) {
    arena_push(f->scratch, item->dests, item->n_dests, item->cap_dests, v);
}

static void set_home(FuseItem *item, FuseView v) {
    item->home = v;
    item->has_home = true;
}

// Stores `item` to `v`, which nothing else ever writes: others may read it there.
static void give(Fuse *f, FuseItem *item, FuseView v, bool gaps) {
    if (fuse_has_kernel(item))
        add_dest(f, item, v);
    if (!item->has_home && !(gaps && item->dense))
        set_home(item, v);
}

static FuseView new_home(Fuse *f, const IrNode *n, IrType type, const char *suffix) {
    const char *name = n->path ? n->path : ir_op_info[n->op].name;
    name = arena_printf(f->s->arena, "%s%s", name, suffix);
    return fuse_dense(f, fuse_add_buffer(f, name, type, IR_STORAGE_ARENA, 0, n->loc), &type);
}

static void ensure_home(Fuse *f, FuseItem *item) {
    if (!item->has_home)
        give(f, item, new_home(f, item->node, item->node->types[0], ""), false);
}

// ---- homes --------------------------------------------------------------------------------------

// Stores `item` over `param`, whose memory is `v`, as soon as nothing else reads `param`; or copies
// it there at the end.
static void replace(Fuse *f, FuseScope *s, FuseItem *item, const IrNode *param, FuseView v) {
    if (fuse_has_kernel(item) && fuse_probe_in_place(f, item, param) &&
        fuse_order_after_readers(f, item->group, param)) {
        give(f, item, v, false);
        return;
    }
    item->stored = true;
    FuseFinal final = {.item = item, .dest = v};
    arena_push(f->scratch, s->finals, s->n_finals, s->cap_finals, final);
}

// Outputs, and slices of what the loop collects: memory that nothing else uses.
static void give_results(Fuse *f, FuseScope *s) {
    for (int i = 0; i < s->n_requests; i++) {
        const FuseRequest *r = &s->requests[i];
        if (r->kind == FUSE_OUTPUT) {
            const IrSlot *slot = &f->s->fn->outputs[r->index];
            const IrType *t = &s->block->results[r->index]->types[0];
            int buffer = fuse_add_buffer(f, slot->name, *t, IR_STORAGE_OUTPUT, r->index,
                                         s->block->results[r->index]->loc);
            give(f, r->item, fuse_dense(f, buffer, t), false);
        } else if (r->kind == FUSE_COLLECT) {
            FuseView all = s->collected[r->index - s->owner->attrs.n_carry];
            give(f, r->item, fuse_slice_of_loop(all, s->loop), false);
        }
    }
}

static FuseItem *result_of(const FuseScope *s, const FuseItem *scan, int index) {
    for (int i = 0; i < s->n_items; i++) {
        FuseItem *item = s->items[i];
        if (item->kind == FUSE_RESULT && item->deps[0] == scan && item->node->attrs.index == index)
            return item;
    }
    return NULL;
}

// Where the carries of a loop are, and what it collects: the homes of its results.
static void place_loop(Fuse *f, FuseScope *s, FuseItem *scan) {
    IrNode *n = scan->node;
    FuseScope *inner = fuse_inner(f, n);
    int n_carry = n->attrs.n_carry;
    inner->carries = arena_array(f->scratch, FuseView, n_carry);
    inner->collected = arena_array(f->scratch, FuseView, n->n_types - n_carry);
    for (int i = 0; i < n->n_types; i++) {
        FuseItem *result = result_of(s, scan, i);
        FuseView home = result && result->has_home
                            ? result->home
                            : new_home(f, n, n->types[i], i < n_carry ? ".carry" : ".all");
        *(i < n_carry ? &inner->carries[i] : &inner->collected[i - n_carry]) = home;

        if (result && !result->has_home)
            set_home(result, home);
    }
}

// Where part `index` of a concat is.
static FuseView part_view(const Fuse *f, const FuseItem *concat, int index) {
    const IrNode *n = concat->node;
    FuseView v = concat->home;
    int axis = n->attrs.axis;
    for (int i = 0; i < index && v.strides[axis]; i++)
        v.offset =
            ir_dim_add(f->s->dims, v.offset,
                       ir_dim_mul(f->s->dims, v.strides[axis], n->in[i]->types[0].dims[axis]));
    return v;
}

// Homes of concats and loops, users before what they use, and with them dests of their parts.
static void give_parts(Fuse *f, FuseScope *s) {
    for (int i = s->n_items - 1; i >= 0; i--) {
        FuseItem *item = s->items[i];
        if (item->kind == FUSE_CONCAT)
            ensure_home(f, item);
        else if (item->kind == FUSE_SCAN)
            place_loop(f, s, item);
        else
            continue;
        for (int k = 0; k < s->n_requests; k++) {
            const FuseRequest *r = &s->requests[k];
            if (r->owner != item)
                continue;
            if (r->kind == FUSE_PART)
                give(f, r->item, part_view(f, item, r->index), true);
            else if (fuse_has_kernel(r->item))
                add_dest(f, r->item, fuse_inner(f, item->node)->carries[r->index]);
            else
                set_home(r->item, fuse_inner(f, item->node)->carries[r->index]);
        }
    }
}

static void give_replacements(Fuse *f, FuseScope *s) {
    for (int i = 0; i < s->n_requests; i++) {
        const FuseRequest *r = &s->requests[i];
        if (r->kind == FUSE_NEXT) {
            IrNode *param = s->block->params[s->owner->attrs.n_captured + r->index];
            replace(f, s, r->item, param, s->carries[r->index]);
        } else if (r->kind == FUSE_UPDATE) {
            IrNode *param = s->block->params[f->s->fn->outputs[r->index].target];
            replace(f, s, r->item, param, fuse_view(f, param));
        }
    }
}

static void give_homes(Fuse *f, FuseScope *s) {
    for (int i = 0; i < s->n_items; i++) {
        FuseItem *item = s->items[i];
        for (int k = 0; k < item->n_read; k++)
            item->deps[k]->stored |= item->deps[k]->group != item->group;
        item->stored |= item->kind == FUSE_SCATTER;
    }

    give_results(f, s);
    give_parts(f, s);
    give_replacements(f, s);
    for (int i = 0; i < s->n_items; i++) {
        FuseItem *item = s->items[i];
        if (item->stored && item->kind != FUSE_SCAN)
            ensure_home(f, item);
    }
}

// ---- tree ---------------------------------------------------------------------------------------

static IrTree *new_tree(Fuse *f, IrTreeKind kind) {
    IrTree *t = arena_new(f->s->arena, IrTree);
    t->kind = kind;
    return t;
}

static void append(Fuse *f, IrTree *to, IrTree *t) {
    arena_push(f->s->arena, to->children, to->n, to->cap, t);
}

static void append_call(Fuse *f, IrTree *to, IrKernelCall *call) {
    IrTree *t = new_tree(f, IR_TREE_KERNEL);
    t->call = call;
    append(f, to, t);
}

// A loop that may end early finds zeros where it collects.
static void emit_end(Fuse *f, const IrNode *n, const FuseScope *inner, IrTree *loop, IrTree *out) {
    const FuseView *end = &inner->carries[0];
    loop->ends = true;
    loop->until = (IrCallArg){.buffer = end->buffer, .offset = end->offset};
    for (int i = 0; i < end->n_loops; i++) {
        if (end->loop_strides[i]) {
            loop->until.loops[loop->until.n_loops] = end->loops[i];
            loop->until.strides[loop->until.n_loops++] = end->loop_strides[i];
        }
    }
    for (int i = n->attrs.n_carry; i < n->n_types; i++) {
        FuseView to = inner->collected[i - n->attrs.n_carry];
        append_call(f, out, fuse_zero_kernel(f, n, &n->types[i], to));
    }
}

static void emit_loop(Fuse *f, const FuseItem *item, IrTree *out) {
    const IrNode *n = item->node;
    FuseScope *inner = fuse_inner(f, n);
    IrTree *loop = new_tree(f, IR_TREE_LOOP);
    loop->loop = inner->loop;
    loop->steps = n->attrs.dim;
    loop->reverse = n->attrs.reverse;
    loop->name = n->attrs.name;
    if (n->attrs.until)
        emit_end(f, n, inner, loop, out);
    append(f, out, loop);
    fuse_emit(f, inner, loop);
}

static void emit_group(Fuse *f, FuseGroup *g, IrTree *out) {
    FuseItem *item = g->items[0];
    bool stores = false;
    switch (g->kind) {
    case FUSE_MAPS:
    case FUSE_REDUCE:
    case FUSE_PRODUCT:
        for (int i = 0; i < g->n; i++)
            stores |= g->items[i]->n_dests > 0;
        if (stores)
            append_call(f, out, fuse_kernel(f, g));
        return;
    case FUSE_SCATTER:
        append_call(f, out, fuse_zero_kernel(f, item->node, &item->node->types[0], item->home));
        append_call(f, out, fuse_scatter_kernel(f, item));
        return;
    case FUSE_SCAN:
        emit_loop(f, item, out);
        return;
    case FUSE_CONCAT:
    case FUSE_RESULT:
        return;
    }
}

// Groups in an order that respects their operands, otherwise as they were written. A group is put
// out when all it needs was; recursion follows the earliest first.
static void emit_in_order(Fuse *f, FuseGroup *g, IrTree *out) {
    if (g->emitted)
        return;
    g->emitted = true;
    for (int i = 0; i < g->n; i++) {
        for (int k = 0; k < g->items[i]->n_deps; k++)
            emit_in_order(f, g->items[i]->deps[k]->group, out);
    }
    for (int i = 0; i < g->n_after; i++)
        emit_in_order(f, g->after[i], out);
    emit_group(f, g, out);
}

void fuse_emit(Fuse *f, FuseScope *s, IrTree *out) {
    fuse_group(f, s);
    give_homes(f, s);
    for (int i = 0; i < s->n_groups; i++)
        emit_in_order(f, s->groups[i], out);
    for (int i = 0; i < s->n_finals; i++) {
        const FuseFinal *final = &s->finals[i];
        append_call(f, out, fuse_copy_kernel(f, final->item->node, final->item->home, final->dest));
    }
}
