/* What the two C peers share: the parameters, the state of customers and the addresses of draws.

   Compiled with -DN_BRANDS=5. The model is in minimal.py. Columns are brand-major: what customer i
   thinks of brand b is at [b * n_customers + i]. A draw is Philox-4x32-10 (Salmon et al. 2011) of
   (customer, quarter, purpose, occasion) under the key (seed, 0), as in sim/kernels/philox.py. */

#include <math.h>
#include <stdint.h>

enum { INCIDENCE, OCCASION };
enum { ROUNDS = 10 };
#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u
#define WEYL_1 0xBB67AE85u

typedef struct {
    float weight_value, weight_habit, learning, negativity, noise, smoothing;
} parameters;

typedef struct {
    int64_t n_customers;
    const float *rate;  /* [n_customers] purchases per quarter */
    const float *taste; /* [N_BRANDS][n_customers], like the next two */
    float *value;
    float *habit;
} customers;

/* Take customers first <= i < last through a quarter; adds to bought[N_BRANDS]. */
void live_quarter(const parameters *p, const customers *c, int64_t first, int64_t last,
                  uint32_t quarter, uint32_t seed, int64_t *bought);
