/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sparse arrays of the caller: where chunks begin, rows and indices checked as they are read, rows made distinct.
 *
 * indptr, and of CSC the indices too, are looked at once when the job is made: that says how large chunks are.  They are
 * checked again whenever a chunk is read, for they are used as places: what has changed meanwhile ends the job.
 */
#include <inttypes.h>
#include <string.h>

#include "data/arrays_internal.h"

/* Rows of up to so many values are sorted by insertion. */
#define INSERTION_MOST 24u
/* A chunk of CSC: so many values on average, at most so many rows: each column is visited once a chunk. */
#define CSC_CHUNK_VALUES 131072u
#define CSC_ROWS_MOST 65536u
/* Columns whose next entries are asked for meanwhile: each begins somewhere else. */
#define AHEAD 16u

static inline int64_t offset_at(const void *offsets, bool wide, uint64_t i)
{
    int64_t wide_value;
    int32_t narrow;
    if (wide) {
        memcpy(&wide_value, (const char *)offsets + i * sizeof wide_value, sizeof wide_value);
        return wide_value;
    }
    memcpy(&narrow, (const char *)offsets + i * sizeof narrow, sizeof narrow);
    return narrow;
}

static inline bool is_wide(skimp_dtype dtype)
{
    return dtype == SKIMP_DTYPE_I64;
}

skimp_status skimpi_arrays_changed(skimp_error *error)
{
    return skimpi_fail(error, SKIMP_ERROR_DATA,
                       "the caller's arrays changed while the job ran: indptr or indices are "
                       "not what they were");
}

/* ---- sizes ---------------------------------------------------------------------------------------------------------- */

/* Ascending, and within the arrays. */
static skimp_status check_indptr(const skimp_data *data, uint64_t n, skimp_error *error)
{
    const bool wide = is_wide(data->indptr_dtype);
    int64_t before = offset_at(data->indptr, wide, 0);
    uint64_t bad = before < 0 ? 0 : UINT64_MAX;
    for (uint64_t i = 1; i <= n && bad == UINT64_MAX; i++) {
        const int64_t at = offset_at(data->indptr, wide, i);
        bad = at < before ? i : bad;
        before = at;
    }
    if (bad != UINT64_MAX) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "indptr[%" PRIu64 "] is %s: indptr must ascend from 0 or more", bad,
                           bad == 0 ? "negative" : "less than the one before it");
    }
    if ((uint64_t)before > data->nonzeros) {
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "indptr ends at %" PRId64 ", but there are %" PRIu64 " values and indices", before,
                           data->nonzeros);
    }
    return SKIMP_OK;
}

static skimp_status measure_rows(skimpi_arrays *arrays, skimp_error *error)
{
    const skimp_data *data = arrays->data;
    const bool wide = is_wide(data->indptr_dtype);
    uint64_t chunk = 0, rows = 0, begin = arrays->first_nonzero, most_rows = 0;
    for (uint64_t r = 0; r < data->n_rows; r++) {
        const uint64_t at = (uint64_t)offset_at(data->indptr, wide, r);
        const uint64_t place = (at - arrays->first_nonzero + SKIMPI_ARRAYS_ROW_SPAN * r) / SKIMPI_ARRAYS_CHUNK_SPAN;
        if (place != chunk) {
            arrays->chunk_nonzeros = skimpi_max_u64(arrays->chunk_nonzeros, at - begin);
            most_rows = skimpi_max_u64(most_rows, rows);
            chunk = place;
            begin = at;
            rows = 0;
        }
        rows++;
    }
    arrays->chunk_nonzeros = skimpi_max_u64(arrays->chunk_nonzeros, arrays->first_nonzero + arrays->nonzeros - begin);
    arrays->chunk_rows = (uint32_t)skimpi_max_u64(1, skimpi_max_u64(most_rows, rows));
    arrays->n_chunks = data->n_rows > 0 ? chunk + 1 : 0;
    if (arrays->chunk_nonzeros >= UINT32_MAX) {
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "a row has %" PRIu64 " non-zeros or so: there can be 2^32 - 2 in one",
                           arrays->chunk_nonzeros);
    }
    return SKIMP_OK;
}

/* Rows of CSC are counted by chunk, its indices checked. */
static skimp_status measure_columns(skimpi_arrays *arrays, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimp_data *data = arrays->data;
    const bool wide = is_wide(data->indices_dtype), wide_ptr = is_wide(data->indptr_dtype);
    const double mean = (double)arrays->nonzeros / (double)skimpi_max_u64(data->n_rows, 1);
    const double rows = CSC_CHUNK_VALUES / (mean > 1 ? mean : 1);
    uint64_t *counts = NULL;
    arrays->span =
        skimpi_max_u64(SKIMPI_ARRAYS_CHUNK_ROWS_LEAST, rows < CSC_ROWS_MOST ? (uint64_t)rows : CSC_ROWS_MOST);
    arrays->n_chunks = data->n_rows / arrays->span + (data->n_rows % arrays->span != 0);
    arrays->chunk_rows = (uint32_t)skimpi_min_u64(arrays->span, skimpi_max_u64(data->n_rows, 1));
    SKIMPI_TRY(skimp_alloc(arrays->budget, SKIMP_TAG_INPUT, arrays->n_chunks, sizeof *counts, (void **)&counts, error));
    for (uint64_t c = 0; c < data->n_columns; c++) {
        const uint64_t end = (uint64_t)offset_at(data->indptr, wide_ptr, c + 1);
        int64_t before = 0;
        for (uint64_t at = (uint64_t)offset_at(data->indptr, wide_ptr, c); at < end; at++) {
            const int64_t row = offset_at(data->indices, wide, at);
            if (row < before || (uint64_t)row >= data->n_rows) {
                SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_DATA,
                                       row < 0 || (uint64_t)row >= data->n_rows
                                           ? "row index %" PRId64 " of column %" PRIu64 " of CSC: it has other rows"
                                           : "row index %" PRId64 " of column %" PRIu64
                                             " of CSC is less than the one before it: sort the indices",
                                       row, c));
            }
            counts[(uint64_t)row / arrays->span]++;
            before = row;
        }
    }
    for (uint64_t k = 0; k < arrays->n_chunks; k++) {
        arrays->chunk_nonzeros = skimpi_max_u64(arrays->chunk_nonzeros, counts[k]);
    }
    if (arrays->chunk_nonzeros >= UINT32_MAX) {
        SKIMPI_TRY(
            skimpi_fail(error, SKIMP_ERROR_DATA, "%u rows of CSC have 2^32 - 1 non-zeros or more", arrays->chunk_rows));
    }
out:
    skimp_free(arrays->budget, SKIMP_TAG_INPUT, counts, arrays->n_chunks, sizeof *counts);
    return status;
}

skimp_status skimpi_csr_measure(skimpi_arrays *arrays, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimp_data *data = arrays->data;
    const bool by_row = data->kind == SKIMP_DATA_CSR;
    const uint64_t n = by_row ? data->n_rows : data->n_columns;
    SKIMPI_TRY(check_indptr(data, n, error));
    arrays->first_nonzero = (uint64_t)offset_at(data->indptr, is_wide(data->indptr_dtype), 0);
    arrays->nonzeros = (uint64_t)offset_at(data->indptr, is_wide(data->indptr_dtype), n) - arrays->first_nonzero;
    SKIMPI_TRY(by_row ? measure_rows(arrays, error) : measure_columns(arrays, error));
out:
    return status;
}

/* The first row that stands at or after the chunk's begin; what indptr holds may be anything. */
uint64_t skimpi_csr_first_row(const skimpi_arrays *arrays, uint64_t chunk)
{
    const skimp_data *data = arrays->data;
    const bool wide = is_wide(data->indptr_dtype);
    const uint64_t begin = chunk * SKIMPI_ARRAYS_CHUNK_SPAN;
    uint64_t low = 0, high = data->n_rows;
    if (chunk >= arrays->n_chunks) {
        return data->n_rows;
    }
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        const uint64_t at = (uint64_t)offset_at(data->indptr, wide, middle) - arrays->first_nonzero;
        if (at + SKIMPI_ARRAYS_ROW_SPAN * middle < begin) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

skimp_status skimpi_csr_read_rows(const skimpi_arrays *arrays, uint64_t first, uint32_t n, uint32_t *row_end,
                                  uint64_t *begin, skimp_error *error)
{
    const skimp_data *data = arrays->data;
    const bool wide = is_wide(data->indptr_dtype);
    const uint64_t from = (uint64_t)offset_at(data->indptr, wide, first);
    uint64_t before = from, most = skimpi_add_sat(from, arrays->chunk_nonzeros);
    most = skimpi_min_u64(most, arrays->first_nonzero + arrays->nonzeros);
    bool sound = from <= most && n <= arrays->chunk_rows;
    *begin = from;
    for (uint32_t i = 0; i < n && sound; i++) {
        const uint64_t at = (uint64_t)offset_at(data->indptr, wide, first + i + 1);
        sound = at >= before && at <= most;
        row_end[i] = (uint32_t)(at - from);
        before = at;
    }
    return sound ? SKIMP_OK : skimpi_arrays_changed(error);
}

/*
 * An index is sound when neither it nor its distance from the last one that there is has the sign bit: which is all that
 * the loops look for, so that they become vectors on any machine.
 */
#define CHECK_INDICES(name, type, limit_type, out_type)                                                                \
    static bool name(const uint8_t *restrict from, uint64_t n, limit_type last, out_type *restrict out)                \
    {                                                                                                                  \
        limit_type seen = 0;                                                                                           \
        if (out == NULL) {                                                                                             \
            for (uint64_t i = 0; i < n; i++) {                                                                         \
                limit_type index;                                                                                      \
                memcpy(&index, from + i * sizeof index, sizeof index);                                                 \
                seen |= index | (last - index);                                                                        \
            }                                                                                                          \
        } else {                                                                                                       \
            for (uint64_t i = 0; i < n; i++) {                                                                         \
                limit_type index;                                                                                      \
                memcpy(&index, from + i * sizeof index, sizeof index);                                                 \
                seen |= index | (last - index);                                                                        \
                out[i] = (out_type)index;                                                                              \
            }                                                                                                          \
        }                                                                                                              \
        return (type)seen >= 0;                                                                                        \
    }
CHECK_INDICES(check_32, int32_t, uint32_t, uint32_t)
CHECK_INDICES(check_32_to_64, int32_t, uint32_t, uint64_t)
CHECK_INDICES(check_64_to_32, int64_t, uint64_t, uint32_t)
CHECK_INDICES(check_64, int64_t, uint64_t, uint64_t)

/* Which one it was. */
static skimp_status bad_index(const skimpi_arrays *arrays, uint64_t begin, uint64_t n, skimp_error *error)
{
    const skimp_data *data = arrays->data;
    for (uint64_t i = begin; i < begin + n; i++) {
        const int64_t index = offset_at(data->indices, is_wide(data->indices_dtype), i);
        if (index < 0 || (uint64_t)index >= data->n_columns) {
            uint64_t low = 0, high = data->n_rows;
            while (low < high) { /* the last row that begins at or before it */
                const uint64_t middle = low + (high - low) / 2;
                if ((uint64_t)offset_at(data->indptr, is_wide(data->indptr_dtype), middle + 1) <= i) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            low += arrays->rows_before;
            return skimpi_arrays_fail(error, low, NULL,
                                      "row %" PRIu64 " of the sparse data has column index %" PRId64
                                      ", but there are %" PRIu64 " columns",
                                      low, index, data->n_columns);
        }
    }
    return skimpi_arrays_changed(error);
}

skimp_status skimpi_csr_read_indices(const skimpi_arrays *arrays, uint64_t begin, uint64_t n, uint32_t *out32,
                                     uint64_t *out64, skimp_error *error)
{
    const skimp_data *data = arrays->data;
    const uint8_t *from = data->indices;
    const uint64_t last = data->n_columns - 1;
    bool sound;
    if (is_wide(data->indices_dtype)) {
        from += begin * sizeof(int64_t);
        sound = out32 != NULL ? check_64_to_32(from, n, last, out32) : check_64(from, n, last, out64);
    } else {
        const uint32_t last32 = (uint32_t)skimpi_min_u64(last, INT32_MAX);
        from += begin * sizeof(int32_t);
        sound = out64 != NULL ? check_32_to_64(from, n, last32, out64) : check_32(from, n, last32, out32);
    }
    return sound ? SKIMP_OK : bad_index(arrays, begin, n, error);
}

/* ---- order ---------------------------------------------------------------------------------------------------------- */

static inline uint64_t index_at(const skimpi_csr_block *csr, uint64_t at)
{
    return csr->indices != NULL ? csr->indices[at] : csr->indices64[at];
}

static inline double value_at(const skimpi_csr_block *csr, uint64_t at)
{
    return csr->f32 != NULL ? (double)csr->f32[at] : csr->f64 != NULL ? csr->f64[at] : 1;
}

static inline void put(skimpi_csr_block *csr, uint64_t at, uint64_t index, double value)
{
    if (csr->indices != NULL) {
        csr->indices[at] = (uint32_t)index;
    } else {
        csr->indices64[at] = index;
    }
    if (csr->f32 != NULL) {
        csr->f32[at] = (float)value;
    } else if (csr->f64 != NULL) {
        csr->f64[at] = value;
    }
}

static bool ascends(const skimpi_csr_block *csr, uint64_t begin, uint64_t end)
{
    bool ascending = true;
    if (csr->indices != NULL) {
        for (uint64_t at = begin + 1; at < end; at++) {
            ascending &= csr->indices[at - 1] < csr->indices[at];
        }
    } else {
        for (uint64_t at = begin + 1; at < end; at++) {
            ascending &= csr->indices64[at - 1] < csr->indices64[at];
        }
    }
    return ascending;
}

/* Equal indices keep their order, so that their values are added up in it: an entry's place breaks ties. */
static void sort_by_insertion(skimpi_csr_block *csr, uint64_t begin, uint64_t end)
{
    for (uint64_t next = begin + 1; next < end; next++) {
        const uint64_t index = index_at(csr, next);
        const double value = value_at(csr, next);
        uint64_t at = next;
        for (; at > begin && index_at(csr, at - 1) > index; at--) {
            put(csr, at, index_at(csr, at - 1), value_at(csr, at - 1));
        }
        put(csr, at, index, value);
    }
}

/* Less by index, then by value: a heap has no memory of the order that there was, and sums must not depend on its whims. */
static bool less(const skimpi_csr_block *csr, uint64_t a, uint64_t index, double value)
{
    return index_at(csr, a) < index || (index_at(csr, a) == index && value_at(csr, a) < value);
}

static void sift_down(skimpi_csr_block *csr, uint64_t begin, uint64_t at, uint64_t n)
{
    const uint64_t index = index_at(csr, begin + at);
    const double value = value_at(csr, begin + at);
    for (uint64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        child += child + 1 < n &&
                 less(csr, begin + child, index_at(csr, begin + child + 1), value_at(csr, begin + child + 1));
        if (less(csr, begin + child, index, value) ||
            (index_at(csr, begin + child) == index && !(value_at(csr, begin + child) > value))) {
            break;
        }
        put(csr, begin + at, index_at(csr, begin + child), value_at(csr, begin + child));
        at = child;
    }
    put(csr, begin + at, index, value);
}

static void sort_by_heap(skimpi_csr_block *csr, uint64_t begin, uint64_t end)
{
    const uint64_t n = end - begin;
    for (uint64_t i = n / 2; i-- > 0;) {
        sift_down(csr, begin, i, n);
    }
    for (uint64_t last = n; last-- > 1;) {
        const uint64_t index = index_at(csr, begin + last);
        const double value = value_at(csr, begin + last);
        put(csr, begin + last, index_at(csr, begin), value_at(csr, begin));
        put(csr, begin, index, value);
        sift_down(csr, begin, 0, last);
    }
}

static void sort_row(skimpi_csr_block *csr, uint64_t begin, uint64_t end)
{
    if (end - begin <= INSERTION_MOST) {
        sort_by_insertion(csr, begin, end);
    } else {
        sort_by_heap(csr, begin, end);
    }
}

void skimpi_csr_make_distinct(skimpi_csr_block *csr, uint32_t n_rows, uint32_t *row_end)
{
    uint32_t kept = 0, begin = 0;
    for (uint32_t i = 0; i < n_rows; i++) {
        const uint32_t end = row_end[i], first = kept;
        if (!ascends(csr, begin, end)) {
            sort_row(csr, begin, end);
        } else if (kept == begin) {
            kept = begin = end;
            continue;
        }
        for (uint32_t at = begin; at < end; at++) {
            if (kept > first && index_at(csr, kept - 1) == index_at(csr, at)) {
                put(csr, kept - 1, index_at(csr, at), value_at(csr, kept - 1) + value_at(csr, at));
            } else {
                put(csr, kept, index_at(csr, at), value_at(csr, at));
                kept++;
            }
        }
        row_end[i] = kept;
        begin = end;
    }
}

int skimpi_csr_order(const skimpi_csr_block *csr, uint32_t n_rows, const uint32_t *row_end)
{
    skimpi_csr_block order = { .indices = csr->indices, .indices64 = csr->indices64 };
    int flags = 0;
    uint64_t begin = 0;
    for (uint32_t i = 0; i < n_rows; i++) {
        if (!ascends(&order, begin, row_end[i])) {
            flags |= SKIMPI_ROWS_UNORDERED;
            sort_row(&order, begin, row_end[i]);
            flags |= ascends(&order, begin, row_end[i]) ? 0 : SKIMPI_ROWS_REPEAT;
        }
        begin = row_end[i];
    }
    return flags;
}

/* ---- CSC ------------------------------------------------------------------------------------------------------------ */

void skimpi_csc_begin(const skimpi_arrays *arrays, uint64_t *cursors)
{
    const skimp_data *data = arrays->data;
    for (uint64_t c = 0; c < data->n_columns; c++) {
        cursors[c] = (uint64_t)offset_at(data->indptr, is_wide(data->indptr_dtype), c);
    }
}

/* One value, where calling for it would take longer than it does. */
static inline double value_of(const skimp_data *data, uint64_t at)
{
    float narrow;
    double value = 1;
    if (data->dtype == SKIMP_DTYPE_F32) {
        memcpy(&narrow, (const char *)data->values + at * sizeof narrow, sizeof narrow);
        value = (double)narrow;
    } else if (data->dtype == SKIMP_DTYPE_F64) {
        memcpy(&value, (const char *)data->values + at * sizeof value, sizeof value);
    } else {
        const skimp_data_column column = skimpi_plain_column(data->dtype, data->values);
        skimpi_gather_f64(&column, at, 1, &value);
    }
    return value;
}

/*
 * Twice over the columns: first to count the entries of each row, then to put them there.  row_end[i] is a counter, then
 * the place of row i's next entry, and so its end when all are there.  Columns come in order, and so do a row's indices.
 */
static inline skimp_status read_columns(const skimpi_arrays *arrays, uint64_t first, uint32_t n, uint64_t *cursors,
                                        skimpi_csr_block *out, uint32_t *row_end, bool wide, skimp_error *error)
{
    const skimp_data *data = arrays->data;
    const bool wide_ptr = is_wide(data->indptr_dtype);
    const uint64_t end = first + n, most = arrays->first_nonzero + arrays->nonzeros;
    const uint64_t index_bytes = wide ? sizeof(int64_t) : sizeof(int32_t), value_bytes = skimp_dtype_bytes(data->dtype);
    uint64_t total = 0;
    memset(row_end, 0, n * sizeof *row_end);
    for (uint64_t c = 0; c < data->n_columns; c++) {
        if (c + AHEAD < data->n_columns) {
            __builtin_prefetch((const char *)data->indices + cursors[c + AHEAD] * index_bytes);
        }
        const uint64_t stop = skimpi_min_u64((uint64_t)offset_at(data->indptr, wide_ptr, c + 1), most);
        for (uint64_t at = cursors[c]; at < stop; at++) {
            const uint64_t row = (uint64_t)offset_at(data->indices, wide, at);
            if (row >= end) {
                break;
            }
            if (row < first) {
                return skimpi_arrays_changed(error);
            }
            row_end[row - first]++;
            total++;
        }
    }
    if (total > arrays->chunk_nonzeros) {
        return skimpi_arrays_changed(error);
    }
    for (uint32_t i = 0, place = 0; i < n; i++) {
        const uint32_t count = row_end[i];
        row_end[i] = place;
        place += count;
    }
    for (uint64_t c = 0; c < data->n_columns; c++) {
        if (c + AHEAD < data->n_columns) {
            __builtin_prefetch((const char *)data->indices + cursors[c + AHEAD] * index_bytes);
            __builtin_prefetch((const char *)data->values + cursors[c + AHEAD] * value_bytes);
        }
        const uint64_t stop = skimpi_min_u64((uint64_t)offset_at(data->indptr, wide_ptr, c + 1), most);
        uint64_t at = cursors[c];
        for (; at < stop; at++) {
            const uint64_t row = (uint64_t)offset_at(data->indices, wide, at);
            if (row >= end) {
                break;
            }
            if (row < first || row_end[row - first] >= arrays->chunk_nonzeros) {
                return skimpi_arrays_changed(error);
            }
            put(out, row_end[row - first]++, c, data->values != NULL ? value_of(data, at) : 1);
        }
        cursors[c] = at;
    }
    return SKIMP_OK;
}

skimp_status skimpi_csc_read_rows(const skimpi_arrays *arrays, uint64_t first, uint32_t n, uint64_t *cursors,
                                  skimpi_csr_block *out, uint32_t *row_end, skimp_error *error)
{
    return is_wide(arrays->data->indices_dtype) ? read_columns(arrays, first, n, cursors, out, row_end, true, error)
                                                : read_columns(arrays, first, n, cursors, out, row_end, false, error);
}
