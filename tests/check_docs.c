// tests/check_docs.c -- the manual says what is so: its modules have no errors, its commands run,
// its links lead somewhere.
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

#include "ir/base/exits.h"
#include "ir/lang/lang.h"
#include "runtime/exec/roots.h"
#include "tests/support_cli.h"

static glob_t pages;
static Buf text;

static void read_page(int i) {
    char why[256];

    ck_assert_msg(buf_read_file(&text, pages.gl_pathv[i], 0, why, sizeof why), "%s", why);
}

static bool starts_line(const char *block, const char *word) {
    char at[32];

    snprintf(at, sizeof at, "\n%s", word);
    return strncmp(block, word, strlen(word)) == 0 || strstr(block, at);
}

static void check_module(Cli *c, const char *page, const char *block) {
    char path[128];
    Arena a = {0};
    Diag d = {0};

    cli_write(c, "module.yaml", block);
    snprintf(path, sizeof path, "%s/module.yaml", c->dir);
    LangPair bind = {"", path};
    LangOptions o = {.real = IR_F32, .binds = &bind, .n_binds = 1};
    o.n_roots = rt_model_roots(&o.roots);
    LangWorld *w = lang_open(&a, &d, &o);
    if (w && !d.n_errors)
        lang_check(w, &d, false);
    if (d.n_errors)
        diag_print(&d, stderr, false);
    ck_assert_msg(w && !d.n_errors, "a module of %s has errors", page);
    diag_free(&d);
    arena_free(&a);
}

// The fenced blocks of kind yaml that are whole modules or interfaces.
static int check_modules(Cli *c, int page) {
    int n = 0;

    read_page(page);
    for (const char *at = buf_text(&text); (at = strstr(at, "\n```yaml\n"));) {
        at += strlen("\n```yaml\n");
        const char *end = strstr(at, "\n```");
        ck_assert_ptr_nonnull(end);
        char *block = strndup(at, (size_t)(end + 1 - at));
        if (starts_line(block, "module:") || starts_line(block, "interface:")) {
            check_module(c, pages.gl_pathv[page], block);
            n++;
        }
        free(block);
    }
    return n;
}

START_TEST(modules_of_the_manual_have_no_errors) {
    int n = 0;
    Cli c;

    cli_open(&c, "gssmc");
    for (int i = 0; i < (int)pages.gl_pathc; i++)
        n += check_modules(&c, i);
    ck_assert_int_ge(n, 2);
    cli_close(&c);
}
END_TEST

// Lines such as "    gssmc check models/gssm.yaml     # what it does", without those that leave
// something out.
START_TEST(commands_of_the_manual_run) {
    Cli c;

    cli_open(&c, "gssmc");
    cli_write(&c, "model.yaml",
              "module: m\nfunctions:\n  f: {inputs: {x: [3]}, output: tanh(x)}\n");
    ck_assert_int_eq(cli_shell(&c, "ln -s \"$PWD/models\" \"$PWD/tests\" \"$DIR\" && "
                                   "ln -s \"$PROGRAM\" \"$DIR/gssmc\""),
                     0);
    read_page(_i);
    for (char *rest = NULL, *line = strtok_r(text.data, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "    gssmc ", 10) != 0)
            continue;
        char *comment = strstr(line, " #");
        if (comment)
            *comment = '\0';
        if (strstr(line, "..."))
            continue;
        int code = cli_shell(&c, "cd \"$DIR\" && PATH=\"$DIR:$PATH\" %s", line + 4);
        ck_assert_msg(code == EXIT_OK, "%s: '%s' exits with %d\n%.900s", pages.gl_pathv[_i],
                      line + 4, code, buf_text(&c.err));
    }
    cli_close(&c);
}
END_TEST

// Overwrites what stands between backticks with spaces: fenced blocks, and code within a line.
static void blank_code(char *s) {
    while ((s = strchr(s, '`'))) {
        const char *fence = strncmp(s, "```", 3) == 0 ? "```" : "`";
        char *end = strstr(s + strlen(fence), fence);
        if (!end)
            return;
        memset(s, ' ', (size_t)(end - s) + strlen(fence));
    }
}

// [words](path) is a file, seen from the page; addresses of the web are not followed.
START_TEST(links_of_the_manual_lead_somewhere) {
    const char *page = pages.gl_pathv[_i], *slash = strrchr(page, '/');

    read_page(_i);
    blank_code(text.data);
    for (const char *at = buf_text(&text); (at = strstr(at, "]("));) {
        at += 2;
        int len = (int)strcspn(at, ")#\n");
        char path[512];
        if (len == 0 || strncmp(at, "http", 4) == 0)
            continue;
        snprintf(path, sizeof path, "%.*s%.*s", slash ? (int)(slash + 1 - page) : 0, page, len, at);
        ck_assert_msg(access(path, R_OK) == 0, "%s: there is no '%s'", page, path);
    }
}
END_TEST

static Suite *docs_suite(void) {
    Suite *s = suite_create("docs");

    TCase *c = tcase_create("pages");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, modules_of_the_manual_have_no_errors);
    tcase_add_loop_test(c, commands_of_the_manual_run, 0, (int)pages.gl_pathc);
    tcase_add_loop_test(c, links_of_the_manual_lead_somewhere, 0, (int)pages.gl_pathc);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    if (glob("README.md", 0, NULL, &pages) != 0 || glob("docs/*.md", GLOB_APPEND, NULL, &pages))
        return EXIT_FAILURE;
    SRunner *r = srunner_create(docs_suite());
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    globfree(&pages);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
