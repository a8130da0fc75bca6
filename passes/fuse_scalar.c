// passes/fuse_scalar.c -- the scalar graph of a kernel.
//
// Starting from the items of a group, operands are followed down to what is in memory. On the way
// moves only change the index: at each node there is, for each of its axes, an index that is a sum
// of multiples of the kernel's axes. The same walk without a kernel (a probe) finds out whether a
// group can be one kernel at all.
#include <assert.h>
#include <string.h>

#include "passes/fuse_build.h"

// ---- dims and indices ---------------------------------------------------------------------------

static IrDims *dims(const FuseBuild *b) {
    return b->f->s->dims;
}

IrDim *fuse_kernel_dim(const FuseBuild *b, IrDim *d) {
    return d ? ir_dim_substitute(b->k->dims, d, b->to) : NULL;
}

static bool is_number(const IrDim *d, int64_t number) {
    int64_t value;
    return !d ? number == 0 : ir_dim_is_const(d, &value) && value == number;
}

static IrDim *add(const FuseBuild *b, IrDim *x, IrDim *y) {
    return !x ? y : !y ? x : ir_dim_add(dims(b), x, y);
}

static IrDim *mul(const FuseBuild *b, IrDim *x, IrDim *y) {
    return x && y ? ir_dim_mul(dims(b), x, y) : NULL;
}

// `at`, by `d` (or minus `d`) further on.
static FuseIndex moved(const FuseBuild *b, FuseIndex at, IrDim *d, bool back) {
    IrDim *zero = ir_dim_const(dims(b), 0);
    at.offset = at.offset ? at.offset : zero;
    at.offset = back ? ir_dim_sub(dims(b), at.offset, d) : ir_dim_add(dims(b), at.offset, d);
    if (at.offset == zero)
        at.offset = NULL;
    return at;
}

FuseIndex fuse_axis_index(const FuseBuild *b, int axis) {
    FuseIndex at = {0};
    at.c[axis] = ir_dim_const(dims(b), 1);
    return at;
}

static void item_index(const FuseBuild *b, const FuseItem *item, FuseIndex *at) {
    for (int i = 0; i < item->node->types[0].rank; i++)
        at[i] = fuse_axis_index(b, item->axes[i]);
}

// Whether `at` is the index at which the kernel computes `item`.
static bool is_own_index(const FuseItem *item, const IrType *t, const FuseIndex *at) {
    for (int i = 0; i < t->rank; i++) {
        if (is_number(t->dims[i], 1))
            continue;
        if (!is_number(at[i].offset, 0))
            return false;
        for (int x = 0; x < IR_MAX_AXES; x++) {
            if (!is_number(at[i].c[x], x == item->axes[i]))
                return false;
        }
    }
    return true;
}

// ---- scalars; a probe makes none ----------------------------------------------------------------

static int make_const(FuseBuild *b, IrDtype dtype, double value) {
    return b->k ? ir_scalar_const(b->k, dtype, value) : 0;
}

static int make_map(FuseBuild *b, IrOp op, int x, int y) {
    return b->k ? ir_scalar_map(b->k, op, (int[]){x, y}) : 0;
}

static int make_cast(FuseBuild *b, IrDtype dtype, int x) {
    return b->k ? ir_scalar_cast(b->k, dtype, x) : 0;
}

static int make_dim(FuseBuild *b, IrDim *d) {
    int64_t value;
    if (!b->k)
        return 0;
    if (ir_dim_is_const(d, &value))
        return ir_scalar_const(b->k, IR_I32, (double)value);
    return ir_scalar_extent(b->k, fuse_kernel_dim(b, d));
}

static int make_index(FuseBuild *b, const FuseIndex *at) {
    int sum = -1;
    if (!b->k)
        return 0;
    for (int x = 0; x < IR_MAX_AXES; x++) {
        if (is_number(at->c[x], 0))
            continue;
        int i = ir_scalar_index(b->k, x);
        if (!is_number(at->c[x], 1))
            i = make_map(b, IR_OP_mul, i, make_dim(b, at->c[x]));
        sum = sum < 0 ? i : make_map(b, IR_OP_add, sum, i);
    }
    if (sum < 0)
        return at->offset ? make_dim(b, at->offset) : make_const(b, IR_I32, 0);
    return at->offset ? make_map(b, IR_OP_add, sum, make_dim(b, at->offset)) : sum;
}

static int both(FuseBuild *b, int g, int h) {
    return g < 0 || g == h ? h : h < 0 ? g : make_map(b, IR_OP_logical_and, g, h);
}

// Guard for lo <= at < hi, where either may be NULL: not asked.
static int make_guard(FuseBuild *b, const FuseIndex *at, IrDim *lo, IrDim *hi, int guard) {
    int i = make_index(b, at);
    if (lo)
        guard = both(b, guard, make_map(b, IR_OP_less_equal, make_dim(b, lo), i));
    if (hi)
        guard = both(b, guard, make_map(b, IR_OP_less, i, make_dim(b, hi)));
    return guard;
}

// ---- arguments ----------------------------------------------------------------------------------

static int find_arg(FuseBuild *b, const FuseView *v, IrDim *offset, bool written) {
    IrCallArg arg;
    memset(&arg, 0, sizeof arg); // compared with memcmp
    arg.buffer = v->buffer;
    arg.offset = offset;
    arg.n_loops = v->n_loops;
    for (int i = 0; i < v->n_loops; i++) {
        arg.loops[i] = v->loops[i];
        arg.strides[i] = v->loop_strides[i];
    }
    int i = 0;
    while (i < b->n_args && memcmp(&b->args[i], &arg, sizeof arg) != 0)
        i++;
    if (i == b->n_args) {
        arena_push(b->f->s->arena, b->args, b->n_args, b->cap_args, arg);
        ir_kernel_add_arg(b->k, b->f->s->buffers[v->buffer].dtype, written);
    }
    b->k->args[i].written |= written;
    return i;
}

IrAddress fuse_address(FuseBuild *b, const FuseView *v, const FuseIndex *at, int guard,
                       bool written) {
    IrDim *offset = NULL, *strides[IR_MAX_AXES] = {0};
    for (int i = 0; i < v->rank; i++) {
        offset = add(b, offset, mul(b, v->strides[i], at[i].offset));
        for (int x = 0; x < IR_MAX_AXES; x++)
            strides[x] = add(b, strides[x], mul(b, v->strides[i], at[i].c[x]));
    }

    // where a guard may be false, the offset may point outside: it is added only when true
    IrDim *outside = guard < 0 ? add(b, v->offset, offset) : v->offset;
    IrAddress a = ir_address(find_arg(b, v, outside, written));
    a.guard = guard;
    a.offset = guard < 0 ? NULL : fuse_kernel_dim(b, offset);
    for (int x = 0; x < IR_MAX_AXES; x++)
        a.strides[x] = fuse_kernel_dim(b, strides[x]);
    return a;
}

int fuse_call_int(FuseBuild *b, IrCallInt wanted) {
    for (int i = 0; i < b->n_ints; i++) {
        if (!memcmp(&b->ints[i], &wanted, sizeof wanted))
            return i;
    }
    arena_push(b->f->s->arena, b->ints, b->n_ints, b->cap_ints, wanted);
    return ir_kernel_add_int(b->k);
}

// ---- values in memory ---------------------------------------------------------------------------

// A probe notices when memory is read that this kernel writes.
void fuse_check_memory(FuseBuild *b, IrNode *n) {
    n = fuse_resolve(b->f, n);
    const FuseNode *info = fuse_info(b->f, n);
    if (info->scope != b->g->scope)
        return;
    if (info->is_param || info->item) {
        b->bad |= n == b->watch || (info->item && info->item->group == b->g);
        return;
    }
    for (int i = 0; i < n->n_in; i++)
        fuse_check_memory(b, n->in[i]);
}

static int load(FuseBuild *b, IrNode *n, const FuseIndex *at, int guard) {
    if (!b->k)
        return 0;
    FuseView v = fuse_view(b->f, n);
    return ir_scalar_load(b->k, fuse_address(b, &v, at, guard, false));
}

// Row `row` of axis 0 (clamped to 0 .. last) of `x`, plus at[0] rows.
static int load_row(FuseBuild *b, IrNode *x, const FuseIndex *at, int row, IrDim *last, int guard) {
    fuse_check_memory(b, x);
    if (!b->k)
        return 0;
    FuseView v = fuse_view(b->f, x);
    IrAddress a = fuse_address(b, &v, at, guard, false);
    a.indirect = row;
    a.indirect_last = fuse_kernel_dim(b, last);
    a.indirect_stride = fuse_kernel_dim(b, v.strides[0] ? v.strides[0] : ir_dim_const(dims(b), 0));
    return ir_scalar_load(b->k, a);
}

// ---- values -------------------------------------------------------------------------------------

static int define_pad(FuseBuild *b, IrNode *n, const FuseIndex *at, int guard) {
    FuseIndex in[IR_MAX_RANK];
    const IrType *x = &n->in[0]->types[0];
    int inside = -1;
    for (int i = 0; i < x->rank; i++) {
        IrDim *start = n->attrs.starts[i];
        bool ends = ir_dim_add(dims(b), start, x->dims[i]) == n->types[0].dims[i];
        in[i] = moved(b, at[i], start, true);
        if (!is_number(start, 0) || !ends)
            inside = make_guard(b, &in[i], is_number(start, 0) ? NULL : ir_dim_const(dims(b), 0),
                                ends ? NULL : x->dims[i], inside);
    }
    int g = both(b, guard, inside);
    int v = fuse_value(b, n->in[0], in, g);
    if (!b->k || inside < 0 ||
        (b->k->scalars[v].kind == IR_SCALAR_LOAD && b->k->scalars[v].address.guard == g))
        return v;
    return ir_scalar_select(b->k, inside, v, make_const(b, x->dtype, 0));
}

static int define_concat(FuseBuild *b, IrNode *n, const FuseIndex *at, int guard) {
    int axis = n->attrs.axis, result = 0;
    FuseIndex in[IR_MAX_RANK];
    memcpy(in, at, (size_t)n->types[0].rank * sizeof *at);
    IrDim *end = n->types[0].dims[axis];

    // from the last part to the first
    for (int i = n->n_in - 1; i >= 0; i--) {
        IrDim *start = ir_dim_sub(dims(b), end, n->in[i]->types[0].dims[axis]);
        bool last = i == n->n_in - 1;
        int g = make_guard(b, &at[axis], i == 0 ? NULL : start, last ? NULL : end, guard);
        in[axis] = moved(b, at[axis], start, true);
        int v = fuse_value(b, n->in[i], in, n->n_in == 1 ? guard : g);
        if (last)
            result = v;
        else if (b->k)
            result = ir_scalar_select(b->k, make_guard(b, &at[axis], NULL, end, -1), v, result);
        end = start;
    }
    return result;
}

static int define_reshape(FuseBuild *b, IrNode *n, const FuseIndex *at, int guard) {
    if (!fuse_reshape_is_affine(dims(b), n)) {
        fuse_check_memory(b, n->in[0]);
        if (!b->k)
            return 0;
        FuseView v = fuse_view_of_move(b->f, n);
        return ir_scalar_load(b->k, fuse_address(b, &v, at, guard, false));
    }

    const IrType *x = &n->in[0]->types[0], *y = &n->types[0];
    int in_at[IR_MAX_RANK + 1], out_at[IR_MAX_RANK + 1];
    int n_groups = fuse_reshape_groups(dims(b), n, in_at, out_at);
    FuseIndex in[IR_MAX_RANK] = {0};
    for (int g = 0; g < n_groups; g++) {
        // the one axis that is not of size 1 takes the position within the group
        FuseIndex sum = {0};
        IrDim *stride = ir_dim_const(dims(b), 1);
        for (int j = out_at[g + 1] - 1; j >= out_at[g]; j--) {
            sum.offset = add(b, sum.offset, mul(b, at[j].offset, stride));
            for (int c = 0; c < IR_MAX_AXES; c++)
                sum.c[c] = add(b, sum.c[c], mul(b, at[j].c[c], stride));
            stride = ir_dim_mul(dims(b), stride, y->dims[j]);
        }
        for (int i = in_at[g]; i < in_at[g + 1]; i++) {
            if (!is_number(x->dims[i], 1))
                in[i] = sum;
        }
    }
    return fuse_value(b, n->in[0], in, guard);
}

static int define_draw(FuseBuild *b, IrNode *n, const FuseIndex *at) {
    const IrAttrs *a = &n->attrs;
    const IrType *t = &n->types[0];
    if (!b->k)
        return 0;

    // the key: names, and the indices of scans
    IrCallInt key;
    memset(&key, 0, sizeof key);
    key.kind = IR_INT_KEY;
    key.hash = map_hash_str(a->name);
    for (int i = 0; i < a->n_loops - a->n_key_axes; i++) {
        IrNode *index = fuse_resolve(b->f, n->in[i]);
        if (!fuse_is_index(b->f, index) || key.n_loops == FUSE_MAX_LOOPS)
            ir_bug(n, "the index of loop '%s' is no step's index", a->loops[a->n_key_axes + i]);
        key.loops[key.n_loops] = fuse_info(b->f, index)->scope->loop;
        key.loop_hashes[key.n_loops++] = map_hash_str(a->loops[a->n_key_axes + i]);
    }
    int number = fuse_call_int(b, key), key_axes[IR_MAX_AXES], key_ints[IR_MAX_AXES];

    // maps that were eliminated are axes
    for (int i = 0; i < a->n_key_axes; i++) {
        IrCallInt hash;
        memset(&hash, 0, sizeof hash);
        hash.kind = IR_INT_HASH;
        hash.hash = map_hash_str(a->loops[i]);
        key_ints[i] = fuse_call_int(b, hash);
        key_axes[i] = -1;
        for (int x = 0; x < IR_MAX_AXES; x++) {
            if (is_number(at[i].c[x], 1) && !at[i].offset)
                key_axes[i] = x;
        }
        if (key_axes[i] < 0)
            ir_bug(n, "draw read at an index that is no axis");
    }

    // the element within the draw
    IrDim *offset = NULL, *strides[IR_MAX_AXES] = {0}, *stride = ir_dim_const(dims(b), 1);
    for (int i = t->rank - 1; i >= a->n_key_axes; i--) {
        offset = add(b, offset, mul(b, at[i].offset, stride));
        for (int x = 0; x < IR_MAX_AXES; x++)
            strides[x] = add(b, strides[x], mul(b, at[i].c[x], stride));
        stride = ir_dim_mul(dims(b), stride, t->dims[i]);
    }
    for (int x = 0; x < IR_MAX_AXES; x++)
        strides[x] = fuse_kernel_dim(b, strides[x]);
    return ir_scalar_draw(b->k, t->dtype, n->op, number, fuse_kernel_dim(b, offset), strides,
                          a->n_key_axes, key_axes, key_ints);
}

static int define_map(FuseBuild *b, IrNode *n, const FuseIndex *at, int guard) {
    int in[3] = {0};
    for (int i = 0; i < n->n_in; i++)
        in[i] = fuse_value(b, n->in[i], at, guard);
    if (!b->k)
        return 0;
    b->k->loc = n->loc;
    if (n->op == IR_OP_select)
        return ir_scalar_select(b->k, in[0], in[1], in[2]);
    if (n->op == IR_OP_cast)
        return ir_scalar_cast(b->k, n->types[0].dtype, in[0]);
    if (n->op == IR_OP_stop_gradient || n->op == IR_OP_sample)
        return in[0];
    return ir_scalar_map(b->k, n->op, in);
}

static int define_rows(FuseBuild *b, IrNode *n, const FuseIndex *at, int guard) {
    FuseIndex in[IR_MAX_RANK] = {0};
    const IrType *x = &n->in[0]->types[0], *index = &n->in[1]->types[0];
    int row = fuse_value(b, n->in[1], at, guard); // a dynamic_slice's start has no axes
    if (n->op == IR_OP_dynamic_slice)
        return load_row(b, n->in[0], at, row, ir_dim_sub(dims(b), x->dims[0], n->types[0].dims[0]),
                        guard);
    for (int i = 1; i < x->rank; i++)
        in[i] = at[index->rank + i - 1];
    return load_row(b, n->in[0], in, row, ir_dim_sub(dims(b), x->dims[0], ir_dim_const(dims(b), 1)),
                    guard);
}

int fuse_define(FuseBuild *b, IrNode *n, const FuseIndex *at, int guard) {
    FuseIndex in[IR_MAX_RANK] = {0};
    int x_rank = n->n_in > 0 ? n->in[0]->types[0].rank : 0;
    switch (n->op) {
    case IR_OP_const:
        return make_const(b, n->types[0].dtype, n->attrs.value);
    case IR_OP_iota:
        return make_cast(b, n->types[0].dtype, make_index(b, &at[n->attrs.axis]));
    case IR_OP_extent:
        return make_cast(b, n->types[0].dtype, make_dim(b, n->attrs.dim));
    case IR_OP_draw_normal:
    case IR_OP_draw_uniform:
        return define_draw(b, n, at);
    case IR_OP_transpose:
        for (int i = 0; i < x_rank; i++)
            in[n->attrs.axes[i]] = at[i];
        return fuse_value(b, n->in[0], in, guard);
    case IR_OP_broadcast:
        for (int i = 0; i < x_rank; i++)
            in[i] = at[n->attrs.axes[i]];
        return fuse_value(b, n->in[0], in, guard);
    case IR_OP_slice:
        for (int i = 0; i < x_rank; i++)
            in[i] = moved(b, at[i], n->attrs.starts[i], false);
        return fuse_value(b, n->in[0], in, guard);
    case IR_OP_pad:
        return define_pad(b, n, at, guard);
    case IR_OP_concat:
        return define_concat(b, n, at, guard);
    case IR_OP_reshape:
        return define_reshape(b, n, at, guard);
    case IR_OP_gather:
    case IR_OP_dynamic_slice:
        return define_rows(b, n, at, guard);
    case IR_OP_sum:
    case IR_OP_reduce_max:
    case IR_OP_reduce_min:
    case IR_OP_argmax:
    case IR_OP_dot:
        return fuse_define_heavy(b, n);
    default:
        if (ir_op_info[n->op].kind != IR_KIND_MAP && n->op != IR_OP_select && n->op != IR_OP_cast &&
            n->op != IR_OP_stop_gradient && n->op != IR_OP_sample)
            ir_bug(n, "fuse: no scalar form");
        return define_map(b, n, at, guard);
    }
}

static bool same_index(const FuseIndex *a, const FuseIndex *b, int rank) {
    return rank == 0 || !memcmp(a, b, (size_t)rank * sizeof *a);
}

int fuse_item_value(FuseBuild *b, FuseItem *item) {
    if (item->scalar < 0) {
        FuseIndex at[IR_MAX_RANK] = {0};
        item_index(b, item, at);
        item->scalar =
            item->copy ? fuse_value(b, item->node, at, -1) : fuse_define(b, item->node, at, -1);
    }
    return item->scalar;
}

int fuse_value(FuseBuild *b, IrNode *n, const FuseIndex *at, int guard) {
    n = fuse_resolve(b->f, n);
    const FuseNode *info = fuse_info(b->f, n);
    const IrType *t = &n->types[0];
    if (b->bad)
        return 0;

    if (info->is_param) {
        if (fuse_is_index(b->f, n)) {
            IrCallInt loop;
            memset(&loop, 0, sizeof loop);
            loop.kind = IR_INT_LOOP;
            loop.loop = info->scope->loop;
            return b->k ? ir_scalar_int(b->k, fuse_call_int(b, loop)) : 0;
        }
        if (n == b->watch && (guard >= 0 || !ir_dims_equal(t, &b->watch_item->node->types[0]) ||
                              !is_own_index(b->watch_item, t, at)))
            b->bad = true;
        return load(b, n, at, guard);
    }
    if (info->item) {
        if (info->item->group != b->g)
            return load(b, n, at, guard);
        b->bad |= !is_own_index(info->item, t, at);
        return b->bad ? 0 : fuse_item_value(b, info->item);
    }

    // one walk for each node and index
    for (FuseMemo *m = b->memo; m; m = m->next) {
        if (m->node == n && m->guard == guard && same_index(m->at, at, t->rank))
            return m->scalar;
    }
    FuseMemo *m = arena_new(b->f->scratch, FuseMemo);
    m->node = n;
    m->guard = guard;
    memcpy(m->at, at, (size_t)t->rank * sizeof *at);
    m->scalar = fuse_define(b, n, at, guard);
    m->next = b->memo;
    b->memo = m;
    return m->scalar;
}

// ---- probing ------------------------------------------------------------------------------------

static bool probe(Fuse *f, FuseGroup *g, const IrNode *watch, FuseItem *item) {
    FuseBuild b = {.f = f, .g = g, .watch = watch, .watch_item = item};
    for (int i = 0; i < g->n; i++)
        g->items[i]->scalar = -1;
    for (int i = 0; i < g->n && !b.bad; i++)
        fuse_item_value(&b, g->items[i]);
    return !b.bad;
}

bool fuse_probe(Fuse *f, FuseGroup *g) {
    return probe(f, g, NULL, NULL);
}

// Whether `item` has one value for each parallel index of a reduction.
static bool shape_is_parallel(const FuseGroup *g, const FuseItem *item) {
    for (int i = 0; i < item->node->types[0].rank; i++) {
        if (item->axes[i] >= g->n_par)
            return false;
    }
    return true;
}

bool fuse_probe_in_place(Fuse *f, FuseItem *item, const IrNode *param) {
    FuseGroup *g = item->group;
    bool per_row = g->kind != FUSE_REDUCE; // or stored once for each row, after what is reduced
    if (!per_row)
        per_row = item->kind == FUSE_REDUCE || shape_is_parallel(g, item);
    return per_row && probe(f, g, param, item);
}
