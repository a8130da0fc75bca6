// runtime/train/read.h -- values of a recipe: read, and refused with their place.
//
// A key that is missing leaves the value as it was, so that defaults stand where they are declared.
#ifndef RUNTIME_TRAIN_READ_H
#define RUNTIME_TRAIN_READ_H

#include "ir/lang/expr.h"
#include "ir/lang/yaml.h"

typedef struct RtReader {
    Arena *arena; // owns what is read
    Diag *diag;
} RtReader;

// A named expression or function, such as an entry of `settings:`.
typedef struct RtEntry {
    const char *name;
    Loc loc; // of the name
    const Yaml *value;
    const Expr *expr; // where it is an expression
} RtEntry;

// An error about the value of `key` in `map`: "<key> <message>".
void rt_read_refuse(RtReader *r, const Yaml *map, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// Reports that `map` ("the stage 'fit'") has no `key`, unless it has. True where it is there.
bool rt_read_need(RtReader *r, const Yaml *map, const char *key, const char *what);

// Whole numbers and reals within bounds, texts that are not empty, words of a list ending in NULL.
void rt_read_int(RtReader *r, const Yaml *map, const char *key, int64_t least, int64_t most,
                 int64_t *v);
void rt_read_real(RtReader *r, const Yaml *map, const char *key, double least, double most,
                  double *v);
void rt_read_text(RtReader *r, const Yaml *map, const char *key, const char **v);
void rt_read_bool(RtReader *r, const Yaml *map, const char *key, bool *v);
void rt_read_word(RtReader *r, const Yaml *map, const char *key, const char *const *words,
                  const char **v);

// An expression, parsed.
void rt_read_expr(RtReader *r, const Yaml *map, const char *key, const Expr **v);

// The mapping at `key`, or NULL where it is missing or something else (reported).
const Yaml *rt_read_map(RtReader *r, const Yaml *map, const char *key);

// The entries of the mapping at `key`; with `expressions`, their values parsed as such.
int rt_read_entries(RtReader *r, const Yaml *map, const char *key, bool expressions,
                    RtEntry **entries);

// The list of texts at `key`.
int rt_read_texts(RtReader *r, const Yaml *map, const char *key, const char ***texts, Loc **locs);

// Reports the keys of `map` that are not among `known`, a list ending in NULL.
void rt_read_keys(RtReader *r, const Yaml *map, const char *const *known, const char *what);

#endif
