// ir/lang/yaml.h -- a YAML file as a tree whose every node knows its place.
//
// The language is YAML 1.2 with the core schema, less merge keys, tags of one's own, keys that are
// not text and streams of several documents. An alias shares the tree of its anchor.
//
// libyaml parses; this reader adds limits (bytes, depth, nodes after alias expansion), duplicate
// keys, alias cycles, UTF-8 and one-document checks, each reported with its place before memory is
// spent. Scalars stay text: expressions and numbers are read by who needs them.
#ifndef IR_LANG_YAML_H
#define IR_LANG_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/diag.h"

enum {
    YAML_MAX_BYTES = 4 << 20,   // of a file, and of all texts with aliases written out
    YAML_MAX_SCALAR = 64 << 10, // bytes of one scalar
    YAML_MAX_DEPTH = 64,        // of lists and mappings within each other
    YAML_MAX_NODES = 200000,    // values and keys, with aliases written out
};

// NULL is a plain scalar that is empty, `~` or `null`; its text is kept.
typedef enum YamlKind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP } YamlKind;

typedef struct Yaml Yaml;
struct Yaml {
    YamlKind kind;
    Loc loc;           // first byte of the value; behind the quote when `verbatim`
    bool quoted;       // scalar in single or double quotes, or a block scalar
    bool verbatim;     // byte i of `text` stands at column loc.col + i of the source (plain or
                       // quoted without escapes, one line), so expressions can point into it
    const char *text;  // scalar: its text; NUL-terminated
    int n;             // list, map: number of children
    Yaml **items;      // list: elements; map: values
    const char **keys; // map: keys in order
    Loc *key_locs;     // map: places of the keys
};

// Parses a file or a text into one tree, owned by `a`. NULL when there was an error (in `d`).
// An empty document is an error (E_empty).
Yaml *yaml_read_file(Arena *a, Diag *d, const char *path);
Yaml *yaml_read_text(Arena *a, Diag *d, const char *path, const char *text, size_t len);

// Child of a map by key, or NULL. `yaml_find_loc` also gives the place of the key, or that of the
// map where the key is missing.
Yaml *yaml_find(const Yaml *map, const char *key);
Yaml *yaml_find_loc(const Yaml *map, const char *key, Loc *loc);

// Reads a scalar by the YAML 1.2 core schema, without the locale. False if it is something else.
bool yaml_as_bool(const Yaml *y, bool *v);
bool yaml_as_int(const Yaml *y, int64_t *v);
bool yaml_as_double(const Yaml *y, double *v); // also integers; .inf and .nan are refused

// Reports every key of `map` that is not among `known` (E_unknown_key, with did-you-mean). `what`
// names the map in the message: "unknown key 'x' in <what>".
void yaml_check_keys(const Yaml *map, Diag *d, const char *const *known, int n_known,
                     const char *what);

// The kind in words: "a mapping", "a list", "text", "nothing".
const char *yaml_kind_name(const Yaml *y);

#endif
