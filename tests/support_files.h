// tests/support_files.h -- folders of tests, and runs in them.
#ifndef TESTS_SUPPORT_FILES_H
#define TESTS_SUPPORT_FILES_H

#include <stdbool.h>

// Deletes a folder with all that is in it; false where something is left. A link goes, what it
// points to stays.
bool delete_tree(const char *path);

// The one run in the folder `root`, or NULL. The next call takes it back.
const char *run_in(const char *root);

// Fails the test where two files are not the same bytes.
void check_same_file(const char *a, const char *b);

// The same for the files of two folders; gives their number.
int check_same_folder(const char *a, const char *b);

// The same for parameters, events and episodes of two runs.
void check_same_runs(const char *a, const char *b);

#endif
