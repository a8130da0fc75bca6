// runtime/train/world.h -- the programs of a recipe, compiled, and the state they work on.
//
// Stages ask for entries by name ("dynamics.fit", "actor.step"); all are compiled before the first
// step. A unit is an entry with memory for its inputs and outputs, and counts of its calls.
#ifndef RUNTIME_TRAIN_WORLD_H
#define RUNTIME_TRAIN_WORLD_H

#include "runtime/exec/call.h"
#include "runtime/train/formula.h"
#include "runtime/train/recipe.h"

typedef struct RtUnit {
    const char *name; // "dynamics.fit"
    const char *instance, *entry;
    Loc loc;            // where it was first asked for
    RtProgram *program; // NULL for a function that gives nothing
    RtCall *call;
    int64_t calls; // since the counts were taken
    double seconds;
    char hash[33]; // of its graph after all passes
} RtUnit;

struct RtWorld {
    Arena arena;
    RtRecipe *recipe;
    Diag *diag; // the recipe's
    LangWorld *lang;
    Backend *backend;
    RtPool *pool;
    RtUnit **units;
    int n, cap;
    RtProgram *initial;
    RtCall *initial_call;
    RtState *state; // what calls are bound to; the world's own when it is closed
    RtVars test_vars; // numbers of the stages of test.adapt, which all testers share
    double build_seconds;
};

// Reads the modules that the recipe binds. Errors go to the recipe's diag; gives an exit code, with
// a sentence in `why` where the diag has none. `recipe` must outlive it. The caller closes it with
// rt_world_close() in any case.
int rt_world_open(RtWorld *w, RtRecipe *recipe, int threads, char *why, size_t why_size);
void rt_world_close(RtWorld *w);

// Requests the entry `name` of an instance. NULL with an error at `loc` where there is none.
RtUnit *rt_world_ask(RtWorld *w, const char *name, Loc loc, LangEntryKind kind);

// Compiles what was asked for. Gives an exit code, as above.
int rt_world_build(RtWorld *w, char *why, size_t why_size);

// A state with the initial values of `seed`. The caller frees it with rt_state_free().
RtState *rt_world_initial(RtWorld *w, uint64_t seed);

// Gives the entries of `s` that `fresh` marks (one for each; NULL: all) the initial values of
// `seed`.
void rt_world_fresh(RtWorld *w, RtState *s, const bool *fresh, uint64_t seed);

// Binds all calls to `s`.
void rt_world_bind(RtWorld *w, RtState *s);

// Sets all dims of `u` to their likely values and all settings to their defaults, so that a stage
// finds nothing of another one.
void rt_unit_reset(RtUnit *u);

// Runs `u` once, and counts it.
void rt_unit_run(RtUnit *u, uint64_t seed, uint64_t call);

// The named dim that axis `axis` of an input or output is, or NULL where it is a number. -1 for
// `slot` is allowed and gives NULL.
const IrDimVar *rt_unit_input_dim(const RtUnit *u, int slot, int axis);
const IrDimVar *rt_unit_output_dim(const RtUnit *u, int slot, int axis);

// The greatest value of the dim called `name`, or -1 where the unit has none.
int64_t rt_unit_max_dim(const RtUnit *u, const char *name);

// Whether axis `axis` of input `slot` can be `value`, which `what` names; if not, an error at
// `loc`. True where `slot` is -1. A value that changes from call to call is checked with `changes`,
// its greatest value given: then the axis must be a dim.
bool rt_unit_check_axis(RtWorld *w, const RtUnit *u, int slot, int axis, int64_t value,
                        bool changes, const char *what, Loc loc);

// Type of an input or output.
const IrType *rt_unit_input_type(const RtUnit *u, int slot);
const IrType *rt_unit_output_type(const RtUnit *u, int slot);

// Seconds of a monotonic clock.
double rt_now(void);

#endif
