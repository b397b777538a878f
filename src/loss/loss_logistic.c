/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log loss, binary and multinomial, with exp and log1p of its own so that many values go at once.
 *
 * Binary, y in {-1, +1}, z = y m:
 *     l   = log(1 + exp(-z)) = max(0, -z) + log1p(e),   e = exp(-|z|)
 *     l'  = -y q,  q = 1 / (1 + exp(z)): e / (1 + e) when z > 0, else 1 / (1 + e)   (no cancellation on either side)
 *     l'' = q (1 - q) = e / (1 + e)²
 *
 * exp(x), x ≤ 0: x = k ln 2 + r, |r| ≤ ln 2 / 2; Taylor to r^13 (its remainder is under 5e-18); times 2^k by its bits.
 *     Under -708 the argument counts as -708: what it gives is 3e-308, which no sum of losses can tell from 0.
 * log1p(e), 0 ≤ e ≤ 1: with f = e, or (e - 1) / 2 and ln 2 added where e > √2 - 1, and s = f / (2 + f), |s| ≤ 0.172:
 *     log(1 + f) = 2 s + 2 s³ / 3 + 2 s⁵ / 5 + …   (the remainder after s^21 is under 1e-17).
 * Both are within 2 units in the last place.
 *
 * One body, compiled for three kinds of processors.  It uses no fused operations, so that all give the same bits.
 */
#include <math.h>
#include <string.h>

#include "loss/loss.h"

#define WIDTH 8

typedef double v8d __attribute__((vector_size(64)));
typedef double v8d_unaligned __attribute__((vector_size(64), aligned(8)));
typedef long long v8i __attribute__((vector_size(64)));

#define INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__)
#define DISPATCHED(call_wide, call_middle, call_plain)                                                                 \
    do {                                                                                                               \
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) {                                 \
            return call_wide;                                                                                          \
        }                                                                                                              \
        if (__builtin_cpu_supports("avx2")) {                                                                          \
            return call_middle;                                                                                        \
        }                                                                                                              \
        return call_plain;                                                                                             \
    } while (0)
#define TARGET_WIDE __attribute__((target("avx512f,avx512dq,prefer-vector-width=512")))
#define TARGET_MIDDLE __attribute__((target("avx2")))
#endif

/* mask ? a : b, bit by bit */
#define SELECT(mask, a, b) ((v8d)(((mask) & (v8i)(a)) | (~(mask) & (v8i)(b))))

INLINE void load(v8d *out, const double *from)
{
    *out = *(const v8d_unaligned *)from;
}
INLINE void store(double *to, const v8d *value)
{
    *(v8d_unaligned *)to = *value;
}

/* *x = exp(*x), *x ≤ 0 */
INLINE void exp_negative(v8d *x)
{
    const double shift = 0x1.8p52; /* adding it rounds to an integer, which then stands in the low bits */
    v8d a = *x;
    a = SELECT(a < -708.0, a * 0.0 - 708.0, a);
    v8d shifted = a * 0x1.71547652b82fep+0 + shift;
    v8d k = shifted - shift;
    v8d r = (a - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33;
    v8d s = r * (1.0 / 6227020800.0) + 1.0 / 479001600.0;
    s = s * r + 1.0 / 39916800.0;
    s = s * r + 1.0 / 3628800.0;
    s = s * r + 1.0 / 362880.0;
    s = s * r + 1.0 / 40320.0;
    s = s * r + 1.0 / 5040.0;
    s = s * r + 1.0 / 720.0;
    s = s * r + 1.0 / 120.0;
    s = s * r + 1.0 / 24.0;
    s = s * r + 1.0 / 6.0;
    s = s * r + 0.5;
    s = (s * r) * r + r;
    s = s + 1.0;
    v8i power = ((v8i)shifted + 1023) << 52;
    *x = s * (v8d)power;
}

/* *e = log1p(*e), 0 ≤ *e ≤ 1 */
INLINE void log1p_unit(v8d *e)
{
    v8d x = *e;
    v8i upper = x > 0x1.a827999fcef34p-2;
    v8d f = SELECT(upper, (x - 1.0) * 0.5, x);
    v8d s = f / (f + 2.0);
    v8d t = s * s;
    v8d p = t * (2.0 / 21.0) + 2.0 / 19.0;
    p = p * t + 2.0 / 17.0;
    p = p * t + 2.0 / 15.0;
    p = p * t + 2.0 / 13.0;
    p = p * t + 2.0 / 11.0;
    p = p * t + 2.0 / 9.0;
    p = p * t + 2.0 / 7.0;
    p = p * t + 2.0 / 5.0;
    p = p * t + 2.0 / 3.0;
    /* 2 s = f - s f: f is exact, so the sum's error is that of a small term */
    v8d log_f = f - s * (f - t * p);
    v8d log_upper = log_f + 0x1.62e42fefa39efp-1;
    *e = SELECT(upper, log_upper, log_f);
}

/* The eight sums into one, always in the same order. */
INLINE double total(const v8d *sum)
{
    const v8d s = *sum;
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* Eight rows of the binary loss. */
INLINE void eight(const double *target, const double *weight, const double *margin, double *gradient, double *curvature,
                  v8d *sum)
{
    v8d t, m, w;
    load(&t, target);
    load(&m, margin);
    v8d y = t + t - 1.0;
    v8d z = y * m;
    v8i is_right = z > 0.0;
    v8d e = SELECT(is_right, -z, z);
    exp_negative(&e);
    v8d value = e;
    log1p_unit(&value);
    value += SELECT(is_right, z * 0.0, -z);
    if (weight != NULL) {
        load(&w, weight);
        value *= w;
    }
    *sum += value;
    if (gradient == NULL && curvature == NULL) {
        return;
    }
    v8d inverse = 1.0 / (e + 1.0);
    v8d small = e * inverse;
    if (gradient != NULL) {
        v8d g = -y * SELECT(is_right, small, inverse);
        if (weight != NULL) {
            g *= w;
        }
        store(gradient, &g);
    }
    if (curvature != NULL) {
        v8d c = small * inverse;
        if (weight != NULL) {
            c *= w;
        }
        store(curvature, &c);
    }
}

INLINE double evaluate_body(size_t n, const double *target, const double *weight, const double *margin,
                            double *gradient, double *curvature)
{
    v8d sum = { 0 };
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        eight(target + i, weight != NULL ? weight + i : NULL, margin + i, gradient != NULL ? gradient + i : NULL,
              curvature != NULL ? curvature + i : NULL, &sum);
    }
    if (i < n) {
        /* The rest, padded with rows of no weight. */
        double t[WIDTH] = { 0 }, w[WIDTH] = { 0 }, m[WIDTH] = { 0 }, g[WIDTH], c[WIDTH];
        size_t rest = n - i;
        for (size_t k = 0; k < rest; k++) {
            t[k] = target[i + k];
            w[k] = weight != NULL ? weight[i + k] : 1.0;
            m[k] = margin[i + k];
        }
        eight(t, w, m, g, c, &sum);
        if (gradient != NULL) {
            memcpy(gradient + i, g, rest * sizeof(double));
        }
        if (curvature != NULL) {
            memcpy(curvature + i, c, rest * sizeof(double));
        }
    }
    return total(&sum);
}

/* The usual cases each get their own loop. */
INLINE double evaluate_cases(size_t n, const double *target, const double *weight, const double *margin,
                             double *gradient, double *curvature)
{
    if (weight == NULL && gradient != NULL && curvature != NULL) {
        return evaluate_body(n, target, NULL, margin, gradient, curvature);
    }
    if (weight == NULL && gradient != NULL) {
        return evaluate_body(n, target, NULL, margin, gradient, NULL);
    }
    if (weight == NULL && curvature == NULL) {
        return evaluate_body(n, target, NULL, margin, NULL, NULL);
    }
    return evaluate_body(n, target, weight, margin, gradient, curvature);
}

static double evaluate_plain(size_t n, const double *target, const double *weight, const double *margin,
                             double *gradient, double *curvature)
{
    return evaluate_cases(n, target, weight, margin, gradient, curvature);
}

#if defined(__x86_64__)
TARGET_WIDE static double evaluate_wide(size_t n, const double *target, const double *weight, const double *margin,
                                        double *gradient, double *curvature)
{
    return evaluate_cases(n, target, weight, margin, gradient, curvature);
}

TARGET_MIDDLE static double evaluate_middle(size_t n, const double *target, const double *weight, const double *margin,
                                            double *gradient, double *curvature)
{
    return evaluate_cases(n, target, weight, margin, gradient, curvature);
}
#endif

static double log_evaluate(size_t n, const double *target, const double *weight, const double *margin, double parameter,
                           double *gradient, double *curvature)
{
    (void)parameter;
#if defined(__x86_64__)
    DISPATCHED(evaluate_wide(n, target, weight, margin, gradient, curvature),
               evaluate_middle(n, target, weight, margin, gradient, curvature),
               evaluate_plain(n, target, weight, margin, gradient, curvature));
#else
    return evaluate_plain(n, target, weight, margin, gradient, curvature);
#endif
}

static double log_value(double target, double margin, double parameter)
{
    (void)parameter;
    double z = (target + target - 1.0) * margin;
    return z > 0.0 ? log1p(exp(-z)) : log1p(exp(z)) - z;
}

static double log_first(double target, double margin, double parameter)
{
    (void)parameter;
    double y = target + target - 1.0;
    double z = y * margin;
    double e = exp(-fabs(z));
    return -y * (z > 0.0 ? e / (1.0 + e) : 1.0 / (1.0 + e));
}

static double log_second(double target, double margin, double parameter)
{
    (void)target;
    (void)parameter;
    double e = exp(-fabs(margin));
    return e / (1.0 + e) / (1.0 + e);
}

const skimpi_loss skimpi_loss_log = {
    .name = "log_loss",
    .classification = true,
    .smooth = true,
    .value = log_value,
    .first = log_first,
    .second = log_second,
    .evaluate = log_evaluate,
};

/* ---- multinomial --------------------------------------------------------------------------------------------------- */

/*
 * Up to eight rows: exp(m_k - max) into out (may be the margins' own place, or NULL), their sum and the maximum.
 * Rows past n repeat the first.
 */
INLINE void exponentials(size_t n, unsigned n_classes, const double *margins, size_t stride, double *out,
                         size_t out_stride, v8d *sum, v8d *maximum)
{
    v8d top, m;
    double padded[WIDTH];
#define LOAD_CLASS(k)                                                                                                  \
    do {                                                                                                               \
        const double *from = margins + (size_t)(k)*stride;                                                             \
        if (n < WIDTH) {                                                                                               \
            for (size_t j = 0; j < WIDTH; j++) {                                                                       \
                padded[j] = from[j < n ? j : 0];                                                                       \
            }                                                                                                          \
            from = padded;                                                                                             \
        }                                                                                                              \
        load(&m, from);                                                                                                \
    } while (0)
    LOAD_CLASS(0);
    top = m;
    for (unsigned k = 1; k < n_classes; k++) {
        LOAD_CLASS(k);
        top = SELECT(m > top, m, top);
    }
    v8d s = { 0 };
    for (unsigned k = 0; k < n_classes; k++) {
        LOAD_CLASS(k);
        m -= top;
        exp_negative(&m);
        s += m;
        if (out != NULL) {
            if (n < WIDTH) {
                store(padded, &m);
                memcpy(out + (size_t)k * out_stride, padded, n * sizeof(double));
            } else {
                store(out + (size_t)k * out_stride, &m);
            }
        }
    }
#undef LOAD_CLASS
    *sum = s;
    *maximum = top;
}

INLINE double multinomial_body(size_t n, unsigned n_classes, const double *target, const double *weight,
                               const double *margins, size_t stride, double *gradient, double *probabilities)
{
    double loss = 0.0;
    double *out = gradient != NULL ? gradient : probabilities;
    for (size_t i = 0; i < n; i += WIDTH) {
        size_t rows = n - i < WIDTH ? n - i : WIDTH;
        v8d sum, top;
        exponentials(rows, n_classes, margins + i, stride, out != NULL ? out + i : NULL, stride, &sum, &top);
        double block = 0.0;
        for (size_t j = 0; j < rows; j++) {
            size_t class = (size_t)target[i + j];
            double value = log(sum[j]) + (top[j] - margins[class * stride + i + j]);
            block += weight != NULL ? weight[i + j] * value : value;
        }
        loss += block;
        if (out == NULL) {
            continue;
        }
        v8d inverse = 1.0 / sum;
        double inverses[WIDTH];
        store(inverses, &inverse);
        for (unsigned k = 0; k < n_classes; k++) {
            for (size_t j = 0; j < rows; j++) {
                size_t at = k * stride + i + j;
                double p = out[at] * inverses[j];
                if (probabilities != NULL) {
                    probabilities[at] = p;
                }
                if (gradient != NULL) {
                    gradient[at] = weight != NULL ? weight[i + j] * p : p;
                }
            }
        }
        if (gradient != NULL) {
            for (size_t j = 0; j < rows; j++) {
                gradient[(size_t)target[i + j] * stride + i + j] -= weight != NULL ? weight[i + j] : 1.0;
            }
        }
    }
    return loss;
}

static double multinomial_plain(size_t n, unsigned n_classes, const double *target, const double *weight,
                                const double *margins, size_t stride, double *gradient, double *probabilities)
{
    return multinomial_body(n, n_classes, target, weight, margins, stride, gradient, probabilities);
}

#if defined(__x86_64__)
TARGET_WIDE static double multinomial_wide(size_t n, unsigned n_classes, const double *target, const double *weight,
                                           const double *margins, size_t stride, double *gradient,
                                           double *probabilities)
{
    return multinomial_body(n, n_classes, target, weight, margins, stride, gradient, probabilities);
}

TARGET_MIDDLE static double multinomial_middle(size_t n, unsigned n_classes, const double *target, const double *weight,
                                               const double *margins, size_t stride, double *gradient,
                                               double *probabilities)
{
    return multinomial_body(n, n_classes, target, weight, margins, stride, gradient, probabilities);
}
#endif

double skimpi_multinomial_evaluate(size_t n, unsigned n_classes, const double *target, const double *weight,
                                   const double *margins, size_t stride, double *gradient, double *probabilities)
{
#if defined(__x86_64__)
    DISPATCHED(multinomial_wide(n, n_classes, target, weight, margins, stride, gradient, probabilities),
               multinomial_middle(n, n_classes, target, weight, margins, stride, gradient, probabilities),
               multinomial_plain(n, n_classes, target, weight, margins, stride, gradient, probabilities));
#else
    return multinomial_plain(n, n_classes, target, weight, margins, stride, gradient, probabilities);
#endif
}

/* ---- predictions: a few operations for each number that is written as text, so plain code will do ------------------- */

void skimpi_sigmoid(size_t n, double *margin_to_probability)
{
    for (size_t i = 0; i < n; i++) {
        double m = margin_to_probability[i];
        double e = exp(-fabs(m));
        margin_to_probability[i] = m >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
    }
}

void skimpi_softmax(size_t n, unsigned n_classes, double *margins, size_t stride)
{
    for (size_t i = 0; i < n; i++) {
        double top = margins[i], sum = 0.0;
        for (unsigned k = 1; k < n_classes; k++) {
            top = fmax(top, margins[k * stride + i]);
        }
        for (unsigned k = 0; k < n_classes; k++) {
            double e = exp(margins[k * stride + i] - top);
            margins[k * stride + i] = e;
            sum += e;
        }
        for (unsigned k = 0; k < n_classes; k++) {
            margins[k * stride + i] /= sum;
        }
    }
}
