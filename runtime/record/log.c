// runtime/record/log.c -- append-only logs with a known committed length.
#include "runtime/record/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/record/json.h"

static bool fail(const char *path, const char *what, char *why, size_t why_size) {
    snprintf(why, why_size, "cannot %s '%s': %s", what, path, strerror(errno));
    return false;
}

// Cuts the file to `offset` bytes; refuses to lengthen it.
static bool cut(int fd, const char *path, int64_t offset, char *why, size_t why_size) {
    struct stat s;

    if (fstat(fd, &s) != 0)
        return fail(path, "look at", why, why_size);
    if (s.st_size < offset) {
        snprintf(why, why_size,
                 "'%s' has %lld bytes, but %" PRId64 " were committed; the log was damaged", path,
                 (long long)s.st_size, offset);
        return false;
    }
    if (s.st_size > offset && (ftruncate(fd, offset) != 0 || fdatasync(fd) != 0))
        return fail(path, "cut", why, why_size);
    return true;
}

// Opens the file for writing, made where missing so that it is still there after a power cut.
static int open_file(const char *path) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    const char *slash = strrchr(path, '/');
    Buf folder = {0};
    buf_put(&folder, slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
    int folder_fd = fd < 0 ? -1 : open(buf_text(&folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd >= 0) {
        fsync(folder_fd);
        close(folder_fd);
    }
    buf_free(&folder);
    return fd;
}

bool rt_log_open(RtLog *log, const char *path, int64_t offset, char *why, size_t why_size) {
    *log = (RtLog){0};
    int fd = open_file(path);
    if (fd < 0)
        return fail(path, "open", why, why_size);
    if (!cut(fd, path, offset, why, why_size)) {
        close(fd);
        return false;
    }
    *log = (RtLog){.fd = fd, .path = strdup(path), .offset = offset};
    if (log->path)
        return true;
    close(fd);
    return fail(path, "open", why, why_size);
}

// Writes all of the text at `offset`.
static bool write_at(int fd, const char *text, size_t len, int64_t offset) {
    while (len > 0) {
        ssize_t n = pwrite(fd, text, len, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
        offset += n;
    }
    return true;
}

bool rt_log_flush(RtLog *log, char *why, size_t why_size) {
    if (!log->path || log->pending.len == 0)
        return true;
    if (!write_at(log->fd, log->pending.data, log->pending.len, log->offset) ||
        fdatasync(log->fd) != 0) {
        fail(log->path, "write", why, why_size);

        // where cutting back fails too, the next open does it
        bool cut_back = ftruncate(log->fd, log->offset) == 0;
        (void)cut_back;
        return false;
    }
    log->offset += (int64_t)log->pending.len;
    buf_reset(&log->pending);
    return true;
}

bool rt_log_truncate(RtLog *log, int64_t offset, char *why, size_t why_size) {
    rt_log_discard(log);
    if (!log->path)
        return true;
    if (!cut(log->fd, log->path, offset, why, why_size))
        return false;
    log->offset = offset;
    return true;
}

void rt_log_discard(RtLog *log) {
    buf_reset(&log->pending);
    buf_reset(&log->line);
}

void rt_log_close(RtLog *log) {
    if (log->path)
        close(log->fd);
    free(log->path);
    buf_free(&log->pending);
    buf_free(&log->line);
    *log = (RtLog){0};
}

// Begins the next value of the line.
static Buf *put_key(RtLog *log, const char *key) {
    buf_puts(&log->line, log->line.len > 1 ? "," : "");
    rt_json_put_string(&log->line, key);
    buf_puts(&log->line, ":");
    return &log->line;
}

void rt_event_begin(RtLog *log, const char *kind) {
    buf_reset(&log->line);
    buf_puts(&log->line, "{");
    rt_event_put_text(log, "event", kind);
}

void rt_event_put_int(RtLog *log, const char *key, int64_t x) {
    buf_printf(put_key(log, key), "%" PRId64, x);
}

void rt_event_put_bool(RtLog *log, const char *key, bool x) {
    buf_puts(put_key(log, key), x ? "true" : "false");
}

void rt_event_put_double(RtLog *log, const char *key, double x) {
    rt_json_put_double(put_key(log, key), x);
}

void rt_event_put_text(RtLog *log, const char *key, const char *s) {
    rt_json_put_string(put_key(log, key), s);
}

void rt_event_put_doubles(RtLog *log, const char *key, const double *x, int n) {
    Buf *b = put_key(log, key);

    buf_puts(b, "[");
    for (int i = 0; i < n; i++) {
        buf_puts(b, i ? "," : "");
        rt_json_put_double(b, x[i]);
    }
    buf_puts(b, "]");
}

void rt_event_put_json(RtLog *log, const char *key, const char *json) {
    buf_puts(put_key(log, key), json);
}

void rt_event_end(RtLog *log) {
    if (log->path && log->line.len > 0) {
        buf_put(&log->pending, log->line.data, log->line.len);
        buf_puts(&log->pending, "}\n");
    }
    buf_reset(&log->line);
}
