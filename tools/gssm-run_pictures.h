// tools/gssm-run_pictures.h -- pictures of episodes: a sheet of frames as PNG, or a moving GIF.
#ifndef TOOLS_GSSM_RUN_PICTURES_H
#define TOOLS_GSSM_RUN_PICTURES_H

#include "envs/env.h"

// The states of an episode of `f`, (n, state_dim).
typedef struct Episode {
    const EnvFamily *f;
    const double *states;
    int n;
} Episode;

// Whether `path` ends as one of the formats does: .png, .gif.
bool pictures_format_known(const char *path);

// Draws the episode into `path`: a .png is a sheet of 12 frames, first to last in lines, each with
// its time; a .gif moves at the speed of the task. False with a sentence in `why`; then there is no
// file.
bool pictures_draw(const Episode *e, const char *path, char *why, int why_size);

#endif
