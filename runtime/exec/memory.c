// runtime/exec/memory.c -- blocks that compiled code writes to, with a guard page behind.
#include "runtime/exec/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ir/base/exits.h"

// Masked vectors that reach into a guard page are right but slow: in builds for speed a vector's
// width lies between.
#ifdef NDEBUG
enum { SLACK = 64 };
#else
enum { SLACK = 0, FILL_BYTES = 64 << 20 };
#endif

RtMemory rt_memory_new(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (bytes + 63) / 64 * 64 + SLACK;
    size_t pages = (body + page - 1) / page;
    RtMemory m = {.bytes = bytes, .map_bytes = (pages + 2) * page};

    m.map = mmap(NULL, m.map_bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m.map == MAP_FAILED || mprotect((char *)m.map + (pages + 1) * page, page, PROT_NONE)) {
        fprintf(stderr, "gssm: out of memory: %zu bytes for a program\n", bytes);
        exit(EXIT_SYSTEM);
    }
    m.data = (char *)m.map + (pages + 1) * page - body;
#ifndef NDEBUG
    mprotect(m.map, page, PROT_NONE);
    if (bytes <= FILL_BYTES)
        memset(m.data, 0xff, body);
#endif
    return m;
}

void rt_memory_free(RtMemory *m) {
    if (m->map)
        munmap(m->map, m->map_bytes);
    *m = (RtMemory){0};
}
