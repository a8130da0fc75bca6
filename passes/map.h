// passes/map.h -- shared by the files that eliminate maps.
#ifndef PASSES_MAP_H
#define PASSES_MAP_H

#include "passes/rewrite.h"

// What a node of the map's body becomes. Batched values have the map's axis in front. The map's
// index is kept apart until someone needs it as numbers, because draws take it as an axis.
typedef struct BatchValue {
    IrNode *node; // NULL for the index
    bool is_batched, is_index;
} BatchValue;

// One map while it is eliminated.
typedef struct Batch {
    PassCtx *cx;
    IrBuilder b;
    IrDim *extent;
    IrNodeMap values; // BatchValue * of each node
    IrNodeMap loops;  // of each scan that was batched: BatchValue[] of its results
    PassSet varies;   // nodes that depend on the map's index or slices
} Batch;

// What stands for `n`, of which at least one operand is batched; in[i] for operand i. The result
// is batched.
typedef IrNode *BatchRule(Batch *m, IrNode *n, BatchValue *in);
extern BatchRule *const batch_rule[IR_OP_COUNT];

// Batches the nodes of `b` into m->b.block. Parameters have values already.
void batch_batch_block(Batch *m, const IrBlock *b);

BatchValue batch_value(const Batch *m, const IrNode *n);
void batch_set_value(Batch *m, const IrNode *n, BatchValue value);

// `v` as a node: the index becomes an iota.
IrNode *batch_node(Batch *m, BatchValue v);

// `v` with the map's axis in front, repeated where it is not batched.
IrNode *batch_batched(Batch *m, BatchValue v);

// `x` with axis `from` moved to `to`, others in order.
IrNode *batch_move_axis(Batch *m, IrNode *x, int from, int to);

// `t` with the map's axis in front.
IrType batch_type(const Batch *m, const IrNode *n, IrType t);

// Replaces a scan of which some operand is batched, and sets the values of its results.
void batch_loop(Batch *m, IrNode *n);

#endif
