// tests/check_docs.c -- the manual says what is so: its examples have no errors, its commands run,
// its links lead somewhere, its tables are those of the program.
//
// An example that is no whole file has what is around it in a comment before it:
//
//   <!--
//   module: m
//   functions:
//     f:
//       ...
//       output: x
//   -->
//
// The example stands for the line "...", indented as that, or behind the comment. <!-- of FILE -->
// says that its lines are those of a file.
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "ir/lang/elab.h"
#include "ir/lang/hints.h"
#include "runtime/exec/roots.h"
#include "runtime/train/recipe.h"
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
    ck_assert_msg(w && !d.n_errors, "a module of %s has errors:\n%s", page, block);
    diag_free(&d);
    arena_free(&a);
}

static void check_recipe(Cli *c, const char *page, const char *block) {
    char path[128];
    RtRecipe recipe = {0};

    cli_write(c, "recipe.yaml", block);
    snprintf(path, sizeof path, "%s/recipe.yaml", c->dir);
    int code = rt_recipe_open(&recipe, &(RtRecipeDef){.name = path});
    if (code != EXIT_OK)
        diag_print(&recipe.diag, stderr, false);
    ck_assert_msg(code == EXIT_OK, "a recipe of %s has errors:\n%s", page, block);
    rt_recipe_free(&recipe);
}

// Puts `block` for the line "..." of `around`, or behind it.
static void put_around(Buf *out, const char *around, size_t len, const char *block) {
    for (const char *at = around, *end = around + len; at < end;) {
        size_t n = strcspn(at, "\n"), indent = strspn(at, " ");
        if (n == indent + 3 && !strncmp(at + indent, "...", 3)) {
            for (const char *line = block; *line;) {
                size_t width = strcspn(line, "\n");
                buf_printf(out, "%*s%.*s\n", (int)indent, "", (int)width, line);
                line += width + (line[width] == '\n');
            }
            block = "";
        } else {
            buf_printf(out, "%.*s\n", (int)n, at);
        }
        at += n + 1;
    }
    buf_puts(out, block);
}

static void check_lines_of(const char *page, const char *name, const char *block) {
    Buf file = {0};
    char why[256];

    ck_assert_msg(buf_read_file(&file, name, 0, why, sizeof why), "%s", why);
    ck_assert_msg(strstr(buf_text(&file), block), "%s shows what is not in %s:\n%s", page, name,
                  block);
    buf_free(&file);
}

static void check_example(Cli *c, const char *page, const char *start, const char *block) {
    static const char open[] = "<!--", close[] = "-->\n```yaml\n", of[] = "<!-- of ";
    Buf whole = {0};
    const char *fence = start - strlen(close), *comment = fence;
    bool has_comment = fence >= buf_text(&text) && !strncmp(fence, close, strlen(close));

    while (has_comment && strncmp(comment, open, strlen(open)) != 0)
        comment--;
    if (has_comment && !strncmp(comment, of, strlen(of))) {
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(comment + strlen(of), " "),
                 comment + strlen(of));
        check_lines_of(page, name, block);
        return;
    }
    if (has_comment)
        put_around(&whole, comment + strlen(open) + 1, (size_t)(fence - comment) - strlen(open) - 1,
                   block);
    else
        buf_puts(&whole, block);
    if (starts_line(buf_text(&whole), "experiment:"))
        check_recipe(c, page, buf_text(&whole));
    else
        check_module(c, page, buf_text(&whole));
    buf_free(&whole);
}

START_TEST(examples_of_the_manual_have_no_errors) {
    Cli c;

    cli_open(&c, "gssmc");
    read_page(_i);
    for (const char *at = buf_text(&text); (at = strstr(at, "\n```yaml\n"));) {
        at += strlen("\n```yaml\n");
        const char *end = strstr(at, "\n```");
        ck_assert_ptr_nonnull(end);
        char *block = strndup(at, (size_t)(end + 1 - at));
        check_example(&c, pages.gl_pathv[_i], at, block);
        free(block);
    }
    cli_close(&c);
}
END_TEST

// ---- the tables of docs/language.md -------------------------------------------------------------

static const char language[] = "docs/language.md";

static void read_language(void) {
    char why[256];

    ck_assert_msg(buf_read_file(&text, language, 0, why, sizeof why), "%s", why);
}

static int count(const char *what) {
    int n = 0;

    for (const char *at = buf_text(&text); (at = strstr(at, what)); at++)
        n++;
    return n;
}

START_TEST(codes_of_the_manual_are_those_of_the_table) {
    static const int codes[] = {
#define ERROR(code, name, doc, cure) code,
#include "ir/base/errors.def"
    };
    int n = sizeof codes / sizeof *codes;

    read_language();
    for (int i = 0; i < n; i++) {
        char row[512];
        snprintf(row, sizeof row, "\n| E%04d | %s | %s |\n", codes[i], errors_doc(codes[i]),
                 errors_cure(codes[i]));
        ck_assert_msg(strstr(buf_text(&text), row), "%s lacks the row%s", language, row);
    }
    ck_assert_int_eq(count("\n| E0"), n);
}
END_TEST

// How functions are called, as tables write it: "sum(x, axis=".
static LangWorld *open_std(Arena *a, Diag *d) {
    LangPair bind = {"", "models/lib/std.yaml"};
    LangOptions o = {.real = IR_F32, .binds = &bind, .n_binds = 1};
    o.n_roots = rt_model_roots(&o.roots);
    LangWorld *w = lang_open(a, d, &o);
    ck_assert_ptr_nonnull(w);
    return w;
}

static void put_call(Buf *b, const char *name, const char *inputs, const char *const *named) {
    buf_printf(b, "`%s(%s", name, inputs);
    bool first = !*inputs;
    for (; *named; named++, first = false)
        buf_printf(b, "%s%s=", first ? "" : ", ", *named);
}

static const char *std_call(Buf *b, const FuncDecl *f) {
    Buf inputs = {0};
    const char *named[16] = {0};
    int n = 0;

    for (int i = 0; i < f->n_inputs; i++)
        buf_printf(&inputs, "%s%s", i ? ", " : "", f->inputs[i].name);
    for (int i = 0; i < f->arguments.n; i++)
        named[n++] = f->arguments.items[i].name;
    for (int i = 0; i < f->dims.n; i++)
        named[n++] = f->dims.items[i].name;
    put_call(b, f->name, buf_text(&inputs), named);
    buf_free(&inputs);
    return buf_text(b);
}

// Drops the defaults of a call: "sum(x, axis=null, keepdims=false)" as "sum(x, axis=, keepdims=".
static void put_without_defaults(Buf *b, const char *call) {
    for (; *call && *call != ')'; call++) {
        buf_put(b, call, 1);
        if (*call == '=')
            call += strcspn(call, ",)") - 1;
    }
}

// The calls that the tables of functions have, each as "`name(inputs, named=" and a newline.
static void list_calls(Buf *calls) {
    const char *at = strstr(buf_text(&text), "\n## Functions of every file\n");
    ck_assert_ptr_nonnull(at);
    const char *end = strstr(at + 1, "\n## ");
    for (; (at = strstr(at, "\n| ")) && at < end; at++) {
        const char *cell = at + 3, *stop = strstr(cell, " |");
        for (const char *code = cell; (code = strchr(code, '`')) && code < stop;) {
            Buf call = {0};
            put_without_defaults(&call, code);
            buf_printf(calls, "%s\n", buf_text(&call));
            buf_free(&call);
            code = strchr(code + 1, '`') + 1;
        }
    }
}

START_TEST(functions_of_the_manual_are_those_of_the_language) {
    Arena a = {0};
    Diag d = {0};
    Buf calls = {0};
    int n = 0;

    read_language();
    list_calls(&calls);
    const LangFile *std = open_std(&a, &d)->std->file;
    for (int i = 0; i < builtin_count() + std->n_functions; i++, n++) {
        Buf call = {0};
        if (i < builtin_count())
            put_call(&call, builtin_at(i)->name, builtin_at(i)->inputs, builtin_at(i)->keywords);
        else
            std_call(&call, std->functions[i - builtin_count()]);
        buf_puts(&call, "\n");
        ck_assert_msg(strstr(buf_text(&calls), buf_text(&call)),
                      "%s has no row in its tables of functions for %s", language, buf_text(&call));
        buf_free(&call);
    }
    for (const char *at = buf_text(&calls); (at = strchr(at, '\n')); at++)
        n--;
    ck_assert_msg(n == 0, "%s has rows for %d functions that there are not, or twice:\n%s",
                  language, -n, buf_text(&calls));
    buf_free(&calls);
    diag_free(&d);
    arena_free(&a);
}
END_TEST

// Every word of the lists of keys in a source file is a key of the grammar, "word:" or "word?".
static int check_keys(const char *source, const char *grammar, const char *end) {
    Buf code = {0};
    char why[256], word[64];
    int n = 0;

    ck_assert_msg(buf_read_file(&code, source, 0, why, sizeof why), "%s", why);
    for (const char *at = buf_text(&code); (at = strstr(at, "keys[] = {"));) {
        const char *close = strchr(at, '}');
        while ((at = strchr(at, '"')) && at < close) {
            size_t len = strcspn(++at, "\"");
            snprintf(word, sizeof word, "%.*s", (int)len, at);
            const char *found = grammar;
            while ((found = strstr(found, word)) && found < end &&
                   ((found[len] != ':' && found[len] != '?') || !strchr("{ ", found[-1])))
                found++;
            ck_assert_msg(found && found < end, "the grammar in %s has no key '%s' (%s)", language,
                          word, source);
            at += len + 1;
            n++;
        }
        at = close;
    }
    buf_free(&code);
    return n;
}

START_TEST(the_grammar_has_the_keys_that_are_read) {
    read_language();
    const char *grammar = strstr(buf_text(&text), "\nmodule    = {");
    ck_assert_ptr_nonnull(grammar);
    const char *end = strstr(grammar, "\n```");
    int n = check_keys("ir/lang/decl.c", grammar, end) + check_keys("ir/lang/form.c", grammar, end);
    ck_assert_int_ge(n, 60);
}
END_TEST

START_TEST(hints_are_for_what_there_is_not) {
    Arena a = {0};
    Diag d = {0};
    const LangFile *std = open_std(&a, &d)->std->file;

    for (int i = 0; i < hint_count(); i++) {
        const Hint *h = hint_at(i);
        if (h->kind == HINT_FUNCTION)
            ck_assert_msg(!builtin_find(h->name) && !decl_function(std, h->name),
                          "there is a function '%s'", h->name);
    }
    diag_free(&d);
    arena_free(&a);
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

// ---- what is typed, and what is shown for it ----------------------------------------------------

// Writes the examples of the page that begin with "# NAME.yaml -- ", NAME without a folder.
static void write_files(Cli *c) {
    for (const char *at = buf_text(&text); (at = strstr(at, "\n```yaml\n# "));) {
        at += strlen("\n```yaml\n");
        const char *name = at + 2, *end = strstr(at, "\n```");
        size_t len = strcspn(name, " /\n");
        if (len < 6 || strncmp(name + len - 5, ".yaml", 5) != 0 || name[len] != ' ')
            continue;
        char *file = strndup(name, len), *block = strndup(at, (size_t)(end + 1 - at));
        cli_write(c, file, block);
        free(file);
        free(block);
    }
}

// Whether the line is what is shown, in which "..." stands for anything.
static bool line_fits(const char *shown, size_t len, const char *line, size_t n) {
    Buf pattern = {0};
    for (size_t i = 0; i < len; i++) {
        if (i + 3 <= len && !strncmp(shown + i, "...", 3)) {
            buf_puts(&pattern, "*");
            i += 2;
            continue;
        }
        if (strchr("*?[]\\", shown[i]))
            buf_puts(&pattern, "\\");
        buf_put(&pattern, shown + i, 1);
    }
    char *own = strndup(line, n);
    bool fits = fnmatch(buf_text(&pattern), own, 0) == 0;
    free(own);
    buf_free(&pattern);
    return fits;
}

// Compares what a command printed with the lines from `shown` to `end`; a line "..." is any lines.
static bool output_fits(const char *shown, const char *end, const char *out) {
    bool any = false;
    while (shown < end) {
        size_t len = strcspn(shown, "\n");
        if (len == 3 && !strncmp(shown, "...", 3)) {
            any = true;
            shown += len + 1;
            continue;
        }
        size_t n = strcspn(out, "\n");
        bool fits = line_fits(shown, len, out, n);
        if (!fits && (!any || !*out))
            return false;
        out += n + (out[n] == '\n');
        if (fits) {
            shown += len + 1;
            any = false;
        }
    }
    return any || !*out;
}

// Blocks of kind console: lines "$ command", each with what it prints.
START_TEST(what_the_manual_types_prints_what_it_shows) {
    Cli c;

    cli_open(&c, "gssmc");
    ck_assert_int_eq(cli_shell(&c, "ln -s \"$PROGRAM\" \"$DIR/gssmc\" && "
                                   "ln -s \"${PROGRAM%%gssmc}gssm-run\" \"$DIR/gssm-run\""),
                     0);
    read_page(_i);
    write_files(&c);
    for (const char *at = buf_text(&text); (at = strstr(at, "\n```console\n"));) {
        at += strlen("\n```console\n");
        const char *close = strstr(at, "\n```") + 1;
        while (at < close) {
            ck_assert_msg(!strncmp(at, "$ ", 2), "%s: no command at '%.40s'", pages.gl_pathv[_i],
                          at);
            int len = (int)strcspn(at, "\n");
            const char *shown = at + len + 1, *end = shown;
            while (end < close && strncmp(end, "$ ", 2) != 0)
                end += strcspn(end, "\n") + 1;
            int code = cli_shell(&c, "cd \"$DIR\" && PATH=\"$DIR:$PATH\" %.*s", len - 2, at + 2);
            ck_assert_msg(code == EXIT_OK, "%s: '%.*s' exits with %d\n%.900s", pages.gl_pathv[_i],
                          len - 2, at + 2, code, buf_text(&c.err));
            ck_assert_msg(output_fits(shown, end, buf_text(&c.out)),
                          "%s: '%.*s' prints something else than is shown:\n%.2000s",
                          pages.gl_pathv[_i], len - 2, at + 2, buf_text(&c.out));
            at = end;
        }
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
    tcase_add_loop_test(c, examples_of_the_manual_have_no_errors, 0, (int)pages.gl_pathc);
    tcase_add_test(c, codes_of_the_manual_are_those_of_the_table);
    tcase_add_test(c, functions_of_the_manual_are_those_of_the_language);
    tcase_add_test(c, the_grammar_has_the_keys_that_are_read);
    tcase_add_test(c, hints_are_for_what_there_is_not);
    tcase_add_loop_test(c, commands_of_the_manual_run, 0, (int)pages.gl_pathc);
    tcase_add_loop_test(c, what_the_manual_types_prints_what_it_shows, 0, (int)pages.gl_pathc);
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
