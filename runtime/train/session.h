// runtime/train/session.h -- a recipe with everything it needs to train or to be tested.
//
// What the commands of gssm-run and the tests share: open a recipe, compile its programs, prepare
// the driver, in this order, and close them again. All is checked before anything is created.
#ifndef RUNTIME_TRAIN_SESSION_H
#define RUNTIME_TRAIN_SESSION_H

#include "runtime/record/table.h"
#include "runtime/train/driver.h"
#include "runtime/train/meta_test.h"

// What a test is of.
typedef struct RtTested {
    int64_t iteration;       // of training that are done
    int64_t real_episodes;   // that they took
    int64_t tasks, episodes; // of a test as the run's recipe has it, whatever the settings say
} RtTested;

typedef struct RtSession {
    Arena arena;
    RtRecipe recipe;
    RtWorld world;
    RtDriver driver;
    RtTester *tester;
    RtTestMemory memory; // of tests; zeroed: none
    char why[1024]; // a sentence, where a function fails and the recipe's diag has no error
} RtSession;

// All functions give an exit code. Errors are in s->recipe.diag, a sentence in s->why. The caller
// closes the session with rt_session_close() in any case.

// A recipe, ready to train: rt_driver_create() and rt_driver_train() come next.
int rt_session_open(RtSession *s, const RtRecipeDef *def, int threads);

// The recipe of the run at `dir`, ready to resume: rt_driver_resume() comes next.
int rt_session_open_run(RtSession *s, const char *dir, int threads);

// The run at `dir` with the parameters of its newest good checkpoint, ready to be tested.
// `settings` are KEY=VALUE.
int rt_session_open_test(RtSession *s, const char *dir, const char *const *settings, int n,
                         int threads, RtTested *tested);

// Tests: the tasks of the recipe, or the one of `params`. `show` is called after each task, and may
// be NULL. The result is valid until the next test.
int rt_session_test(RtSession *s, const double *params,
                    void (*show)(void *data, int task, double score), void *data,
                    RtTestResult *result);

void rt_session_close(RtSession *s);

// The row of a result, as tables have it. Its texts belong to the recipe.
RtRow rt_result_row(const RtRecipe *r, const RtTestResult *result, const char *dir,
                    const RtTested *tested);

#endif
