// ir/kernel_build.h -- making kernels.
//
// A kernel is built in any order (axes, arguments, scalars, stores) and then finished once. Sizes
// are dims of k->dims: the variables made there by ir_dim_var may have any names; ir_kernel_finish
// renames them. Equal scalars are made once: every ir_scalar_ function gives the index of a scalar,
// perhaps one that was there. New scalars take their place from k->loc, which the caller moves
// along and leaves, in the end, at the place of the kernel.
//
// In kernels made here addresses are in normal form: a stride of 0 is NULL, an offset is never
// NULL, and the fields of an indirect row are NULL when there is none.
#ifndef IR_KERNEL_BUILD_H
#define IR_KERNEL_BUILD_H

#include "ir/kernel.h"

// A kernel without anything in it, with empty dims of its own, owned by `a`.
IrKernel *ir_kernel_new(Arena *a, const char *name, Loc loc);

// Each appends one and gives its index. Parallel axes come before reduced ones.
int ir_kernel_add_axis(IrKernel *k, IrDim *extent, bool reduced);
int ir_kernel_add_arg(IrKernel *k, IrDtype dtype, bool written);
int ir_kernel_add_int(IrKernel *k);

// Appends a store of `scalar`. With `accumulate` the address may be indirect: a scatter.
void ir_kernel_add_store(IrKernel *k, IrAddress address, int scalar, bool accumulate);

// Makes `k` a product of axes [batch | m | n | k], whose value ir_scalar_product() reads.
void ir_kernel_set_product(IrKernel *k, IrDtype dtype, int n_batch, int n_m, int n_n, int n_k,
                           IrAddress lhs, IrAddress rhs);

// The first element of argument `arg`: offset and strides 0, not indirect, not guarded. The caller
// fills in what differs.
IrAddress ir_address(int arg);

int ir_scalar_const(IrKernel *k, IrDtype dtype, double value);
int ir_scalar_load(IrKernel *k, IrAddress address);     // of the argument's dtype
int ir_scalar_map(IrKernel *k, IrOp op, const int *in); // a MAP row; as many operands as it has
int ir_scalar_select(IrKernel *k, int c, int x, int y); // c ? x : y
int ir_scalar_cast(IrKernel *k, IrDtype dtype, int x);  // `x` itself when it has that dtype
int ir_scalar_index(IrKernel *k, int axis);             // i32
int ir_scalar_extent(IrKernel *k, IrDim *dim);          // i32
int ir_scalar_int(IrKernel *k, int number);             // i32
int ir_scalar_reduce(IrKernel *k, IrOp op, int x);      // sum, reduce_max, reduce_min, argmax
int ir_scalar_product(IrKernel *k);

// A draw (`op`: draw_normal, draw_uniform) with key ints[number], to which each of the `n_key_axes`
// axes key_axes[i] adds ir_random_loop(ints[key_ints[i]], its index). The element's index is
// offset + sum over axes of index * strides[axis]; `strides` has IR_MAX_AXES entries, NULL is 0.
int ir_scalar_draw(IrKernel *k, IrDtype dtype, IrOp op, int number, IrDim *offset,
                   IrDim *const *strides, int n_key_axes, const int *key_axes, const int *key_ints);

#endif
