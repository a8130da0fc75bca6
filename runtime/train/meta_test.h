// runtime/train/meta_test.h -- meta-testing on unseen tasks (paper, algorithm 2).
//
// For each task: its context is collected; further episodes measure the model; the stages of
// `test.adapt` run on a copy of the state; the actor acts in a batch of episodes. Every random
// choice is named by the test's key and the task's number, so tests repeat to the same bits.
#ifndef RUNTIME_TRAIN_META_TEST_H
#define RUNTIME_TRAIN_META_TEST_H

#include "runtime/train/actor.h"

typedef struct RtTester RtTester;

// What the test of one task gives.
typedef struct RtTaskResult {
    double score, mse, kl;
    double adapt, belief, step; // seconds
    double episodes;            // real ones, those of adapting and acting
} RtTaskResult;

// Who remembers what tests of tasks gave, so that a test that was stopped goes on. Both functions or
// none.
typedef struct RtTestMemory {
    bool (*find)(void *data, int task, RtTaskResult *r);       // whether a task was tested before
    bool (*keep)(void *data, int task, const RtTaskResult *r); // after each; false ends the test
    void *data;
} RtTestMemory;

typedef struct RtTestDef {
    int64_t tasks, episodes;
    const char *latent;   // as RtTest
    uint64_t key;         // of tasks and streams
    const double *params; // of the one task that is tested; NULL: drawn
    RtTestMemory memory;
    void (*show)(void *data, int task, double score); // after each task; or NULL
    void *data;
} RtTestDef;

typedef struct RtTestResult {
    int n;                    // tasks
    const double *params;     // (n, task_dim)
    const double *scores;     // (n) means over episodes, in the paper's unit
    const double *mses, *kls; // (n) raw units, NAN where the model is not measured
    const double *adapts;     // (n) seconds of `test.adapt`, 0 where it has no stages
    const double *beliefs;    // (n) seconds in which the actor makes its belief of the context
    const double *steps;      // (n) seconds of each of its actions
    double score, score_sd;   // mean and deviation (of the sample) over tasks
    double mse, mse_sd, kl;
    int64_t episodes; // real ones that the test took
} RtTestResult;

// Requests the programs that tests need.
void rt_tester_ask(const RtRecipe *recipe, RtWorld *w);

// Whether the function that tests measure the model by gives what they need, so that it is told
// before training. Errors are in the world's diag.
bool rt_tester_check(RtScene *scene);

// A tester of `episodes` episodes a task, in the world of `scene`. NULL with errors in the world's
// diag. The caller frees it with rt_tester_free().
RtTester *rt_tester_new(RtScene *scene, int64_t episodes);
void rt_tester_free(RtTester *t);

// Tests the world's state, which stays as it is. An exit code. The result is valid until the next
// run.
int rt_tester_run(RtTester *t, RtScene *scene, const RtTestDef *def, RtTestResult *result);

#endif
