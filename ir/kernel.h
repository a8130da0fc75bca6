// ir/kernel.h -- a kernel: what is computed in one nest of loops.
//
// A kernel is an index space with roles, loads and stores with affine addresses, and a graph of
// scalar expressions. It knows no buffer and no program: pointers, dim values and integers come
// with each call, so equal kernels are compiled once, across programs.
//
// Axes: the parallel ones first, then the reduced ones. Axis 0 (when it is parallel) is the one
// that calls cut into pieces: a call computes indices lo <= i < hi of it. The value of an element
// never depends on the pieces.
//
// Stages: IR_SCALAR_REDUCE combines its operand over all reduced axes into one value for each
// parallel index; scalars that use such a value and also depend on reduced axes are computed in a
// later sweep over the reduced axes (softmax: a maximum, then a sum of exponentials, then the
// quotients). A scalar's stage is the largest of its operands' stages, plus one for REDUCE.
//
// Order of sums, the same in every back end that promises bits (functions of extents alone): when
// the last axis of the kernel is reduced, element j of the last axis goes to lane j % 16; lanes
// accumulate in order of the other reduced axes, then of j; at the end lanes l and l + 8 are
// added, then l and l + 4, 2, 1. Otherwise (no axis is both last and reduced) it is accumulated in
// order. Products: each output element is a chain of fused multiply-adds
// in order of the contracted index, starting from 0, whatever tile it falls in.
#ifndef IR_KERNEL_H
#define IR_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/ir.h"

enum { IR_MAX_AXES = 8, IR_LANES = 16 };

typedef struct IrKernelAxis {
    IrDim *extent; // in the kernel's own dims
    bool reduced;
} IrKernelAxis;

// Where an element is: args[arg] + offset + sum of index(axis) * strides[axis]
// + row * indirect_stride (in elements). Strides that are NULL are 0.
typedef struct IrAddress {
    int arg;
    IrDim *offset;
    IrDim *strides[IR_MAX_AXES];
    int indirect;           // scalar (i32) that gives `row`, clamped to 0 <= row <= indirect_last;
    IrDim *indirect_last;   //   -1: none. Where indirect_last is -1 there are no rows: a load gives
    IrDim *indirect_stride; //   0 and an accumulating store does nothing
    int guard; // scalar (bool): where false a load gives 0 and reads nothing; -1: always
} IrAddress;

typedef enum IrScalarKind {
    IR_SCALAR_LOAD,    // element at `address`
    IR_SCALAR_CONST,   // `value`
    IR_SCALAR_INDEX,   // index along `axis`, as i32
    IR_SCALAR_EXTENT,  // value of `dim`, as i32
    IR_SCALAR_INT,     // integer argument `number` of the call, as i32 (a loop's index)
    IR_SCALAR_DRAW,    // draw `op`: key = ints[number] (+ ir_random_loop(ints[k], index) for each
                       //   key axis), element index = `dim` offset + sum index(axis) * draw_strides
    IR_SCALAR_MAP,     // `op` (a MAP row) of `in`
    IR_SCALAR_SELECT,  // in[0] ? in[1] : in[2]
    IR_SCALAR_CAST,    // in[0] as `dtype`; to i32 towards zero, the nearest end of its range when
                       //   beyond it, 0 for NaN; to bool x != 0
    IR_SCALAR_REDUCE,  // `op` (sum, reduce_max, reduce_min, argmax) of in[0] over the reduced axes
    IR_SCALAR_PRODUCT, // the product's value at this parallel index
    IR_SCALAR_COUNT
} IrScalarKind;

// One scalar; operands come earlier in the list.
typedef struct IrScalar {
    IrScalarKind kind;
    IrDtype dtype;
    IrOp op;
    int in[3];
    double value;
    int axis;
    IrDim *dim;
    int number;
    IrAddress address;
    IrDim *draw_strides[IR_MAX_AXES]; // DRAW: NULL is 0
    int n_key_axes;                   // DRAW: axes whose index enters the key ...
    int key_axes[IR_MAX_AXES];
    int key_ints[IR_MAX_AXES]; //   ... and the integer argument that holds their loop's hash
    Loc loc;
} IrScalar;

typedef struct IrStore {
    IrAddress address; // no indirect, no guard, but with `accumulate` (a scatter)
    int scalar;
    bool accumulate;   // add to what is there, in index order; never split into pieces
} IrStore;

// lhs and rhs of a product; axes of the kernel are [batch | m | n | k], k reduced.
typedef struct IrProduct {
    bool present;
    int n_batch, n_m, n_n, n_k;
    IrDtype dtype;
    IrAddress lhs; // strides of n axes are 0
    IrAddress rhs; // strides of m axes are 0
} IrProduct;

typedef struct IrKernelArg {
    IrDtype dtype;
    bool written; // else only read
} IrKernelArg;

typedef struct IrKernel {
    Arena *arena;
    IrDims *dims; // its own: variables d0, d1, ... in order of first use
    const char *name; // after the YAML: "loss_7_decoder"; not part of its identity
    uint64_t hash;    // of its text without name and places
    int n_axes;
    IrKernelAxis axes[IR_MAX_AXES];
    IrProduct product;
    int n_args;
    IrKernelArg *args;
    int n_ints; // integer arguments besides dims
    int n_scalars, cap_scalars;
    IrScalar *scalars;
    int n_stores, cap_stores;
    IrStore *stores;
    int *var_from; // after ir_kernel_finish: the index that each variable of `dims` had before it
    Loc loc;
} IrKernel;

// Number of leading parallel axes.
int ir_kernel_n_parallel(const IrKernel *k);

// Stage of each scalar (see above) to stages[n_scalars]; returns the number of stages.
int ir_kernel_stages(const IrKernel *k, int *stages);

// Whether scalar i depends on reduced axes, directly or through operands (a REDUCE does not).
bool ir_kernel_varies(const IrKernel *k, int scalar);

// The set of axes (bit a for axis a) that each scalar's value depends on, directly or through
// operands, to axes[n_scalars]. A REDUCE depends on parallel axes alone, a PRODUCT on all of them.
void ir_kernel_depends(const IrKernel *k, unsigned *axes);

// Number of operands in `in` of a scalar; address operands (indirect, guard) are not counted.
int ir_scalar_n_in(const IrScalar *s);

// Puts a complete kernel into its final form: drops scalars that nothing uses and axes of static
// extent 1 (a product keeps an axis in each of its groups m, n and k that has one; a key axis of a
// draw stays, and one axis to reduce over where there are reductions), merges neighbouring axes of one role, or of one group of a product, wherever every
// address and draw allows it (the outer stride equals inner stride times inner extent), renames the
// variables of its dims to d0, d1, ... in order of first use (see var_from; unused ones go), and
// computes the hash. Call once.
void ir_kernel_finish(IrKernel *k);

// The same, but the first `n_keep` axes stay as they are: axis 0 is the rows of a `par`.
void ir_kernel_finish_keep(IrKernel *k, int n_keep);

// Hash of the kernel's text without name, hash and places.
uint64_t ir_kernel_hash(const IrKernel *k);

// Same text, same code (names and places aside).
bool ir_kernel_equal(const IrKernel *a, const IrKernel *b);

// Floating-point operations (a multiply-add is two, a function like exp several) and bytes touched,
// for cost models and reports. `values`: of the variables of k->dims.
double ir_kernel_flops(const IrKernel *k, const int64_t *values);
double ir_kernel_bytes(const IrKernel *k, const int64_t *values);

#endif
