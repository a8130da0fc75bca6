// ir/random.h -- what a draw's bits are: a function of names and numbers, never of order.
//
// key(seed, site, loops) = mix(seed ^ mix(hash(site))) + sum over loops of mix(hash(loop) + index).
// Element i of a draw at call number c is Philox4x32-10 with that 64-bit key and the counter
// (i low, i high, c low, c high). Its four words w give a value as below. Every back end computes
// the same integers; floating-point steps may differ in the last digits between back ends.
#ifndef IR_RANDOM_H
#define IR_RANDOM_H

#include <stdint.h>

// Finalizer of splitmix64.
uint64_t ir_random_mix(uint64_t x);

uint64_t ir_random_key(uint64_t seed, uint64_t site_hash);  // site_hash = map_hash_str(site)
uint64_t ir_random_loop(uint64_t loop_hash, int64_t index); // to be added to the key

void ir_philox(uint64_t key, uint64_t index, uint64_t call, uint32_t w[4]);

// uniform on [0, 1): f32: (w0 >> 8) * 2^-24; f64: ((w0 << 32 | w1) >> 11) * 2^-53.
float ir_uniform_f32(const uint32_t w[4]);
double ir_uniform_f64(const uint32_t w[4]);

// normal (Box-Muller): sqrt(-2 log u1) * cos(2 pi u2), u1 on (0, 1]: f32: u1 = ((w0 >> 8) + 1) *
// 2^-24, u2 = (w1 >> 8) * 2^-24; f64: u1 from words 0 and 1 as ((.. >> 11) + 1) * 2^-53, u2 from
// words 2 and 3.
float ir_normal_f32(const uint32_t w[4]);
double ir_normal_f64(const uint32_t w[4]);

#endif
