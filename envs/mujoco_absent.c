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

double mujoco_effort(const Mujoco *m, const double *action) {
    (void)m, (void)action;
    return 0;
}

double mujoco_raw(Mujoco *m, int state_dim, int threads, int rows, int steps, const double *state,
                  const double *action) {
    (void)m, (void)state_dim, (void)threads, (void)rows, (void)steps, (void)state, (void)action;
    return 0;
}

bool mujoco_load(Mujoco *m, char *why, int why_size) {
    return mujoco_open(NULL, m, why, why_size);
}

bool mujoco_render(Mujoco *m, const double *state, int width, int height, unsigned char *rgb,
                   char *why, int why_size) {
    (void)state, (void)width, (void)height, (void)rgb;
    return mujoco_open(NULL, m, why, why_size);
}

const double *mujoco_qpos0(const Mujoco *m) {
    (void)m;
    return NULL;
}
