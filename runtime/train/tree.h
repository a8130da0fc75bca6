// runtime/train/tree.h -- recipes as trees: merged from layers, every key with its origin.
//
// A recipe is made of YAML trees that are laid upon each other: maps merge, everything else is
// replaced, and a `null` takes the key away. A key keeps the place it was last said at, so errors
// point there and the resolved recipe can tell where each value came from.
#ifndef RUNTIME_TRAIN_TREE_H
#define RUNTIME_TRAIN_TREE_H

#include "ir/base/buf.h"
#include "ir/lang/yaml.h"

// The path of the text that KEY=VALUE arguments stand in.
#define RT_COMMAND_LINE "command line"

// What is known of the files that places point into. A zeroed one is valid.
typedef struct RtOrigins {
    Arena arena;
    const DiagFile **profile_files; // copies of recipe files that a profile's keys point into
    int n, cap;
    const char *profile; // its name
} RtOrigins;

// `base` with `over` laid upon it; either may be NULL. New nodes are owned by `a`, scalars are
// shared. A map without `base` loses its nulls, too.
Yaml *rt_tree_merge(Arena *a, const Yaml *base, const Yaml *over);

// The same for layers that will be laid upon others: nulls stay, and take keys away there.
Yaml *rt_tree_stack(Arena *a, const Yaml *base, const Yaml *over);

// A copy whose places point into `file`, those of line 1 `shift` columns to the right.
Yaml *rt_tree_move(Arena *a, const Yaml *y, const DiagFile *file, int shift);

// A map with one key, owned by `a`.
Yaml *rt_tree_map(Arena *a, const char *key, Loc loc, Yaml *value);

// Where a key was said: "models/experiments/defaults.yaml:3", "profile quick, ...", "command line".
// In a resolved recipe the comment behind the key tells. Owned by `a`.
const char *rt_tree_origin(Arena *a, const RtOrigins *o, Loc key);

// `path` as a reader finds it from the present folder: without the folder's own path before it.
// Owned by `a`, or `path` itself.
const char *rt_short_path(Arena *a, const char *path);

// Puts the tree as YAML in block style, two columns a level; with `o`, each value with its origin
// as a comment. Reading the text gives an equal tree, and putting that the same text.
void rt_tree_print(Buf *b, const Yaml *map, const RtOrigins *o);

#endif
