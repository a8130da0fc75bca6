// passes/pass.h -- what a pass is, and the runner that does everything around one.
#ifndef PASSES_PASS_H
#define PASSES_PASS_H

#include <stdbool.h>
#include <stdio.h>

#include "ir/base/arena.h"
#include "ir/build.h"
#include "ir/ir.h"
#include "ir/schedule.h"

// What a pass may use besides the function it is given.
typedef struct PassCtx {
    Arena *scratch; // reset as soon as the pass returns
    Diag *diag;     // errors that only a pass can find (no gradient through an operation, ...)
    Buf *notes;     // why a pass did not do what one might expect, a line each; or NULL
} PassCtx;

// Rewrites `f` in place and says whether anything changed. Bodies are rewritten too. Ids are dense
// (ir_renumber) when a pass starts; it need not keep them so. New nodes carry the loc and path of
// the node they stand for.
typedef bool PassFn(PassCtx *cx, IrFunction *f);

// The same for the passes that turn a function into kernels and a tree (ir/schedule.h).
typedef bool LowerFn(PassCtx *cx, IrSchedule *s);

typedef enum PassId {
#define PASS(name, doc)  PASS_##name,
#define LOWER(name, doc) PASS_##name,
#include "passes/passes.def"
    PASS_COUNT
} PassId;

// A row of passes.def; one of `run` and `lower` is set.
typedef struct PassInfo {
    const char *name;
    PassFn *run;
    LowerFn *lower;
    const char *doc;
} PassInfo;
extern const PassInfo pass_info[PASS_COUNT];

#define PASS(name, doc)  PassFn pass_##name;
#define LOWER(name, doc) LowerFn pass_##name;
#include "passes/passes.def"

PassId pass_find(const char *name); // PASS_COUNT when there is none

// Whether nothing can be compiled without this pass: it is not left out, neither by `disabled` nor
// by bisection.
bool pass_is_needed(PassId id);

// Looks at `f` after `pass`, which was execution number `number` (from 1) of the program's passes; it
// may not change `f`.
typedef void PassWatch(void *data, PassId pass, int number, const IrFunction *f);

// What the runner does besides running. A zeroed PassOptions runs quietly.
typedef struct PassOptions {
    bool verify_each;          // always on in builds with assertions
    bool disabled[PASS_COUNT]; // passes that are skipped (those that are needed refuse: inline, grad, map)
    const char *dump_dir;      // numbered files 03-after-cse.gir, or NULL
    const char *print_after;   // pass name, "all", "change", or NULL: to `print`
    FILE *print;
    Buf *notes;                // collects what the passes note (PassCtx.notes), or NULL
    PassWatch *watch;          // called after each PASS row, or NULL
    void *watch_data;
    int bisect_limit;          // > 0: run only so many optional pass executions
    const PassId *pipeline;    // NULL: the default pipeline
    int n_pipeline;
} PassOptions;

// What happened, for --time-passes and --pass-stats.
typedef struct PassStat {
    PassId pass;
    double seconds;
    int nodes_before, nodes_after;
    bool changed;
} PassStat;

typedef struct PassReport {
    PassStat *stats; // owned by the arena given to pass_run_pipeline
    int n, cap;
    int n_runs; // executions so far, with those that were left out: the numbers of dumped files
} PassReport;

// The default pipeline: a readable list in passes/pipeline.c, PASS rows first, then LOWER rows. In
// any pipeline, `grad` or `map` that eliminated something sends the runner back to behind the last
// `inline` before it (or to the start): so each elimination is preceded by what tidies, and follows
// those within it.
extern const PassId pass_default_pipeline[];
extern const int pass_default_pipeline_length;

// Runs the PASS rows of the pipeline on `f`. False when a pass reported an error to `d`. `report`
// may be NULL.
bool pass_run_pipeline(IrFunction *f, const PassOptions *options, Diag *d, Arena *report_arena,
                       PassReport *report);

// Runs the LOWER rows on `f` (whose graph is final) and gives its schedule, owned by f->arena; NULL on error. What
// the target can do comes with `target`.
IrSchedule *pass_lower(IrFunction *f, const IrTarget *target, const PassOptions *options, Diag *d,
                       Arena *report_arena, PassReport *report);

#endif
