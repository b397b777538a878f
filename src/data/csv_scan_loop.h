/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop of a scan, made once for each set of instructions.  Whoever includes it defines SCAN_NAME, SCAN_TARGET (an
 * attribute), SCAN_MASKS (const char *block, char delimiter → skimpi_csv_masks) and SCAN_EMIT (uint32_t *out, uint64_t
 * bits, uint32_t base: writes base + the place of each bit; may write 64 values whatever the bits).
 */
SCAN_TARGET static size_t SCAN_NAME(skimpi_csv_batch *batch, const char *text, size_t from, size_t length, size_t stop,
                                    bool is_last, char delimiter)
{
    size_t p = from;
    while (p < length && batch->n_ends + 64 <= batch->max_ends && batch->n_rows < batch->max_rows) {
        skimpi_csv_masks m = SCAN_MASKS(text + p, delimiter);
        unsigned n_valid = 64;
        if (__builtin_expect(length - p < 64, 0)) {
            n_valid = (unsigned)(length - p);
            uint64_t valid = ((uint64_t)1 << n_valid) - 1;
            m = (skimpi_csv_masks){ m.delimiter & valid, m.lf & valid, m.cr & valid, m.quote & valid, m.nul & valid };
        }
        uint64_t row_ends = m.lf;
        if (__builtin_expect((m.cr | m.nul) != 0, 0)) {
            batch->has_nul |= m.nul != 0;
            batch->has_cr |= m.cr != 0;
            /* A CR ends a row itself unless a LF follows: beyond the block, or, at the end of what there is, perhaps. */
            bool lf_follows = p + n_valid < length ? text[p + n_valid] == '\n' : !is_last;
            uint64_t followed = m.lf >> 1 | (lf_follows ? (uint64_t)1 << (n_valid - 1) : 0);
            row_ends |= m.cr & ~followed;
        }
        uint64_t ends = m.delimiter | row_ends;
        if (__builtin_expect(m.quote != 0 || batch->in_quotes || batch->after_quote, 0)) {
            batch->has_quotes = true;
            ends = skimpi_csv_quoted_block(batch, ends, m.quote, n_valid, m.cr);
            row_ends &= ends;
        } else {
            batch->at_start = ends >> (n_valid - 1) & 1;
        }
        SCAN_EMIT(batch->ends + batch->n_ends, ends, (uint32_t)(text + p - batch->base));
        for (uint64_t rest = row_ends; rest != 0; rest &= rest - 1) {
            uint64_t up_to = rest ^ (rest - 1); /* its lowest bit and all below */
            batch->rows[batch->n_rows++] = batch->n_ends + (uint32_t)__builtin_popcountll(ends & up_to) - 1;
        }
        batch->n_ends += (uint32_t)__builtin_popcountll(ends);
        p += n_valid;
        if (p >= stop && row_ends != 0 && p - n_valid + 64 - (unsigned)__builtin_clzll(row_ends) >= stop) {
            break;
        }
    }
    return p;
}

#undef SCAN_NAME
#undef SCAN_TARGET
#undef SCAN_MASKS
#undef SCAN_EMIT
