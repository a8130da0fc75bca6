// tests/check_base.c -- arenas, text, files, maps and diagnostics.
#include "ir/base/arena.h"
#include "ir/base/buf.h"
#include "ir/base/diag.h"
#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "ir/base/map.h"

#include <dirent.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

// A random 64-bit number (splitmix64) from a seed that moves on.
static uint64_t next_random(uint64_t *seed) {
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// ---- arena

START_TEST(memory_is_zeroed_and_aligned) {
    Arena a = {0};
    uint64_t seed = 1;
    for (int i = 0; i < 3000; i++) {
        size_t size = next_random(&seed) % (i % 100 ? 300 : 50000);
        unsigned char *p = arena_alloc(&a, size);
        ck_assert_uint_eq((uintptr_t)p % 16, 0);
        for (size_t k = 0; k < size; k++)
            ck_assert_uint_eq(p[k], 0);
        memset(p, 0xff, size);
        if (i % 1000 == 999)
            arena_reset(&a);
    }
    arena_free(&a);
    ck_assert_ptr_null(a.block);
}
END_TEST

START_TEST(pointers_of_size_zero_differ) {
    Arena a = {0};
    ck_assert_ptr_ne(arena_alloc(&a, 0), arena_alloc(&a, 0));
    arena_free(&a);
}
END_TEST

START_TEST(a_large_block_leaves_the_small_one_in_use) {
    Arena a = {0};
    char *x = arena_alloc(&a, 16);
    arena_alloc(&a, 1 << 20);
    char *y = arena_alloc(&a, 16);
    ck_assert_ptr_eq(y, x + 16);
    ck_assert_uint_eq(a.n_bytes, (1 << 20) + 32);
    arena_free(&a);
}
END_TEST

START_TEST(reset_keeps_a_block_for_reuse) {
    Arena a = {0};
    char *x = arena_alloc(&a, 100);
    memset(x, 1, 100);
    arena_reset(&a);
    char *y = arena_alloc(&a, 100);
    ck_assert_ptr_eq(x, y);
    ck_assert_int_eq(y[99], 0);
    ck_assert_uint_eq(a.n_bytes, 100);
    arena_free(&a);
}
END_TEST

START_TEST(pushed_elements_stay_in_order) {
    Arena a = {0};
    int *items = NULL, n = 0, cap = 0;
    for (int i = 0; i < 1000; i++)
        arena_push(&a, items, n, cap, i * i);
    ck_assert_int_eq(n, 1000);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(items[i], i * i);
    arena_free(&a);
}
END_TEST

START_TEST(strings_are_copied_with_their_end) {
    Arena a = {0};
    ck_assert_str_eq(arena_strndup(&a, "abcdef", 3), "abc");
    ck_assert_str_eq(arena_strndup(&a, NULL, 0), "");
    ck_assert_str_eq(arena_strdup(&a, ""), "");
    ck_assert_str_eq(arena_printf(&a, "%s has %d", "x", 12), "x has 12");
    arena_free(&a);
}
END_TEST

START_TEST(a_size_that_overflows_ends_with_71) {
    Arena a = {0};
    arena_alloc_array(&a, SIZE_MAX / 2, 16);
}
END_TEST

START_TEST(a_size_that_no_machine_has_ends_with_71) {
    Arena a = {0};
    arena_alloc(&a, SIZE_MAX - 3);
}
END_TEST

// ---- text

START_TEST(an_empty_text_is_never_null) {
    Buf b = {0};
    ck_assert_str_eq(buf_text(&b), "");
    buf_reset(&b);
    buf_free(&b);
}
END_TEST

START_TEST(text_grows_by_pieces) {
    Buf b = {0};
    buf_puts(&b, "ab");
    buf_put(&b, "cdef", 2);
    buf_printf(&b, "-%05d-", 42);
    ck_assert_str_eq(buf_text(&b), "abcd-00042-");
    ck_assert_uint_eq(b.len, 11);
    buf_reset(&b);
    ck_assert_str_eq(buf_text(&b), "");
    for (int i = 0; i < 5000; i++)
        buf_printf(&b, "%d,", i % 10);
    ck_assert_uint_eq(b.len, 10000);
    ck_assert_str_eq(buf_text(&b) + 9998, "9,");
    buf_free(&b);
}
END_TEST

// ---- files

static char folder[64];

static void make_folder(void) {
    strcpy(folder, "/tmp/check_base_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static int count_files(const char *path) {
    DIR *dir = opendir(path);
    int n = 0;
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

// Removes the files in `folder` and the folder.
static void remove_folder(void) {
    Arena a = {0};
    DIR *dir = opendir(folder);
    for (struct dirent *e; (e = readdir(dir));)
        remove(arena_printf(&a, "%s/%s", folder, e->d_name));
    closedir(dir);
    rmdir(folder);
    arena_free(&a);
}

START_TEST(a_written_file_reads_back) {
    Arena a = {0};
    Buf b = {0};
    char why[256];
    const char *path = arena_printf(&a, "%s/x", folder);
    ck_assert(buf_write_file(path, "old", 3, why, sizeof why));
    ck_assert(buf_write_file(path, "a\0b\n", 4, why, sizeof why));
    ck_assert(buf_read_file(&b, path, 0, why, sizeof why));
    ck_assert_uint_eq(b.len, 4);
    ck_assert_int_eq(memcmp(b.data, "a\0b\n", 5), 0);
    ck_assert_int_eq(count_files(folder), 1);
    ck_assert(buf_write_file(path, NULL, 0, why, sizeof why));
    ck_assert(buf_read_file(&b, path, 0, why, sizeof why));
    ck_assert_uint_eq(b.len, 0);
    buf_free(&b);
    arena_free(&a);
}
END_TEST

START_TEST(a_file_at_the_limit_is_read_and_one_above_is_not) {
    Arena a = {0};
    Buf b = {0};
    char why[256];
    const char *path = arena_printf(&a, "%s/x", folder);
    ck_assert(buf_write_file(path, "12345", 5, why, sizeof why));
    ck_assert(buf_read_file(&b, path, 5, why, sizeof why));
    ck_assert(!buf_read_file(&b, path, 4, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "larger than the limit of 4 bytes"));
    ck_assert_str_eq(buf_text(&b), "");

    // a file that does not say its size is cut off as well
    ck_assert(!buf_read_file(&b, "/dev/zero", 100000, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "larger than the limit"));
    buf_free(&b);
    arena_free(&a);
}
END_TEST

START_TEST(a_missing_file_and_a_folder_are_refused_with_a_sentence) {
    Buf b = {0};
    char why[256];
    ck_assert(!buf_read_file(&b, "/no/such/file", 0, why, sizeof why));
    ck_assert_str_eq(why, "cannot read '/no/such/file': No such file or directory");
    ck_assert(!buf_read_file(&b, folder, 0, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "Is a directory"));
    ck_assert(!buf_write_file("/no/such/file", "x", 1, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "cannot write '/no/such/file'"));
    buf_free(&b);
}
END_TEST

START_TEST(a_failed_write_leaves_nothing_behind) {
    Arena a = {0};
    char why[256];
    const char *path = arena_printf(&a, "%s/d", folder);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    ck_assert(!buf_write_file(path, "x", 1, why, sizeof why));
    ck_assert_int_eq(count_files(folder), 1);
    arena_free(&a);
}
END_TEST

START_TEST(a_device_is_written_to_and_stays_a_device) {
    char why[256];
    struct stat st;
    ck_assert(buf_write_file("/dev/null", "x", 1, why, sizeof why));
    ck_assert_int_eq(stat("/dev/null", &st), 0);
    ck_assert(S_ISCHR(st.st_mode));
}
END_TEST

START_TEST(folders_are_made_with_their_parents) {
    Arena a = {0};
    char why[256];
    const char *path = arena_printf(&a, "%s/a//b/c/", folder);
    ck_assert(buf_make_dirs(path, why, sizeof why));
    ck_assert(buf_make_dirs(path, why, sizeof why));
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    const char *file = arena_printf(&a, "%s/f", folder);
    ck_assert(buf_write_file(file, "", 0, why, sizeof why));
    ck_assert(!buf_make_dirs(arena_printf(&a, "%s/g", file), why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "cannot create folder"));

    rmdir(path);
    rmdir(arena_printf(&a, "%s/a/b", folder));
    arena_free(&a);
}
END_TEST

// ---- numbers

static const struct {
    double x;
    const char *text;
} doubles[] = {
    {0, "0"},
    {-0.0, "-0"},
    {0.1, "0.1"},
    {1e-8, "1e-08"},
    {1.0 / 3, "0.3333333333333333"},
    {2.0 / 3, "0.6666666666666666"},
    {0.1 + 0.2, "0.30000000000000004"},
    {123456, "123456"},
    {1e22, "1e+22"},
    {5e-324, "5e-324"},
    {DBL_MAX, "1.7976931348623157e+308"},
    {DBL_MIN, "2.2250738585072014e-308"},
    {-1.5, "-1.5"},
    {INFINITY, "inf"},
    {-INFINITY, "-inf"},
    {NAN, "nan"},
};

START_TEST(doubles_print_in_their_shortest_form) {
    char text[32];
    int len = buf_format_double(text, doubles[_i].x);
    ck_assert_str_eq(text, doubles[_i].text);
    ck_assert_int_eq(len, (int)strlen(text));
}
END_TEST

START_TEST(any_double_reads_back_the_same) {
    uint64_t seed = 2;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = next_random(&seed);
        double x, back;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x))
            continue;
        char text[32];
        int len = buf_format_double(text, x);
        ck_assert(buf_parse_double(text, (size_t)len, &back));
        ck_assert_int_eq(memcmp(&x, &back, sizeof x), 0);
    }
}
END_TEST

START_TEST(numbers_are_read_whole_or_not_at_all) {
    static const char *const good[] = {"0", "1", "-1", "+1", ".5", "1.", "1e3", "1E+3", "-1.5e-3"};
    static const double values[] = {0, 1, -1, 1, 0.5, 1, 1e3, 1e3, -1.5e-3};
    double x;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(buf_parse_double(good[i], strlen(good[i]), &x), "%s", good[i]);
        ck_assert_double_eq(x, values[i]);
    }
    static const char *const bad[] = {"",   "-",   ".",   "e3",    "1e",    "1e+",   " 1",
                                      "1 ", "0x1", "nan", "inf",   ".inf",  ".nan",  "1,5",
                                      "1f", "--1", "1_0", "1e5.5", "1.2.3", "1e999", "-1e999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!buf_parse_double(bad[i], strlen(bad[i]), &x), "%s", bad[i]);

    ck_assert(buf_parse_double("12345", 2, &x));
    ck_assert_double_eq(x, 12);
    ck_assert(!buf_parse_double("1\0"
                                "2",
                                3, &x));
}
END_TEST

START_TEST(a_foreign_locale_changes_no_number) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE",
                                        "ps_AF.UTF-8"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++)
        found = setlocale(LC_ALL, names[i]) != NULL;
    if (!found) // none is installed: the plain one must do
        setlocale(LC_ALL, "");

    double x;
    char text[32];
    ck_assert(buf_parse_double("1.5", 3, &x));
    ck_assert_double_eq(x, 1.5);
    ck_assert(!buf_parse_double("1,5", 3, &x));
    buf_format_double(text, 0.25);
    ck_assert_str_eq(text, "0.25");
    setlocale(LC_ALL, "C");
}
END_TEST

// ---- map

START_TEST(an_empty_map_finds_nothing) {
    Map m = {0};
    ck_assert_ptr_null(map_get(&m, "x"));
    ck_assert(!map_has(&m, ""));
}
END_TEST

START_TEST(every_key_is_found_and_order_is_kept) {
    Arena a = {0};
    Map m = {0};
    int values[5000];
    for (int i = 0; i < 5000; i++)
        map_put(&m, &a, arena_printf(&a, "key%d", i), &values[i]);
    ck_assert_int_eq(m.n, 5000);
    for (int i = 0; i < 5000; i++) {
        const char *key = arena_printf(&a, "key%d", i);
        ck_assert_ptr_eq(map_get(&m, key), &values[i]);
        ck_assert_str_eq(m.entries[i].key, key);
    }
    ck_assert(!map_has(&m, "key5000"));
    arena_free(&a);
}
END_TEST

START_TEST(putting_again_replaces_the_value) {
    Arena a = {0};
    Map m = {0};
    int x, y;
    map_put(&m, &a, "k", &x);
    map_put(&m, &a, "l", NULL);
    map_put(&m, &a, "k", &y);
    ck_assert_int_eq(m.n, 2);
    ck_assert_ptr_eq(map_get(&m, "k"), &y);
    ck_assert(map_has(&m, "l"));
    ck_assert_ptr_null(map_get(&m, "l"));
    arena_free(&a);
}
END_TEST

START_TEST(hashes_never_change) {
    ck_assert_uint_eq(map_hash_str(""), 0x2d06800538d394c2u);
    ck_assert_uint_eq(map_hash(NULL, 0), map_hash_str(""));
    ck_assert_uint_eq(map_hash_str("abc"), map_hash("abcd", 3));
    ck_assert_uint_eq(map_hash_str("abc"), 0x78af5f94892f3950u);
}
END_TEST

START_TEST(the_nearest_name_is_suggested) {
    static const char *const names[] = {"tanh", "sin", "softmax", "matmul", NULL, "x", "log_prob"};
    int n = sizeof names / sizeof *names;
    ck_assert_str_eq(map_nearest("tanhh", names, n), "tanh");
    ck_assert_str_eq(map_nearest("tahn", names, n), "tanh");
    ck_assert_str_eq(map_nearest("sine", names, n), "sin");
    ck_assert_str_eq(map_nearest("sofmax", names, n), "softmax");
    ck_assert_str_eq(map_nearest("matmull", names, n), "matmul");
    ck_assert_str_eq(map_nearest("logprob", names, n), "log_prob");
    ck_assert_str_eq(map_nearest("sin", names, n), "sin");
}
END_TEST

START_TEST(a_far_name_is_not_suggested) {
    static const char *const names[] = {"tanh", "x", ""};
    ck_assert_ptr_null(map_nearest("matmul", names, 3));
    ck_assert_ptr_null(map_nearest("y", names, 3));
    ck_assert_ptr_null(map_nearest("tanh", NULL, 0));
    char name[1000];
    memset(name, 'x', sizeof name);
    name[999] = '\0';
    ck_assert_ptr_null(map_nearest(name, names, 3));
    const char *const long_names[] = {name};
    ck_assert_ptr_null(map_nearest("x", long_names, 1));
}
END_TEST

// ---- errors

START_TEST(every_code_has_a_sentence_and_none_is_used_twice) {
    static const int codes[] = {
#define ERROR(code, name, doc, cure) code,
#include "ir/base/errors.def"
    };
    int n = sizeof codes / sizeof *codes;
    for (int i = 0; i < n; i++) {
        ck_assert_ptr_nonnull(errors_doc(codes[i]));
        for (int k = 0; k < i; k++)
            ck_assert_int_ne(codes[i], codes[k]);
    }
    ck_assert_ptr_null(errors_doc(0));
    ck_assert_ptr_null(errors_doc(9999));
}
END_TEST

// ---- diagnostics

// Fails unless `d` prints as `expected`. Frees `d`.
static void expect(Diag *d, bool color, const char *expected) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    diag_print(d, out, color);
    fclose(out);
    ck_assert_str_eq(text, expected);
    free(text);
    diag_free(d);
}

static const DiagFile *add_text(Diag *d, const char *text) {
    return diag_add_file(d, "t.yaml", text, strlen(text));
}

START_TEST(an_error_shows_its_line_with_a_caret) {
    Diag d = {0};
    const DiagFile *f = add_text(&d, "a: 1\nb: 2\nc:\n  y: tanhh(h)\n");
    Loc loc = {f, 4, 6};
    static const char *const names[] = {"tanh"};
    diag_error(&d, loc, E_unknown_function, "no operation is called '%s'", "tanhh");
    diag_did_you_mean(&d, loc, "tanhh", names, 1);
    diag_note(&d, (Loc){f, 3, 1}, "in this function");
    ck_assert_int_eq(d.n_errors, 1);
    expect(&d, false,
           "t.yaml:4:6: error[E0202]: no operation is called 'tanhh'\n"
           "   4 |   y: tanhh(h)\n"
           "     |      ^\n"
           "t.yaml:4:6: note: did you mean 'tanh'?\n"
           "t.yaml:3:1: note: in this function\n"
           "   3 | c:\n"
           "     | ^\n");
}
END_TEST

START_TEST(color_is_red_for_errors_and_blue_for_notes) {
    Diag d = {0};
    const DiagFile *f = add_text(&d, "ab");
    diag_error(&d, (Loc){f, 1, 2}, E_number, "x");
    diag_note(&d, (Loc){0}, "y");
    expect(&d, true,
           "\x1b[1mt.yaml:1:2:\x1b[0m \x1b[1;31merror[E0106]:\x1b[0m x\n"
           "   1 | ab\n"
           "     |  \x1b[1;31m^\x1b[0m\n"
           "\x1b[1;34mnote:\x1b[0m y\n");
}
END_TEST

START_TEST(errors_are_sorted_and_take_their_notes_along) {
    Diag d = {0};
    const DiagFile *f = add_text(&d, "one\ntwo\n");
    const DiagFile *g = diag_add_file(&d, "u.yaml", "three", 5);
    diag_error(&d, (Loc){g, 1, 1}, 1, "fifth");
    diag_error(&d, (Loc){f, 2, 1}, 1, "fourth");
    diag_note(&d, (Loc){0}, "note of the fourth");
    diag_error(&d, (Loc){f, 1, 2}, 1, "third");
    diag_error(&d, (Loc){f, 0, 0}, 1, "second");
    diag_error(&d, (Loc){0}, 1, "first");
    expect(&d, false,
           "error[E0001]: first\n"
           "t.yaml: error[E0001]: second\n"
           "t.yaml:1:2: error[E0001]: third\n"
           "   1 | one\n"
           "     |  ^\n"
           "t.yaml:2:1: error[E0001]: fourth\n"
           "   2 | two\n"
           "     | ^\n"
           "note: note of the fourth\n"
           "u.yaml:1:1: error[E0001]: fifth\n"
           "   1 | three\n"
           "     | ^\n"
           "5 errors\n");
}
END_TEST

START_TEST(an_equal_error_and_its_notes_are_dropped) {
    Diag d = {0};
    const DiagFile *f = add_text(&d, "one");
    diag_note(&d, (Loc){0}, "of nothing");
    for (int i = 0; i < 3; i++) {
        diag_error(&d, (Loc){f, 1, 1}, 1, "again");
        diag_note(&d, (Loc){0}, "note");
    }
    ck_assert_int_eq(d.n_errors, 1);
    expect(&d, false, "t.yaml:1:1: error[E0001]: again\n   1 | one\n     | ^\nnote: note\n");
}
END_TEST

START_TEST(errors_past_the_limit_are_counted) {
    Diag d = {.max_errors = 2};
    for (int i = 0; i < 5; i++) {
        diag_error(&d, (Loc){0}, 1, "number %d", i);
        diag_note(&d, (Loc){0}, "note %d", i);
    }
    ck_assert_int_eq(d.n_errors, 5);
    expect(&d, false,
           "error[E0001]: number 0\nnote: note 0\nerror[E0001]: number 1\nnote: note 1\n"
           "5 errors, 3 of them not shown\n");

    d = (Diag){0};
    for (int i = 0; i < 1000; i++)
        diag_error(&d, (Loc){0}, 1, "number %d", i);
    ck_assert_int_eq(d.n, 100);
    ck_assert_int_eq(d.n_errors, 1000);
    diag_free(&d);
}
END_TEST

START_TEST(the_caret_stands_below_tabs_and_accents) {
    Diag d = {0};
    const DiagFile *f = add_text(&d, "\tx\ty\nä\xe2\x82\xacz\n");
    diag_error(&d, (Loc){f, 1, 4}, 1, "y");
    diag_error(&d, (Loc){f, 2, 6}, 1, "z");
    diag_error(&d, (Loc){f, 2, 4}, 1, "within a character");
    expect(&d, false,
           "t.yaml:1:4: error[E0001]: y\n"
           "   1 |     x   y\n"
           "     |         ^\n"
           "t.yaml:2:4: error[E0001]: within a character\n"
           "   2 | ä\xe2\x82\xacz\n"
           "     |  ^\n"
           "t.yaml:2:6: error[E0001]: z\n"
           "   2 | ä\xe2\x82\xacz\n"
           "     |   ^\n"
           "3 errors\n");
}
END_TEST

START_TEST(bytes_that_cannot_be_shown_become_question_marks) {
    Diag d = {0};
    static const char text[] = "a\x1b[31m\0\xff\xe2\x82 \xc0\x80\xe2\x80\xae!\r\n";
    const DiagFile *f = diag_add_file(&d, "t\n.yaml", text, sizeof text - 1);
    diag_error(&d, (Loc){f, 1, 2}, 1, "it is '%s'", "\x1b[0m\x7f\n\xed\xa0\x80");
    expect(&d, false,
           "t?.yaml:1:2: error[E0001]: it is '\?[0m\?\?\?\?\?'\n"
           "   1 | a\?[31m\?\?\?\?"
           " \?\?\?!\n"
           "     |  ^\n");
}
END_TEST

START_TEST(a_long_line_is_cut_around_the_caret) {
    enum { LEN = 100000 };
    Diag d = {0};
    char *text = malloc(LEN + 1);
    for (int i = 0; i < LEN; i++)
        text[i] = (char)('0' + i % 10);
    text[LEN] = '\0';
    const DiagFile *f = add_text(&d, text);
    diag_error(&d, (Loc){f, 1, 3}, 1, "start");
    diag_error(&d, (Loc){f, 1, 50005}, 1, "middle");
    diag_error(&d, (Loc){f, 1, LEN}, 1, "end");
    Buf b = {0};
    buf_printf(&b, "t.yaml:1:3: error[E0001]: start\n   1 | %.100s...\n     |   ^\n", text);
    buf_printf(&b, "t.yaml:1:50005: error[E0001]: middle\n   1 | ...%.100s...\n     | %*s^\n",
               text + 4, 53, "");
    buf_printf(&b, "t.yaml:1:100000: error[E0001]: end\n   1 | ...%.100s\n     | %*s^\n", text, 102,
               "");
    buf_puts(&b, "3 errors\n");
    free(text);
    expect(&d, false, buf_text(&b));
    buf_free(&b);
}
END_TEST

START_TEST(places_behind_the_text_do_no_harm) {
    Diag d = {0};
    const DiagFile *f = add_text(&d, "ab\n");
    diag_error(&d, (Loc){f, 1, 3}, 1, "end of line");
    diag_error(&d, (Loc){f, 1, 9}, 1, "past the line");
    diag_error(&d, (Loc){f, 2, 1}, 1, "end of file");
    diag_error(&d, (Loc){f, 7, 1}, 1, "past the file");
    expect(&d, false,
           "t.yaml:1:3: error[E0001]: end of line\n"
           "   1 | ab\n"
           "     |   ^\n"
           "t.yaml:1:9: error[E0001]: past the line\n"
           "   1 | ab\n"
           "     |   ^\n"
           "t.yaml:2:1: error[E0001]: end of file\n"
           "   2 |\n"
           "     | ^\n"
           "t.yaml:7:1: error[E0001]: past the file\n"
           "4 errors\n");
}
END_TEST

START_TEST(random_texts_and_places_print) {
    uint64_t seed = 3;
    for (int i = 0; i < 2000; i++) {
        char text[600];
        size_t len = next_random(&seed) % sizeof text;
        for (size_t k = 0; k < len; k++)
            text[k] = (char)(next_random(&seed) % (i % 2 ? 256 : 16) + (i % 2 ? 0 : 5));
        Diag d = {0};
        const DiagFile *f = diag_add_file(&d, "t", text, len);
        for (int k = 0; k < 5; k++) {
            Loc loc = {f, (int)(next_random(&seed) % 4), (int)(next_random(&seed) % 700)};
            diag_error(&d, loc, 1, "x");
        }
        char *out_text = NULL;
        size_t out_len;
        FILE *out = open_memstream(&out_text, &out_len);
        diag_print(&d, out, false);
        fclose(out);
        for (size_t k = 0; k < out_len; k++)
            ck_assert(out_text[k] == '\n' || (unsigned char)out_text[k] >= 0x20);
        free(out_text);
        diag_free(&d);
    }
}
END_TEST

START_TEST(a_bug_exits_with_70) {
    diag_bug("node %d has no type", 3);
}
END_TEST

static Suite *base_suite(void) {
    Suite *s = suite_create("base");

    TCase *arena = tcase_create("arena");
    tcase_add_test(arena, memory_is_zeroed_and_aligned);
    tcase_add_test(arena, pointers_of_size_zero_differ);
    tcase_add_test(arena, a_large_block_leaves_the_small_one_in_use);
    tcase_add_test(arena, reset_keeps_a_block_for_reuse);
    tcase_add_test(arena, pushed_elements_stay_in_order);
    tcase_add_test(arena, strings_are_copied_with_their_end);
    tcase_add_exit_test(arena, a_size_that_overflows_ends_with_71, EXIT_SYSTEM);
    tcase_add_exit_test(arena, a_size_that_no_machine_has_ends_with_71, EXIT_SYSTEM);
    suite_add_tcase(s, arena);

    TCase *text = tcase_create("text");
    tcase_add_test(text, an_empty_text_is_never_null);
    tcase_add_test(text, text_grows_by_pieces);
    suite_add_tcase(s, text);

    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, make_folder, remove_folder);
    tcase_add_test(files, a_written_file_reads_back);
    tcase_add_test(files, a_file_at_the_limit_is_read_and_one_above_is_not);
    tcase_add_test(files, a_missing_file_and_a_folder_are_refused_with_a_sentence);
    tcase_add_test(files, a_failed_write_leaves_nothing_behind);
    tcase_add_test(files, a_device_is_written_to_and_stays_a_device);
    tcase_add_test(files, folders_are_made_with_their_parents);
    suite_add_tcase(s, files);

    TCase *numbers = tcase_create("numbers");
    int n_doubles = sizeof doubles / sizeof *doubles;
    tcase_add_loop_test(numbers, doubles_print_in_their_shortest_form, 0, n_doubles);
    tcase_add_test(numbers, any_double_reads_back_the_same);
    tcase_add_test(numbers, numbers_are_read_whole_or_not_at_all);
    tcase_add_test(numbers, a_foreign_locale_changes_no_number);
    suite_add_tcase(s, numbers);

    TCase *map = tcase_create("map");
    tcase_add_test(map, an_empty_map_finds_nothing);
    tcase_add_test(map, every_key_is_found_and_order_is_kept);
    tcase_add_test(map, putting_again_replaces_the_value);
    tcase_add_test(map, hashes_never_change);
    tcase_add_test(map, the_nearest_name_is_suggested);
    tcase_add_test(map, a_far_name_is_not_suggested);
    suite_add_tcase(s, map);

    TCase *errors = tcase_create("errors");
    tcase_add_test(errors, every_code_has_a_sentence_and_none_is_used_twice);
    suite_add_tcase(s, errors);

    TCase *diag = tcase_create("diag");
    tcase_add_test(diag, an_error_shows_its_line_with_a_caret);
    tcase_add_test(diag, color_is_red_for_errors_and_blue_for_notes);
    tcase_add_test(diag, errors_are_sorted_and_take_their_notes_along);
    tcase_add_test(diag, an_equal_error_and_its_notes_are_dropped);
    tcase_add_test(diag, errors_past_the_limit_are_counted);
    tcase_add_test(diag, the_caret_stands_below_tabs_and_accents);
    tcase_add_test(diag, bytes_that_cannot_be_shown_become_question_marks);
    tcase_add_test(diag, a_long_line_is_cut_around_the_caret);
    tcase_add_test(diag, places_behind_the_text_do_no_harm);
    tcase_add_test(diag, random_texts_and_places_print);
    tcase_add_exit_test(diag, a_bug_exits_with_70, EXIT_BUG);
    suite_add_tcase(s, diag);
    return s;
}

int main(void) {
    SRunner *runner = srunner_create(base_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_CHECK : EXIT_OK;
}
