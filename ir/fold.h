// ir/fold.h -- exact algebra on single nodes, for the builders.
#ifndef IR_FOLD_H
#define IR_FOLD_H

#include "ir/build.h"

// A node that equals `n`, which is complete and typed but in no block; NULL when nothing simpler
// is known. It may be an operand of `n`, or new nodes appended to b->block.
IrNode *ir_fold(IrBuilder *b, const IrNode *n);

// Infers the types of `n` (a misfit is our bug), folds it, and else appends it to b->block.
IrNode *ir_finish(IrBuilder *b, IrNode *n);

// `value` as an element of `dtype` holds it: f32 is rounded, i32 truncated and saturated (NaN
// gives 0), bool 0 or 1.
double ir_round_value(IrDtype dtype, double value);

#endif
