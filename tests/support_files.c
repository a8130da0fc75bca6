// tests/support_files.c -- folders of tests.
#include "tests/support_files.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void delete_tree(const char *path) {
    DIR *folder = opendir(path);
    char name[1024];

    if (!folder) {
        unlink(path);
        return;
    }
    for (struct dirent *d = readdir(folder); d; d = readdir(folder)) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", path, d->d_name);
        delete_tree(name);
    }
    closedir(folder);
    rmdir(path);
}
