// ir/kernel_finish.c -- the final form of a kernel, and when two are equal.
//
// Equal kernels are compiled once, so a kernel is brought into one form whoever built it: no scalar
// that nothing uses, as few axes as its addresses allow, variables named d0, d1, ... in order of
// first use. Fewer axes also mean longer inner loops: an elementwise kernel over dense arrays of
// any rank ends with one axis.
#include <assert.h>
#include <string.h>

#include "ir/base/map.h"
#include "ir/kernel.h"
#include "ir/schedule.h"

// ---- visiting -----------------------------------------------------------------------------------

typedef void AddressFn(IrKernel *k, IrAddress *a, void *data);
typedef void DimFn(IrDim **d, void *data);

static void each_address(IrKernel *k, AddressFn *visit, void *data) {
    if (k->product.present) {
        visit(k, &k->product.lhs, data);
        visit(k, &k->product.rhs, data);
    }
    for (int i = 0; i < k->n_scalars; i++)
        if (k->scalars[i].kind == IR_SCALAR_LOAD)
            visit(k, &k->scalars[i].address, data);
    for (int i = 0; i < k->n_stores; i++)
        visit(k, &k->stores[i].address, data);
}

static void visit_dim(IrDim **d, DimFn *visit, void *data) {
    if (*d)
        visit(d, data);
}

static void address_dims(IrAddress *a, DimFn *visit, void *data) {
    visit_dim(&a->offset, visit, data);
    for (int i = 0; i < IR_MAX_AXES; i++)
        visit_dim(&a->strides[i], visit, data);
    visit_dim(&a->indirect_last, visit, data);
    visit_dim(&a->indirect_stride, visit, data);
}

// Visits each dim of the kernel, in the order of its text.
static void each_dim(IrKernel *k, DimFn *visit, void *data) {
    for (int i = 0; i < k->n_axes; i++)
        visit(&k->axes[i].extent, data);
    if (k->product.present) {
        address_dims(&k->product.lhs, visit, data);
        address_dims(&k->product.rhs, visit, data);
    }
    for (int i = 0; i < k->n_scalars; i++) {
        IrScalar *s = &k->scalars[i];
        if (s->kind == IR_SCALAR_LOAD)
            address_dims(&s->address, visit, data);
        visit_dim(&s->dim, visit, data);
        for (int a = 0; a < IR_MAX_AXES; a++)
            visit_dim(&s->draw_strides[a], visit, data);
    }
    for (int i = 0; i < k->n_stores; i++)
        address_dims(&k->stores[i].address, visit, data);
}

// ---- unused scalars -----------------------------------------------------------------------------

static void mark_address(bool *live, const IrAddress *a) {
    if (a->indirect >= 0)
        live[a->indirect] = true;
    if (a->guard >= 0)
        live[a->guard] = true;
}

static void move_address(IrKernel *k, IrAddress *a, void *data) {
    const int *to = data;
    (void)k;
    if (a->indirect >= 0)
        a->indirect = to[a->indirect];
    if (a->guard >= 0)
        a->guard = to[a->guard];
}

static void drop_unused_scalars(IrKernel *k, Arena *scratch) {
    bool *live = arena_array(scratch, bool, k->n_scalars);
    int *to = arena_array(scratch, int, k->n_scalars);

    // operands come earlier, so one walk backwards reaches all that is used
    for (int i = 0; i < k->n_stores; i++) {
        live[k->stores[i].scalar] = true;
        mark_address(live, &k->stores[i].address);
    }
    if (k->product.present) {
        mark_address(live, &k->product.lhs);
        mark_address(live, &k->product.rhs);
    }
    for (int i = k->n_scalars - 1; i >= 0; i--) {
        const IrScalar *s = &k->scalars[i];
        if (!live[i])
            continue;
        for (int j = 0; j < ir_scalar_n_in(s); j++)
            live[s->in[j]] = true;
        if (s->kind == IR_SCALAR_LOAD)
            mark_address(live, &s->address);
    }

    // close the gaps
    int n = 0;
    for (int i = 0; i < k->n_scalars; i++) {
        to[i] = n;
        if (!live[i])
            continue;
        IrScalar s = k->scalars[i];
        for (int j = 0; j < ir_scalar_n_in(&s); j++)
            s.in[j] = to[s.in[j]];
        k->scalars[n++] = s;
    }
    k->n_scalars = n;
    each_address(k, move_address, to);
    for (int i = 0; i < k->n_stores; i++)
        k->stores[i].scalar = to[k->stores[i].scalar];
}

// ---- axes ---------------------------------------------------------------------------------------

// Counter of the product's group that axis `a` belongs to, or NULL when there is no product.
static int *group_of(IrKernel *k, int a) {
    IrProduct *p = &k->product;
    if (!p->present)
        return NULL;
    if (a < p->n_batch)
        return &p->n_batch;
    if (a < p->n_batch + p->n_m)
        return &p->n_m;
    return a < p->n_batch + p->n_m + p->n_n ? &p->n_n : &p->n_k;
}

static void close_gap(IrDim **strides, int axis) {
    memmove(&strides[axis], &strides[axis + 1],
            (size_t)(IR_MAX_AXES - axis - 1) * sizeof(*strides));
    strides[IR_MAX_AXES - 1] = NULL;
}

static void close_address_gap(IrKernel *k, IrAddress *a, void *data) {
    const int *axis = data;
    (void)k;
    close_gap(a->strides, *axis);
}

// Takes axis `axis` out of the kernel. Nothing may use its index other than as 0.
static void remove_axis(IrKernel *k, int axis) {
    int *group = group_of(k, axis);
    if (group)
        --*group;
    memmove(&k->axes[axis], &k->axes[axis + 1], (size_t)(k->n_axes - axis - 1) * sizeof *k->axes);
    k->n_axes--;
    each_address(k, close_address_gap, &axis);

    for (int i = 0; i < k->n_scalars; i++) {
        IrScalar *s = &k->scalars[i];
        if (s->kind == IR_SCALAR_INDEX && s->axis == axis) {
            s->kind = IR_SCALAR_CONST;
            s->axis = 0;
        } else if (s->kind == IR_SCALAR_INDEX && s->axis > axis) {
            s->axis--;
        }
        if (s->kind != IR_SCALAR_DRAW)
            continue;
        close_gap(s->draw_strides, axis);
        for (int j = 0; j < s->n_key_axes; j++)
            s->key_axes[j] -= s->key_axes[j] > axis;
    }
}

static bool is_key_axis(const IrKernel *k, int axis) {
    for (int i = 0; i < k->n_scalars; i++)
        for (int j = 0; j < k->scalars[i].n_key_axes; j++)
            if (k->scalars[i].key_axes[j] == axis)
                return true;
    return false;
}

// Whether `axis` is the one axis that reductions of the kernel run along.
static bool is_last_reduced(const IrKernel *k, int axis) {
    bool reduces = false;
    int n = 0;

    for (int i = 0; i < k->n_scalars; i++)
        reduces = reduces || k->scalars[i].kind == IR_SCALAR_REDUCE;
    for (int a = 0; a < k->n_axes; a++)
        n += k->axes[a].reduced;
    return reduces && n == 1 && k->axes[axis].reduced;
}

// Drops axes of static extent 1. A key axis stays: its index 0 enters the key; so does what is left
// of the axes to reduce, which tells where a reduction ends.
static void drop_ones(IrKernel *k, int n_keep) {
    for (int a = k->n_axes - 1; a >= n_keep; a--) {
        int64_t extent;
        int *group = group_of(k, a);
        if (!ir_dim_is_const(k->axes[a].extent, &extent) || extent != 1 || is_key_axis(k, a) ||
            is_last_reduced(k, a))
            continue;
        if (group && group != &k->product.n_batch && *group == 1)
            continue;
        remove_axis(k, a);
    }
}

static bool strides_merge(IrKernel *k, IrDim *const *strides, int outer) {
    IrDim *inner = strides[outer + 1];
    if (!inner)
        return !strides[outer];
    return strides[outer] == ir_dim_mul(k->dims, inner, k->axes[outer + 1].extent);
}

typedef struct Merge {
    int outer;
    bool allowed;
} Merge;

static void check_merge(IrKernel *k, IrAddress *a, void *data) {
    Merge *m = data;
    m->allowed = m->allowed && strides_merge(k, a->strides, m->outer);
}

// Whether axes `outer` and outer + 1 are walked as one by every address and draw.
static bool may_merge(IrKernel *k, int outer) {
    int inner = outer + 1;
    if (k->axes[outer].reduced != k->axes[inner].reduced ||
        group_of(k, outer) != group_of(k, inner) || is_key_axis(k, outer) || is_key_axis(k, inner))
        return false;

    for (int i = 0; i < k->n_scalars; i++) {
        const IrScalar *s = &k->scalars[i];
        if (s->kind == IR_SCALAR_INDEX && (s->axis == outer || s->axis == inner))
            return false;
        if (s->kind == IR_SCALAR_DRAW && !strides_merge(k, s->draw_strides, outer))
            return false;
    }
    Merge m = {.outer = outer, .allowed = true};
    each_address(k, check_merge, &m);
    return m.allowed;
}

// The inner stride is the merged one: the outer slot goes.
static void merge_axes(IrKernel *k, int n_keep) {
    for (int outer = k->n_axes - 2; outer >= n_keep; outer--) {
        if (!may_merge(k, outer))
            continue;
        IrDim *extent = ir_dim_mul(k->dims, k->axes[outer].extent, k->axes[outer + 1].extent);
        remove_axis(k, outer);
        k->axes[outer].extent = extent;
    }
}

// ---- variables ----------------------------------------------------------------------------------

typedef struct Rename {
    IrDims *dims;  // the new ones
    IrDim **to;    // new variable of each old one, NULL until it is used
    int *var_from; // old index of each new one
    int n;
} Rename;

static void name_variables(IrDim **d, void *data) {
    Rename *r = data;
    const IrDimTerm *terms;
    int n_terms = ir_dim_terms(*d, &terms);

    for (int t = 0; t < n_terms; t++)
        for (int f = 0; f < terms[t].n_factors; f++) {
            int old = terms[t].factors[f]->index;
            if (r->to[old])
                continue;
            char *name = arena_printf(r->dims->arena, "d%d", r->n);
            r->to[old] = ir_dim_var(r->dims, name, INT32_MAX, 0);
            r->var_from[r->n++] = old;
        }
}

static void rename_variables(IrDim **d, void *data) {
    Rename *r = data;
    *d = ir_dim_substitute(r->dims, *d, r->to);
}

// Code never depends on the greatest value of a variable, so all get the same.
static void canonical_dims(IrKernel *k) {
    Rename r = {.dims = arena_new(k->arena, IrDims),
                .to = arena_array(k->arena, IrDim *, k->dims->n_vars),
                .var_from = arena_array(k->arena, int, k->dims->n_vars)};
    r.dims->arena = k->arena;
    each_dim(k, name_variables, &r);
    each_dim(k, rename_variables, &r);
    k->dims = r.dims;
    k->var_from = r.var_from;
}

// ---- identity -----------------------------------------------------------------------------------

static void print_body(Buf *out, const IrKernel *k) {
    IrKernel nameless = *k;
    nameless.name = "";
    nameless.hash = 0;
    ir_print_kernel(out, &nameless, false);
}

uint64_t ir_kernel_hash(const IrKernel *k) {
    Buf text = {0};
    print_body(&text, k);
    uint64_t hash = map_hash_str(buf_text(&text));
    buf_free(&text);
    return hash;
}

void ir_kernel_finish_keep(IrKernel *k, int n_keep) {
    assert(n_keep >= 0 && n_keep <= k->n_axes);
    Arena scratch = {0};
    drop_unused_scalars(k, &scratch);
    arena_free(&scratch);
    drop_ones(k, n_keep);
    merge_axes(k, n_keep);
    canonical_dims(k);
    k->hash = ir_kernel_hash(k);
}

void ir_kernel_finish(IrKernel *k) {
    ir_kernel_finish_keep(k, 0);
}

bool ir_kernel_equal(const IrKernel *a, const IrKernel *b) {
    if (a->hash != b->hash)
        return false;
    Buf x = {0}, y = {0};
    print_body(&x, a);
    print_body(&y, b);
    bool equal = !strcmp(buf_text(&x), buf_text(&y));
    buf_free(&x);
    buf_free(&y);
    return equal;
}
