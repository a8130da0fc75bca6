// tests/check_place.c -- buffers that are needed at the same time have different memory.
#include <check.h>
#include <stdlib.h>

#include "tests/support_graph.h"
#include "tests/support_run.h"

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

static IrSchedule *lower(const char *text, const IrTarget *target) {
    return run_lower(&arena, graph_entry(graph_parse(&arena, &diag, text)), target);
}

static const IrTarget one_thread = {.name = "test", .flops_per_row_piece = 1e12};

// Products in a chain, n times; each needs its operand alone.
static IrFunction *chain(int n) {
    Buf text = {0};
    buf_puts(&text, "func @f(%x: f32[64,64] in \"x\") {"
                    "%v0 = dot %x, %x batch=0 contract=[1]x[0] : f32[64,64]");
    for (int i = 1; i < n; i++)
        buf_printf(&text, "%%v%d = dot %%v%d, %%x batch=0 contract=[1]x[0] : f32[64,64] ", i,
                   i - 1);
    buf_printf(&text, "return %%v%d out \"y\" }", n - 1);
    IrFunction *f = graph_entry(graph_parse(&arena, &diag, buf_text(&text)));
    buf_free(&text);
    return f;
}

START_TEST(a_chain_takes_turns_in_two_places) {
    int64_t size = 64 * 64 * 4 + 64;
    IrSchedule *s = run_lower(&arena, chain(9), &one_thread);
    ck_assert_int_eq((int)s->arena_bytes, (int)(2 * size));
}
END_TEST

START_TEST(buffers_never_start_in_the_same_lines_of_pages) {
    IrSchedule *s = run_lower(&arena, chain(4), &one_thread);
    int64_t first = -1;
    for (int i = 0; i < s->n_buffers; i++) {
        if (s->buffers[i].storage != IR_STORAGE_ARENA || s->buffers[i].offset == first)
            continue;
        ck_assert_int_eq((int)(s->buffers[i].offset % 64), 0);
        if (first >= 0)
            ck_assert_int_ne((int)(s->buffers[i].offset % 4096), (int)(first % 4096));
        first = s->buffers[i].offset;
    }
}
END_TEST

START_TEST(what_a_loop_reads_lives_through_it) {
    static const char text[] =
        "func @f(%x: f64[8,8] in \"x\") {"
        "  %a = dot %x, %x batch=0 contract=[1]x[0] : f64[8,8]"
        "  %s = scan %a, %x captured=1 carry=1 over=0 steps=4 name=\"p\" : (f64[8,8]) {"
        "  ^(%b: f64[8,8], %c: f64[8,8], %t: i32[]):"
        "    %d = dot %c, %b batch=0 contract=[1]x[0] : f64[8,8]"
        "    %e = dot %d, %d batch=0 contract=[1]x[0] : f64[8,8]"
        "    %f = tanh %e : f64[8,8]"
        "    yield %f"
        "  }"
        "  %y = get %s index=0 : f64[8,8]"
        "  return %y out \"y\""
        "}";
    IrSchedule *s = lower(text, &run_small_pieces);
    ck_assert_int_gt((int)s->arena_bytes, 0);
    ck_assert_msg(run_text_distance(text, 1) < 1e-5, "numbers differ");
}
END_TEST

START_TEST(sizes_are_those_of_the_greatest_dims) {
    static const char text[] = "dim N max=100 likely=3 "
                               "func @f(%x: f32[N,8] in \"x\") {"
                               "  %a = dot %x, %x batch=0 contract=[0]x[0] : f32[8,8]"
                               "  %b = dot %x, %a batch=0 contract=[1]x[0] : f32[N,8]"
                               "  %c = dot %b, %x batch=0 contract=[0]x[0] : f32[8,8]"
                               "  return %c out \"c\""
                               "}";
    IrSchedule *s = lower(text, &one_thread);
    ck_assert_int_ge((int)s->arena_bytes, 100 * 8 * 4 + 8 * 8 * 4);
    for (int64_t size = 0; size < 4; size++)
        ck_assert_msg(run_text_distance(text, size) < 1e-5, "size %d", (int)size);
}
END_TEST

int main(void) {
    Suite *s = suite_create("place");

    TCase *memory = tcase_create("memory");
    tcase_add_checked_fixture(memory, setup, teardown);
    tcase_add_test(memory, a_chain_takes_turns_in_two_places);
    tcase_add_test(memory, buffers_never_start_in_the_same_lines_of_pages);
    tcase_add_test(memory, what_a_loop_reads_lives_through_it);
    tcase_add_test(memory, sizes_are_those_of_the_greatest_dims);
    suite_add_tcase(s, memory);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
