// tools/gssmc_cache.c -- gssmc cache: the compiled objects on disk.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "codegen/cache.h"
#include "ir/base/exits.h"
#include "tools/gssmc.h"

typedef struct Walk {
    const char *dir;
    int64_t n, bytes, removed, removed_bytes, bad;
    int64_t older_than; // gc: entries written before this go
    bool json;
    int code;
} Walk;

static bool is_entry(const CacheEntry *e) {
    return strspn(e->key.hex, "0") != strlen(e->key.hex);
}

static void count(Walk *w, const CacheEntry *e) {
    w->n++;
    w->bytes += e->bytes;
}

static void discard(Walk *w, const CacheEntry *e) {
    if (unlink(e->path) == 0) {
        w->removed++;
        w->removed_bytes += e->bytes;
        return;
    }
    fprintf(stderr, "gssmc cache: cannot remove '%s': %s\n", e->path, strerror(errno));
    w->code = EXIT_IO;
}

static void list(const CacheEntry *e, void *data) {
    Walk *w = data;
    char when[32];
    time_t t = (time_t)e->used;
    struct tm tm;

    strftime(when, sizeof when, "%Y-%m-%d %H:%M", localtime_r(&t, &tm));
    if (w->json)
        printf("%s{\"key\": \"%s\", \"bytes\": %lld, \"written\": %lld}", w->n ? ",\n " : "[",
               e->key.hex, (long long)e->bytes, (long long)e->used);
    else
        printf("%s %9lld  %s\n", e->key.hex, (long long)e->bytes, when);
    count(w, e);
}

static void verify(const CacheEntry *e, void *data) {
    Walk *w = data;
    Buf object = {0};

    count(w, e);
    if (!is_entry(e) || !cache_read(w->dir, e->key, &object)) {
        printf("%s is damaged\n", e->path);
        w->bad++;
    }
    buf_free(&object);
}

static void collect(const CacheEntry *e, void *data) {
    Walk *w = data;
    Buf object = {0};
    bool good = is_entry(e) && cache_read(w->dir, e->key, &object);

    buf_free(&object);
    if (!good || e->used < w->older_than)
        discard(w, e);
    else
        count(w, e);
}

static void clear(const CacheEntry *e, void *data) {
    discard(data, e);
}

int command_cache(const OptCommand *self, int argc, char **argv) {
    static const struct {
        const char *name;
        void (*visit)(const CacheEntry *e, void *data);
    } verbs[] = {{"ls", list}, {"gc", collect}, {"verify", verify}, {"clear", clear}};
    enum { N_VERBS = sizeof verbs / sizeof *verbs };
    Walk w = {0};
    char dir[4096];
    const char *chosen = NULL;
    int64_t days = 30;
    const Opt table[] = {
        {"cache-dir", 0, OPT_TEXT, &chosen, "DIR", "the cache ($GSSM_CACHE, or ~/.cache/gssm)"},
        {"days", 0, OPT_INT, &days, "N",
         "gc removes what was written so long ago, and damaged files (30)", .least = 0,
         .most = 36500},
        {"json", 0, OPT_FLAG, &w.json, NULL, "ls prints JSON"},
    };
    OptRest rest = {.least = 1, .most = 1};
    const char *names[N_VERBS];

    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);
    if (code != OPT_GO_ON)
        return code;
    int k = 0;
    for (; k < N_VERBS && strcmp(verbs[k].name, rest.items[0]) != 0; k++)
        names[k] = verbs[k].name;
    if (k == N_VERBS) {
        const char *near = map_nearest(rest.items[0], names, N_VERBS);
        return opt_refuse(self, "it takes ls, gc, verify or clear, not '%s'%s%s%s", rest.items[0],
                          near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    if (!cache_dir(dir, sizeof dir, chosen)) {
        fprintf(stderr, "gssmc cache: there is no cache: neither GSSM_CACHE nor HOME is set\n");
        return EXIT_MISSING;
    }
    w.dir = dir;
    w.older_than = (int64_t)time(NULL) - days * 86400;
    if (!cache_walk(dir, verbs[k].visit, &w)) {
        fprintf(stderr, "gssmc cache: cannot read '%s': %s\n", dir, strerror(errno));
        return EXIT_IO;
    }
    if (w.json && verbs[k].visit == list)
        printf(w.n ? "]\n" : "[]\n");
    else {
        printf("%s: %lld objects, %lld bytes", dir, (long long)w.n, (long long)w.bytes);
        if (w.removed)
            printf("; removed %lld, %lld bytes", (long long)w.removed, (long long)w.removed_bytes);
        if (w.bad)
            printf("; %lld damaged: gssmc cache gc removes them", (long long)w.bad);
        putchar('\n');
    }
    return w.bad ? EXIT_CHECK : w.code;
}
