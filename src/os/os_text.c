/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text of /proc and of cgroup files: reading it into the stack (no stdio: its buffers would be allocated), and parsing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "os/os_text.h"

/* ---- words ------------------------------------------------------------------------------------------------------- */

skimpi_text skimpi_text_of(const char *string)
{
    return (skimpi_text){ string, strlen(string) };
}

bool skimpi_text_equal(skimpi_text a, const char *b)
{
    return a.length == strlen(b) && memcmp(a.at, b, a.length) == 0;
}

skimpi_text skimpi_text_cut(skimpi_text *rest, char separator)
{
    const char *end = rest->length != 0 ? memchr(rest->at, separator, rest->length) : NULL;
    skimpi_text head = { rest->at, end != NULL ? (size_t)(end - rest->at) : rest->length };
    size_t taken = head.length + (end != NULL ? 1 : 0);
    rest->at += taken;
    rest->length -= taken;
    return head;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

skimpi_text skimpi_text_word(skimpi_text *rest)
{
    while (rest->length != 0 && is_blank(*rest->at)) {
        rest->at++;
        rest->length--;
    }
    skimpi_text word = { rest->at, 0 };
    while (rest->length != 0 && !is_blank(*rest->at)) {
        rest->at++;
        rest->length--;
        word.length++;
    }
    return word;
}

static bool parse_digits(skimpi_text text, unsigned base, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 99;
        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    if (text.length == 0) {
        return false;
    }
    *out = value;
    return true;
}

bool skimpi_text_number(skimpi_text text, uint64_t *out)
{
    return parse_digits(text, 10, out);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* read() until the buffer is full or the file ends; -1 on failure. */
static ssize_t read_full(int fd, char *buffer, size_t bytes)
{
    size_t length = 0;
    while (length < bytes) {
        ssize_t got = read(fd, buffer + length, bytes - length);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        length += (size_t)got;
    }
    return (ssize_t)length;
}

static int open_text(const char *path)
{
    int fd;
    do {
        fd = open(path, O_RDONLY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

bool skimpi_os_slurp(const char *path, char *buffer, size_t bytes, size_t *out)
{
    *out = 0;
    int fd = open_text(path);
    if (fd < 0) {
        return false;
    }
    ssize_t got = read_full(fd, buffer, bytes);
    close(fd);
    *out = got > 0 ? (size_t)got : 0;
    return got >= 0;
}

bool skimpi_os_each_line(const char *path, skimpi_os_line_fn *line, void *context)
{
    char buffer[4096];
    int fd = open_text(path);
    if (fd < 0) {
        return false;
    }
    size_t length = 0;
    bool cut = false; /* the front of this line was handed over already; the rest is dropped */
    for (;;) {
        ssize_t got = read_full(fd, buffer + length, sizeof(buffer) - length);
        bool at_end = got <= 0;
        length += at_end ? 0 : (size_t)got;
        skimpi_text rest = { buffer, length };
        while (rest.length != 0 &&
               (at_end || rest.length == sizeof(buffer) || memchr(rest.at, '\n', rest.length) != NULL)) {
            bool whole = at_end || memchr(rest.at, '\n', rest.length) != NULL;
            skimpi_text head = skimpi_text_cut(&rest, '\n');
            if (!cut) {
                line(context, head);
            }
            cut = !whole;
        }
        if (at_end) {
            break;
        }
        memmove(buffer, rest.at, rest.length);
        length = rest.length;
    }
    close(fd);
    return true;
}

/* ---- numbers under a key ----------------------------------------------------------------------------------------- */

bool skimpi_os_parse_kib(skimpi_text text, const char *key, uint64_t *bytes)
{
    while (text.length != 0) {
        skimpi_text line = skimpi_text_cut(&text, '\n');
        skimpi_text name = skimpi_text_cut(&line, ':');
        uint64_t kib;
        if (skimpi_text_equal(name, key)) {
            return skimpi_text_number(skimpi_text_word(&line), &kib) &&
                   skimpi_text_equal(skimpi_text_word(&line), "kB") && !__builtin_mul_overflow(kib, 1024, bytes);
        }
    }
    return false;
}

bool skimpi_os_parse_stat(skimpi_text text, const char *key, uint64_t *value)
{
    while (text.length != 0) {
        skimpi_text line = skimpi_text_cut(&text, '\n');
        if (skimpi_text_equal(skimpi_text_cut(&line, ' '), key)) {
            return skimpi_text_number(line, value);
        }
    }
    return false;
}

uint64_t skimpi_os_parse_limit(skimpi_text text)
{
    /* v1 has no word for "none": it says the largest page count in bytes, which depends on the page size. */
    const uint64_t v1_none = INT64_MAX / 2;
    uint64_t value;
    skimpi_text word = skimpi_text_word(&text);
    return skimpi_text_number(word, &value) && value < v1_none ? value : UINT64_MAX;
}

unsigned skimpi_os_parse_quota(skimpi_text text)
{
    uint64_t quota;
    uint64_t period;
    if (!skimpi_text_number(skimpi_text_word(&text), &quota) || !skimpi_text_number(skimpi_text_word(&text), &period) ||
        quota == 0 || period == 0) {
        return 0;
    }
    uint64_t cpus = quota / period + (quota % period != 0);
    return cpus > 1u << 20 ? 0 : (unsigned)cpus;
}

/* ---- cgroups ----------------------------------------------------------------------------------------------------- */

static bool has_item(skimpi_text list, const char *item)
{
    while (list.length != 0) {
        if (skimpi_text_equal(skimpi_text_cut(&list, ','), item)) {
            return true;
        }
    }
    return false;
}

skimpi_cgroup_version skimpi_os_parse_cgroup(skimpi_text line, const char *controller, skimpi_text *path)
{
    uint64_t hierarchy = 0;
    bool numbered = skimpi_text_number(skimpi_text_cut(&line, ':'), &hierarchy);
    const char *before = line.at;
    skimpi_text controllers = skimpi_text_cut(&line, ':');
    bool complete = line.at > before + controllers.length; /* a second colon was there */
    if (!numbered || !complete || line.length == 0 || line.at[0] != '/') {
        return SKIMPI_CGROUP_NONE;
    }
    *path = line;
    if (hierarchy == 0 && controllers.length == 0) {
        return SKIMPI_CGROUP_V2;
    }
    return has_item(controllers, controller) ? SKIMPI_CGROUP_V1 : SKIMPI_CGROUP_NONE;
}

/* A path of mountinfo, in which blanks and backslashes are written as three octal digits. */
static bool unescape(skimpi_text text, char out[SKIMPI_OS_PATH_BYTES])
{
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c == '\\' && text.length - i > 3) {
            unsigned code = 0;
            for (size_t k = 1; k <= 3; k++) {
                char digit = text.at[i + k];
                code = digit >= '0' && digit <= '7' && code < 256 ? code * 8 + (unsigned)(digit - '0') : 256;
            }
            if (code > 0 && code < 256) {
                c = (unsigned char)code;
                i += 3;
            }
        }
        if (c == '\0' || length + 1 >= SKIMPI_OS_PATH_BYTES) {
            return false;
        }
        out[length++] = (char)c;
    }
    out[length] = '\0';
    return length != 0 && out[0] == '/';
}

bool skimpi_os_parse_mount(skimpi_text line, const char *controller, skimpi_os_mount *out)
{
    /* 36 35 98:0 /root /mount/point rw,noatime master:1 - cgroup2 source rw,nsdelegate: the dash ends optional fields. */
    for (int i = 0; i < 3; i++) {
        skimpi_text_word(&line);
    }
    skimpi_text root = skimpi_text_word(&line);
    skimpi_text point = skimpi_text_word(&line);
    skimpi_text word;
    do {
        word = skimpi_text_word(&line);
    } while (word.length != 0 && !skimpi_text_equal(word, "-"));
    skimpi_text type = skimpi_text_word(&line);
    skimpi_text_word(&line);
    skimpi_text options = skimpi_text_word(&line);

    if (skimpi_text_equal(type, "cgroup2")) {
        out->version = SKIMPI_CGROUP_V2;
    } else if (skimpi_text_equal(type, "cgroup") && has_item(options, controller)) {
        out->version = SKIMPI_CGROUP_V1;
    } else {
        return false;
    }
    return unescape(root, out->root) && unescape(point, out->point);
}

bool skimpi_os_cgroup_directory(const skimpi_os_mount *mount, skimpi_text path, char out[SKIMPI_OS_PATH_BYTES])
{
    size_t root = strlen(mount->root);
    if (root == 1) {
        root = 0; /* "/": the whole hierarchy */
    }
    bool inside = path.length >= root && memcmp(path.at, mount->root, root) == 0 &&
                  (path.length == root || path.at[root] == '/') && memchr(path.at, '\0', path.length) == NULL;
    /* "/../x" is how a cgroup outside of the namespace's root is written: nothing of it is mounted here. */
    bool outside = !inside || (path.length >= root + 3 && memcmp(path.at + root, "/..", 3) == 0);
    skimpi_text below = { path.at + (outside ? 0 : root), outside ? 0 : path.length - root };
    while (below.length != 0 && below.at[below.length - 1] == '/') {
        below.length--;
    }
    size_t point = strlen(mount->point);
    if (point + below.length + 1 > SKIMPI_OS_PATH_BYTES) {
        return false;
    }
    memcpy(out, mount->point, point);
    if (below.length != 0) {
        memcpy(out + point, below.at, below.length);
    }
    out[point + below.length] = '\0';
    return true;
}

/* ---- mappings ---------------------------------------------------------------------------------------------------- */

bool skimpi_os_parse_mapping(skimpi_text line, skimpi_os_mapping *out)
{
    /* 7f10c0000000-7f10c0021000 r-xp 00001000 08:01 1234  /lib/x.so */
    skimpi_text range = skimpi_text_word(&line);
    skimpi_text permissions = skimpi_text_word(&line);
    skimpi_text_word(&line);
    skimpi_text_word(&line);
    skimpi_text inode = skimpi_text_word(&line);
    uint64_t from;
    uint64_t to;
    uint64_t number;
    if (!parse_digits(skimpi_text_cut(&range, '-'), 16, &from) || !parse_digits(range, 16, &to) || to < from ||
        permissions.length != 4 || !skimpi_text_number(inode, &number)) {
        return false;
    }
    *out = (skimpi_os_mapping){
        .address = from,
        .bytes = to - from,
        .is_image = number != 0 && permissions.at[3] == 'p' && memcmp(permissions.at, "---", 3) != 0,
    };
    return true;
}
