// ir/base/map.c -- string-keyed map, iterated in insertion order.
//
// Entries lie in an array in insertion order; `slots` is an open-addressing table of indices into
// it, at most half full.
#include "ir/base/map.h"

#include <string.h>

#include <xxhash.h>

uint64_t map_hash(const void *data, uint64_t len) {
    return XXH3_64bits(len ? data : "", (size_t)len);
}

uint64_t map_hash_str(const char *s) {
    return map_hash(s, strlen(s));
}

// The slot that holds `key`, or the free one where it belongs. The table is not full.
static int find_slot(const Map *m, const char *key, uint64_t hash) {
    uint64_t mask = (uint64_t)m->n_slots - 1;
    uint64_t i = hash & mask;

    while (m->slots[i]) {
        const MapEntry *e = &m->entries[m->slots[i] - 1];
        if (e->hash == hash && !strcmp(e->key, key))
            break;
        i = (i + 1) & mask;
    }
    return (int)i;
}

static MapEntry *find_entry(const Map *m, const char *key) {
    if (!m->n)
        return NULL;
    int32_t index = m->slots[find_slot(m, key, map_hash_str(key))];
    return index ? &m->entries[index - 1] : NULL;
}

void *map_get(const Map *m, const char *key) {
    const MapEntry *e = find_entry(m, key);
    return e ? e->value : NULL;
}

bool map_has(const Map *m, const char *key) {
    return find_entry(m, key) != NULL;
}

static void grow_slots(Map *m, Arena *a) {
    m->n_slots = m->n_slots ? 2 * m->n_slots : 16;
    m->slots = arena_array(a, int32_t, m->n_slots);
    for (int i = 0; i < m->n; i++)
        m->slots[find_slot(m, m->entries[i].key, m->entries[i].hash)] = i + 1;
}

void map_put(Map *m, Arena *a, const char *key, void *value) {
    if (2 * (m->n + 1) > m->n_slots)
        grow_slots(m, a);

    uint64_t hash = map_hash_str(key);
    int slot = find_slot(m, key, hash);
    if (m->slots[slot]) {
        m->entries[m->slots[slot] - 1].value = value;
        return;
    }
    MapEntry entry = {.key = key, .value = value, .hash = hash};
    arena_push(a, m->entries, m->n, m->cap, entry);
    m->slots[slot] = m->n;
}

enum { LONGEST_NAME = 128 }; // longer names get no suggestion

static int min(int x, int y) {
    return x < y ? x : y;
}

// Edit distance with transposition of neighbours (optimal string alignment). Rows of the usual
// table are kept three at a time.
static int distance(const char *x, int n_x, const char *y, int n_y) {
    int rows[3][LONGEST_NAME + 1];

    for (int j = 0; j <= n_y; j++)
        rows[0][j] = j;
    for (int i = 1; i <= n_x; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= n_y; j++) {
            int replaced = above[j - 1] + (x[i - 1] != y[j - 1]);
            row[j] = min(replaced, min(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1])
                row[j] = min(row[j], above2[j - 2] + 1);
        }
    }
    return rows[n_x % 3][n_y];
}

const char *map_nearest(const char *name, const char *const *names, int n) {
    size_t len = strlen(name);
    if (len > LONGEST_NAME)
        return NULL;

    const char *best = NULL;
    int best_distance = 2 + (int)len / 4;
    for (int i = 0; i < n; i++) {
        size_t n_len = names[i] ? strlen(names[i]) : SIZE_MAX;
        if (n_len > LONGEST_NAME)
            continue;
        int dist = distance(name, (int)len, names[i], (int)n_len);
        bool first = best && dist == best_distance && *name == *names[i] && *name != *best;
        bool common = dist < (int)(len > n_len ? len : n_len); // else every letter differs
        if ((dist < best_distance || first) && (common || !dist)) {
            best = names[i];
            best_distance = dist;
        }
    }
    return best;
}
