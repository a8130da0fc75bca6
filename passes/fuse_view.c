// passes/fuse_view.c -- values that are other values read in another order.
//
// Transposes, slices, broadcasts and most reshapes need no work: they are strides and an offset
// into the memory of what they are taken from. So is the slice of an array that a scan hands to one
// step, and a value of an outer scope.
#include <assert.h>

#include "passes/fuse.h"

IrNode *fuse_operand(const FuseScope *s, const IrNode *param) {
    assert(param->attrs.index < s->owner->n_in);
    return s->owner->in[param->attrs.index];
}

IrNode *fuse_resolve(const Fuse *f, IrNode *n) {
    while (fuse_info(f, n)->is_param) {
        const FuseScope *s = fuse_info(f, n)->scope;
        if (!s->owner || n->attrs.index >= s->owner->attrs.n_captured)
            break;
        n = fuse_operand(s, n);
    }
    return n;
}

bool fuse_is_index(const Fuse *f, const IrNode *n) {
    const FuseNode *info = fuse_info(f, n);
    return info->is_param && info->scope->owner &&
           n->attrs.index == info->scope->block->n_params - 1;
}

bool fuse_is_over(const Fuse *f, const IrNode *n) {
    const FuseNode *info = fuse_info(f, n);
    const IrNode *owner = info->is_param ? info->scope->owner : NULL;
    return owner && !fuse_is_index(f, n) &&
           n->attrs.index >= owner->attrs.n_captured + owner->attrs.n_carry;
}

// ---- reshapes -----------------------------------------------------------------------------------

static bool is_one(const IrDim *d) {
    int64_t value;
    return ir_dim_is_const(d, &value) && value == 1;
}

int fuse_reshape_groups(IrDims *ds, const IrNode *n, int *in_at, int *out_at) {
    const IrType *x = &n->in[0]->types[0], *y = &n->types[0];
    int i = 0, j = 0, n_groups = 0;

    while (i < x->rank || j < y->rank) {
        in_at[n_groups] = i;
        out_at[n_groups] = j;

        // widen the smaller side until both hold the same number of elements
        IrDim *one = ir_dim_const(ds, 1);
        IrDim *p = i < x->rank ? x->dims[i++] : one, *q = j < y->rank ? y->dims[j++] : one;
        while (p != q) {
            if (i < x->rank && ir_dim_div(ds, q, p)) {
                p = ir_dim_mul(ds, p, x->dims[i++]);
            } else if (j < y->rank && ir_dim_div(ds, p, q)) {
                q = ir_dim_mul(ds, q, y->dims[j++]);
            } else {
                n_groups = in_at[0] = out_at[0] = 0;
                i = x->rank;
                j = y->rank;
                break;
            }
        }

        // axes of size 1 belong to the group before them
        while (i < x->rank && is_one(x->dims[i]))
            i++;
        while (j < y->rank && is_one(y->dims[j]))
            j++;
        n_groups++;
    }
    in_at[n_groups] = i;
    out_at[n_groups] = j;
    return n_groups;
}

// Number of axes of a group whose size is not 1; the last of them goes to *axis.
static int count_wide(const IrType *t, int from, int to, int *axis) {
    int n = 0;
    for (int i = from; i < to; i++) {
        if (is_one(t->dims[i]))
            continue;
        *axis = i;
        n++;
    }
    return n;
}

bool fuse_reshape_is_affine(IrDims *ds, const IrNode *n) {
    int in_at[IR_MAX_RANK + 1], out_at[IR_MAX_RANK + 1], axis;
    int n_groups = fuse_reshape_groups(ds, n, in_at, out_at);
    for (int g = 0; g < n_groups; g++) {
        if (count_wide(&n->in[0]->types[0], in_at[g], in_at[g + 1], &axis) > 1)
            return false;
    }
    return true;
}

static IrDim *mul(IrDims *ds, IrDim *a, IrDim *b) {
    return a && b ? ir_dim_mul(ds, a, b) : NULL;
}

// Strides of reshape `n` from those of its operand; false where memory would have to move.
static bool reshape_strides(IrDims *ds, const IrNode *n, IrDim *const *in, IrDim **out) {
    const IrType *x = &n->in[0]->types[0], *y = &n->types[0];
    int in_at[IR_MAX_RANK + 1], out_at[IR_MAX_RANK + 1], axis = 0;
    int n_groups = fuse_reshape_groups(ds, n, in_at, out_at);
    for (int i = 0; i < y->rank; i++)
        out[i] = NULL;

    for (int g = 0; g < n_groups; g++) {
        // the group's axes must be walked as one
        IrDim *inner = NULL;
        int seen = -1;
        for (int i = in_at[g + 1] - 1; i >= in_at[g]; i--) {
            if (is_one(x->dims[i]))
                continue;
            if (seen >= 0 && in[i] != mul(ds, in[seen], x->dims[seen]))
                return false;
            if (seen < 0)
                inner = in[i];
            seen = i;
        }
        if (count_wide(y, out_at[g], out_at[g + 1], &axis) == 0)
            continue;
        for (int i = out_at[g + 1] - 1; i >= out_at[g]; i--) {
            out[i] = inner;
            inner = mul(ds, inner, y->dims[i]);
        }
    }
    return true;
}

// ---- strides ------------------------------------------------------------------------------------

static void dense_strides(IrDims *ds, const IrType *t, IrDim **strides) {
    IrDim *stride = ir_dim_const(ds, 1);
    for (int i = t->rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride = ir_dim_mul(ds, stride, t->dims[i]);
    }
}

// Strides of the result of a move from those of its operand; false if it is no view of it.
static bool move_strides(IrDims *ds, const IrNode *n, IrDim *const *in, IrDim **out) {
    int rank = n->types[0].rank;
    switch (n->op) {
    case IR_OP_transpose:
        for (int i = 0; i < rank; i++)
            out[i] = in[n->attrs.axes[i]];
        return true;
    case IR_OP_broadcast:
        for (int i = 0; i < rank; i++)
            out[i] = NULL;
        for (int i = 0; i < n->in[0]->types[0].rank; i++)
            out[n->attrs.axes[i]] = in[i];
        return true;
    case IR_OP_slice:
    case IR_OP_stop_gradient:
    case IR_OP_sample:
        for (int i = 0; i < rank; i++)
            out[i] = in[i];
        return true;
    case IR_OP_reshape:
        return reshape_strides(ds, n, in, out);
    default:
        return false;
    }
}

bool fuse_strides(const Fuse *f, IrNode *n, IrDim **strides) {
    n = fuse_resolve(f, n);
    const FuseNode *info = fuse_info(f, n);
    if (fuse_is_index(f, n))
        return false;
    if (fuse_is_over(f, n)) {
        IrDim *outer[IR_MAX_RANK];
        if (!fuse_strides(f, fuse_operand(info->scope, n), outer))
            return false;
        for (int i = 0; i < n->types[0].rank; i++)
            strides[i] = outer[i + 1];
        return true;
    }
    if (info->is_param || info->item || info->in_memory || n->op == IR_OP_get) {
        dense_strides(f->s->dims, &n->types[0], strides);
        return true;
    }

    IrDim *in[IR_MAX_RANK];
    return n->n_in == 1 && fuse_strides(f, n->in[0], in) &&
           move_strides(f->s->dims, n, in, strides);
}

// ---- views --------------------------------------------------------------------------------------

FuseView fuse_dense(const Fuse *f, int buffer, const IrType *type) {
    FuseView v = {.buffer = buffer, .offset = ir_dim_const(f->s->dims, 0), .rank = type->rank};
    dense_strides(f->s->dims, type, v.strides);
    return v;
}

FuseView fuse_slice_of_loop(FuseView v, int loop) {
    assert(v.rank > 0);
    if (v.strides[0]) {
        if (v.n_loops == FUSE_MAX_LOOPS)
            ir_bug(NULL, "a value depends on more than %d loops", FUSE_MAX_LOOPS);
        v.loops[v.n_loops] = loop;
        v.loop_strides[v.n_loops++] = v.strides[0];
    }
    v.rank--;
    for (int i = 0; i < v.rank; i++)
        v.strides[i] = v.strides[i + 1];
    return v;
}

static FuseView view_of_param(const Fuse *f, IrNode *n) {
    const FuseScope *s = fuse_info(f, n)->scope;
    if (!s->owner)
        return fuse_dense(f, n->attrs.index, &n->types[0]); // inputs are the first buffers
    if (fuse_is_over(f, n))
        return fuse_slice_of_loop(fuse_view(f, fuse_operand(s, n)), s->loop);
    return s->carries[n->attrs.index - s->owner->attrs.n_captured];
}

FuseView fuse_view(const Fuse *f, IrNode *n) {
    n = fuse_resolve(f, n);
    const FuseNode *info = fuse_info(f, n);
    if (info->is_param)
        return view_of_param(f, n);
    if (info->item) {
        if (!info->item->has_home)
            ir_bug(n, "fuse: read before it has a place");
        return info->item->home;
    }
    if (n->n_in == 0)
        ir_bug(n, "fuse: not in memory");
    return fuse_view_of_move(f, n);
}

FuseView fuse_view_of_move(const Fuse *f, IrNode *n) {
    FuseView in = fuse_view(f, n->in[0]), v = in;
    v.rank = n->types[0].rank;
    if (!move_strides(f->s->dims, n, in.strides, v.strides))
        ir_bug(n, "fuse: not a view");
    for (int i = 0; n->op == IR_OP_slice && i < v.rank; i++) {
        if (in.strides[i])
            v.offset = ir_dim_add(f->s->dims, v.offset,
                                  ir_dim_mul(f->s->dims, in.strides[i], n->attrs.starts[i]));
    }
    return v;
}

int fuse_add_buffer(Fuse *f, const char *name, IrType type, IrStorage storage, int slot, Loc loc) {
    IrSchedule *s = f->s;
    IrBuffer b = {.dtype = type.dtype,
                  .count = ir_type_count(s->dims, &type),
                  .storage = storage,
                  .slot = slot,
                  .loc = loc};
    b.name = arena_printf(s->arena, "%s.%d", name ? name : "t", s->n_buffers);
    arena_push(s->arena, s->buffers, s->n_buffers, s->cap_buffers, b);
    return s->n_buffers - 1;
}
