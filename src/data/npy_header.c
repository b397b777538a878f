/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NPY headers: six bytes of magic, two of version, a length, and the text of a Python dictionary
 *     {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }
 * padded with spaces to a line feed.  It is read as just that, never as Python.
 */
#include "data/npy_header.h"

#include <string.h>

#define MAGIC "\x93NUMPY"

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_blanks(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r')) {
        c->at++;
    }
}

static bool take(cursor *c, char byte)
{
    skip_blanks(c);
    if (c->at < c->end && *c->at == byte) {
        c->at++;
        return true;
    }
    return false;
}

static bool take_word(cursor *c, const char *word)
{
    size_t n = strlen(word);
    skip_blanks(c);
    if ((size_t)(c->end - c->at) >= n && memcmp(c->at, word, n) == 0) {
        c->at += n;
        return true;
    }
    return false;
}

/* 'text' or "text", without escapes. */
static bool take_string(cursor *c, const char **text, size_t *length)
{
    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) {
        return false;
    }
    const char quote = *c->at++;
    *text = c->at;
    while (c->at < c->end && *c->at != quote && *c->at != '\\' && *c->at != '\n') {
        c->at++;
    }
    *length = (size_t)(c->at - *text);
    return c->at < c->end && *c->at++ == quote;
}

/* A whole number; Python 2 wrote an L behind it. */
static bool take_number(cursor *c, uint64_t *out)
{
    skip_blanks(c);
    const char *first = c->at;
    uint64_t n = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        unsigned digit = (unsigned)(*c->at++ - '0');
        if (n > (UINT64_MAX - digit) / 10) {
            return false;
        }
        n = n * 10 + digit;
    }
    *out = n;
    return c->at > first && (take(c, 'L') || true);
}

/* (), (n,), (n, m), …: the first two numbers, and how many there are. */
static bool take_shape(cursor *c, uint64_t shape[2], unsigned *n_dims)
{
    bool comma = true;
    uint64_t n;
    *n_dims = 0;
    if (!take(c, '(')) {
        return false;
    }
    while (!take(c, ')')) {
        if (!comma || !take_number(c, &n)) {
            return false;
        }
        if (*n_dims < 2) {
            shape[*n_dims] = n;
        }
        ++*n_dims;
        comma = take(c, ',');
    }
    return *n_dims != 1 || comma; /* (2) is no tuple */
}

static const struct {
    const char *name;
    skimpi_npy_type type;
    unsigned bytes;
} types[] = {
    { "f4", SKIMPI_NPY_F32, 4 }, { "f8", SKIMPI_NPY_F64, 8 }, { "i1", SKIMPI_NPY_I8, 1 }, { "i2", SKIMPI_NPY_I16, 2 },
    { "i4", SKIMPI_NPY_I32, 4 }, { "i8", SKIMPI_NPY_I64, 8 }, { "u1", SKIMPI_NPY_U8, 1 }, { "u2", SKIMPI_NPY_U16, 2 },
    { "u4", SKIMPI_NPY_U32, 4 }, { "u8", SKIMPI_NPY_U64, 8 }, { "b1", SKIMPI_NPY_U8, 1 },
};

static bool type_of(const char *text, size_t length, skimpi_npy_header *out)
{
    if (length != 3 || strchr("<>|=", text[0]) == NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (memcmp(types[i].name, text + 1, 2) == 0) {
            const char foreign = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '>' : '<';
            out->type = types[i].type;
            out->item_bytes = types[i].bytes;
            out->swapped = text[0] == foreign && out->item_bytes > 1;
            return text[0] != '|' || out->item_bytes == 1;
        }
    }
    return false;
}

static skimp_status refuse(const char *file, const char *what, skimp_error *error)
{
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, NULL, "%s", what);
}

static skimp_status refuse_type(const char *file, const char *text, size_t length, skimp_error *error)
{
    char name[24];
    size_t n = length < sizeof(name) - 1 ? length : sizeof(name) - 1;
    memcpy(name, text, n);
    name[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        name[i] = name[i] >= ' ' && name[i] < 0x7f ? name[i] : '?';
    }
    const char *hint = strchr(name, 'O') != NULL ? "it holds Python objects, not numbers"
                       : strchr(name, 'M') != NULL || strchr(name, 'm') != NULL
                           ? "dates and times are not numbers: save them as float64"
                           : "save it as float32 or float64";
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, NULL, "the array's type '%s' cannot be read: %s", name,
                          hint);
}

skimp_status skimpi_npy_header_bytes(const char *bytes, size_t n, const char *file, size_t *wanted, skimp_error *error)
{
    const uint8_t *b = (const uint8_t *)bytes;
    *wanted = 0;
    if (n < SKIMPI_NPY_PREFIX || memcmp(bytes, MAGIC, 6) != 0) {
        return refuse(file, "not an NPY file", error);
    }
    if (b[6] < 1 || b[6] > 3) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, NULL, "version %u of the NPY format is not known",
                              b[6]);
    }
    uint64_t length =
        b[6] == 1 ? 10u + (b[8] | (unsigned)b[9] << 8)
                  : 12u + (uint64_t)(b[8] | (unsigned)b[9] << 8 | (unsigned)b[10] << 16 | (uint32_t)b[11] << 24);
    if (length > SKIMPI_NPY_HEADER_LIMIT) {
        return refuse(file, "the header of the NPY file is longer than an array of numbers needs", error);
    }
    *wanted = (size_t)length;
    return SKIMP_OK;
}

skimp_status skimpi_npy_header_read(const char *bytes, size_t n, const char *file, skimpi_npy_header *out,
                                    skimp_error *error)
{
    static const char damaged[] = "the header of the NPY file is damaged";
    skimp_status status = SKIMP_OK;
    size_t wanted;
    *out = (skimpi_npy_header){ 0 };
    SKIMPI_TRY(skimpi_npy_header_bytes(bytes, n, file, &wanted, error));
    if (n < wanted) {
        return refuse(file, "the file ends within its NPY header", error);
    }
    cursor c = { bytes + (bytes[6] == 1 ? 10 : 12), bytes + wanted };
    const char *text;
    size_t length;
    uint64_t shape[2] = { 1, 1 };
    unsigned n_dims = 0;
    unsigned seen = 0;
    if (!take(&c, '{')) {
        return refuse(file, damaged, error);
    }
    while (!take(&c, '}')) {
        unsigned member = 0;
        bool good = take_string(&c, &text, &length) && take(&c, ':');
        if (good && length == 5 && memcmp(text, "descr", 5) == 0) {
            member = 1;
            skip_blanks(&c);
            if (c.at < c.end && *c.at == '[') {
                return refuse(file, "the array has named fields: save an array of numbers, one column for each field",
                              error);
            }
            good = take_string(&c, &text, &length);
            if (good && !type_of(text, length, out)) {
                return refuse_type(file, text, length, error);
            }
        } else if (good && length == 13 && memcmp(text, "fortran_order", 13) == 0) {
            member = 2;
            out->fortran = take_word(&c, "True");
            good = out->fortran || take_word(&c, "False");
        } else if (good && length == 5 && memcmp(text, "shape", 5) == 0) {
            member = 4;
            good = take_shape(&c, shape, &n_dims);
        }
        if (!good || member == 0 || (seen & member) != 0) {
            return refuse(file, damaged, error);
        }
        seen |= member;
        if (!take(&c, ',')) {
            if (!take(&c, '}')) {
                return refuse(file, damaged, error);
            }
            break;
        }
    }
    skip_blanks(&c);
    if (seen != 7 || c.at != c.end) {
        return refuse(file, damaged, error);
    }
    if (n_dims < 1 || n_dims > 2) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, NULL,
                              "the array has %u dimensions: one or two are expected", n_dims);
    }
    out->n_rows = shape[0];
    out->n_columns = n_dims == 2 ? shape[1] : 1;
    out->fortran = out->fortran && out->n_columns > 1; /* one column is the same either way */
    out->data_start = wanted;
    out->data_bytes = skimpi_mul_sat(skimpi_mul_sat(out->n_rows, out->n_columns), out->item_bytes);
    if (out->n_rows == 0 || out->n_columns == 0) {
        return refuse(file, "the array has no rows or no columns", error);
    }
    if (out->n_columns > INT32_MAX || out->data_bytes > INT64_MAX - wanted) {
        return refuse(file, "the shape in the NPY header cannot be", error);
    }
out:
    return status;
}
