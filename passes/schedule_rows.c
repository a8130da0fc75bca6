// passes/schedule_rows.c -- which kernels go together through pieces of rows.
//
// Kernels in a row share a par when each of them has the same rows and row i of none needs more
// than row i of another: then a piece goes through the whole chain while it stays in the cache, and
// nobody waits. A loop joins when that holds for all kernels in it, whatever the step: particles of
// a rollout. Kernels that have nothing to do with the chain move in front of it, those that need it
// move behind.
#include "passes/schedule.h"

// ---- rows of one call ---------------------------------------------------------------------------

IrDim *pass_call_rows(IrSchedule *s, const IrKernelCall *c) {
    const IrKernel *k = c->kernel;
    if (k->n_axes == 0 || k->axes[0].reduced)
        return NULL;
    for (int i = 0; i < k->n_axes; i++) {
        int64_t extent;
        if (ir_dim_is_const(k->axes[i].extent, &extent) && extent == 0)
            return NULL;
    }
    for (int i = 0; i < k->n_stores; i++) {
        if (k->stores[i].accumulate)
            return NULL;
    }
    return ir_dim_substitute(s->dims, k->axes[0].extent, c->dims);
}

static bool at_least_zero(const IrDim *d) {
    int64_t value;
    return ir_dim_is_const(d, &value) && value >= 0;
}

// Adds what `a` touches to `rows`.
static void add_address(IrSchedule *s, const IrKernelCall *c, const IrAddress *a,
                        const IrDim *n_rows, PassRows *rows) {
    const IrKernel *k = c->kernel;
    const IrCallArg *arg = &c->args[a->arg];
    IrDims *ds = s->dims;
    bool first = !rows->read && !rows->written;
    if (!a->strides[0] || a->indirect >= 0) {
        rows->aligned = false;
        return;
    }
    IrDim *stride = ir_dim_substitute(ds, a->strides[0], c->dims);

    // from the start of a row to its last element
    IrDim *one = ir_dim_const(ds, 1), *last = ir_dim_substitute(ds, a->offset, c->dims);
    if (arg->offset)
        last = ir_dim_add(ds, last, arg->offset);
    bool good = at_least_zero(last) && (first || stride == rows->stride);
    for (int i = 1; i < k->n_axes; i++) {
        if (!a->strides[i])
            continue;
        IrDim *extent = ir_dim_substitute(ds, k->axes[i].extent, c->dims);
        last = ir_dim_add(ds, last,
                          ir_dim_mul(ds, ir_dim_sub(ds, extent, one),
                                     ir_dim_substitute(ds, a->strides[i], c->dims)));
    }
    good = good && at_least_zero(ir_dim_sub(ds, ir_dim_sub(ds, stride, last), one));

    // slices of loops do not overlap
    for (int i = 0; i < arg->n_loops; i++)
        good = good && at_least_zero(ir_dim_sub(ds, arg->strides[i],
                                                ir_dim_mul(ds, stride, (IrDim *)n_rows)));
    rows->aligned = rows->aligned && good;
    rows->stride = stride;
}

PassRows pass_arg_rows(IrSchedule *s, const IrKernelCall *c, int arg, const IrDim *n_rows) {
    const IrKernel *k = c->kernel;
    PassRows rows = {.aligned = true, .slice = &c->args[arg]};
    const IrAddress *operands[2] = {&k->product.lhs, &k->product.rhs};
    for (int i = 0; i < 2 && k->product.present; i++) {
        if (operands[i]->arg != arg)
            continue;
        add_address(s, c, operands[i], n_rows, &rows);
        rows.read = true;
    }
    for (int i = 0; i < k->n_scalars; i++) {
        if (k->scalars[i].kind != IR_SCALAR_LOAD || k->scalars[i].address.arg != arg)
            continue;
        add_address(s, c, &k->scalars[i].address, n_rows, &rows);
        rows.read = true;
    }
    for (int i = 0; i < k->n_stores; i++) {
        if (k->stores[i].address.arg != arg)
            continue;
        add_address(s, c, &k->stores[i].address, n_rows, &rows);
        rows.written = true;
    }
    return rows;
}

bool pass_same_rows(const PassRows *a, const PassRows *b) {
    const IrCallArg *x = a->slice, *y = b->slice;
    if (!a->aligned || !b->aligned || a->stride != b->stride || x->n_loops != y->n_loops)
        return false;
    for (int i = 0; i < x->n_loops; i++) {
        if (x->loops[i] != y->loops[i] || x->strides[i] != y->strides[i])
            return false;
    }
    return true;
}

// ---- chains -------------------------------------------------------------------------------------

typedef struct Use {
    int buffer;
    PassRows rows;
} Use;

// Trees that will share a par.
typedef struct Chain {
    IrDim *rows;
    int n, cap;
    IrTree **trees;
    int n_uses, cap_uses;
    Use *uses; // of all calls, one for each argument
    double cost;
} Chain;

static double cost_of(const PassWork *w, const IrTree *t) {
    double cost = 0;
    if (t->kind == IR_TREE_KERNEL) {
        const IrKernelCall *c = t->call;
        int n = c->kernel->dims->n_vars;
        int64_t *values = arena_array(w->scratch, int64_t, n);
        for (int i = 0; i < n; i++)
            values[i] = ir_dim_eval(c->dims[i], w->values);
        return ir_kernel_flops(c->kernel, values) + ir_kernel_bytes(c->kernel, values) / 2;
    }
    for (int i = 0; i < t->n; i++)
        cost += cost_of(w, t->children[i]);
    return t->kind == IR_TREE_LOOP ? cost * (double)ir_dim_eval(t->steps, w->values) : cost;
}

// Rows that all kernels in `t` have, or NULL.
static IrDim *rows_of(PassWork *w, const IrTree *t) {
    if (t->kind == IR_TREE_KERNEL)
        return pass_call_rows(w->s, t->call);
    if (t->ends) // when, all rows tell
        return NULL;
    IrDim *rows = NULL;
    for (int i = 0; i < t->n; i++) {
        IrDim *r = rows_of(w, t->children[i]);
        if (!r || (rows && r != rows))
            return NULL;
        rows = r;
    }
    return rows;
}

static void add_uses(PassWork *w, Chain *c, const IrTree *t) {
    for (int i = 0; i < t->n; i++)
        add_uses(w, c, t->children[i]);
    if (t->ends)
        arena_push(w->scratch, c->uses, c->n_uses, c->cap_uses,
                   ((Use){.buffer = t->until.buffer, .rows = {.read = true}}));
    if (t->kind != IR_TREE_KERNEL)
        return;
    for (int i = 0; i < t->call->kernel->n_args; i++) {
        Use u = {.buffer = t->call->args[i].buffer,
                 .rows = pass_arg_rows(w->s, t->call, i,
                                       c->rows ? c->rows : ir_dim_const(w->s->dims, 1))};
        arena_push(w->scratch, c->uses, c->n_uses, c->cap_uses, u);
    }
}

// Whether what the chain writes is used row by row. Uses before `from` are known to agree.
static bool rows_agree(const Chain *c, int from) {
    for (int i = from; i < c->n_uses; i++) {
        for (int k = 0; k <= i; k++) {
            const Use *a = &c->uses[i], *b = &c->uses[k];
            if (a->buffer == b->buffer && (a->rows.written || b->rows.written) &&
                !pass_same_rows(&a->rows, &b->rows))
                return false;
        }
    }
    return true;
}

// Adds `t` to the chain, if its rows agree with the chain's.
static bool join(PassWork *w, Chain *c, IrTree *t) {
    IrDim *rows = rows_of(w, t);
    if (!rows || (c->n > 0 && rows != c->rows))
        return false;
    int before = c->n_uses;
    c->rows = rows;
    add_uses(w, c, t);
    if (!rows_agree(c, before)) {
        c->n_uses = before;
        return false;
    }
    arena_push(w->scratch, c->trees, c->n, c->cap, t);
    c->cost += cost_of(w, t);
    return true;
}

// Whether `t` neither reads what the trees of `c` write nor writes what they use.
static bool is_apart(const Chain *c, const IrTree *t) {
    for (int i = 0; i < t->n; i++) {
        if (!is_apart(c, t->children[i]))
            return false;
    }
    for (int k = 0; t->ends && k < c->n_uses; k++) {
        if (c->uses[k].buffer == t->until.buffer && c->uses[k].rows.written)
            return false;
    }
    for (int i = 0; t->kind == IR_TREE_KERNEL && i < t->call->kernel->n_args; i++) {
        bool written = t->call->kernel->args[i].written;
        for (int k = 0; k < c->n_uses; k++) {
            if (c->uses[k].buffer == t->call->args[i].buffer &&
                (written || c->uses[k].rows.written))
                return false;
        }
    }
    return true;
}

// ---- pieces -------------------------------------------------------------------------------------

enum { MOST_PIECES = 16, TILE_ROWS = 6 };

// Rows of a piece, a function of sizes and target alone; 0 where cutting does not pay.
static int64_t grain_of(const PassWork *w, double cost, int64_t rows) {
    double least = w->s->target ? w->s->target->flops_per_row_piece : 0;
    least = least > 0 ? least : 50e3;
    int64_t pieces = MOST_PIECES;
    while (pieces > 1 && (cost < least * (double)pieces || rows < pieces))
        pieces /= 2;
    while (pieces > 2 && rows / pieces < TILE_ROWS)
        pieces /= 2;
    return pieces > 1 ? (rows + pieces - 1) / pieces : 0;
}

// Puts the chain's trees to the end of `out`, in a par if that pays.
static void flush(PassWork *w, Chain *c, IrTree *out) {
    int64_t grain = c->n > 0 ? grain_of(w, c->cost, ir_dim_eval(c->rows, w->values)) : 0;
    IrTree *to = out;
    if (grain > 0) {
        to = pass_new_tree(w, IR_TREE_PAR);
        to->rows = c->rows;
        to->grain = grain;
        pass_append(w, out, to);
    }
    for (int i = 0; i < c->n; i++)
        pass_append(w, to, c->trees[i]);
    *c = (Chain){0};
}

enum { MOST_LEFT = 24 };

void pass_cut(PassWork *w, IrTree *t) {
    int n = t->n, n_left = 0;
    IrTree **rest = arena_array(w->scratch, IrTree *, n),
           **left = arena_array(w->scratch, IrTree *, n);
    for (int i = 0; i < n; i++)
        rest[i] = t->children[i];
    t->children = NULL;
    t->n = t->cap = 0;

    // each round makes one chain, from the first tree that has rows; what neither joins it nor can
    // be in front of it is left for the next
    for (; n > 0; n = n_left) {
        Chain chain = {0}, behind = {0};
        n_left = 0;
        for (int i = 0; i < n; i++) {
            IrTree *child = rest[i];
            bool free = n_left < MOST_LEFT && is_apart(&behind, child);
            if (free && join(w, &chain, child))
                continue;
            if (free && is_apart(&chain, child) && (chain.n == 0 || !rows_of(w, child))) {
                if (child->kind != IR_TREE_KERNEL)
                    pass_cut(w, child);
                pass_append(w, t, child);
                continue;
            }
            left[n_left++] = child;
            if (n_left <= MOST_LEFT)
                add_uses(w, &behind, child);
        }
        flush(w, &chain, t);
        for (int i = 0; i < n_left; i++)
            rest[i] = left[i];
    }
}
