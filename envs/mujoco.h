// envs/mujoco.h -- what families whose physics is MuJoCo share.
//
// Such a family keeps, as the last components of its state, qpos, qvel and qacc_warmstart of
// MuJoCo; these are all that a transition depends on, beside the task and the action. Its task is
// (scale of body_mass, scale of dof_damping). Nothing else of the model is scaled, as in the
// reference environments: inertias stay those of scale 1, unless a variant of the family scales
// them with the masses; what MuJoCo derives from masses stays as it is in any case.
#ifndef ENVS_MUJOCO_H
#define ENVS_MUJOCO_H

#include "envs/env.h"

enum { MUJOCO_MASS, MUJOCO_DAMPING, MUJOCO_TASK_DIM };

// A body on MuJoCo. Constant, but for what mujoco_open() loads.
typedef struct Mujoco {
    const char *name; // of the family
    const char *mjcf; // its model, as text
    int nq, nv, nu;
    int frame_skip; // steps of MuJoCo in a transition
    int first;      // component of the state at which qpos begins
    int inertia;    // which variant of the family says how much of a scale body_inertia takes on
    void *model;    // const mjModel *, once loaded; lives as long as the process
} Mujoco;

// Loads the model, once. False with a sentence in `why`.
bool mujoco_load(Mujoco *m, char *why, int why_size);

// EnvPhysics' open and close for a family on `m`. False with a sentence in `why` where the model
// does not load, or this build has no MuJoCo.
bool mujoco_open(EnvBatch *b, Mujoco *m, char *why, int why_size);
void mujoco_close(EnvBatch *b);

// Writes qpos, qvel and qacc_warmstart of every running row's next state. Rows in which MuJoCo
// reports an error or bad numbers fail.
void mujoco_step(EnvBatch *b, const double *action);

// The sum of squares of one row's action: what its torques cost.
double mujoco_effort(const Mujoco *m, const double *action);

// EnvPhysics' raw, for state_dim components a state: mj_step on one mjData a thread.
double mujoco_raw(Mujoco *m, int state_dim, int threads, int rows, int steps, const double *state,
                  const double *action);

// EnvPhysics' render: the body in a state, seen from the side. It needs OSMesa, found at run time.
// One thread at a time.
bool mujoco_render(Mujoco *m, const double *state, int width, int height, unsigned char *rgb,
                   char *why, int why_size);

// qpos of the model's initial configuration, nq numbers. Only after mujoco_open().
const double *mujoco_qpos0(const Mujoco *m);

#endif
