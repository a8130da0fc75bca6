// ir/lang/lang.h -- from YAML files to functions of the IR.
//
// A world is a set of instances of modules, bound to each other by name. From a world one asks
// for entries: a function, a program, or the initial values of all parameters and states. What a
// file means is docs/language.md. All errors go to the Diag; asking goes on after errors so that
// all are found in one run.
#ifndef IR_LANG_LANG_H
#define IR_LANG_LANG_H

#include "ir/base/diag.h"
#include "ir/ir.h"

typedef struct LangWorld LangWorld;
typedef struct LangInstance LangInstance;

typedef struct LangPair {
    const char *name;  // "dynamics" / "N" or "dynamics.dx" / "dynamics.hidden"
    const char *value; // path of a module / an integer / a YAML scalar
    Loc loc;           // where it was said (line 0: on the command line)
} LangPair;

typedef struct LangOptions {
    const char *const *roots; // folders that paths are searched in, after the file's own
    int n_roots;
    IrDtype real;          // IR_F32 or IR_F64
    const LangPair *binds; // instances: name -> module path. "" is the entry file itself
    int n_binds;
    bool strict_binds; // a bind that nothing refers to is an error
    const LangPair *sets; // options and settings
    int n_sets;
    const LangPair *dims; // values of dims (as by -D); bounded dims may be bound to numbers
    int n_dims;
} LangOptions;

// Reads the modules of all binds with their imports and interfaces, resolves options, dims and
// module parameters, checks that interfaces are implemented, and finds the parameters and states of
// every instance. NULL when no module could be read; else the world, with d->n_errors telling.
// Owned by `a`.
LangWorld *lang_open(Arena *a, Diag *d, const LangOptions *options);

// Elaborates every function, program, layer and initial value of instance "" (or of all instances
// with `all`), so that every error of the files is reported. For gssmc check.
void lang_check(LangWorld *w, Diag *d, bool all);

// ---- what there is --------------------------------------------------------------------------

typedef enum LangEntryKind { LANG_FUNCTION, LANG_PROGRAM } LangEntryKind;

typedef struct LangEntry {
    const char *instance; // "" for the entry file
    const char *name;
    LangEntryKind kind;
    bool generic; // takes functions or arbitrary records, so it cannot be compiled alone
    const char *doc;
    Loc loc;
} LangEntry;

int lang_entries(LangWorld *w, const LangEntry **entries); // functions and programs, in file order

// Whether the instance has the function: its own, or by the default of an interface.
bool lang_has_function(LangWorld *w, const char *instance, const char *name);

// Instances of the world, and facts about each.
int lang_instances(LangWorld *w, const char *const **names);
const char *lang_module_path(LangWorld *w, const char *instance);
bool lang_dim_value(LangWorld *w, const char *instance, const char *dim, int64_t *value);
bool lang_option_text(LangWorld *w, const char *instance, const char *option, const char **text);

// Dims, options and settings as bound, one "name = value" each with origin, for reports.
typedef struct LangBinding {
    const char *instance, *name, *value, *origin; // origin: "default", "-D", "interface", ...
    enum { LANG_DIM, LANG_OPTION, LANG_SETTING } kind;
    Loc loc;
} LangBinding;
int lang_bindings(LangWorld *w, const LangBinding **bindings);

// ---- entries to IR --------------------------------------------------------------------------

typedef struct LangRequest {
    const char *instance;   // "" for the entry file
    const char *name;       // function or program, or NULL for the initial values
    const char *grad;       // function: add gradients of this output (a scalar), or NULL
    const char *const *wrt; // names of parameters ("dynamics.key.w") for `grad`; NULL: all used
    int n_wrt;
    const char *const *more_outputs; // paths of nodes of the function to give as further outputs
    int n_more_outputs;              //   ("h", "belief.h"); those not found are reported
} LangRequest;

// A module of IR functions with calls; the last function is the entry. Inputs of the entry:
// IR_ROLE_INPUT ("xc"; records flattened: "belief.k"), IR_ROLE_PARAM and IR_ROLE_STATE
// ("decoder.0.w", with the instance's name before it where it has one; optimiser state
// "fit.m.key.w"), IR_ROLE_SETTING
// ("beta", "dynamics.kl_weight"). Only parameters that are used are inputs. Outputs: IR_ROLE_OUT
// ("loss", "belief.k"; "out" when the output is not a record), IR_ROLE_GRAD (named after the
// parameter), IR_ROLE_UPDATE (target: index of the input). Bounded dims of the entry are variables
// of module->dims. Calls carry in `path` the name of the node that calls; draws carry their site
// relative to their function; loops their name.
//
// Initial values (name == NULL): no inputs; outputs are IR_ROLE_PARAM and IR_ROLE_STATE, for every
// parameter and state of every instance and the optimiser states of all programs that have been
// requested from this world before.
//
// NULL when there were errors. Owned by the world's arena.
IrModule *lang_elaborate(LangWorld *w, Diag *d, const LangRequest *request);

#endif
