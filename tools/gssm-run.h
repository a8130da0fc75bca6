// tools/gssm-run.h -- commands of gssm-run that have a file of their own.
#ifndef TOOLS_GSSM_RUN_H
#define TOOLS_GSSM_RUN_H

#include "ir/base/buf.h"
#include "tools/options.h"

// ---- gssm-run.c

// "gssm-run train: " and `why`, where there is something to say, on standard error; gives `code`.
int say(const OptCommand *self, int code, const char *why);

// Writes `b` to standard output and frees it.
void put_out(Buf *b);

// ---- commands

int command_table(const OptCommand *self, int argc, char **argv); // gssm-run_table.c
int command_env(const OptCommand *self, int argc, char **argv); // gssm-run_env.c

#endif
