// runtime/record/run.c -- run folders.
#include "runtime/record/run.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ir/base/buf.h"
#include "ir/base/exits.h"
#include "runtime/record/checkpoint.h"

static const char *const folders[] = {"episodes", "checkpoints", "eval"};

// Puts `s` as one part of a folder name: no '/', no "__", no '_' at the ends.
static void put_part(Buf *b, const char *s) {
    size_t start = b->len;

    for (; *s; s++) {
        bool plain = isalnum((unsigned char)*s) || *s == '-' || *s == '_' || *s == '.';
        char c = plain && !(*s == '.' && b->len == start) ? *s : '-';
        if (c == '_' && (b->len == start || b->data[b->len - 1] == '_'))
            continue;
        buf_put(b, &c, 1);
    }
    while (b->len > start && b->data[b->len - 1] == '_')
        b->data[--b->len] = '\0';
    if (b->len == start)
        buf_puts(b, "-");
}

void rt_run_put_name(Buf *b, const RtRunDef *def) {
    char now[32];
    time_t t = time(NULL);
    struct tm parts;

    strftime(now, sizeof now, "%Y%m%d-%H%M%S", gmtime_r(&t, &parts));
    put_part(b, def->env);
    buf_puts(b, "__");
    put_part(b, def->system);
    buf_printf(b, "__%" PRId64 "__", def->seed);
    put_part(b, def->time ? def->time : now);
}

static int fail(int code, const char *what, const char *path, char *why, size_t why_size) {
    snprintf(why, why_size, "cannot %s '%s': %s", what, path, strerror(errno));
    return code;
}

static char *join(const char *dir, const char *name) {
    Buf b = {0};

    buf_printf(&b, "%s/%s", dir, name);
    return b.data;
}

bool rt_run_make_unique(Buf *path) {
    size_t len = path->len;

    for (int i = 2; mkdir(path->data, 0777) != 0; i++) {
        if (errno != EEXIST || i > 9999)
            return false;
        path->data[path->len = len] = '\0';
        buf_printf(path, "-%d", i);
    }
    return true;
}

static void sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

// Takes the lock of the run. `gssm-run ls` holds it for a moment to see who has it, so a refusal
// counts only when it lasts.
static int take_lock(RtRun *run, char *why, size_t why_size) {
    char *path = join(run->dir, "lock");
    int code = EXIT_OK;

    run->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (run->lock_fd < 0) {
        code = fail(EXIT_CANNOT_CREATE, "open", path, why, why_size);
        free(path);
        return code;
    }
    run->locked = flock(run->lock_fd, LOCK_EX | LOCK_NB) == 0;
    for (int i = 0; i < 10 && !run->locked && errno == EWOULDBLOCK; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        run->locked = flock(run->lock_fd, LOCK_EX | LOCK_NB) == 0;
    }
    if (!run->locked && errno == EWOULDBLOCK) {
        snprintf(why, why_size, "the run '%s' is in use by another process", run->dir);
        code = EXIT_IN_USE;
    } else if (!run->locked)
        code = fail(EXIT_IO, "lock", path, why, why_size);
    if (!run->locked)
        close(run->lock_fd);
    free(path);
    return code;
}

// Fills the new folder; config.yaml comes last and says that all is there.
static int fill(RtRun *run, const RtRunDef *def, char *why, size_t why_size) {
    int code = take_lock(run, why, why_size);

    for (int i = 0; i < (int)(sizeof folders / sizeof *folders) && code == EXIT_OK; i++) {
        char *path = join(run->dir, folders[i]);
        if (!buf_make_dirs(path, why, why_size))
            code = EXIT_CANNOT_CREATE;
        free(path);
    }
    if (code != EXIT_OK)
        return code;
    char *path = join(run->dir, "config.yaml");
    if (!buf_write_file(path, def->config, def->config_len, why, why_size))
        code = EXIT_CANNOT_CREATE;
    free(path);
    sync_folder(def->root);
    return code;
}

int rt_run_create(RtRun *run, const RtRunDef *def, char *why, size_t why_size) {
    Buf path = {0};

    *run = (RtRun){0};
    if (!buf_make_dirs(def->root, why, why_size))
        return EXIT_CANNOT_CREATE;
    buf_printf(&path, "%s/", def->root);
    rt_run_put_name(&path, def);
    if (!rt_run_make_unique(&path)) {
        int code = fail(EXIT_CANNOT_CREATE, "create", path.data, why, why_size);
        buf_free(&path);
        return code;
    }
    run->dir = path.data;
    int code = fill(run, def, why, why_size);
    if (code != EXIT_OK)
        rt_run_close(run);
    return code;
}

static bool is_file(const char *dir, const char *name) {
    char *path = join(dir, name);
    struct stat s;
    bool found = stat(path, &s) == 0 && S_ISREG(s.st_mode);

    free(path);
    return found;
}

int rt_run_open(RtRun *run, const char *dir, bool write, char *why, size_t why_size) {
    Buf path = {0};
    struct stat s;
    int code = EXIT_OK;

    // the path without slashes at its end
    buf_puts(&path, dir);
    while (path.len > 1 && path.data[path.len - 1] == '/')
        path.data[--path.len] = '\0';
    buf_puts(&path, "");
    *run = (RtRun){.dir = path.data};

    if (stat(run->dir, &s) != 0)
        code = fail(EXIT_MISSING, "find the run", run->dir, why, why_size);
    else if (!S_ISDIR(s.st_mode)) {
        snprintf(why, why_size, "'%s' is not a run folder", run->dir);
        code = EXIT_BAD_INPUT;
    } else if (!is_file(run->dir, "config.yaml")) {
        snprintf(why, why_size,
                 is_file(run->dir, "lock")
                     ? "the run '%s' has no config.yaml: it was stopped while it was being made, "
                       "and holds nothing; train it anew"
                     : "'%s' is not a run folder: it has no config.yaml",
                 run->dir);
        code = EXIT_BAD_INPUT;
    } else if (write)
        code = take_lock(run, why, why_size);
    if (code != EXIT_OK)
        rt_run_close(run);
    return code;
}

void rt_run_close(RtRun *run) {
    if (run->locked)
        close(run->lock_fd);
    free(run->dir);
    *run = (RtRun){0};
}

char *rt_run_path(const RtRun *run, Arena *a, const char *name) {
    return arena_printf(a, "%s/%s", run->dir, name);
}

// Cuts off what stands before the next "__" and returns it, or NULL.
static const char *cut_part(Arena *a, const char **rest) {
    const char *end = strstr(*rest, "__");

    if (!end || end == *rest)
        return NULL;
    const char *part = arena_strndup(a, *rest, (size_t)(end - *rest));
    *rest = end + 2;
    return part;
}

static bool is_locked(const char *dir) {
    char *path = join(dir, "lock");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool locked = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    if (fd >= 0)
        close(fd);
    free(path);
    return locked;
}

// The newest checkpoint whose file is whole; what it refers to is not read.
static void find_commit(RtRunInfo *info, Arena *a) {
    int64_t *commits;
    char why[256];

    for (int i = rt_checkpoint_list(a, info->dir, &commits) - 1; i >= 0 && info->commit < 0; i--) {
        RtCheckpoint c;
        char *path =
            arena_printf(a, "%s/checkpoints/%06" PRId64 ".safetensors", info->dir, commits[i]);
        if (!rt_checkpoint_read(&c, path, why, sizeof why))
            continue;
        info->commit = c.commit;
        info->cursor = arena_strdup(a, c.cursor);
        rt_checkpoint_close(&c);
    }
}

bool rt_run_info(RtRunInfo *info, Arena *a, const char *dir) {
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    *info = (RtRunInfo){.dir = arena_strndup(a, dir, len), .commit = -1};
    const char *slash = strrchr(info->dir, '/'), *rest;
    info->name = rest = slash ? slash + 1 : info->dir;

    info->env = cut_part(a, &rest);
    info->system = info->env ? cut_part(a, &rest) : NULL;
    const char *seed = info->system ? cut_part(a, &rest) : NULL;
    char *end = NULL;
    if (seed)
        info->seed = strtoll(seed, &end, 10);
    if (!seed || *end || !*rest)
        return false;
    info->time = rest;
    info->complete = is_file(info->dir, "config.yaml");
    info->in_use = is_locked(info->dir);
    find_commit(info, a);
    return true;
}

static int compare_infos(const void *x, const void *y) {
    return strcmp(((const RtRunInfo *)x)->name, ((const RtRunInfo *)y)->name);
}

// The runs of a growing list.
typedef struct Runs {
    RtRunInfo *items;
    int n, cap;
} Runs;

// Adds the runs in `root`, whose names get `prefix`, and those of its sweeps.
static bool list_folder(Runs *runs, Arena *a, const char *root, const char *prefix) {
    DIR *folder = opendir(root);

    if (!folder)
        return false;
    for (struct dirent *d = readdir(folder); d; d = readdir(folder)) {
        RtRunInfo info;
        char *dir = arena_printf(a, "%s/%s", root, d->d_name);
        struct stat s;
        if (d->d_name[0] == '.' || stat(dir, &s) != 0 || !S_ISDIR(s.st_mode))
            continue;
        if (rt_run_info(&info, a, dir)) {
            info.name = arena_printf(a, "%s%s", prefix, info.name);
            arena_push(a, runs->items, runs->n, runs->cap, info);
        } else if (!*prefix && is_file(dir, RT_SWEEP_FILE))
            list_folder(runs, a, dir, arena_printf(a, "%s/", d->d_name));
    }
    closedir(folder);
    return true;
}

int rt_run_list(Arena *a, const char *root, RtRunInfo **runs, int *n, char *why, size_t why_size) {
    Runs list = {0};
    bool done = list_folder(&list, a, root, "");

    *runs = list.items;
    *n = list.n;
    if (!done)
        return fail(EXIT_MISSING, "list the runs of", root, why, why_size);
    if (*n > 1)
        qsort(*runs, (size_t)*n, sizeof **runs, compare_infos);
    return EXIT_OK;
}
