// runtime/train/runs.h -- the runs that a command is given, and what tells them apart.
//
// A path is a run folder, or a folder of runs, which stands for all that are in it and in its
// sweeps.
#ifndef RUNTIME_TRAIN_RUNS_H
#define RUNTIME_TRAIN_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"

typedef struct RtGivenRun {
    const char *dir;
    const char *system, *env, *profile; // of its config.yaml
    int64_t seed;
    const char *swept; // values of the keys that tell it apart: "dynamics.latent=16"; or ""
    bool measured;       // its tests measure a model
    bool listed;         // found in a folder, not given itself
} RtGivenRun;

// The runs at `paths`, in order, owned by `a`; those of a folder by name. `by` are recipe keys,
// parted by commas, as the command line takes them; NULL: the keys that the sweep of a run varies.
// An exit code, with a sentence in `why`.
int rt_runs_given(Arena *a, const char *const *paths, int n_paths, const char *by,
                  RtGivenRun **runs, int *n, char *why, size_t why_size);

// Whether `dir` is a sweep.
bool rt_is_sweep(const char *dir);

#endif
