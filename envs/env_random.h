// envs/env_random.h -- random numbers that are functions of names and numbers.
//
// A number is named by a key and an index. The key is a hash of a seed, the name of a stream and
// two numbers; the index counts within the stream. There is no generator to advance, so a number
// depends neither on the order of calls, nor on threads, nor on what else was drawn.
#ifndef ENVS_ENV_RANDOM_H
#define ENVS_ENV_RANDOM_H

#include <stdint.h>

// The key of stream `stream` of `seed` and two numbers of the caller's, such as the task and the
// episode: `env_random_key(seed, "reset", task, episode)`. Stable across runs and machines.
uint64_t env_random_key(uint64_t seed, const char *stream, int64_t a, int64_t b);

// Number `index` of the key's uniform stream, in [0, 1), a multiple of 2^-53.
double env_random_uniform(uint64_t key, uint64_t index);

// Number `index` of the key's standard normal stream. It shares no bits with the other streams.
double env_random_normal(uint64_t key, uint64_t index);

// Number `index` of the key's stream of whole numbers in 0 .. n - 1, for n from 1 to 2^31 - 1.
int env_random_below(uint64_t key, uint64_t index, int n);

// Philox4x32-10: `out` is a random function of `key` and `counter`. Salmon, Moraes, Dror, Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
void env_random_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

#endif
