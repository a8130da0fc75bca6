// runtime/train/driver.h -- meta-training (paper, algorithm 1) as iterations of a recipe's stages.
//
// Every `iterations_each` iterations a new task is drawn and the stages of `every_task` run; in
// each iteration those of `every_iteration` do, and the iteration ends with a commit: new episodes,
// logs, checkpoint (commit.c). What happened since the last commit can be thrown away and done
// again to the same bits, since every random choice is a function of names and numbers.
#ifndef RUNTIME_TRAIN_DRIVER_H
#define RUNTIME_TRAIN_DRIVER_H

#include "runtime/record/csv.h"
#include "runtime/record/progress.h"
#include "runtime/record/run.h"
#include "runtime/train/scene.h"

// A tag of the iteration's record, and what it is: `model/mse: fit.mse`.
typedef struct RtTag {
    const char *name;
    RtFormula *value;
    double last; // of this iteration, NAN where it is not known
} RtTag;

typedef struct RtDriver {
    RtRecipe *recipe;
    RtWorld *world;
    RtExperience experience;
    RtVars vars;
    RtScene scene;
    RtTag *tags;
    int n_tags;
    int64_t iteration; // the next one; so many are done

    const char *label; // last part of the name of a new run's folder; NULL: the time
    RtRun run;
    RtLog events, timing;
    RtCsv csv;
    RtProgress progress;
    double process_start;   // when the process began, by rt_now()
    double iteration_start; // of the one that runs
    double training_start;  // of this process' first iteration
    int64_t first_iteration;
    double commit_seconds;
    const RtStage *shown; // stage that the live table shows
    int64_t shown_done, shown_times;
    char *why;
    size_t why_size;
} RtDriver;

// Prepares training in `world`, whose programs were asked for by rt_driver_ask() and built. Gives
// an exit code; errors are in the recipe's diag or in `why`, which must outlive the driver. The
// caller closes it with rt_driver_close() in any case.
int rt_driver_open(RtDriver *d, RtRecipe *recipe, RtWorld *world, char *why, size_t why_size);
void rt_driver_close(RtDriver *d);

// Requests the programs that training and testing need.
void rt_driver_ask(RtRecipe *recipe, RtWorld *world);

// Makes a run folder under `root` and commits the state before the first step. With `from`, the
// state of that run's newest checkpoint, and its history.
int rt_driver_create(RtDriver *d, const char *root, const char *from);

// Opens the run folder `dir` and takes up its newest good checkpoint. d->iteration tells how far it
// is.
int rt_driver_resume(RtDriver *d, const char *dir);

// Trains to the recipe's last iteration. EXIT_STOPPED where it was asked to stop.
int rt_driver_train(RtDriver *d, bool quiet);

// ---- commit.c

// Makes all that happened durable, as commit `d->iteration`.
int rt_commit(RtDriver *d);

// Takes state, tasks and episodes of the checkpoint `c` of the run at `run_dir`.
int rt_restore(RtDriver *d, const RtCheckpoint *c, const char *run_dir);

// Loads the parameters of the newest good checkpoint of `run_dir` into `s`, for testing. `episodes`
// gets the number of real episodes that training took, `iteration` how many are done.
int rt_load_state(RtState *s, const char *run_dir, int64_t *episodes, int64_t *iteration, char *why,
                  size_t why_size);

// Seconds of training that the timing log of a run tells of, NAN where it cannot be read.
double rt_training_seconds(const char *run_dir);

#endif
