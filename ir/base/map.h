// ir/base/map.h -- string-keyed map, iterated in insertion order.
#ifndef IR_BASE_MAP_H
#define IR_BASE_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"

typedef struct MapEntry {
    const char *key; // as given to map_put; the arena or caller owns it
    void *value;
    uint64_t hash;
} MapEntry;

// A zeroed Map is empty. Entries stay in insertion order; pointers to them move as it grows.
typedef struct Map {
    MapEntry *entries;
    int n, cap;
    int32_t *slots; // open addressing over indices + 1
    int n_slots;
} Map;

// Value of `key`, or NULL.
void *map_get(const Map *m, const char *key);
bool map_has(const Map *m, const char *key);

// Sets `key` to `value` (replacing). Memory from `a`; `key` must outlive the map.
void map_put(Map *m, Arena *a, const char *key, void *value);

// 64-bit hash (XXH3) of bytes or a string; stable across runs and machines.
uint64_t map_hash(const void *data, uint64_t len);
uint64_t map_hash_str(const char *s);

// The name among `names` nearest to `name` by edit distance (with transposition), or NULL when
// none is near enough to suggest (distance > 1 + len/4). Of equally near ones the first with the
// same first letter, else the first.
const char *map_nearest(const char *name, const char *const *names, int n);

#endif
