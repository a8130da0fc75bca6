// tests/support_files.c -- folders of tests.
#include "tests/support_files.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "ir/base/buf.h"

bool delete_tree(const char *path) {
    struct stat what;
    bool is_folder = lstat(path, &what) == 0 && S_ISDIR(what.st_mode);
    DIR *folder = is_folder ? opendir(path) : NULL;
    char name[1024];

    // a link goes, what it points to stays
    if (!folder)
        return unlink(path) == 0;
    for (struct dirent *d = readdir(folder); d; d = readdir(folder)) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", path, d->d_name);
        delete_tree(name);
    }
    closedir(folder);
    return rmdir(path) == 0;
}

const char *run_in(const char *root) {
    static char path[1024];
    DIR *folder = opendir(root);
    bool found = false;

    if (!folder)
        return NULL;
    for (struct dirent *d = readdir(folder); d; d = readdir(folder))
        if (d->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", root, d->d_name);
            found = true;
        }
    closedir(folder);
    return found ? path : NULL;
}

void check_same_file(const char *a, const char *b) {
    Buf x = {0}, y = {0};
    char why[512];

    ck_assert_msg(buf_read_file(&x, a, 0, why, sizeof why), "%s", why);
    ck_assert_msg(buf_read_file(&y, b, 0, why, sizeof why), "%s", why);
    ck_assert_msg(x.len == y.len && memcmp(buf_text(&x), buf_text(&y), x.len) == 0,
                  "%s and %s differ", a, b);
    buf_free(&x);
    buf_free(&y);
}

int check_same_folder(const char *a, const char *b) {
    DIR *folder = opendir(a), *other = opendir(b);
    char x[1400], y[1400];
    int n = 0, n_other = 0;

    ck_assert(folder && other);
    for (struct dirent *d = readdir(folder); d; d = readdir(folder)) {
        if (d->d_name[0] == '.')
            continue;
        snprintf(x, sizeof x, "%s/%s", a, d->d_name);
        snprintf(y, sizeof y, "%s/%s", b, d->d_name);
        check_same_file(x, y);
        n++;
    }
    for (struct dirent *d = readdir(other); d; d = readdir(other))
        n_other += d->d_name[0] != '.';
    closedir(folder);
    closedir(other);
    ck_assert_int_eq(n, n_other);
    return n;
}

void check_same_runs(const char *a, const char *b) {
    static const char *const parts[] = {"checkpoints", "episodes"};
    char x[1200], y[1200];

    snprintf(x, sizeof x, "%s/events.jsonl", a);
    snprintf(y, sizeof y, "%s/events.jsonl", b);
    check_same_file(x, y);
    for (int i = 0; i < 2; i++) {
        snprintf(x, sizeof x, "%s/%s", a, parts[i]);
        snprintf(y, sizeof y, "%s/%s", b, parts[i]);
        ck_assert_int_gt(check_same_folder(x, y), 0);
    }
}
