// tests/check_yaml.c -- YAML as a tree with places, and what is refused.
#include "ir/lang/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

#include "ir/base/buf.h"
#include "ir/base/errors.h"
#include "ir/base/exits.h"

static Arena arena;
static Diag diag;

static void setup(void) {
    arena = (Arena){0};
    diag = (Diag){0};
}

static void teardown(void) {
    arena_free(&arena);
    diag_free(&diag);
}

static Yaml *read_bytes(const char *text, size_t len) {
    return yaml_read_text(&arena, &diag, "t.yaml", text, len);
}

// The tree of `text`, which has no errors.
static Yaml *read_good(const char *text) {
    Yaml *y = read_bytes(text, strlen(text));
    if (!y)
        diag_print(&diag, stderr, false);
    ck_assert_ptr_nonnull(y);
    ck_assert_int_eq(diag.n_errors, 0);
    return y;
}

static void put_messages(Buf *b) {
    for (int i = 0; i < diag.n; i++) {
        const DiagMessage *m = &diag.messages[i];
        buf_printf(b, "%d:%d ", m->loc.line, m->loc.col);
        if (m->is_note)
            buf_puts(b, "note");
        else
            buf_printf(b, "%d", m->code);
        buf_printf(b, " %s\n", m->text);
    }
}

// Fails unless the bytes are refused with `messages`: lines of "line:col code text".
static void refuse_bytes(const char *text, size_t len, const char *messages) {
    ck_assert_ptr_null(read_bytes(text, len));
    Buf b = {0};
    put_messages(&b);
    ck_assert_str_eq(buf_text(&b), messages);
    buf_free(&b);
    teardown();
    setup();
}

static void refuse(const char *text, const char *messages) {
    refuse_bytes(text, strlen(text), messages);
}

static void put_place(Buf *b, Loc loc) {
    buf_printf(b, "@%d:%d", loc.line, loc.col);
}

// The tree in one line: text@line:col with ' for quoted and ! for verbatim.
static void put_tree(Buf *b, const Yaml *y) {
    switch (y->kind) {
    case YAML_NULL:
        buf_puts(b, "null");
        break;
    case YAML_SCALAR:
        buf_printf(b, "%s%s%s", y->quoted ? "'" : "", y->text, y->verbatim ? "!" : "");
        break;
    case YAML_LIST:
        buf_puts(b, "[");
        for (int i = 0; i < y->n; i++) {
            buf_puts(b, i ? " " : "");
            put_tree(b, y->items[i]);
        }
        buf_puts(b, "]");
        break;
    case YAML_MAP:
        buf_puts(b, "{");
        for (int i = 0; i < y->n; i++) {
            buf_printf(b, "%s%s", i ? " " : "", y->keys[i]);
            put_place(b, y->key_locs[i]);
            buf_puts(b, "=");
            put_tree(b, y->items[i]);
        }
        buf_puts(b, "}");
        break;
    }
    put_place(b, y->loc);
}

static void reads_as(const char *text, const char *tree) {
    Buf b = {0};
    put_tree(&b, read_good(text));
    ck_assert_str_eq(buf_text(&b), tree);
    buf_free(&b);
    teardown();
    setup();
}

// ---- trees

START_TEST(every_node_knows_its_place) {
    reads_as("a: 1\nb:\n  - x\n  - {c: y, d: [z]}\n",
             "{a@1:1=1!@1:4 b@2:1=[x!@3:5 {c@4:6=y!@4:9 d@4:12=[z!@4:16]@4:15}@4:5]@3:3}@1:1");
    reads_as("x", "x!@1:1");
    reads_as("  x # comment", "x!@1:3");
    reads_as("# comment\n\n- \n- a", "[null@3:2 a!@4:3]@3:1");
}
END_TEST

START_TEST(columns_count_bytes) {
    reads_as("é: ü # ö\n\"ß€\": 'x'", "{é@1:1=ü!@1:5 ß€@2:2='x!@2:11}@1:1");
}
END_TEST

START_TEST(places_are_right_far_into_a_text) {
    Buf b = {0};
    for (int i = 0; i < 3000; i++)
        buf_printf(&b, "ké%d: {\"ü\": é%d}\r\n", i, i);
    Yaml *y = read_good(buf_text(&b));
    ck_assert_int_eq(y->n, 3000);
    for (int i = 0; i < y->n; i++) {
        int digits = snprintf(NULL, 0, "%d", i);
        ck_assert_int_eq(y->key_locs[i].line, i + 1);
        ck_assert_int_eq(y->key_locs[i].col, 1);
        ck_assert_int_eq(y->items[i]->items[0]->loc.line, i + 1);
        ck_assert_int_eq(y->items[i]->items[0]->loc.col, 13 + digits);
    }
    buf_free(&b);
}
END_TEST

START_TEST(plain_null_and_nothing_are_null) {
    reads_as("[~, null, Null, NULL, '', \"null\", nul]",
             "[null@1:2 null@1:5 null@1:11 null@1:17 '!@1:24 'null!@1:28 nul!@1:35]@1:1");
    reads_as("a:\nb: ~", "{a@1:1=null@1:3 b@2:1=null@2:4}@1:1");
}
END_TEST

START_TEST(text_is_verbatim_when_it_stands_as_it_is_in_the_source) {
    reads_as("a b + c", "a b + c!@1:1");
    reads_as("'a b'", "'a b!@1:2");
    reads_as("\"a b\"", "'a b!@1:2");
    reads_as("'it''s'", "'it's@1:1");
    reads_as("''''''", "'''@1:1");
    reads_as("\"a\\tb\"", "'a\tb@1:1");
    reads_as("\"\\\"x\"", "'\"x@1:1");
    reads_as("a\n b", "a b@1:1");
    reads_as("'a\n\n b'", "'a\nb@1:1");
    reads_as("x: |\n  a\n  b\n", "{x@1:1='a\nb\n@1:4}@1:1");
    reads_as("x: >-\n  a\n  b\n", "{x@1:1='a b@1:4}@1:1");
    reads_as("[a (b)  , c]", "[a (b)!@1:2 c!@1:11]@1:1");
}
END_TEST

START_TEST(aliases_share_the_tree_of_their_anchor) {
    Yaml *y = read_good("a: &x {k: 1}\nb: *x\nc: [*x, &x 2, *x]\n&k d: *k\n");
    ck_assert_ptr_eq(yaml_find(y, "a"), yaml_find(y, "b"));
    ck_assert_ptr_eq(yaml_find(y, "a"), yaml_find(y, "c")->items[0]);
    ck_assert_str_eq(yaml_find(y, "c")->items[2]->text, "2");
    ck_assert_str_eq(yaml_find(y, "d")->text, "d");
    teardown();
    setup();
    reads_as("a: &x y z\n&k b: &m # why\n  c: *x\nd: {*k : *x}",
             "{a@1:1=y z!@1:7 b@2:4={c@3:3=y z!@1:7}@3:3 d@4:1={b@4:5=y z!@1:7}@4:4}@1:1");
}
END_TEST

START_TEST(core_tags_are_taken) {
    reads_as("[!!str 12, !!str ~, ! x, !!int 3, !!float .5, !!bool true, !!null ~]",
             "['12!@1:8 '~!@1:18 'x!@1:23 3!@1:32 .5!@1:43 true!@1:54 null@1:67]@1:1");
    reads_as("!!map {a: !!seq []}", "{a@1:8=[]@1:17}@1:7");
}
END_TEST

START_TEST(a_byte_order_mark_is_skipped) {
    reads_as("\xef\xbb\xbf"
             "a: b",
             "{a@1:1=b!@1:4}@1:1");
}
END_TEST

START_TEST(one_document_may_be_marked) {
    reads_as("%YAML 1.2\n---\na: 1\n...\n# end\n", "{a@3:1=1!@3:4}@3:1");
    reads_as("---\n- x\n", "[x!@2:3]@2:1");
}
END_TEST

// ---- refusals

START_TEST(an_empty_document_is_refused) {
    static const char *const texts[] = {"",  "\n\n", "# only this\n", "---\n",
                                        "~", "null", "\xef\xbb\xbf",  "---\n...\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        refuse(texts[i], "0:0 108 the file holds no document\n");
}
END_TEST

START_TEST(a_second_document_is_refused_at_its_place) {
    refuse("a: 1\n---\nb: 2\n", "2:1 101 a second document starts here; a file holds one\n");
    refuse("---\n---\n", "2:1 101 a second document starts here; a file holds one\n");
    refuse("a\n...\nb", "3:1 101 expected the end of the file\n");
}
END_TEST

START_TEST(duplicate_keys_are_refused_with_both_places) {
    refuse("a: 1\n'a': 2\nb: {c: 1, c: 2}\n", "2:2 104 the key 'a' stands here a second time\n"
                                              "1:1 note the first is here\n"
                                              "3:11 104 the key 'c' stands here a second time\n"
                                              "3:5 note the first is here\n");
}
END_TEST

START_TEST(keys_that_are_not_text_are_refused) {
    refuse("{[a]: 1, {b: c}: 2,\n ~: 4}", "1:2 105 a key is text, but here is a list\n"
                                          "1:10 105 a key is text, but here is a mapping\n"
                                          "2:2 105 a key is text, but here is nothing\n");
}
END_TEST

START_TEST(merge_keys_are_refused) {
    refuse("a: &a {x: 1}\nb:\n  <<: *a\n", "3:3 101 the merge key '<<' is not part of YAML 1.2\n");
    reads_as("'<<': 1", "{<<@1:2=1!@1:7}@1:1");
}
END_TEST

START_TEST(foreign_tags_are_refused) {
    refuse("a: !foo x\nb: !!python/object {}\nc: !!binary x\nd: !!int x\ne: !!map x\n",
           "1:9 101 the tag '!foo' is not known\n"
           "2:20 101 the tag 'tag:yaml.org,2002:python/object' is not known\n"
           "3:13 101 the tag 'tag:yaml.org,2002:binary' is not known\n"
           "4:10 105 the tag '!!int' stands before text\n"
           "5:10 105 the tag '!!map' stands before text\n");
    refuse("!e!x y", "1:1 101 the tag is not known\n");
}
END_TEST

START_TEST(aliases_without_an_anchor_are_refused) {
    refuse("a: *x\nb: *y\nc: &y 1\n", "1:4 110 no anchor '&x' stands before this alias\n"
                                      "2:4 110 no anchor '&y' stands before this alias\n");
}
END_TEST

START_TEST(aliases_to_what_holds_them_are_refused) {
    refuse("a: &x [1, *x]\n",
           "1:11 110 the alias '*x' refers to what it is part of\n1:7 note '&x' stands here\n");
    refuse("&r {a: {b: *r}}\n",
           "1:12 110 the alias '*r' refers to what it is part of\n1:4 note '&r' stands here\n");
}
END_TEST

START_TEST(syntax_errors_are_told_in_our_words) {
    refuse("a: [1, 2\nb: 3\n", "2:2 101 expected ',' or ']'\n1:4 note the '[' stands here\n");
    refuse("a: {x: 1\n", "2:1 101 expected ',' or '}'\n1:4 note the '{' stands here\n");
    refuse("a: 1\nb\nc: 2\n", "2:1 101 expected ':' and a space after this key\n");
    refuse("a: b: c\n",
           "1:5 101 a ':' is not allowed here; a text that holds ': ' stands in quotes\n");
    refuse("a: 'x\nb: 2\n", "1:4 101 the text in quotes does not end\n");
    refuse("a:\n\t- x\n", "2:1 101 a tab cannot indent; use spaces\n");
    refuse("a: %x\n",
           "1:4 101 no value starts with this character; a text that does stands in quotes\n");
    refuse("a: \"x\" + 1\n", "1:8 101 the value before this is complete\n"
                             "1:8 note an expression that begins with a quote, '[' or '{' stands "
                             "in quotes as a whole\n");
    refuse("a: \"\\q\"\n", "1:5 101 no escape is written like this\n");
    refuse("a: 1\n b: 2\n",
           "2:3 101 a ':' is not allowed here; a text that holds ': ' stands in quotes\n");
    refuse("- a\nb: 1\n", "2:1 101 expected '-', indented like the items before it\n"
                          "1:1 note the list starts here\n");
    refuse("x: @y\n",
           "1:4 101 no value starts with this character; a text that does stands in quotes\n");
}
END_TEST

START_TEST(errors_before_a_syntax_error_are_told_too) {
    refuse("a: 1\na: 2\nb: *x\nc: [\n", "2:1 104 the key 'a' stands here a second time\n"
                                        "1:1 note the first is here\n"
                                        "3:4 110 no anchor '&x' stands before this alias\n"
                                        "5:1 101 expected a value\n");
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_refused_at_their_place) {
    refuse("a: \xff\nb: é\xe2\x82\nc: \xc0\x80\xed\xa0\x80\n", "1:4 102 byte 0xff is not UTF-8\n"
                                                               "2:6 102 byte 0xe2 is not UTF-8\n"
                                                               "3:4 102 byte 0xc0 is not UTF-8\n");
    refuse("\xff\xfe"
           "a",
           "1:1 102 byte 0xff is not UTF-8\n");
}
END_TEST

START_TEST(control_characters_and_nul_are_refused) {
    refuse_bytes("a: x\0y", 6, "1:5 102 a NUL byte is not allowed\n");
    refuse("a: \x01\nb: \x7f\nc: \xc2\x80\nd: \xef\xbb\xbf",
           "1:4 102 the control character 0x01 is not allowed\n"
           "2:4 102 the control character 0x7f is not allowed\n"
           "3:4 102 the control character 0x80 is not allowed\n"
           "4:4 102 the character U+FEFF is not allowed\n");
    refuse("a: \"x\\0y\"", "1:4 102 a NUL byte is not allowed\n");
}
END_TEST

// ---- limits

static void put_times(Buf *b, const char *s, int n) {
    for (int i = 0; i < n; i++)
        buf_puts(b, s);
}

START_TEST(nesting_up_to_the_limit_is_read_and_deeper_is_not) {
    Buf b = {0};
    put_times(&b, "[", YAML_MAX_DEPTH);
    put_times(&b, "]", YAML_MAX_DEPTH);
    read_good(buf_text(&b));

    buf_reset(&b);
    put_times(&b, "[", YAML_MAX_DEPTH + 1);
    put_times(&b, "]", YAML_MAX_DEPTH + 1);
    refuse(buf_text(&b), "1:65 103 lists and mappings are nested too deep: the limit is 64\n");

    buf_reset(&b);
    put_times(&b, "- ", YAML_MAX_DEPTH + 1);
    refuse(buf_text(&b), "1:129 103 lists and mappings are nested too deep: the limit is 64\n");

    static const char *const openers[] = {"[", "{", "- ", "? ", "{a: ", "[[{?", "&a [", "!!seq ["};
    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++) {
        buf_reset(&b);
        put_times(&b, openers[i], 400000);
        ck_assert_ptr_null(read_bytes(b.data, b.len));
        ck_assert_int_eq(diag.n_errors, 1);
        ck_assert_int_eq(diag.messages[0].code, E_limit);
        teardown();
        setup();
    }
    buf_free(&b);
}
END_TEST

START_TEST(nesting_by_aliases_counts_as_nesting) {
    Buf b = {0};
    buf_puts(&b, "- &a0 []\n");
    for (int i = 1; i < 100; i++)
        buf_printf(&b, "- &a%d [*a%d]\n", i, i - 1);
    refuse(buf_text(&b), "64:9 103 lists and mappings are nested too deep: the limit is 64\n");
    buf_free(&b);
}
END_TEST

START_TEST(an_alias_bomb_is_refused) {
    Buf b = {0};
    buf_puts(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 20; i++) {
        buf_printf(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_printf(&b, "*a%d, ", i - 1);
        buf_puts(&b, "]\n");
    }
    ck_assert_ptr_null(read_bytes(b.data, b.len));
    ck_assert_int_eq(diag.n, 1);
    ck_assert_int_eq(diag.messages[0].code, E_limit);
    ck_assert_int_eq(diag.messages[0].loc.line, 6);
    ck_assert_uint_lt(arena.n_bytes, 100000);
    buf_free(&b);
}
END_TEST

START_TEST(a_bomb_of_long_texts_is_refused) {
    Buf b = {0};
    buf_puts(&b, "- &x ");
    put_times(&b, "x", 60000);
    buf_puts(&b, "\n- [");
    put_times(&b, "*x, ", 69);
    buf_puts(&b, "]\n");
    refuse_bytes(b.data, b.len,
                 "2:276 103 the document has too many bytes, aliases written out: the limit is "
                 "4194304\n");
    buf_free(&b);
}
END_TEST

START_TEST(values_up_to_the_limit_are_read_and_more_are_not) {
    Buf b = {0};
    buf_puts(&b, "[");
    put_times(&b, "x,", YAML_MAX_NODES - 1);
    buf_puts(&b, "]");
    Yaml *y = read_good(buf_text(&b));
    ck_assert_int_eq(y->n, YAML_MAX_NODES - 1);
    b.data[b.len - 1] = 'x';
    buf_puts(&b, "]");
    ck_assert_ptr_null(read_bytes(b.data, b.len));
    ck_assert_int_eq(diag.messages[0].code, E_limit);
    buf_free(&b);
}
END_TEST

START_TEST(a_text_up_to_the_limit_is_read_and_a_longer_one_is_not) {
    Buf b = {0};
    put_times(&b, "x", YAML_MAX_SCALAR);
    ck_assert_uint_eq(strlen(read_good(buf_text(&b))->text), YAML_MAX_SCALAR);
    buf_puts(&b, "x");
    refuse(buf_text(&b), "1:1 103 the text is too long, in bytes: the limit is 65536\n");

    // as a key as well
    buf_puts(&b, ": 1");
    ck_assert_ptr_null(read_bytes(b.data, b.len));
    buf_free(&b);
}
END_TEST

START_TEST(a_file_above_the_limit_is_refused) {
    Buf b = {0};
    buf_puts(&b, "x #");
    put_times(&b, ".", YAML_MAX_BYTES - 3);
    read_good(buf_text(&b));
    buf_puts(&b, ".");
    refuse_bytes(b.data, b.len, "0:0 103 the file has 4194305 bytes: the limit is 4194304\n");

    char path[] = "/tmp/check_yaml_XXXXXX";
    close(mkstemp(path));
    char why[256];
    ck_assert(buf_write_file(path, b.data, b.len, why, sizeof why));
    ck_assert_ptr_null(yaml_read_file(&arena, &diag, path));
    ck_assert_int_eq(diag.messages[0].code, E_limit);
    unlink(path);
    buf_free(&b);
}
END_TEST

START_TEST(many_errors_with_long_names_take_little_memory) {
    Buf b = {0};
    buf_puts(&b, "- &k ");
    put_times(&b, "x", 60000);
    buf_puts(&b, "\n- {");
    put_times(&b, "*k : 1,", 60000);
    buf_puts(&b, "}\n");
    ck_assert_ptr_null(read_bytes(b.data, b.len));
    ck_assert_int_gt(diag.n_errors, 60);
    ck_assert_uint_lt(diag.arena.n_bytes, 20 << 20);
    buf_free(&b);
}
END_TEST

// ---- files

START_TEST(a_file_is_read_under_its_path) {
    char path[] = "/tmp/check_yaml_XXXXXX";
    close(mkstemp(path));
    char why[256];
    ck_assert(buf_write_file(path, "a: 1\na: 2\n", 10, why, sizeof why));
    ck_assert_ptr_null(yaml_read_file(&arena, &diag, path));
    ck_assert_str_eq(diag.messages[0].loc.file->path, path);
    ck_assert(buf_write_file(path, "a: 1\n", 5, why, sizeof why));
    Yaml *y = yaml_read_file(&arena, &diag, path);
    ck_assert_str_eq(yaml_find(y, "a")->text, "1");
    unlink(path);
}
END_TEST

START_TEST(a_missing_file_is_an_error_without_a_line) {
    ck_assert_ptr_null(yaml_read_file(&arena, &diag, "/no/such.yaml"));
    ck_assert_int_eq(diag.n, 1);
    ck_assert_int_eq(diag.messages[0].code, E_file);
    ck_assert_int_eq(diag.messages[0].loc.line, 0);
    ck_assert_str_eq(diag.messages[0].loc.file->path, "/no/such.yaml");
}
END_TEST

// ---- scalars

START_TEST(bools_follow_the_core_schema) {
    Yaml *y = read_good("[true, True, TRUE, false, False, FALSE, yes, on, 'true', 1, ~, tRue, []]");
    for (int i = 0; i < y->n; i++) {
        bool v;
        ck_assert_int_eq(yaml_as_bool(y->items[i], &v), i < 6);
        if (i < 6)
            ck_assert_int_eq(v, i < 3);
    }
}
END_TEST

START_TEST(integers_follow_the_core_schema) {
    Yaml *y = read_good("[0, 12, -7, +5, 007, 0x1F, 0o17, 9223372036854775807, "
                        "-9223372036854775808]");
    static const int64_t good[] = {0, 12, -7, 5, 7, 31, 15, INT64_MAX, INT64_MIN};
    for (int i = 0; i < y->n; i++) {
        int64_t v;
        ck_assert_msg(yaml_as_int(y->items[i], &v), "%s", y->items[i]->text);
        ck_assert_int_eq(v, good[i]);
    }
    y = read_good("[9223372036854775808, -9223372036854775809, 99999999999999999999, 0x, 0o8, 1.0, "
                  "1e3, -0x1, '1', x, -, +, 1_000, 0b1, ~, [], {}, ' 1']");
    for (int i = 0; i < y->n; i++) {
        int64_t v;
        ck_assert(!yaml_as_int(y->items[i], &v));
    }
}
END_TEST

START_TEST(reals_follow_the_core_schema_and_are_finite) {
    Yaml *y = read_good("[1.5, -1e-3, 3, .5, 1., 0x10, 1E2, 0o10]");
    static const double good[] = {1.5, -1e-3, 3, 0.5, 1, 16, 100, 8};
    for (int i = 0; i < y->n; i++) {
        double v;
        ck_assert_msg(yaml_as_double(y->items[i], &v), "%s", y->items[i]->text);
        ck_assert_double_eq(v, good[i]);
    }
    y = read_good("[.inf, -.inf, .nan, inf, nan, 1e999, '1.5', 1.5.2, 1e, x, ~, []]");
    for (int i = 0; i < y->n; i++) {
        double v;
        ck_assert(!yaml_as_double(y->items[i], &v));
    }
}
END_TEST

START_TEST(children_are_found_by_key) {
    Yaml *y = read_good("a: 1\nbc: 2\n");
    Loc loc;
    ck_assert_str_eq(yaml_find(y, "bc")->text, "2");
    ck_assert_ptr_null(yaml_find(y, "b"));
    ck_assert_ptr_null(yaml_find(NULL, "b"));
    ck_assert_ptr_null(yaml_find(y->items[0], "b"));
    ck_assert_ptr_eq(yaml_find_loc(y, "bc", &loc), y->items[1]);
    ck_assert_int_eq(loc.line, 2);
    ck_assert_ptr_null(yaml_find_loc(y, "b", &loc));
    ck_assert_int_eq(loc.line, 1);
}
END_TEST

START_TEST(unknown_keys_are_told_with_the_nearest_known) {
    static const char *const known[] = {"inputs", "nodes", "output"};
    Yaml *y = read_good("input: 1\nnodes: 2\nfoo: 3\n");
    yaml_check_keys(y, &diag, known, 3, "a function");
    yaml_check_keys(y->items[0], &diag, known, 3, "a function");
    Buf b = {0};
    put_messages(&b);
    ck_assert_str_eq(buf_text(&b), "1:1 203 unknown key 'input' in a function\n"
                                   "1:1 note did you mean 'inputs'?\n"
                                   "3:1 203 unknown key 'foo' in a function\n"
                                   "3:1 note its keys are inputs, nodes, output\n");
    buf_free(&b);
}
END_TEST

START_TEST(kinds_have_names) {
    Yaml *y = read_good("[x, [], {}, ~]");
    ck_assert_str_eq(yaml_kind_name(y->items[0]), "text");
    ck_assert_str_eq(yaml_kind_name(y->items[1]), "a list");
    ck_assert_str_eq(yaml_kind_name(y->items[2]), "a mapping");
    ck_assert_str_eq(yaml_kind_name(y->items[3]), "nothing");
    ck_assert_str_eq(yaml_kind_name(NULL), "nothing");
}
END_TEST

// ---- random texts

static uint64_t next_random(uint64_t *seed) {
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Fails unless every verbatim text of the tree stands at its place in the source.
static void check_places(const Yaml *y, const char *text) {
    ck_assert_int_ge(y->loc.line, 1);
    ck_assert_int_ge(y->loc.col, 1);
    if (y->kind == YAML_SCALAR && y->verbatim) {
        for (int line = 1; line < y->loc.line; line++)
            text = strchr(text, '\n') + 1;
        ck_assert_int_eq(strncmp(text + y->loc.col - 1, y->text, strlen(y->text)), 0);
    }
    for (int i = 0; i < y->n; i++)
        check_places(y->items[i], text);
}

START_TEST(random_bytes_never_break_the_reader) {
    static const char *const pieces[] = {
        "a",     "b: ", "- ", "[",   "]",     "{",    "}", ", ",     "\n",    "\n  ", "&x ",
        "*x",    "'",   "\"", "|\n", ": ",    "? ",   "é", "!!str ", "#",     "~",    "\\",
        "---\n", "<<",  "\t", "1",   "...\n", "\xff", "%", "\r\n",   ">-\n ", "x y"};
    enum { N_PIECES = sizeof pieces / sizeof *pieces };
    uint64_t seed = (uint64_t)_i + 1;
    int n_good = 0;
    for (int i = 0; i < 4000; i++) {
        Buf b = {0};
        buf_puts(&b, "");
        for (uint64_t n = next_random(&seed) % 20; n; n--) {
            uint64_t k = next_random(&seed);
            if (i % 8 == 0)
                buf_put(&b, (const char *)&k, 8);
            else
                buf_puts(&b, pieces[k % (i % 2 ? N_PIECES : 12)]);
        }
        Yaml *y = read_bytes(b.data, b.len);
        ck_assert_int_eq(y == NULL, diag.n_errors > 0);
        if (y)
            check_places(y, b.data);
        n_good += y != NULL;
        for (int k = 0; k < diag.n; k++)
            ck_assert_ptr_nonnull(diag.messages[k].text);
        FILE *null = fopen("/dev/null", "w");
        diag_print(&diag, null, false);
        fclose(null);
        buf_free(&b);
        teardown();
        setup();
    }
    ck_assert_int_gt(n_good, 100);
}
END_TEST

static Suite *yaml_suite(void) {
    Suite *s = suite_create("yaml");

    TCase *trees = tcase_create("trees");
    tcase_add_checked_fixture(trees, setup, teardown);
    tcase_add_test(trees, every_node_knows_its_place);
    tcase_add_test(trees, columns_count_bytes);
    tcase_add_test(trees, places_are_right_far_into_a_text);
    tcase_add_test(trees, plain_null_and_nothing_are_null);
    tcase_add_test(trees, text_is_verbatim_when_it_stands_as_it_is_in_the_source);
    tcase_add_test(trees, aliases_share_the_tree_of_their_anchor);
    tcase_add_test(trees, core_tags_are_taken);
    tcase_add_test(trees, a_byte_order_mark_is_skipped);
    tcase_add_test(trees, one_document_may_be_marked);
    suite_add_tcase(s, trees);

    TCase *refusals = tcase_create("refusals");
    tcase_add_checked_fixture(refusals, setup, teardown);
    tcase_add_test(refusals, an_empty_document_is_refused);
    tcase_add_test(refusals, a_second_document_is_refused_at_its_place);
    tcase_add_test(refusals, duplicate_keys_are_refused_with_both_places);
    tcase_add_test(refusals, keys_that_are_not_text_are_refused);
    tcase_add_test(refusals, merge_keys_are_refused);
    tcase_add_test(refusals, foreign_tags_are_refused);
    tcase_add_test(refusals, aliases_without_an_anchor_are_refused);
    tcase_add_test(refusals, aliases_to_what_holds_them_are_refused);
    tcase_add_test(refusals, syntax_errors_are_told_in_our_words);
    tcase_add_test(refusals, errors_before_a_syntax_error_are_told_too);
    tcase_add_test(refusals, bytes_that_are_not_utf8_are_refused_at_their_place);
    tcase_add_test(refusals, control_characters_and_nul_are_refused);
    suite_add_tcase(s, refusals);

    TCase *limits = tcase_create("limits");
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_set_timeout(limits, 60);
    tcase_add_test(limits, nesting_up_to_the_limit_is_read_and_deeper_is_not);
    tcase_add_test(limits, nesting_by_aliases_counts_as_nesting);
    tcase_add_test(limits, an_alias_bomb_is_refused);
    tcase_add_test(limits, a_bomb_of_long_texts_is_refused);
    tcase_add_test(limits, values_up_to_the_limit_are_read_and_more_are_not);
    tcase_add_test(limits, a_text_up_to_the_limit_is_read_and_a_longer_one_is_not);
    tcase_add_test(limits, a_file_above_the_limit_is_refused);
    tcase_add_test(limits, many_errors_with_long_names_take_little_memory);
    suite_add_tcase(s, limits);

    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, setup, teardown);
    tcase_add_test(files, a_file_is_read_under_its_path);
    tcase_add_test(files, a_missing_file_is_an_error_without_a_line);
    suite_add_tcase(s, files);

    TCase *scalars = tcase_create("scalars");
    tcase_add_checked_fixture(scalars, setup, teardown);
    tcase_add_test(scalars, bools_follow_the_core_schema);
    tcase_add_test(scalars, integers_follow_the_core_schema);
    tcase_add_test(scalars, reals_follow_the_core_schema_and_are_finite);
    tcase_add_test(scalars, children_are_found_by_key);
    tcase_add_test(scalars, unknown_keys_are_told_with_the_nearest_known);
    tcase_add_test(scalars, kinds_have_names);
    suite_add_tcase(s, scalars);

    TCase *random = tcase_create("random");
    tcase_add_checked_fixture(random, setup, teardown);
    tcase_set_timeout(random, 60);
    tcase_add_loop_test(random, random_bytes_never_break_the_reader, 0, 4);
    suite_add_tcase(s, random);
    return s;
}

int main(void) {
    SRunner *runner = srunner_create(yaml_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_CHECK : EXIT_OK;
}
