// tests/check_golden.c -- passes on golden files.
//
// A golden file tests/golden/<folder>/<name>.gir holds both sides: `# pass: name name ...` on the
// first line, a sentence on why, the graph before, `# ---- expect`, the graph after. The passes
// run in that order on the last function. Before and after must also compute the same numbers on
// random inputs, gradients compared with finite differences, unless a line `# numbers: off` says
// that they cannot. UPDATE_GOLDEN=1 in the environment rewrites the second half.
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/text.h"
#include "tests/support_graph.h"

static const char pattern[] = "tests/golden/*/*.gir";
static const char marker[] = "# pass: ";
static const char divider[] = "# ---- expect\n";

enum { MAX_PASSES = 32, MAX_BYTES = 1 << 20 };

static glob_t files;

static bool starts_with(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

// The passes that the first line names. False when one of them makes no graph of a graph.
static bool read_passes(const char *path, const char *text, PassFn **passes) {
    char line[512];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\n"), text);
    int n = 0;
    char *rest = NULL;
    for (char *name = strtok_r(line + strlen(marker), " ,", &rest); name;
         name = strtok_r(NULL, " ,", &rest)) {
        PassId id = pass_find(name);
        ck_assert_msg(id != PASS_COUNT, "%s: no pass is called '%s'", path, name);
        ck_assert_msg(n + 1 < MAX_PASSES, "%s: too many passes", path);
        if (!pass_info[id].run)
            return false;
        passes[n++] = pass_info[id].run;
    }
    passes[n] = NULL;
    return true;
}

// The dims and the one function.
static void print_entry(Buf *out, const IrModule *m, IrFunction *f) {
    IrModule alone = *m;
    alone.n = 1;
    alone.functions = &f;
    ir_print_module(out, &alone, false);
}

static void update(const char *path, const char *text, size_t head, const Buf *after) {
    Buf all = {0};
    char why[256];
    buf_put(&all, text, head);
    while (all.len && all.data[all.len - 1] == '\n')
        all.len--;
    buf_printf(&all, "\n\n%s\n%s", divider, buf_text(after));
    bool is_written = buf_write_file(path, all.data, all.len, why, sizeof why);
    ck_assert_msg(is_written, "%s: %s", path, why);
    buf_free(&all);
}

START_TEST(passes_give_what_is_expected) {
    const char *path = files.gl_pathv[_i];
    Buf file = {0}, after = {0};
    char why[256];
    ck_assert_msg(buf_read_file(&file, path, MAX_BYTES, why, sizeof why), "%s: %s", path, why);
    const char *text = buf_text(&file);
    PassFn *passes[MAX_PASSES];
    if (!starts_with(text, marker) || !read_passes(path, text, passes)) {
        buf_free(&file);
        return;
    }
    const char *expect = strstr(text, divider);
    size_t head = expect ? (size_t)(expect - text) : strlen(text);
    Arena a = {0};
    Diag diag = {0};
    char *input = arena_strndup(&a, text, head);

    // run
    fprintf(stderr, "%s\n", path);
    IrModule *m = graph_parse(&a, &diag, input);
    IrFunction *before = graph_entry(m), *result = graph_after(&a, before, passes);
    print_entry(&after, m, result);

    // the same numbers
    if (!strstr(input, "# numbers: off")) {
        for (uint64_t salt = 0; salt < 3; salt++) {
            double d = graph_distance(before, result, 3, salt);
            ck_assert_msg(d < 1e-6, "%s: numbers differ by %g", path, d);
        }
    }

    // the same text, also when read and printed again
    Buf again = {0};
    IrModule *reread = graph_parse(&a, &diag, buf_text(&after));
    ir_print_module(&again, reread, false);
    ck_assert_str_eq(buf_text(&again), buf_text(&after));
    if (getenv("UPDATE_GOLDEN")) {
        update(path, text, head, &after);
    } else {
        ck_assert_msg(expect != NULL, "%s: nothing is expected; UPDATE_GOLDEN=1 writes it", path);
        const char *wanted = expect + strlen(divider);
        ck_assert_str_eq(buf_text(&after), wanted + strspn(wanted, "\n"));
    }
    buf_free(&again);
    buf_free(&after);
    buf_free(&file);
    diag_free(&diag);
    arena_free(&a);
}
END_TEST

int main(void) {
    Suite *s = suite_create("golden");
    TCase *c = tcase_create("files");
    if (glob(pattern, 0, NULL, &files) == 0)
        tcase_add_loop_test(c, passes_give_what_is_expected, 0, (int)files.gl_pathc);
    suite_add_tcase(s, c);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    globfree(&files);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
