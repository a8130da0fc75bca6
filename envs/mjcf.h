// envs/mjcf.h -- the MJCF models of envs/mjcf/, as text. CMake makes them.
#ifndef ENVS_MJCF_H
#define ENVS_MJCF_H

extern const char mjcf_half_cheetah[];
extern const char mjcf_slim_humanoid[];

#endif
