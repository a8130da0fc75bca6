// runtime/exec/program.h -- an entry of a world as compiled code.
//
//   world --lang_elaborate--> functions --passes--> graph --lowering--> schedule --back end--> step
//
// A program is constant once built and serves any number of states (call.h).
#ifndef RUNTIME_EXEC_PROGRAM_H
#define RUNTIME_EXEC_PROGRAM_H

#include "codegen/backend.h"
#include "ir/lang/lang.h"
#include "passes/pass.h"
#include "runtime/exec/state.h"

// How to build; zeroed but for `backend` is good. `draws`: sites whose values come with each call.
typedef struct RtProgramDef {
    Backend *backend;
    PassOptions passes;
    BackendOptions options;
    const char *const *draws;
    int n_draws;
} RtProgramDef;

typedef struct RtProgram {
    const char *name; // "dynamics.fit"
    Backend *backend;
    IrFunction *fn; // after all passes; slots of inputs and outputs
    IrSchedule *schedule;
    BackendStep *step;
    bool *draws_found; // one for each of def->draws
    PassReport passes; // times and counts
    BackendReport code;
    double read_seconds; // elaboration
    int n_calls;         // kernel calls in the tree
    double flops, bytes; // of one step at the likely sizes
    bool has_pieces;     // some kernel is cut into pieces, so threads help
} RtProgram;

// Builds one program, owned by the arena `a` but for its code (rt_program_free()). NULL with errors
// in `d`, or with a sentence in `why` when the back end failed.
RtProgram *rt_program_new(Arena *a, LangWorld *w, Diag *d, const LangRequest *request,
                          const RtProgramDef *def, char *why, size_t why_size);

// The same from a function that was already made (IR text); `fn` is rewritten.
RtProgram *rt_program_from(Arena *a, IrFunction *fn, Diag *d, const RtProgramDef *def, char *why,
                           size_t why_size);

// Frees the compiled code. Accepts NULL.
void rt_program_free(RtProgram *p);

// A state for world `w` with its initial values for `seed`, evaluated by the reference back end.
// Ask after all programs of the world were built, so that their optimisers' states are there. NULL
// as above. The caller frees it with rt_state_free().
RtState *rt_initial_state(Arena *a, LangWorld *w, Diag *d, uint64_t seed, char *why,
                          size_t why_size);

#endif
