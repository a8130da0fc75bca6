// codegen/backend.c -- the list of back ends.
#include "codegen/backend.h"

#include <string.h>

Backend *backend_find(const char *name) {
    Backend *const all[] = {&ref_backend, &llvm_backend};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i]->name, name))
            return all[i];
    return NULL;
}
