// tests/check_stages.c -- stages of a recipe beyond the update on a batch: buffers, imagination,
// rounds, windows, statistics.
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "runtime/train/buffer.h"

// ---- buffers ------------------------------------------------------------------------------------

START_TEST(columns_of_a_buffer_keep_their_rows_when_it_grows) {
    static const double first[] = {1.5, 2.5, 3.5, 4.5}, tasks[] = {7, -2};
    static const float more[] = {5.5f, 6.5f};
    RtBuffer *b = rt_buffer_new();

    ck_assert_int_eq(rt_buffer_add(b, "s", IR_F32, 2, 2), 0);
    rt_buffer_ensure(b, 2);
    ck_assert_int_eq(rt_buffer_add(b, "task", IR_I32, 1, 9), 1);
    ck_assert_int_eq(rt_buffer_add(b, "reward", IR_F64, 1, 1), 2);
    ck_assert_int_eq(rt_buffer_find(b, "task"), 1);
    ck_assert_int_eq(rt_buffer_find(b, "tasks"), -1);
    ck_assert_int_eq(b->columns[1].width, 1);
    rt_buffer_put(b, 0, 0, 2, first);
    rt_buffer_put(b, 1, 0, 2, tasks);
    rt_buffer_put(b, 2, 1, 1, first);

    rt_buffer_ensure(b, 100);
    rt_buffer_ensure(b, 3);
    ck_assert_int_eq(b->cap, 100);
    rt_buffer_copy(b, 0, 2, 1, more);
    const float *s = (const float *)b->columns[0].data;
    ck_assert(s[0] == 1.5f && s[3] == 4.5f && s[4] == 5.5f && s[5] == 6.5f);
    ck_assert_int_eq(((const int32_t *)b->columns[1].data)[1], -2);
    ck_assert(((const double *)b->columns[2].data)[1] == 1.5);
    rt_buffer_free(b);
    rt_buffer_free(NULL);
}
END_TEST

static Suite *stages_suite(void) {
    Suite *s = suite_create("stages");

    TCase *buffers = tcase_create("buffers");
    tcase_add_test(buffers, columns_of_a_buffer_keep_their_rows_when_it_grows);
    suite_add_tcase(s, buffers);
    return s;
}

int main(void) {
    SRunner *r = srunner_create(stages_suite());

    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
