// tests/check_explain.c -- gssmc explain: every code has an example, and the example raises it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <cjson/cJSON.h>

#include "ir/base/exits.h"
#include "tests/support_cli.h"

static Cli cli;

static const int codes[] = {
#define ERROR(code, name, doc, cure) code,
#include "ir/base/errors.def"
};

static void setup(void) {
    cli_open(&cli, "gssmc");
}

static void teardown(void) {
    cli_close(&cli);
}

static const char *text_of(const cJSON *row, const char *key) {
    const cJSON *value = cJSON_GetObjectItem(row, key);

    return value ? value->valuestring : NULL;
}

START_TEST(an_example_raises_its_code) {
    char wanted[32];

    cli_expect(&cli, EXIT_OK, "explain --json %d", codes[_i]);
    cJSON *all = cJSON_Parse(buf_text(&cli.out));
    ck_assert_msg(all != NULL, "%s", buf_text(&cli.out));
    const cJSON *row = cJSON_GetArrayItem(all, 0);
    const char *command = text_of(row, "command"), *file = text_of(row, "file");
    ck_assert_msg(command != NULL, "E%04d has no example", codes[_i]);
    if (file)
        cli_write(&cli, file, text_of(row, "text"));
    ck_assert_int_eq(cli_shell(&cli, "mkdir \"$DIR/bin\" && "
                                     "ln -s \"$PROGRAM\" \"$(dirname \"$PROGRAM\")/gssm-run\" "
                                     "\"$DIR/bin\""),
                     0);
    int code = cli_shell(&cli, "cd \"$DIR\" && PATH=\"$DIR/bin:$PATH\" && %s", command);
    snprintf(wanted, sizeof wanted, "error[E%04d]", codes[_i]);
    ck_assert_msg(strstr(buf_text(&cli.err), wanted), "%s: exit code %d and no %s in\n%.900s",
                  command, code, wanted, buf_text(&cli.err));
    ck_assert_int_eq(code, EXIT_BAD_INPUT);
    cJSON_Delete(all);
}
END_TEST

START_TEST(a_code_is_explained_in_words) {
    cli_expect(&cli, EXIT_OK, "explain E0202");
    cli_expect_out(&cli, "E0202: no operation, function or layer has this name\n");
    cli_expect_out(&cli, "What to do: ");
    cli_expect_out(&cli, "gssmc check example.yaml\n");
    cli_expect(&cli, EXIT_OK, "explain e202 301");
    cli_expect_out(&cli, "E0202: ");
    cli_expect_out(&cli, "\nE0301: ");
    cli_expect(&cli, EXIT_OK, "explain");
    cli_expect_out(&cli, "E0101  the text is not YAML 1.2\n");
    cli_expect(&cli, EXIT_BAD_USAGE, "explain E0219");
    cli_expect_err(&cli, "no diagnostic has the code 'E0219'; did you mean 'E0");
    cli_expect(&cli, EXIT_BAD_USAGE, "explain models/gssm.yaml");
    cli_expect_err(&cli, "gssmc explain lists them");
}
END_TEST

static Suite *explain_suite(void) {
    Suite *s = suite_create("explain");

    TCase *t = tcase_create("codes");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, an_example_raises_its_code, 0, sizeof codes / sizeof *codes);
    tcase_add_test(t, a_code_is_explained_in_words);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    SRunner *r = srunner_create(explain_suite());

    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
