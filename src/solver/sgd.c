/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stochastic gradient descent: minimise, over w and b,
 *
 *     1/n Σ_i h_i l(y_i, x_i·w + b) + l2 / 2 Σ_j w_j² + l1 Σ_j |w_j|
 *
 * scikit-learn's objective and schedules, by a path of its own that data of any scale cannot throw off:
 *
 * 1. Scales.  Weights are kept per scaled feature, v_j = s_j w_j, for values x_j / s_j of about 1.  s_j is known before
 *    (dense columns: the standard deviation) or is the largest |x_j| so far, as in normalised gradient descent (Ross,
 *    Mineiro & Langford, "Normalized online learning", UAI'13, algorithm 1).  A step of η means what it means in
 *    scikit-learn where s_j ≤ 1 (sparse) or the columns are standardised (dense): only larger values are tamed.
 *
 * 2. Rates.  The step of feature j at time t is
 *        η_j = min(η_t d_j, γ_t / √G_j),   d_j = min(1, s_j²) for learned scales, 1 for fixed ones,
 *    where η_t is the schedule's.  The second bound holds for the schedule "optimal" only: G_j is the sum of the squared
 *    scaled gradients (Duchi, Hazan & Singer, "Adaptive subgradient methods", JMLR 12, 2011) and γ_t = RATE unit
 *    √(t / N_t), N_t being the sum of all |x_i / s|² so far (Ross et al., algorithm 3).  Rare features keep long steps,
 *    frequent ones settle; 1 / (α (t + t0)) takes over in the end.  A row of weight h counts h times in G_j, as if it
 *    were there h times; γ_t / √(mean h) then makes the bound the same whatever the weights are measured in.
 *
 * 3. Implicit steps.  A row's own step never overshoots its own loss: the slope u is that at the margin after the step,
 *        u = l'(y, m - h q u),   q = Σ_j η_j (x_j / s_j)²
 *    (Kulis & Bartlett, "Implicit online learning", ICML'10; Karampatziakis & Langford, UAI'11).  With a schedule that
 *    does not adapt, a plain step is taken as it is where it overshoots nothing: it moves the margin by no more than the
 *    slope, and not past the loss's minimum.  That is scikit-learn's step, and it is the longer one.  The perceptron, whose
 *    implicit step never leaves 0, goes by its plain slope.
 *
 * 4. Penalties cost O(non-zeros): a weight catches up when its feature is next seen, or at the end of a pass.
 *    l2 by an implicit step over the time missed, v /= 1 + η_j l2 / s_j² Δt; l1 by the cumulative penalty (Tsuruoka,
 *    Tsujii & Ananiadou, ACL'09) with u_j the penalty due and q_j the penalty received.  Averages (Polyak & Juditsky)
 *    catch up in the same way.
 *
 * Memory: 32 bytes for each feature and problem, 8 more with l1, 8 more with averages.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "solver/sgd_internal.h"

#define INLINE static inline __attribute__((always_inline))

#define RATE 1.0 /* longest first step of a margin, in units; measured: 0.5 is too short for one pass, 1.4 for many */
#define MAX_SLOPE 1e12 /* scikit-learn's clip */
#define FLUSH_AFTER (1u << 31)
#define AHEAD 16 /* entries: features this far ahead are fetched, which saves an eighth of the time */

typedef skimpi_sgd_feature feature;

typedef skimpi_sgd_debt debt;
typedef skimpi_sgd_problem_state problem;
typedef skimpi_sgd_head header;

/* ---- memory ------------------------------------------------------------------------------------------------------- */

typedef struct layout {
    uint64_t problems, features, debts, sums, bytes;
} layout;

static layout lay_out(const skimpi_sgd_options *o)
{
    uint64_t n = skimpi_mul_sat(o->n_features, o->n_problems);
    layout l;
    l.problems = 64;
    l.features = l.problems + skimpi_round_up((size_t)o->n_problems * sizeof(problem), 64);
    l.debts = skimpi_add_sat(l.features, skimpi_mul_sat(n, sizeof(feature)));
    l.sums = skimpi_add_sat(l.debts, o->l1 > 0 ? skimpi_mul_sat(n, sizeof(debt)) : 0);
    l.bytes = skimpi_add_sat(l.sums, o->average_from != 0 ? skimpi_mul_sat(n, sizeof(double)) : 0);
    return l;
}

uint64_t skimpi_sgd_bytes(const skimpi_sgd_options *options)
{
    return skimpi_add_sat(skimp_alloc_cost(sizeof(skimpi_sgd)), skimp_alloc_cost(lay_out(options).bytes));
}

skimp_status skimpi_sgd_create(skimpi_sgd **out, skimp_budget *budget, const skimpi_sgd_options *options,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_sgd *sgd = NULL;
    layout l = lay_out(options);
    void *block;
    *out = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_SOLVER, 1, sizeof(*sgd), &block, error));
    sgd = block;
    sgd->budget = budget;
    sgd->options = *options;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_SOLVER, 1, l.bytes, &sgd->block, error));
    char *bytes = sgd->block;
    sgd->bytes = l.bytes;
    sgd->head = (header *)(void *)bytes;
    sgd->problems = (problem *)(void *)(bytes + l.problems);
    sgd->features = (feature *)(void *)(bytes + l.features);
    sgd->debts = options->l1 > 0 ? (debt *)(void *)(bytes + l.debts) : NULL;
    sgd->sums = options->average_from != 0 ? (double *)(void *)(bytes + l.sums) : NULL;
    for (uint64_t i = 0; i < options->n_features * options->n_problems; i++) {
        sgd->features[i].inverse_scale = FLT_MAX;
    }
    for (uint32_t k = 0; k < options->n_problems; k++) {
        sgd->problems[k].is_active = 1;
        sgd->problems[k].slow = 1;
    }
    /* scikit-learn's start (Bottou): the first step is one that a typical weight of this penalty could make. */
    if (options->schedule == SKIMPI_SGD_OPTIMAL) {
        double typical = sqrt(1 / sqrt(options->alpha));
        double first_eta = typical / fmax(1, options->loss->first(1, -typical, options->loss_parameter));
        sgd->t0 = 1 / (first_eta * options->alpha);
    }
#if defined(__x86_64__)
    sgd->is_wide = !options->plain && options->l1 == 0 && options->average_from == 0 && skimpi_sgd_wide_runs();
#endif
    sgd->implicit = strcmp(options->loss->name, "perceptron") != 0;
    *out = sgd;
    sgd = NULL;
out:
    skimpi_sgd_destroy(sgd);
    return status;
}

void skimpi_sgd_destroy(skimpi_sgd *sgd)
{
    if (sgd != NULL) {
        skimp_free(sgd->budget, SKIMP_TAG_SOLVER, sgd->block, 1, lay_out(&sgd->options).bytes);
        skimp_free(sgd->budget, SKIMP_TAG_SOLVER, sgd, 1, sizeof(*sgd));
    }
}

void skimpi_sgd_fix(skimpi_sgd *sgd, uint64_t j, double scale)
{
    for (uint32_t k = 0; k < sgd->options.n_problems; k++) {
        feature *f = &sgd->features[k * sgd->options.n_features + j];
        f->inverse_scale = 1;
        f->d = 1;
        f->pull = scale > 0 ? (float)fmin(1e30, 1 / scale / scale) : 0;
    }
}

void skimpi_sgd_set_unit(skimpi_sgd *sgd, double unit)
{
    sgd->options.unit = unit;
}

/* ---- one step ------------------------------------------------------------------------------------------------------ */

typedef skimpi_sgd_rates rates;

/* Which of the ways a step can go: constants, so that each is compiled by itself. */
enum { ADAPT = 1, L2 = 2, L1 = 4, AVERAGE = 8 };

INLINE float rate_of(const feature *f, const rates *r, int way)
{
    float eta = r->eta * f->d;
    if (way & ADAPT) {
        float own = r->gamma * f->inverse_root;
        eta = own < eta ? own : eta;
    }
    return eta;
}

__attribute__((noinline)) void skimpi_sgd_grow(feature *f, float size, bool adapts)
{
    float s = fmaxf(size, FLT_MIN);
    bool is_known = f->inverse_scale < FLT_MAX;
    if (is_known && (adapts ? f->g == 0 : s <= 1)) {
        /* Where steps are scikit-learn's, so is the weight; and one that no step has moved yet was given (sgd_past.c). */
        f->v *= (double)s * f->inverse_scale;
    }
    f->inverse_scale = 1 / s;
    f->d = s < 1 ? s * s : 1;
    f->pull = fminf(f->inverse_scale * f->inverse_scale, 1e30f);
}

/* Penalties and averages over the steps since the feature was last seen. */
INLINE void catch_up(feature *f, const rates *r, int way, debt *owed, double *sum)
{
    if (way & (L2 | L1 | AVERAGE)) {
        uint32_t missed = r->now - f->last;
        float rate = way & (L2 | L1) ? rate_of(f, r, way) * (float)missed : 0;
        if (way & L2) {
            float a = rate * r->l2 * f->pull;
            /* a / (1 + a): by its series where that is exact to float, which spares most entries a division */
            float share = __builtin_expect(a < 1e-3f, 1) ? a - a * a * (1 - a) : a < 1e30f ? a / (1 + a) : 1;
            f->v -= f->v * (double)share;
        }
        if (way & L1) {
            owed->due += rate * r->l1 * sqrtf(f->pull);
            double before = f->v;
            if (before > 0) {
                f->v = fmax(0, before - (double)(owed->due + owed->received));
            } else if (before < 0) {
                f->v = fmin(0, before + (double)(owed->due - owed->received));
            }
            owed->received += (float)(f->v - before);
        }
        if (way & AVERAGE) {
            uint32_t from = f->last > r->average_from ? f->last : r->average_from;
            *sum += r->now > from ? f->v * (double)f->inverse_scale * (double)(r->now - from) : 0;
        }
        f->last = r->now;
    }
}

/* Entries of a row, in blocks whose indices are 32-bit and whose values are floats. */
#define BLOCK 64
typedef struct block {
    const uint32_t *index;
    const float *value;
    uint32_t n;
} block;

typedef struct unpacked {
    uint32_t index[BLOCK];
    float value[BLOCK];
} unpacked;

/* Is the row's CSR part in that form already? */
INLINE bool is_plain(const skimpi_sgd_row *row)
{
    return row->index != NULL && row->f32 != NULL && row->csr_base == 0;
}

static __attribute__((noinline)) block unpack(const skimpi_sgd_row *row, uint32_t at, unpacked *to)
{
    uint32_t n = row->n_csr - at < BLOCK ? row->n_csr - at : BLOCK;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t index = row->index != NULL ? row->index[at + i] : row->index64[at + i];
        double value = row->f32 != NULL ? (double)row->f32[at + i] : row->f64 != NULL ? row->f64[at + i] : 1;
        to->index[i] = (uint32_t)(index + row->csr_base);
        to->value[i] = (float)fmax(-1e30, fmin(1e30, value));
    }
    return (block){ to->index, to->value, n };
}

typedef skimpi_sgd_sums sums;

typedef struct place {
    feature *features;
    debt *debts;
    double *sums;
} place;

/* Brings the features of a block up to date; adds to margin, norm and (where rates do not adapt) reach. */
INLINE void look(block b, const place *p, const rates *r, int way, bool is_learned, sums *s)
{
    double margin[2] = { 0, 0 };
    float norm = 0, reach = 0;
    for (uint32_t i = 0; i < b.n; i++) {
        uint32_t j = b.index[i];
        feature *f = &p->features[j];
        float x = b.value[i];
        if (i + AHEAD < b.n) {
            __builtin_prefetch(&p->features[b.index[i + AHEAD]]);
        }
        if (is_learned && __builtin_expect(fabsf(x) * f->inverse_scale > SKIMPI_SGD_LARGER, 0)) {
            skimpi_sgd_grow(f, fabsf(x), way & ADAPT);
        }
        catch_up(f, r, way, way & L1 ? &p->debts[j] : NULL, way & AVERAGE ? &p->sums[j] : NULL);
        x = is_learned ? x * f->inverse_scale : x;
        margin[i & 1] += f->v * (double)x;
        norm += x * x;
        if (!(way & ADAPT)) {
            reach += f->d * x * x;
        }
    }
    s->margin += margin[0] + margin[1];
    s->norm += (double)norm;
    s->reach += (double)reach;
}

/* Adds the squared gradients of a block, slope² (x / s)², and gives the reach of the rates that follow. */
INLINE void adapt(block b, const place *p, const rates *r, float slope_squared, bool is_learned, sums *s)
{
    float reach = 0;
    for (uint32_t i = 0; i < b.n; i++) {
        feature *f = &p->features[b.index[i]];
        float x = is_learned ? b.value[i] * f->inverse_scale : b.value[i];
        float square = x * x;
        float g = f->g + slope_squared * square;
        float root = g > 0 ? 1 / sqrtf(g) : 0;
        f->g = g;
        f->inverse_root = root;
        reach += rate_of(f, r, ADAPT) * square;
    }
    s->reach += (double)reach;
}

INLINE void move(block b, const place *p, const rates *r, double slope, bool is_learned, int way)
{
    for (uint32_t i = 0; i < b.n; i++) {
        feature *f = &p->features[b.index[i]];
        float x = is_learned ? b.value[i] * f->inverse_scale : b.value[i];
        f->v -= slope * (double)(rate_of(f, r, way) * x);
    }
}

/* Does `what` for the row's blocks, the fixed ones first. */
#define EACH_BLOCK(row, call)                                                                                          \
    do {                                                                                                               \
        block b = { (row)->fixed_index, (row)->fixed_value, (row)->n_fixed };                                          \
        bool is_learned = false;                                                                                       \
        (void)is_learned;                                                                                              \
        call;                                                                                                          \
        is_learned = true;                                                                                             \
        if (plain) {                                                                                                   \
            b = (block){ (row)->index, (row)->f32, (row)->n_csr };                                                     \
            call;                                                                                                      \
        } else {                                                                                                       \
            for (uint32_t at = 0; at < (row)->n_csr; at += BLOCK) {                                                    \
                b = unpack(row, at, &room);                                                                            \
                call;                                                                                                  \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

/*
 * The implicit slope: u between 0 and l'(m) with u = l'(m - reach u).  The right side falls as u grows, so that there is
 * one root; regula falsi with the Illinois rule, to one part in 2,000, finds it (at a kink: the subgradient that ends on it).
 */
static double implicit_slope(const skimpi_sgd_options *o, double target, double margin, double slope, double reach)
{
    double low = 0, low_error = -slope;
    double high = slope, high_error = slope - o->loss->first(target, margin - reach * slope, o->loss_parameter);
    double tolerance = 5e-4 * fabs(slope);
    int side = 0;
    if (!(fabs(high_error) > tolerance)) {
        return slope;
    }
    double u = high;
    for (unsigned i = 0; i < 30; i++) {
        u = low - low_error * ((high - low) / (high_error - low_error));
        double wrong = u - o->loss->first(target, margin - reach * u, o->loss_parameter);
        if (fabs(wrong) <= tolerance || fabs(high - low) <= tolerance) {
            break;
        }
        if ((wrong > 0) == (high_error > 0)) {
            high = u;
            high_error = wrong;
            low_error = side == 1 ? low_error / 2 : low_error;
            side = 1;
        } else {
            low = u;
            low_error = wrong;
            high_error = side == -1 ? high_error / 2 : high_error;
            side = -1;
        }
    }
    return u;
}

static bool is_passive(const skimpi_sgd_options *o)
{
    return o->schedule == SKIMPI_SGD_PA1 || o->schedule == SKIMPI_SGD_PA2;
}

/* How far a row goes, from what was seen of it: the slope that its features move by (its weight included). */
typedef struct outcome {
    double loss, slope; /* at the margin before the step */
    double intercept_rate;
} outcome;

INLINE bool begin_step(skimpi_sgd *sgd, problem *pr, double target, double margin, double norm, const rates *r,
                       outcome *to)
{
    const skimpi_sgd_options *o = &sgd->options;
    to->loss = o->loss->value(target, margin, o->loss_parameter);
    pr->loss_sum += r->weight * to->loss;
    pr->plain_loss_sum += to->loss;
    pr->weight += r->weight;
    pr->weighted += r->weight != 0 ? 1 : 0;
    if (r->counts_norm) {
        sgd->head->norms += norm + (o->fit_intercept ? 1 : 0);
    }
    to->slope = o->loss->first(target, margin, o->loss_parameter);
    to->slope = fmax(-MAX_SLOPE * o->unit, fmin(MAX_SLOPE * o->unit, to->slope));
    to->intercept_rate = (double)r->eta * o->intercept_rate;
    return to->slope != 0 && r->weight != 0;
}

/* What γ_t is multiplied by for the weights of a problem's rows so far. */
INLINE double weights_factor(const problem *pr)
{
    return pr->weight > 0 ? sqrt(pr->weighted / pr->weight) : 1;
}

/* The squared slope that a row adds to G, and γ_t. */
INLINE float begin_adapt(skimpi_sgd *sgd, const problem *pr, const outcome *to, rates *r)
{
    const double scaled = to->slope / sgd->options.unit;
    r->gamma = (float)(RATE * sqrt((double)(sgd->head->rows + 1) / sgd->head->norms) * weights_factor(pr));
    return (float)(r->weight * scaled * scaled);
}

/* reach: Σ η_j (x / s)² where rates adapt, Σ d_j (x / s)² where not. Moves the intercept; returns what the features move by. */
INLINE double end_step(skimpi_sgd *sgd, problem *pr, double target, double margin, double reach, float slope_squared,
                       const rates *r, outcome *to, int way)
{
    const skimpi_sgd_options *o = &sgd->options;
    double slope = to->slope;
    if (way & ADAPT) {
        pr->intercept_g += (double)slope_squared;
        to->intercept_rate =
            fmin(to->intercept_rate, pr->intercept_g > 0 ? (double)r->gamma / sqrt(pr->intercept_g) : 0);
    } else if (is_passive(o)) {
        /* u such that the step is the passive-aggressive one: τ x, τ = min(C, l / |x|²) or l / (|x|² + 1 / 2C). */
        double tau = o->schedule == SKIMPI_SGD_PA1 ? (reach > 0 ? fmin(o->eta0, to->loss / reach) : 0)
                                                   : to->loss / (reach + 0.5 / o->eta0);
        slope = copysign(tau, slope) / (double)r->eta;
    } else {
        reach *= (double)r->eta;
    }
    double intercept_rate = o->fit_intercept ? to->intercept_rate : 0;
    double all = r->weight * (reach + intercept_rate);
    bool is_tame =
        !(way & ADAPT) && all <= 1 && slope * o->loss->first(target, margin - all * slope, o->loss_parameter) >= 0;
    if (sgd->implicit && !is_passive(o) && !is_tame) {
        slope = implicit_slope(o, target, margin, slope, all);
    }
    slope *= r->weight;
    pr->intercept -= slope * intercept_rate;
    return slope;
}

INLINE void step(skimpi_sgd *sgd, uint32_t k, const skimpi_sgd_row *row, double target, rates *r, int way, bool plain)
{
    problem *pr = &sgd->problems[k];
    size_t base = (size_t)k * sgd->options.n_features;
    place p = { sgd->features + base, way & L1 ? sgd->debts + base : NULL, way & AVERAGE ? sgd->sums + base : NULL };
    sums s = { 0, 0, 0 };
    unpacked room;
    outcome to;
    float squared = 0;
    EACH_BLOCK(row, look(b, &p, r, way, is_learned, &s));
    double margin = s.margin + pr->intercept;
    if (!begin_step(sgd, pr, target, margin, s.norm, r, &to)) {
        return;
    }
    if (way & ADAPT) {
        squared = begin_adapt(sgd, pr, &to, r);
        EACH_BLOCK(row, adapt(b, &p, r, squared, is_learned, &s));
    }
    double slope = end_step(sgd, pr, target, margin, s.reach, squared, r, &to, way);
    EACH_BLOCK(row, move(b, &p, r, slope, is_learned, way));
}

#if defined(__x86_64__)

/* ---- the same, eight features at a time ------------------------------------------------------------------------------ */

/* Can the row go that way?  Features must not come twice: dense columns and codes ascend each, and so do CSR entries. */
static bool is_for_wide(const skimpi_sgd_row *row)
{
    uint32_t falls = 0, equal = 0;
    if ((uint64_t)row->n_fixed + row->n_csr > SKIMPI_SGD_WIDE) {
        return false;
    }
    for (uint32_t i = 1; i < row->n_fixed; i++) {
        falls += row->fixed_index[i] < row->fixed_index[i - 1];
        equal += row->fixed_index[i] == row->fixed_index[i - 1];
    }
    bool good = equal == 0 && (falls == 0 || (falls == 1 && row->fixed_index[0] > row->fixed_index[row->n_fixed - 1]));
    uint32_t unordered = 0;
    if (row->index != NULL) {
        for (uint32_t i = 1; i < row->n_csr; i++) {
            unordered |= row->index[i] <= row->index[i - 1];
        }
    } else {
        for (uint32_t i = 1; i < row->n_csr; i++) {
            unordered |= row->index64[i] <= row->index64[i - 1];
        }
    }
    return good && unordered == 0;
}

static void take_row(skimpi_sgd_wide *w, feature *features, const skimpi_sgd_row *row)
{
    w->n = 0;
    skimpi_sgd_wide_take(w, features, row->fixed_index, row->fixed_value, row->n_fixed);
    w->n_fixed = w->n;
    if (is_plain(row)) {
        skimpi_sgd_wide_take(w, features, row->index, row->f32, row->n_csr);
    } else {
        unpacked room;
        for (uint32_t at = 0; at < row->n_csr; at += BLOCK) {
            block b = unpack(row, at, &room);
            skimpi_sgd_wide_take(w, features, b.index, b.value, b.n);
        }
    }
    for (; w->n % 8 != 0; w->n++) {
        w->features[w->n] = &w->spare[w->n % 8];
        w->x[w->n] = 0;
    }
}

static void step_wide(skimpi_sgd *sgd, uint32_t k, const skimpi_sgd_row *row, double target, rates *r, int way)
{
    problem *pr = &sgd->problems[k];
    skimpi_sgd_wide *w = &sgd->wide;
    sums s = { 0, 0, 0 };
    outcome to;
    float squared = 0;
    take_row(w, sgd->features + (size_t)k * sgd->options.n_features, row);
    skimpi_sgd_wide_look(w, r, way & ADAPT, &s);
    double margin = s.margin + pr->intercept, slope = 0;
    if (begin_step(sgd, pr, target, margin, s.norm, r, &to)) {
        if (way & ADAPT) {
            squared = begin_adapt(sgd, pr, &to, r);
            skimpi_sgd_wide_adapt(w, r, squared, &s);
        }
        slope = end_step(sgd, pr, target, margin, s.reach, squared, r, &to, way);
    }
    skimpi_sgd_wide_store(w, r, slope);
}

#endif

#define WAY(way)                                                                                                       \
    static void step_##way(skimpi_sgd *sgd, uint32_t k, const skimpi_sgd_row *row, double target, rates *r)            \
    {                                                                                                                  \
        if (is_plain(row)) {                                                                                           \
            step(sgd, k, row, target, r, way, true);                                                                   \
        } else {                                                                                                       \
            step(sgd, k, row, target, r, way, false);                                                                  \
        }                                                                                                              \
    }
/* clang-format off */
WAY(0)
WAY(1) WAY(2) WAY(3) WAY(4) WAY(5) WAY(6) WAY(7) WAY(8) WAY(9) WAY(10) WAY(11) WAY(12) WAY(13) WAY(14) WAY(15)
    /* clang-format on */

    static void (*const ways[16])(skimpi_sgd *, uint32_t, const skimpi_sgd_row *, double, rates *) = {
        step_0, step_1, step_2,  step_3,  step_4,  step_5,  step_6,  step_7,
        step_8, step_9, step_10, step_11, step_12, step_13, step_14, step_15,
    };

static int way_of(const skimpi_sgd_options *o)
{
    return (o->schedule == SKIMPI_SGD_OPTIMAL ? ADAPT : 0) | (o->l2 > 0 ? L2 : 0) | (o->l1 > 0 ? L1 : 0) |
           (o->average_from != 0 ? AVERAGE : 0);
}

static void step_one(skimpi_sgd *sgd, uint32_t k, const skimpi_sgd_row *row, double target, rates *r, int way)
{
#if defined(__x86_64__)
    if (sgd->is_wide && is_for_wide(row)) {
        step_wide(sgd, k, row, target, r, way);
        return;
    }
#endif
    ways[way](sgd, k, row, target, r);
}

/* The rates of the coming step but for what its row says. */
static rates rates_now(const skimpi_sgd *sgd)
{
    const skimpi_sgd_options *o = &sgd->options;
    double t = (double)sgd->head->rows + 1, eta = o->eta0;
    if (o->schedule == SKIMPI_SGD_OPTIMAL) {
        eta = 1 / (o->alpha * (sgd->t0 + t - 1));
    } else if (o->schedule == SKIMPI_SGD_INVSCALING) {
        eta = o->eta0 / pow(t, o->power_t);
    }
    /* Averages begin at step average_from; `now` counts steps since head->rows - now. */
    uint64_t before = sgd->head->rows - sgd->now;
    uint64_t from = o->average_from == 0 ? UINT32_MAX : o->average_from - 1 > before ? o->average_from - 1 - before : 0;
    return (rates){
        .eta = (float)fmin(eta, 1e30),
        .gamma = sgd->head->norms > 0 ? (float)(RATE * sqrt(t / sgd->head->norms)) : 0,
        .l2 = (float)o->l2,
        .l1 = (float)o->l1,
        .now = sgd->now,
        .average_from = from < UINT32_MAX ? (uint32_t)from : UINT32_MAX,
    };
}

/* All features up to date; the pass's clock starts again. */
static bool flush(skimpi_sgd *sgd)
{
    const skimpi_sgd_options *o = &sgd->options;
    int way = way_of(o);
    rates all = rates_now(sgd);
    bool is_finite = true;
    for (uint32_t k = 0; k < o->n_problems; k++) {
        rates r = all;
        r.eta *= (float)sgd->problems[k].slow;
        r.gamma *= (float)weights_factor(&sgd->problems[k]);
        for (uint64_t j = 0; j < o->n_features; j++) {
            size_t i = (size_t)k * o->n_features + j;
            if (sgd->problems[k].is_active) {
                catch_up(&sgd->features[i], &r, way, sgd->debts != NULL ? &sgd->debts[i] : NULL,
                         sgd->sums != NULL ? &sgd->sums[i] : NULL);
            }
            sgd->features[i].last = 0;
            is_finite = is_finite && isfinite(sgd->features[i].v);
        }
        is_finite = is_finite && isfinite(sgd->problems[k].intercept);
    }
    sgd->now = 0;
    return is_finite;
}

void skimpi_sgd_step(skimpi_sgd *sgd, const skimpi_sgd_row *row)
{
    const skimpi_sgd_options *o = &sgd->options;
    int way = way_of(o);
    rates now = rates_now(sgd);
    now.counts_norm = true;
    for (uint32_t k = 0; k < o->n_problems; k++) {
        if (sgd->problems[k].is_active == 0) {
            continue;
        }
        double target = row->target;
        rates r = now;
        r.weight = row->weight;
        if (o->is_classifier) {
            bool is_positive = target == (double)(o->n_problems == 1 ? 1 : k);
            r.weight *= skimpi_sgd_class_weight(o, k, is_positive);
            target = is_positive ? 1 : o->loss->classification ? 0 : -1;
        }
        r.eta *= (float)sgd->problems[k].slow;
        r.gamma *= (float)weights_factor(&sgd->problems[k]);
        step_one(sgd, k, row, target, &r, way);
        now.counts_norm = false;
        if (sgd->now >= r.average_from) {
            sgd->problems[k].intercept_sum += sgd->problems[k].intercept;
            sgd->problems[k].averaged++;
        }
    }
    sgd->head->rows++;
    sgd->head->pass_rows++;
    if (++sgd->now == FLUSH_AFTER) {
        (void)flush(sgd);
    }
}

/* ---- around the passes --------------------------------------------------------------------------------------------- */

/* w = v / s with both kinds of scales. */
double skimpi_sgd_penalty(const skimpi_sgd *sgd, uint32_t k)
{
    const skimpi_sgd_options *o = &sgd->options;
    const feature *f = sgd->features + (size_t)k * o->n_features;
    double squares = 0, sizes = 0;
    for (uint64_t j = 0; j < o->n_features; j++) {
        double size = fabs(f[j].v) * sqrt((double)f[j].pull);
        squares += size * size;
        sizes += size;
    }
    return o->l2 / 2 * squares + o->l1 * sizes;
}

bool skimpi_sgd_end_pass(skimpi_sgd *sgd, skimpi_sgd_epoch *epochs)
{
    const skimpi_sgd_options *o = &sgd->options;
    bool is_finite = flush(sgd);
    double rows = sgd->head->pass_rows > 0 ? (double)sgd->head->pass_rows : 1;
    for (uint32_t k = 0; k < o->n_problems; k++) {
        problem *pr = &sgd->problems[k];
        double penalty = skimpi_sgd_penalty(sgd, k);
        /* The penalty's mean: half of what the pass began and ended with. Between, weights are seldom all up to date. */
        double mean_penalty = is_passive(o) ? 0 : (pr->penalty + penalty) / 2;
        epochs[k] = (skimpi_sgd_epoch){ .objective = pr->loss_sum / rows + penalty,
                                        .weighted = pr->loss_sum / rows + mean_penalty,
                                        .plain = pr->plain_loss_sum / rows + mean_penalty };
        pr->penalty = penalty;
        pr->loss_sum = pr->plain_loss_sum = 0;
    }
    sgd->head->pass_rows = 0;
    return is_finite;
}

void skimpi_sgd_stop(skimpi_sgd *sgd, uint32_t k)
{
    sgd->problems[k].is_active = 0;
}

bool skimpi_sgd_is_active(const skimpi_sgd *sgd, uint32_t k)
{
    return sgd->problems[k].is_active != 0;
}

bool skimpi_sgd_slow_down(skimpi_sgd *sgd, uint32_t k)
{
    if (sgd->options.schedule != SKIMPI_SGD_ADAPTIVE || sgd->options.eta0 * sgd->problems[k].slow <= 1e-6) {
        return false;
    }
    sgd->problems[k].slow /= 5;
    return true;
}

double skimpi_sgd_weights(const skimpi_sgd *sgd, uint32_t k, double *coef)
{
    const skimpi_sgd_options *o = &sgd->options;
    size_t base = (size_t)k * o->n_features;
    bool is_average = sgd->sums != NULL && sgd->problems[k].averaged > 0;
    double steps = (double)sgd->problems[k].averaged;
    for (uint64_t j = 0; j < o->n_features; j++) {
        const feature *f = &sgd->features[base + j];
        coef[j] = is_average                   ? sgd->sums[base + j] / steps
                  : f->inverse_scale < FLT_MAX ? f->v * (double)f->inverse_scale
                                               : 0;
    }
    return is_average ? sgd->problems[k].intercept_sum / steps : sgd->problems[k].intercept;
}

double skimpi_sgd_steps(const skimpi_sgd *sgd)
{
    return (double)sgd->head->rows;
}

void *skimpi_sgd_state(skimpi_sgd *sgd, size_t *bytes)
{
    *bytes = sgd->bytes;
    return sgd->block;
}

const void *skimpi_sgd_state_const(const skimpi_sgd *sgd, size_t *bytes)
{
    *bytes = sgd->bytes;
    return sgd->block;
}
