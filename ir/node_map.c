// ir/node_map.c -- nodes as keys: open addressing over their addresses.
#include "ir/node_map.h"

#include "ir/random.h"

// Where `n` is, or the free place where it belongs.
static int place(const IrNodeMap *m, const IrNode *n) {
    uint64_t mask = (uint64_t)(m->cap - 1), at = ir_random_mix((uint64_t)(uintptr_t)n) & mask;
    while (m->keys[at] && m->keys[at] != n)
        at = (at + 1) & mask;
    return (int)at;
}

void *ir_node_map_get(const IrNodeMap *m, const IrNode *n) {
    return m->cap ? m->values[place(m, n)] : NULL;
}

void ir_node_map_put(IrNodeMap *m, const IrNode *n, void *value) {
    if (2 * (m->n + 1) > m->cap) {
        IrNodeMap old = *m;
        m->cap = old.cap ? 2 * old.cap : 64;
        m->keys = arena_array(m->arena, const IrNode *, m->cap);
        m->values = arena_array(m->arena, void *, m->cap);
        for (int i = 0; i < old.cap; i++) {
            if (!old.keys[i])
                continue;
            int at = place(m, old.keys[i]);
            m->keys[at] = old.keys[i];
            m->values[at] = old.values[i];
        }
    }
    int at = place(m, n);
    m->n += !m->keys[at];
    m->keys[at] = n;
    m->values[at] = value;
}
