// ir/base/errors.c -- what each diagnostic code means.
#include "ir/base/errors.h"

#include <stddef.h>

const char *errors_doc(int code) {
    switch (code) {
#define ERROR(code, name, doc) \
    case code:                 \
        return doc;
#include "ir/base/errors.def"
    }
    return NULL;
}
