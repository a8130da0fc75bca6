// envs/mujoco_absent.c -- families on MuJoCo in a build without it: they are listed, and do not
// open.
#include "envs/mujoco.h"

#include <stdio.h>

bool mujoco_open(EnvBatch *b, Mujoco *m, char *why, int why_size) {
    (void)b;
    snprintf(why, (size_t)why_size,
             "%s: this build has no MuJoCo; run tools/setup, then configure with -DGSSM_MUJOCO=ON",
             m->name);
    return false;
}

void mujoco_close(EnvBatch *b) {
    (void)b;
}

void mujoco_step(EnvBatch *b, const double *action) {
    (void)b, (void)action;
}

const double *mujoco_qpos0(const Mujoco *m) {
    (void)m;
    return NULL;
}
