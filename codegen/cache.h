// codegen/cache.h -- compiled objects on disk, by the hash of what they were made from.
//
// An entry is one file, `<dir>/<2 digits>/<30 digits>`: the bytes, then a trailer with their number
// and checksum. Writers make a file complete under another name before it gets its own, so that a
// reader finds all of an entry or nothing; what the checksum does not fit is taken for missing.
#ifndef CODEGEN_CACHE_H
#define CODEGEN_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/buf.h"

// A hash as 32 hexadecimal digits.
typedef struct CacheKey {
    char hex[33];
} CacheKey;

CacheKey cache_key(const void *data, size_t len);

// Puts the folder of the cache into `dir`: `chosen` if it is not NULL, else $GSSM_CACHE, else
// $XDG_CACHE_HOME/gssm, else ~/.cache/gssm. False when there is none of them.
bool cache_dir(char *dir, size_t size, const char *chosen);

// Reads an entry into `out` (replacing what was there). False when it is missing or broken.
bool cache_read(const char *dir, CacheKey key, Buf *out);

// Writes an entry. False when that fails, which does no harm: it is made again next time.
bool cache_write(const char *dir, CacheKey key, const void *data, size_t len);

// An entry as it lies on disk. `key` is all zeros in a file that is no entry (a writer that was cut
// off leaves one).
typedef struct CacheEntry {
    CacheKey key;
    const char *path; // valid during the visit
    int64_t bytes;
    int64_t used; // seconds since the epoch: when it was written
} CacheEntry;

// Calls `visit` for each file of the cache, in the order of keys; a visit may remove its file.
// False when `dir` cannot be read for another reason than that it does not exist.
bool cache_walk(const char *dir, void (*visit)(const CacheEntry *entry, void *data), void *data);

#endif
