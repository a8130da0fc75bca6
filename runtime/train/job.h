// runtime/train/job.h -- a program as a stage calls it: what it is given, and gives.
//
//   fit: {update: dynamics.fit, dims: {T: 4}, settings: {rate: "1e-3 * 0.9 ** (iteration / 10)"},
//   ...}
//
// Each scalar output is a number of formulas, `loss` and with the stage's name `fit.loss`: a mean
// over calls. A stage that compares gives the mean before as `previous.loss`, while it runs.
#ifndef RUNTIME_TRAIN_JOB_H
#define RUNTIME_TRAIN_JOB_H

#include "runtime/train/feed.h"
#include "runtime/train/formula.h"

typedef struct RtJobOutput {
    int slot;
    const char *name;      // fit.loss
    double *named, *plain; // the numbers of it, and of loss
    double *previous;      // of previous.loss; NULL where the stage does not compare
    double sum;
} RtJobOutput;

typedef struct RtJobSetting {
    const char *name;
    RtFormula *value;
} RtJobSetting;

typedef struct RtJob {
    LangEntryKind kind; // what the stage's object should be
    RtUnit *unit;
    RtFeed feed;

    RtEntry *dims, *settings;
    int64_t *dim_values;
    RtJobSetting *formulas;
    RtJobOutput *outputs;
    int n_dims, n_settings, n_formulas, n_outputs;
    int64_t n_counted; // calls whose outputs are in the sums
    bool given;        // the numbers are of this run
} RtJob;

// Takes `dims`, `settings` and the keys of the feed from the mapping of `s`.
void rt_job_read(RtJob *j, RtStage *s, RtReader *r);

// Checks object and feed against the rest of the recipe; `example` is an object: "dynamics.fit".
void rt_job_check(RtJob *j, const RtStage *s, RtRecipe *recipe, const char *example);

// Requests the program or function.
void rt_job_ask(const RtJob *j, const RtStage *s, RtWorld *w);

// Finds it and declares its numbers; with `compares`, those before as well.
void rt_job_declare(RtJob *j, const RtStage *s, RtScene *scene, bool compares);

// Finds dims and inputs, and then settings. False with errors in the world's diag.
bool rt_job_bind_inputs(RtJob *j, const RtStage *s, RtScene *scene);
bool rt_job_bind_settings(RtJob *j, RtScene *scene);

// Sets dims and settings to what calls without data have.
void rt_job_reset(const RtJob *j);

// Prepares a run of calls, none of them counted. EXIT_OK, or another code with a sentence in the
// scene's `why`; so does a call.
int rt_job_begin(RtJob *j, RtScene *scene);

// Call number `call`: `choices` is the key of its data, `draws` that of the program's draws.
int rt_job_call(RtJob *j, RtScene *scene, uint64_t choices, uint64_t draws, int64_t call);

// The program alone, its inputs filled already.
void rt_job_run(RtJob *j, RtScene *scene, uint64_t draws, int64_t call);

// Counts the outputs of the last call.
void rt_job_count(RtJob *j);

// Makes the means over the calls counted the numbers, and those before the previous ones; counts
// anew. A mean that is not finite is told as the scene's `diverged`.
void rt_job_give(RtJob *j, RtScene *scene);

// Forgets the previous numbers.
void rt_job_end(RtJob *j);

// Frees what `begin` allocated.
void rt_job_free(RtJob *j);

#endif
