// codegen/ref_frame.c -- a kernel call with the dims of this step.
#include "codegen/ref.h"

static int64_t eval(const IrDim *d, const int64_t *values) {
    return d ? ir_dim_eval(d, values) : 0;
}

static RefAddress eval_address(const IrKernel *k, const IrAddress *a, const int64_t *dims) {
    RefAddress r = {.of = a, .size = ir_dtype_size(k->args[a->arg].dtype)};
    r.offset = eval(a->offset, dims);
    for (int i = 0; i < k->n_axes; i++)
        r.strides[i] = eval(a->strides[i], dims);
    if (a->indirect >= 0) {
        r.last = eval(a->indirect_last, dims);
        r.row_stride = eval(a->indirect_stride, dims);
    }
    return r;
}

static RefScalar eval_scalar(const IrKernel *k, const IrScalar *s, const int64_t *dims) {
    RefScalar r = {.dim = eval(s->dim, dims)};
    if (s->kind == IR_SCALAR_LOAD)
        r.address = eval_address(k, &s->address, dims);
    for (int i = 0; i < k->n_axes; i++)
        r.draw_strides[i] = eval(s->draw_strides[i], dims);
    return r;
}

void ref_frame_init(RefFrame *f, Arena *a, const RefPlan *plan, const IrKernelCall *call,
                    const int64_t *values) {
    const IrKernel *k = plan->kernel;
    int64_t *dims = arena_array(a, int64_t, k->dims->n_vars);
    for (int i = 0; i < k->dims->n_vars; i++)
        dims[i] = ir_dim_eval(call->dims[i], values);

    f->arena = a;
    f->plan = plan;
    f->call = call;
    for (int i = 0; i < k->n_axes; i++)
        f->extents[i] = ir_dim_eval(k->axes[i].extent, dims);
    f->scalars = arena_array(a, RefScalar, k->n_scalars);
    for (int i = 0; i < k->n_scalars; i++)
        f->scalars[i] = eval_scalar(k, &k->scalars[i], dims);
    f->stores = arena_array(a, RefAddress, k->n_stores);
    for (int i = 0; i < k->n_stores; i++)
        f->stores[i] = eval_address(k, &k->stores[i].address, dims);
    if (k->product.present) {
        f->lhs = eval_address(k, &k->product.lhs, dims);
        f->rhs = eval_address(k, &k->product.rhs, dims);
    }
    f->args = arena_array(a, RefArg, k->n_args);
    f->ints = arena_array(a, uint64_t, k->n_ints);
}
