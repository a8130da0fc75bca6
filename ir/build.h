// ir/build.h -- making nodes.
//
// Builders append to a block and give the new node. They check types (a misfit is our bug: callers
// check user input first), fold constants, and drop identities (x + 0, x * 1, reshape to the same
// shape, ...), so that graphs start tidy: the node given back may be an operand. A new node gets
// the function's next id (fn->n_nodes grows), so ids are distinct, and dense after ir_renumber().
#ifndef IR_BUILD_H
#define IR_BUILD_H

#include "ir/ir.h"

typedef struct IrBuilder {
    IrFunction *fn;
    IrBlock *block;   // nodes are appended here
    Loc loc;          // given to new nodes
    const char *path; // given to new nodes; must outlive the function
} IrBuilder;

// ir_add(b, x, y), ir_tanh(b, x), ...: one for each MAP row. Operands have equal shapes.
#define IR_BUILD_ARGS_1 IrNode *x
#define IR_BUILD_ARGS_2 IrNode *x, IrNode *y
#define MAP(name, inputs, result, grad, expr, doc) \
    IrNode *ir_##name(IrBuilder *b, IR_BUILD_ARGS_##inputs);
#include "ir/ops.def"

// Any MAP row by its op.
IrNode *ir_map_op(IrBuilder *b, IrOp op, IrNode *const *in);

IrNode *ir_const(IrBuilder *b, IrType type, double value);
IrNode *ir_const_like(IrBuilder *b, const IrNode *like, double value); // same type as `like`
IrNode *ir_iota(IrBuilder *b, IrType type, int axis);                  // i32 or real
IrNode *ir_extent(IrBuilder *b, IrDtype dtype, IrDim *dim);            // scalar; folds numbers

// Draws of `type`. `loops`: names of enclosing loops, the first n_key_axes are leading axes of
// `type`; `indices` (n_loops - n_key_axes i32 scalars) give the others.
IrNode *ir_draw(IrBuilder *b, IrOp op, IrType type, const char *site, int n_loops, int n_key_axes,
                const char *const *loops, IrNode *const *indices);

IrNode *ir_cast(IrBuilder *b, IrNode *x, IrDtype dtype);
IrNode *ir_select(IrBuilder *b, IrNode *c, IrNode *x, IrNode *y); // equal shapes
IrNode *ir_stop_gradient(IrBuilder *b, IrNode *x);
// `x`, the value of the draw `site`, made of draws of that site.
IrNode *ir_sample(IrBuilder *b, IrNode *x, const char *site);
IrNode *ir_reshape(IrBuilder *b, IrNode *x, int rank, IrDim *const *dims);
IrNode *ir_transpose(IrBuilder *b, IrNode *x, const int *axes);
// Input axis i becomes output axis axes[i] (increasing order not required).
IrNode *ir_broadcast(IrBuilder *b, IrNode *x, int rank, IrDim *const *dims, const int *axes);
// NumPy's rule: axes are aligned at the end; axes of static size 1 repeat. Types must allow it.
IrNode *ir_broadcast_to(IrBuilder *b, IrNode *x, int rank, IrDim *const *dims);
IrNode *ir_slice(IrBuilder *b, IrNode *x, IrDim *const *starts, IrDim *const *sizes);
IrNode *ir_pad(IrBuilder *b, IrNode *x, IrDim *const *starts, IrDim *const *dims);
IrNode *ir_concat(IrBuilder *b, int n, IrNode *const *x, int axis);
IrNode *ir_dynamic_slice(IrBuilder *b, IrNode *x, IrNode *start, IrDim *size);
IrNode *ir_gather(IrBuilder *b, IrNode *x, IrNode *indices);
IrNode *ir_scatter_add(IrBuilder *b, IrNode *indices, IrNode *rows, IrDim *n_rows);
IrNode *ir_reduce(IrBuilder *b, IrOp op, IrNode *x, int n_axes, const int *axes); // axes vanish
IrNode *ir_argmax(IrBuilder *b, IrNode *x);
// Indices of the `count` largest (or smallest) along the last axis, in order.
IrNode *ir_top_k(IrBuilder *b, IrNode *x, IrDim *count, bool smallest);

// Batched product: the first n_batch axes of both are batches; lhs axis lhs_axes[i] is summed
// against rhs axis rhs_axes[i]. Result axes: batch, free axes of lhs, free axes of rhs, in order.
IrNode *ir_dot(IrBuilder *b, IrNode *lhs, IrNode *rhs, int n_batch, int n_contract,
               const int *lhs_axes, const int *rhs_axes);

// CONTROL nodes. The body (or callee) must be complete. `get` reads their results.
IrNode *ir_call(IrBuilder *b, IrFunction *callee, int n_in, IrNode *const *in);
IrNode *ir_scan(IrBuilder *b, IrBlock *body, IrDim *steps, bool reverse, const char *name,
                int n_captured, int n_carry, int n_over, IrNode *const *in);
// The same, ended as soon as the first carry, a bool scalar, is true.
IrNode *ir_scan_until(IrBuilder *b, IrBlock *body, IrDim *steps, bool reverse, const char *name,
                      int n_captured, int n_carry, int n_over, IrNode *const *in);
IrNode *ir_map_loop(IrBuilder *b, IrBlock *body, IrDim *extent, const char *name, int n_captured,
                    int n_over, IrNode *const *in);
IrNode *ir_grad(IrBuilder *b, IrBlock *body, int n_in, IrNode *const *in, int n_wrt,
                const int *wrt);
IrNode *ir_get(IrBuilder *b, IrNode *x, int index);

// Evaluates one MAP op on numbers, at f64, or at f32 rounding when `dtype` is IR_F32.
double ir_eval_map(IrOp op, IrDtype dtype, const double *x);

// A copy of `n` with other operands (same op, attrs, body pointer, loc, path), types inferred anew;
// folds like the builders. For passes that rebuild blocks.
IrNode *ir_copy(IrBuilder *b, const IrNode *n, IrNode *const *in);

// Copies all of `src`'s nodes into b->block: `map[id]` holds the new node of each old node
// (parameters must be filled in before; ir_renumber(fn) must hold). Bodies are copied deeply. Nodes
// already in `map` are skipped.
void ir_copy_block(IrBuilder *b, const IrBlock *src, IrNode **map);

// A deep copy of a block, with parameters of its own.
IrBlock *ir_clone_block(IrFunction *f, const IrBlock *src);

// A deep copy of a function into arena `a` (same dims).
IrFunction *ir_clone_function(Arena *a, const IrFunction *f);

#endif
