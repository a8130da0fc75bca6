// runtime/exec/memory.h -- blocks that compiled code writes to, with a guard page behind.
//
// The sanitizers do not see compiled stores. A block ends right before a page that cannot be
// touched (rounded to 64 bytes; one vector more in builds without assertions), so that a store past
// its end stops the program at once. Builds with assertions also put one in front and fill small
// new blocks with 0xff, which reads as NaN.
//
// Blocks are planned for the maxima of dims and mostly used in part: memory is taken page by page,
// when it is first touched.
#ifndef RUNTIME_EXEC_MEMORY_H
#define RUNTIME_EXEC_MEMORY_H

#include <stddef.h>

typedef struct RtMemory {
    void *data; // aligned to 64, `bytes` long; never NULL after rt_memory_new
    size_t bytes;
    void *map; // the whole mapping
    size_t map_bytes;
} RtMemory;

// Running out of memory ends the process with exit code 71 and a sentence.
RtMemory rt_memory_new(size_t bytes);

// Leaves `m` zeroed. Accepts a zeroed one.
void rt_memory_free(RtMemory *m);

#endif
