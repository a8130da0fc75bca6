// tests/support_random.h -- random graphs, for tests of passes and back ends.
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include "ir/build.h"

// A function of `n_nodes` or so random operations on f64 (and a few i32 and bool) values, with
// loops, draws, outputs and updates; the same seed gives the same graph. Values stay small. Dims
// must be at least 1.
IrFunction *random_function(Arena *a, uint64_t seed, int n_nodes);

#endif
