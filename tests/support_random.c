// tests/support_random.c -- random graphs, for tests of passes and back ends.
#include "tests/support_random.h"

#include <string.h>

#include "ir/random.h"

enum { MAX_VALUES = 400, MAX_DEPTH = 2 };

typedef struct Random {
    uint64_t state;
    IrFunction *f;
    int n_sites;
} Random;

// Values that a block can use.
typedef struct Pool {
    IrBuilder b;
    IrNode *values[MAX_VALUES];
    int n;
    int depth;
    const char *loops[MAX_DEPTH + 1];
    IrNode *indices[MAX_DEPTH + 1];
} Pool;

static int below(Random *r, int n) {
    r->state += 0x9e3779b97f4a7c15u;
    return (int)(ir_random_mix(r->state) % (uint64_t)n);
}

static IrDim *random_dim(Random *r) {
    IrDims *ds = r->f->dims;
    switch (below(r, 5)) {
    case 0:
        return ir_dim_var(ds, "N", 9, 5);
    case 1:
        return ir_dim_var(ds, "M", 7, 3);
    case 2:
        return ir_dim_const(ds, 1 + below(r, 2));
    default:
        return ir_dim_const(ds, 3 + below(r, 2));
    }
}

static IrType random_type(Random *r, int most) {
    IrType t = {.dtype = IR_F64, .rank = below(r, most + 1)};
    for (int i = 0; i < t.rank; i++)
        t.dims[i] = random_dim(r);
    return t;
}

static void put(Pool *p, IrNode *n) {
    if (p->n < MAX_VALUES)
        p->values[p->n++] = n;
}

// Any real value, of rank at most `most` and at least `least`.
static IrNode *pick(Random *r, Pool *p, int least, int most) {
    for (int i = 0; i < 20; i++) {
        IrNode *n = p->values[p->n - 1 - below(r, p->n > 12 && below(r, 2) ? 12 : p->n)];
        if (n->types[0].rank >= least && n->types[0].rank <= most)
            return n;
    }
    IrType t = random_type(r, most);
    while (t.rank < least)
        t.dims[t.rank++] = random_dim(r);
    return ir_const(&p->b, t, 0.25);
}

// A value of type `t`: one that is there, or something broadcast to it.
static IrNode *pick_like(Random *r, Pool *p, IrType t) {
    for (int i = 0; i < 30; i++) {
        IrNode *n = p->values[below(r, p->n)];
        if (ir_type_equal(&n->types[0], &t))
            return n;
        int axes[IR_MAX_RANK], at = 0;
        const IrType *x = &n->types[0];
        for (int k = 0; k < t.rank && at < x->rank; k++) {
            if (t.dims[k] == x->dims[at])
                axes[at++] = k;
        }
        if (at == x->rank && below(r, 2))
            return ir_broadcast(&p->b, n, t.rank, t.dims, axes);
    }
    return ir_const(&p->b, t, -0.5);
}

// Keeps values within a few units.
static IrNode *tame(IrBuilder *b, IrNode *x) {
    return ir_sin(b, x);
}

static IrNode *random_map(Random *r, Pool *p) {
    IrBuilder *b = &p->b;
    IrNode *x = pick(r, p, 0, 4);
    IrNode *y = pick_like(r, p, x->types[0]);
    switch (below(r, 13)) {
    case 0:
        return ir_tanh(b, x);
    case 1:
        return ir_sigmoid(b, x);
    case 2:
        return ir_relu(b, x);
    case 3:
        return ir_neg(b, x);
    case 4:
        return ir_mul(b, tame(b, x), y);
    case 5:
        return ir_max(b, x, y);
    case 6:
        return ir_select(b, ir_less(b, x, y), y, tame(b, x));
    case 7:
        return ir_sub(b, x, y);
    case 8:
        return ir_div(b, x, ir_add(b, ir_const_like(b, x, 2), ir_mul(b, y, y)));
    case 9:
        return ir_exp(b, tame(b, x));
    case 10:
        return ir_cast(b, ir_cast(b, ir_mul(b, x, ir_const_like(b, x, 4)), IR_I32), IR_F64);
    default:
        return ir_add(b, x, y);
    }
}

static IrNode *random_reduce(Random *r, Pool *p) {
    IrNode *x = pick(r, p, 1, 4);
    int axes[IR_MAX_RANK], n = 0, rank = x->types[0].rank;
    for (int i = 0; i < rank; i++) {
        if (below(r, 2) || (n == 0 && i == rank - 1))
            axes[n++] = i;
    }
    switch (below(r, 5)) {
    case 0:
        return ir_reduce(&p->b, IR_OP_reduce_max, x, n, axes);
    case 1:
        return ir_reduce(&p->b, IR_OP_reduce_min, x, n, axes);
    case 2:
        return ir_cast(&p->b, ir_argmax(&p->b, x), IR_F64);
    default:
        return tame(&p->b, ir_reduce(&p->b, IR_OP_sum, x, n, axes));
    }
}

// The softmax of a value's last axis, written out.
static IrNode *softmax(Random *r, Pool *p) {
    IrBuilder *b = &p->b;
    IrNode *x = pick(r, p, 1, 3);
    int rank = x->types[0].rank, last = rank - 1, axes[IR_MAX_RANK];
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    IrNode *m = ir_reduce(b, IR_OP_reduce_max, x, 1, &last);
    IrNode *e = ir_exp(b, ir_sub(b, x, ir_broadcast(b, m, rank, x->types[0].dims, axes)));
    IrNode *s = ir_reduce(b, IR_OP_sum, e, 1, &last);
    return ir_div(b, e, ir_broadcast(b, s, rank, x->types[0].dims, axes));
}

static IrNode *random_dot(Random *r, Pool *p) {
    IrBuilder *b = &p->b;
    IrNode *x = pick(r, p, 1, 3);
    int lhs = below(r, x->types[0].rank), batch = lhs > 0 && below(r, 3) == 0 ? 1 : 0;

    // an operand that shares the contracted axis, and the batch
    IrType t = {.dtype = IR_F64};
    if (batch)
        t.dims[t.rank++] = x->types[0].dims[0];
    int rhs = t.rank, n_free = below(r, 3 - batch);
    t.dims[t.rank++] = x->types[0].dims[lhs];
    for (int i = 0; i < n_free && x->types[0].rank + t.rank < 6; i++)
        t.dims[t.rank++] = random_dim(r);
    if (!batch && t.rank == 2 && below(r, 2)) { // x w^T
        IrDim *d = t.dims[0];
        t.dims[0] = t.dims[1];
        t.dims[1] = d;
        rhs = 1;
    }
    IrNode *y = pick_like(r, p, t);
    return tame(b, below(r, 2) && !batch ? ir_dot(b, y, x, 0, 1, &rhs, &lhs)
                                         : ir_dot(b, x, y, batch, 1, &lhs, &rhs));
}

static IrNode *random_move(Random *r, Pool *p) {
    IrBuilder *b = &p->b;
    IrDims *ds = r->f->dims;
    IrNode *x = pick(r, p, 1, 3);
    const IrType *t = &x->types[0];
    IrDim *starts[IR_MAX_RANK], *dims[IR_MAX_RANK];
    int axes[IR_MAX_RANK], axis = below(r, t->rank);
    int64_t size = 0;
    bool fixed = ir_dim_is_const(t->dims[axis], &size);
    for (int i = 0; i < t->rank; i++) {
        axes[i] = t->rank - 1 - i;
        starts[i] = ir_dim_const(ds, 0);
        dims[i] = t->dims[i];
    }
    switch (below(r, 8)) {
    case 0:
        return ir_transpose(b, x, axes);
    case 1:
        if (!fixed || size < 2)
            return x;
        starts[axis] = ir_dim_const(ds, 1);
        dims[axis] = ir_dim_const(ds, size - 1);
        return ir_slice(b, x, starts, dims);
    case 2:
        starts[axis] = ir_dim_const(ds, 1 + below(r, 2));
        dims[axis] = ir_dim_add(ds, t->dims[axis], ir_dim_const(ds, 3));
        return ir_pad(b, x, starts, dims);
    case 3: {
        IrType u = *t;
        u.dims[axis] = random_dim(r);
        return ir_concat(b, 2, (IrNode *[]){x, pick_like(r, p, u)}, axis);
    }
    case 4: { // all axes as one, and back
        IrDim *count = ir_type_count(ds, t);
        IrNode *flat = ir_reshape(b, x, 1, &count);
        return below(r, 2) ? flat : ir_reshape(b, ir_tanh(b, flat), t->rank, t->dims);
    }
    case 5: {
        IrType u = ir_type(IR_I32, 1, (IrDim *[]){random_dim(r)});
        return ir_gather(b, x, ir_iota(b, u, 0));
    }
    case 6: {
        int64_t rows = 1;
        if (ir_dim_is_const(t->dims[0], &rows) && rows == 0)
            return x;
        IrNode *start = ir_cast(b, pick_like(r, p, ir_scalar(IR_F64)), IR_I32);
        return ir_dynamic_slice(b, x, start, ir_dim_const(ds, 1));
    }
    default: {
        IrType u = ir_type(IR_I32, 1, (IrDim *[]){t->dims[0]});
        IrNode *index = ir_sub(b, ir_const(b, u, 2), ir_iota(b, u, 0));
        return ir_scatter_add(b, index, x, ir_dim_const(ds, 3));
    }
    }
}

static IrNode *random_draw(Random *r, Pool *p) {
    IrType t = random_type(r, 2);
    if (t.rank > 1) // only the first axis may be bounded
        t.dims[1] = ir_dim_const(r->f->dims, 3);
    char site[32];
    strcpy(site, "site_a");
    site[5] = (char)('a' + r->n_sites++ % 26);
    return ir_draw(&p->b, below(r, 2) ? IR_OP_draw_normal : IR_OP_draw_uniform, t, site, p->depth,
                   0, p->loops, p->indices);
}

static void fill(Random *r, Pool *p, int n_nodes);

static void random_scan(Random *r, Pool *p) {
    IrFunction *f = r->f;
    Pool inner = {.b = {.fn = f, .block = ir_block_new(f->arena)}, .depth = p->depth + 1};
    IrDim *steps = below(r, 6) == 0 ? ir_dim_const(f->dims, 0) : random_dim(r);
    IrNode *in[12], *carries[3];
    int n_captured = 1 + below(r, 4), n_carry = below(r, 4), n_over = below(r, 3), n = 0;

    // operands and parameters
    for (int i = 0; i < n_captured; i++)
        in[n++] = pick(r, p, 0, 3);
    for (int i = 0; i < n_carry; i++)
        in[n++] = pick(r, p, 0, 3);
    for (int i = 0; i < n_over; i++) {
        IrType t = random_type(r, 2);
        for (int k = t.rank++; k > 0; k--)
            t.dims[k] = t.dims[k - 1];
        t.dims[0] = steps;
        in[n++] = pick_like(r, p, t);
    }
    for (int i = 0; i < p->depth; i++) // indices of the loops around
        in[n++] = p->indices[i];
    for (int i = n - p->depth; i < n; i++) { // ... are captured
        IrNode *index = in[i];
        memmove(in + 1, in, (size_t)i * sizeof *in);
        in[0] = index;
        n_captured++;
    }
    for (int i = 0; i < n; i++) {
        IrType t = in[i]->types[0];
        if (i >= n_captured + n_carry) {
            t.rank--;
            memmove(t.dims, t.dims + 1, (size_t)t.rank * sizeof *t.dims);
        }
        IrNode *param = ir_block_add_param(f, inner.b.block, t, NULL, (Loc){0});
        if (i >= n_captured && i < n_captured + n_carry)
            carries[i - n_captured] = param;
        if (i < p->depth)
            inner.indices[p->depth - 1 - i] = param;
        else
            put(&inner, param);
    }
    IrNode *index = ir_block_add_param(f, inner.b.block, ir_scalar(IR_I32), NULL, (Loc){0});
    const char *name = p->depth ? "inner" : "outer";
    for (int i = 0; i < p->depth; i++)
        inner.loops[i] = p->loops[i];
    inner.loops[p->depth] = name;
    inner.indices[p->depth] = index;
    put(&inner, ir_cast(&inner.b, index, IR_F64));
    fill(r, &inner, 3 + below(r, 12));

    // next carries (sometimes exchanged or kept), collected values
    for (int i = 0; i < n_carry; i++) {
        IrNode *next = below(r, 4) == 0
                           ? carries[below(r, n_carry)]
                           : tame(&inner.b, pick_like(r, &inner, carries[i]->types[0]));
        if (!ir_type_equal(&next->types[0], &carries[i]->types[0]))
            next = carries[i];
        ir_block_add_result(f, inner.b.block, next);
    }
    int n_collected = below(r, 4);
    for (int i = 0; i < n_collected; i++)
        ir_block_add_result(f, inner.b.block, pick(r, &inner, 0, 2));
    if (n_carry + n_collected == 0)
        ir_block_add_result(f, inner.b.block, pick(r, &inner, 0, 2));

    IrNode *scan = ir_scan(&p->b, inner.b.block, steps, below(r, 3) == 0, name, n_captured, n_carry,
                           n_over, in);
    for (int i = 0; i < scan->n_types; i++)
        put(p, ir_get(&p->b, scan, i));
}

static void fill(Random *r, Pool *p, int n_nodes) {
    for (int i = 0; i < n_nodes; i++) {
        switch (below(r, 12)) {
        case 0:
            put(p, random_reduce(r, p));
            break;
        case 1:
            put(p, softmax(r, p));
            break;
        case 2:
        case 3:
            put(p, random_dot(r, p));
            break;
        case 4:
        case 5:
            put(p, random_move(r, p));
            break;
        case 6:
            if (p->depth < MAX_DEPTH && below(r, 2))
                random_scan(r, p);
            else
                put(p, random_draw(r, p));
            break;
        default:
            put(p, random_map(r, p));
            break;
        }
    }
}

IrFunction *random_function(Arena *a, uint64_t seed, int n_nodes) {
    IrDims *dims = arena_new(a, IrDims);
    dims->arena = a;
    Random r = {.state = seed, .f = ir_function_new(a, dims, "random")};
    Pool p = {.b = {.fn = r.f, .block = r.f->body}};

    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        IrSlot slot = {.name = names[i], .role = i < 3 ? IR_ROLE_PARAM : IR_ROLE_INPUT};
        put(&p, ir_add_input(r.f, random_type(&r, 3), slot, (Loc){0}));
    }
    IrNode *inputs[5];
    memcpy(inputs, p.values, sizeof inputs);
    fill(&r, &p, n_nodes);

    // some updates, then outputs
    for (int i = 0; i < 3; i++) {
        IrNode *next =
            below(&r, 4) == 0 ? inputs[below(&r, 3)] : pick_like(&r, &p, inputs[i]->types[0]);
        if (ir_type_equal(&next->types[0], &inputs[i]->types[0]))
            ir_add_output(r.f, next,
                          (IrSlot){.name = names[i], .role = IR_ROLE_UPDATE, .target = i});
    }
    static const char *const outs[] = {"v", "w", "x", "y", "z"};
    for (int i = 0; i < 5; i++)
        ir_add_output(r.f, pick(&r, &p, 0, 5), (IrSlot){.name = outs[i], .role = IR_ROLE_OUT});
    ir_renumber(r.f);
    return r.f;
}
