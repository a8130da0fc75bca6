// tests/support_cli.c -- the programs, run as a person runs them.
#include "tests/support_cli.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support_files.h"

void cli_open(Cli *c, const char *program) {
    char cache[128];

    *c = (Cli){0};
    ssize_t len = readlink("/proc/self/exe", c->program, sizeof c->program - 1);

    ck_assert_int_gt(len, 0);
    c->program[len] = '\0';
    *strrchr(c->program, '/') = '\0';
    strcat(c->program, "/../tools/");
    strcat(c->program, program);
    ck_assert_msg(access(c->program, X_OK) == 0, "%s is not built", c->program);

    strcpy(c->dir, "/tmp/check_cli_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(c->dir));
    snprintf(cache, sizeof cache, "%s/cache", c->dir);
    setenv("GSSM_CACHE", cache, 1);
    setenv("PROGRAM", c->program, 1);
    setenv("DIR", c->dir, 1);
    unsetenv("NO_COLOR");
    unsetenv("GSSM_MODELS");
}

void cli_close(Cli *c) {
    ck_assert(delete_tree(c->dir));
    buf_free(&c->out);
    buf_free(&c->err);
}

void cli_read(const Cli *c, Buf *text, const char *name) {
    char path[256], why[256];

    snprintf(path, sizeof path, "%s/%s", c->dir, name);
    ck_assert_msg(buf_read_file(text, path, 0, why, sizeof why), "%s", why);
}

void cli_write(const Cli *c, const char *name, const char *text) {
    char path[256], why[256];

    snprintf(path, sizeof path, "%s/%s", c->dir, name);
    ck_assert_msg(buf_write_file(path, text, strlen(text), why, sizeof why), "%s", why);
}

int cli_shell(Cli *c, const char *format, ...) {
    Buf command = {0};
    va_list args;

    buf_puts(&command, "{ ");
    va_start(args, format);
    buf_vprintf(&command, format, args);
    va_end(args);
    buf_puts(&command, "\n} >\"$DIR/.out\" 2>\"$DIR/.err\"");

    int status = system(command.data);
    cli_read(c, &c->out, ".out");
    cli_read(c, &c->err, ".err");
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) < 128, "%s\n%.900s", command.data,
                  buf_text(&c->err));
    buf_free(&command);
    return WEXITSTATUS(status);
}

int cli_run(Cli *c, const char *arguments) {
    return cli_shell(c, "\"$PROGRAM\" %s", arguments);
}

void cli_expect(Cli *c, int code, const char *format, ...) {
    Buf arguments = {0};
    va_list args;

    va_start(args, format);
    buf_vprintf(&arguments, format, args);
    va_end(args);
    int got = cli_run(c, buf_text(&arguments));
    ck_assert_msg(got == code, "%s: exit code %d, not %d\n%.500s%.900s", buf_text(&arguments), got,
                  code, buf_text(&c->out), buf_text(&c->err));
    buf_free(&arguments);
}

static void expect(const Buf *printed, const char *text) {
    ck_assert_msg(strstr(buf_text(printed), text), "'%s' is not in\n%.900s", text,
                  buf_text(printed));
}

void cli_expect_out(const Cli *c, const char *text) {
    expect(&c->out, text);
}

void cli_expect_err(const Cli *c, const char *text) {
    expect(&c->err, text);
}
