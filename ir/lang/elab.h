// ir/lang/elab.h -- elaboration: forms and expressions become values and nodes. Private to ir/lang.
//
// A request (Elab) makes one module of IR functions. A Fn is an IR function being made; a Frame is
// a block of it being filled: its own, or the body of a scan, map or grad. A value knows the frame
// of its node; using it further inside captures it on the way. A Scope holds names; nodes of a
// function are elaborated when first named, whatever their order in the file.
#ifndef IR_LANG_ELAB_H
#define IR_LANG_ELAB_H

#include "ir/build.h"
#include "ir/lang/value.h"
#include "ir/lang/world.h"

enum {
    ELAB_MAX_CALLS = 200,       // functions within each other
    ELAB_MAX_DEPTH = 2500,      // expressions within each other, names followed
    ELAB_MAX_NODES = 2000000,   // of a request, calls written out
    ELAB_MAX_WORK = 50000000,   // expressions evaluated
    ELAB_MAX_NESTING = 64,      // of records within each other
    ELAB_MAX_LEAVES = 100000,   // of a record
    ELAB_MAX_REPEAT = 10000,    // times of one repeat
    ELAB_LENIENT_MAX = 1000003, // maximum of a dim without one, where only types matter
};
#define ELAB_MAX_ELEMENTS ((int64_t)1 << 40)

typedef struct Fn Fn;
typedef struct Scope Scope;
typedef struct Cx Cx;

// A function called with values of certain types, and what became of it.
typedef struct Special {
    const char *key;
    Value *result;  // its shape is that of the result; tensors are those of the function
    IrFunction *ir; // NULL when it failed
    int n_slots;
    Slot **slots; // of its inputs behind the explicit ones, in order
    int n_sites;
    const char **sites; // of its draws, relative
    int64_t n_nodes;    // with calls written out
} Special;

typedef struct Elab {
    LangWorld *w;
    Diag *d;
    Arena *a;
    IrModule *module;
    Map specials;       // key -> Special
    Map function_names; // name -> int, the next number below it
    bool lenient;       // dims without a maximum get one: for types alone
    bool checking;      // unbound modules are poison; functions need no maxima
    bool is_program;    // that does need them
    bool stopped;       // a limit was passed; everything is poison
    int depth, calls;
    int64_t work;
    int64_t n_nodes;
} Elab;

// A draw site or loop name that is taken; sites in order.
struct Fn {
    Elab *e;
    IrFunction *ir;
    Frame *base;
    Map slots; // full name with role -> IrNode input
    int n_used, cap_used;
    Slot **used; // slots in order of their inputs
    Map taken_sites, taken_loops;
    int n_sites, cap_sites;
    const char **sites;
    int64_t n_called; // nodes of callees
    bool initial;     // initial values: settings have their defaults, states are out of reach
    const Map *known; // initial: parameters by full name, 0 where it lacks one; NULL: out of reach
};

typedef struct Capture {
    IrNode *outer, *param;
} Capture;

struct Frame {
    Frame *outer; // NULL for a function's own block
    Fn *fn;
    IrBlock *block;
    int n_captures, cap_captures;
    Capture *captures;
};

// A name of a scope: a value, or a form that becomes one when first used.
typedef struct Binding {
    const char *name;
    Loc loc;
    Value *value;
    Form *form;
    const char *path;
    enum { BINDING_LAZY, BINDING_RUNNING, BINDING_DONE } state;
} Binding;

struct Scope {
    Scope *outer;
    Map names; // name -> Binding
    int n, cap;
    Binding **bindings; // in order
    const Cx *cx;       // where its lazy forms are elaborated
    const char *what;   // "loss", for "from inputs of loss"
};

// A call around, for "called here" notes.
typedef struct CallSite {
    const struct CallSite *outer;
    const FuncDecl *function; // or NULL
    const LangInstance *instance;
    const char *name;
    Loc loc;
} CallSite;

// Where an expression stands.
struct Cx {
    Elab *e;
    Fn *fn;
    Frame *frame;
    Scope *scope;           // innermost names; behind them those of `instance`
    LangInstance *instance; // module whose file the expression is of
    const char *path;       // of names within fn, "" for the output
    const CallSite *site;
    struct Signature *dims; // makes dims of the entry on demand (programs), or NULL
};

// Arguments of a call, evaluated.
typedef struct Args {
    Loc loc; // of the call
    int n;   // positional first
    Value **values;
    const char **names; // NULL for positional
    Loc *locs;
} Args;

// ---- errors -------------------------------------------------------------------------------------

// After an error was reported: adds where calls came from, gives poison.
Value *elab_poison(Cx *cx);

// Reports an error; the caller adds notes, then elab_poison().
void elab_error(Cx *cx, Loc loc, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void elab_note(Cx *cx, Loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));

// Note: "'x' is f32[N,6], from inputs of loss", at the place it came from.
void elab_note_value(Cx *cx, const Value *v);

// Behind an error about a value that should be known at compile time: that it comes from a setting,
// or what it is. `e` is where it is written, or NULL.
void elab_note_not_static(Cx *cx, const Value *v, const Expr *e);

// v in words, owned by the request's arena.
const char *elab_describe(Cx *cx, const Value *v);
const char *elab_type_text(Cx *cx, const IrType *t);
const char *elab_dim_text(Cx *cx, const IrDim *d);

// Greatest value of a size, to hold against limits; 1 where a maximum was invented (ELAB_LENIENT_MAX).
double elab_dim_most(const IrDim *d);

// ---- frames and nodes (frame.c) -----------------------------------------------------------------

Fn *fn_new(Elab *e, const char *name, Loc loc);
Frame *frame_new(Cx *cx); // a body within cx->frame
IrBuilder frame_builder(Cx *cx, Loc loc);
IrNode *frame_param(Frame *f, IrType type, const char *name, Loc loc);

// The node of tensor `v` in cx->frame, captured where needed.
IrNode *frame_use(Cx *cx, const Value *v);

// The node of `slot` in cx->frame.
IrNode *frame_slot(Cx *cx, Slot *slot);

// A tensor value of a node that stands in cx->frame. Poison when it has too many elements.
Value *frame_value(Cx *cx, IrNode *n, const Expr *expr, Loc loc);

// Orders the body's parameters as [captured | own] and gives the outer operands, captured first.
IrNode **frame_close(Cx *cx, Frame *body, int n_own, IrNode **own, IrNode **own_in, int *n_in);

// Drops slots that nothing uses from the finished function.
void fn_finish(Fn *fn);

// A free draw site, or name of a loop, at `path` (".2" and so on for the next ones).
const char *fn_take_site(Fn *fn, const char *path);
const char *fn_take_loop(Fn *fn, const char *path);
// The path of a call, such that the callee's sites below it are free; takes them.
const char *fn_take_call(Fn *fn, const char *path, int n_sites, const char **sites);

// ---- scopes (scope.c) ---------------------------------------------------------------------------

Scope *scope_new(Cx *cx, Scope *outer, const char *what);
void scope_put(Cx *cx, Scope *s, const char *name, Loc loc, Value *v);
// Lazy forms, elaborated in `at` (kept) with paths below `at->path`.
void scope_put_fields(Cx *at, Scope *s, const Fields *fields);
// Elaborates what was not used yet, for its errors; the nodes are dropped again when `drop`.
void scope_finish(Cx *cx, Scope *s, bool drop);

// The value of a name in the scopes, or NULL.
Value *scope_find(Cx *cx, const char *name, Loc loc);
// The same, then behind them the names of the module, or NULL.
Value *scope_lookup(Cx *cx, const char *name, Loc loc);
// A module parameter that nothing is bound to: an error, or silence while a file is checked alone.
Value *scope_unbound(Cx *cx, const char *name, Loc loc);
// Reports an unknown name.
Value *scope_unknown(Cx *cx, const char *name, Loc loc);

// Whether `slot` has a value in cx->fn: not so where initial values are made that it is no part of.
// False, reported.
bool scope_reaches(Cx *cx, const Slot *slot, Loc loc);
// What has the type that `e` names: a module parameter, `params`, a parameter or a state. NULL when
// there is none.
Value *scope_typed(Cx *cx, const Expr *e);

// A dim, option, setting, parameter or state of `in`, or NULL.
Value *scope_instance_value(Cx *cx, LangInstance *in, const char *name, Loc loc);
// The instance that a name means here: a module parameter or an import. False when it is none;
// *in is NULL where it is one that is not bound.
bool scope_instance(Cx *cx, const char *name, LangInstance **in, bool *is_module);

// ---- evaluation ---------------------------------------------------------------------------------

Value *elab_form(Cx *cx, const Form *f);
Value *elab_expr(Cx *cx, const Expr *e);
Value *elab_call(Cx *cx, const Expr *e);
Value *elab_index(Cx *cx, const Expr *e);
// The field e->name of `base`.
Value *elab_field(Cx *cx, Value *base, const Expr *e);
Value *elab_structure(Cx *cx, const Form *f); // if, scan, map, repeat
// Where a function is expected: a value of kind FUNCTION or poison.
Value *elab_function(Cx *cx, const Expr *e);
// A function by its name or instance.name, without values of that name; NULL when there is none.
Callable *elab_find_function(Cx *cx, const Expr *e);

// Known now, or poison: a whole number, true or false.
bool elab_static_int(Cx *cx, const Form *f, const char *what, int64_t *i);

// Poison, reported where `v` is none: `what` is true or false at compile time, and `v`, written
// `e`, is not.
Value *elab_not_truth(Cx *cx, const Value *v, const Expr *e, Loc loc, const char *what);

// Size from a value (INT, DIM), or NULL, reported. `what` starts the sentence.
IrDim *elab_size(Cx *cx, const Value *v, Loc loc, const char *what);

// `v`, or poison, reported, where records are nested too deep or too large.
Value *elab_bounded(Cx *cx, Value *v, Loc loc);

// ---- arithmetic (arith.c, leaves.c) -------------------------------------------------------------

Value *arith_binary(Cx *cx, const char *op, Value *x, Value *y, const Expr *expr, Loc loc);
Value *arith_unary(Cx *cx, const char *op, Value *x, const Expr *expr, Loc loc);
Value *arith_map(Cx *cx, IrOp op, Value **in, const char *name, const Expr *expr, Loc loc);
Value *arith_select(Cx *cx, Value *c, Value *x, Value *y, const Expr *expr, Loc loc);
Value *arith_matmul(Cx *cx, Value *x, Value *y, const Expr *expr, Loc loc);
Value *arith_cast(Cx *cx, Value *x, IrDtype dtype, const Expr *expr, Loc loc);

// A number, truth value or size as a tensor; tensors as they are. `like` is the element type where
// a whole number may have either, or IR_DTYPE_COUNT for i32. Poison, reported, for anything else.
Value *arith_tensor(Cx *cx, Value *v, IrDtype like, Loc loc);

// The common shape of `n` tensors by NumPy's rule into `to`; false, reported.
bool arith_broadcast(Cx *cx, int n, Value *const *in, IrType *to, const char *what, Loc loc);
// `v` as element type and shape `to`, as a node in cx->frame.
IrNode *arith_node(Cx *cx, const Value *v, const IrType *to, Loc loc);

// f over the leaves of records: arguments that are no records go to every leaf.
typedef Value *LeafFn(Cx *cx, Value **args, int n, void *data);
Value *elab_leafwise(Cx *cx, Value **args, int n, LeafFn *f, void *data, const char *what, Loc loc);

// `v` with all leaves tensors, for what must be a result; NULL-kinds are errors.
Value *elab_tensors(Cx *cx, Value *v, const char *what, Loc loc);
// The same, where numbers take the element type of the tensor in their place in `like`.
Value *elab_tensors_like(Cx *cx, const Value *like, Value *v, const char *what, Loc loc);
// `v` with its fields in the order of `like`, and of the kinds that records have there.
Value *value_reorder(Arena *a, const Value *like, Value *v);

// ---- calls (calls.c, match.c, grads.c, layers in params.c) --------------------------------------

Value *elab_apply(Cx *cx, Callable *f, Args *args);
Value *elab_apply_grad(Cx *cx, Callable *f, Args *args);
Value *elab_apply_layer(Cx *cx, Callable *f, Args *args); // makes parameters
Value *elab_apply_init(Cx *cx, Callable *f, Args *args);  // makes an optimiser's state

// Puts the arguments into at->scope, with defaults for those not given. False, reported.
bool elab_bind_arguments(Cx *cx, Cx *at, const Arguments *all, Value **given, const Loc *locs,
                         const char *function, Loc loc);

// Elaborates the body of `f` in cx (of its instance): inputs, dims, arguments are bound in
// `scope`. `nodes` receives the scope of its nodes.
Value *elab_body(Cx *cx, FuncDecl *f, Scope *scope, Scope **nodes, bool drop);

// A signature being matched: what its names stand for.
typedef struct Signature {
    Cx *cx;   // where its sizes are evaluated: arguments and module of the function
    Cx *from; // where the arguments stand; errors are reported there
    FuncDecl *function;
    Map dims;     // name -> IrDim
    Scope *scope; // the same as values, behind them cx->scope
    Map letters;  // letter -> Value
    bool entry;   // free names become dims of the entry
    Loc loc;      // of the call
} Signature;

Signature signature_open(Cx *cx, Cx *from, FuncDecl *f, Loc loc);
void signature_put_dim(Signature *s, const char *name, Loc loc, IrDim *d);

// Binds free names of a type by `v`; checks nothing.
void signature_bind(Signature *s, const TypeExpr *t, const Value *v);
// `v` as the input's type (numbers become tensors), or poison, reported at `loc`.
Value *signature_check(Signature *s, const TypeExpr *t, Value *v, const char *name, Loc loc);
// The value of a type with leaves by `make`; poison when it cannot be (letters, functions).
typedef Value *MakeLeaf(Cx *cx, IrType type, const char *path, Loc loc, void *data);
Value *signature_make(Signature *s, const TypeExpr *t, const char *path, MakeLeaf *make,
                      void *data);
// The size that `name` stands for; NULL, reported, where nothing tells.
IrDim *signature_dim(Signature *s, const char *name, Loc loc);
bool signature_is_generic(const FuncDecl *f);
bool type_has(const TypeExpr *t, TypeKind kind);

// A call of the module's function c->function with inputs that fit its signature `s`.
Value *elab_special(Cx *cx, const Callable *c, Value **inputs, Value **arguments, Signature *s,
                    const CallSite *site);
// c->record, which stands for the parameters of a module, with its fields in their order; NULL,
// reported, where its tensors have other shapes than the parameters.
Value *elab_parameters(Cx *cx, const Callable *c, Loc loc);

// The type of what a function gives: a value whose dims are of `dims`, by names of its signature.
// With `is_value` that of parameters or states.
typedef struct Pattern {
    IrDims *dims;
    Value *result; // poison when it could not be told
    bool running, is_value;
} Pattern;
Pattern *signature_pattern(Cx *cx, LangInstance *in, FuncDecl *f, Loc loc);
// ---- entries (request.c, programs.c, params.c) --------------------------------------------------

Elab *elab_new(LangWorld *w, Diag *d);
Cx elab_cx(Elab *e, Fn *fn, LangInstance *in);
// Inputs and names of an entry: cx gets the scope of arguments, *scope that of inputs in front of
// it. False when an input cannot be made; with `poison` such inputs are poison instead.
bool entry_open(Cx *cx, FuncDecl *f, Scope **scope, bool poison);
// False when there were errors, of now or before.
bool elab_program(Cx *cx, ProgramDecl *p, Scope *inputs); // cx: that of the entry
// Adds the tensors of `v` to the function's outputs, named below `prefix`.
void entry_outputs(Cx *cx, const Value *v, const char *prefix, IrRole role);
bool elab_initial(Cx *cx);
// Evaluates parameters or states in `cx`, whose path is their prefix: a record of initial values.
Value *params_make(Cx *cx, const Form *f, IrRole role);
// Slots named and shaped like the initial values in `v`.
Value *params_slots(LangInstance *in, const Value *v, const char *local, IrRole role, Loc loc);
// Whether `f` is an optimiser: a function of params, grads and state.
bool optimiser_is(const FuncDecl *f);
// Initial state of an optimiser for parameters with these values.
Value *optimiser_init(Cx *cx, Callable *by, Value *params);
void params_check_layer(Cx *cx, LayerDecl *layer);

// ---- built-in functions (builtins.c) ------------------------------------------------------------

// A call of a built-in function, with its arguments sorted by the row's signature.
typedef struct BuiltinCall {
    const Builtin *row;
    Loc loc;
    int n; // positional arguments
    Value **in;
    Loc *locs;
    Value **options; // as row->keywords, NULL where not given
    Loc *option_locs;
} BuiltinCall;

struct Builtin {
    const char *name;
    const char *inputs;      // names of the positional arguments, for messages
    int min, max;            // how many of them; max -1 for any number
    const char *keywords[3]; // NULL-terminated
    Value *(*make)(Cx *cx, const BuiltinCall *call);
    IrOp op;             // elementwise rows
    bool function_first; // the first argument is a function
    const char *doc;
};

const Builtin *builtin_find(const char *name); // "exp", "draw.normal"; or NULL
int builtin_count(void);
const Builtin *builtin_at(int i);

#endif
