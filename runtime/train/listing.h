// runtime/train/listing.h -- runs as a person or a program looks at them.
#ifndef RUNTIME_TRAIN_LISTING_H
#define RUNTIME_TRAIN_LISTING_H

#include "runtime/train/driver.h"
#include "runtime/train/meta_test.h"

// Puts all runs in the folder `root`: as aligned text, or as a JSON list. An exit code, with a
// sentence in `why`.
int rt_put_runs(Buf *b, const char *root, bool json, char *why, size_t why_size);

// Puts the configuration of the run at `dir` with the origin of each key, how far it is, and its
// results.
int rt_put_run(Buf *b, const char *dir, bool json, char *why, size_t why_size);

// Real tasks, episodes and transitions of a training, at most: a stage that has a condition may not
// run.
typedef struct RtPlan {
    int64_t tasks, task_episodes, iteration_episodes, transitions;
} RtPlan;

RtPlan rt_plan_of(const RtRecipe *r);

// Puts what a training of the recipe would take: real episodes and transitions, program calls,
// multiply-adds, and the time expected from a few calls of each program. The driver is open, and
// nothing has been trained.
void rt_put_plan(Buf *b, RtDriver *d);

// Puts the result of a test: a line for each task and the means, or JSON.
void rt_put_test(Buf *b, const RtRecipe *recipe, const RtTestResult *result, const char *latent,
                 double seconds, bool json);

#endif
