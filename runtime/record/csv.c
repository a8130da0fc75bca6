// runtime/record/csv.c -- comma-separated values; progress.csv, derived from the events.
#include "runtime/record/csv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

void rt_csv_put_text(Buf *b, const char *s) {
    if (!strpbrk(s, ",\"\r\n")) {
        buf_puts(b, s);
        return;
    }
    buf_puts(b, "\"");
    for (; *s; s++)
        buf_printf(b, *s == '"' ? "\"\"" : "%c", *s);
    buf_puts(b, "\"");
}

// Text of a cell, or NULL where the value is none that a cell can hold.
static const char *format_cell(Arena *a, const cJSON *value) {
    Buf text = {0};
    char number[32];

    if (cJSON_IsBool(value))
        return cJSON_IsTrue(value) ? "true" : "false";
    if (cJSON_IsNumber(value)) {
        bool whole =
            fabs(value->valuedouble) < 1e15 && trunc(value->valuedouble) == value->valuedouble;
        if (whole)
            return arena_printf(a, "%.0f", value->valuedouble);
        buf_format_double(number, value->valuedouble);
        return arena_strdup(a, number);
    }
    if (!cJSON_IsString(value))
        return NULL;
    rt_csv_put_text(&text, value->valuestring);
    const char *cell = arena_strdup(a, buf_text(&text));
    buf_free(&text);
    return cell;
}

// Number of the column `name`, made where it is new.
static int find_column(RtCsv *csv, const char *name) {
    if (!map_has(&csv->columns, name))
        map_put(&csv->columns, &csv->arena, arena_strdup(&csv->arena, name),
                (void *)(intptr_t)(csv->columns.n + 1));
    return (int)(intptr_t)map_get(&csv->columns, name) - 1;
}

// Adds the event as a row where it is of the right kind.
static void add_row(RtCsv *csv, const cJSON *event) {
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(event, "event"), *value;

    if (!cJSON_IsString(kind) || strcmp(kind->valuestring, csv->kind) != 0)
        return;
    if (csv->n_rows == csv->cap) {
        int cap = csv->cap ? 2 * csv->cap : 64;
        csv->rows =
            arena_grow(&csv->arena, csv->rows, (size_t)csv->n_rows, (size_t)cap, sizeof *csv->rows);
        csv->n_cells = arena_grow(&csv->arena, csv->n_cells, (size_t)csv->n_rows, (size_t)cap,
                                  sizeof *csv->n_cells);
        csv->cap = cap;
    }

    int room = csv->columns.n + cJSON_GetArraySize(event), *n = &csv->n_cells[csv->n_rows];
    const char **cells = arena_array(&csv->arena, const char *, room);
    cJSON_ArrayForEach(value, event) {
        const char *text = value == kind ? NULL : format_cell(&csv->arena, value);
        if (!text)
            continue;
        int column = find_column(csv, value->string);
        cells[column] = text;
        *n = column >= *n ? column + 1 : *n;
    }
    csv->rows[csv->n_rows++] = cells;
}

static bool write_csv(const RtCsv *csv, const char *path, char *why, size_t why_size) {
    Buf text = {0};

    for (int i = 0; i < csv->columns.n; i++)
        buf_printf(&text, "%s%s", i ? "," : "", csv->columns.entries[i].key);
    buf_puts(&text, csv->columns.n > 0 ? "\n" : "");
    for (int r = 0; r < csv->n_rows; r++) {
        for (int i = 0; i < csv->columns.n; i++) {
            const char *cell = i < csv->n_cells[r] ? csv->rows[r][i] : NULL;
            buf_printf(&text, "%s%s", i ? "," : "", cell ? cell : "");
        }
        buf_puts(&text, "\n");
    }
    bool done = buf_write_file(path, buf_text(&text), text.len, why, why_size);
    buf_free(&text);
    return done;
}

// Reads the file from `offset` to its end.
static bool read_from(Buf *text, const char *path, int64_t offset, char *why, size_t why_size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char piece[1 << 14];
    ssize_t n = fd < 0 ? -1 : 1;

    while (n > 0) {
        n = pread(fd, piece, sizeof piece, offset);
        if (n < 0 && errno == EINTR) {
            n = 1;
            continue;
        }
        if (n > 0)
            buf_put(text, piece, (size_t)n);
        offset += n > 0 ? n : 0;
    }
    if (n < 0)
        snprintf(why, why_size, "cannot read '%s': %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return n == 0;
}

bool rt_csv_update(RtCsv *csv, const char *events_path, const char *csv_path, char *why,
                   size_t why_size) {
    Buf text = {0};
    int n_before = csv->n_rows;
    bool done = read_from(&text, events_path, csv->offset, why, why_size);

    // whole lines only; a cut one is read once it is whole
    size_t at = 0;
    while (done && at < text.len) {
        const char *line = text.data + at, *end = memchr(line, '\n', text.len - at);
        if (!end)
            break;
        cJSON *event = cJSON_ParseWithLength(line, (size_t)(end - line));
        if (event)
            add_row(csv, event);
        else {
            snprintf(why, why_size, "'%s' has a line at byte %" PRId64 " that is not JSON",
                     events_path, csv->offset + (int64_t)at);
            done = false;
        }
        cJSON_Delete(event);
        at = (size_t)(end - text.data) + 1;
    }
    csv->offset += (int64_t)at;
    buf_free(&text);
    if (done && (csv->n_rows > n_before || access(csv_path, F_OK) != 0 || n_before == 0))
        done = write_csv(csv, csv_path, why, why_size);
    return done;
}

void rt_csv_free(RtCsv *csv) {
    arena_free(&csv->arena);
    *csv = (RtCsv){.kind = csv->kind};
}
