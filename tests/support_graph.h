// tests/support_graph.h -- graphs from text for tests, passes run on them, and what they compute.
//
// Where something is wrong, the test that called fails with a message.
#ifndef TESTS_SUPPORT_GRAPH_H
#define TESTS_SUPPORT_GRAPH_H

#include "passes/pass.h"
#include "tests/support_eval.h"

// The module that `text` holds; its last function is the one that passes run on. `d` must outlive
// it.
IrModule *graph_parse(Arena *a, Diag *d, const char *text);
IrFunction *graph_entry(const IrModule *m);

// A copy of `f` after the passes, each followed by the verifier. NULL ends the list. A gradient or map
// that was eliminated starts the list again, as in the pipeline.
IrFunction *graph_after(Arena *a, const IrFunction *f, PassFn *const *passes);

// Greatest distance between any output of `f` and of `g`, for random inputs. Dim i of the program
// is `size` + i, or its maximum if that is less; with size 0 all are 0.
double graph_distance(const IrFunction *f, const IrFunction *g, int64_t size, uint64_t salt);

// Number of nodes of `op` in `f`, bodies included.
int graph_count(IrFunction *f, IrOp op);

#endif
