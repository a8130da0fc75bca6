// ir/lang/world.h -- instances of modules and what they are bound to. Private to ir/lang.
#ifndef IR_LANG_WORLD_H
#define IR_LANG_WORLD_H

#include "ir/lang/decl.h"
#include "ir/lang/lang.h"
#include "ir/lang/value.h"

typedef struct Dim Dim;

// A dim of an instance, tied to dims of siblings by interfaces.
struct Dim {
    DimDecl *decl;
    const char *name;
    LangInstance *instance;
    Loc loc;
    bool bounded; // max and likely count, and `value` is -1 unless bound by -D
    int64_t max, likely;
    bool known;    // `value` counts
    bool reported; // an error told why it does not
    int64_t value;
    const char *origin;    // "file", "default", "-D", "interface"
    const LangPair *given; // by -D, or NULL
    enum { DIM_UNSEEN, DIM_RUNNING, DIM_DONE } state;
    int n_links, cap_links;
    Dim **links;
    int n_sources, cap_sources; // links that an interface of this instance made
    Dim **sources;
};

typedef struct Option {
    const char *name;
    Loc loc;
    Value *value;
    bool is_set;
} Option;

// A parameter, state or setting: a tensor that lives outside of functions.
struct Slot {
    const char *name;  // full: "dynamics.decoder.0.w"
    const char *local; // within its instance: "decoder.0.w"
    LangInstance *instance;
    IrRole role;
    IrDtype dtype;
    int rank;
    int64_t dims[IR_MAX_RANK];
    double value; // SETTING: default
    Loc loc;
    bool is_set;
};

struct LangInstance {
    LangWorld *world;
    const char *name; // "" for the entry file; NULL for an imported library
    LangFile *file;
    bool is_library;
    bool is_used;           // a module parameter, or the dim of an interface, refers to it
    bool is_default;        // made from an interface's defaults
    LangInstance **imports; // as file->imports; NULL where it could not be read
    LangInstance **modules; // as file->modules; NULL where unbound
    bool *module_reported;  // as file->modules: an error told why it is unbound
    int n_dims, cap_dims;
    Dim **dims;
    Option *options; // as file->options
    Slot **settings; // as file->settings
    Value *params;   // records of slots; NULL until found
    Value *state;
    bool finding_params, finding_state;
};

// State of an optimiser, named by its program.
typedef struct OptimiserState {
    LangInstance *instance;
    ProgramDecl *program;
    Callable *optimiser;
    Value *params; // record of slots that are optimised, by names within the state
    Value *state;  // record of slots
} OptimiserState;

struct LangWorld {
    Arena *a;
    Diag *d;
    IrDtype real;
    const char *const *roots;
    int n_roots;
    LangPair *binds, *sets, *dims;
    int n_binds, n_sets, n_dims;
    bool *set_used, *dim_used;
    Map files;                // identity -> LangFile
    Map libraries;            // identity -> LangInstance
    LangInstance **instances; // of distinct modules, the entry first where there is one
    int n_instances, cap_instances;
    Map by_name; // name -> LangInstance, aliases included
    LangInstance *std;
    OptimiserState **optimisers;
    int n_optimisers, cap_optimisers;
    LangEntry *entries;
    int n_entries;
    const char **names;
    LangBinding *bindings;
    int n_bindings;
    Map patterns; // (instance, function) -> Pattern
};

// files.c
LangFile *world_read(LangWorld *w, const char *path, const LangFile *beside, Loc loc,
                     const char *what);

// dims.c
void dims_declare(LangWorld *w, LangInstance *in); // makes in->dims
void dims_link(LangWorld *w, LangInstance *in);    // ties them to siblings
bool dims_resolve(LangWorld *w, Dim *dim);         // false when it has no number
void dims_finish(LangWorld *w);                    // resolves all, reports misfits and unused -D
Dim *dims_find(const LangInstance *in, const char *name);
// The number of a pair; false, reported, when it is none.
bool dims_number(LangWorld *w, const LangPair *pair, int64_t *value);
// What -D said of a dim of an instance, or NULL. Marks it as used.
const LangPair *dims_given(LangWorld *w, const char *instance, const char *name);

// interface.c
bool world_implements(const LangInstance *in, const LangFile *interface);
void interface_check(LangWorld *w, LangInstance *in);

// The function `name` of an instance: its own, or the default of an interface.
FuncDecl *world_function(const LangInstance *in, const char *name);
// Names of all functions of an instance, for did-you-mean; owned by the world.
int world_function_names(const LangInstance *in, const char ***names);

// params.c: records of slots, found on first use.
Value *params_of(LangInstance *in);
Value *params_state_of(LangInstance *in);

#endif
