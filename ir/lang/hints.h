// ir/lang/hints.h -- what is meant where something is written as elsewhere: notes behind an error.
#ifndef IR_LANG_HINTS_H
#define IR_LANG_HINTS_H

#include "ir/base/diag.h"

typedef enum HintKind {
    HINT_NAME,     // a name where a value stands: True, np
    HINT_FUNCTION, // a function: concatenate
    HINT_FIELD,    // a field of a tensor: x.shape
    HINT_TYPE,     // the type of an input, or the default of an argument: float
    HINT_KEY,      // a key of a mapping: return
    HINT_MAPPING,  // what a mapping looks like: 'inputs'
    HINT_KIND_COUNT,
} HintKind;

typedef struct Hint {
    HintKind kind;
    const char *name, *text;
} Hint;

// Adds what is known of `name` as a note to the newest error. False when that is nothing.
bool hint_note(Diag *d, Loc loc, HintKind kind, const char *name);

// Whether `name` is the name of a type elsewhere, or of an element type.
bool hint_is_type(const char *name);

// The rows of the table, for tests: they should name nothing that exists.
int hint_count(void);
const Hint *hint_at(int i);

#endif
