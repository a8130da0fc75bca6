// ir/random.c -- Philox4x32-10 and what its words become.
//
// Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). A counter
// and a key go through ten rounds of multiplication; any element can be had without the others.
#include "ir/random.h"

#include <math.h>

uint64_t ir_random_mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t ir_random_key(uint64_t seed, uint64_t site_hash) {
    return ir_random_mix(seed ^ ir_random_mix(site_hash));
}

uint64_t ir_random_loop(uint64_t loop_hash, int64_t index) {
    return ir_random_mix(loop_hash + (uint64_t)index);
}

void ir_philox(uint64_t key, uint64_t index, uint64_t call, uint32_t w[4]) {
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32);
    uint32_t c2 = (uint32_t)call, c3 = (uint32_t)(call >> 32);

    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xd2511f53u * c0, p1 = (uint64_t)0xcd9e8d57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    w[0] = c0, w[1] = c1, w[2] = c2, w[3] = c3;
}

// The 53 high bits of two words.
static double bits53(uint32_t high, uint32_t low) {
    return (double)(((uint64_t)high << 32 | low) >> 11);
}

float ir_uniform_f32(const uint32_t w[4]) {
    return (float)(w[0] >> 8) * 0x1p-24f;
}

double ir_uniform_f64(const uint32_t w[4]) {
    return bits53(w[0], w[1]) * 0x1p-53;
}

float ir_normal_f32(const uint32_t w[4]) {
    float u1 = (float)((w[0] >> 8) + 1) * 0x1p-24f;
    float u2 = (float)(w[1] >> 8) * 0x1p-24f;
    return sqrtf(-2 * logf(u1)) * cosf(6.28318530717958647692f * u2);
}

double ir_normal_f64(const uint32_t w[4]) {
    double u1 = (bits53(w[0], w[1]) + 1) * 0x1p-53;
    double u2 = bits53(w[2], w[3]) * 0x1p-53;
    return sqrt(-2 * log(u1)) * cos(6.28318530717958647692 * u2);
}
