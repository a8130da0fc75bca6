// codegen/ref.h -- the reference back end's own declarations.
//
// It interprets kernels, obeying to the letter the stages and the orders of sums of ir/kernel.h.
// Scalars are evaluated for up to REF_WIDTH indices of one axis at a time, the vector axis, so that
// the cost of interpreting is shared; this changes no result.
//
//   ref_run.c      walks the tree: loops, pieces, threads
//   ref_plan.c     what can be said of a kernel before it runs
//   ref_frame.c    a call: its dims evaluated, its addresses checked
//   ref_nest.c     the loops of a call: stages, sweeps, stores
//   ref_scalar.c   one scalar for a vector of indices; loads and stores
//   ref_reduce.c   sums, maxima, minima and argmax in lanes
//   ref_product.c  products, as chains of fused multiply-adds or by OpenBLAS
//   ref_map.c      elementwise operations, from the expressions of ir/ops.def
#ifndef CODEGEN_REF_H
#define CODEGEN_REF_H

#include "codegen/backend.h"
#include "ir/schedule.h"

enum { REF_WIDTH = 64 }; // a multiple of IR_LANES

// Values of one scalar; which member is told by its dtype.
typedef union RefReg {
    float f[REF_WIDTH];
    double d[REF_WIDTH];
    int32_t i[REF_WIDTH];
    uint8_t b[REF_WIDTH];
} RefReg;

// ---- elementwise operations ---------------------------------------------------------------------

// out[i] of in[0][i], in[1][i], ... for i < n.
typedef void RefMapFn(RefReg *out, const RefReg *const *in, int n);

// For operands of type `dtype`; NULL where the operation does not take them.
RefMapFn *ref_map_fn(IrOp op, IrDtype dtype);

// ---- plans --------------------------------------------------------------------------------------

typedef struct RefList {
    int n;
    int *scalars; // in order
} RefList;

// One stage of a kernel. The sweep goes over the reduced axes.
typedef struct RefStage {
    RefList steady; // scalars that do not vary
    bool has_sweep;
    RefList varying; // those that the sweep needs
    RefList reduces; // REDUCE scalars that the sweep computes; they belong to the next stage
    RefList stores_steady, stores_sweep; // positions in kernel->stores
} RefStage;

// What is known of a kernel. Constant.
typedef struct RefPlan {
    const IrKernel *kernel;
    int n_parallel;
    unsigned *axes; // that each scalar depends on
    int n_stages;
    RefStage *stages;
    RefList constant;        // scalars that depend on no axis, but for reductions and products
    RefList product_varying; // scalars that the operands' guards and indirect rows need
    bool product_plain;      // the operands have no guard and no indirect row
    bool accumulates_in_sweep;
    int n_reduces;
    int *reduce_number; // of each REDUCE scalar
} RefPlan;

RefPlan *ref_plan_new(Arena *a, const IrKernel *k);

// ---- frames -------------------------------------------------------------------------------------

// Memory of an argument: elements lo <= i < hi, relative to base, are the buffer's.
typedef struct RefArg {
    char *base;
    int64_t lo, hi;
} RefArg;

typedef struct RefAddress {
    const IrAddress *of;
    size_t size; // of an element
    int64_t offset, strides[IR_MAX_AXES];
    int64_t last, row_stride; // indirect
} RefAddress;

typedef struct RefScalar {
    RefAddress address;
    int64_t dim; // EXTENT: its value; DRAW: offset
    int64_t draw_strides[IR_MAX_AXES];
} RefScalar;

// Accumulators of one REDUCE: lanes of sums; values and indices of argmax.
typedef struct RefAcc {
    RefReg lanes[IR_LANES];
    double best[REF_WIDTH];
    int64_t best_index[REF_WIDTH];
    bool found[REF_WIDTH];
} RefAcc;

// A kernel call on one thread, with the dims of this step; and where its loops stand.
typedef struct RefFrame {
    const RefPlan *plan;
    const IrKernelCall *call;
    bool use_blas;
    uint64_t draw_call;
    int64_t extents[IR_MAX_AXES];
    RefScalar *scalars;
    RefAddress *stores;
    RefAddress lhs, rhs;
    RefArg *args;   // these two change with the loops around the call
    uint64_t *ints; //
    RefReg *regs;   // one for each scalar
    RefAcc *accs;   // one for each REDUCE

    int64_t lo, hi;             // the piece: indices of axis 0, when it is parallel
    int64_t index[IR_MAX_AXES]; // of the vector axis: that of its first element
    int vector;                 // the vector axis, -1 when there are no axes
    int n;                      // elements in the vector
    void *blas;                 // (m of the piece, n) the product by OpenBLAS, or NULL
    void *blas_buffer;          // where it goes
    size_t blas_cap;
    Arena *arena;
} RefFrame;

// Evaluates everything that depends on the dims alone. `values`: of the schedule's dims.
void ref_frame_init(RefFrame *f, Arena *a, const RefPlan *plan, const IrKernelCall *call,
                    const int64_t *values);

// Computes indices lo <= i < hi of axis 0 (all, where axis 0 is not parallel).
void ref_frame_run(RefFrame *f, int64_t lo, int64_t hi);

// ---- pieces of ref_frame_run --------------------------------------------------------------------

// The n elements of the vector at an address, to `out`.
void ref_load(const RefFrame *f, const RefAddress *a, RefReg *out, int n);

// Moves axes first <= a < end to their next indices in row-major order; false after the last ones,
// when they stand at the first ones again. ref_first puts them there; false when there is none.
bool ref_next(RefFrame *f, int first, int end);
bool ref_first(RefFrame *f, int first, int end);

// In builds with assertions, checks that the vector's elements, for all indices of `axis` (-1:
// none), are in the buffer.
void ref_check(const RefFrame *f, const RefAddress *a, int axis);

// Stores, or adds, n elements of `scalar`, in order.
void ref_store(const RefFrame *f, const RefAddress *a, bool accumulate, int scalar, int n);

// Evaluates a scalar other than REDUCE and PRODUCT. One that does not depend on the vector axis is
// evaluated once and written to all elements.
void ref_scalar(RefFrame *f, int scalar);

// The product's value for the vector, to its scalar's register.
void ref_product(RefFrame *f, int scalar);

// Computes the whole product for the batch that the frame stands at, with OpenBLAS. False when its
// strides do not allow it or it is too small to be worth it.
bool ref_product_blas(RefFrame *f);

void ref_splat(RefReg *r, IrDtype dtype); // element 0 to all

// Reductions. With the vector along the last axis, its elements, whose first is at a multiple of
// IR_LANES, are spread over the lanes; otherwise each element is a reduction of its own, and `j`,
// the index along the last axis, tells the lane. `in` is the operand's dtype; `at` is the row-major
// index over all reduced axes, of the first element.
void ref_reduce_begin(RefAcc *acc, const IrScalar *s);
void ref_reduce_add(RefAcc *acc, const IrScalar *s, IrDtype in, const RefReg *x,
                    bool vector_is_last, int64_t j, int64_t at, int n);
void ref_reduce_end(RefAcc *acc, const IrScalar *s, bool vector_is_last, RefReg *out, int n);

// Element i as a number, and a number as element i. To i32: towards zero, at the ends of the range
// where it is beyond them, and 0 for NaN.
double ref_number(const RefReg *r, IrDtype dtype, int i);
void ref_put_number(RefReg *r, IrDtype dtype, int i, double x);

#endif
