// tests/support_files.h -- folders of tests.
#ifndef TESTS_SUPPORT_FILES_H
#define TESTS_SUPPORT_FILES_H

// Deletes a folder with all that is in it.
void delete_tree(const char *path);

#endif
