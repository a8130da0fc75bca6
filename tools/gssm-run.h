// tools/gssm-run.h -- commands of gssm-run that have a file of their own.
#ifndef TOOLS_GSSM_RUN_H
#define TOOLS_GSSM_RUN_H

#include "ir/base/buf.h"
#include "runtime/train/session.h"
#include "tools/options.h"

enum { MAX_THREADS = 256 };

// ---- gssm-run.c

// "gssm-run train: " and `why`, where there is something to say, on standard error; gives `code`.
int say(const OptCommand *self, int code, const char *why);

// Writes `b` to standard output and frees it.
void put_out(Buf *b);

// When the process began; set once by main().
extern double process_start;

// Tells what went wrong, and closes the session; gives `code`.
int finish(const OptCommand *self, RtSession *s, int code);

// Tests the run at `dir` as its recipe says. An exit code, what went wrong is told.
int test_run(const OptCommand *self, const char *dir, int threads);

// ---- gssm-run_train.c

// How a run is trained.
typedef struct TrainHow {
    int threads;       // 0: all cores
    const char *runs;  // folder of runs
    const char *label; // last part of the name of the run's folder; NULL: the time
    const char *from;  // a run whose state it begins with, or NULL
    bool test;         // test it at the end
    bool quiet;
} TrainHow;

// Trains a recipe in a new run, or goes on with the run at `dir`. An exit code, what went wrong is
// told.
int train_run(const OptCommand *self, const TrainHow *how, const RtRecipeDef *def);
int resume_run(const OptCommand *self, const TrainHow *how, const char *dir);

// ---- commands

int command_train(const OptCommand *self, int argc, char **argv); // gssm-run_train.c
int command_resume(const OptCommand *self, int argc, char **argv);

int command_table(const OptCommand *self, int argc, char **argv); // gssm-run_table.c
int command_plot(const OptCommand *self, int argc, char **argv);  // gssm-run_plot.c
int command_env(const OptCommand *self, int argc, char **argv); // gssm-run_env.c

#endif
