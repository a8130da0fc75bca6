// ir/kernel.c -- what can be read off a kernel: stages, dependences, work.
#include "ir/kernel.h"

#include <stdlib.h>
#include <string.h>

int ir_kernel_n_parallel(const IrKernel *k) {
    int n = 0;
    while (n < k->n_axes && !k->axes[n].reduced)
        n++;
    return n;
}

int ir_scalar_n_in(const IrScalar *s) {
    switch (s->kind) {
    case IR_SCALAR_MAP:
        return ir_op_info[s->op].n_in;
    case IR_SCALAR_SELECT:
        return 3;
    case IR_SCALAR_CAST:
    case IR_SCALAR_REDUCE:
        return 1;
    case IR_SCALAR_LOAD:
    case IR_SCALAR_CONST:
    case IR_SCALAR_INDEX:
    case IR_SCALAR_EXTENT:
    case IR_SCALAR_INT:
    case IR_SCALAR_DRAW:
    case IR_SCALAR_PRODUCT:
    case IR_SCALAR_COUNT:
        return 0;
    }
    return 0;
}

// ---- stages -------------------------------------------------------------------------------------

static int later(int a, int b) {
    return a > b ? a : b;
}

static int address_stage(const IrAddress *a, const int *stages) {
    int stage = a->indirect >= 0 ? stages[a->indirect] : 0;
    return a->guard >= 0 ? later(stage, stages[a->guard]) : stage;
}

int ir_kernel_stages(const IrKernel *k, int *stages) {
    int last = 0;

    for (int i = 0; i < k->n_scalars; i++) {
        const IrScalar *s = &k->scalars[i];
        int stage = 0;
        if (s->kind == IR_SCALAR_LOAD)
            stage = address_stage(&s->address, stages);
        if (s->kind == IR_SCALAR_PRODUCT)
            stage = later(address_stage(&k->product.lhs, stages),
                          address_stage(&k->product.rhs, stages));
        for (int j = 0; j < ir_scalar_n_in(s); j++)
            stage = later(stage, stages[s->in[j]]);

        stages[i] = stage + (s->kind == IR_SCALAR_REDUCE);
        last = later(last, stages[i]);
    }
    return last + 1;
}

// ---- dependence on axes -------------------------------------------------------------------------

static unsigned strides_axes(const IrKernel *k, IrDim *const *strides) {
    unsigned axes = 0;
    for (int a = 0; a < k->n_axes; a++)
        if (strides[a])
            axes |= 1u << a;
    return axes;
}

static unsigned address_axes(const IrKernel *k, const IrAddress *a, const unsigned *axes) {
    unsigned mask = strides_axes(k, a->strides);
    if (a->indirect >= 0)
        mask |= axes[a->indirect];
    if (a->guard >= 0)
        mask |= axes[a->guard];
    return mask;
}

static unsigned scalar_axes(const IrKernel *k, const IrScalar *s, const unsigned *axes) {
    unsigned parallel = (1u << ir_kernel_n_parallel(k)) - 1;
    unsigned mask = 0;

    switch (s->kind) {
    case IR_SCALAR_CONST:
    case IR_SCALAR_EXTENT:
    case IR_SCALAR_INT:
        return 0;
    case IR_SCALAR_INDEX:
        return 1u << s->axis;
    case IR_SCALAR_PRODUCT:
        return parallel;
    case IR_SCALAR_LOAD:
        return address_axes(k, &s->address, axes);
    case IR_SCALAR_DRAW:
        mask = strides_axes(k, s->draw_strides);
        for (int i = 0; i < s->n_key_axes; i++)
            mask |= 1u << s->key_axes[i];
        return mask;
    case IR_SCALAR_REDUCE:
        return axes[s->in[0]] & parallel;
    case IR_SCALAR_MAP:
    case IR_SCALAR_SELECT:
    case IR_SCALAR_CAST:
    case IR_SCALAR_COUNT:
        break;
    }
    for (int j = 0; j < ir_scalar_n_in(s); j++)
        mask |= axes[s->in[j]];
    return mask;
}

void ir_kernel_depends(const IrKernel *k, unsigned *axes) {
    for (int i = 0; i < k->n_scalars; i++)
        axes[i] = scalar_axes(k, &k->scalars[i], axes);
}

bool ir_kernel_varies(const IrKernel *k, int scalar) {
    Arena scratch = {0};
    unsigned *axes = arena_array(&scratch, unsigned, k->n_scalars);

    ir_kernel_depends(k, axes);
    bool varies = axes[scalar] >> ir_kernel_n_parallel(k) != 0;
    arena_free(&scratch);
    return varies;
}

// ---- work ---------------------------------------------------------------------------------------

// Number of index tuples of the axes in `mask`.
static double count_indices(const IrKernel *k, unsigned mask, const int64_t *values) {
    double n = 1;
    for (int a = 0; a < k->n_axes; a++)
        if (mask >> a & 1)
            n *= (double)ir_dim_eval(k->axes[a].extent, values);
    return n;
}

// Operations that one evaluation costs.
static double scalar_cost(const IrScalar *s) {
    switch (s->kind) {
    case IR_SCALAR_LOAD:
    case IR_SCALAR_CONST:
    case IR_SCALAR_INDEX:
    case IR_SCALAR_EXTENT:
    case IR_SCALAR_INT:
    case IR_SCALAR_PRODUCT:
    case IR_SCALAR_COUNT:
        return 0;
    case IR_SCALAR_DRAW:
    case IR_SCALAR_MAP:
        return ir_op_cost(s->op);
    case IR_SCALAR_SELECT:
    case IR_SCALAR_CAST:
    case IR_SCALAR_REDUCE:
        return 1;
    }
    return 0;
}

double ir_kernel_flops(const IrKernel *k, const int64_t *values) {
    Arena scratch = {0};
    unsigned *axes = arena_array(&scratch, unsigned, k->n_scalars);
    ir_kernel_depends(k, axes);

    double flops = 0;
    for (int i = 0; i < k->n_scalars; i++) {
        const IrScalar *s = &k->scalars[i];
        unsigned reduced = ((1u << k->n_axes) - 1) & ~((1u << ir_kernel_n_parallel(k)) - 1);
        unsigned mask = s->kind == IR_SCALAR_REDUCE ? axes[s->in[0]] | reduced : axes[i];
        flops += scalar_cost(s) * count_indices(k, mask, values);
    }
    if (k->product.present)
        flops += 2 * count_indices(k, (1u << k->n_axes) - 1, values);

    arena_free(&scratch);
    return flops;
}

static double address_bytes(const IrKernel *k, const IrAddress *a, const unsigned *axes,
                            const int64_t *values) {
    unsigned mask = strides_axes(k, a->strides);
    if (a->indirect >= 0)
        mask |= axes[a->indirect];
    return (double)ir_dtype_size(k->args[a->arg].dtype) * count_indices(k, mask, values);
}

double ir_kernel_bytes(const IrKernel *k, const int64_t *values) {
    Arena scratch = {0};
    unsigned *axes = arena_array(&scratch, unsigned, k->n_scalars);
    ir_kernel_depends(k, axes);

    double bytes = 0;
    for (int i = 0; i < k->n_scalars; i++)
        if (k->scalars[i].kind == IR_SCALAR_LOAD)
            bytes += address_bytes(k, &k->scalars[i].address, axes, values);
    if (k->product.present)
        bytes += address_bytes(k, &k->product.lhs, axes, values) +
                 address_bytes(k, &k->product.rhs, axes, values);
    for (int i = 0; i < k->n_stores; i++)
        bytes += (k->stores[i].accumulate ? 2 : 1) *
                 address_bytes(k, &k->stores[i].address, axes, values);

    arena_free(&scratch);
    return bytes;
}
