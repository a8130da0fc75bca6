// ir/lang/decl.h -- what a file declares: its keys read into structs, expressions parsed, nothing
// evaluated.
//
// Errors of structure (unknown keys, wrong kinds, missing keys, bad syntax) are reported here, once
// for each file. What could not be read is FORM_BAD or TYPE_BAD and stays silent later.
#ifndef IR_LANG_DECL_H
#define IR_LANG_DECL_H

#include "ir/base/map.h"
#include "ir/ir.h"
#include "ir/lang/expr.h"

typedef struct Form Form;
typedef struct TypeExpr TypeExpr;
typedef struct FuncDecl FuncDecl;

// Named forms in the order of the file.
typedef struct Field {
    const char *name;
    Loc loc; // of the name
    Form *form;
} Field;

typedef struct Fields {
    int n;
    Field *items;
} Fields;

// What may stand where a value is expected.
typedef enum FormKind {
    FORM_BAD,     // an error was reported
    FORM_NOTHING, // null
    FORM_EXPR,    // expr
    FORM_RECORD,  // a mapping: fields
    FORM_IF,      // {if: cond, then: yes, else: no}
    FORM_SCAN,    // a loop at run time
    FORM_MAP,     // a body for every row
    FORM_REPEAT,  // unrolled at compile time
} FormKind;

struct Form {
    FormKind kind;
    Loc loc;
    Expr *expr;            // EXPR
    Fields fields;         // RECORD
    Form *cond, *yes, *no; // IF; `no` may be NULL
    Fields carry, next;    // SCAN, REPEAT
    Fields over;           // SCAN, MAP
    Fields nodes;          // SCAN, MAP, REPEAT
    Fields collect;        // SCAN
    Form *steps;           // SCAN, or NULL
    bool reverse;          // SCAN
    Form *until;           // SCAN, or NULL
    Form *output;          // MAP
    const char *index;     // REPEAT, or NULL
    Loc index_loc;
    Form *times; // REPEAT
    Form *layer; // REPEAT under params; then there is neither carry nor next
};

// The type of an input.
typedef enum TypeKind {
    TYPE_BAD,
    TYPE_TENSOR,   // "[..., n]", "i32[N]"
    TYPE_RECORD,   // a mapping of fields to types
    TYPE_RESULT,   // the name of a function: what it gives
    TYPE_LETTER,   // P: any value
    TYPE_FUNCTION, // function
} TypeKind;

typedef enum TypeElement { ELEMENT_REAL, ELEMENT_I32, ELEMENT_BOOL } TypeElement;

struct TypeExpr {
    TypeKind kind;
    Loc loc;
    const char *text; // as written, for messages
    TypeElement element;
    bool any_leading; // starts with `...`
    int n;            // TENSOR: sizes; RECORD: fields
    Expr **sizes;
    const char **names;
    TypeExpr **fields;
    Expr *function; // RESULT: a name or instance.name
};

typedef struct Input {
    const char *name;
    Loc loc;
    TypeExpr *type;
} Input;

// A dim of a module, an interface or a function.
typedef enum DimKind {
    DIM_FIXED,   // dx: 6, dz: latent
    DIM_DEFAULT, // dx: {default: 4}
    DIM_BOUNDED, // N: {max: 1000, likely: 50}
    DIM_OPEN,    // dx: {}
} DimKind;

typedef struct DimDecl {
    const char *name;
    Loc loc;
    DimKind kind;
    Form *value;        // FIXED, DEFAULT
    Form *max, *likely; // BOUNDED, also DEFAULT; NULL where not given
} DimDecl;

typedef struct DimDecls {
    int n;
    DimDecl *items;
} DimDecls;

// An argument that is fixed at compile time.
typedef struct Argument {
    const char *name;
    Loc loc;
    Form *value;       // default, or NULL where it must be given
    bool must_be_size; // `dim`
} Argument;

typedef struct Arguments {
    int n;
    Argument *items;
} Arguments;

typedef struct LangFile LangFile;

struct FuncDecl {
    const char *name, *doc;
    Loc loc;
    LangFile *file; // where it stands
    int n_inputs;
    Input *inputs;
    Arguments arguments;
    DimDecls dims;
    Fields nodes;
    Form *output;            // NULL in an interface without default
    TypeExpr *output_type;   // interfaces: stated type, or NULL (opaque)
    bool has_default;        // interfaces: nodes and output are the default
    Form *init;              // of an optimiser's state, or NULL
    struct LayerDecl *layer; // apply of this layer, or NULL
};

typedef struct LayerDecl {
    const char *name, *doc;
    Loc loc;
    LangFile *file;
    Arguments arguments;
    Form *params; // RECORD or REPEAT
    FuncDecl *apply;
} LayerDecl;

typedef struct Minimize {
    Loc loc;
    Form *value, *over, *by, *clip; // clip may be NULL
} Minimize;

typedef struct ProgramDecl {
    const char *name, *doc;
    Loc loc;
    LangFile *file;
    FuncDecl *body;     // inputs, dims, nodes; its output is `outputs`, or NULL
    Minimize *minimize; // or NULL
    Fields update;      // names may be dotted
} ProgramDecl;

// An option or setting.
typedef struct ConstDecl {
    const char *name;
    Loc loc;
    Form *value;
} ConstDecl;

typedef struct Reference {
    const char *name, *path;
    Loc loc, path_loc;
    LangFile *file; // filled in by the world; NULL when it could not be read
} Reference;

struct LangFile {
    const char *path;     // as shown
    const char *identity; // absolute, links resolved
    const char *name, *doc;
    Loc loc; // of the name
    bool is_interface;
    bool loading; // to find circles
    int n_implements, n_imports, n_modules;
    Reference *implements, *imports, *modules;
    const char *default_instance; // interfaces, or NULL
    DimDecls dims;
    int n_options, n_settings;
    ConstDecl *options, *settings;
    Form *params, *state; // RECORD, or NULL
    int n_functions, n_layers, n_programs;
    FuncDecl **functions;
    LayerDecl **layers;
    ProgramDecl **programs;
};

// Reads the declarations of `root` into a new file, owned by `a`. Errors go to `d`.
LangFile *decl_read(Arena *a, Diag *d, const char *path, const char *identity, Yaml *root);

// A value as a form; NULL and errors give FORM_NOTHING and FORM_BAD, never a NULL pointer.
Form *form_read(Arena *a, Diag *d, const Yaml *y);

// An option or setting from text such as that of --set.
Form *form_const(Arena *a, Diag *d, const Yaml *y);

FuncDecl *decl_function(const LangFile *f, const char *name);
LayerDecl *decl_layer(const LangFile *f, const char *name);
ProgramDecl *decl_program(const LangFile *f, const char *name);

#endif
