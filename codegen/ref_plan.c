// codegen/ref_plan.c -- what can be said of a kernel before it runs: which scalars each stage
// evaluates once for a parallel index, and which it evaluates in its sweep over the reduced axes.
#include "codegen/ref.h"

static void put(RefList *list, int scalar) {
    list->scalars[list->n++] = scalar;
}

static RefList new_list(Arena *a, int cap) {
    return (RefList){.scalars = arena_array(a, int, cap)};
}

static void need_address(const IrAddress *a, bool *needed) {
    if (a->indirect >= 0)
        needed[a->indirect] = true;
    if (a->guard >= 0)
        needed[a->guard] = true;
}

// Lists the varying scalars that the `needed` ones depend on, themselves included.
static RefList varying_scalars(Arena *a, const RefPlan *p, bool *needed) {
    const IrKernel *k = p->kernel;
    for (int i = k->n_scalars - 1; i >= 0; i--) {
        const IrScalar *s = &k->scalars[i];
        if (!needed[i] || s->kind == IR_SCALAR_REDUCE || s->kind == IR_SCALAR_PRODUCT)
            continue;
        for (int j = 0; j < ir_scalar_n_in(s); j++)
            needed[s->in[j]] = true;
        if (s->kind == IR_SCALAR_LOAD)
            need_address(&s->address, needed);
    }
    RefList list = new_list(a, k->n_scalars);
    for (int i = 0; i < k->n_scalars; i++)
        if (needed[i] && p->axes[i] >> p->n_parallel)
            put(&list, i);
    return list;
}

// Axes that a store's place and value depend on.
static unsigned store_axes(const RefPlan *p, const IrStore *s) {
    unsigned axes = p->axes[s->scalar];
    for (int a = 0; a < p->kernel->n_axes; a++)
        if (s->address.strides[a])
            axes |= 1u << a;
    if (s->address.indirect >= 0)
        axes |= p->axes[s->address.indirect];
    if (s->address.guard >= 0)
        axes |= p->axes[s->address.guard];
    return axes;
}

static int store_stage(const int *stages, const IrStore *s) {
    int stage = stages[s->scalar];
    if (s->address.indirect >= 0 && stages[s->address.indirect] > stage)
        stage = stages[s->address.indirect];
    if (s->address.guard >= 0 && stages[s->address.guard] > stage)
        stage = stages[s->address.guard];
    return stage;
}

static void plan_stage(Arena *a, RefPlan *p, const int *stages, int number) {
    const IrKernel *k = p->kernel;
    RefStage *stage = &p->stages[number];
    bool *needed = arena_array(a, bool, k->n_scalars);
    stage->steady = new_list(a, k->n_scalars);
    stage->reduces = new_list(a, k->n_scalars);
    stage->stores_steady = new_list(a, k->n_stores);
    stage->stores_sweep = new_list(a, k->n_stores);

    for (int i = 0; i < k->n_scalars; i++) {
        const IrScalar *s = &k->scalars[i];
        bool is_constant = !p->axes[i] && s->kind != IR_SCALAR_PRODUCT && stages[i] == 0;
        if (stages[i] == number && s->kind != IR_SCALAR_REDUCE && !is_constant &&
            !(p->axes[i] >> p->n_parallel))
            put(&stage->steady, i);
        if (stages[i] == number + 1 && s->kind == IR_SCALAR_REDUCE) {
            put(&stage->reduces, i);
            needed[s->in[0]] = true;
        }
    }
    for (int i = 0; i < k->n_stores; i++) {
        const IrStore *s = &k->stores[i];
        if (store_stage(stages, s) != number)
            continue;
        if (!(store_axes(p, s) >> p->n_parallel)) {
            put(&stage->stores_steady, i);
            continue;
        }
        put(&stage->stores_sweep, i);
        needed[s->scalar] = true;
        need_address(&s->address, needed);
        p->accumulates_in_sweep = p->accumulates_in_sweep || s->accumulate;
    }
    stage->has_sweep = stage->reduces.n || stage->stores_sweep.n;
    stage->varying = varying_scalars(a, p, needed);
}

RefPlan *ref_plan_new(Arena *a, const IrKernel *k) {
    RefPlan *p = arena_new(a, RefPlan);
    int *stages = arena_array(a, int, k->n_scalars);
    p->kernel = k;
    p->n_parallel = ir_kernel_n_parallel(k);
    p->axes = arena_array(a, unsigned, k->n_scalars);
    ir_kernel_depends(k, p->axes);
    p->n_stages = ir_kernel_stages(k, stages);
    p->stages = arena_array(a, RefStage, p->n_stages);
    for (int i = 0; i < p->n_stages; i++)
        plan_stage(a, p, stages, i);

    p->constant = new_list(a, k->n_scalars);
    p->reduce_number = arena_array(a, int, k->n_scalars);
    for (int i = 0; i < k->n_scalars; i++) {
        IrScalarKind kind = k->scalars[i].kind;
        if (kind == IR_SCALAR_REDUCE)
            p->reduce_number[i] = p->n_reduces++;
        else if (kind != IR_SCALAR_PRODUCT && !p->axes[i] && stages[i] == 0)
            put(&p->constant, i);
    }

    if (k->product.present) {
        bool *needed = arena_array(a, bool, k->n_scalars);
        const IrAddress *lhs = &k->product.lhs, *rhs = &k->product.rhs;
        need_address(lhs, needed);
        need_address(rhs, needed);
        p->product_varying = varying_scalars(a, p, needed);
        p->product_plain =
            lhs->guard < 0 && lhs->indirect < 0 && rhs->guard < 0 && rhs->indirect < 0;
    }
    return p;
}
