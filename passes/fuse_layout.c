// passes/fuse_layout.c -- transposes for products.
//
// A product reads the rows of its right operand as vectors, so neighbours along its last free axis
// should be neighbours in memory. Where they are not (x W^T), the operand is copied transposed. The
// copy is made right behind what it copies, so weights that a loop does not change are copied once.
// A product with a vector is computed as a reduction and needs none of this.
#include "passes/fuse.h"
#include "passes/rewrite.h"

static bool is_axis_in(const int *axes, int n, int axis) {
    for (int i = 0; i < n; i++) {
        if (axes[i] == axis)
            return true;
    }
    return false;
}

int fuse_last_free(const IrNode *dot, int side) {
    const IrAttrs *a = &dot->attrs;
    const int *contracted = side ? a->rhs_axes : a->lhs_axes;
    for (int i = dot->in[side]->types[0].rank - 1; i >= a->n_batch; i--) {
        if (!is_axis_in(contracted, a->n_contract, i))
            return i;
    }
    return -1;
}

bool fuse_unit_stride(const IrNode *n, int axis) {
    switch (n->op) {
    case IR_OP_transpose:
        return fuse_unit_stride(n->in[0], n->attrs.axes[axis]);
    case IR_OP_broadcast:
        for (int i = 0; i < n->in[0]->types[0].rank; i++) {
            if (n->attrs.axes[i] == axis)
                return fuse_unit_stride(n->in[0], i);
        }
        return false;
    case IR_OP_slice:
        return fuse_unit_stride(n->in[0], axis);
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

static void insert_behind(IrFunction *f, IrBlock *b, const IrNode *behind, IrNode *n) {
    int at = 0;
    for (int i = 0; i < b->n; i++) {
        if (b->nodes[i] == behind)
            at = i + 1;
    }
    ir_block_append(f, b, n);
    for (int i = b->n - 1; i > at; i--)
        b->nodes[i] = b->nodes[i - 1];
    b->nodes[at] = n;
}

// A transpose of `n` with the given axes, equal to one that is there if possible.
static IrNode *find_transpose(const IrBlock *b, const IrNode *n, const int *axes) {
    for (int k = 0; k < b->n; k++) {
        IrNode *t = b->nodes[k];
        if (t->op != IR_OP_transpose || t->in[0] != n)
            continue;
        bool same = true;
        for (int i = 0; i < n->types[0].rank; i++)
            same = same && t->attrs.axes[i] == axes[i];
        if (same)
            return t;
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
static IrNode *transposed(IrFunction *f, const Level *level, IrNode *n, const int *axes) {
    bool captured = level->owner && n->op == IR_OP_input &&
                    n->attrs.index < level->owner->attrs.n_captured &&
                    level->block->params[n->attrs.index] == n;
    if (captured) {
        IrNode *t = transposed(f, level->outer, level->owner->in[n->attrs.index], axes);
        IrNode *param = find_captured(level->owner, t);
        return param ? param : pass_capture(f, level->owner, t);
    }

    IrNode *t = find_transpose(level->block, n, axes);
    if (t)
        return t;
    t = ir_node_new(f, IR_OP_transpose, 1, &n);
    t->n_types = 1;
    t->types = arena_new(f->arena, IrType);
    t->types[0] = (IrType){.dtype = n->types[0].dtype, .rank = n->types[0].rank};
    t->attrs.n_axes = n->types[0].rank;
    for (int i = 0; i < n->types[0].rank; i++) {
        t->attrs.axes[i] = axes[i];
        t->types[0].dims[i] = n->types[0].dims[axes[i]];
    }
    t->loc = n->loc;
    t->path = n->path;
    insert_behind(f, level->block, n, t);
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

static void lay_out(IrFunction *f, const Level *level, IrNode *dot) {
    IrAttrs *a = &dot->attrs;
    int axis = fuse_last_free(dot, 1);
    if (axis < 0 || fuse_last_free(dot, 0) < 0 ||
        fuse_unit_stride(origin(level, dot->in[1]), axis) || axis == dot->in[1]->types[0].rank - 1)
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
    dot->in[1] = transposed(f, level, dot->in[1], axes);
    for (int i = 0; i < a->n_contract; i++)
        a->rhs_axes[i] = a->n_batch + i;
}

static void lay_out_block(IrFunction *f, const Level *level) {
    // nodes may be put in on the way, always before the one that is looked at
    for (int i = 0; i < level->block->n; i++) {
        IrNode *n = level->block->nodes[i];
        if (n->op == IR_OP_dot) {
            lay_out(f, level, n);
        } else if (n->op == IR_OP_scan) {
            Level inner = {.outer = level, .owner = n, .block = n->body};
            lay_out_block(f, &inner);
        }
        while (level->block->nodes[i] != n)
            i++;
    }
}

void fuse_layout(PassCtx *cx, IrFunction *f) {
    (void)cx;
    Level top = {.block = f->body};
    lay_out_block(f, &top);
    ir_renumber(f);
}
