/* The minimal model with 16 customers side by side (8 without AVX-512), as fast as we can write it:
   the limit.

   Customers come ordered by purchase rate. A block of 64 of them draws its occasions and is put in
   the order of how many each drew, most first, so that those of a vector have nearly the same
   number ahead and lanes stay full:

       customers by rate      occasions 3 0 1 4 | 2 0 0 3 | ...     (here 4 lanes instead of 16)
       vectors by occasions             4 3 3 2 | 1 0 0 0 | ...     lives 4 + 1 occasions

   A vector lives through all its occasions of the quarter in registers. Columns are read and
   written in whole vectors; the order is changed on the way, from register to register. Nothing is
   allocated.

   Written with GCC's vector types; what they say badly (a choice by lane, a long product) is an
   intrinsic where AVX-512 is at hand and plain C elsewhere. */

#include "model.h"
#include <string.h>

#ifdef __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif
enum { BLOCK = 64, VECTORS = BLOCK / LANES, MOST = 128 };

typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef uint64_t products __attribute__((vector_size(4 * LANES))); /* of every other lane */

#define INLINE static inline __attribute__((always_inline))
#define EACH(j, n) _Pragma("GCC unroll 16") for (int j = 0; j < (n); j++)

static const float LOG2_E = 1.44269504f;

INLINE floats all(float x) { return x - (floats){0}; }
INLINE ints lanes_from(int32_t first) {
    ints x;
    EACH(j, LANES) x[j] = first + j;
    return x;
}

#if defined __AVX512F__ || defined __AVX2__
#include <immintrin.h>
#endif

#ifdef __AVX512F__
typedef __mmask16 mask;
INLINE mask less_of(mask m, floats a, floats b) {
    return _mm512_mask_cmp_ps_mask(m, (__m512)a, (__m512)b, _CMP_LT_OQ);
}
INLINE mask rest_of(mask m, floats a, floats b) {
    return _mm512_mask_cmp_ps_mask(m, (__m512)a, (__m512)b, _CMP_NLT_UQ);
}
INLINE mask less(floats a, floats b) {
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ);
}
INLINE mask more_than(ints a, int32_t b) {
    return _mm512_cmpgt_epi32_mask((__m512i)a, _mm512_set1_epi32(b));
}
INLINE int count(mask m) { return __builtin_popcount(m); }
INLINE floats choose(mask m, floats yes, floats no) {
    return (floats)_mm512_mask_blend_ps(m, (__m512)no, (__m512)yes);
}
INLINE floats nearest(floats x) { return (floats)_mm512_roundscale_ps((__m512)x, 0); }
INLINE floats root(floats x) { return (floats)_mm512_sqrt_ps((__m512)x); }
INLINE floats times_two_to(floats x, floats n) {
    return (floats)_mm512_scalef_ps((__m512)x, (__m512)n);
}
INLINE products multiply(products a, uint32_t by) { /* the low halves of a */
    return (products)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(by));
}
/* One of 64 numbers for each lane. */
INLINE floats pick(const floats *from, ints place) {
    floats low = __builtin_shuffle(from[0], from[1], place);
    floats high = __builtin_shuffle(from[2], from[3], place);
    return choose(more_than(place, 2 * LANES - 1), high, low);
}
/* Order of k, most first: `place` of each lane's customer, `back`: the lane of each customer. */
INLINE void order(const ints *k, int most, ints *place, ints *back) {
    int32_t places[BLOCK + LANES];
    int n = 0;
    for (int class = most; class >= 0; class--)
        EACH(v, VECTORS) {
            mask m = _mm512_cmpeq_epi32_mask((__m512i)k[v], _mm512_set1_epi32(class));
            __m512i here = (__m512i)lanes_from(v * LANES), there = (__m512i)lanes_from(n);
            _mm512_storeu_si512(places + n, _mm512_maskz_compress_epi32(m, here));
            back[v] = (ints)_mm512_mask_expand_epi32((__m512i)back[v], m, there);
            n += count(m);
        }
    memcpy(place, places, sizeof(ints) * VECTORS);
}
#else
typedef ints mask; /* -1 or 0 */
INLINE mask less_of(mask m, floats a, floats b) { return m & (a < b); }
INLINE mask rest_of(mask m, floats a, floats b) { return m & ~(a < b); }
INLINE mask less(floats a, floats b) { return a < b; }
INLINE mask more_than(ints a, int32_t b) { return a > b; }
INLINE int count(mask m) {
    int n = 0;
    EACH(j, LANES) n -= m[j];
    return n;
}
INLINE floats choose(mask m, floats yes, floats no) {
    return (floats)((m & (ints)yes) | (~m & (ints)no));
}
/* Adding and taking away 1.5 x 2^23 leaves no room for a fraction. */
INLINE floats nearest(floats x) { return x + 12582912.0f - 12582912.0f; }
INLINE floats root(floats x) {
    EACH(j, LANES) x[j] = sqrtf(x[j]);
    return x;
}
INLINE floats times_two_to(floats x, floats n) {
    return (floats)((ints)x + (__builtin_convertvector(n, ints) << 23));
}
INLINE products multiply(products a, uint32_t by) {
#ifdef __AVX2__
    return (products)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(by));
#else
    return (a & 0xFFFFFFFFu) * (uint64_t)by;
#endif
}
INLINE floats pick(const floats *from, ints place) {
    floats x;
    EACH(j, LANES) x[j] = from[place[j] / LANES][place[j] % LANES];
    return x;
}
INLINE void order(const ints *k, int most, ints *place, ints *back) {
    int start[MOST] = {0}, n = 0;
    for (int i = 0; i < BLOCK; i++) start[k[i / LANES][i % LANES]]++;
    for (int class = most; class >= 0; class--) {
        n += start[class];
        start[class] = n - start[class];
    }
    for (int i = 0; i < BLOCK; i++) {
        int lane = start[k[i / LANES][i % LANES]]++;
        place[lane / LANES][lane % LANES] = i;
        back[i / LANES][i % LANES] = lane;
    }
}
#endif

INLINE int any(mask m) { return count(m) > 0; }

/* Eight of ten rounds of Philox-4x32-10 for every other lane, whose numbers are the low halves. */
INLINE void rounds(products x0, products x1, products x2, products x3, uint32_t seed,
                   products *first, products *second) {
    uint32_t k0 = seed + 2 * WEYL_0, k1 = 2 * WEYL_1;
#pragma GCC unroll 10
    for (int round = 2; round < ROUNDS; round++) {
        products p0 = multiply(x0, MULTIPLIER_0), p1 = multiply(x2, MULTIPLIER_1);
        x0 = (p1 >> 32) ^ x1 ^ (uint64_t)k0;
        x2 = (p0 >> 32) ^ x3 ^ (uint64_t)k1;
        x1 = p1;
        x3 = p0;
        k0 += WEYL_0;
        k1 += WEYL_1;
    }
    *first = x0;
    *second = x1;
}

/* The first two words of Philox at (customer, quarter, purpose, occasion). Only the customer
   differs by lane: half of the first two rounds is done once for all lanes. */
INLINE void philox(words customer, uint32_t quarter, uint32_t purpose, uint32_t occasion,
                   uint32_t seed, words *first, words *second) {
    uint64_t p1 = (uint64_t)MULTIPLIER_1 * purpose;
    uint32_t x0 = (uint32_t)(p1 >> 32) ^ quarter ^ seed, x1 = (uint32_t)p1;
    uint64_t q0 = (uint64_t)MULTIPLIER_0 * x0;
    uint32_t k0 = seed + WEYL_0, k1 = WEYL_1;
    products firsts[2], seconds[2];
    EACH(odd, 2) {
        products who = odd ? (products)customer >> 32 : (products)customer;
        products p0 = multiply(who, MULTIPLIER_0);
        products q1 = multiply((p0 >> 32) ^ (uint64_t)occasion, MULTIPLIER_1);
        rounds((q1 >> 32) ^ (uint64_t)(x1 ^ k0), q1, p0 ^ (uint64_t)((uint32_t)(q0 >> 32) ^ k1),
               (uint64_t)(uint32_t)q0 - (products){0}, seed, firsts + odd, seconds + odd);
    }
    *first = (words)((firsts[0] & 0xFFFFFFFFu) | firsts[1] << 32);
    *second = (words)((seconds[0] & 0xFFFFFFFFu) | seconds[1] << 32);
}

/* 2^x for |x| < 126: a minimax polynomial on [-1/2, 1/2], relative error below 2e-7. */
INLINE floats exp2_of(floats x) {
    floats n = nearest(x), f = x - n;
    floats p = all(1.3333558e-3f);
    p = p * f + 9.6181291e-3f;
    p = p * f + 5.5504109e-2f;
    p = p * f + 2.4022651e-1f;
    p = p * f + 6.9314718e-1f;
    p = p * f + 1.0f;
    return times_two_to(p, n);
}

/* ln x for normal x > 0, as Cephes' logf does it (Moshier 1989). */
INLINE floats log_of(floats x) {
    ints bits = (ints)x;
    floats n = __builtin_convertvector((bits >> 23) - 126, floats);
    floats m = (floats)((bits & 0x007FFFFF) | 0x3F000000);
    mask small = less(m, all(0.70710678f));
    n = choose(small, n - 1.0f, n);
    floats r = choose(small, m + m, m) - 1.0f, z = r * r, p = all(7.0376836292e-2f);
    p = p * r + -1.1514610310e-1f;
    p = p * r + 1.1676998740e-1f;
    p = p * r + -1.2420140846e-1f;
    p = p * r + 1.4249322787e-1f;
    p = p * r + -1.6668057665e-1f;
    p = p * r + 2.0000714765e-1f;
    p = p * r + -2.4999993993e-1f;
    p = p * r + 3.3333331174e-1f;
    return n * 0.69314718f + (r + (r * z * p - 0.5f * z));
}

/* Standard normal quantile: the single-precision polynomials of Giles (2010). */
INLINE floats normal(words word) {
    /* x = 2u - 1 in (-1, 1); 1 - |x| is counted from the nearer end, to keep the tails' digits. */
    ints centred = (ints)(word ^ 0x80000000u), folded = centred ^ (centred >> 31);
    floats t = __builtin_convertvector(0x7FFFFFFF - folded, floats) * 0x1p-31f + 0x1p-32f;
    floats x = 1.0f - t;
    floats w = -log_of(t * (1.0f + x)), y = w - 2.5f;
    floats p = all(2.81022636e-08f);
    p = p * y + 3.43273939e-07f;
    p = p * y + -3.5233877e-06f;
    p = p * y + -4.39150654e-06f;
    p = p * y + 0.00021858087f;
    p = p * y + -0.00125372503f;
    p = p * y + -0.00417768164f;
    p = p * y + 0.246640727f;
    p = p * y + 1.50140941f;
    mask tail = less(all(5.0f), w);
    if (__builtin_expect(any(tail), 0)) {
        floats q = all(-0.000200214257f);
        y = root(w) - 3.0f;
        q = q * y + 0.000100950558f;
        q = q * y + 0.00134934322f;
        q = q * y + -0.00367342844f;
        q = q * y + 0.00573950773f;
        q = q * y + -0.0076224613f;
        q = q * y + 0.00943887047f;
        q = q * y + 1.00167406f;
        q = q * y + 2.83297682f;
        p = choose(tail, q, p);
    }
    floats z = 1.41421356f * p * x;
    return (floats)((words)z ^ ((words)centred & 0x80000000u));
}

/* A uniform in [0, 1) of 24 bits. */
INLINE floats uniform(words word) {
    return __builtin_convertvector((ints)(word >> 8), floats) * 0x1p-24f;
}

/* Poisson quantile of u by inversion, until the last lane is found; raises `most`. */
INLINE ints poisson(floats mean, words word, int *most) {
    /* In float32 the sum may stop short of 1: above such a u it would not end. */
    floats u = uniform(word), n = all(0.0f), largest = all(0.999999f);
    u = choose(less(u, largest), u, largest);
    floats p = exp2_of(mean * -LOG2_E), cumulative = p;
    int k = 1;
    for (mask short_of = less(cumulative, u); k < MOST && any(short_of); k++) {
        n = choose(short_of, n + 1.0f, n);
        p *= mean / (float)k;
        cumulative += p;
        short_of = less(cumulative, u);
    }
    if (k - 1 > *most) *most = k - 1;
    return __builtin_convertvector(n, ints);
}

typedef struct {
    floats taste[N_BRANDS]; /* times log2 e, like the weights: odds are powers of 2 */
    floats value[N_BRANDS];
    floats habit[N_BRANDS];
} buyers;

/* Let the lanes of `buying` choose a brand and learn from it. */
INLINE void buy(const parameters *p, buyers *s, words first, words second, mask buying,
                int64_t *bought) {
    floats weight_value = all(p->weight_value * LOG2_E);
    floats weight_habit = all(p->weight_habit * LOG2_E);
    floats cumulative[N_BRANDS], sum = all(0.0f);
    EACH(b, N_BRANDS) {
        sum += exp2_of(s->taste[b] + weight_value * s->value[b] + weight_habit * s->habit[b]);
        cumulative[b] = sum;
    }
    floats target = uniform(first) * sum, known = s->value[0];
    mask chosen[N_BRANDS], beyond = buying; /* beyond: the brand chosen comes later */
    EACH(b, N_BRANDS - 1) {
        chosen[b] = less_of(beyond, target, cumulative[b]);
        beyond = rest_of(buying, target, cumulative[b]);
        known = choose(beyond, s->value[b + 1], known);
    }
    chosen[N_BRANDS - 1] = beyond;
    floats delta = p->noise * normal(second) - known, step = p->learning * delta;
    step = choose(less(delta, all(0.0f)), p->negativity * step, step);
    EACH(b, N_BRANDS) {
        floats habit = s->habit[b] * p->smoothing;
        s->value[b] = choose(chosen[b], s->value[b] + step, s->value[b]);
        habit = choose(chosen[b], habit + (1.0f - p->smoothing), habit);
        s->habit[b] = choose(buying, habit, s->habit[b]);
        bought[b] += count(chosen[b]);
    }
}

/* Take 64 customers, `first` and those after it, through a quarter. */
INLINE void live_block(const parameters *p, const customers *c, int64_t first, uint32_t quarter,
                       uint32_t seed, int64_t *bought) {
    ints occasions[VECTORS], place[VECTORS], back[VECTORS] = {0};
    floats drawn[VECTORS]; /* the occasions, to be picked like a column */
    int most = 0;
    EACH(v, VECTORS) {
        floats rate;
        words word, unused;
        memcpy(&rate, c->rate + first + v * LANES, sizeof rate);
        philox((words)lanes_from(v * LANES) + (uint32_t)first, quarter, INCIDENCE, 0, seed, &word,
               &unused);
        occasions[v] = poisson(rate, word, &most);
        drawn[v] = (floats)occasions[v];
    }
    if (!most) return;
    order(occasions, most, place, back);
    floats value[N_BRANDS][VECTORS], habit[N_BRANDS][VECTORS], taste[N_BRANDS][VECTORS];
    EACH(b, N_BRANDS) {
        memcpy(taste[b], c->taste + b * c->n_customers + first, sizeof taste[b]);
        memcpy(value[b], c->value + b * c->n_customers + first, sizeof value[b]);
        memcpy(habit[b], c->habit + b * c->n_customers + first, sizeof habit[b]);
    }
    floats values[N_BRANDS][VECTORS], habits[N_BRANDS][VECTORS];
    for (int v = 0; v < VECTORS; v++) {
        buyers s;
        EACH(b, N_BRANDS) {
            s.taste[b] = pick(taste[b], place[v]) * LOG2_E;
            s.value[b] = pick(value[b], place[v]);
            s.habit[b] = pick(habit[b], place[v]);
        }
        ints ahead = (ints)pick(drawn, place[v]);
        words customer = (words)place[v] + (uint32_t)first;
        for (int k = 0; k < ahead[0]; k++) {
            words choice, noise;
            philox(customer, quarter, OCCASION, (uint32_t)k, seed, &choice, &noise);
            buy(p, &s, choice, noise, more_than(ahead, k), bought);
        }
        EACH(b, N_BRANDS) {
            values[b][v] = s.value[b];
            habits[b][v] = s.habit[b];
        }
    }
    EACH(b, N_BRANDS) {
        EACH(v, VECTORS) {
            value[b][v] = pick(values[b], back[v]);
            habit[b][v] = pick(habits[b], back[v]);
        }
        memcpy(c->value + b * c->n_customers + first, value[b], sizeof value[b]);
        memcpy(c->habit + b * c->n_customers + first, habit[b], sizeof habit[b]);
    }
}

void live_quarter(const parameters *p, const customers *c, int64_t first, int64_t last,
                  uint32_t quarter, uint32_t seed, int64_t *bought) {
    const parameters copy = *p;
    int64_t sums[N_BRANDS] = {0};
    for (int64_t i = first; i < last; i += BLOCK)
        live_block(&copy, c, i, quarter, seed, sums);
    EACH(b, N_BRANDS) bought[b] += sums[b];
}
