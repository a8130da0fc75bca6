// envs/env_random.c -- random numbers that are functions of names and numbers.
#include "envs/env_random.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>

// The counter's third word: each kind of number draws its own bits.
enum { UNIFORM, NORMAL, WHOLE };

void env_random_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]) {
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];

    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

static void draw_bits(uint64_t key, uint64_t index, uint32_t kind, uint32_t bits[4]) {
    const uint32_t k[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), kind, 0};
    env_random_philox(k, counter, bits);
}

// The upper 53 of 64 bits, as a number in [0, 1).
static double unit_interval(uint32_t low, uint32_t high) {
    return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

double env_random_uniform(uint64_t key, uint64_t index) {
    uint32_t bits[4];
    draw_bits(key, index, UNIFORM, bits);
    return unit_interval(bits[0], bits[1]);
}

double env_random_normal(uint64_t key, uint64_t index) {
    uint32_t bits[4];
    draw_bits(key, index, NORMAL, bits);

    // Box and Muller's transform; the radius needs a number in (0, 1]
    double radius = sqrt(-2.0 * log(1.0 - unit_interval(bits[0], bits[1])));
    return radius * cos(6.283185307179586 * unit_interval(bits[2], bits[3]));
}

int env_random_below(uint64_t key, uint64_t index, int n) {
    assert(n > 0);
    uint32_t bits[4];
    draw_bits(key, index, WHOLE, bits);
    return (int)((uint64_t)bits[0] * (uint64_t)n >> 32);
}

// The hash `h`, with `word` mixed in by splitmix64's finisher.
static uint64_t mix(uint64_t h, uint64_t word) {
    h = (h ^ word) + 0x9E3779B97F4A7C15u;
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9u;
    h = (h ^ h >> 27) * 0x94D049BB133111EBu;
    return h ^ h >> 31;
}

uint64_t env_random_key(uint64_t seed, const char *stream, int64_t a, int64_t b) {
    uint64_t h = mix(0, seed);
    uint64_t len = 0;

    for (; stream[len]; len++)
        h = mix(h, (unsigned char)stream[len]);
    h = mix(h, len);
    h = mix(h, (uint64_t)a);
    return mix(h, (uint64_t)b);
}
