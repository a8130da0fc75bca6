// codegen/llvm_kernel.h -- a kernel as one native function.
//
//     void k_<hash>(void *const *args, const int64_t *ints, int64_t lo, int64_t hi)
//
// `ints` holds the values of the kernel's dims, then its integer arguments, then the call number of
// draws; lo <= i < hi are the indices of axis 0 to compute (ignored when axis 0 is reduced). One
// axis is spread over the lanes of vectors (`spread`), the others are ordinary loops. A value that
// does not depend on the spread axis is computed once, as a single element; a value is computed as
// far outside as the axes it depends on allow.
#ifndef CODEGEN_LLVM_KERNEL_H
#define CODEGEN_LLVM_KERNEL_H

#include "codegen/llvm_dims.h"
#include "codegen/llvm_emit.h"
#include "ir/kernel.h"

// A kernel that is being written, and where in its loops the writing stands.
typedef struct LlvmKernel {
    LlvmFn *f;
    const IrKernel *k;
    Arena arena; // of the arrays below
    LLVMValueRef *args, ints, lo, hi, zeros;
    LlvmDims dims;

    unsigned *depends; // for each scalar: the axes it depends on
    int *stages;
    int n_parallel, n_stages;

    bool *wanted;                    // for each scalar: computed as soon as the open loops allow
    LLVMValueRef *values;            // for each scalar: its value here, or NULL
    unsigned open;                   // axes whose loops the code stands in
    LLVMValueRef index[IR_MAX_AXES]; // of open axes; of the spread axis that of lane 0
    int spread;                      // axis over lanes, or -1
    int lanes;                       // as many as vectors have here; 1 outside of the spread axis
    LLVMValueRef mask;               // lanes that exist, or NULL for all
    LLVMValueRef n_lanes;            // how many exist, i64
} LlvmKernel;

// Writes kernel `k` into the module of `f`. False with a sentence when it has no native form.
bool llvm_kernel_emit(LlvmFn *f, const IrKernel *k, char *why, size_t why_size);

// Name of its function; `name` holds 32 bytes.
void llvm_kernel_symbol(const IrKernel *k, char *name);

// ---- pieces of the writing ----------------------------------------------------------------------

typedef void LlvmBody(LlvmKernel *c, void *data);

// Value of a dim, computed in the entry block. NULL is 0.
LLVMValueRef llvm_dim(LlvmKernel *c, const IrDim *d);

// First and last + 1 index of an axis.
LLVMValueRef llvm_axis_from(LlvmKernel *c, int axis);
LLVMValueRef llvm_axis_to(LlvmKernel *c, int axis);

// Opens `axis` at `index`, writes `body`, and forgets what was computed for that index.
void llvm_with_index(LlvmKernel *c, int axis, LLVMValueRef index, LlvmBody *body, void *data);

// Writes a loop over from .. to - 1 of `axis` with `body` inside; values computed inside are
// forgotten at its end.
void llvm_each(LlvmKernel *c, int axis, LLVMValueRef from, LLVMValueRef to, LlvmBody *body,
               void *data);

// The same, `lanes` indices at a time: a loop over full vectors and one masked vector for the rest.
void llvm_each_lanes(LlvmKernel *c, int axis, LLVMValueRef from, LLVMValueRef to, int lanes,
                     LlvmBody *body, void *data);

// `body` once for the vector at `index` of `axis`, of which `n` lanes exist (NULL: all).
void llvm_at_lanes(LlvmKernel *c, int axis, LLVMValueRef index, LLVMValueRef n, int lanes,
                   LlvmBody *body, void *data);

// Number of lanes that suits an axis: 16, or less for a short static extent.
int llvm_lanes_for(const IrKernel *k, int axis);

// Value of a scalar here: one element where it does not depend on the spread axis, else lanes.
LLVMValueRef llvm_scalar(LlvmKernel *c, int scalar);

// Marks what the scalar needs as wanted, itself too; llvm_compute_wanted writes what can be
// computed here.
void llvm_want(LlvmKernel *c, int scalar);
void llvm_want_address(LlvmKernel *c, const IrAddress *a);
void llvm_compute_wanted(LlvmKernel *c);
void llvm_want_nothing(LlvmKernel *c);

// llvm_address.c
LLVMValueRef llvm_offset(LlvmKernel *c, const IrAddress *a); // in elements, of lane 0
LLVMValueRef llvm_load_address(LlvmKernel *c, const IrAddress *a);
void llvm_store_scalar(LlvmKernel *c, const IrStore *store);

// llvm_reduce.c: all stages of a kernel with reduced axes, for one parallel index (or vector of
// them).
void llvm_emit_stages(LlvmKernel *c);

// llvm_draw.c
LLVMValueRef llvm_draw(LlvmKernel *c, const IrScalar *s);
LLVMValueRef llvm_random_mix(LlvmFn *f, LLVMValueRef x);

// llvm_product.c
void llvm_emit_product(LlvmKernel *c);

// llvm_transpose.c: a kernel that only turns an array; false, and nothing written, where it is none.
bool llvm_emit_transpose(LlvmKernel *c);

// llvm_blas.c: a product by OpenBLAS; false, and nothing written, where that cannot do it.
bool llvm_emit_blas(LlvmKernel *c);

#endif
