// tools/gssm-run_sweep.h -- working on a sweep: its runs as processes, several at once.
#ifndef TOOLS_GSSM_RUN_SWEEP_H
#define TOOLS_GSSM_RUN_SWEEP_H

#include <stdbool.h>

#include "tools/options.h"

typedef struct SweepHow {
    int jobs;    // runs at once; 0: as many as there are cores
    int threads; // of all runs together; 0: as many as there are cores
    bool quiet;
} SweepHow;

// So many runs are worked on at once, each with so many threads, where `n` are to be done.
typedef struct SweepShare {
    int jobs, threads;
} SweepShare;

SweepShare sweep_share(const SweepHow *how, int n);

// Does what is not done of the sweep at `dir`. A run that fails is told, the others go on. Gives
// EXIT_OK, the exit code of the first run that failed, or EXIT_STOPPED.
int sweep_work(const OptCommand *self, const char *dir, const SweepHow *how);

#endif
