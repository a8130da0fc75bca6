// passes/grad.h -- shared by the files that differentiate.
#ifndef PASSES_GRAD_H
#define PASSES_GRAD_H

#include "passes/rewrite.h"

// Fills dx[i], the gradient by operand i of `y`, from dy, that by `y`. NULL stands for zero. Nodes
// are appended to the builder's block; those that nobody uses are dropped later.
typedef void GradRule(IrBuilder *b, IrNode *y, IrNode *dy, IrNode **dx);

// The `grad` column of ops.def.
extern GradRule *const grad_rule[IR_OP_COUNT];

// Not called: an operation without gradient is an error on an active path, gradients stop at
// `zero`, and the walk itself handles scan and get.
GradRule grad_none, grad_zero, grad_scan, grad_get;

// A block while it is differentiated: nodes are appended behind those it had.
typedef struct GradBlock {
    PassCtx *cx;
    IrFunction *fn;
    IrBlock *block;
    const PassSet *varies; // nodes that depend on what gradients are asked by
    IrNodeMap adjoints;    // of each node so far; none stands for zero
} GradBlock;

// A builder at the end of the block, whose nodes stand for `n`.
IrBuilder grad_builder(const GradBlock *g, const IrNode *n);

// Adds `dx` (NULL: nothing) to the gradient by `x`, if `x` varies. `by` is the node it comes from.
void grad_put(GradBlock *g, IrNode *x, IrNode *dx, const IrNode *by);

// The gradient by `x`, or NULL.
IrNode *grad_get_adjoint(const GradBlock *g, const IrNode *x);

// Walks the block backwards from the adjoints that were put.
void grad_walk(GradBlock *g);

// Appends the reverse loop of `scan`, given the adjoint of each of its results (NULL: zero).
void grad_through_scan(GradBlock *g, IrNode *scan, IrNode *const *d);

// True where a gradient never passes: what is not real, and operations that stop it.
bool grad_stops(const IrNode *n);

#endif
