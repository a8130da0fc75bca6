// codegen/llvm_blas.c -- products by OpenBLAS (--gemm=blas), to compare with ours.
//
// The product is written where the kernel's first suitable store goes; then a sweep over the same
// elements applies the epilogue. Kernels that OpenBLAS cannot do stay ours: several axes of one
// kind, strides that no leading dimension describes, epilogues that read other arrays of the size
// of the result, which might share its memory.
#include "codegen/llvm_kernel.h"

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

typedef struct Blas {
    int m, n, k; // axes
    const IrStore *out;
    int product; // the PRODUCT scalar
    int level;   // batch axis whose loop comes next
} Blas;

static bool is_unit(const IrDim *d) {
    int64_t value;
    return d && ir_dim_is_const(d, &value) && value == 1;
}

// One of two strides is 1, and the other is there: rows that do not overlap.
static bool has_rows(const IrKernel *k, const IrAddress *a, int x, int y) {
    if (!a->strides[x] || !a->strides[y])
        return false;
    if (is_unit(a->strides[x]) && is_unit(a->strides[y]))
        return is_unit(k->axes[x].extent) || is_unit(k->axes[y].extent);
    return is_unit(a->strides[x]) || is_unit(a->strides[y]);
}

static bool find_blas(const LlvmKernel *c, Blas *b) {
    const IrKernel *k = c->k;
    const IrProduct *p = &k->product;
    if (p->n_m != 1 || p->n_n != 1 || p->n_k != 1 || (p->dtype != IR_F32 && p->dtype != IR_F64))
        return false;
    *b = (Blas){.m = p->n_batch, .n = p->n_batch + 1, .k = p->n_batch + 2, .product = -1};
    if (!has_rows(k, &p->lhs, b->m, b->k) || !has_rows(k, &p->rhs, b->k, b->n) ||
        p->lhs.indirect >= 0 || p->lhs.guard >= 0 || p->rhs.indirect >= 0 || p->rhs.guard >= 0)
        return false;

    unsigned both = 1u << b->m | 1u << b->n;
    for (int i = 0; i < k->n_scalars; i++) {
        if (k->scalars[i].kind == IR_SCALAR_PRODUCT)
            b->product = i;
        if (k->scalars[i].kind == IR_SCALAR_LOAD && (c->depends[i] & both) == both)
            return false;
    }
    for (int i = 0; i < k->n_stores && !b->out; i++) {
        const IrStore *s = &k->stores[i];
        bool fits = k->args[s->address.arg].dtype == p->dtype &&
                    is_unit(s->address.strides[b->n]) && s->address.strides[b->m] &&
                    !s->accumulate && s->address.indirect < 0 && s->address.guard < 0;
        b->out = fits ? s : NULL;
    }
    return b->out && b->product >= 0;
}

static LLVMValueRef narrow(LlvmFn *f, LLVMValueRef x) {
    return LLVMBuildTrunc(f->b, x, f->i32, "");
}

static LLVMValueRef whole(LlvmFn *f, int x) {
    return LLVMConstInt(f->i32, (unsigned)x, false);
}

// First element of an operand in the open batch, `axis` (or none) at `index`.
static LLVMValueRef first(LlvmKernel *c, const IrAddress *a, int axis, LLVMValueRef index) {
    LlvmFn *f = c->f;
    LLVMTypeRef type = llvm_type(f, c->k->product.dtype);
    LLVMValueRef at = llvm_offset(c, a);
    if (a->strides[axis])
        at = llvm_add(f, at, llvm_mul(f, index, llvm_dim(c, a->strides[axis])));
    return llvm_at(f, type, c->args[a->arg], at);
}

// A leading dimension as OpenBLAS wants it: at least the length of a row, also where there is one
// row only, whose stride means nothing, or none.
static LLVMValueRef leading(LlvmKernel *c, IrDim *stride, LLVMValueRef length) {
    LlvmFn *f = c->f;
    LLVMValueRef values[] = {length, whole(f, 1)}, ld = narrow(f, llvm_dim(c, stride));
    for (int i = 0; i < 2; i++) {
        LLVMValueRef less = LLVMBuildICmp(f->b, LLVMIntSLT, ld, values[i], "");
        ld = LLVMBuildSelect(f->b, less, values[i], ld, "");
    }
    return ld;
}

static void call_blas(LlvmKernel *c, const Blas *b) {
    LlvmFn *f = c->f;
    const IrProduct *p = &c->k->product;
    LLVMTypeRef real = llvm_type(f, p->dtype);
    const char *name = p->dtype == IR_F32 ? "cblas_sgemm" : "cblas_dgemm";
    LLVMTypeRef types[] = {f->i32, f->i32, f->i32, f->i32, f->i32, f->i32, real,
                           f->ptr, f->i32, f->ptr, f->i32, real,   f->ptr, f->i32};
    LLVMTypeRef type = LLVMFunctionType(f->nothing, types, 14, false);
    LLVMValueRef fn = LLVMGetNamedFunction(f->module, name);
    fn = fn ? fn : LLVMAddFunction(f->module, name, type);

    bool lhs_plain = is_unit(p->lhs.strides[b->k]), rhs_plain = is_unit(p->rhs.strides[b->n]);
    LLVMValueRef m0 = llvm_axis_from(c, b->m), n0 = llvm_axis_from(c, b->n);
    IrAddress out = b->out->address; // at the first row and column
    LLVMValueRef to = first(c, &out, b->m, m0);
    to = llvm_at(f, real, to, n0);
    LLVMValueRef m = narrow(f, llvm_sub(f, llvm_axis_to(c, b->m), m0));
    LLVMValueRef n = narrow(f, llvm_sub(f, llvm_axis_to(c, b->n), n0));
    LLVMValueRef k = narrow(f, llvm_axis_to(c, b->k));
    LLVMValueRef in[] = {
        whole(f, ROW_MAJOR),
        whole(f, lhs_plain ? PLAIN : TRANSPOSED),
        whole(f, rhs_plain ? PLAIN : TRANSPOSED),
        m,
        n,
        k,
        llvm_num(real, 1),
        first(c, &p->lhs, b->m, m0),
        leading(c, p->lhs.strides[lhs_plain ? b->m : b->k], lhs_plain ? k : m),
        first(c, &p->rhs, b->n, n0),
        leading(c, p->rhs.strides[rhs_plain ? b->k : b->n], rhs_plain ? n : k),
        llvm_num(real, 0),
        to,
        leading(c, out.strides[b->m], n),
    };
    LLVMBuildCall2(f->b, type, fn, in, 14, "");
}

static void emit_stores(LlvmKernel *c, void *data) {
    const Blas *b = data;
    c->values[b->product] = llvm_load_address(c, &b->out->address);
    for (int i = 0; i < c->k->n_stores; i++)
        if (&c->k->stores[i] != b->out || b->out->scalar != b->product)
            llvm_store_scalar(c, &c->k->stores[i]);
}

static void emit_columns(LlvmKernel *c, void *data) {
    const Blas *b = data;
    llvm_each_lanes(c, b->n, llvm_axis_from(c, b->n), llvm_axis_to(c, b->n),
                    llvm_lanes_for(c->k, b->n), emit_stores, data);
}

static void emit_batch(LlvmKernel *c, void *data) {
    Blas *b = data;
    if (b->level < c->k->product.n_batch) {
        int axis = b->level++;
        llvm_each(c, axis, llvm_axis_from(c, axis), llvm_axis_to(c, axis), emit_batch, b);
        b->level--;
        return;
    }
    call_blas(c, b);
    bool plain = c->k->n_stores == 1 && b->out->scalar == b->product;
    if (!plain)
        llvm_each(c, b->m, llvm_axis_from(c, b->m), llvm_axis_to(c, b->m), emit_columns, b);
}

bool llvm_emit_blas(LlvmKernel *c) {
    Blas b;
    if (!find_blas(c, &b))
        return false;
    emit_batch(c, &b);
    return true;
}
