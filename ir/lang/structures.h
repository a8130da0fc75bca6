// ir/lang/structures.h -- loops with bodies. Private to ir/lang.
#ifndef IR_LANG_STRUCTURES_H
#define IR_LANG_STRUCTURES_H

#include "ir/lang/elab.h"

// Evaluates a body: `in` is where it stands, `slices` its rows, `index` the i32 scalar.
typedef Value *BodyFn(Cx *in, Value **slices, Value *index, void *data);

// The body for every row of axis 0 of `over`, at run time.
Value *elab_map_over(Cx *cx, int n, Value **over, const Loc *locs, BodyFn *f, void *data, Loc loc);

// Reads the results of `node` from `first` on into values shaped like `like`, and moves `first`.
Value *elab_results(Cx *cx, IrNode *node, const Value *like, int *first, Loc loc);

#endif
