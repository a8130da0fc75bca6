// tools/gssm-run.h -- commands of gssm-run that have a file of their own.
#ifndef TOOLS_GSSM_RUN_H
#define TOOLS_GSSM_RUN_H

#include "tools/options.h"

int command_env(const OptCommand *self, int argc, char **argv); // gssm-run_env.c

#endif
