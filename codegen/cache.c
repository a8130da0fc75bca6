// codegen/cache.c -- compiled objects on disk, by the hash of what they were made from.
#include "codegen/cache.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

static bool is_hex(const char *s, size_t len) {
    return strlen(s) == len && strspn(s, "0123456789abcdef") == len;
}

static int not_hidden(const struct dirent *e) {
    return e->d_name[0] != '.';
}

static void visit_folder(const char *dir, const char *folder,
                         void (*visit)(const CacheEntry *entry, void *data), void *data) {
    char path[MAX_PATH];
    struct dirent **names;

    snprintf(path, sizeof path, "%s/%s", dir, folder);
    int n = scandir(path, &names, not_hidden, alphasort);
    for (int i = 0; i < n; i++) {
        CacheEntry entry = {.path = path};
        struct stat st;
        const char *name = names[i]->d_name;
        int len = snprintf(path, sizeof path, "%s/%s/%s", dir, folder, name);
        if (len > 0 && (size_t)len < sizeof path && stat(path, &st) == 0) {
            entry.bytes = st.st_size;
            entry.used = st.st_mtime;
            if (is_hex(name, sizeof entry.key.hex - 3))
                snprintf(entry.key.hex, sizeof entry.key.hex, "%.2s%.30s", folder, name);
            else
                memset(entry.key.hex, '0', sizeof entry.key.hex - 1);
            visit(&entry, data);
        }
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

bool cache_walk(const char *dir, void (*visit)(const CacheEntry *entry, void *data), void *data) {
    struct dirent **names;
    int n = scandir(dir, &names, not_hidden, alphasort);

    if (n < 0)
        return errno == ENOENT;
    for (int i = 0; i < n; i++) {
        if (is_hex(names[i]->d_name, 2))
            visit_folder(dir, names[i]->d_name, visit, data);
        free(names[i]);
    }
    free(names);
    return true;
}
