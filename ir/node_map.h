// ir/node_map.h -- nodes as keys, independent of their ids. For copying, printing and verifying.
#ifndef IR_NODE_MAP_H
#define IR_NODE_MAP_H

#include "ir/ir.h"

// A zeroed IrNodeMap with `arena` set is empty. Never iterated, so its order does not matter.
typedef struct IrNodeMap {
    Arena *arena;
    const IrNode **keys;
    void **values;
    int n, cap;
} IrNodeMap;

// The value of `n`, or NULL.
void *ir_node_map_get(const IrNodeMap *m, const IrNode *n);

// Sets the value of `n`, replacing.
void ir_node_map_put(IrNodeMap *m, const IrNode *n, void *value);

#endif
