// passes/pipeline.c -- the order in which passes run.
#include "passes/pass.h"

// clang-format off

// From the graph that was written to kernels, a tree and an arena.
const PassId pass_default_pipeline[] = {
    // one graph without calls
    PASS_inline,

    // tidied; what does not change leaves the loops, also where products were put into another
    // order
    PASS_simplify, PASS_fold, PASS_cse, PASS_dce,
    PASS_hoist, PASS_lowrank, PASS_hoist,
    PASS_simplify, PASS_cse, PASS_dce,

    // the innermost gradients, or maps, become ordinary nodes; then again from behind `inline`,
    // until there are none
    PASS_grad, PASS_map,

    // products read rows
    PASS_layout,

    // kernels, threads, memory
    PASS_fuse, PASS_schedule, PASS_place,
};

// clang-format on

const int pass_default_pipeline_length =
    (int)(sizeof pass_default_pipeline / sizeof pass_default_pipeline[0]);
