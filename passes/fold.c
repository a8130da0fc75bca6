// passes/fold.c -- what is constant is computed here.
//
// The builders fold as they go; this pass does the same for nodes that became constant later, and
// adds what only a whole graph shows: loops without steps, starts and indices that are numbers.
#include "ir/fold.h"
#include "passes/rebuild.h"

static bool is_number(const IrDim *d, int64_t *value) {
    return ir_dim_is_const(d, value);
}

// A loop without steps gives its first carries, and collects nothing.
static IrNode *fold_get(IrBuilder *b, IrNode *n) {
    const IrNode *scan = n->in[0];
    int64_t steps;
    if (scan->op != IR_OP_scan || !is_number(scan->attrs.dim, &steps) || steps != 0)
        return NULL;
    if (n->attrs.index < scan->attrs.n_carry)
        return scan->in[scan->attrs.n_captured + n->attrs.index];
    return ir_const(b, n->types[0], 0);
}

// Rows from a constant start, clamped like the real one.
static IrNode *fold_dynamic_slice(IrBuilder *b, IrNode *n) {
    IrNode *x = n->in[0], *start = n->in[1];
    int64_t rows, size;
    if (start->op != IR_OP_const || !is_number(x->types[0].dims[0], &rows) ||
        !is_number(n->types[0].dims[0], &size))
        return NULL;
    double last = (double)(rows - size), first = start->attrs.value;
    first = first < 0 ? 0 : first > last ? last : first;
    IrDim *starts[IR_MAX_RANK];
    for (int i = 0; i < x->types[0].rank; i++)
        starts[i] = ir_dim_const(b->fn->dims, i == 0 ? (int64_t)first : 0);
    return ir_slice(b, x, starts, n->types[0].dims);
}

// One row, chosen by a constant index for all indices.
static IrNode *fold_gather(IrBuilder *b, IrNode *n) {
    IrNode *x = n->in[0], *index = n->in[1];
    int64_t rows;
    if (index->op != IR_OP_const || !is_number(x->types[0].dims[0], &rows) || rows == 0)
        return NULL;
    double row = index->attrs.value;
    row = row < 0 ? 0 : row > (double)(rows - 1) ? (double)(rows - 1) : row;

    IrDim *starts[IR_MAX_RANK], *sizes[IR_MAX_RANK];
    int axes[IR_MAX_RANK] = {0}, rank = x->types[0].rank;
    for (int i = 0; i < rank; i++) {
        starts[i] = ir_dim_const(b->fn->dims, i == 0 ? (int64_t)row : 0);
        sizes[i] = i == 0 ? ir_dim_const(b->fn->dims, 1) : x->types[0].dims[i];
    }
    IrNode *y = ir_reshape(b, ir_slice(b, x, starts, sizes), rank - 1, sizes + 1);
    for (int i = 0; i < rank - 1; i++)
        axes[i] = index->types[0].rank + i;
    return ir_broadcast(b, y, n->types[0].rank, n->types[0].dims, axes);
}

static IrNode *fold_node(IrBuilder *b, IrNode *n, void *data) {
    (void)data;
    IrNode *y = ir_fold(b, n);
    if (y)
        return y;
    switch (n->op) {
    case IR_OP_get:
        return fold_get(b, n);
    case IR_OP_dynamic_slice:
        return fold_dynamic_slice(b, n);
    case IR_OP_gather:
        return fold_gather(b, n);
    default:
        return NULL;
    }
}

bool pass_fold(PassCtx *cx, IrFunction *f) {
    return pass_rebuild(cx, f, fold_node, NULL);
}
