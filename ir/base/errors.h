// ir/base/errors.h -- diagnostic codes by name, from errors.def.
#ifndef IR_BASE_ERRORS_H
#define IR_BASE_ERRORS_H

enum {
#define ERROR(code, name, doc, cure) E_##name = code,
#include "ir/base/errors.def"
};

// One sentence on what `code` means, or NULL. Static and lives forever.
const char *errors_doc(int code);

// One sentence on what to do about it, or NULL. Static and lives forever.
const char *errors_cure(int code);

#endif
