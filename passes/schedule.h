// passes/schedule.h -- what the files of the scheduler share (passes/schedule*.c).
#ifndef PASSES_SCHEDULE_H
#define PASSES_SCHEDULE_H

#include "passes/pass.h"

typedef struct PassWork {
    IrSchedule *s;
    Arena *scratch;
    int64_t *values; // likely values of the dims
    bool insert;     // barriers are put in; else only counted
} PassWork;

// How a call uses one buffer, if row i of its kernel touches row i of the buffer alone: rows start
// `stride` elements apart, in the slice that the loops choose.
typedef struct PassRows {
    bool aligned; // else rows may touch any element
    bool read, written;
    IrDim *stride;
    const IrCallArg *slice;
} PassRows;

// Rows into which the call's kernel may be cut, in the program's dims, or NULL.
IrDim *pass_call_rows(IrSchedule *s, const IrKernelCall *c);

// How the call uses argument `arg` when it is cut into `rows`.
PassRows pass_arg_rows(IrSchedule *s, const IrKernelCall *c, int arg, const IrDim *rows);

// Whether two uses of one buffer touch the same elements at the same row only.
bool pass_same_rows(const PassRows *a, const PassRows *b);

// Cuts kernels into pieces: chains of kernels and loops whose rows need no other rows share a par.
void pass_cut(PassWork *w, IrTree *t);

IrTree *pass_new_tree(const PassWork *w, IrTreeKind kind);
void pass_append(const PassWork *w, IrTree *to, IrTree *t);

#endif
