// tests/check_expr.c -- expressions: trees, canonical text, messages, limits.
#include "ir/lang/expr.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

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

static Expr *read_text(const char *text) {
    const DiagFile *file = diag_add_file(&diag, "t.yaml", text, strlen(text));
    return expr_parse_text(&arena, &diag, text, (Loc){file, 1, 1});
}

// The tree of `text`, which has no errors.
static Expr *read_good(const char *text) {
    Expr *e = read_text(text);
    if (!e)
        diag_print(&diag, stderr, false);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(diag.n_errors, 0);
    return e;
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

static void expect_messages(const char *messages) {
    Buf b = {0};
    put_messages(&b);
    ck_assert_str_eq(buf_text(&b), messages);
    buf_free(&b);
    teardown();
    setup();
}

// Fails unless `text` is refused with `messages`: lines of "line:col code text".
static void refuse(const char *text, const char *messages) {
    ck_assert_ptr_null(read_text(text));
    expect_messages(messages);
}

// Fails unless `text` prints as `canonical`, which reads back as the same tree.
static void prints_as(const char *text, const char *canonical) {
    Buf b = {0};
    Expr *e = read_good(text);
    expr_print(&b, e);
    ck_assert_str_eq(buf_text(&b), canonical);
    ck_assert_msg(expr_equal(e, read_good(canonical)), "%s", canonical);
    buf_free(&b);
    teardown();
    setup();
}

// ---- trees

// The tree with every operation in brackets, to see what binds to what.
static void put_nested(Buf *b, const Expr *e) {
    if (e->kind != EXPR_UNARY && e->kind != EXPR_BINARY && e->kind != EXPR_COND) {
        expr_print(b, e);
        return;
    }
    buf_printf(b, "<%s", e->kind == EXPR_COND ? "if" : e->name);
    for (int i = 0; i < e->n; i++) {
        buf_puts(b, " ");
        put_nested(b, e->args[i]);
    }
    buf_puts(b, ">");
}

static const struct {
    const char *text, *tree;
} precedences[] = {
    {"a + b * c", "<+ a <* b c>>"},
    {"a * b + c", "<+ <* a b> c>"},
    {"a - b - c", "<- <- a b> c>"},
    {"a / b * c // d % e @ f", "<@ <% <// <* </ a b> c> d> e> f>"},
    {"-a ** b", "<- <** a b>>"},
    {"a ** -b", "<** a <- b>>"},
    {"a ** b ** c", "<** a <** b c>>"},
    {"a ** -b ** c", "<** a <- <** b c>>>"},
    {"-a * b", "<* <- a> b>"},
    {"a * -b", "<* a <- b>>"},
    {"--a", "<- <- a>>"},
    {"+-a", "<+ <- a>>"},
    {"a - -b", "<- a <- b>>"},
    {"a--b", "<- a <- b>>"},
    {"not a == b", "<not <== a b>>"},
    {"not not a", "<not <not a>>"},
    {"not a and not b or c", "<or <and <not a> <not b>> c>"},
    {"a or b and c", "<or a <and b c>>"},
    {"a < b + c", "<< a <+ b c>>"},
    {"a <= b and c >= d", "<and <<= a b> <>= c d>>"},
    {"a != b or c > d", "<or <!= a b> <> c d>>"},
    {"a if c else b", "<if a c b>"},
    {"a if c else b if d else e", "<if a c <if b d e>>"},
    {"a + b if c or d else e", "<if <+ a b> <or c d> e>"},
    {"(a if b else c) + d", "<+ <if a b c> d>"},
    {"a.b.c ** 2", "<** a.b.c 2>"},
    {"-f(x)[0].y", "<- f(x)[0].y>"},
    {"beta * q @ k.T", "<@ <* beta q> k.T>"},
    {"notes + android", "<+ notes android>"},
};

START_TEST(operators_bind_as_the_table_says) {
    Buf b = {0};
    put_nested(&b, read_good(precedences[_i].text));
    ck_assert_str_eq(buf_text(&b), precedences[_i].tree);
    buf_free(&b);
}
END_TEST

static const struct {
    const char *text, *canonical;
} canonicals[] = {
    {"a+b*c", "a + b * c"},
    {"(a+b)*c", "(a + b) * c"},
    {"a-(b-c)", "a - (b - c)"},
    {"(a-b)-c", "a - b - c"},
    {"((a))", "a"},
    {"(a**b)**c", "(a ** b) ** c"},
    {"a**(b**c)", "a ** b ** c"},
    {"(-a)**b", "(-a) ** b"},
    {"-(a**b)", "-a ** b"},
    {"-(a+b)", "-(a + b)"},
    {"-(-a)", "--a"},
    {"not (a and b)", "not (a and b)"},
    {"not (a<b)", "not a < b"},
    {"(not a)<b", "(not a) < b"},
    {"(a<b)<c", "(a < b) < c"},
    {"a<(b<c)", "a < (b < c)"},
    {"(a<b)==(c<d)", "(a < b) == (c < d)"},
    {"(a or b)and c", "(a or b) and c"},
    {"(a if b else c)if d else(e if f else g)", "(a if b else c) if d else e if f else g"},
    {"f( x , y,k = 1 , )", "f(x, y, k=1)"},
    {"f()", "f()"},
    {"nn.mlp(dx+dy,width,depth=d+1,first_bias=false)",
     "nn.mlp(dx + dy, width, depth=d + 1, first_bias=false)"},
    {"optim.adam(rate=rate)(p)", "optim.adam(rate=rate)(p)"},
    {"(a+b).c", "(a + b).c"},
    {"(a+b)[0](x)", "(a + b)[0](x)"},
    {"x[1:3,:,None]", "x[1:3, :, None]"},
    {"x[ : ]", "x[:]"},
    {"x[1:]", "x[1:]"},
    {"x[:n-1]", "x[:n - 1]"},
    {"x[...,0]", "x[..., 0]"},
    {"x[-1, ...]", "x[-1, ...]"},
    {"x[0][1,]", "x[0][1]"},
    {"x[a if b else c:d]", "x[a if b else c:d]"},
    {"t.0.1", "t.0.1"},
    {"t .0. 12 .T", "t.0.12.T"},
    {"(2).x", "(2).x"},
    {"(2.5).x", "(2.5).x"},
    {"2[0]", "2[0]"},
    {"[]", "[]"},
    {"[ N , dx ]", "[N, dx]"},
    {"[2*latent,T+1,]", "[2 * latent, T + 1]"},
    {"{ }", "{}"},
    {"{a:x,b:{c:[y]}, }", "{a: x, b: {c: [y]}}"},
    {"'x'", "'x'"},
    {"\"x\"", "'x'"},
    {"\"it's\"", "\"it's\""},
    {"'say \"x\"'", "'say \"x\"'"},
    {"''", "''"},
    {"true and false", "true and false"},
    {"1e3", "1000.0"},
    {"1E-8", "1e-08"},
    {".5", "0.5"},
    {"5.", "5.0"},
    {"[.5,1.]", "[0.5, 1.0]"},
    {"0.1", "0.1"},
    {"007", "7"},
    {"0.30000000000000004", "0.30000000000000004"},
    {"9223372036854775807", "9223372036854775807"},
    {"1e308", "1e+308"},
    {"5e-324", "5e-324"},
    {"0e-999", "0.0"},
    {"1\n + \t2\r\n", "1 + 2"},
    {"nan + inf", "nan + inf"},
    {"_x1 + X_", "_x1 + X_"},
    {"p - rate * (m / (1 - 0.9 ** t)) / (sqrt(v / (1 - 0.999 ** t)) + 1e-8)",
     "p - rate * (m / (1 - 0.9 ** t)) / (sqrt(v / (1 - 0.999 ** t)) + 1e-08)"},
};

START_TEST(canonical_text_has_the_fewest_parentheses_and_reads_back) {
    prints_as(canonicals[_i].text, canonicals[_i].canonical);
}
END_TEST

START_TEST(numbers_keep_their_kind_and_value) {
    Expr *e = read_good("[12, 12.0, 1e2, 0]");
    ck_assert_int_eq(e->args[0]->kind, EXPR_INT);
    ck_assert_int_eq(e->args[0]->integer, 12);
    ck_assert_double_eq(e->args[0]->number, 12);
    ck_assert_int_eq(e->args[1]->kind, EXPR_NUMBER);
    ck_assert_double_eq(e->args[1]->number, 12);
    ck_assert_double_eq(e->args[2]->number, 100);
    ck_assert_int_eq(e->args[3]->kind, EXPR_INT);
}
END_TEST

START_TEST(names_of_arguments_have_places) {
    Expr *e = read_good("f(x, key = y)");
    ck_assert_int_eq(e->kind, EXPR_CALL);
    ck_assert_str_eq(e->base->name, "f");
    ck_assert_int_eq(e->n, 2);
    ck_assert_ptr_null(e->names[0]);
    ck_assert_str_eq(e->names[1], "key");
    ck_assert_int_eq(e->name_locs[1].col, 6);
    e = read_good("{a: x, bc: y}");
    ck_assert_int_eq(e->kind, EXPR_RECORD);
    ck_assert_str_eq(e->names[1], "bc");
    ck_assert_int_eq(e->name_locs[1].col, 8);
}
END_TEST

START_TEST(slices_keep_what_is_left_out) {
    Expr *e = read_good("x[:, 1:, :2, 1:2, ..., 3]");
    ck_assert_int_eq(e->n, 6);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(e->args[i]->kind, EXPR_SLICE);
        ck_assert_int_eq(e->args[i]->n, 2);
        ck_assert_int_eq(e->args[i]->args[0] != NULL, i & 1);
        ck_assert_int_eq(e->args[i]->args[1] != NULL, i >> 1);
    }
    ck_assert_int_eq(e->args[4]->kind, EXPR_ELLIPSIS);
    ck_assert_int_eq(e->args[5]->kind, EXPR_INT);
}
END_TEST

START_TEST(every_kind_has_a_name_and_a_place) {
    static const struct {
        const char *text;
        ExprKind kind;
        int col;
    } rows[] = {
        {" 1.5", EXPR_NUMBER, 2},
        {" 1", EXPR_INT, 2},
        {" true", EXPR_BOOL, 2},
        {" 'x'", EXPR_STRING, 2},
        {" x", EXPR_NAME, 2},
        {"x . yz", EXPR_FIELD, 5},
        {" a.f (x)", EXPR_CALL, 2},
        {"x [0]", EXPR_INDEX, 3},
        {"not x", EXPR_UNARY, 1},
        {"a + b", EXPR_BINARY, 3},
        {"a if b else c", EXPR_COND, 3},
        {" []", EXPR_LIST, 2},
        {" {}", EXPR_RECORD, 2},
        {"a ** b", EXPR_BINARY, 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Expr *e = read_good(rows[i].text);
        ck_assert_int_eq(e->kind, rows[i].kind);
        ck_assert_int_eq(e->loc.line, 1);
        ck_assert_int_eq(e->loc.col, rows[i].col);
        ck_assert_ptr_nonnull(expr_kind_name(e));
    }
    ck_assert_str_eq(expr_kind_name(read_good("f(x)")), "a call");
}
END_TEST

START_TEST(names_are_letters_digits_and_underscores) {
    ck_assert(expr_is_name("x"));
    ck_assert(expr_is_name("_x1"));
    ck_assert(expr_is_name("iffy"));
    ck_assert(!expr_is_name(""));
    ck_assert(!expr_is_name("1x"));
    ck_assert(!expr_is_name("x-y"));
    ck_assert(!expr_is_name("é"));
    ck_assert(!expr_is_name("if"));
    ck_assert(!expr_is_name("true"));
}
END_TEST

START_TEST(different_trees_are_not_equal) {
    static const char *const texts[] = {"a",      "b",      "1",      "1.0",    "a.b",  "a(b)",
                                        "a[b]",   "a + b",  "a - b",  "a(b=c)", "a(c)", "a(d=c)",
                                        "{a: b}", "{b: b}", "[a, b]", "[a]",    "'a'",  "x[:1]",
                                        "x[1:]",  "-a",     "+a",     "true",   "false"};
    int n = sizeof texts / sizeof *texts;
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n; k++)
            ck_assert_int_eq(expr_equal(read_good(texts[i]), read_good(texts[k])), i == k);
    }
    ck_assert(expr_equal(NULL, NULL));
    ck_assert(!expr_equal(NULL, read_good("a")));
}
END_TEST

START_TEST(a_foreign_locale_changes_no_number) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (setlocale(LC_ALL, names[i]))
            break;
    }
    prints_as("0.5 + 1e-3", "0.5 + 0.001");
    ck_assert_double_eq(read_good("1.5")->number, 1.5);
    setlocale(LC_ALL, "C");
}
END_TEST

// ---- messages

static const struct {
    const char *text, *messages;
} mistakes[] = {
    {"", "1:1 107 expected an expression, found the end\n"},
    {"  ", "1:3 107 expected an expression, found the end\n"},
    {"a +", "1:4 107 expected an expression, found the end\n"},
    {"a + * b", "1:5 107 expected an expression, found '*'\n"},
    {"a b", "1:3 107 expected an operator or the end, found 'b'\n"},
    {"a)", "1:2 107 this ')' closes nothing\n"},
    {"f(x))", "1:5 107 this ')' closes nothing\n"},
    {"f(x", "1:4 107 expected ')' to close '(' at column 2, found the end\n"},
    {"(a + b", "1:7 107 expected ')' to close '(' at column 1, found the end\n"},
    {"(a, b)", "1:3 107 expected ')' to close '(' at column 1, found ','\n"},
    {"[a, b)", "1:6 107 expected ']' to close '[' at column 1, found ')'\n"},
    {"x[1", "1:4 107 expected ']' to close '[' at column 2, found the end\n"},
    {"x[]", "1:3 107 expected an expression, found ']'\n"},
    {"x[1:2:3]", "1:6 107 a range has no step\n"
                 "1:6 note gather(x, i) takes rows at any indices, such as 2 * arange(4)\n"},
    {"[,]", "1:2 107 expected an expression, found ','\n"},
    {"()", "1:2 107 expected an expression, found ')'\n"},
    {"{a: b", "1:6 107 expected '}' to close '{' at column 1, found the end\n"},
    {"{a b}", "1:4 107 expected ':' after a key, found 'b'\n"},
    {"{1: b}", "1:2 107 expected a key or '}', found '1'\n"},
    {"{a: 1, a: 2}", "1:8 104 the key 'a' stands here a second time\n1:2 note the first is here\n"},
    {"{if: 1}", "1:2 209 'if' is a word of the language\n"},
    {"f(a=1, a=2)",
     "1:8 107 the argument 'a' is given a second time\n1:3 note the first is here\n"},
    {"f(a=1, b)", "1:8 107 an argument without a name stands behind a named one\n"},
    {"f(not=1)", "1:3 209 'not' is a word of the language\n"},
    {"a = b", "1:3 107 expected an operator or the end, found '='\n1:3 note '==' compares\n"},
    {"a < b < c",
     "1:7 107 comparisons do not chain\n1:3 note write 'a < b and b < c', or use parentheses\n"},
    {"a == b != c + d",
     "1:8 107 comparisons do not chain\n1:3 note write 'a < b and b < c', or use parentheses\n"},
    {"a == not b", "1:6 107 'not' binds looser than what is before it; use parentheses\n"},
    {"- not b", "1:3 107 expected an expression, found 'not'\n"},
    {"a if b", "1:7 107 expected 'else' after the condition, found the end\n"},
    {"a else b", "1:3 107 expected an operator or the end, found 'else'\n"},
    {"if a else b", "1:1 107 expected an expression, found 'if'\n"},
    {"and", "1:1 107 expected an expression, found 'and'\n"},
    {"x.", "1:3 107 expected the name of a field after '.', found the end\n"},
    {"x.if", "1:3 209 'if' is a word of the language\n"},
    {"x.00", "1:3 107 a field's number is written like '0' or '12'\n"},
    {"x.0a", "1:3 107 a field's number is written like '0' or '12'\n"},
    {"x.9999999999", "1:3 107 a field's number is written like '0' or '12'\n"},
    {"x..y", "1:3 107 expected the name of a field after '.', found '.'\n"},
    {"...", "1:1 107 '...' stands only within an index\n"},
    {"x[1...]", "1:4 107 expected ']' to close '[' at column 2, found '...'\n"},
    {"2x", "1:2 107 the number '2' runs into 'x'\n"},
    {"1.5e", "1:4 107 the number '1.5' runs into 'e'\n"},
    {"1_000", "1:2 107 the number '1' runs into '_000'\n"},
    {"0x10", "1:2 107 the number '0' runs into 'x10'\n"},
    {"9223372036854775808", "1:1 106 number out of range\n"},
    {"a + 1e999", "1:5 106 number out of range\n"},
    {"1e-999", "1:1 106 number out of range\n"},
    {"'abc", "1:1 107 the text in quotes does not end\n"},
    {"'abc\n'", "1:1 107 the text in quotes does not end\n"},
    {"a && b", "1:3 107 unexpected '&'\n1:3 note did you mean 'and'?\n"},
    {"!a", "1:1 107 unexpected '!'\n1:1 note did you mean 'not'?\n"},
    {"a ^ b", "1:3 107 unexpected '^'\n1:3 note did you mean '**'?\n"},
    {"a × b", "1:3 107 unexpected '×'\n"},
    {"a # b", "1:3 107 unexpected '#'\n"},
    {"\xff", "1:1 107 unexpected byte 0xff\n"},
    {"\x01", "1:1 107 unexpected byte 0x01\n"},
    {"f(a $ b)", "1:5 107 unexpected '$'\n"},
};

START_TEST(a_mistake_is_told_once_at_its_byte) {
    refuse(mistakes[_i].text, mistakes[_i].messages);
}
END_TEST

START_TEST(a_long_token_is_cut_in_a_message) {
    Buf b = {0};
    buf_puts(&b, "a ");
    for (int i = 0; i < 100; i++)
        buf_puts(&b, "b");
    refuse(buf_text(&b), "1:3 107 expected an operator or the end, found "
                         "'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb...'\n");
    buf_free(&b);
}
END_TEST

// ---- limits

static void put_times(Buf *b, const char *s, int n) {
    for (int i = 0; i < n; i++)
        buf_puts(b, s);
}

// `n` times `open`, x, `n` times `close`.
static char *nest(const char *open, const char *close, int n) {
    Buf b = {0};
    put_times(&b, open, n);
    buf_puts(&b, "x");
    put_times(&b, close, n);
    char *text = arena_strdup(&arena, buf_text(&b));
    buf_free(&b);
    return text;
}

static const struct {
    const char *open, *close;
} nestings[] = {
    {"(", ")"}, {"[", "]"},   {"{a: ", "}"}, {"f(", ")"},          {"x[", "]"},
    {"-", ""},  {"not ", ""}, {"x ** ", ""}, {"a if b else ", ""}, {"f(k=", ")"},
};

START_TEST(nesting_up_to_the_limit_is_read_and_deeper_is_not) {
    read_good(nest(nestings[_i].open, nestings[_i].close, EXPR_MAX_DEPTH));
    ck_assert_ptr_null(read_text(nest(nestings[_i].open, nestings[_i].close, EXPR_MAX_DEPTH + 1)));
    ck_assert_int_eq(diag.n_errors, 1);
    ck_assert_int_eq(diag.messages[0].code, E_limit);
    int n = (EXPR_MAX_BYTES - 1) / (int)strlen(nestings[_i].open);
    ck_assert_ptr_null(read_text(nest(nestings[_i].open, "", n)));
    ck_assert_int_eq(diag.n_errors, 2);
}
END_TEST

START_TEST(chains_up_to_the_limit_are_read_and_longer_ones_are_not) {
    static const char *const links[] = {" + x", ".x", "[0]", "()", " or x"};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        const char *good = nest("", links[i], EXPR_MAX_HEIGHT - 1);
        Expr *e = read_good(good);
        ck_assert_int_eq(e->height, EXPR_MAX_HEIGHT);
        Buf b = {0};
        expr_print(&b, e);
        ck_assert_str_eq(buf_text(&b), good);
        buf_free(&b);
        ck_assert_ptr_null(read_text(nest("", links[i], EXPR_MAX_HEIGHT)));
        ck_assert_int_eq(diag.messages[0].code, E_limit);
        teardown();
        setup();
    }
}
END_TEST

START_TEST(a_text_up_to_the_limit_is_read_and_a_longer_one_is_not) {
    Buf b = {0};
    put_times(&b, "x", EXPR_MAX_BYTES);
    ck_assert_uint_eq(strlen(read_good(buf_text(&b))->name), EXPR_MAX_BYTES);
    buf_puts(&b, "x");
    refuse(buf_text(&b), "1:1 103 the expression has 65537 bytes: the limit is 65536\n");
    buf_free(&b);
}
END_TEST

// ---- from YAML

static Expr *read_yaml(const char *text) {
    Yaml *y = yaml_read_text(&arena, &diag, "t.yaml", text, strlen(text));
    ck_assert_ptr_nonnull(y);
    return expr_parse(&arena, &diag, y->items[0]);
}

START_TEST(places_point_into_a_verbatim_scalar) {
    Expr *e = read_yaml("k: a +  b");
    ck_assert_int_eq(e->loc.col, 6);
    ck_assert_int_eq(e->args[1]->loc.col, 9);
    e = read_yaml("\n- 'a +  b'");
    ck_assert_int_eq(e->loc.line, 2);
    ck_assert_int_eq(e->args[0]->loc.col, 4);
    ck_assert_int_eq(e->args[1]->loc.col, 9);
}
END_TEST

START_TEST(places_of_other_scalars_are_those_of_the_scalar) {
    Expr *e = read_yaml("k: >-\n  a +\n  b\n");
    ck_assert_int_eq(e->kind, EXPR_BINARY);
    ck_assert_int_eq(e->args[1]->loc.line, 1);
    ck_assert_int_eq(e->args[1]->loc.col, 4);
    ck_assert_ptr_null(read_yaml("k: |\n  (a +\n  b\n  c)\n"));
    expect_messages("1:4 107 expected ')' to close '(' at byte 1, found 'c'\n"
                    "1:4 note at byte 8 of the text: 'c)\n'\n");
    ck_assert_ptr_null(read_yaml("k: |\n  (a +\n"));
    expect_messages("1:4 107 expected an expression, found the end\n");
}
END_TEST

START_TEST(a_message_has_its_caret_below_the_byte) {
    ck_assert_ptr_null(read_yaml("a: \"(x + y\""));
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    diag_print(&diag, out, false);
    fclose(out);
    ck_assert_str_eq(text, "t.yaml:1:11: error[E0107]: expected ')' to close '(' at column 5, "
                           "found the end\n"
                           "   1 | a: \"(x + y\"\n"
                           "     |           ^\n");
    free(text);
}
END_TEST

START_TEST(lists_and_mappings_are_lists_and_records) {
    Buf b = {0};
    expr_print(&b, read_yaml("k:\n  a: x + 1\n  b: [y, '2 * z', {}]\n  c: [[]]\n"));
    ck_assert_str_eq(buf_text(&b), "{a: x + 1, b: [y, 2 * z, {}], c: [[]]}");
    Expr *e = read_yaml("k:\n  a: x\n");
    ck_assert_int_eq(e->loc.line, 2);
    ck_assert_int_eq(e->name_locs[0].col, 3);
    buf_free(&b);
}
END_TEST

START_TEST(all_mistakes_within_a_mapping_are_told) {
    ck_assert_ptr_null(read_yaml("k:\n  a: x +\n  b-c: y\n  d:\n  e: [1, (, 1e999]\n"));
    expect_messages(
        "2:9 107 expected an expression, found the end\n"
        "3:3 107 the key 'b-c' is not a name: a letter or '_', then letters, digits and '_'\n"
        "4:5 105 expected an expression, found nothing\n"
        "5:11 107 expected an expression, found the end\n"
        "5:13 106 number out of range\n");
}
END_TEST

START_TEST(aliases_of_a_long_text_do_not_multiply) {
    Buf b = {0};
    buf_puts(&b, "- [&x '");
    put_times(&b, "x+", 400);
    buf_puts(&b, "x', ");
    put_times(&b, "*x, ", 1000);
    buf_puts(&b, "]");
    ck_assert_ptr_null(read_yaml(buf_text(&b)));
    ck_assert_int_eq(diag.n_errors, 1);
    ck_assert_int_eq(diag.messages[0].code, E_limit);
    buf_free(&b);
}
END_TEST

START_TEST(a_text_without_a_place_gives_nodes_without_places) {
    Expr *e = expr_parse_text(&arena, &diag, "a + b", (Loc){0});
    ck_assert_int_eq(e->loc.line, 0);
    ck_assert_int_eq(e->loc.col, 0);
    ck_assert_ptr_null(expr_parse_text(&arena, &diag, "a + )", (Loc){0}));
    ck_assert_int_eq(diag.n, 2);
}
END_TEST

// ---- random texts

static uint64_t next_random(uint64_t *seed) {
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

START_TEST(random_texts_never_break_the_parser) {
    static const char *const pieces[] = {
        "a",    "b ",    "1",    "2.5",   " + ",  "-",      " * ", "**",  "(",   ")",    "[",
        "]",    "{",     "}",    "k: ",   "k=",   ", ",     ":",   "...", ".",   ".x",   ".0",
        "f(",   " and ", " or ", " not ", " if ", " else ", " < ", "==",  "'s'", "'",    "\"",
        "true", "1e5",   "\n",   "é",     "@",    "//",     "%",   " ",   "1e",  "\xff", "&"};
    enum { N_PIECES = sizeof pieces / sizeof *pieces };
    uint64_t seed = (uint64_t)_i + 1;
    int n_good = 0;

    for (int i = 0; i < 10000; i++) {
        Buf b = {0}, printed = {0};
        buf_puts(&b, "");
        for (uint64_t n = next_random(&seed) % 12; n; n--) {
            uint64_t k = next_random(&seed);
            if (i % 16 == 0)
                buf_printf(&b, "%c", (int)(k % 255 + 1));
            else
                buf_puts(&b, pieces[k % N_PIECES]);
        }
        Expr *e = read_text(buf_text(&b));
        ck_assert_int_eq(diag.n_errors, e ? 0 : 1);
        if (e) {
            expr_print(&printed, e);
            ck_assert_msg(expr_equal(e, read_good(buf_text(&printed))), "%s", buf_text(&b));
            n_good++;
        } else {
            ck_assert_int_ge(diag.messages[0].loc.col, 1);
            ck_assert_int_le(diag.messages[0].loc.col, (int)b.len + 1);
        }
        buf_free(&b);
        buf_free(&printed);
        teardown();
        setup();
    }
    ck_assert_int_gt(n_good, 100);
}
END_TEST

// Puts a random expression of at most `depth` levels, with parentheses wherever they may matter.
static void put_random(Buf *b, uint64_t *seed, int depth) {
    static const char *const operators[] = {"+", "-",  "*", "/",  "//", "%",  "@",   "**",
                                            "<", "<=", ">", ">=", "==", "!=", "and", "or"};
    static const char *const leaves[] = {"a", "b_1", "12", "0.25", "1e-30", "true", "'s'", "[]"};
    uint64_t k = next_random(seed) % (depth > 0 ? 12 : 2);

    if (k < 2) {
        buf_puts(b, leaves[next_random(seed) % 8]);
        return;
    }
    static const char *const forms[] = {"(?)",          "(-?)",       "(not ?)",
                                        "(?)(?, k=?)",  "(?)[?, ?:]", "[?, ?]",
                                        "{k: ?, l: ?}", "(?).T",      "(? if ? else ?)"};
    const char *form = k < 11 ? forms[k - 2] : NULL;
    if (!form) {
        buf_puts(b, "(");
        put_random(b, seed, depth - 1);
        buf_printf(b, " %s ", operators[next_random(seed) % 16]);
        put_random(b, seed, depth - 1);
        buf_puts(b, ")");
        return;
    }
    for (const char *s = form; *s; s++) {
        if (*s == '?')
            put_random(b, seed, depth - 1);
        else
            buf_put(b, s, 1);
    }
}

START_TEST(random_expressions_print_and_read_back) {
    uint64_t seed = 7;
    for (int i = 0; i < 3000; i++) {
        Buf b = {0}, printed = {0}, again = {0};
        put_random(&b, &seed, 1 + i % 6);
        if (b.len < 4000) {
            Expr *e = read_good(buf_text(&b));
            expr_print(&printed, e);
            Expr *back = read_good(buf_text(&printed));
            ck_assert_msg(expr_equal(e, back), "%s", buf_text(&printed));
            expr_print(&again, back);
            ck_assert_str_eq(buf_text(&again), buf_text(&printed));
            ck_assert_uint_le(printed.len, b.len);
        }
        buf_free(&b);
        buf_free(&printed);
        buf_free(&again);
        teardown();
        setup();
    }
}
END_TEST

#define COUNT(rows) (int)(sizeof rows / sizeof *rows)

static Suite *expr_suite(void) {
    Suite *s = suite_create("expr");

    TCase *trees = tcase_create("trees");
    tcase_add_checked_fixture(trees, setup, teardown);
    tcase_add_loop_test(trees, operators_bind_as_the_table_says, 0, COUNT(precedences));
    tcase_add_loop_test(trees, canonical_text_has_the_fewest_parentheses_and_reads_back, 0,
                        COUNT(canonicals));
    tcase_add_test(trees, numbers_keep_their_kind_and_value);
    tcase_add_test(trees, names_of_arguments_have_places);
    tcase_add_test(trees, slices_keep_what_is_left_out);
    tcase_add_test(trees, every_kind_has_a_name_and_a_place);
    tcase_add_test(trees, names_are_letters_digits_and_underscores);
    tcase_add_test(trees, different_trees_are_not_equal);
    tcase_add_test(trees, a_foreign_locale_changes_no_number);
    suite_add_tcase(s, trees);

    TCase *messages = tcase_create("messages");
    tcase_add_checked_fixture(messages, setup, teardown);
    tcase_add_loop_test(messages, a_mistake_is_told_once_at_its_byte, 0, COUNT(mistakes));
    tcase_add_test(messages, a_long_token_is_cut_in_a_message);
    suite_add_tcase(s, messages);

    TCase *limits = tcase_create("limits");
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_loop_test(limits, nesting_up_to_the_limit_is_read_and_deeper_is_not, 0,
                        COUNT(nestings));
    tcase_add_test(limits, chains_up_to_the_limit_are_read_and_longer_ones_are_not);
    tcase_add_test(limits, a_text_up_to_the_limit_is_read_and_a_longer_one_is_not);
    suite_add_tcase(s, limits);

    TCase *yaml = tcase_create("yaml");
    tcase_add_checked_fixture(yaml, setup, teardown);
    tcase_add_test(yaml, places_point_into_a_verbatim_scalar);
    tcase_add_test(yaml, places_of_other_scalars_are_those_of_the_scalar);
    tcase_add_test(yaml, a_message_has_its_caret_below_the_byte);
    tcase_add_test(yaml, lists_and_mappings_are_lists_and_records);
    tcase_add_test(yaml, all_mistakes_within_a_mapping_are_told);
    tcase_add_test(yaml, aliases_of_a_long_text_do_not_multiply);
    tcase_add_test(yaml, a_text_without_a_place_gives_nodes_without_places);
    suite_add_tcase(s, yaml);

    TCase *random = tcase_create("random");
    tcase_add_checked_fixture(random, setup, teardown);
    tcase_set_timeout(random, 60);
    tcase_add_loop_test(random, random_texts_never_break_the_parser, 0, 4);
    tcase_add_test(random, random_expressions_print_and_read_back);
    suite_add_tcase(s, random);
    return s;
}

int main(void) {
    SRunner *runner = srunner_create(expr_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_CHECK : EXIT_OK;
}
