// tools/gssm-run_partial.h -- a test that goes on: what is known of its tasks, in a file.
//
// `eval/{name}.partial.jsonl` has a first line that says what is tested and a line for each task
// that was. It grows while a test runs, and goes when the test has its result.
#ifndef TOOLS_GSSM_RUN_PARTIAL_H
#define TOOLS_GSSM_RUN_PARTIAL_H

#include "runtime/train/session.h"

typedef struct Partial {
    Arena arena;
    const char *path;
    RtTaskResult *results; // (n_tasks)
    bool *known;
    int n_tasks, n_known;
    int fd; // valid while `open`
    bool open;
    char *why;
    size_t why_size;
} Partial;

// Reads what there is of the test `name` of the run at `dir`, of `n_tasks` tasks; what is left from
// another recipe, or from other programs, is dropped. Then the session's memory is `p`. False with a
// sentence in s->why.
bool partial_open(Partial *p, RtSession *s, const char *dir, const char *name, int n_tasks);

// Closes the file, and removes it where the test is done.
void partial_close(Partial *p, bool done);

#endif
