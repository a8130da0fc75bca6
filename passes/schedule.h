// passes/schedule.h -- what the files of the scheduler share (passes/schedule*.c).
#ifndef PASSES_SCHEDULE_H
#define PASSES_SCHEDULE_H

#include "passes/pass.h"

// Rows into which the call's kernel may be cut, in the program's dims, or NULL.
IrDim *pass_call_rows(IrSchedule *s, const IrKernelCall *c);

#endif
