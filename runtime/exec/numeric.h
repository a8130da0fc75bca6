// runtime/exec/numeric.h -- what passes do to numbers: a graph evaluated after each of them.
//
// A watch (PassOptions.watch) evaluates copies of the graph with the reference back end, at one
// point of small sizes and random values, and tells which pass first made a difference.
#ifndef RUNTIME_EXEC_NUMERIC_H
#define RUNTIME_EXEC_NUMERIC_H

#include "runtime/exec/point.h"

typedef struct RtNumeric {
    double tolerance; // greatest |a - b| / max |b|, by output; 0: 1e-10 for f64, 1e-4 for f32
    uint64_t seed;

    // the first difference
    bool failed;
    PassId pass;
    int number;         // of the pass's execution, as in the files of --dump
    IrRole role;        // of the output that differs
    const char *output; // its name
    double error;
    double worst; // of all passes
    int n_passes; // that were watched

    // of the function being watched; owned by `arena`
    const IrFunction *fn;
    Arena arena;
    int64_t *dims;
    RtPoint point;
    double **values;
    int64_t *counts;
} RtNumeric;

// A PassWatch; `data` is an RtNumeric. The first call for a function, which is when its calls are
// inlined, gives what the later ones are compared with; a call for another function begins anew.
void rt_numeric_watch(void *data, PassId pass, int number, const IrFunction *f);

// Forgets the function, so that another can be watched; keeps what was found of the first
// difference.
void rt_numeric_end(RtNumeric *n);

// Greatest |a - b| / max |b| over `n` elements; equal infinities and NaN where the other is NaN
// count as equal. INFINITY where one alone is not finite.
double rt_numeric_distance(const double *a, const double *b, int64_t n);

#endif
