// ir/lang/decl_read.h -- what decl.c and form.c share while a file is read.
#ifndef IR_LANG_DECL_READ_H
#define IR_LANG_DECL_READ_H

#include "ir/lang/decl.h"

typedef struct Reader {
    Arena *a;
    Diag *d;
    LangFile *file;
} Reader;

// Reports (E_wrong_kind) when `y` is no mapping. `what` starts the sentence.
bool decl_is_map(Reader *r, const Yaml *y, const char *what);

// Reports when `name` is no name of the language; `what` is what it should name ("a dim").
bool decl_name_is_good(Reader *r, const char *name, Loc loc, const char *what);

// The text of scalar `y`; NULL, reported, when it is something else.
const char *decl_text(Reader *r, const Yaml *y, const char *what);

// Forms for what is missing or could not be read.
Form *form_bad(Reader *r, Loc loc);
Form *form_empty(Reader *r, Loc loc); // a record without fields

// The children of mapping `y` (NULL for none) as named forms. Names are checked where `item` says
// what they name.
Fields form_read_fields(Reader *r, const Yaml *y, const char *what, const char *item);

// `params:` or `state:` of a module or layer: a record, or {repeat: .., layer: ..}.
Form *form_read_params(Reader *r, const Yaml *y);

// An option or a setting: a number, a boolean, a word or a list of these.
Form *form_read_const(Reader *r, const Yaml *y, const char *item);

TypeExpr *form_read_type(Arena *a, Diag *d, const Yaml *y);

#endif
