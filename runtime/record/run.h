// runtime/record/run.h -- run folders.
//
// A sweep (runtime/train/sweep.h) is a folder of runs with a file sweep.json.
//
//   runs/{env}__{system}__{seed}__{time}/
//     config.yaml      the resolved recipe; its presence says that the folder is complete
//     events.jsonl     what happened, the same bytes for the same recipe and seed
//     timing.jsonl     when, where and how fast; stops and resumes
//     progress.csv     the learning curve, derived from the events
//     episodes/        real episodes, one immutable file each
//     checkpoints/     the newest commits
//     eval/            results of evaluations, and their times, see table.h
//     lock             held (flock) by the process that writes the run
//
// Functions that return int give an exit code of ir/base/exits.h and put a sentence into `why`
// where it is not EXIT_OK.
#ifndef RUNTIME_RECORD_RUN_H
#define RUNTIME_RECORD_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/buf.h"

// An open run. A zeroed one is closed.
typedef struct RtRun {
    char *dir;
    int lock_fd;
    bool locked;
} RtRun;

typedef struct RtRunDef {
    const char *root; // folder of runs, made where missing
    const char *env, *system;
    int64_t seed;
    const char *time;   // last part of the name; NULL for the present, as 20310415-081502 (UTC)
    const char *config; // text of config.yaml
    size_t config_len;
} RtRunDef;

// The file that makes a folder of runs a sweep.
#define RT_SWEEP_FILE "sweep.json"

// Puts the name of the folder, {env}__{system}__{seed}__{time}.
void rt_run_put_name(Buf *b, const RtRunDef *def);

// Makes the folder `path`, with -2, -3, ... behind it where it exists. False with errno.
bool rt_run_make_unique(Buf *path);

// Makes the folder (with -2, -3, ... behind the name where it exists), takes the lock, and writes
// config.yaml last. EXIT_CANNOT_CREATE where that fails.
int rt_run_create(RtRun *run, const RtRunDef *def, char *why, size_t why_size);

// Opens an existing run: to read it, or to write it, which takes the lock. EXIT_MISSING: there is
// no such folder. EXIT_BAD_INPUT: it is no run, or was stopped while it was being made.
// EXIT_IN_USE: another process writes it.
int rt_run_open(RtRun *run, const char *dir, bool write, char *why, size_t why_size);

// Gives the lock back. Accepts a closed run.
void rt_run_close(RtRun *run);

// The path of `name` in the run folder, owned by `a`.
char *rt_run_path(const RtRun *run, Arena *a, const char *name);

// A run as its folder shows it.
typedef struct RtRunInfo {
    const char *name, *dir; // folder name, behind that of its sweep and '/' in one; path
    const char *env, *system, *time;
    int64_t seed;
    bool in_use;        // a process is writing it
    bool complete;      // config.yaml is there
    int64_t commit;     // newest readable checkpoint, -1 where there is none
    const char *cursor; // stage cursor of that checkpoint (JSON text), or NULL
} RtRunInfo;

// Facts of one folder; texts owned by `a`. False where its name is not
// {env}__{system}__{seed}__{time}.
bool rt_run_info(RtRunInfo *info, Arena *a, const char *dir);

// All runs in `root` and in its sweeps, by name, owned by `a`; the count in `n`. EXIT_MISSING: no such folder.
int rt_run_list(Arena *a, const char *root, RtRunInfo **runs, int *n, char *why, size_t why_size);

#endif
