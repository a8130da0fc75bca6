// passes/rebuild.h -- rewriting node by node, for passes that replace nodes by simpler ones.
#ifndef PASSES_REBUILD_H
#define PASSES_REBUILD_H

#include "passes/pass.h"

// A node of the same type that equals `n`, made with `b` if it is new, or NULL. Operands of `n` are
// already what they became.
typedef IrNode *PassRule(IrBuilder *b, IrNode *n, void *data);

// Walks `f` and its bodies in order, gives each node to `rule`, and lets users see what it became.
// Repeats until nothing changes. Says whether anything did.
bool pass_rebuild(PassCtx *cx, IrFunction *f, PassRule *rule, void *data);

#endif
