// passes/cut.c -- the least cut, as the greatest flow (Dinic, 1970).
//
// An edge is kept beside its opposite, which can take back what flows: edge e and e ^ 1. Each round
// numbers the nodes by their distance from the source and fills all shortest paths.
#include "passes/cut.h"

typedef struct PassCutEdge {
    int to, next; // next edge of the node it leaves, or -1
    int64_t left; // capacity that is not used
} Edge;

// A network while it is solved, by node.
typedef struct Flow {
    Edge *edges;
    int n_nodes;
    int *first;    // edge
    int *current;  // edge that a path was last tried by
    int *distance; // from the source, -1: out of reach
    int *list;     // nodes to visit, or edges of a path
} Flow;

void pass_cut_edge(PassCut *c, int from, int to, int64_t capacity) {
    Edge there = {.to = to, .next = from, .left = capacity}, back = {.to = from, .next = to};
    arena_push(c->arena, c->edges, c->n_edges, c->cap_edges, there);
    arena_push(c->arena, c->edges, c->n_edges, c->cap_edges, back);
}

// Fills `distance`, and says whether the sink can be reached.
static bool measure(Flow *f) {
    for (int i = 0; i < f->n_nodes; i++)
        f->distance[i] = -1;
    int n = 0;
    f->distance[PASS_CUT_SOURCE] = 0;
    f->list[n++] = PASS_CUT_SOURCE;
    for (int k = 0; k < n; k++) {
        int at = f->list[k];
        for (int e = f->first[at]; e >= 0; e = f->edges[e].next) {
            int to = f->edges[e].to;
            if (f->edges[e].left == 0 || f->distance[to] >= 0)
                continue;
            f->distance[to] = f->distance[at] + 1;
            f->list[n++] = to;
        }
    }
    return f->distance[PASS_CUT_SINK] >= 0;
}

// Lets as much as possible flow along the path of `n` edges in `list`.
static void fill(Flow *f, int n) {
    int64_t least = PASS_CUT_NEVER;
    for (int i = 0; i < n; i++)
        least = f->edges[f->list[i]].left < least ? f->edges[f->list[i]].left : least;
    for (int i = 0; i < n; i++) {
        f->edges[f->list[i]].left -= least;
        f->edges[f->list[i] ^ 1].left += least;
    }
}

static void fill_shortest(Flow *f) {
    for (int i = 0; i < f->n_nodes; i++)
        f->current[i] = f->first[i];
    int at = PASS_CUT_SOURCE, n = 0;
    for (;;) {
        if (at == PASS_CUT_SINK) {
            fill(f, n);
            at = PASS_CUT_SOURCE;
            n = 0;
            continue;
        }
        int e = f->current[at];
        while (e >= 0 &&
               (f->edges[e].left == 0 || f->distance[f->edges[e].to] != f->distance[at] + 1))
            e = f->edges[e].next;
        f->current[at] = e;
        if (e >= 0) {
            f->list[n++] = e;
            at = f->edges[e].to;
        } else if (n > 0) { // no way on: the edge that led here is no use
            at = f->edges[f->list[--n] ^ 1].to;
            f->current[at] = f->edges[f->current[at]].next;
        } else {
            return;
        }
    }
}

bool *pass_cut_solve(PassCut *c) {
    Flow f = {.edges = c->edges, .n_nodes = c->n_nodes};
    f.first = arena_array(c->arena, int, c->n_nodes);
    f.current = arena_array(c->arena, int, c->n_nodes);
    f.distance = arena_array(c->arena, int, c->n_nodes);
    f.list = arena_array(c->arena, int, c->n_nodes);

    // pass_cut_edge left in `next` the node that each edge leaves
    for (int i = 0; i < c->n_nodes; i++)
        f.first[i] = -1;
    for (int e = 0; e < c->n_edges; e++) {
        int from = c->edges[e].next;
        c->edges[e].next = f.first[from];
        f.first[from] = e;
    }
    while (measure(&f))
        fill_shortest(&f);

    bool *side = arena_array(c->arena, bool, c->n_nodes);
    for (int i = 0; i < c->n_nodes; i++)
        side[i] = f.distance[i] >= 0;
    return side;
}
