// ir/kernel_build.c -- making kernels.
#include "ir/kernel_build.h"

#include <assert.h>
#include <string.h>

IrKernel *ir_kernel_new(Arena *a, const char *name, Loc loc) {
    IrKernel *k = arena_new(a, IrKernel);
    k->arena = a;
    k->dims = arena_new(a, IrDims);
    k->dims->arena = a;
    k->name = arena_strdup(a, name);
    k->loc = loc;
    return k;
}

int ir_kernel_add_axis(IrKernel *k, IrDim *extent, bool reduced) {
    assert(k->n_axes < IR_MAX_AXES && extent);
    assert(reduced || k->n_axes == ir_kernel_n_parallel(k));
    k->axes[k->n_axes] = (IrKernelAxis){.extent = extent, .reduced = reduced};
    return k->n_axes++;
}

int ir_kernel_add_arg(IrKernel *k, IrDtype dtype, bool written) {
    k->args =
        arena_grow(k->arena, k->args, (size_t)k->n_args, (size_t)k->n_args + 1, sizeof *k->args);
    k->args[k->n_args] = (IrKernelArg){.dtype = dtype, .written = written};
    return k->n_args++;
}

int ir_kernel_add_int(IrKernel *k) {
    return k->n_ints++;
}

// NULL for the number 0.
static IrDim *null_for_zero(IrDim *d) {
    int64_t value;
    return d && ir_dim_is_const(d, &value) && value == 0 ? NULL : d;
}

static IrDim *zero_for_null(IrKernel *k, IrDim *d) {
    return d ? d : ir_dim_const(k->dims, 0);
}

static IrAddress normal_address(IrKernel *k, IrAddress a) {
    assert(a.arg >= 0 && a.arg < k->n_args);
    a.offset = zero_for_null(k, a.offset);
    for (int i = 0; i < IR_MAX_AXES; i++)
        a.strides[i] = null_for_zero(a.strides[i]);

    if (a.indirect < 0) {
        a.indirect_last = NULL;
        a.indirect_stride = NULL;
    } else {
        assert(a.indirect_last && a.indirect_stride);
    }
    return a;
}

void ir_kernel_add_store(IrKernel *k, IrAddress address, int scalar, bool accumulate) {
    assert(accumulate || (address.indirect < 0 && address.guard < 0));
    IrStore store = {
        .address = normal_address(k, address), .scalar = scalar, .accumulate = accumulate};
    arena_push(k->arena, k->stores, k->n_stores, k->cap_stores, store);
}

void ir_kernel_set_product(IrKernel *k, IrDtype dtype, int n_batch, int n_m, int n_n, int n_k,
                           IrAddress lhs, IrAddress rhs) {
    k->product = (IrProduct){.present = true,
                             .n_batch = n_batch,
                             .n_m = n_m,
                             .n_n = n_n,
                             .n_k = n_k,
                             .dtype = dtype,
                             .lhs = normal_address(k, lhs),
                             .rhs = normal_address(k, rhs)};
}

IrAddress ir_address(int arg) {
    return (IrAddress){.arg = arg, .indirect = -1, .guard = -1};
}

// ---- scalars ------------------------------------------------------------------------------------

static bool same_address(const IrAddress *a, const IrAddress *b) {
    return a->arg == b->arg && a->offset == b->offset && a->indirect == b->indirect &&
           a->indirect_last == b->indirect_last && a->indirect_stride == b->indirect_stride &&
           a->guard == b->guard && !memcmp(a->strides, b->strides, sizeof a->strides);
}

// Whether two scalars compute the same. Constants compare by bits: 0 is not -0.
static bool same_scalar(const IrScalar *a, const IrScalar *b) {
    return a->kind == b->kind && a->dtype == b->dtype && a->op == b->op && a->axis == b->axis &&
           a->dim == b->dim && a->number == b->number && a->n_key_axes == b->n_key_axes &&
           !memcmp(a->in, b->in, sizeof a->in) && !memcmp(&a->value, &b->value, sizeof a->value) &&
           same_address(&a->address, &b->address) &&
           !memcmp(a->draw_strides, b->draw_strides, sizeof a->draw_strides) &&
           !memcmp(a->key_axes, b->key_axes, sizeof a->key_axes) &&
           !memcmp(a->key_ints, b->key_ints, sizeof a->key_ints);
}

// The index of a scalar equal to `s`, which is appended if there is none. Kernels have tens of
// scalars, so looking at each is fast enough.
static int put_scalar(IrKernel *k, IrScalar s) {
    for (int i = 0; i < k->n_scalars; i++)
        if (same_scalar(&k->scalars[i], &s))
            return i;
    s.loc = k->loc;
    arena_push(k->arena, k->scalars, k->n_scalars, k->cap_scalars, s);
    return k->n_scalars - 1;
}

static IrScalar new_scalar(IrScalarKind kind, IrDtype dtype) {
    return (IrScalar){.kind = kind, .dtype = dtype, .address = ir_address(0)};
}

static IrDtype dtype_of(const IrKernel *k, int scalar) {
    assert(scalar >= 0 && scalar < k->n_scalars);
    return k->scalars[scalar].dtype;
}

int ir_scalar_const(IrKernel *k, IrDtype dtype, double value) {
    IrScalar s = new_scalar(IR_SCALAR_CONST, dtype);
    s.value = value;
    return put_scalar(k, s);
}

int ir_scalar_load(IrKernel *k, IrAddress address) {
    IrScalar s = new_scalar(IR_SCALAR_LOAD, k->args[address.arg].dtype);
    s.address = normal_address(k, address);
    return put_scalar(k, s);
}

int ir_scalar_map(IrKernel *k, IrOp op, const int *in) {
    const IrOpInfo *info = &ir_op_info[op];
    assert(info->kind == IR_KIND_MAP && info->n_in >= 1 && info->n_in <= 3);
    for (int i = 1; i < info->n_in; i++)
        assert(dtype_of(k, in[i]) == dtype_of(k, in[0]));

    bool is_bool = info->result == IR_RESULT_BOOL || info->result == IR_RESULT_LOGIC;
    IrScalar s = new_scalar(IR_SCALAR_MAP, is_bool ? IR_BOOL : dtype_of(k, in[0]));
    s.op = op;
    memcpy(s.in, in, (size_t)info->n_in * sizeof *in);
    return put_scalar(k, s);
}

int ir_scalar_select(IrKernel *k, int c, int x, int y) {
    assert(dtype_of(k, c) == IR_BOOL && dtype_of(k, x) == dtype_of(k, y));
    if (x == y)
        return x;
    IrScalar s = new_scalar(IR_SCALAR_SELECT, dtype_of(k, x));
    s.in[0] = c;
    s.in[1] = x;
    s.in[2] = y;
    return put_scalar(k, s);
}

int ir_scalar_cast(IrKernel *k, IrDtype dtype, int x) {
    if (dtype_of(k, x) == dtype)
        return x;
    IrScalar s = new_scalar(IR_SCALAR_CAST, dtype);
    s.in[0] = x;
    return put_scalar(k, s);
}

int ir_scalar_index(IrKernel *k, int axis) {
    assert(axis >= 0 && axis < IR_MAX_AXES);
    IrScalar s = new_scalar(IR_SCALAR_INDEX, IR_I32);
    s.axis = axis;
    return put_scalar(k, s);
}

int ir_scalar_extent(IrKernel *k, IrDim *dim) {
    IrScalar s = new_scalar(IR_SCALAR_EXTENT, IR_I32);
    s.dim = dim;
    return put_scalar(k, s);
}

int ir_scalar_int(IrKernel *k, int number) {
    assert(number >= 0 && number < k->n_ints);
    IrScalar s = new_scalar(IR_SCALAR_INT, IR_I32);
    s.number = number;
    return put_scalar(k, s);
}

int ir_scalar_reduce(IrKernel *k, IrOp op, int x) {
    assert(op == IR_OP_sum || op == IR_OP_reduce_max || op == IR_OP_reduce_min ||
           op == IR_OP_argmax);
    IrScalar s = new_scalar(IR_SCALAR_REDUCE, op == IR_OP_argmax ? IR_I32 : dtype_of(k, x));
    s.op = op;
    s.in[0] = x;
    return put_scalar(k, s);
}

int ir_scalar_product(IrKernel *k) {
    assert(k->product.present);
    return put_scalar(k, new_scalar(IR_SCALAR_PRODUCT, k->product.dtype));
}

int ir_scalar_draw(IrKernel *k, IrDtype dtype, IrOp op, int number, IrDim *offset,
                   IrDim *const *strides, int n_key_axes, const int *key_axes,
                   const int *key_ints) {
    assert(op == IR_OP_draw_normal || op == IR_OP_draw_uniform);
    assert(n_key_axes >= 0 && n_key_axes <= IR_MAX_AXES);
    IrScalar s = new_scalar(IR_SCALAR_DRAW, dtype);
    s.op = op;
    s.number = number;
    s.dim = zero_for_null(k, offset);
    for (int i = 0; i < IR_MAX_AXES; i++)
        s.draw_strides[i] = null_for_zero(strides[i]);
    s.n_key_axes = n_key_axes;
    for (int i = 0; i < n_key_axes; i++) {
        s.key_axes[i] = key_axes[i];
        s.key_ints[i] = key_ints[i];
    }
    return put_scalar(k, s);
}
