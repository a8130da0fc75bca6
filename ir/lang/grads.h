// ir/lang/grads.h -- grad nodes, for expressions and for programs. Private to ir/lang.
#ifndef IR_LANG_GRADS_H
#define IR_LANG_GRADS_H

#include "ir/lang/elab.h"

// The real scalar that a gradient of `v` is of: `v` itself or its field `loss`. Poison, reported.
Value *elab_grad_scalar(Cx *in, Value *v, Loc loc);

// Adds the tensors of `v` to the results of the body `in`.
void elab_grad_results(Cx *in, const Value *v);

// Whether a gradient can reach one of the parameters `leaves` from `scalar`, of the body `in`; else
// it is reported: `what` starts the sentence.
bool elab_grad_reaches(Cx *in, const Value *scalar, int n, Value **leaves, const char *what,
                       Loc loc);

// Closes the body `in` within `cx`: a grad node by the parameters that `leaves` are.
IrNode *elab_grad_by_slots(Cx *cx, Cx *in, int n, Value **leaves, Loc loc);

#endif
