// ir/base/buf.c -- growing text, whole files, and numbers as text.
#include "ir/base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/base/arena.h"

// Makes room for `more` bytes and a NUL.
static void reserve(Buf *b, size_t more) {
    if (more > SIZE_MAX / 4 - b->len)
        arena_out_of_memory(more);
    size_t need = b->len + more + 1;
    if (need <= b->cap)
        return;

    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (!data)
        arena_out_of_memory(cap);
    b->data = data;
    b->cap = cap;
}

void buf_put(Buf *b, const char *s, size_t len) {
    reserve(b, len);
    if (len)
        memcpy(b->data + b->len, s, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_puts(Buf *b, const char *s) {
    buf_put(b, s, strlen(s));
}

void buf_printf(Buf *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

void buf_vprintf(Buf *b, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0)
        return;

    reserve(b, (size_t)len);
    vsnprintf(b->data + b->len, (size_t)len + 1, format, args);
    b->len += (size_t)len;
}

const char *buf_text(const Buf *b) {
    return b->data ? b->data : "";
}

void buf_reset(Buf *b) {
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

int32_t buf_decode_utf8(const char *text, const char *end, int *len) {
    const unsigned char *s = (const unsigned char *)text;
    *len = 1;
    if (s[0] < 0x80)
        return s[0];
    int n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || end - text < n)
        return -1;

    int32_t c = s[0] & (0xff >> (n + 1));
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (s[i] & 0x3f);
    }
    static const int32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return -1;
    *len = n;
    return c;
}

void buf_free(Buf *b) {
    free(b->data);
    *b = (Buf){0};
}

// Writes "cannot <verb> '<path>': <what errno means>" and returns false.
static bool fail(char *why, size_t why_size, const char *verb, const char *path) {
    snprintf(why, why_size, "cannot %s '%s': %s", verb, path, strerror(errno));
    return false;
}

// Reads from `fd` to the end. Says whether it came there before `max` bytes were passed.
static bool read_all(Buf *b, int fd, size_t max, bool *too_large) {
    for (;;) {
        reserve(b, 1 << 16);
        ssize_t got = read(fd, b->data + b->len, 1 << 16);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        b->len += (size_t)got;
        b->data[b->len] = '\0';
        *too_large = max && b->len > max;
        if (*too_large || got == 0)
            return !*too_large;
    }
}

bool buf_read_file(Buf *b, const char *path, size_t max, char *why, size_t why_size) {
    buf_reset(b);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(why, why_size, "read", path);

    // a file that says its size is refused or given room before anything is read
    struct stat st;
    bool regular = !fstat(fd, &st) && S_ISREG(st.st_mode);
    bool too_large = regular && max && (uintmax_t)st.st_size > max;
    if (regular && !too_large)
        reserve(b, (size_t)st.st_size + (1 << 16));

    bool ok = !too_large && read_all(b, fd, max, &too_large);
    if (too_large)
        snprintf(why, why_size, "'%s' is larger than the limit of %zu bytes", path, max);
    else if (!ok)
        fail(why, why_size, "read", path);
    close(fd);
    if (!ok)
        buf_reset(b);
    return ok;
}

static bool write_all(int fd, const char *data, size_t len) {
    while (len) {
        ssize_t put = write(fd, data, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        data += put;
        len -= (size_t)put;
    }
    return true;
}

// Opens a new file beside `path` and puts its name into `name`. -1 with errno set.
static int open_temporary(Buf *name, const char *path) {
    for (int i = 0; i < 1000; i++) {
        buf_reset(name);
        buf_printf(name, "%s.tmp-%ld-%d", path, (long)getpid(), i);
        int fd = open(buf_text(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

// Makes the rename of `path` last. Some file systems cannot sync a folder (EINVAL): no failure.
static bool sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    Buf folder = {0};
    buf_put(&folder, slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
    int fd = open(buf_text(&folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    buf_free(&folder);

    bool ok = fd >= 0 && (!fsync(fd) || errno == EINVAL);
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return ok;
}

static bool write_directly(const char *path, const void *data, size_t len) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = write_all(fd, data, len);
    int error = errno;
    close(fd);
    errno = error;
    return ok;
}

// Writes a temporary file and renames it to `path`. Leaves nothing behind on failure.
static bool write_and_rename(const char *path, const void *data, size_t len, Buf *temporary) {
    int fd = open_temporary(temporary, path);
    if (fd < 0)
        return false;

    bool written = write_all(fd, data, len) && !fsync(fd);
    int error = errno;
    if (close(fd) && written) {
        error = errno;
        written = false;
    }
    if (written && !rename(buf_text(temporary), path))
        return sync_folder(path);
    if (written)
        error = errno;
    unlink(buf_text(temporary));
    errno = error;
    return false;
}

bool buf_write_file(const char *path, const void *data, size_t len, char *why, size_t why_size) {
    struct stat st;
    bool special = !stat(path, &st) && !S_ISREG(st.st_mode);

    Buf temporary = {0};
    bool ok =
        special ? write_directly(path, data, len) : write_and_rename(path, data, len, &temporary);
    if (!ok)
        fail(why, why_size, "write", path);
    buf_free(&temporary);
    return ok;
}

// Creates one folder; one that is already there is fine.
static bool make_dir(const char *path) {
    if (!mkdir(path, 0777))
        return true;
    int error = errno;
    struct stat st;
    if (!stat(path, &st) && S_ISDIR(st.st_mode))
        return true;
    errno = error == EEXIST ? ENOTDIR : error;
    return false;
}

bool buf_make_dirs(const char *path, char *why, size_t why_size) {
    Buf part = {0};
    bool ok = true;

    for (size_t i = 1, len = strlen(path); i <= len && ok; i++) {
        if ((path[i] != '/' && path[i] != '\0') || path[i - 1] == '/')
            continue;
        buf_reset(&part);
        buf_put(&part, path, i);
        ok = make_dir(buf_text(&part)) || fail(why, why_size, "create folder", buf_text(&part));
    }
    buf_free(&part);
    return ok;
}

// "C" is built into the C library: newlocale() gives it without loading or allocating.
static locale_t c_locale(void) {
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

int buf_format_double(char *out, double x) {
    if (isnan(x))
        return snprintf(out, 32, "nan");

    // 15 digits always read back the same text, so more are tried only when they are needed; near
    // zero a double holds fewer than 15
    locale_t c = c_locale(), user = uselocale(c);
    int len = 0;
    for (int digits = fabs(x) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        len = snprintf(out, 32, "%.*g", digits, x);
        double back = strtod(out, NULL);
        if (!(back < x) && !(back > x))
            break;
    }
    uselocale(user);
    freelocale(c);
    return len;
}

static size_t skip_digits(const char *s, size_t len, size_t i) {
    while (i < len && s[i] >= '0' && s[i] <= '9')
        i++;
    return i;
}

// Whether `s` is [+-] digits [. digits] [e [+-] digits] with a digit before the exponent.
static bool is_number(const char *s, size_t len) {
    size_t i = len && (s[0] == '+' || s[0] == '-');
    size_t start = i;
    i = skip_digits(s, len, i);
    size_t n_digits = i - start;
    if (i < len && s[i] == '.') {
        start = ++i;
        i = skip_digits(s, len, i);
        n_digits += i - start;
    }
    if (!n_digits)
        return false;
    if (i < len && (s[i] == 'e' || s[i] == 'E')) {
        i++;
        i += i < len && (s[i] == '+' || s[i] == '-');
        start = i;
        i = skip_digits(s, len, i);
        if (i == start)
            return false;
    }
    return i == len;
}

bool buf_parse_double(const char *s, size_t len, double *x) {
    if (!is_number(s, len))
        return false;

    Buf text = {0}; // with a NUL at its end, which `s` may lack
    buf_put(&text, s, len);
    locale_t c = c_locale();
    double value = strtod_l(buf_text(&text), NULL, c);
    freelocale(c);
    buf_free(&text);
    if (!isfinite(value))
        return false;
    *x = value;
    return true;
}
