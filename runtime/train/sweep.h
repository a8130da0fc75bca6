// runtime/train/sweep.h -- many runs that are one experiment.
//
//   runs/sweep__{time}/
//     sweep.json            what was asked, and a line for each run
//     recipes/{run}.yaml    its recipe as it was resolved then
//     logs/{run}.log        what its process printed
//     {env}__{system}__{seed}__{number}/   its run folder
//     lock                  held (flock) by the process that works on the sweep
//
// A run that is missing starts from its recipe, so that a sweep goes on to the same runs whatever
// became of the experiments since. Functions that return int give an exit code, with a sentence in
// `why`.
#ifndef RUNTIME_TRAIN_SWEEP_H
#define RUNTIME_TRAIN_SWEEP_H

#include "runtime/train/recipe.h"

// A run that is asked for.
typedef struct RtSweepAsk {
    RtRecipeDef def;
    const char *label; // of its folder: "003", "003-dynamics.latent=16"
    const char *name;  // of its folder, by rt_sweep_name()
} RtSweepAsk;

typedef struct RtSweepDef {
    const char *root;  // folder of runs
    const char *asked; // the words of the command line
    const char *by;    // keys that it varies besides the seed, parted by commas; or ""
    const char *from;  // the run that all begin with, or NULL
    bool test;         // every run is tested at its end
    const RtSweepAsk *runs;
    int n;
} RtSweepDef;

typedef enum RtSweepState {
    RT_SWEEP_MISSING, // there is no run folder
    RT_SWEEP_BEGUN,
    RT_SWEEP_TRAINED, // not tested, and it should be
    RT_SWEEP_DONE,
} RtSweepState;

typedef struct RtSweepRun {
    const char *name;
    const char *recipe, *log; // paths
    const char *label;
    const char *dir; // its run folder, NULL where it is missing
    RtSweepState state;
    bool in_use; // by another process
} RtSweepRun;

typedef struct RtSweep {
    Arena arena;
    const char *dir, *from;
    bool test;
    RtSweepRun *runs;
    int n;
    int lock_fd; // valid while `locked`
    bool locked;
} RtSweep;

// The name of the folder that a run of the recipe `r` will have, owned by `a`.
const char *rt_sweep_name(Arena *a, const RtRecipe *r, const char *label);

// Makes the folder with all recipes, sweep.json last; its path in `dir`, owned by `a`.
int rt_sweep_create(const RtSweepDef *def, Arena *a, const char **dir, char *why, size_t why_size);

// Opens a sweep to work on it, and looks how far its runs are. EXIT_IN_USE: another process does.
int rt_sweep_open(RtSweep *s, const char *dir, char *why, size_t why_size);

// Looks again.
void rt_sweep_look(RtSweep *s);

// Accepts a closed one.
void rt_sweep_close(RtSweep *s);

#endif
