// tests/check_text.c -- the IR's text: what is printed parses, and prints the same again.
#include "ir/text.h"

#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "ir/base/errors.h"
#include "ir/build.h"
#include "ir/random.h"

static Arena arena;
static Diag diag;
static Buf text, again;

static void setup(void) {
    arena = (Arena){0};
    diag = (Diag){0};
    text = again = (Buf){0};
}

static void teardown(void) {
    arena_free(&arena);
    diag_free(&diag);
    buf_free(&text);
    buf_free(&again);
}

static void read_file(const char *path, Buf *out) {
    char why[256];
    ck_assert_msg(buf_read_file(out, path, 0, why, sizeof why), "%s", why);
}

// The text after its leading comments and blank lines.
static const char *after_comments(const char *s) {
    while (*s == '#' || *s == '\n')
        s += strcspn(s, "\n") + (s[strcspn(s, "\n")] == '\n');
    return s;
}

static IrModule *parse(const char *path, const char *s, size_t len) {
    return ir_parse_module(&arena, &diag, path, s, len);
}

static const char *first_error(void) {
    return diag.n ? diag.messages[0].text : "(none)";
}

static IrModule *parse_well(const char *path, const char *s, size_t len) {
    IrModule *m = parse(path, s, len);
    ck_assert_msg(m != NULL, "%s:%d:%d: %s", path, diag.n ? diag.messages[0].loc.line : 0,
                  diag.n ? diag.messages[0].loc.col : 0, first_error());
    return m;
}

// print(parse(s)) is s.
static IrModule *check_round_trip(const char *path, const char *s) {
    IrModule *m = parse_well(path, s, strlen(s));
    buf_reset(&again);
    ir_print_module(&again, m, false);
    ck_assert_msg(strcmp(buf_text(&again), s) == 0, "%s prints as\n%s", path, buf_text(&again));
    return m;
}

// ---- golden files

// How many nodes of an op there are.
typedef struct Count {
    IrOp op;
    int n;
} Count;

static void count_op(IrNode *n, IrBlock *in, void *data) {
    (void)in;
    Count *count = data;
    count->n += n->op == count->op;
}

START_TEST(every_op_has_a_golden_file) {
    const char *path = arena_printf(&arena, "tests/golden/ops/%s.gir", ir_op_info[_i].name);
    read_file(path, &text);
    IrModule *m = check_round_trip(path, after_comments(buf_text(&text)));
    Count count = {.op = (IrOp)_i};
    for (int i = 0; i < m->n; i++) {
        ir_walk(m->functions[i]->body, count_op, &count);
        count.n += _i == IR_OP_input && m->functions[i]->body->n_params > 0;
    }
    ck_assert_msg(count.n > 0, "%s does not use it", path);
}
END_TEST

static void find_golden(glob_t *files) {
    ck_assert_int_eq(glob("tests/golden/ir/*.gir", 0, NULL, files), 0);
    ck_assert_int_eq(glob("tests/golden/ops/*.gir", GLOB_APPEND, NULL, files), 0);
}

START_TEST(golden_files_round_trip) {
    glob_t files;
    find_golden(&files);
    ck_assert_uint_ge(files.gl_pathc, IR_OP_COUNT);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        read_file(files.gl_pathv[i], &text);
        check_round_trip(files.gl_pathv[i], after_comments(buf_text(&text)));
    }
    globfree(&files);
}
END_TEST

// The fenced blocks of kind gir in docs/ir.md.
START_TEST(examples_of_the_manual_round_trip) {
    int n_blocks = 0;
    read_file("docs/ir.md", &text);
    for (const char *at = buf_text(&text); (at = strstr(at, "\n```gir\n")); n_blocks++) {
        at += strlen("\n```gir\n");
        const char *end = strstr(at, "\n```\n");
        ck_assert_ptr_nonnull(end);
        check_round_trip("docs/ir.md", arena_strndup(&arena, at, (size_t)(end + 1 - at)));
    }
    ck_assert_int_ge(n_blocks, 4);
}
END_TEST

START_TEST(every_op_is_in_the_manual) {
    read_file("docs/ir.md", &text);
    const char *want = arena_printf(&arena, "`%s`", ir_op_info[_i].name);
    ck_assert_msg(strstr(buf_text(&text), want) != NULL, "docs/ir.md does not say %s", want);
}
END_TEST

// ---- printing

START_TEST(printing_does_not_depend_on_ids) {
    read_file("tests/golden/ir/rollout.gir", &text);
    const char *s = after_comments(buf_text(&text));
    IrModule *m = parse_well("rollout", s, strlen(s));
    ir_each_node(n, m->functions[0]->body) {
        n->id = -7;
    }
    ir_print_module(&again, m, false);
    ck_assert_str_eq(buf_text(&again), s);
}
END_TEST

START_TEST(places_print_as_comments) {
    const char *s =
        "func @f(%0: f32[] in \"x\") {\n  %1 = neg %0 : f32[]\n  return %1 out \"y\"\n}\n";
    IrModule *m = parse_well("models/t.gir", s, strlen(s));
    ir_print_module(&text, m, true);
    ck_assert_str_eq(buf_text(&text), "func @f(%0: f32[] in \"x\") {  # t.gir:1:1\n"
                                      "  %1 = neg %0 : f32[]  # t.gir:2:3\n"
                                      "  return %1 out \"y\"\n}\n");
    IrModule *m2 = parse_well("again", buf_text(&text), text.len);
    ir_print_module(&again, m2, false);
    ck_assert_str_eq(buf_text(&again), s);
}
END_TEST

START_TEST(spacing_names_and_order_are_free) {
    const char *s =
        "dim N max = 10 func @f ( %x : f32 [ N ] in \"x\" , ) { # nothing\n\n"
        "%a.b = const 1e-1 : f32 [ ] %long = slice %x starts = [ 1 + N - N ] : f32[-1 + N]"
        " %q = dot %x,%x contract=[0]x[0] batch=0:f32[] return %long out \"y\" }";
    IrModule *m = parse_well("free", s, strlen(s));
    ir_print_module(&text, m, false);
    ck_assert_str_eq(buf_text(&text), "dim N max=10\n\nfunc @f(%0: f32[N] in \"x\") {\n"
                                      "  %1 = const 0.1 : f32[]\n"
                                      "  %2 = slice %0 starts=[1] : f32[N - 1]\n"
                                      "  %3 = dot %0, %0 batch=0 contract=[0]x[0] : f32[]\n"
                                      "  return %2 out \"y\"\n}\n");
}
END_TEST

START_TEST(numbers_read_back_as_themselves) {
    IrDims dims = {.arena = &arena};
    IrFunction *f = ir_function_new(&arena, &dims, "f");
    IrBuilder b = {.fn = f, .block = f->body};
    IrModule m = {.arena = &arena, .dims = &dims};
    arena_push(&arena, m.functions, m.n, m.cap, f);
    for (uint64_t i = 0; i < 4000; i++) {
        uint64_t bits = ir_random_mix(i + 1);
        double x;
        memcpy(&x, &bits, sizeof x);
        ir_const(&b, ir_scalar(i % 2 ? IR_F64 : IR_F32), i % 4 < 2 ? x : ldexp(x, -900));
    }
    ir_print_module(&text, &m, false);
    IrModule *read = parse_well("numbers", buf_text(&text), text.len);
    ck_assert_int_eq(read->functions[0]->body->n, 4000);
    for (int i = 0; i < 4000; i++) {
        double x = f->body->nodes[i]->attrs.value;
        double y = read->functions[0]->body->nodes[i]->attrs.value;
        ck_assert(isnan(x) ? isnan(y) : memcmp(&x, &y, sizeof x) == 0);
    }
}
END_TEST

// ---- errors

// A text with its first error.
static const struct {
    const char *text, *message;
    int code, line, col;
} bad[] = {
    {"func @f() {\n  %1 = tanhh %0 : f32[]\n}", "no operation is called 'tanhh'", E_ir_syntax, 2,
     8},
    {"func @f() {\n  %1 = tanh %0 : f32[]\n}", "no value is called '%0' here", E_ir_syntax, 2, 13},
    {"func @f() {\n  %1 = const 1 : f32[N]\n}", "no dim is called 'N'", E_ir_syntax, 2, 22},
    {"func @f() {\n  %1 = const x : f32[]\n}", "expected a number, found 'x'", E_ir_syntax, 2, 14},
    {"func @f() {\n  %1 = const 1 : f16[]\n}",
     "expected a type (f32, f64, i32 or bool), found 'f16'", E_ir_syntax, 2, 18},
    {"func @f() {\n  %1 = const 1 : f32[1,1,1,1,1,1,1,1,1]\n}", "more than 8 axes", E_ir_syntax, 2,
     38},
    {"func @f() {\n  %1 = const 1 : f32[9999999999999]\n}", "a number above 1099511627776",
     E_ir_syntax, 2, 22},
    {"func @f() {\n  %1 = iota axiss=0 : i32[3]\n}", "iota has no attribute 'axiss'", E_ir_syntax,
     2, 13},
    {"func @f() {\n  %1 = iota axis=0 axis=0 : i32[3]\n}", "'axis' twice", E_ir_syntax, 2, 20},
    {"func @f() {\n  %1 = iota : i32[3]\n}", "iota needs 'axis'", E_ir_syntax, 2, 13},
    {"func @f() {\n  %1 = call @g : ()\n}", "no function is called 'g' above this line",
     E_ir_syntax, 2, 13},
    {"func @f() {\n  return\n}\nfunc @f() {\n  return\n}", "a second function 'f'", E_ir_syntax, 4,
     6},
    {"dim N max=1\ndim N max=2", "a second dim 'N'", E_ir_syntax, 2, 5},
    {"func @f() {\n  %1 = const 1 : f32[]\n  %1 = const 1 : f32[]\n}", "'%1' is defined twice",
     E_ir_syntax, 3, 3},
    {"func @f() {\n  %1 = input : f32[]\n}", "'input' is no operation here: inputs are parameters",
     E_ir_syntax, 2, 8},
    {"func @f(%0: f32[] out \"x\") {\n}", "expected a role (in, p, s, set or draw), found 'out'",
     E_ir_syntax, 1, 19},
    {"func @f(%0: f32[] in \"x) {\n}", "expected a string, found something that is no word",
     E_ir_syntax, 1, 22},
    {"func @f(%0: f32[] in \"\\q\") {\n}", "an escape that is none of \\\" \\\\ \\n \\t \\xNN",
     E_ir_syntax, 1, 22},
    {"func @f() {", "expected a value, yield or return, found the end", E_ir_syntax, 1, 12},
    {"nonsense", "expected 'func', found 'nonsense'", E_ir_syntax, 1, 1},
    {"func @f(%0: f32[3] in \"x\") {\n  %1 = tanh %0 : f32[4]\n  return\n}",
     "the type is written as f32[4], but follows as f32[3]", E_ir_verify, 2, 3},
    {"func @f(%0: f32[3] in \"x\") {\n  %1 = sum %0 axes=[1] : f32[3]\n  return\n}",
     "axis 1 of 1 axes   reduce: axes in range, in order", E_ir_verify, 2, 3},
    {"func @f(%0: f32[3] in \"x\", %1: f32[2] in \"y\") {\n  %2 = add %0, %1 : f32[3]\n  return\n}",
     "input 0 is f32[3], input 1 is f32[2]   map: inputs of equal type", E_ir_verify, 2, 3},
    {"func @f(%0: f32[3] in \"x\") {\n  %3 = map %0 captured=0 over=1 steps=3 : (f32[3]) {\n"
     "  ^(%1: f32[], %2: i32[]):\n    %9 = sum %0 axes=[0] : f32[]\n    yield %9\n  }\n  return\n}",
     "'%0' is outside; a body sees only its parameters", E_ir_syntax, 4, 14},
    {"func @f(%0: f32[3] in \"w\") {\n  return %0 update \"w\" -> 0\n}",
     "%0 = input \"w\" : f32[3]   an update of input 0   updates: of a param or state", E_ir_verify,
     1, 1},
};

START_TEST(mistakes_are_told_with_their_place) {
    ck_assert_ptr_null(parse("bad.gir", bad[_i].text, strlen(bad[_i].text)));
    ck_assert_str_eq(first_error(), bad[_i].message);
    ck_assert_int_eq(diag.messages[0].code, bad[_i].code);
    ck_assert_int_eq(diag.messages[0].loc.line, bad[_i].line);
    ck_assert_int_eq(diag.messages[0].loc.col, bad[_i].col);
}
END_TEST

START_TEST(each_function_has_its_errors_told) {
    const char *s = "func @f() {\n  %1 = tanhh : f32[]\n}\n"
                    "func @g() {\n  %1 = call @f : ()\n  return\n}\n"
                    "func @h() {\n  %1 = iota axes=0 : f32[]\n  return\n}\n"
                    "func @i() {\n"
                    "func @j(%0: f32[2] in \"x\") {\n  %1 = neg %0 : f32[]\n  %2 = exp %0 : "
                    "f32[]\n  return\n}\n";
    ck_assert_ptr_null(parse("bad.gir", s, strlen(s)));
    ck_assert_int_eq(diag.n_errors, 5);
    ck_assert_int_eq(diag.messages[1].is_note, 1);
    ck_assert_str_eq(diag.messages[1].text, "did you mean 'tanh'?");
}
END_TEST

// `depth` maps within each other.
static void put_nest(Buf *b, int depth) {
    buf_puts(b, "func @f(%0: f32[] in \"x\") {\n");
    for (int i = 0; i < depth; i++)
        buf_printf(
            b, "%%m%d = map %%0 captured=1 over=0 steps=1 : () {\n^(%%0: f32[], %%1: i32[]):\n", i);
    for (int i = 0; i < depth; i++)
        buf_puts(b, "yield }\n");
    buf_puts(b, "return }\n");
}

START_TEST(nesting_has_a_limit) {
    put_nest(&text, 64);
    parse_well("64", buf_text(&text), text.len);
    buf_reset(&text);
    put_nest(&text, 65);
    ck_assert_ptr_null(parse("65", buf_text(&text), text.len));
    ck_assert_str_eq(first_error(), "bodies nested deeper than 64");
    buf_reset(&text);
    put_nest(&text, 100000);
    ck_assert_ptr_null(parse("100000", buf_text(&text), text.len));
}
END_TEST

START_TEST(sizes_have_limits) {
    buf_puts(&text, "dim N max=1000\nfunc @f(%0: f32[N");
    for (int i = 0; i < 20; i++)
        buf_puts(&text, " * N");
    buf_puts(&text, "] in \"x\") {\n  return\n}\n");
    ck_assert_ptr_null(parse("factors", buf_text(&text), text.len));
    ck_assert_str_eq(first_error(), "more than 8 factors");

    // eight sizes of sixteen terms would make a count of many millions
    Buf wide = {0};
    for (int i = 0; i < 16; i++)
        buf_printf(&wide, "dim D%d max=2\n", i);
    buf_puts(&wide, "func @f(%0: f32[");
    for (int k = 0; k < 8; k++) {
        for (int i = 0; i < 16; i++)
            buf_printf(&wide, "%s%d * D%d", i ? " + " : k ? "," : "", k + 1, i);
    }
    buf_puts(&wide, "] in \"x\") {\n  return\n}\n");
    teardown();
    setup();
    ck_assert_ptr_null(parse("terms", buf_text(&wide), wide.len));
    ck_assert_str_eq(first_error(), "sizes with too many terms");
    buf_free(&wide);
}
END_TEST

// ---- robustness

static uint64_t next_random(uint64_t *seed) {
    return *seed = ir_random_mix(*seed + 1);
}

// Parses what may be anything. If it is valid, its print is stable.
static void parse_anything(const char *s, size_t len) {
    Arena a = {0};
    Diag d = {0};
    IrModule *m = ir_parse_module(&a, &d, "anything", s, len);
    ck_assert_int_eq(m == NULL, d.n_errors > 0);
    if (m) {
        buf_reset(&again);
        ir_print_module(&again, m, false);
        IrModule *m2 = ir_parse_module(&a, &d, "again", buf_text(&again), again.len);
        ck_assert_msg(m2 != NULL, "%s\nfrom\n%.*s", buf_text(&again), (int)len, s);
        Buf third = {0};
        ir_print_module(&third, m2, false);
        ck_assert_str_eq(buf_text(&third), buf_text(&again));
        buf_free(&third);
    }
    diag_free(&d);
    arena_free(&a);
}

START_TEST(truncated_files_are_told_or_read) {
    glob_t files;
    find_golden(&files);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        read_file(files.gl_pathv[i], &text);
        for (size_t len = i % 3; len < text.len; len += 3) {
            char *exact = malloc(len + 1); // the sanitizer sees a read past the end
            memcpy(exact, buf_text(&text), len);
            parse_anything(exact, len);
            free(exact);
        }
    }
    globfree(&files);
}
END_TEST

START_TEST(mutated_files_are_told_or_read) {
    static const char alphabet[] = "%0123456789NMH[](){},:=^@*+-.\"\\#xaei \n\0\xff";
    uint64_t seed = (uint64_t)_i + 1;
    glob_t files;
    find_golden(&files);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        read_file(files.gl_pathv[i], &text);
        if (text.len == 0)
            continue;
        for (int k = 0; k < 60; k++) {
            size_t len = text.len, from = next_random(&seed) % len;
            char *s = malloc(2 * len);
            memcpy(s, buf_text(&text), len);
            for (uint64_t n = next_random(&seed) % 3 + 1; n > 0; n--) {
                size_t at = next_random(&seed) % len;
                s[at] = alphabet[next_random(&seed) % (sizeof alphabet - 1)];
            }
            if (k % 5 == 0) { // a piece twice
                size_t piece = next_random(&seed) % (len - from);
                memmove(s + from + piece, s + from, len - from);
                len += piece;
            } else if (k % 5 == 1) { // a piece less
                size_t piece = next_random(&seed) % (len - from) % 20;
                memmove(s + from, s + from + piece, len - from - piece);
                len -= piece;
            }
            parse_anything(s, len);
            free(s);
        }
    }
    globfree(&files);
}
END_TEST

int main(void) {
    Suite *s = suite_create("text");
    TCase *golden = tcase_create("golden"), *printing = tcase_create("printing");
    TCase *errors = tcase_create("errors"), *robust = tcase_create("robust");
    tcase_add_checked_fixture(golden, setup, teardown);
    tcase_add_loop_test(golden, every_op_has_a_golden_file, 0, IR_OP_COUNT);
    tcase_add_test(golden, golden_files_round_trip);
    tcase_add_test(golden, examples_of_the_manual_round_trip);
    tcase_add_loop_test(golden, every_op_is_in_the_manual, 0, IR_OP_COUNT);
    tcase_add_checked_fixture(printing, setup, teardown);
    tcase_add_test(printing, printing_does_not_depend_on_ids);
    tcase_add_test(printing, places_print_as_comments);
    tcase_add_test(printing, spacing_names_and_order_are_free);
    tcase_add_test(printing, numbers_read_back_as_themselves);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_loop_test(errors, mistakes_are_told_with_their_place, 0,
                        (int)(sizeof bad / sizeof *bad));
    tcase_add_test(errors, each_function_has_its_errors_told);
    tcase_add_test(errors, nesting_has_a_limit);
    tcase_add_test(errors, sizes_have_limits);
    tcase_add_checked_fixture(robust, setup, teardown);
    tcase_set_timeout(robust, 120);
    tcase_add_test(robust, truncated_files_are_told_or_read);
    tcase_add_loop_test(robust, mutated_files_are_told_or_read, 0, 4);
    suite_add_tcase(s, golden);
    suite_add_tcase(s, printing);
    suite_add_tcase(s, errors);
    suite_add_tcase(s, robust);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
