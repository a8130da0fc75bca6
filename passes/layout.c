// passes/layout.c -- which operand of a product is kept transposed.
//
// A product reads the rows of its right operand as vectors, so neighbours along its last free axis
// should be neighbours in memory. Where they are not (x W^T), the operand is copied transposed. The
// copy is made right behind what it copies, so weights that a loop does not change are copied once.
// A product with a vector is computed as a reduction and needs none of this.
//
// It is the last pass on the graph: `simplify` would look through the transposes again.
#include "passes/layout.h"

#include "passes/rewrite.h"

static bool is_axis_in(const int *axes, int n, int axis) {
    for (int i = 0; i < n; i++) {
        if (axes[i] == axis)
            return true;
    }
    return false;
}

int layout_last_free(const IrNode *dot, int side) {
    const IrAttrs *a = &dot->attrs;
    const int *contracted = side ? a->rhs_axes : a->lhs_axes;
    for (int i = dot->in[side]->types[0].rank - 1; i >= a->n_batch; i--) {
        if (!is_axis_in(contracted, a->n_contract, i))
            return i;
    }
    return -1;
}

bool layout_unit_stride(const IrNode *n, int axis) {
    switch (n->op) {
    case IR_OP_transpose:
        return layout_unit_stride(n->in[0], n->attrs.axes[axis]);
    case IR_OP_broadcast:
        for (int i = 0; i < n->in[0]->types[0].rank; i++) {
            if (n->attrs.axes[i] == axis)
                return layout_unit_stride(n->in[0], i);
        }
        return false;
    case IR_OP_slice:
        return layout_unit_stride(n->in[0], axis);
    default:
        return axis == n->types[0].rank - 1;
    }
}

// Enclosing scans, innermost first.
typedef struct Level {
    const struct Level *outer;
    IrNode *owner;
    IrBlock *block;
} Level;

// Transposes of one node.
typedef struct Copies {
    IrNode **nodes;
    int n, cap;
    int n_new; // the last of them are in no block yet
} Copies;

typedef struct Layout {
    PassCtx *cx;
    IrFunction *f;
    IrNodeMap copies; // Copies of each node that has some
    bool changed;
} Layout;

static Copies *copies_of(Layout *l, const IrNode *n) {
    Copies *c = ir_node_map_get(&l->copies, n);
    if (!c) {
        c = arena_new(l->cx->scratch, Copies);
        ir_node_map_put(&l->copies, n, c);
    }
    return c;
}

static void add_copy(Layout *l, Copies *c, IrNode *t) {
    arena_push(l->cx->scratch, c->nodes, c->n, c->cap, t);
}

// A transpose of `n` that is there with the given axes, or NULL.
static IrNode *find_copy(const Copies *c, const IrNode *n, const int *axes) {
    for (int k = 0; k < c->n; k++) {
        bool same = true;
        for (int i = 0; i < n->types[0].rank; i++)
            same = same && c->nodes[k]->attrs.axes[i] == axes[i];
        if (same)
            return c->nodes[k];
    }
    return NULL;
}

static IrNode *find_captured(const IrNode *owner, const IrNode *value) {
    for (int i = 0; i < owner->attrs.n_captured; i++) {
        if (owner->in[i] == value)
            return owner->body->params[i];
    }
    return NULL;
}

// `n`, a value of `level`, transposed where it was made and handed down again.
static IrNode *transposed(Layout *l, const Level *level, IrNode *n, const int *axes) {
    bool captured = level->owner && n->op == IR_OP_input &&
                    n->attrs.index < level->owner->attrs.n_captured &&
                    level->block->params[n->attrs.index] == n;
    if (captured) {
        IrNode *t = transposed(l, level->outer, level->owner->in[n->attrs.index], axes);
        IrNode *param = find_captured(level->owner, t);
        return param ? param : pass_capture(l->f, level->owner, t);
    }

    Copies *c = copies_of(l, n);
    IrNode *t = find_copy(c, n, axes);
    if (t)
        return t;
    t = ir_node_new(l->f, IR_OP_transpose, 1, &n);
    t->n_types = 1;
    t->types = arena_new(l->f->arena, IrType);
    t->types[0] = (IrType){.dtype = n->types[0].dtype, .rank = n->types[0].rank};
    t->attrs.n_axes = n->types[0].rank;
    for (int i = 0; i < n->types[0].rank; i++) {
        t->attrs.axes[i] = axes[i];
        t->types[0].dims[i] = n->types[0].dims[axes[i]];
    }
    t->loc = n->loc;
    t->path = n->path ? arena_printf(l->f->arena, "%s.T", n->path) : NULL;
    add_copy(l, c, t);
    c->n_new++;
    l->changed = true;
    return t;
}

// What `n` is outside of the loops that do not change it.
static const IrNode *origin(const Level *level, const IrNode *n) {
    while (level->owner && n->op == IR_OP_input &&
           n->attrs.index < level->owner->attrs.n_captured) {
        n = level->owner->in[n->attrs.index];
        level = level->outer;
    }
    return n;
}

static void lay_out(Layout *l, const Level *level, IrNode *dot) {
    IrAttrs *a = &dot->attrs;
    int axis = layout_last_free(dot, 1);
    if (axis < 0 || layout_last_free(dot, 0) < 0 ||
        layout_unit_stride(origin(level, dot->in[1]), axis) ||
        axis == dot->in[1]->types[0].rank - 1)
        return; // the last axis of something that is no row-major view becomes an item: fuse_plan

    // batch, contracted, free
    int axes[IR_MAX_RANK], n = 0, rank = dot->in[1]->types[0].rank;
    for (int i = 0; i < a->n_batch; i++)
        axes[n++] = i;
    for (int i = 0; i < a->n_contract; i++)
        axes[n++] = a->rhs_axes[i];
    for (int i = a->n_batch; i < rank; i++) {
        if (!is_axis_in(a->rhs_axes, a->n_contract, i))
            axes[n++] = i;
    }
    if (l->cx->notes)
        buf_printf(l->cx->notes, "layout: dot (%s) reads its right operand (%s) transposed\n",
                   dot->path ? dot->path : "-", dot->in[1]->path ? dot->in[1]->path : "-");
    dot->in[1] = transposed(l, level, dot->in[1], axes);
    for (int i = 0; i < a->n_contract; i++)
        a->rhs_axes[i] = a->n_batch + i;
}

// Appends the new transposes of `n`.
static void append_copies(Layout *l, IrBlock *b, const IrNode *n) {
    Copies *c = ir_node_map_get(&l->copies, n);
    for (int i = c ? c->n - c->n_new : 0; c && i < c->n; i++)
        ir_block_append(l->f, b, c->nodes[i]);
    if (c)
        c->n_new = 0;
}

static void lay_out_block(Layout *l, const Level *level) {
    IrBlock *b = level->block;
    for (int i = 0; i < b->n; i++) {
        IrNode *n = b->nodes[i];
        if (n->op == IR_OP_transpose) {
            add_copy(l, copies_of(l, n->in[0]), n);
        } else if (n->op == IR_OP_dot) {
            lay_out(l, level, n);
        } else if (n->op == IR_OP_scan) {
            Level inner = {.outer = level, .owner = n, .block = n->body};
            lay_out_block(l, &inner);
        }
    }

    // behind what they copy
    IrBlock old = *b;
    b->nodes = NULL;
    b->n = b->cap = 0;
    for (int i = 0; i < b->n_params; i++)
        append_copies(l, b, b->params[i]);
    for (int i = 0; i < old.n; i++) {
        ir_block_append(l->f, b, old.nodes[i]);
        append_copies(l, b, old.nodes[i]);
    }
}

bool pass_layout(PassCtx *cx, IrFunction *f) {
    Layout l = {.cx = cx, .f = f, .copies = {.arena = cx->scratch}};
    Level top = {.block = f->body};
    lay_out_block(&l, &top);
    return l.changed;
}
