// tests/check_broken.c -- every mistake in tests/yaml is told as its .err file says.
//
// What is asked stands in the first line of a file, as in a shell:
//
//   # gssmc check -D N=200 --set width=9 --bind shape=tests/yaml/parts/round
//   # gssmc compile
//   # gssm-run train fit.times=0
//
// Without one, a .yaml file is checked and a .gir file is read. UPDATE_GOLDEN=1 in the environment
// writes the .err files instead, for review in the diff.
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/buf.h"
#include "ir/base/errors.h"
#include "ir/lang/lang.h"
#include "ir/text.h"
#include "runtime/train/session.h"

static glob_t files;

// ---- what is asked ------------------------------------------------------------------------------

enum { MAX_PAIRS = 8 };

typedef struct Request {
    char line[256];      // its words end with NUL
    const char *program; // "gssmc", "gssm-run"
    bool compile;
    LangPair binds[MAX_PAIRS], sets[MAX_PAIRS], dims[MAX_PAIRS];
    int n_binds, n_sets, n_dims;
    const char *settings[MAX_PAIRS]; // of a recipe
    int n_settings;
} Request;

static LangPair pair(char *text) {
    char *equals = strchr(text, '=');
    ck_assert_msg(equals, "'%s' is not NAME=VALUE", text);
    *equals = '\0';
    return (LangPair){.name = text, .value = equals + 1};
}

static void read_request(Request *r, const char *path, const char *text) {
    *r = (Request){.program = "gssmc"};
    r->binds[r->n_binds++] = (LangPair){.name = "", .value = path};
    if (strncmp(text, "# gssm", 6) != 0)
        return;
    snprintf(r->line, sizeof r->line, "%.*s", (int)strcspn(text, "\n"), text);
    char *rest = NULL;
    strtok_r(r->line, " ", &rest); // the #
    r->program = strtok_r(NULL, " ", &rest);
    r->compile = !strcmp(strtok_r(NULL, " ", &rest), "compile");
    for (char *word = strtok_r(NULL, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (!strcmp(word, "-D"))
            r->dims[r->n_dims++] = pair(strtok_r(NULL, " ", &rest));
        else if (!strcmp(word, "--set"))
            r->sets[r->n_sets++] = pair(strtok_r(NULL, " ", &rest));
        else if (!strcmp(word, "--bind"))
            r->binds[r->n_binds++] = pair(strtok_r(NULL, " ", &rest));
        else
            r->settings[r->n_settings++] = word;
    }
}

// ---- what is told -------------------------------------------------------------------------------

static void elaborate_all(LangWorld *w, Diag *d) {
    const LangEntry *entries;
    int n = lang_entries(w, &entries);
    for (int i = 0; i < n; i++) {
        LangRequest r = {.instance = entries[i].instance, .name = entries[i].name};
        if (!*r.instance && !entries[i].generic)
            lang_elaborate(w, d, &r);
    }
}

static void open_module(Diag *d, const Request *r) {
    Arena a = {0};
    static const char *const roots[] = {"models"};
    LangOptions o = {.roots = roots,
                     .n_roots = 1,
                     .binds = r->binds,
                     .n_binds = r->n_binds,
                     .sets = r->sets,
                     .n_sets = r->n_sets,
                     .dims = r->dims,
                     .n_dims = r->n_dims};
    LangWorld *w = lang_open(&a, d, &o);
    if (w && r->compile)
        elaborate_all(w, d);
    else if (w)
        lang_check(w, d, false);
    arena_free(&a);
}

static void read_ir(Diag *d, const char *path, const Buf *text) {
    Arena a = {0};
    ir_parse_module(&a, d, path, text->data, text->len);
    arena_free(&a);
}

// Recipes are opened with all that they need to train.
static void open_recipe(const char *path, const Request *r, FILE *out) {
    RtSession s;
    RtRecipeDef def = {.name = path, .settings = r->settings, .n_settings = r->n_settings};
    rt_session_open(&s, &def, 1);
    diag_print(&s.recipe.diag, out, false);
    if (!s.recipe.diag.n_errors && *s.why)
        fprintf(out, "%s\n", s.why);
    rt_session_close(&s);
}

// Paths are told as seen from here.
static void drop_folder(char *text) {
    char *here = realpath(".", NULL);
    size_t len = strlen(here);
    for (char *at = text; (at = strstr(at, here));)
        memmove(at, at + len + 1, strlen(at + len + 1) + 1);
    free(here);
}

static char *told(const char *path) {
    Buf text = {0};
    char why[256];
    ck_assert_msg(buf_read_file(&text, path, 0, why, sizeof why), "%s", why);
    Request r;
    read_request(&r, path, buf_text(&text));

    char *told = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&told, &size);
    if (!strcmp(r.program, "gssm-run")) {
        open_recipe(path, &r, out);
    } else {
        Diag d = {0};
        if (strstr(path, ".gir"))
            read_ir(&d, path, &text);
        else
            open_module(&d, &r);
        diag_print(&d, out, false);
        diag_free(&d);
    }
    fclose(out);
    buf_free(&text);
    drop_folder(told);
    return told;
}

START_TEST(mistake_is_told_as_expected) {
    const char *path = files.gl_pathv[_i];
    char golden[512], why[256];
    snprintf(golden, sizeof golden, "%.*s.err", (int)(strrchr(path, '.') - path), path);
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

// ---- every code ---------------------------------------------------------------------------------

static const struct {
    int number;
    const char *name;
} codes[] = {
#define ERROR(code, name, doc, cure) {code, #name},
#include "ir/base/errors.def"
};
enum { N_CODES = sizeof codes / sizeof *codes };

static bool file_holds(const char *path, const char *what) {
    Buf text = {0};
    char why[256];
    ck_assert_msg(buf_read_file(&text, path, 0, why, sizeof why), "%s", why);
    bool found = strstr(buf_text(&text), what) != NULL;
    buf_free(&text);
    return found;
}

// Mistakes in data files are those of a command.
START_TEST(a_file_has_the_mistake_of_each_code) {
    char code[16];
    snprintf(code, sizeof code, "error[E%04d]", codes[_i].number);
    bool found = codes[_i].number / 100 == 8 && file_holds("tests/check_cli_gssmc.c", code);
    for (size_t i = 0; i < files.gl_pathc && !found; i++) {
        const char *path = files.gl_pathv[i];
        char golden[512];
        snprintf(golden, sizeof golden, "%.*s.err", (int)(strrchr(path, '.') - path), path);
        found = file_holds(golden, code);
    }
    ck_assert_msg(found, "no file of tests/yaml tells %s, '%s'", code, codes[_i].name);
}
END_TEST

int main(void) {
    if (glob("tests/yaml/*.yaml", 0, NULL, &files) ||
        glob("tests/yaml/*.gir", GLOB_APPEND, NULL, &files) ||
        glob("tests/yaml/recipes/*.yaml", GLOB_APPEND, NULL, &files)) {
        fprintf(stderr, "there are no files in tests/yaml here\n");
        return 1;
    }
    Suite *s = suite_create("broken");
    TCase *t = tcase_create("files");
    tcase_set_timeout(t, 120); // a bomb takes its time under the sanitizers
    tcase_add_loop_test(t, mistake_is_told_as_expected, 0, (int)files.gl_pathc);
    suite_add_tcase(s, t);
    TCase *all = tcase_create("codes");
    tcase_add_loop_test(all, a_file_has_the_mistake_of_each_code, 0, N_CODES);
    suite_add_tcase(s, all);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    globfree(&files);
    return failed != 0;
}
