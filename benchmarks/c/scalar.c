/* The minimal model in plain C: one customer, one occasion, one brand at a time. */

#include "model.h"

typedef struct {
    uint32_t word[4];
} words;

static words philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)MULTIPLIER_0 * c0, p1 = (uint64_t)MULTIPLIER_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += WEYL_0;
        k1 += WEYL_1;
    }
    return (words){{c0, c1, c2, c3}};
}

static double uniform(uint32_t word) { return (word + 0.5) * 0x1p-32; }

/* Poisson quantile of u by inversion; the sum ends where no uniform of 32 bits reaches. */
static int poisson(double mean, double u) {
    double p = exp(-mean), cumulative = p;
    int n = 0, limit = (int)(mean + 12.0 * sqrt(mean) + 24.0);
    while (u > cumulative && n < limit) {
        n++;
        p *= mean / n;
        cumulative += p;
    }
    return n;
}

/* Standard normal quantile of u: the single-precision polynomials of Giles (2010). */
static float normal(uint32_t word) {
    static const float central[] = {2.81022636e-08f,  3.43273939e-07f,  -3.5233877e-06f,
                                    -4.39150654e-06f, 0.00021858087f,   -0.00125372503f,
                                    -0.00417768164f,  0.246640727f,     1.50140941f};
    static const float tail[] = {-0.000200214257f, 0.000100950558f, 0.00134934322f,
                                 -0.00367342844f,  0.00573950773f,  -0.0076224613f,
                                 0.00943887047f,   1.00167406f,     2.83297682f};
    /* Counted from the nearer end of the unit interval, u keeps its precision in both tails. */
    int upper = word >= 0x80000000u;
    float t = ((float)(upper ? ~word : word) + 0.5f) * 0x1p-32f;
    float w = -logf(4.0f * t * (1.0f - t));
    const float *c = w < 5.0f ? central : tail;
    float y = w < 5.0f ? w - 2.5f : sqrtf(w) - 3.0f, z = c[0];
    for (int i = 1; i < 9; i++) z = c[i] + z * y;
    z *= 1.41421356f * (1.0f - 2.0f * t);
    return upper ? z : -z;
}

/* Let a customer choose a brand and learn from it; returns the brand. */
static int buy(const parameters *p, const float *taste, float *value, float *habit, words w) {
    float cumulative[N_BRANDS], sum = 0.0f;
    for (int b = 0; b < N_BRANDS; b++) {
        sum += expf(taste[b] + p->weight_value * value[b] + p->weight_habit * habit[b]);
        cumulative[b] = sum;
    }
    float target = (float)uniform(w.word[0]) * sum;
    int brand = 0;
    while (brand < N_BRANDS - 1 && target >= cumulative[brand]) brand++;
    float delta = p->noise * normal(w.word[1]) - value[brand];
    value[brand] += p->learning * delta * (delta < 0.0f ? p->negativity : 1.0f);
    for (int b = 0; b < N_BRANDS; b++) habit[b] *= p->smoothing;
    habit[brand] += 1.0f - p->smoothing;
    return brand;
}

void live_quarter(const parameters *p, const customers *c, int64_t first, int64_t last,
                  uint32_t quarter, uint32_t seed, int64_t *bought) {
    for (int64_t i = first; i < last; i++) {
        uint32_t customer = (uint32_t)i;
        words w = philox(customer, quarter, INCIDENCE, 0, seed, 0);
        int occasions = poisson(c->rate[i], uniform(w.word[0]));
        if (!occasions) continue;
        float taste[N_BRANDS], value[N_BRANDS], habit[N_BRANDS];
        for (int b = 0; b < N_BRANDS; b++) {
            taste[b] = c->taste[b * c->n_customers + i];
            value[b] = c->value[b * c->n_customers + i];
            habit[b] = c->habit[b * c->n_customers + i];
        }
        for (int k = 0; k < occasions; k++) {
            w = philox(customer, quarter, OCCASION, (uint32_t)k, seed, 0);
            bought[buy(p, taste, value, habit, w)]++;
        }
        for (int b = 0; b < N_BRANDS; b++) {
            c->value[b * c->n_customers + i] = value[b];
            c->habit[b * c->n_customers + i] = habit[b];
        }
    }
}
