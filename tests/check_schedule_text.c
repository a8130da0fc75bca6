// tests/check_schedule_text.c -- schedules print, parse back to the same text, and are verified.
#include "ir/schedule.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

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

static IrSchedule *parse(const char *text) {
    return ir_parse_schedule(&arena, &diag, "test.gis", text, strlen(text));
}

// One of everything. Hashes are left out: they are computed, and print from then on.
static const char everything[] =
    "schedule @fit target=cpu arena=12800 residual=64\n"
    "dim N max=100 likely=50\n"
    "dim H max=8\n"
    "input 0 in xc: f32[N,6]\n"
    "input 1 p dynamics.w: f32[6,32]\n"
    "input 2 set \"a \\\"rate\\\"\": f32[] value=0.001\n"
    "input 3 s steps: i32[N]\n"
    "output 0 out loss: f32[N,32]\n"
    "output 1 update dynamics.w: f32[6,32] target=1 in_place\n"
    "buffer %h0: f32[32 * N] arena+0\n"
    "buffer %xc: f32[6 * N] input 0\n"
    "buffer %w: f32[192] input 1\n"
    "buffer %new_w: f32[192] output 1\n"
    "buffer %rows: i32[N] input 3\n"
    "buffer %loss: f32[32 * N] output 0\n"
    "kernel @k0 \"product\" {\n"
    "  dims d0\n"
    "  args [f32 in, f32 in, f32 out]\n"
    "  axes [d0, 32 | 6]\n"
    "  product f32 batch=0 m=1 n=1 k=1 a0[6*i0 + i2], a1[i1 + 32*i2]\n"
    "  s0 = product : f32\n"
    "  s1 = relu s0 : f32\n"
    "  store a2[32*i0 + i1] = s1\n"
    "}\n"
    "kernel @k1 \"everything\" {\n"
    "  dims d0 d1\n"
    "  args [f32 in, i32 in, f32 out]\n"
    "  ints 3\n"
    "  axes [d0, 4 | 8]\n"
    "  s0 = load a1[i0] : i32\n"
    "  s1 = index i2 : i32\n"
    "  s2 = equal s0, s1 : bool\n"
    "  s3 = load a0[8*i1 + i2 + (32)*row(s0, d0 - 1)] if s2 : f32\n"
    "  s4 = const 1e-08 : f32\n"
    "  s5 = draw_normal n0(i0: n1)[d1 + 8*i1 + i2] : f32\n"
    "  s6 = extent d0 * d1 : i32\n"
    "  s7 = int n2 : i32\n"
    "  s8 = add s6, s7 : i32\n"
    "  s9 = cast s8 : f32\n"
    "  s10 = select s2, s3, s5 : f32\n"
    "  s11 = sum s10 : f32\n"
    "  s12 = argmax s10 : i32\n"
    "  s13 = mul s11, s9 : f32\n"
    "  s14 = div s10, s13 : f32\n"
    "  s15 = add s14, s4 : f32\n"
    "  store a2[32*i0 + 8*i1 + i2] = s15\n"
    "}\n"
    "kernel @k2 \"full\" {\n"
    "  args [f32 out]\n"
    "  axes [| 192]\n"
    "  s0 = const inf : f32\n"
    "  store a0[i0] = s0\n"
    "}\n"
    "tree {\n"
    "  par rows=N grain=16 {\n"
    "    call @k0(%xc, %w, %h0) dims=[N] path=\"loss.h\"\n"
    "  }\n"
    "  barrier\n"
    "  loop @L0 steps=H reverse \"path\" {\n"
    "    seq {\n"
    "      call @k1(%h0, %rows, %loss) dims=[N, H] ints=[key 0x00000000000000ab(@L0: "
    "0x0000000000000012), hash 0xffffffffffffffff, @L0]\n"
    "    }\n"
    "  }\n"
    "  call @k2(%new_w)\n"
    "}\n";

static void assert_valid(const IrSchedule *s) {
    Buf why = {0};
    bool valid = ir_verify_schedule(s, &why);
    ck_assert_msg(valid, "%s", buf_text(&why));
    buf_free(&why);
}

static IrSchedule *parse_well(const char *text) {
    IrSchedule *s = parse(text);
    if (!s)
        diag_print(&diag, stderr, false);
    ck_assert_ptr_nonnull(s);
    return s;
}

START_TEST(text_round_trips) {
    Buf once = {0}, twice = {0};
    IrSchedule *s = parse_well(everything);
    assert_valid(s);
    ir_print_schedule(&once, s, false);
    ir_print_schedule(&twice, parse_well(buf_text(&once)), false);
    ck_assert_str_eq(buf_text(&once), buf_text(&twice));

    // what was printed is what was read, but for the hashes
    Buf bare = {0};
    for (const char *p = buf_text(&once); *p;) {
        const char *hash = strstr(p, " hash=");
        size_t len = hash ? (size_t)(hash - p) : strlen(p);
        buf_put(&bare, p, len);
        p += len + (hash ? strlen(" hash=0123456789abcdef") : 0);
    }
    ck_assert_str_eq(buf_text(&bare), everything);
    buf_free(&once);
    buf_free(&twice);
    buf_free(&bare);
}
END_TEST

// A loop that ends by a bool, one for each step of the loop around it.
static const char ending[] = "schedule @f target=cpu arena=128 residual=0\n"
                             "output 0 out y: bool[3]\n"
                             "buffer %y: bool[3] output 0\n"
                             "kernel @k0 \"tells\" {\n"
                             "  args [bool out]\n"
                             "  axes []\n"
                             "  s0 = const 1 : bool\n"
                             "  store a0[0] = s0\n"
                             "}\n"
                             "tree {\n"
                             "  loop @L0 steps=3 {\n"
                             "    barrier\n"
                             "    call @k0(%y[@L0])\n"
                             "    barrier\n"
                             "    loop @L1 steps=4 reverse until %y[@L0] \"path\" {\n"
                             "      barrier\n"
                             "      call @k0(%y[@L0])\n"
                             "      barrier\n"
                             "    }\n"
                             "  }\n"
                             "}\n";

START_TEST(loop_that_ends_round_trips) {
    Buf text = {0};
    IrSchedule *s = parse_well(ending);
    assert_valid(s);
    ir_print_schedule(&text, s, false);
    ck_assert_ptr_nonnull(
        strstr(buf_text(&text), "    loop @L1 steps=4 reverse until %y[@L0] \"path\" {\n"));
    buf_free(&text);
}
END_TEST

static const struct {
    const char *from, *to, *message;
} bad_ends[] = {
    {"    call @k0(%y[@L0])\n    barrier\n", "", "ends by %y, which nothing has written"},
    {"      call @k0(%y[@L0])\n      barrier\n", "      call @k0(%y[@L0])\n",
     "reads %y, which 'tells' writes on another thread"},
    {"      barrier\n      call @k0(%y[@L0])\n", "      call @k0(%y[@L0])\n",
     "writes %y, which 'until' reads on another thread"},
    {"until %y[@L0]", "until %y[@L1]", "does not end by a bool outside of it"},
    {"out y: bool[3]\nbuffer %y: bool[3]", "out y: i32[3]\nbuffer %y: i32[3]",
     "does not end by a bool outside of it"},
};

START_TEST(bad_ends_of_loops_are_told) {
    const char *at = strstr(ending, bad_ends[_i].from);
    ck_assert_ptr_nonnull(at);
    IrSchedule *s = parse_well(arena_printf(&arena, "%.*s%s%s", (int)(at - ending), ending,
                                            bad_ends[_i].to, at + strlen(bad_ends[_i].from)));
    Buf why = {0};
    ck_assert(!ir_verify_schedule(s, &why));
    ck_assert_msg(strstr(buf_text(&why), bad_ends[_i].message) != NULL, "%s", buf_text(&why));
    buf_free(&why);
}
END_TEST

START_TEST(places_are_printed_as_comments) {
    Buf text = {0};
    IrSchedule *s = parse_well(everything);
    ir_print_schedule(&text, s, true);
    ck_assert_ptr_nonnull(strstr(buf_text(&text), "s1 = relu s0 : f32  # test.gis:22:3\n"));
    parse_well(buf_text(&text));
    buf_free(&text);
}
END_TEST

// ---- errors

typedef struct Wrong {
    const char *from, *to; // a replacement in `everything`
    const char *message;
    int line, col; // 0: valid text, which the verifier refuses
} Wrong;

static const Wrong wrongs[] = {
    {"schedule @fit", "plan @fit", "expected 'schedule'", 1, 1},
    {"buffer %xc: f32", "buffer %xc: f31", "expected f32, f64, i32 or bool", 11, 13},
    {"buffer %w: f32", "buffer %xc: f32", "there are two buffers 'xc'", 12, 11},
    {"6 * N] input 0", "6 * M] input 0", "no dim is called 'M'", 11, 21},
    {"relu s0", "relu s1", "there is no scalar before this one, s 1", 22, 14},
    {"relu s0", "gelu s0", "'gelu' is no operation of kernels", 22, 8},
    {"\"product\" {", "\"product\" hash=12 {", "the kernel's hash is", 16, 22},
    {"call @k0(%xc", "call @k0(%yc", "no buffer is called 'yc'", 56, 15},
    {"call @k2(%new_w)", "call @k3(%new_w)", "there is no kernel @k 3", 64, 10},
    {"dims=[N] path", "dims=[N, N] path", "expected ']'", 56, 35},
    {"input 3 s steps", "input 4 s steps", "slots are numbered in order", 7, 9},
    {"axes [d0, 32 | 6]", "axes [d0, 32 | 99999999999999999999]", "the number is too large", 19, 0},
    {"  store a2[32*i0 + i1] = s1\n", "  store a2[32*i0 + 1*i0] = s1\n",
     "the index stands twice in one sum", 23, 0},
    {"  call @k2(%new_w)\n}\n", "  call @k2(%new_w)\n", "expected 'seq'", 65, 1},
    {"\"everything\" {", "\"everything {", "expected '\"' at the end of a text", 26, 0},

    {"par rows=N", "par rows=H", "its axis 0 is not the rows of par: N, not H", 0, 0},
    {"  barrier\n", "", "with no barrier between", 0, 0},
    {"store a2[32*i0 + i1] = s1", "store a2[i1] = s1", "pieces of rows all write one element", 0,
     0},
    {"store a2[32*i0 + i1] = s1", "store a2[32*i0 + i1] += s1", "pieces of rows add to", 0, 0},
    {"call @k0(%xc, %w, %h0)", "call @k0(%h0, %w, %xc)", "which nothing has written", 0, 0},
    {"call @k0(%xc, %w, %h0)", "call @k0(%h0, %w, %xc)", "writes the input %xc", 0, 0},
    {"call @k2(%new_w)", "call @k2(%new_w[@L0])", "which does not enclose it", 0, 0},
    {"%h0, %rows, %loss) dims", "%h0, %xc, %loss) dims", "of type f32, not i32", 0, 0},
    {"s2 = equal s0, s1 : bool", "s2 = add s0, s1 : i32", "the guard s2 is not bool", 0, 0},
    {"axes [d0, 4 | 8]", "axes [d0, 4, 8]", "no axis is reduced", 0, 0},
    {"a1[i1 + 32*i2]", "a1[i0 + 32*i2]", "rhs moves along axis 0, one of m", 0, 0},
    {"arena+0", "arena+100", "no multiple of 64", 0, 0},
    {"arena+0", "arena+6400", "ends after the arena", 0, 0},
    {"call @k1(%h0, %rows, %loss)", "call @k1(%h0, %rows, %h0)", "never written", 0, 0},
};

static char *replaced(const Wrong *w) {
    const char *at = strstr(everything, w->from);
    ck_assert_ptr_nonnull(at);
    return arena_printf(&arena, "%.*s%s%s", (int)(at - everything), everything, w->to,
                        at + strlen(w->from));
}

START_TEST(mistakes_are_told_with_their_place) {
    const Wrong *w = &wrongs[_i];
    IrSchedule *s = parse(replaced(w));
    if (w->line) {
        ck_assert_ptr_null(s);
        ck_assert_int_eq(diag.n_errors, 1);
        ck_assert_msg(strstr(diag.messages[0].text, w->message) != NULL, "%s",
                      diag.messages[0].text);
        ck_assert_int_eq(diag.messages[0].loc.line, w->line);
        if (w->col)
            ck_assert_int_eq(diag.messages[0].loc.col, w->col);
        return;
    }
    ck_assert_ptr_nonnull(s);
    Buf why = {0};
    ck_assert(!ir_verify_schedule(s, &why));
    ck_assert_msg(strstr(buf_text(&why), w->message) != NULL, "%s", buf_text(&why));
    buf_free(&why);
}
END_TEST

// Any prefix of the text is refused, and none is read beyond its end.
START_TEST(cut_texts_are_refused) {
    size_t len = strlen(everything);
    for (size_t n = 0; n + 2 < len; n += 7) {
        char *cut = malloc(n + 1);
        memcpy(cut, everything, n);
        cut[n] = '\0';
        ck_assert_ptr_null(ir_parse_schedule(&arena, &diag, "cut.gis", cut, n));
        free(cut);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("schedule_text");
    TCase *text = tcase_create("text");
    tcase_add_checked_fixture(text, setup, teardown);
    tcase_add_test(text, text_round_trips);
    tcase_add_test(text, places_are_printed_as_comments);
    tcase_add_test(text, loop_that_ends_round_trips);
    suite_add_tcase(s, text);

    TCase *errors = tcase_create("errors");
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_loop_test(errors, mistakes_are_told_with_their_place, 0,
                        (int)(sizeof wrongs / sizeof *wrongs));
    tcase_add_test(errors, cut_texts_are_refused);
    tcase_add_loop_test(errors, bad_ends_of_loops_are_told, 0,
                        (int)(sizeof bad_ends / sizeof *bad_ends));
    suite_add_tcase(s, errors);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
