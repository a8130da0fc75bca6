// passes/bind_draws.h -- values from outside in the place of draws.
#ifndef PASSES_BIND_DRAWS_H
#define PASSES_BIND_DRAWS_H

#include "ir/ir.h"

// Replaces every draw of `f` whose site is among `sites` by an input of role DRAW with that name;
// its type is the draw's with a leading axis for each loop around, outermost first. `f` is inlined
// and still has its maps. found[i] tells whether sites[i] was met. Returns the number of draws
// replaced.
int bind_draws(IrFunction *f, const char *const *sites, int n, bool *found);

#endif
