// tools/gssm-run_env.h -- what the actions of `gssm-run env` share.
#ifndef TOOLS_GSSM_RUN_ENV_H
#define TOOLS_GSSM_RUN_ENV_H

#include "envs/env.h"
#include "runtime/exec/pool.h"

typedef struct EnvOptions {
    const char *name, *task, *variant, *policy, *module, *output, *data;
    int64_t seed, rows, threads;
    bool json;
} EnvOptions;

// Opens a batch for the variant of --variant, whose steps may use the threads of `pool`; NULL: its
// own or none. False with a sentence in `why`.
bool env_open(EnvBatch *b, const EnvOptions *o, const EnvFamily *f, int rows, int threads, RtPool *pool,
              char *why, int why_size);

// Draws the actions of step `step` for all rows, each by its row's key; row 0 is episode `first`.
void env_random_actions(const EnvBatch *b, uint64_t seed, int first, int step, double *action);

// Starts the episode `first + row` of each row, in the task of --task or in one drawn for it. False
// with a sentence in `why`.
bool env_reset_all(EnvBatch *b, const EnvOptions *o, int first, char *why, int why_size);

// The file of reference data of a family: in the folder of --data, or in tests/data beside a models
// folder. False where there is none.
bool env_find_data(const EnvOptions *o, const EnvFamily *f, char *path, size_t size);

// Whether the family, in its usual variant, makes the transitions that the file at `path` records
// of another program. False with a sentence in `why` that names the first that differs, or says
// what is wrong with the file.
bool env_agrees_with_data(const EnvOptions *o, const EnvFamily *f, const char *path, char *why,
                          int why_size);

// The actions `check` and `bench` on one family; an exit code, with a sentence in `why` on errors.
int env_check(const EnvOptions *o, const EnvFamily *f, char *why, int why_size);
int env_bench(const EnvOptions *o, const EnvFamily *f, char *why, int why_size);

#endif
