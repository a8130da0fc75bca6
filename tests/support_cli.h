// tests/support_cli.h -- the programs, run as a person runs them.
//
// A test opens a Cli for a program of the same build, runs it, and looks at the exit code and at
// what was printed. Where something is wrong, the test that called fails with a message.
#ifndef TESTS_SUPPORT_CLI_H
#define TESTS_SUPPORT_CLI_H

#include "ir/base/buf.h"

typedef struct Cli {
    char program[512]; // path; $PROGRAM in commands
    char dir[64];      // a folder of the test's own; $DIR in commands
    Buf out, err;      // what the last run printed
} Cli;

// Finds `program` ("gssmc") beside the test program, and makes the folder. The program will keep
// its compiled objects in $DIR/cache and see no NO_COLOR.
void cli_open(Cli *c, const char *program);

// Removes the folder and all it holds.
void cli_close(Cli *c);

// Runs a command as a shell takes it in the test's working folder (the sources), and gives its exit
// code. A command that a signal ends fails the test.
int cli_shell(Cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The same for the program with `arguments`, as a shell takes them.
int cli_run(Cli *c, const char *arguments);

// Runs the program, which must exit with `code`; else the test fails with what was printed.
void cli_expect(Cli *c, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

// Fails unless `text` is in what the last run printed to standard output or error.
void cli_expect_out(const Cli *c, const char *text);
void cli_expect_err(const Cli *c, const char *text);

// Writes `text` to $DIR/name and reads it.
void cli_write(const Cli *c, const char *name, const char *text);
void cli_read(const Cli *c, Buf *text, const char *name);

#endif
