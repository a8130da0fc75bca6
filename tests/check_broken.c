// tests/check_broken.c -- every mistake in tests/yaml is told as its .err file says.
//
// UPDATE_GOLDEN=1 in the environment writes the .err files instead, for review in the diff.
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/buf.h"
#include "ir/lang/lang.h"

static glob_t files;

// What `gssmc check` would tell about the file.
static char *told(const char *path) {
    Arena a = {0};
    Diag d = {0};
    static const char *const roots[] = {"models"};
    LangPair entry = {.name = "", .value = path};
    LangOptions o = {.roots = roots, .n_roots = 1, .binds = &entry, .n_binds = 1};
    LangWorld *w = lang_open(&a, &d, &o);
    if (w)
        lang_check(w, &d, false);

    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    diag_print(&d, out, false);
    fclose(out);
    diag_free(&d);
    arena_free(&a);
    return text;
}

START_TEST(mistake_is_told_as_expected) {
    const char *path = files.gl_pathv[_i];
    char golden[512], why[256];
    snprintf(golden, sizeof golden, "%.*s.err", (int)(strlen(path) - strlen(".yaml")), path);
    char *text = told(path);
    ck_assert_msg(*text, "%s: no error was told", path);
    if (getenv("UPDATE_GOLDEN")) {
        ck_assert_msg(buf_write_file(golden, text, strlen(text), why, sizeof why), "%s", why);
    } else {
        Buf expected = {0};
        ck_assert_msg(buf_read_file(&expected, golden, 0, why, sizeof why), "%s", why);
        ck_assert_msg(!strcmp(text, buf_text(&expected)), "%s differs; now it is\n%s", golden,
                      text);
        buf_free(&expected);
    }
    free(text);
}
END_TEST

int main(void) {
    if (glob("tests/yaml/*.yaml", 0, NULL, &files)) {
        fprintf(stderr, "there is no tests/yaml/*.yaml here\n");
        return 1;
    }
    Suite *s = suite_create("broken");
    TCase *t = tcase_create("files");
    tcase_set_timeout(t, 120); // a bomb takes its time under the sanitizers
    tcase_add_loop_test(t, mistake_is_told_as_expected, 0, (int)files.gl_pathc);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    globfree(&files);
    return failed != 0;
}
