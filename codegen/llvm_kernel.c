// codegen/llvm_kernel.c -- a kernel as one native function: its loops.
#include "codegen/llvm_kernel.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

enum { LANES = IR_LANES };

void llvm_kernel_symbol(const IrKernel *k, char *name) {
    snprintf(name, 32, "k_%016" PRIx64, k->hash);
}

// ---- sizes --------------------------------------------------------------------------------------

LLVMValueRef llvm_dim(LlvmKernel *c, const IrDim *d) {
    return llvm_dims_value(&c->dims, d);
}

static bool is_cut(const LlvmKernel *c, int axis) {
    return axis == 0 && c->n_parallel > 0;
}

LLVMValueRef llvm_axis_from(LlvmKernel *c, int axis) {
    return is_cut(c, axis) ? c->lo : llvm_int(c->f, 0);
}

LLVMValueRef llvm_axis_to(LlvmKernel *c, int axis) {
    return is_cut(c, axis) ? c->hi : llvm_dim(c, c->k->axes[axis].extent);
}

int llvm_lanes_for(const IrKernel *k, int axis) {
    int64_t extent;
    int lanes = LANES;
    if (axis < 0)
        return 1;
    if (!ir_dim_is_const(k->axes[axis].extent, &extent))
        return lanes;
    while (lanes > 1 && lanes / 2 >= extent)
        lanes /= 2;
    return lanes;
}

// ---- loops --------------------------------------------------------------------------------------

void llvm_with_index(LlvmKernel *c, int axis, LLVMValueRef index, LlvmBody *body, void *data) {
    size_t n = (size_t)c->k->n_scalars;
    LLVMValueRef *outside = arena_array(&c->arena, LLVMValueRef, n);
    memcpy(outside, c->values, n * sizeof *outside);
    unsigned open = c->open;

    c->open |= 1u << axis;
    c->index[axis] = index;
    llvm_compute_wanted(c);
    body(c, data);

    c->open = open;
    c->index[axis] = NULL;
    memcpy(c->values, outside, n * sizeof *outside);
}

static void axis_name(const LlvmKernel *c, int axis, char *name, size_t size) {
    const IrProduct *p = &c->k->product;
    const char *role = axis >= c->n_parallel ? "r" : "i";
    if (p->present) {
        int m = p->n_batch, n = m + p->n_m, k = n + p->n_n;
        role = axis < m ? "batch" : axis < n ? "row" : axis < k ? "col" : "k";
    }
    snprintf(name, size, "%s%d", role, axis);
}

void llvm_each(LlvmKernel *c, int axis, LLVMValueRef from, LLVMValueRef to, LlvmBody *body,
               void *data) {
    char name[16];
    int64_t first, last;
    axis_name(c, axis, name, sizeof name);
    if (llvm_is_const(from, &first) && llvm_is_const(to, &last) && first + 1 == last) {
        llvm_with_index(c, axis, from, body, data);
        return;
    }
    LlvmLoop loop = llvm_loop_begin(c->f, from, to, llvm_int(c->f, 1), name);
    llvm_with_index(c, axis, loop.index, body, data);
    llvm_loop_end(c->f, &loop);
}

void llvm_at_lanes(LlvmKernel *c, int axis, LLVMValueRef index, LLVMValueRef n, int lanes,
                   LlvmBody *body, void *data) {
    LlvmFn *f = c->f;
    c->spread = axis;
    c->lanes = lanes;
    c->n_lanes = n ? n : llvm_int(f, lanes);
    if (n && lanes > 1) {
        LLVMValueRef lane = llvm_iota(f, f->i32, lanes);
        LLVMValueRef end = llvm_splat(f, LLVMBuildTrunc(f->b, n, f->i32, ""), lanes);
        c->mask = LLVMBuildICmp(f->b, LLVMIntULT, lane, end, "mask");
    }
    llvm_with_index(c, axis, index, body, data);
    c->lanes = 1;
    c->spread = -1;
    c->mask = NULL;
    c->n_lanes = NULL;
}

void llvm_each_lanes(LlvmKernel *c, int axis, LLVMValueRef from, LLVMValueRef to, int lanes,
                     LlvmBody *body, void *data) {
    LlvmFn *f = c->f;
    char name[16];
    int64_t first, last;
    axis_name(c, axis, name, sizeof name);

    // where the full vectors end
    LLVMValueRef whole = llvm_and(f, llvm_sub(f, to, from), llvm_int(f, -(int64_t)lanes));
    LLVMValueRef end = llvm_add(f, from, whole);
    bool is_static = llvm_is_const(from, &first) && llvm_is_const(to, &last);

    if (!is_static || last - first >= 2 * lanes) {
        LlvmLoop loop = llvm_loop_begin(f, from, end, llvm_int(f, lanes), name);
        llvm_at_lanes(c, axis, loop.index, NULL, lanes, body, data);
        llvm_loop_end(f, &loop);
    } else if (last - first >= lanes) {
        llvm_at_lanes(c, axis, from, NULL, lanes, body, data);
    }
    if (is_static && (last - first) % lanes == 0)
        return;

    if (is_static) {
        LLVMValueRef rest = llvm_int(f, (last - first) % lanes);
        llvm_at_lanes(c, axis, end, rest, lanes, body, data);
        return;
    }
    LLVMBasicBlockRef done = llvm_if_begin(f, llvm_less(f, end, to), "tail");
    llvm_at_lanes(c, axis, end, llvm_sub(f, to, end), lanes, body, data);
    llvm_if_end(f, done);
}

// ---- which axis is spread -----------------------------------------------------------------------

typedef struct Costs {
    double axis[IR_MAX_AXES];
} Costs;

// The cost of an axis that may not be spread.
static const double forbidden = 1e6;

// What an access costs more than a plain vector when `axis` is spread.
static double access_cost(const IrAddress *a, int axis, bool varying_row, double scattered) {
    int64_t stride;
    if (varying_row)
        return scattered;
    if (!a->strides[axis])
        return 0;
    return ir_dim_is_const(a->strides[axis], &stride) && stride == 1 ? 1 : scattered;
}

static double axis_cost(const LlvmKernel *c, int axis) {
    const IrKernel *k = c->k;
    double cost = 0;

    for (int i = 0; i < k->n_scalars; i++) {
        const IrAddress *a = &k->scalars[i].address;
        bool row = a->indirect >= 0 && c->depends[a->indirect] >> axis & 1;
        if (k->scalars[i].kind == IR_SCALAR_LOAD)
            cost += access_cost(a, axis, row, LANES);
    }
    for (int i = 0; i < k->n_stores; i++) {
        const IrAddress *a = &k->stores[i].address;
        bool row = a->indirect >= 0 && c->depends[a->indirect] >> axis & 1;
        cost += access_cost(a, axis, row, 2 * LANES);
        if (!a->strides[axis] && axis < c->n_parallel)
            cost += forbidden; // several lanes would write one element
        if (k->stores[i].accumulate && row)
            cost += forbidden;
    }

    // lanes that stay empty
    int64_t extent;
    if (ir_dim_is_const(k->axes[axis].extent, &extent) && extent < LANES)
        cost *= (double)LANES / (double)(extent > 0 ? extent : 1) / 2 + 0.5;
    return cost;
}

// The cheapest axis among first .. last - 1, the last of equals; -1 if none will do.
static int choose_spread(const LlvmKernel *c, int first, int last) {
    int best = -1;
    double least = forbidden;
    for (int axis = first; axis < last; axis++) {
        double cost = axis_cost(c, axis);
        if (cost < forbidden && cost <= least)
            best = axis, least = cost;
    }
    return best;
}

// ---- kernels without a product ------------------------------------------------------------------

typedef struct Nest {
    int order[IR_MAX_AXES]; // parallel axes, outermost first; the spread one is last
    int n;
    int spread; // among the parallel axes, or -1
    int level;
} Nest;

static void emit_innermost(LlvmKernel *c) {
    if (c->n_parallel < c->k->n_axes) {
        llvm_emit_stages(c);
        return;
    }
    for (int i = 0; i < c->k->n_stores; i++)
        llvm_store_scalar(c, &c->k->stores[i]);
}

static void emit_nest(LlvmKernel *c, void *data) {
    Nest *nest = data;
    if (nest->level == nest->n) {
        emit_innermost(c);
        return;
    }
    int axis = nest->order[nest->level++];
    LLVMValueRef from = llvm_axis_from(c, axis), to = llvm_axis_to(c, axis);
    if (axis == nest->spread)
        llvm_each_lanes(c, axis, from, to, llvm_lanes_for(c->k, axis), emit_nest, nest);
    else
        llvm_each(c, axis, from, to, emit_nest, nest);
    nest->level--;
}

// Whether lanes run along the last reduced axis rather than along a parallel one: where loads walk
// it with stride 1.
static bool spreads_reduced(const LlvmKernel *c, int parallel) {
    if (c->n_parallel == c->k->n_axes)
        return false;
    return parallel < 0 || axis_cost(c, c->k->n_axes - 1) <= axis_cost(c, parallel);
}

static void emit_loops(LlvmKernel *c) {
    Nest nest = {.spread = choose_spread(c, 0, c->n_parallel)};
    if (spreads_reduced(c, nest.spread))
        nest.spread = -1;
    for (int axis = 0; axis < c->n_parallel; axis++)
        if (axis != nest.spread)
            nest.order[nest.n++] = axis;
    if (nest.spread >= 0)
        nest.order[nest.n++] = nest.spread;

    for (int i = 0; i < c->k->n_stores; i++) {
        llvm_want(c, c->k->stores[i].scalar);
        llvm_want_address(c, &c->k->stores[i].address);
    }
    llvm_compute_wanted(c);
    emit_nest(c, &nest);
}

// ---- the function -------------------------------------------------------------------------------

static LLVMValueRef zero_elements(LlvmFn *f) {
    LLVMTypeRef type = LLVMArrayType2(f->i64, LANES);
    LLVMValueRef g = LLVMAddGlobal(f->module, type, "zeros");
    LLVMSetInitializer(g, LLVMConstNull(type));
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    LLVMSetAlignment(g, 64);
    return g;
}

static void name_value(LLVMValueRef x, const char *name) {
    LLVMSetValueName2(x, name, strlen(name));
}

static void open_function(LlvmKernel *c) {
    LlvmFn *f = c->f;
    char name[32];
    llvm_kernel_symbol(c->k, name);
    LLVMTypeRef in[] = {f->ptr, f->ptr, f->i64, f->i64};
    llvm_fn_begin(f, name, LLVMFunctionType(f->nothing, in, 4, false));

    LLVMValueRef args = LLVMGetParam(f->fn, 0);
    c->ints = LLVMGetParam(f->fn, 1);
    c->dims.values = c->ints;
    c->lo = LLVMGetParam(f->fn, 2);
    c->hi = LLVMGetParam(f->fn, 3);
    name_value(args, "args");
    name_value(c->ints, "ints");
    name_value(c->lo, "lo");
    name_value(c->hi, "hi");

    LLVMBuilderRef here = f->b;
    f->b = f->entry;
    c->args = arena_array(&c->arena, LLVMValueRef, c->k->n_args);
    for (int i = 0; i < c->k->n_args; i++) {
        snprintf(name, sizeof name, "a%d", i);
        c->args[i] = llvm_load(f, f->ptr, llvm_byte(f, args, 8 * (int64_t)i), 8);
        name_value(c->args[i], name);
    }
    f->b = here;
}

static bool supported(const IrKernel *k, const LlvmKernel *c, char *why, size_t why_size) {
    bool reduces = false;
    for (int i = 0; i < k->n_scalars; i++)
        reduces = reduces || k->scalars[i].kind == IR_SCALAR_REDUCE;
    if (k->product.present && reduces) {
        snprintf(why, why_size, "kernel %s: a product with a reduction in its epilogue", k->name);
        return false;
    }
    (void)c;
    return true;
}

bool llvm_kernel_emit(LlvmFn *f, const IrKernel *k, char *why, size_t why_size) {
    LlvmKernel c = {.f = f, .k = k, .spread = -1, .lanes = 1};
    if (!supported(k, &c, why, why_size))
        return false;
    c.depends = arena_array(&c.arena, unsigned, k->n_scalars);
    c.stages = arena_array(&c.arena, int, k->n_scalars);
    c.wanted = arena_array(&c.arena, bool, k->n_scalars);
    c.values = arena_array(&c.arena, LLVMValueRef, k->n_scalars);
    c.n_parallel = ir_kernel_n_parallel(k);
    c.n_stages = ir_kernel_stages(k, c.stages);
    ir_kernel_depends(k, c.depends);

    c.dims = (LlvmDims){.f = f, .arena = &c.arena};
    open_function(&c);
    c.zeros = zero_elements(f);
    if (k->product.present)
        llvm_emit_product(&c);
    else if (!llvm_emit_transpose(&c))
        emit_loops(&c);
    llvm_fn_end(f);
    arena_free(&c.arena);
    return true;
}
