// runtime/exec/roots.h -- the folders that hold models: where imports and experiments are found.
#ifndef RUNTIME_EXEC_ROOTS_H
#define RUNTIME_EXEC_ROOTS_H

// The folders in the order of search: $GSSM_MODELS (several, parted by ':'), share/gssm/models
// beside the program's folder (an installed program), the source tree's models/ (a program in its build
// folder). Only those that exist. Static and lives forever.
int rt_model_roots(const char *const **roots);

#endif
