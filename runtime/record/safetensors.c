// runtime/record/safetensors.c -- named arrays in a file, in the safetensors format.
#include "runtime/record/safetensors.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <xxhash.h>

#include "ir/base/diag.h"
#include "runtime/record/json.h"

static const struct {
    const char *name;
    size_t size;
} dtypes[RT_DTYPE_COUNT] = {
    [RT_F64] = {"F64", 8}, [RT_F32] = {"F32", 4},   [RT_I64] = {"I64", 8},
    [RT_I32] = {"I32", 4}, [RT_BOOL] = {"BOOL", 1}, [RT_U8] = {"U8", 1},
};

static const size_t max_header = 100u << 20; // the limit of the format's own library
static const double max_integer = 9007199254740992.0;

size_t rt_dtype_size(RtDtype dtype) {
    return dtypes[dtype].size;
}

const char *rt_dtype_name(RtDtype dtype) {
    return dtypes[dtype].name;
}

int64_t rt_tensor_elements(const RtTensor *t) {
    int64_t n = 1;

    for (int i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

double rt_tensor_element(const RtTensor *t, int64_t i) {
    switch (t->dtype) {
    case RT_F64:
        return ((const double *)t->data)[i];
    case RT_F32:
        return (double)((const float *)t->data)[i];
    case RT_I64:
        return (double)((const int64_t *)t->data)[i];
    case RT_I32:
        return ((const int32_t *)t->data)[i];
    case RT_BOOL:
    case RT_U8:
        return ((const uint8_t *)t->data)[i];
    case RT_DTYPE_COUNT:
        break;
    }
    diag_bug("array without a dtype");
}

void rt_hash(char hex[RT_HASH_SIZE], const void *data, size_t len) {
    XXH128_hash_t h = XXH3_128bits(data, len);

    snprintf(hex, RT_HASH_SIZE, "%016" PRIx64 "%016" PRIx64, (uint64_t)h.high64, (uint64_t)h.low64);
}

// What is being read, for messages and limits.
typedef struct Reader {
    RtTensorFile *file;
    const char *path;
    char *why;
    size_t why_size;
    char *data; // the part after the header
    size_t n_data;
    uint64_t *begins; // of each array, for the check of gaps
} Reader;

__attribute__((format(printf, 2, 3))) static bool refuse(const Reader *r, const char *format, ...) {
    va_list args;
    int len = snprintf(r->why, r->why_size, "%s: ", r->path);

    va_start(args, format);
    if (len >= 0 && (size_t)len < r->why_size)
        vsnprintf(r->why + len, r->why_size - (size_t)len, format, args);
    va_end(args);
    return false;
}

// The JSON number as an integer of at least 0 that a double holds exactly.
static bool get_integer(const cJSON *item, uint64_t *out) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble < max_integer))
        return false;
    *out = (uint64_t)item->valuedouble;
    return (double)*out == item->valuedouble;
}

static bool read_dtype(const Reader *r, const cJSON *item, RtTensor *t) {
    if (!cJSON_IsString(item))
        return refuse(r, "array '%.100s' has no dtype", t->name);
    for (int i = 0; i < RT_DTYPE_COUNT; i++) {
        if (strcmp(item->valuestring, dtypes[i].name) == 0) {
            t->dtype = (RtDtype)i;
            return true;
        }
    }
    return refuse(r,
                  "array '%.100s' has dtype '%.20s'; F64, F32, I64, I32, BOOL and U8 can be read",
                  t->name, item->valuestring);
}

// The shape, and with it the number of bytes.
static bool read_shape(const Reader *r, const cJSON *item, RtTensor *t) {
    const cJSON *extent;
    uint64_t n, bytes = rt_dtype_size(t->dtype);
    bool empty = false;

    if (!cJSON_IsArray(item))
        return refuse(r, "array '%.100s' has no shape", t->name);
    cJSON_ArrayForEach(extent, item) {
        if (t->rank == RT_MAX_RANK)
            return refuse(r, "array '%.100s' has more than %d axes", t->name, RT_MAX_RANK);
        if (!get_integer(extent, &n))
            return refuse(r, "axis %d of array '%.100s' is not a whole number", t->rank, t->name);
        t->shape[t->rank++] = (int64_t)n;
        empty = empty || n == 0;
        if (n > 0 && bytes > (uint64_t)INT64_MAX / n)
            return refuse(r, "the shape of array '%.100s' is too large", t->name);
        bytes *= n > 0 ? n : 1;
    }
    t->bytes = empty ? 0 : (size_t)bytes;
    return true;
}

static bool read_offsets(const Reader *r, const cJSON *item, RtTensor *t, uint64_t *begin) {
    uint64_t end;

    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != 2 ||
        !get_integer(cJSON_GetArrayItem(item, 0), begin) ||
        !get_integer(cJSON_GetArrayItem(item, 1), &end) || *begin > end)
        return refuse(r, "the data_offsets of array '%.100s' are not [begin, end]", t->name);
    if (end > r->n_data)
        return refuse(r,
                      "array '%.100s' ends at byte %" PRIu64 " of the data, of which the file has "
                      "%zu; it may have been cut short",
                      t->name, end, r->n_data);
    if (end - *begin != t->bytes)
        return refuse(r, "array '%.100s' has %" PRIu64 " bytes where its shape needs %zu", t->name,
                      end - *begin, t->bytes);
    return true;
}

// Points the array at its data, at a copy where the file's place is not aligned.
static bool read_data(const Reader *r, RtTensor *t, uint64_t begin) {
    char *data = r->data + begin;

    if (t->dtype == RT_BOOL) {
        for (size_t i = 0; i < t->bytes; i++) {
            if ((unsigned char)data[i] > 1)
                return refuse(r, "array '%.100s' is BOOL but element %zu is %d", t->name, i,
                              (unsigned char)data[i]);
        }
    }
    if ((uintptr_t)data % rt_dtype_size(t->dtype) == 0) {
        t->data = data;
        return true;
    }
    t->data = arena_alloc(&r->file->arena, t->bytes);
    memcpy(t->data, data, t->bytes);
    return true;
}

static bool read_tensor(Reader *r, const cJSON *entry) {
    RtTensorFile *f = r->file;
    RtTensor *t = &f->tensors[f->n];

    t->name = arena_strdup(&f->arena, entry->string);
    if (map_has(&f->names, t->name))
        return refuse(r, "two arrays are called '%.100s'", t->name);
    if (!cJSON_IsObject(entry) || cJSON_GetArraySize(entry) != 3)
        return refuse(r, "array '%.100s' needs exactly dtype, shape and data_offsets", t->name);
    if (!read_dtype(r, cJSON_GetObjectItemCaseSensitive(entry, "dtype"), t) ||
        !read_shape(r, cJSON_GetObjectItemCaseSensitive(entry, "shape"), t) ||
        !read_offsets(r, cJSON_GetObjectItemCaseSensitive(entry, "data_offsets"), t,
                      &r->begins[f->n]) ||
        !read_data(r, t, r->begins[f->n]))
        return false;
    map_put(&f->names, &f->arena, t->name, t);
    f->n++;
    return true;
}

static bool read_metadata(const Reader *r, const cJSON *object) {
    RtTensorFile *f = r->file;
    const cJSON *entry;

    if (!cJSON_IsObject(object) || f->metadata)
        return refuse(r, "__metadata__ is not one map of texts");
    f->metadata = arena_array(&f->arena, RtPair, cJSON_GetArraySize(object) + 1);
    cJSON_ArrayForEach(entry, object) {
        if (!cJSON_IsString(entry))
            return refuse(r, "__metadata__ entry '%.100s' is not a text", entry->string);
        if (rt_safetensors_find_metadata(f, entry->string))
            return refuse(r, "__metadata__ has two entries called '%.100s'", entry->string);
        f->metadata[f->n_metadata++] = (RtPair){arena_strdup(&f->arena, entry->string),
                                                arena_strdup(&f->arena, entry->valuestring)};
    }
    return true;
}

// A piece of the data, for the check that pieces meet without gap or overlap.
typedef struct Piece {
    uint64_t begin, end;
    const char *name;
} Piece;

static int compare_pieces(const void *x, const void *y) {
    const Piece *a = x, *b = y;

    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return a->end < b->end ? -1 : a->end > b->end;
}

static bool check_cover(const Reader *r) {
    RtTensorFile *f = r->file;
    Piece *pieces = arena_array(&f->arena, Piece, f->n + 1);
    uint64_t at = 0;

    for (int i = 0; i < f->n; i++)
        pieces[i] = (Piece){r->begins[i], r->begins[i] + f->tensors[i].bytes, f->tensors[i].name};
    qsort(pieces, (size_t)f->n, sizeof *pieces, compare_pieces);
    for (int i = 0; i < f->n; at = pieces[i++].end) {
        if (pieces[i].begin < at)
            return refuse(r, "the data of arrays '%.100s' and '%.100s' overlap",
                          pieces[i ? i - 1 : 0].name, pieces[i].name);
        if (pieces[i].begin > at)
            return refuse(r, "bytes %" PRIu64 " to %" PRIu64 " of the data belong to no array", at,
                          pieces[i].begin);
    }
    if (at != r->n_data)
        return refuse(r, "the last %" PRIu64 " bytes belong to no array", (uint64_t)r->n_data - at);
    return true;
}

static bool read_entries(Reader *r, const cJSON *header) {
    RtTensorFile *f = r->file;
    const cJSON *entry;
    int n = cJSON_GetArraySize(header);

    f->tensors = arena_array(&f->arena, RtTensor, n + 1);
    r->begins = arena_array(&f->arena, uint64_t, n + 1);
    cJSON_ArrayForEach(entry, header) {
        bool metadata = strcmp(entry->string, "__metadata__") == 0;
        if (metadata ? !read_metadata(r, entry) : !read_tensor(r, entry))
            return false;
    }
    return check_cover(r);
}

// Reads what lies in r->file->bytes.
static bool read_bytes(Reader *r) {
    const Buf *bytes = &r->file->bytes;
    uint64_t n_header = 0;

    if (bytes->len < 8)
        return refuse(r, "%zu bytes are too few for a safetensors file", bytes->len);
    for (int i = 7; i >= 0; i--)
        n_header = n_header << 8 | (unsigned char)bytes->data[i];
    if (n_header > max_header || n_header > bytes->len - 8)
        return refuse(r,
                      "the header claims %" PRIu64 " bytes and the file has %zu after it; this is "
                      "not a safetensors file, or it was cut short",
                      n_header, bytes->len - 8);
    r->data = bytes->data + 8 + n_header;
    r->n_data = bytes->len - 8 - (size_t)n_header;

    // cJSON stops at the end of the value; only spaces may follow it
    const char *end = NULL;
    cJSON *header = cJSON_ParseWithLengthOpts(bytes->data + 8, (size_t)n_header, &end, false);
    bool done = header && cJSON_IsObject(header);
    for (const char *p = end; done && p < r->data; p++)
        done = *p == ' ';
    done = done ? read_entries(r, header) : refuse(r, "the header is not a JSON object");
    cJSON_Delete(header);
    return done;
}

static bool finish_read(Reader *r) {
    if (read_bytes(r))
        return true;
    rt_safetensors_close(r->file);
    return false;
}

bool rt_safetensors_read(RtTensorFile *f, const char *path, char *why, size_t why_size) {
    Reader r = {.file = f, .path = path, .why = why, .why_size = why_size};

    *f = (RtTensorFile){0};
    if (!buf_read_file(&f->bytes, path, 0, why, why_size)) {
        rt_safetensors_close(f);
        return false;
    }
    return finish_read(&r);
}

bool rt_safetensors_parse(RtTensorFile *f, const char *path, const void *data, size_t len,
                          char *why, size_t why_size) {
    Reader r = {.file = f, .path = path, .why = why, .why_size = why_size};

    *f = (RtTensorFile){0};
    if (len > 0)
        buf_put(&f->bytes, data, len);
    return finish_read(&r);
}

const RtTensor *rt_safetensors_find(const RtTensorFile *f, const char *name) {
    return map_get(&f->names, name);
}

const char *rt_safetensors_find_metadata(const RtTensorFile *f, const char *key) {
    for (int i = 0; i < f->n_metadata; i++) {
        if (strcmp(f->metadata[i].key, key) == 0)
            return f->metadata[i].value;
    }
    return NULL;
}

void rt_safetensors_close(RtTensorFile *f) {
    arena_free(&f->arena);
    buf_free(&f->bytes);
    *f = (RtTensorFile){0};
}

// Whether the arrays can be written: names, and bytes that fit dtype and shape.
static bool check_tensors(const Reader *r, Arena *a, const RtTensor *tensors, int n) {
    Map names = {0};

    for (int i = 0; i < n; i++) {
        const RtTensor *t = &tensors[i];
        if (!t->name || !*t->name || strcmp(t->name, "__metadata__") == 0)
            return refuse(r, "array %d has no name that can be written", i);
        if (map_has(&names, t->name))
            return refuse(r, "two arrays are called '%.100s'", t->name);
        if (t->rank < 0 || t->rank > RT_MAX_RANK)
            return refuse(r, "array '%.100s' has %d axes", t->name, t->rank);
        if ((uint64_t)rt_tensor_elements(t) * rt_dtype_size(t->dtype) != t->bytes)
            return refuse(r, "array '%.100s' has %zu bytes, which do not fit its shape", t->name,
                          t->bytes);
        map_put(&names, a, t->name, (void *)(uintptr_t)t);
    }
    return true;
}

static void put_entry(Buf *b, const RtTensor *t, size_t begin) {
    rt_json_put_string(b, t->name);
    buf_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", rt_dtype_name(t->dtype));
    for (int i = 0; i < t->rank; i++)
        buf_printf(b, "%s%" PRId64, i ? "," : "", t->shape[i]);
    buf_printf(b, "],\"data_offsets\":[%zu,%zu]}", begin, begin + t->bytes);
}

static void put_header(Buf *b, const RtTensor *tensors, const size_t *begins, int n,
                       const RtPair *metadata, int n_metadata) {
    buf_puts(b, "{");
    if (n_metadata > 0) {
        buf_puts(b, "\"__metadata__\":{");
        for (int i = 0; i < n_metadata; i++) {
            buf_puts(b, i ? "," : "");
            rt_json_put_string(b, metadata[i].key);
            buf_puts(b, ":");
            rt_json_put_string(b, metadata[i].value);
        }
        buf_puts(b, n > 0 ? "}," : "}");
    }
    for (int i = 0; i < n; i++) {
        buf_puts(b, i ? "," : "");
        put_entry(b, &tensors[i], begins[i]);
    }
    buf_puts(b, "}");
    while (b->len % 8 != 0)
        buf_puts(b, " ");
}

bool rt_safetensors_format(Buf *out, const char *path, const RtTensor *tensors, int n,
                           const RtPair *metadata, int n_metadata, char *why, size_t why_size) {
    static const size_t widths[] = {8, 4, 1};
    Reader r = {.path = path, .why = why, .why_size = why_size};
    Arena scratch = {0};
    Buf header = {0};
    bool done = check_tensors(&r, &scratch, tensors, n);

    if (done) {
        // places: wide elements first, in the order given among equals
        size_t *begins = arena_array(&scratch, size_t, n + 1), at = 0;
        for (int w = 0; w < 3; w++) {
            for (int i = 0; i < n; i++) {
                if (rt_dtype_size(tensors[i].dtype) != widths[w])
                    continue;
                begins[i] = at;
                at += tensors[i].bytes;
            }
        }
        put_header(&header, tensors, begins, n, metadata, n_metadata);

        char length[8];
        for (int i = 0; i < 8; i++)
            length[i] = (char)((uint64_t)header.len >> (8 * i) & 0xFF);
        buf_put(out, length, sizeof length);
        buf_put(out, header.data, header.len);
        for (int w = 0; w < 3; w++) {
            for (int i = 0; i < n; i++) {
                if (rt_dtype_size(tensors[i].dtype) == widths[w] && tensors[i].bytes > 0)
                    buf_put(out, tensors[i].data, tensors[i].bytes);
            }
        }
    }
    buf_free(&header);
    arena_free(&scratch);
    return done;
}

bool rt_safetensors_write(const char *path, const RtTensor *tensors, int n, const RtPair *metadata,
                          int n_metadata, char *why, size_t why_size) {
    Buf bytes = {0};
    bool done =
        rt_safetensors_format(&bytes, path, tensors, n, metadata, n_metadata, why, why_size) &&
        buf_write_file(path, bytes.data, bytes.len, why, why_size);

    buf_free(&bytes);
    return done;
}
