// tests/support_files.c -- folders of tests.
#include "tests/support_files.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void delete_tree(const char *path) {
    struct stat what;
    bool is_folder = lstat(path, &what) == 0 && S_ISDIR(what.st_mode);
    DIR *folder = is_folder ? opendir(path) : NULL;
    char name[1024];

    // a link goes, what it points to stays
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
