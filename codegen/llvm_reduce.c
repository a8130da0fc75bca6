// codegen/llvm_reduce.c -- reductions and what depends on them, stage by stage.
//
// Each stage sweeps over the reduced axes once: it accumulates the reductions whose operands it
// can compute, and writes what varies along the reduced axes and needs no later reduction. Values
// that several sweeps need are computed again.
//
// Sums have 16 accumulators, element j of the last axis goes to number j % 16 (ir/kernel.h). When
// vectors run along that axis, they are the lanes of one vector; when vectors run along a parallel
// axis, they are 16 vectors in memory. Either way the sum has the same bits.
#include <math.h>

#include "codegen/llvm_kernel.h"
#include "codegen/llvm_map.h"
#include "ir/base/diag.h"

// One REDUCE scalar while a sweep accumulates it.
typedef struct Accumulator {
    int scalar;
    IrOp op;
    LLVMTypeRef type;   // of one accumulated value, lanes included
    LLVMValueRef slot;  // one value, or 16 of them
    LLVMValueRef where; // argmax: slot of the positions
} Accumulator;

typedef struct Sweep {
    int stage;
    int axis;   // of the loop that is written next
    bool along; // lanes run along the last reduced axis
    int n;
    Accumulator *accumulators;
} Sweep;

static int last_axis(const LlvmKernel *c) {
    return c->k->n_axes - 1;
}

static unsigned reduced_axes(const LlvmKernel *c) {
    return (1u << c->k->n_axes) - (1u << c->n_parallel);
}

static LLVMValueRef identity(LlvmFn *f, IrOp op, LLVMTypeRef type) {
    bool whole = LLVMGetTypeKind(llvm_element(type)) == LLVMIntegerTypeKind;
    (void)f;
    switch (op) {
    case IR_OP_reduce_max:
    case IR_OP_argmax:
        return llvm_num(type, whole ? (double)INT32_MIN : -INFINITY);
    case IR_OP_reduce_min:
        return llvm_num(type, whole ? (double)INT32_MAX : INFINITY);
    default:
        return LLVMConstNull(type);
    }
}

static LLVMValueRef combine(LlvmFn *f, IrOp op, LLVMValueRef x, LLVMValueRef y) {
    LLVMValueRef in[] = {x, y};
    switch (op) {
    case IR_OP_sum:
        return llvm_add(f, x, y);
    case IR_OP_reduce_max:
        return llvm_map(f, IR_OP_max, in);
    case IR_OP_reduce_min:
        return llvm_map(f, IR_OP_min, in);
    default:
        diag_bug("no such reduction");
    }
}

// ---- accumulators -------------------------------------------------------------------------------

// Sums across a parallel vector have 16 slots; others one.
static bool has_slots(const Sweep *s, const Accumulator *a) {
    return !s->along && a->op == IR_OP_sum;
}

static void fill_slots(LlvmKernel *c, const Accumulator *a) {
    LlvmFn *f = c->f;
    LlvmLoop loop =
        llvm_loop_begin(f, llvm_int(f, 0), llvm_int(f, IR_LANES), llvm_int(f, 1), "slot");
    llvm_store(f, LLVMConstNull(a->type), llvm_at(f, a->type, a->slot, loop.index), 1);
    llvm_loop_end(f, &loop);
}

static void open_accumulator(LlvmKernel *c, const Sweep *s, Accumulator *a, int i) {
    LlvmFn *f = c->f;
    const IrScalar *scalar = &c->k->scalars[i];
    IrDtype dtype = c->k->scalars[scalar->in[0]].dtype;
    bool wide = s->along || (c->spread >= 0 && c->depends[i] >> c->spread & 1);
    int lanes = s->along ? llvm_lanes_for(c->k, last_axis(c)) : wide ? c->lanes : 1;
    *a = (Accumulator){
        .scalar = i, .op = scalar->op, .type = llvm_widen(llvm_type(f, dtype), lanes)};

    if (has_slots(s, a)) {
        a->slot = llvm_alloca(f, LLVMArrayType2(a->type, IR_LANES), "slots");
        fill_slots(c, a);
        return;
    }
    a->slot = llvm_alloca(f, a->type, "acc");
    llvm_store(f, identity(f, a->op, a->type), a->slot, 1);
    if (a->op == IR_OP_argmax) {
        LLVMTypeRef type = llvm_widen(f->i32, lanes);
        a->where = llvm_alloca(f, type, "where");
        llvm_store(f, s->along ? llvm_iota(f, f->i32, lanes) : LLVMConstNull(type), a->where, 1);
    }
}

// Whether x comes before `best`: larger, or the first NaN.
static LLVMValueRef beats(LlvmFn *f, LLVMValueRef x, LLVMValueRef best) {
    LLVMValueRef nan = llvm_and(f, llvm_is_nan(f, x), llvm_not(f, llvm_is_nan(f, best)));
    return llvm_or(f, llvm_less(f, best, x), nan);
}

static void accumulate_argmax(LlvmKernel *c, const Accumulator *a, LLVMValueRef x) {
    LlvmFn *f = c->f;
    int lanes = llvm_n_lanes(x), axis = last_axis(c);
    LLVMTypeRef type = llvm_widen(f->i32, lanes);
    LLVMValueRef at = llvm_splat(f, LLVMBuildTrunc(f->b, c->index[axis], f->i32, ""), lanes);
    if (axis == c->spread)
        at = llvm_add(f, at, llvm_iota(f, f->i32, lanes));

    LLVMValueRef best = llvm_load(f, a->type, a->slot, 1), where = llvm_load(f, type, a->where, 1);
    LLVMValueRef better = beats(f, x, best);
    if (axis == c->spread && c->mask)
        better = llvm_and(f, better, c->mask);
    llvm_store(f, llvm_choose(f, better, x, best), a->slot, 1);
    llvm_store(f, llvm_choose(f, better, at, where), a->where, 1);
}

static void accumulate(LlvmKernel *c, const Sweep *s, const Accumulator *a) {
    LlvmFn *f = c->f;
    LLVMValueRef x = llvm_scalar(c, c->k->scalars[a->scalar].in[0]);
    if (LLVMGetTypeKind(a->type) == LLVMVectorTypeKind)
        x = llvm_splat(f, x, (int)LLVMGetVectorSize(a->type));
    if (a->op == IR_OP_argmax) {
        accumulate_argmax(c, a, x);
        return;
    }

    LLVMValueRef slot = a->slot;
    if (has_slots(s, a)) {
        LLVMValueRef j = llvm_and(f, c->index[last_axis(c)], llvm_int(f, IR_LANES - 1));
        slot = llvm_at(f, a->type, a->slot, j);
    }
    LLVMValueRef acc = llvm_load(f, a->type, slot, 1);
    LLVMValueRef y = combine(f, a->op, acc, x);
    if (s->along && c->mask)
        y = llvm_choose(f, c->mask, y, acc);
    LLVMSetValueName2(y, "acc", 3);
    llvm_store(f, y, slot, 1);
}

// ---- the end of a sweep -------------------------------------------------------------------------

static LLVMValueRef part(LlvmFn *f, LLVMValueRef x, int first, int n) {
    if (n == 1)
        return LLVMBuildExtractElement(f->b, x, llvm_int(f, first), "");
    LLVMValueRef lanes[IR_LANES];
    for (int i = 0; i < n; i++)
        lanes[i] = LLVMConstInt(f->i32, (unsigned)(first + i), false);
    return LLVMBuildShuffleVector(f->b, x, LLVMGetPoison(LLVMTypeOf(x)),
                                  LLVMConstVector(lanes, (unsigned)n), "");
}

// Lanes l and l + n/2, then l and l + n/4, ...
static LLVMValueRef fold_lanes(LlvmFn *f, IrOp op, LLVMValueRef x) {
    for (int n = llvm_n_lanes(x) / 2; n >= 1; n /= 2)
        x = combine(f, op, part(f, x, 0, n), part(f, x, n, n));
    return x;
}

static LLVMValueRef fold_argmax(LlvmFn *f, LLVMValueRef x, LLVMValueRef where) {
    for (int n = llvm_n_lanes(x) / 2; n >= 1; n /= 2) {
        LLVMValueRef x0 = part(f, x, 0, n), x1 = part(f, x, n, n);
        LLVMValueRef w0 = part(f, where, 0, n), w1 = part(f, where, n, n);
        LLVMValueRef more = beats(f, x1, x0), less = beats(f, x0, x1);
        LLVMValueRef earlier = llvm_and(f, llvm_not(f, less), llvm_less(f, w1, w0));
        LLVMValueRef second = llvm_or(f, more, earlier);
        x = llvm_choose(f, second, x1, x0);
        where = llvm_choose(f, second, w1, w0);
    }
    return where;
}

// Slots l and l + 8, then l and l + 4, ..., in place.
static LLVMValueRef fold_slots(LlvmKernel *c, const Accumulator *a) {
    LlvmFn *f = c->f;
    for (int n = IR_LANES / 2; n >= 1; n /= 2) {
        LlvmLoop loop = llvm_loop_begin(f, llvm_int(f, 0), llvm_int(f, n), llvm_int(f, 1), "fold");
        LLVMValueRef low = llvm_at(f, a->type, a->slot, loop.index);
        LLVMValueRef high = llvm_at(f, a->type, low, llvm_int(f, n));
        LLVMValueRef x = llvm_load(f, a->type, low, 1);
        llvm_store(f, llvm_add(f, x, llvm_load(f, a->type, high, 1)), low, 1);
        llvm_loop_end(f, &loop);
    }
    return llvm_load(f, a->type, a->slot, 1);
}

static LLVMValueRef close_accumulator(LlvmKernel *c, const Sweep *s, const Accumulator *a) {
    LlvmFn *f = c->f;
    if (has_slots(s, a))
        return fold_slots(c, a);
    LLVMValueRef x = llvm_load(f, a->type, a->slot, 1);
    LLVMValueRef where = NULL;
    if (a->op == IR_OP_argmax)
        where = llvm_load(f, llvm_like(f->i32, x), a->where, 1);
    if (!s->along)
        return where ? where : x;
    return where ? fold_argmax(f, x, where) : fold_lanes(f, a->op, x);
}

// ---- sweeps -------------------------------------------------------------------------------------

static int store_stage(const LlvmKernel *c, const IrStore *s) {
    int stage = c->stages[s->scalar];
    if (s->address.indirect >= 0 && c->stages[s->address.indirect] > stage)
        stage = c->stages[s->address.indirect];
    if (s->address.guard >= 0 && c->stages[s->address.guard] > stage)
        stage = c->stages[s->address.guard];
    return stage;
}

// Whether the store happens at each index of the reduced axes.
static bool store_varies(const LlvmKernel *c, const IrStore *s) {
    unsigned axes = c->depends[s->scalar];
    if (s->address.indirect >= 0)
        axes |= c->depends[s->address.indirect];
    if (s->address.guard >= 0)
        axes |= c->depends[s->address.guard];
    for (int a = c->n_parallel; a < c->k->n_axes; a++)
        if (s->address.strides[a])
            axes |= 1u << a;
    return axes & reduced_axes(c);
}

static bool in_sweep(const LlvmKernel *c, const IrStore *s, int stage) {
    return store_varies(c, s) && store_stage(c, s) == stage;
}

static void emit_element(LlvmKernel *c, const Sweep *s) {
    for (int i = 0; i < s->n; i++)
        accumulate(c, s, &s->accumulators[i]);
    for (int i = 0; i < c->k->n_stores; i++)
        if (in_sweep(c, &c->k->stores[i], s->stage))
            llvm_store_scalar(c, &c->k->stores[i]);
}

static void emit_reduced(LlvmKernel *c, void *data) {
    Sweep *s = data;
    if (s->axis == c->k->n_axes) {
        emit_element(c, s);
        return;
    }
    int axis = s->axis++;
    LLVMValueRef from = llvm_axis_from(c, axis), to = llvm_axis_to(c, axis);
    if (s->along && axis == last_axis(c))
        llvm_each_lanes(c, axis, from, to, llvm_lanes_for(c->k, axis), emit_reduced, s);
    else
        llvm_each(c, axis, from, to, emit_reduced, s);
    s->axis--;
}

static void emit_sweep(LlvmKernel *c, int stage) {
    const IrKernel *k = c->k;
    Sweep s = {.stage = stage, .axis = c->n_parallel, .along = c->spread < 0};
    s.accumulators = arena_array(&c->arena, Accumulator, k->n_scalars);
    bool stores = false;

    llvm_want_nothing(c);
    for (int i = 0; i < k->n_scalars; i++)
        if (k->scalars[i].kind == IR_SCALAR_REDUCE && c->stages[i] == stage + 1) {
            open_accumulator(c, &s, &s.accumulators[s.n++], i);
            llvm_want(c, k->scalars[i].in[0]);
        }
    for (int i = 0; i < k->n_stores; i++)
        if (in_sweep(c, &k->stores[i], stage)) {
            stores = true;
            llvm_want(c, k->stores[i].scalar);
            llvm_want_address(c, &k->stores[i].address);
        }
    if (s.n == 0 && !stores)
        return;

    llvm_compute_wanted(c);
    emit_reduced(c, &s);
    for (int i = 0; i < s.n; i++)
        c->values[s.accumulators[i].scalar] = close_accumulator(c, &s, &s.accumulators[i]);
}

void llvm_emit_stages(LlvmKernel *c) {
    for (int stage = 0; stage < c->n_stages; stage++)
        emit_sweep(c, stage);
    for (int i = 0; i < c->k->n_stores; i++)
        if (!store_varies(c, &c->k->stores[i]))
            llvm_store_scalar(c, &c->k->stores[i]);
}
