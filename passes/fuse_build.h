// passes/fuse_build.h -- a kernel that is being built (passes/fuse_scalar.c, passes/fuse_kernel.c).
#ifndef PASSES_FUSE_BUILD_H
#define PASSES_FUSE_BUILD_H

#include "ir/base/map.h"
#include "passes/fuse.h"

// Index along one axis of a node: offset + sum over the kernel's axes of index * c, in the
// program's dims. NULL is 0.
typedef struct FuseIndex {
    IrDim *offset;
    IrDim *c[IR_MAX_AXES];
} FuseIndex;

// A value that was computed.
typedef struct FuseMemo {
    struct FuseMemo *next;
    const IrNode *node;
    FuseIndex at[IR_MAX_RANK];
    int guard;
    int scalar;
} FuseMemo;

typedef struct FuseBuild {
    Fuse *f;
    FuseGroup *g;
    IrKernel *k; // NULL: a probe
    IrDim **to;  // variable of the kernel for each of the program
    FuseMemo *memo;
    int n_args, cap_args;
    IrCallArg *args;
    int n_ints, cap_ints;
    IrCallInt *ints;

    // of a probe
    bool bad;
    const IrNode *watch;  // parameter that may be read only at the index of ...
    FuseItem *watch_item; //   ... this
} FuseBuild;

// The value of `n` at index `at`, as a scalar; where scalar `guard` is false it may be anything and
// nothing is read (-1: no guard).
int fuse_value(FuseBuild *b, IrNode *n, const FuseIndex *at, int guard);

// The same, though `n` may be an item of the group.
int fuse_define(FuseBuild *b, IrNode *n, const FuseIndex *at, int guard);

// A reduction or product, at the kernel's own index.
int fuse_define_heavy(FuseBuild *b, IrNode *n);

// The value of an item of the group.
int fuse_item_value(FuseBuild *b, FuseItem *item);

// Where the element of `v` at `at` is.
IrAddress fuse_address(FuseBuild *b, const FuseView *v, const FuseIndex *at, int guard,
                       bool written);

FuseIndex fuse_axis_index(const FuseBuild *b, int axis);
IrDim *fuse_kernel_dim(const FuseBuild *b, IrDim *d);
int fuse_call_int(FuseBuild *b, IrCallInt wanted);

// Notes in a probe that `n` is read from memory, not index by index.
void fuse_check_memory(FuseBuild *b, IrNode *n);

#endif
