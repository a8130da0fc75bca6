// tools/options.h -- command lines: one table for each command gives parsing, help and hints.
//
//   static int command_train(const OptCommand *self, int argc, char **argv) {
//       int64_t threads = 0;
//       bool quiet = false;
//       const Opt table[] = {
//           {"threads", 0, OPT_INT, &threads, "N", "worker threads", .least = 1, .most = 1024},
//           {"quiet", 'q', OPT_FLAG, &quiet, NULL, "show no progress"},
//       };
//       OptRest rest = {.most = 1};
//       int code = opt_parse(self, table, 2, argc, argv, &rest);
//       if (code != OPT_GO_ON)
//           return code;
//
// An option is `--name=value` or `--name value`, a letter `-D value` or `-Dvalue`; `--` ends the
// options. Options and operands may be mixed. A later value replaces an earlier one, but for
// OPT_LIST, which collects. Every command knows --help and --version.
#ifndef TOOLS_OPTIONS_H
#define TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"

typedef enum OptKind {
    OPT_FLAG,   // bool: given or not
    OPT_TEXT,   // const char *: not empty
    OPT_INT,    // int64_t, within least and most where these differ
    OPT_REAL,   // double
    OPT_CHOICE, // const char *: one of the words of `value`, which '|' parts
    OPT_LIST,   // OptList: every value given, in order
    OPT_MAYBE,  // const char *: --name alone gives "", --name=value the value
} OptKind;

typedef struct OptList {
    const char **items; // in memory that lives as long as the process
    int n, cap;
} OptList;

typedef struct Opt {
    const char *name; // without dashes; NULL for a letter alone
    char letter;      // 0 for none
    OptKind kind;
    void *to;            // where the value goes, of the type the kind says
    const char *value;   // how help shows the value: "N", "DIR", "cpu|ref"
    const char *doc;     // what it does, without a full stop; its default in parentheses
    int64_t least, most; // of OPT_INT
} Opt;

typedef struct OptCommand OptCommand;
struct OptCommand {
    const char *name;
    const char *operands; // as help shows them: "[EXPERIMENT.yaml] [KEY=VALUE...]"
    const char *doc;      // what it does, in a line
    const char *more;     // further lines of its --help, or NULL
    int (*run)(const OptCommand *self, int argc, char **argv); // argv[0] is the command's name
};

typedef struct OptProgram {
    const char *name, *version, *doc;
    const OptCommand *commands;
    int n_commands;
} OptProgram;

// What stands beside options. Set `least` and `most` (0: any number, -1: none) before the call.
typedef struct OptRest {
    int least, most;
    const char **items; // as OptList
    int n;
} OptRest;

enum { OPT_GO_ON = -1 };

// Finds the command that argv[1] names and runs it; gives the program's exit code. `program` must
// live as long as the process.
int opt_main(const OptProgram *program, int argc, char **argv);

// Reads a command's options and operands. OPT_GO_ON where all is well; EXIT_OK after --help and
// --version; EXIT_BAD_USAGE after a message on standard error.
int opt_parse(const OptCommand *command, const Opt *table, int n, int argc, char **argv,
              OptRest *rest);

// "gssm-run train: " and the message on standard error, with a hint to --help; EXIT_BAD_USAGE.
int opt_refuse(const OptCommand *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Whether `stream` (1 or 2) takes colour: a terminal, not a dumb one, and no NO_COLOR.
bool opt_color(int stream);

#endif
