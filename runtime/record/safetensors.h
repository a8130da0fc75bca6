// runtime/record/safetensors.h -- named arrays in a file, in the safetensors format.
//
// A file is 8 bytes of header length, a JSON header {name: {dtype, shape, data_offsets}} and the
// data, which the arrays cover without gap or overlap. Everything is checked before it is used: a
// damaged or hostile file gives a sentence, never a crash. Integers are little-endian.
#ifndef RUNTIME_RECORD_SAFETENSORS_H
#define RUNTIME_RECORD_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/buf.h"
#include "ir/base/map.h"

typedef enum RtDtype {
    RT_F64,
    RT_F32,
    RT_I64,
    RT_I32,
    RT_BOOL, // one byte an element, 0 or 1
    RT_U8,
    RT_DTYPE_COUNT,
} RtDtype;

enum { RT_MAX_RANK = 8 };

// A named dense, row-major array. Rank 0 is one element; an extent may be 0.
typedef struct RtTensor {
    const char *name;
    RtDtype dtype;
    int rank;
    int64_t shape[RT_MAX_RANK];
    void *data;   // aligned for its dtype; may be NULL where `bytes` is 0
    size_t bytes; // elements times rt_dtype_size
} RtTensor;

// An entry of the file's `__metadata__`.
typedef struct RtPair {
    const char *key, *value;
} RtPair;

// An open file: its arrays in the order of the header. A zeroed one is valid and empty; its
// contents live until rt_safetensors_close().
typedef struct RtTensorFile {
    RtTensor *tensors;
    int n;
    RtPair *metadata;
    int n_metadata;
    Arena arena;
    Map names;
    Buf bytes;
} RtTensorFile;

// Bytes of an element, and the name the format uses ("F64"). Static and lives forever.
size_t rt_dtype_size(RtDtype dtype);
const char *rt_dtype_name(RtDtype dtype);

// Elements of an array: the product of its shape, 1 for rank 0.
int64_t rt_tensor_elements(const RtTensor *t);

// Element `i`, row-major, as a double.
double rt_tensor_element(const RtTensor *t, int64_t i);

// Reads the file at `path`. False with a sentence in `why` that names the file, and `f` zeroed:
// missing file, header length, JSON, dtype, rank above 8, shape, offsets that leave the file,
// overlap or leave gaps, duplicate names, BOOL bytes other than 0 and 1.
bool rt_safetensors_read(RtTensorFile *f, const char *path, char *why, size_t why_size);

// The same from `len` bytes at `data`, read during the call only; `path` is for messages.
bool rt_safetensors_parse(RtTensorFile *f, const char *path, const void *data, size_t len,
                          char *why, size_t why_size);

// The array called `name`, or NULL.
const RtTensor *rt_safetensors_find(const RtTensorFile *f, const char *name);

// The metadata value of `key`, or NULL.
const char *rt_safetensors_find_metadata(const RtTensorFile *f, const char *key);

// Frees everything and leaves `f` zeroed. Accepts a zeroed one.
void rt_safetensors_close(RtTensorFile *f);

// Writes the arrays to `path` through a temporary name (readers see the old file or the new one).
// Equal input gives equal bytes: the header lists metadata and arrays in the order given; the data
// begins at a multiple of 8 and holds wider elements first, so that each array is aligned without
// the gaps that the format forbids. False with a sentence in `why`, also for a duplicate or empty
// name and for `bytes` that do not fit dtype and shape. `metadata` may be NULL when n_metadata is
// 0.
bool rt_safetensors_write(const char *path, const RtTensor *tensors, int n, const RtPair *metadata,
                          int n_metadata, char *why, size_t why_size);

// The bytes that rt_safetensors_write() would write, put into `out`. `path` is for messages.
bool rt_safetensors_format(Buf *out, const char *path, const RtTensor *tensors, int n,
                           const RtPair *metadata, int n_metadata, char *why, size_t why_size);

// Content hash: XXH3, 128 bits, as 32 hexadecimal digits and a NUL.
enum { RT_HASH_SIZE = 33 };
void rt_hash(char hex[RT_HASH_SIZE], const void *data, size_t len);

#endif
