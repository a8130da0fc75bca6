// codegen/llvm_address.c -- loads and stores: where elements are, and how vectors reach them.
//
// A load is one of three: a single element (the address does not depend on the spread axis), a
// plain vector (stride 1), or a gather. Lanes that do not exist are masked in plain vectors; a
// gather lets them read the last lane that exists, so that it needs no mask. Where a guard is
// false, the address is replaced by that of a zero.
#include "codegen/llvm_kernel.h"

static IrDim *spread_stride(const LlvmKernel *c, const IrAddress *a) {
    return c->spread >= 0 ? a->strides[c->spread] : NULL;
}

static bool is_one(const IrDim *d) {
    int64_t value;
    return d && ir_dim_is_const(d, &value) && value == 1;
}

static LLVMValueRef clamp_row(LlvmKernel *c, LLVMValueRef row, const IrDim *last) {
    LlvmFn *f = c->f;
    row = LLVMBuildSExt(f->b, row, llvm_like(f->i64, row), "");
    LLVMTypeRef type = LLVMTypeOf(row);
    LLVMValueRef top = llvm_splat(f, llvm_dim(c, last), llvm_n_lanes(row));
    row = llvm_intrinsic(f, "llvm.smin", &type, 1, (LLVMValueRef[]){row, top}, 2);
    LLVMValueRef zero = LLVMConstNull(type);
    return llvm_intrinsic(f, "llvm.smax", &type, 1, (LLVMValueRef[]){row, zero}, 2);
}

static LLVMValueRef row_offset(LlvmKernel *c, const IrAddress *a) {
    LlvmFn *f = c->f;
    LLVMValueRef row = clamp_row(c, llvm_scalar(c, a->indirect), a->indirect_last);
    LLVMValueRef stride = llvm_dim(c, a->indirect_stride);
    return llvm_mul(f, row, llvm_splat(f, stride, llvm_n_lanes(row)));
}

// Sum over the open axes but the spread one.
static LLVMValueRef outer_offset(LlvmKernel *c, const IrAddress *a) {
    LlvmFn *f = c->f;
    LLVMValueRef sum = llvm_dim(c, a->offset);
    for (int axis = 0; axis < c->k->n_axes; axis++) {
        if (!a->strides[axis] || !c->index[axis] || axis == c->spread)
            continue;
        LLVMValueRef stride = llvm_dim(c, a->strides[axis]);
        sum = llvm_add(f, sum, llvm_mul(f, c->index[axis], stride));
    }
    return sum;
}

LLVMValueRef llvm_offset(LlvmKernel *c, const IrAddress *a) {
    LlvmFn *f = c->f;
    LLVMValueRef sum = outer_offset(c, a);
    IrDim *stride = spread_stride(c, a);
    if (!stride)
        return sum;
    return llvm_add(f, sum, llvm_mul(f, c->index[c->spread], llvm_dim(c, stride)));
}

// Pointer to the element, or to that of lane 0; `row` is an offset in elements or NULL. The part
// that the innermost loop does not change comes first, so that it stays outside.
static LLVMValueRef element_pointer(LlvmKernel *c, const IrAddress *a, LLVMTypeRef element,
                                    LLVMValueRef row) {
    LlvmFn *f = c->f;
    LLVMValueRef p = llvm_at(f, element, c->args[a->arg], outer_offset(c, a));
    if (row)
        p = llvm_at(f, element, p, row);
    IrDim *stride = spread_stride(c, a);
    if (!stride)
        return p;
    return llvm_at(f, element, p, llvm_mul(f, c->index[c->spread], llvm_dim(c, stride)));
}

static LLVMValueRef mask_and(LlvmKernel *c, LLVMValueRef x, LLVMValueRef y) {
    if (!x || !y)
        return x ? x : y;
    LLVMValueRef v[] = {x, y};
    llvm_level(c->f, v, 2);
    return llvm_and(c->f, v[0], v[1]);
}

// Whether there is a row to take; NULL where there always is.
static LLVMValueRef has_rows(LlvmKernel *c, const IrAddress *a) {
    int64_t last;
    if (a->indirect < 0 || (ir_dim_is_const(a->indirect_last, &last) && last >= 0))
        return NULL;
    LLVMValueRef zero = llvm_int(c->f, 0);
    return LLVMBuildICmp(c->f->b, LLVMIntSGE, llvm_dim(c, a->indirect_last), zero, "rows");
}

static LLVMValueRef guard_of(LlvmKernel *c, const IrAddress *a) {
    return mask_and(c, a->guard >= 0 ? llvm_scalar(c, a->guard) : NULL, has_rows(c, a));
}

// Pointers of all lanes; those of lanes that do not exist repeat the last one's.
static LLVMValueRef lane_pointers(LlvmKernel *c, const IrAddress *a, LLVMTypeRef element,
                                  LLVMValueRef row) {
    LlvmFn *f = c->f;
    LLVMTypeRef type = llvm_widen(f->i64, c->lanes);
    LLVMValueRef lane = llvm_iota(f, f->i64, c->lanes);
    if (c->mask) {
        LLVMValueRef last = llvm_splat(f, llvm_sub(f, c->n_lanes, llvm_int(f, 1)), c->lanes);
        lane = llvm_intrinsic(f, "llvm.umin", &type, 1, (LLVMValueRef[]){lane, last}, 2);
    }
    LLVMValueRef base = element_pointer(c, a, element, NULL);
    LLVMValueRef offset = LLVMConstNull(type);
    IrDim *stride = spread_stride(c, a);
    if (stride)
        offset = llvm_mul(f, lane, llvm_splat(f, llvm_dim(c, stride), c->lanes));
    if (row)
        offset = llvm_add(f, offset, llvm_splat(f, row, c->lanes));
    return llvm_at(f, element, base, offset);
}

static LLVMValueRef gather(LlvmKernel *c, const IrAddress *a, LLVMTypeRef element, int align,
                           LLVMValueRef row, LLVMValueRef guard) {
    LlvmFn *f = c->f;
    LLVMTypeRef type = llvm_widen(element, c->lanes), mask = llvm_widen(f->i1, c->lanes);
    LLVMValueRef pointers = lane_pointers(c, a, element, row);

    // rows of lanes that do not exist may be anything, but were clamped like all rows
    if (guard)
        pointers = llvm_choose(f, llvm_splat(f, guard, c->lanes), pointers,
                               llvm_splat(f, c->zeros, c->lanes));
    LLVMTypeRef types[] = {type, LLVMTypeOf(pointers)};
    LLVMValueRef in[] = {pointers, LLVMConstInt(f->i32, (unsigned)align, false),
                         LLVMConstAllOnes(mask), LLVMGetPoison(type)};
    return llvm_intrinsic(f, "llvm.masked.gather", types, 2, in, 4);
}

static LLVMValueRef load_vector(LlvmKernel *c, LLVMTypeRef element, int align, LLVMValueRef pointer,
                                LLVMValueRef mask) {
    LlvmFn *f = c->f;
    LLVMTypeRef type = llvm_widen(element, c->lanes);
    if (!mask)
        return llvm_load(f, type, pointer, align);
    LLVMTypeRef types[] = {type, f->ptr};
    LLVMValueRef in[] = {pointer, LLVMConstInt(f->i32, (unsigned)align, false),
                         llvm_splat(f, mask, c->lanes), LLVMConstNull(type)};
    return llvm_intrinsic(f, "llvm.masked.load", types, 2, in, 4);
}

static LLVMValueRef load_one(LlvmKernel *c, LLVMTypeRef element, int align, LLVMValueRef pointer,
                             LLVMValueRef guard) {
    LlvmFn *f = c->f;
    if (!guard)
        return llvm_load(f, element, pointer, align);
    LLVMValueRef some = guard;
    if (llvm_is_vector(guard)) {
        LLVMTypeRef type = LLVMTypeOf(guard);
        some = llvm_intrinsic(f, "llvm.vector.reduce.or", &type, 1, &guard, 1);
    }
    pointer = llvm_choose(f, some, pointer, c->zeros);
    LLVMValueRef x = llvm_load(f, element, pointer, align);
    return llvm_is_vector(guard) ? llvm_choose(f, guard, x, LLVMConstNull(element)) : x;
}

LLVMValueRef llvm_load_address(LlvmKernel *c, const IrAddress *a) {
    LlvmFn *f = c->f;
    IrDtype dtype = c->k->args[a->arg].dtype;
    LLVMTypeRef element = llvm_memory_type(f, dtype);
    int align = (int)ir_dtype_size(dtype);
    LLVMValueRef row = a->indirect >= 0 ? row_offset(c, a) : NULL;
    LLVMValueRef guard = guard_of(c, a), x;
    IrDim *stride = spread_stride(c, a);
    bool rows_vary = row && llvm_is_vector(row);

    if (c->lanes > 1 && (rows_vary || (stride && !is_one(stride)))) {
        x = gather(c, a, element, align, row, guard);
    } else {
        LLVMValueRef pointer = element_pointer(c, a, element, row);
        if (c->lanes > 1 && stride)
            x = load_vector(c, element, align, pointer, mask_and(c, guard, c->mask));
        else
            x = load_one(c, element, align, pointer, guard);
    }
    return dtype == IR_BOOL ? llvm_not_equal(f, x, LLVMConstNull(LLVMTypeOf(x))) : x;
}

// ---- stores -------------------------------------------------------------------------------------

static void store_vector(LlvmKernel *c, LLVMValueRef x, int align, LLVMValueRef pointer,
                         LLVMValueRef mask) {
    LlvmFn *f = c->f;
    if (!mask) {
        llvm_store(f, x, pointer, align);
        return;
    }
    LLVMTypeRef types[] = {LLVMTypeOf(x), f->ptr};
    LLVMValueRef in[] = {x, pointer, LLVMConstInt(f->i32, (unsigned)align, false),
                         llvm_splat(f, mask, c->lanes)};
    llvm_intrinsic(f, "llvm.masked.store", types, 2, in, 4);
}

static void scatter(LlvmKernel *c, const IrStore *store, LLVMValueRef x, LLVMTypeRef element,
                    int align, LLVMValueRef row, LLVMValueRef guard) {
    LlvmFn *f = c->f;
    LLVMValueRef pointers = lane_pointers(c, &store->address, element, row);
    LLVMValueRef mask = mask_and(c, guard, c->mask);
    LLVMTypeRef bits = llvm_widen(f->i1, c->lanes);
    mask = mask ? llvm_splat(f, mask, c->lanes) : LLVMConstAllOnes(bits);
    LLVMValueRef align_value = LLVMConstInt(f->i32, (unsigned)align, false);
    LLVMTypeRef types[] = {LLVMTypeOf(x), LLVMTypeOf(pointers)};

    if (store->accumulate) {
        LLVMValueRef in[] = {pointers, align_value, mask, LLVMConstNull(LLVMTypeOf(x))};
        x = llvm_add(f, llvm_intrinsic(f, "llvm.masked.gather", types, 2, in, 4), x);
    }
    LLVMValueRef in[] = {x, pointers, align_value, mask};
    llvm_intrinsic(f, "llvm.masked.scatter", types, 2, in, 4);
}

// One element, from the last lane that exists where it has several.
static void store_one(LlvmKernel *c, const IrStore *store, LLVMValueRef x, int align,
                      LLVMValueRef pointer, LLVMValueRef guard) {
    LlvmFn *f = c->f;
    LLVMBasicBlockRef done = NULL;
    if (llvm_is_vector(x))
        x = LLVMBuildExtractElement(f->b, x, llvm_sub(f, c->n_lanes, llvm_int(f, 1)), "");
    if (guard)
        done = llvm_if_begin(f, guard, "guarded");
    if (store->accumulate)
        x = llvm_add(f, llvm_load(f, LLVMTypeOf(x), pointer, align), x);
    llvm_store(f, x, pointer, align);
    if (guard)
        llvm_if_end(f, done);
}

void llvm_store_scalar(LlvmKernel *c, const IrStore *store) {
    LlvmFn *f = c->f;
    const IrAddress *a = &store->address;
    IrDtype dtype = c->k->args[a->arg].dtype;
    LLVMTypeRef element = llvm_memory_type(f, dtype);
    int align = (int)ir_dtype_size(dtype);
    LLVMValueRef x = llvm_scalar(c, store->scalar);
    if (dtype == IR_BOOL)
        x = LLVMBuildZExt(f->b, x, llvm_like(f->i8, x), "");

    LLVMValueRef row = a->indirect >= 0 ? row_offset(c, a) : NULL;
    LLVMValueRef guard = guard_of(c, a);
    IrDim *stride = spread_stride(c, a);
    bool rows_vary = row && llvm_is_vector(row);
    if (c->lanes > 1 && (rows_vary || (stride && !is_one(stride)))) {
        scatter(c, store, llvm_splat(f, x, c->lanes), element, align, row, guard);
        return;
    }

    LLVMValueRef pointer = element_pointer(c, a, element, row);
    if (c->lanes == 1 || !stride) {
        store_one(c, store, x, align, pointer, guard);
        return;
    }
    x = llvm_splat(f, x, c->lanes);
    LLVMValueRef mask = mask_and(c, guard, c->mask);
    if (store->accumulate)
        x = llvm_add(f, load_vector(c, element, align, pointer, mask), x);
    store_vector(c, x, align, pointer, mask);
}
