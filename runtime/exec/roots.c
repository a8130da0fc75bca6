// runtime/exec/roots.c -- the folders that hold models: where imports and experiments are found.
#include "runtime/exec/roots.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_ROOTS = 16 };

static char paths[MAX_ROOTS][PATH_MAX];
static const char *list[MAX_ROOTS];
static int n_roots = -1;

static void add(const char *path, size_t len) {
    struct stat st;

    if (n_roots == MAX_ROOTS || len == 0 || len >= PATH_MAX)
        return;
    memcpy(paths[n_roots], path, len);
    paths[n_roots][len] = '\0';
    if (stat(paths[n_roots], &st) == 0 && S_ISDIR(st.st_mode)) {
        list[n_roots] = paths[n_roots];
        n_roots++;
    }
}

int rt_model_roots(const char *const **roots) {
    *roots = list;
    if (n_roots >= 0)
        return n_roots;
    n_roots = 0;

    const char *given = getenv("GSSM_MODELS");
    while (given && *given) {
        size_t len = strcspn(given, ":");
        add(given, len);
        given += len + (given[len] == ':');
    }

    char exe[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (len > 0) {
        exe[len] = '\0';
        char *slash = strrchr(exe, '/');
        static const char share[] = "/../share/gssm/models";
        if (slash && (size_t)(slash - exe) + sizeof share < sizeof exe) {
            memcpy(slash, share, sizeof share);
            add(exe, strlen(exe));
        }
    }
    add(GSSM_SOURCE_MODELS, strlen(GSSM_SOURCE_MODELS));
    return n_roots;
}
