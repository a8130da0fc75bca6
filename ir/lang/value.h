// ir/lang/value.h -- values at compile time: what an expression gives while a graph is made.
#ifndef IR_LANG_VALUE_H
#define IR_LANG_VALUE_H

#include "ir/ir.h"
#include "ir/lang/decl.h"
#include "ir/lang/lang.h"

typedef struct Value Value;
typedef struct Slot Slot;
typedef struct Frame Frame;
typedef struct Callable Callable;
typedef struct LayerUse LayerUse;
typedef struct Builtin Builtin;

typedef enum ValueKind {
    VALUE_POISON,   // an error was reported; silences what depends on it
    VALUE_NOTHING,  // null, or `if` without `else`
    VALUE_INT,      // a whole number known now
    VALUE_REAL,     // another number known now
    VALUE_BOOL,     // true or false, known now
    VALUE_STRING,   // a word
    VALUE_DIM,      // a size that comes with each call
    VALUE_LIST,     // values known now
    VALUE_TENSOR,   // a node, or a slot that becomes one when used
    VALUE_RECORD,   // named values; of a kind when `layer` or `module` is set
    VALUE_FUNCTION, // something to call
} ValueKind;

// Constant once made; shared freely within a request.
struct Value {
    ValueKind kind;
    int64_t i;            // INT, BOOL
    double x;             // REAL
    const char *s;        // STRING
    IrDim *dim;           // DIM
    int n;                // LIST, RECORD
    Value **items;        // LIST, RECORD
    const char **names;   // RECORD
    LayerUse *layer;      // RECORD: of this layer's kind, or NULL
    LangInstance *module; // RECORD: of the kind of this instance's parameters, or NULL
    int depth, weight;    // LIST, RECORD: once value_weigh() was asked
    IrType type;          // TENSOR
    IrNode *node;         // TENSOR; NULL for a slot
    Frame *frame;         // TENSOR: where `node` stands
    Slot *slot;           // TENSOR: parameter, state or setting
    Callable *callable;   // FUNCTION

    // where it came from, for messages
    const char *name; // under which it is known, or NULL
    const char *from; // "from inputs of loss", or NULL
    const Expr *expr; // that gave it, or NULL
    Loc loc;
};

// How a record came to be of a layer's kind.
struct LayerUse {
    LayerDecl *decl;
    LangInstance *instance; // of the library
    Value **arguments;      // as decl->arguments
};

typedef enum CallableKind {
    CALL_USER,    // a function of a module or library
    CALL_BUILTIN, // a row of builtins.c
    CALL_APPLY,   // a record of a layer's kind
    CALL_LAYER,   // a layer: makes parameters
    CALL_GRAD,    // grad(of, wrt=..)
    CALL_INIT,    // optimiser.init: makes the optimiser's state
} CallableKind;

struct Callable {
    CallableKind kind;
    const char *name; // for messages
    LangInstance *instance;
    FuncDecl *function;     // USER, INIT
    const Builtin *builtin; // BUILTIN
    Value *record;          // APPLY; USER: what stands for the parameters of `instance`, or NULL
    LayerDecl *layer;       // LAYER
    Callable *of;           // GRAD
    Value *wrt;             // GRAD: a record of parameters, or NULL
    const char *wrt_name;   // GRAD: an input, or NULL
    Loc wrt_loc;
    bool with_value; // GRAD: value_and_grad
    int n_fixed;     // arguments already given, by name
    const char **fixed_names;
    Value **fixed;
    Loc *fixed_locs;
};

Value *value_poison(void);
Value *value_int(Arena *a, int64_t i);
Value *value_real(Arena *a, double x);
Value *value_bool(Arena *a, bool b);
Value *value_string(Arena *a, const char *s);
Value *value_nothing(Arena *a);
Value *value_dim(Arena *a, IrDim *dim); // INT where it is a number
Value *value_record(Arena *a, int n, const char **names, Value **items);
Value *value_list(Arena *a, int n, Value **items);
Value *value_slot(Arena *a, IrDims *dims, Slot *slot);
Value *value_function(Arena *a, const Callable *callable);
Value *value_copy(Arena *a, const Value *v);

bool value_is_number(const Value *v); // INT or REAL
bool value_is_static(const Value *v); // known now: neither tensor, dim, record nor function
double value_number(const Value *v);  // of INT, REAL, BOOL
Value *value_field(const Value *record, const char *name); // or NULL

// How deep records and lists are nested in `v`; *weight, saturating, is the number of values when
// they are written out.
int value_weigh(Value *v, int *weight);

// Whether `v` or a part of it is poison.
bool value_has_poison(const Value *v);

// Number of tensors in `v`, in order of fields; functions count their fixed arguments.
int value_count_leaves(const Value *v);

// The tensors of `v` into `leaves` (room for value_count_leaves).
void value_leaves(const Value *v, Value **leaves);

// `v` with its tensors replaced by `leaves`, in order.
Value *value_rebuild(Arena *a, const Value *v, Value **leaves);

// Dotted paths of the tensors of `v` below `prefix` ("belief.k"), owned by `a`.
void value_paths(Arena *a, const Value *v, const char *prefix, const char **paths);

// Two dotted names as one; either may be empty.
const char *path_join(Arena *a, const char *x, const char *y);

// The kind in words with type or value: "f32[N,6]", "the number 3", "a record {k, h}".
void value_describe(Buf *b, const Value *v);

// Text that is equal for values that specialise a function equally.
void value_key(Buf *b, const Value *v);

// Whether both have the same fields, element types and shapes; statics by value.
bool value_same_type(const Value *x, const Value *y);

#endif
