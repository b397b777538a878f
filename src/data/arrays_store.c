/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The caller's arrays as a store: chunks are made when they are read, into the decoder's area, and nothing is stored.
 *
 * Tables are copied, column by column of the chunk: the kernels want columns, aligned, that steps may change.  (A matrix in
 * C order is handed out as it lies to a pass that takes rows: decision 0013.)  Of CSR only
 * the row ends are; values and indices are used where they lie when they are of a type that chunks have, nothing will
 * change them, and no row names a column twice.
 */
#include <math.h>
#include <string.h>

#include "data/arrays_internal.h"

/* ---- the store ------------------------------------------------------------------------------------------------------ */

skimp_status skimpi_arrays_store(skimpi_store **out, skimpi_arrays *arrays, bool with_classes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_store *store = NULL;
    *out = NULL;
    SKIMPI_TRY(skimpi_store_new(&store, arrays->budget, arrays->schema, error));
    store->place = SKIMPI_PLACE_CALLER;
    store->arrays = arrays;
    store->finished = true;
    skimpi_summary *summary = &store->summary;
    summary->n_rows = arrays->data->n_rows;
    summary->n_chunks = arrays->n_chunks;
    summary->nonzeros = arrays->nonzeros;
    summary->largest_chunk_rows = arrays->chunk_rows;
    summary->largest_chunk_nonzeros = arrays->chunk_nonzeros;
    summary->largest_area = skimpi_arrays_area(arrays);
    summary->store_bytes = skimpi_arrays_bytes(arrays);
    for (uint32_t slot = 0; slot < arrays->n_codes; slot++) {
        summary->category_missing[slot] = arrays->codes[slot].missing;
    }
    if (with_classes && arrays->target.values != NULL) {
        SKIMPI_TRY(skimpi_arrays_count_targets(arrays, &store->targets, error));
        SKIMPI_TRY(skimpi_target_set_take(&store->targets, &summary->target_values, &summary->target_counts,
                                          &summary->n_target_values, error));
    }
    *out = store;
    store = NULL;
out:
    skimpi_store_destroy(store);
    return status;
}

/* ---- chunks --------------------------------------------------------------------------------------------------------- */

static void *take(skimpi_decoder *decoder, uint64_t bytes)
{
    void *taken = decoder->area + decoder->area_used;
    decoder->area_used += bytes;
    return taken;
}

static void gather_rows(const skimpi_array_run *run, const skimpi_dense_column *dense, uint64_t first, uint32_t at,
                        uint32_t n)
{
    const bool is_float = dense->f32 != NULL;
    if (run->how == SKIMPI_GATHER_TILES) {
        const uint8_t *values = (const uint8_t *)run->first.values + (int64_t)(first + at) * run->first.stride;
        if (is_float) {
            skimpi_gather_tiles_f32(values, run->first.stride, n, run->n, dense->f32 + at,
                                    (size_t)(dense[1].f32 - dense->f32));
        } else {
            skimpi_gather_tiles_f64(values, run->first.stride, n, run->n, dense->f64 + at,
                                    (size_t)(dense[1].f64 - dense->f64));
        }
        return;
    }
    skimp_data_column column = run->first;
    for (uint32_t j = 0; j < run->n; j++) {
        if (is_float) {
            skimpi_gather_f32(&column, first + at, n, dense[j].f32 + at);
        } else {
            skimpi_gather_f64(&column, first + at, n, dense[j].f64 + at);
        }
        column.values = (const char *)column.values + (int64_t)run->column_stride;
    }
}

static skimp_status read_table(const skimpi_arrays *arrays, skimpi_decoder *decoder, uint64_t first, uint32_t n,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = arrays->schema;
    const skimpi_decoder_options *options = &decoder->options;
    skimpi_chunk *chunk = &decoder->chunk;
    bool any_blocks = false;
    chunk->n_dense = schema->n_numeric;
    chunk->n_codes = schema->n_category;
    for (uint32_t r = 0; r < arrays->n_runs; r++) {
        const skimpi_array_run *run = &arrays->runs[r];
        const bool is_float = skimpi_gathers_to_float(run->first.dtype);
        for (uint32_t j = run->slot; j < run->slot + run->n; j++) {
            void *values = take(decoder, skimpi_arrays_column_bytes(n, is_float ? sizeof(float) : sizeof(double)));
            chunk->dense[j] = (skimpi_dense_column){ .feature = options->features != NULL ? options->features[j] : j,
                                                     .f32 = is_float ? values : NULL,
                                                     .f64 = is_float ? NULL : values };
        }
        if (run->how == SKIMPI_GATHER_WHOLE) {
            gather_rows(run, &chunk->dense[run->slot], first, 0, n);
        }
        any_blocks |= run->how != SKIMPI_GATHER_WHOLE;
    }
    for (uint32_t at = 0; at < n && any_blocks; at += SKIMPI_ARRAYS_BLOCK_ROWS) {
        const uint32_t count = n - at < SKIMPI_ARRAYS_BLOCK_ROWS ? n - at : SKIMPI_ARRAYS_BLOCK_ROWS;
        for (uint32_t r = 0; r < arrays->n_runs; r++) {
            if (arrays->runs[r].how != SKIMPI_GATHER_WHOLE) {
                gather_rows(&arrays->runs[r], &chunk->dense[arrays->runs[r].slot], first, at, count);
            }
        }
    }
    for (uint32_t j = 0; j < schema->n_category; j++) {
        skimpi_code_column *codes = &chunk->codes[j];
        *codes = (skimpi_code_column){ .slot = j, .codes = take(decoder, skimpi_column_bytes(n, sizeof(uint32_t))) };
        codes->feature = options->code_features != NULL ? options->code_features[j] : schema->n_numeric + j;
        codes->n_codes = options->n_codes != NULL ? options->n_codes[j] : UINT32_MAX;
        SKIMPI_TRY(skimpi_arrays_read_codes(arrays, j, first, n, options->ranks != NULL ? options->ranks[j] : NULL,
                                            codes->codes, error));
    }
out:
    return status;
}

bool skimpi_arrays_has_rows(const skimpi_arrays *arrays)
{
    const skimpi_schema *schema = arrays->schema;
    if (schema->sparse || schema->n_category > 0 || arrays->n_runs != 1 || arrays->source != NULL) {
        return false;
    }
    const skimpi_array_run *run = arrays->runs;
    const skimp_dtype dtype = run->first.dtype;
    return (dtype == SKIMP_DTYPE_F32 || dtype == SKIMP_DTYPE_F64) && run->n > 1 && run->first.validity == NULL &&
           run->column_stride == skimp_dtype_bytes(dtype);
}

static void read_rows(const skimpi_arrays *arrays, skimpi_decoder *decoder, uint64_t first)
{
    const skimpi_array_run *run = arrays->runs;
    const uint64_t *features = decoder->options.features;
    decoder->chunk.n_dense = decoder->chunk.n_codes = 0;
    decoder->chunk.rows = (skimpi_row_block){
        .values = (const uint8_t *)run->first.values + (int64_t)first * run->first.stride,
        .stride = run->first.stride,
        .feature = features != NULL ? features[0] : 0,
        .n_columns = run->n,
        .is_f32 = run->first.dtype == SKIMP_DTYPE_F32,
    };
}

/* Do values of this type, from here on, serve as they lie? */
static bool serves(const void *values, skimp_dtype dtype, uint64_t begin, skimp_dtype as)
{
    return dtype == as && ((uintptr_t)values + begin * skimp_dtype_bytes(as)) % skimp_dtype_bytes(as) == 0;
}

static void read_values(const skimp_data *data, skimpi_decoder *decoder, uint64_t begin, uint64_t n, uint64_t entries,
                        bool in_place)
{
    skimpi_csr_block *csr = &decoder->chunk.csr;
    if (data->values == NULL) {
        if (decoder->options.with_values || !in_place) {
            csr->f32 = take(decoder, skimpi_column_bytes(entries, sizeof(float)));
            for (uint64_t i = 0; i < n; i++) {
                csr->f32[i] = 1;
            }
        }
        return;
    }
    const uint64_t item = skimp_dtype_bytes(data->dtype);
    uint8_t *values = (uint8_t *)data->values + begin * item;
    const skimp_data_column column = skimpi_plain_column(data->dtype, values);
    if (in_place && serves(data->values, data->dtype, begin, SKIMP_DTYPE_F32)) {
        csr->f32 = (float *)values;
    } else if (in_place && serves(data->values, data->dtype, begin, SKIMP_DTYPE_F64)) {
        csr->f64 = (double *)values;
    } else if (skimpi_gathers_to_float(data->dtype)) {
        csr->f32 = take(decoder, skimpi_column_bytes(entries, sizeof(float)));
        skimpi_gather_f32(&column, 0, (uint32_t)n, csr->f32);
    } else {
        csr->f64 = take(decoder, skimpi_column_bytes(entries, sizeof(double)));
        skimpi_gather_f64(&column, 0, (uint32_t)n, csr->f64);
    }
}

static skimp_status read_sparse(const skimpi_arrays *arrays, skimpi_decoder *decoder, uint64_t first, uint32_t n,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimp_data *data = arrays->data;
    const bool repeats = (atomic_load_explicit(&arrays->row_order, memory_order_relaxed) & SKIMPI_ROWS_REPEAT) != 0;
    const bool in_place = decoder->options.read_only && !repeats, wide = arrays->schema->index64;
    skimpi_csr_block *csr = &decoder->chunk.csr;
    uint64_t begin = 0;
    decoder->chunk.has_csr = true;
    *csr = (skimpi_csr_block){ .feature = 0 };
    csr->indptr = take(decoder, skimpi_column_bytes((uint64_t)n + 1, sizeof(uint32_t)));
    csr->indptr[0] = 0;
    SKIMPI_TRY(skimpi_csr_read_rows(arrays, first, n, csr->indptr + 1, &begin, error));
    const uint64_t nonzeros = csr->indptr[n], entries = nonzeros << decoder->options.csr_doublings;
    if (entries > UINT32_MAX) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_DATA, "chunk %llu is too large for what the steps add to it",
                               (unsigned long long)decoder->chunk.index));
    }
    csr->room = entries - nonzeros;
    if (in_place && serves(data->indices, data->indices_dtype, begin, wide ? SKIMP_DTYPE_I64 : SKIMP_DTYPE_I32)) {
        void *indices = (uint8_t *)data->indices + begin * (wide ? sizeof(uint64_t) : sizeof(uint32_t));
        csr->indices = wide ? NULL : indices;
        csr->indices64 = wide ? indices : NULL;
        SKIMPI_TRY(skimpi_csr_read_indices(arrays, begin, nonzeros, NULL, NULL, error));
    } else {
        void *indices = take(decoder, skimpi_column_bytes(entries, wide ? sizeof(uint64_t) : sizeof(uint32_t)));
        csr->indices = wide ? NULL : indices;
        csr->indices64 = wide ? indices : NULL;
        SKIMPI_TRY(skimpi_csr_read_indices(arrays, begin, nonzeros, csr->indices, csr->indices64, error));
    }
    read_values(data, decoder, begin, nonzeros, entries, in_place);
    if (repeats) {
        skimpi_csr_make_distinct(csr, n, csr->indptr + 1);
    }
out:
    return status;
}

skimp_status skimpi_arrays_read(skimpi_store *store, skimpi_decoder *decoder, uint64_t index, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_arrays *arrays = store->arrays;
    skimpi_chunk *chunk = &decoder->chunk;
    uint64_t first = 0;
    uint32_t n = 0;
    skimpi_arrays_chunk(arrays, index, &first, &n);
    chunk->index = index;
    chunk->first_row = first;
    chunk->n_rows = n;
    chunk->target = chunk->weight = NULL;
    chunk->row_state = NULL;
    chunk->rows.values = NULL;
    decoder->area_used = 0;
    if (decoder->takes_rows && decoder->options.read_only && skimpi_arrays_has_rows(arrays)) {
        read_rows(arrays, decoder, first);
    } else if (arrays->schema->sparse) {
        SKIMPI_TRY(read_sparse(arrays, decoder, first, n, error));
    } else {
        SKIMPI_TRY(read_table(arrays, decoder, first, n, error));
    }
    if (arrays->target.values != NULL) {
        chunk->target = take(decoder, skimpi_column_bytes(n, sizeof(double)));
        SKIMPI_TRY(skimpi_arrays_read_target(arrays, first, n, chunk->target, error));
    }
    if (arrays->weight.values != NULL) {
        chunk->weight = take(decoder, skimpi_column_bytes(n, sizeof(double)));
        skimpi_gather_f64(&arrays->weight, first, n, chunk->weight);
    } else if (decoder->options.with_weight) {
        chunk->weight = take(decoder, skimpi_column_bytes(n, sizeof(double)));
        for (uint32_t i = 0; i < n; i++) {
            chunk->weight[i] = 1;
        }
    }
out:
    return status;
}

/* ---- the summary ---------------------------------------------------------------------------------------------------- */

/* Some values at once, wherever they lie: as many as AVX2 has (of wider vectors gcc makes comparisons one by one). */
typedef float some_f32 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t bits_f32 __attribute__((vector_size(32)));
typedef double some_f64 __attribute__((vector_size(32), aligned(8), may_alias));
typedef int64_t bits_f64 __attribute__((vector_size(32)));

#define CHOOSE(bits, mask, one, other) (((mask) & (bits)(one)) | (~(mask) & (bits)(other)))

/*
 * What one look at values tells: their extremes, and whether all are finite; if not, both are counted anew.  A value is
 * finite when its bits without the sign are less than infinity's.
 */
#define LOOK(name, type, vector, bits, largest_bits, infinity)                                                         \
    static inline                                                                                                      \
        __attribute__((always_inline)) bool name##_body(const type *values, uint64_t n, skimpi_column_summary *found)  \
    {                                                                                                                  \
        bits largest = { 0 };                                                                                          \
        vector low = (vector){ 0 } + (type)INFINITY, high = (vector){ 0 } - (type)INFINITY;                            \
        const unsigned lanes = sizeof(vector) / sizeof(type);                                                          \
        uint64_t i = 0;                                                                                                \
        for (; i + lanes <= n; i += lanes) {                                                                           \
            const vector value = *(const vector *)(values + i);                                                        \
            const bits size = (bits)value & (largest_bits);                                                            \
            low = (vector)CHOOSE(bits, (bits)(value < low), value, low);                                               \
            high = (vector)CHOOSE(bits, (bits)(value > high), value, high);                                            \
            largest = CHOOSE(bits, size > largest, size, largest);                                                     \
        }                                                                                                              \
        bool finite = true;                                                                                            \
        for (unsigned k = 0; k < lanes; k++) {                                                                         \
            finite &= largest[k] < (infinity);                                                                         \
            found->minimum = (double)low[k] < found->minimum ? (double)low[k] : found->minimum;                        \
            found->maximum = (double)high[k] > found->maximum ? (double)high[k] : found->maximum;                      \
        }                                                                                                              \
        for (; i < n; i++) {                                                                                           \
            const double value = (double)values[i];                                                                    \
            finite &= isfinite(value) != 0;                                                                            \
            found->minimum = value < found->minimum ? value : found->minimum;                                          \
            found->maximum = value > found->maximum ? value : found->maximum;                                          \
        }                                                                                                              \
        return finite;                                                                                                 \
    }                                                                                                                  \
    static bool name##_plain(const type *values, uint64_t n, skimpi_column_summary *found)                             \
    {                                                                                                                  \
        return name##_body(values, n, found);                                                                          \
    }                                                                                                                  \
    LOOK_AVX2(name, type)

#if defined(__x86_64__)
#define LOOK_AVX2(name, type)                                                                                          \
    SKIMPI_TARGET_AVX2 static bool name##_avx2(const type *values, uint64_t n, skimpi_column_summary *found)           \
    {                                                                                                                  \
        return name##_body(values, n, found);                                                                          \
    }                                                                                                                  \
    static bool name(const type *values, uint64_t n, skimpi_column_summary *found)                                     \
    {                                                                                                                  \
        return skimpi_encoding_loops() == SKIMPI_LOOPS_PLAIN ? name##_plain(values, n, found)                          \
                                                             : name##_avx2(values, n, found);                          \
    }
#else
#define LOOK_AVX2(name, type)                                                                                          \
    static bool name(const type *values, uint64_t n, skimpi_column_summary *found)                                     \
    {                                                                                                                  \
        return name##_plain(values, n, found);                                                                         \
    }
#endif

LOOK(look_f32, float, some_f32, bits_f32, INT32_MAX, 0x7f800000)
LOOK(look_f64, double, some_f64, bits_f64, INT64_MAX, 0x7ff0000000000000)

/* Where the first missing value and the first infinite one are. */
static void count_others(const float *f32, const double *f64, uint64_t n, skimpi_column_summary *found,
                         uint64_t *missing_at, uint64_t *infinite_at)
{
    skimpi_column_summary_init(found);
    for (uint64_t i = n; i-- > 0;) {
        const double value = f32 != NULL ? (double)f32[i] : f64[i];
        if (isnan(value)) {
            found->n_missing++;
            *missing_at = i;
        } else if (isinf(value)) {
            found->n_infinite++;
            *infinite_at = i;
        } else {
            found->minimum = value < found->minimum ? value : found->minimum;
            found->maximum = value > found->maximum ? value : found->maximum;
        }
    }
}

static uint64_t row_of(const skimpi_chunk *chunk, const uint32_t *indptr, uint64_t at)
{
    uint64_t row = at;
    for (row = indptr != NULL ? 0 : at; indptr != NULL && indptr[row + 1] <= at; row++) {}
    return chunk->first_row + row + 1; /* counted from 1 here: 0 is none */
}

static void note_first(uint64_t *first, uint64_t row)
{
    *first = *first == 0 || row < *first ? row : *first;
}

/* indptr: of CSR values, else NULL. */
static void summarise(skimpi_store *store, const skimpi_chunk *chunk, const uint32_t *indptr, const float *f32,
                      const double *f64, uint64_t n, skimpi_column_summary *into)
{
    skimpi_column_summary found;
    uint64_t missing_at = 0, infinite_at = 0;
    skimpi_column_summary_init(&found);
    if (!(f32 != NULL ? look_f32(f32, n, &found) : look_f64(f64, n, &found))) {
        count_others(f32, f64, n, &found, &missing_at, &infinite_at);
    }
    pthread_mutex_lock(&store->lock);
    into->minimum = found.minimum < into->minimum ? found.minimum : into->minimum;
    into->maximum = found.maximum > into->maximum ? found.maximum : into->maximum;
    into->n_missing += found.n_missing;
    into->n_infinite += found.n_infinite;
    if (found.n_missing > 0) {
        note_first(&into->first_missing_row, row_of(chunk, indptr, missing_at));
    }
    if (found.n_infinite > 0) {
        note_first(&into->first_infinite_row, row_of(chunk, indptr, infinite_at));
    }
    pthread_mutex_unlock(&store->lock);
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, uint64_t n)
{
    return bytes == NULL ? hash : skimpi_mix64(hash ^ skimpi_checksum(bytes, n));
}

/* Tells chunks apart, by what they hold and where they stand. */
static uint64_t hash_chunk(const skimpi_chunk *chunk)
{
    const uint64_t n = chunk->n_rows;
    uint64_t hash = skimpi_mix64(chunk->first_row);
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        hash = hash_bytes(hash, chunk->dense[j].f32, n * sizeof(float));
        hash = hash_bytes(hash, chunk->dense[j].f64, n * sizeof(double));
    }
    for (uint32_t j = 0; j < chunk->n_codes; j++) {
        hash = hash_bytes(hash, chunk->codes[j].codes, n * sizeof(uint32_t));
    }
    if (chunk->has_csr) {
        const uint64_t nonzeros = chunk->csr.indptr[n];
        hash = hash_bytes(hash, chunk->csr.indptr, n * sizeof(uint32_t));
        hash = hash_bytes(hash, chunk->csr.indices, nonzeros * sizeof(uint32_t));
        hash = hash_bytes(hash, chunk->csr.indices64, nonzeros * sizeof(uint64_t));
        hash = hash_bytes(hash, chunk->csr.f32, nonzeros * sizeof(float));
        hash = hash_bytes(hash, chunk->csr.f64, nonzeros * sizeof(double));
    }
    hash = hash_bytes(hash, chunk->target, n * sizeof(double));
    return hash_bytes(hash, chunk->weight, n * sizeof(double));
}

/* Flags of the rows' order. Those that are out of order are sorted in the decoder's area, where there is room for all. */
static void note_order(skimpi_arrays *arrays, skimpi_decoder *decoder)
{
    skimpi_csr_block csr = decoder->chunk.csr;
    const uint64_t nonzeros = csr.indptr[decoder->chunk.n_rows];
    const uint8_t *area = decoder->area;
    const uint64_t wide = csr.indices64 != NULL ? sizeof(uint64_t) : sizeof(uint32_t);
    const uint8_t *indices = csr.indices64 != NULL ? (uint8_t *)csr.indices64 : (uint8_t *)csr.indices;
    if (indices < area || indices >= area + decoder->area_bytes) {
        decoder->area_used = skimpi_column_bytes((uint64_t)decoder->chunk.n_rows + 1, sizeof(uint32_t));
        uint8_t *copy = take(decoder, skimpi_column_bytes(nonzeros, wide));
        memcpy(copy, indices, nonzeros * wide);
        csr.indices = csr.indices != NULL ? (uint32_t *)copy : NULL;
        csr.indices64 = csr.indices64 != NULL ? (uint64_t *)copy : NULL;
    }
    atomic_fetch_or(&arrays->row_order, skimpi_csr_order(&csr, decoder->chunk.n_rows, csr.indptr + 1));
}

typedef struct scan_state {
    skimpi_store *store;
    const skimpi_arrays_scan_options *options;
    skimpi_decoder **decoders;
    skimpi_target_cache *caches; /* of selected rows, one for each worker */
    skimpi_scan scan;
    _Atomic uint64_t rows;
    _Atomic int failed;
} scan_state;

static skimp_status summarise_chunk(const scan_state *state, unsigned worker, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_decoder *decoder = state->decoders[worker];
    skimpi_store *store = state->store;
    const skimpi_chunk *chunk = &decoder->chunk;
    skimpi_summary *summary = &store->summary;
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        summarise(store, chunk, NULL, chunk->dense[j].f32, chunk->dense[j].f64, chunk->n_rows, &summary->numeric[j]);
    }
    if (chunk->has_csr && (chunk->csr.f32 != NULL || chunk->csr.f64 != NULL)) {
        summarise(store, chunk, chunk->csr.indptr, chunk->csr.f32, chunk->csr.f64, chunk->csr.indptr[chunk->n_rows],
                  &summary->numeric[0]);
    }
    if (chunk->target != NULL) {
        summarise(store, chunk, NULL, NULL, chunk->target, chunk->n_rows, &summary->target);
    }
    if (chunk->weight != NULL) {
        summarise(store, chunk, NULL, NULL, chunk->weight, chunk->n_rows, &summary->weight);
    }
    if (state->options->with_hash) {
        const uint64_t hash = hash_chunk(chunk);
        pthread_mutex_lock(&store->lock);
        summary->data_hash += hash;
        pthread_mutex_unlock(&store->lock);
    }
    if (store->selection != NULL) {
        SKIMPI_TRY(skimpi_selection_note(store, chunk, &state->caches[worker], error));
    } else if (chunk->has_csr) {
        note_order(store->arrays, decoder);
    }
out:
    return status;
}

static skimp_status scan_worker(void *context, unsigned worker, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    scan_state *state = context;
    const skimpi_arrays_scan_options *options = state->options;
    skimpi_decoder *decoder = state->decoders[worker];
    while (!atomic_load(&state->failed)) {
        skimpi_chunk *chunk = NULL;
        bool done = false;
        if (options->cancel != NULL && atomic_load(options->cancel) != 0) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_CANCELLED, "interrupted"));
        }
        skimpi_pool_ask(options->pool, worker);
        SKIMPI_TRY(skimpi_scan_next(state->store, &state->scan, decoder, &chunk, &done, error));
        if (done) {
            break;
        }
        skimpi_pool_got(options->pool, worker);
        if (chunk->n_rows > 0) {
            SKIMPI_TRY(summarise_chunk(state, worker, error));
        }
        const uint64_t rows = atomic_fetch_add(&state->rows, chunk->n_rows) + chunk->n_rows;
        if (options->progress != NULL) {
            options->progress(options->context, atomic_load(&state->scan.bytes_done), rows);
        }
    }
out:
    if (status != SKIMP_OK) {
        atomic_store(&state->failed, 1);
    }
    return status;
}

skimp_status skimpi_arrays_scan(skimpi_store *store, const skimpi_arrays_scan_options *options, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const unsigned workers = skimpi_pool_size(options->pool);
    const skimpi_decoder_options decoding = { .read_only = true };
    scan_state state = { .store = store, .options = options };
    SKIMPI_TRY(skimp_alloc(store->budget, SKIMP_TAG_CHUNKS, workers, sizeof(void *), (void **)&state.decoders, error));
    for (unsigned w = 0; w < workers; w++) {
        SKIMPI_TRY(skimpi_decoder_create(&state.decoders[w], store, &decoding, error));
    }
    if (store->selection != NULL) {
        SKIMPI_TRY(
            skimp_alloc(store->budget, SKIMP_TAG_STORE, workers, sizeof *state.caches, (void **)&state.caches, error));
        SKIMPI_TRY(skimpi_selection_begin(store, error));
    }
    skimpi_scan_begin(store, &state.scan);
    SKIMPI_TRY(skimpi_pool_run(options->pool, scan_worker, &state, error));
    if (store->selection != NULL) {
        SKIMPI_TRY(skimpi_selection_end(store, error));
    }
out:
    skimp_free(store->budget, SKIMP_TAG_STORE, state.caches, workers, sizeof *state.caches);
    for (unsigned w = 0; state.decoders != NULL && w < workers; w++) {
        skimpi_decoder_destroy(state.decoders[w]);
    }
    skimp_free(store->budget, SKIMP_TAG_CHUNKS, state.decoders, workers, sizeof(void *));
    return status;
}
