// ir/base/errors.c -- what each diagnostic code means.
#include "ir/base/errors.h"

#include <stddef.h>

const char *errors_doc(int code) {
    switch (code) {
#define ERROR(code, name, doc, cure) \
    case code:                       \
        return doc;
#include "ir/base/errors.def"
    }
    return NULL;
}

const char *errors_cure(int code) {
    switch (code) {
#define ERROR(code, name, doc, cure) \
    case code:                       \
        return cure;
#include "ir/base/errors.def"
    }
    return NULL;
}
