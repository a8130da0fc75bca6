// codegen/cache.c -- compiled objects on disk, by the hash of what they were made from.
#include "codegen/cache.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

enum { MAX_PATH = 4096 };

// The last bytes of an entry.
typedef struct Trailer {
    char magic[8];
    uint64_t len;
    uint64_t sum[2];
} Trailer;

static const char magic[8] = "gssmobj1";

CacheKey cache_key(const void *data, size_t len) {
    XXH128_hash_t h = XXH3_128bits(data, len);
    CacheKey key;
    snprintf(key.hex, sizeof key.hex, "%016llx%016llx", (unsigned long long)h.high64,
             (unsigned long long)h.low64);
    return key;
}

bool cache_dir(char *dir, size_t size, const char *chosen) {
    const char *own = getenv("GSSM_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (chosen)
        n = snprintf(dir, size, "%s", chosen);
    else if (own && *own)
        n = snprintf(dir, size, "%s", own);
    else if (xdg && *xdg)
        n = snprintf(dir, size, "%s/gssm", xdg);
    else if (home && *home)
        n = snprintf(dir, size, "%s/.cache/gssm", home);
    return n > 0 && (size_t)n < size;
}

static bool entry_path(char *path, size_t size, const char *dir, CacheKey key) {
    int n = snprintf(path, size, "%s/%.2s/%s", dir, key.hex, key.hex + 2);
    return n > 0 && (size_t)n < size;
}

static Trailer trailer_of(const void *data, size_t len) {
    XXH128_hash_t h = XXH3_128bits(data, len);
    Trailer t = {.len = len, .sum = {h.high64, h.low64}};
    memcpy(t.magic, magic, sizeof magic);
    return t;
}

bool cache_read(const char *dir, CacheKey key, Buf *out) {
    char path[MAX_PATH], why[256];
    Trailer found;
    if (!entry_path(path, sizeof path, dir, key) || !buf_read_file(out, path, 0, why, sizeof why))
        return false;
    if (out->len < sizeof found)
        return false;

    size_t len = out->len - sizeof found;
    memcpy(&found, out->data + len, sizeof found);
    Trailer expected = trailer_of(out->data, len);
    if (memcmp(&found, &expected, sizeof found) != 0)
        return false;
    out->len = len;
    return true;
}

bool cache_write(const char *dir, CacheKey key, const void *data, size_t len) {
    char path[MAX_PATH], folder[MAX_PATH], why[256];
    if (!entry_path(path, sizeof path, dir, key))
        return false;
    snprintf(folder, sizeof folder, "%s/%.2s", dir, key.hex);
    if (!buf_make_dirs(folder, why, sizeof why))
        return false;

    Trailer trailer = trailer_of(data, len);
    Buf whole = {0};
    buf_put(&whole, data, len);
    buf_put(&whole, (const char *)&trailer, sizeof trailer);
    bool done = buf_write_file(path, whole.data, whole.len, why, sizeof why);
    buf_free(&whole);
    return done;
}
