// passes/cut.h -- the least cut between two ends of a network, for choices of least cost.
#ifndef PASSES_CUT_H
#define PASSES_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"

enum { PASS_CUT_SOURCE = 0, PASS_CUT_SINK = 1 };

// A capacity that no cut goes through, and more than all others together.
#define PASS_CUT_NEVER (INT64_MAX / 4)

// A network. A zeroed one with `arena` and `n_nodes` (the two ends included) set has no edges.
typedef struct PassCut {
    Arena *arena;
    int n_nodes;
    int n_edges, cap_edges;
    struct PassCutEdge *edges;
} PassCut;

void pass_cut_edge(PassCut *c, int from, int to, int64_t capacity);

// The nodes on the source's side of a cut of least capacity, by number; of several such cuts the
// one with the fewest. Owned by the arena.
bool *pass_cut_solve(PassCut *c);

#endif
