// passes/rewrite.h -- what the passes that replace CONTROL nodes share.
#ifndef PASSES_REWRITE_H
#define PASSES_REWRITE_H

#include "ir/node_map.h"
#include "passes/pass.h"

// A set of nodes. A zeroed NodeSet with `map.arena` set is empty.
typedef struct PassSet {
    IrNodeMap map;
} PassSet;

static inline PassSet pass_set(Arena *a) {
    return (PassSet){.map = {.arena = a}};
}

static inline bool pass_set_has(const PassSet *s, const IrNode *n) {
    return ir_node_map_get(&s->map, n) != NULL;
}

// The same, but a result of a node in the set counts as in it.
static inline bool pass_set_covers(const PassSet *s, const IrNode *n) {
    return pass_set_has(s, n) || (n->op == IR_OP_get && pass_set_has(s, n->in[0]));
}

// Adds `n` and says whether it is new.
bool pass_set_add(PassSet *s, IrNode *n);

// Appends to `b` what stands for `n` and fills `out` with one node for each result of `n`.
typedef void PassExpand(void *data, IrNode *n, IrBlock *b, IrNode **out);

// Rebuilds `b` and all bodies in it, innermost first: each node of op `op` is given to `expand`, in
// order, and its `get`s become what that gave. Says whether there was one. A gradient or map with
// another in its body is left for the next time, when what its body becomes has been tidied.
bool pass_expand(PassCtx *cx, IrFunction *f, IrBlock *b, IrOp op, PassExpand *expand, void *data);

// Moves the nodes of `body` to the end of `b`, with args[i] for parameter i, and fills `out` with
// what its results become. `body` must not be used afterwards.
void pass_splice(PassCtx *cx, IrFunction *f, IrBlock *b, IrBlock *body, IrNode *const *args,
                 IrNode **out);

// Drops the nodes of `b` that its results do not need. Bodies stay as they are.
void pass_prune(PassCtx *cx, IrBlock *b);

// Gives `owner` (scan, map or grad) one more captured operand, and its body the parameter for it,
// which is returned. Captured values come first; those of a grad are all.
IrNode *pass_capture(IrFunction *f, IrNode *owner, IrNode *value);

// Hands `value`, of the block around owners[0], into the body of owners[depth - 1]: loops (scan, map)
// take a slice of it at each step, gradients capture it. Gives the parameter of the innermost body,
// called `name`, or `value` where there is no owner.
IrNode *pass_enter(IrFunction *f, IrNode *const *owners, int depth, IrNode *value,
                   const char *name);

// Hands `value`, of the body of owners[depth - 1], out to the block around owners[0], as a further
// result of each owner. blocks[i] is the block that owners[i] stands in. The node given back has a
// leading axis for each loop around, outermost first.
IrNode *pass_leave(IrFunction *f, IrBlock *const *blocks, IrNode *const *owners, int depth,
                   IrNode *value);

// Adds to `set` each node of `b`, and of the scans in it, that depends on a node of `set` (at
// first: some of the block's parameters). `stops`, if not NULL, names nodes that are never added. A
// scan is added when an operand of it is, one of its `get`s when that result depends; so is a
// carry's parameter when its first or next value is.
void pass_spread(PassSet *set, const IrBlock *b, bool (*stops)(const IrNode *n));

#endif
