/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replays a corpus: hands every file of the directories named to the fuzz target, in the order of their names.  What a
 * fuzzer found once is so tested for ever, by every compiler and sanitizer.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    int failed = 1;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        goto out;
    }
    long size = ftell(file);
    rewind(file);
    /* Exactly as long as the file, so that the sanitizers see a read beyond its end. */
    data = size >= 0 ? malloc(size > 0 ? (size_t)size : 1) : NULL;
    if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) {
        goto out;
    }
    LLVMFuzzerTestOneInput(data, (size_t)size);
    failed = 0;
out:
    if (failed) {
        perror(path);
    }
    free(data);
    if (file != NULL) {
        fclose(file);
    }
    return failed;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    int replayed = 0;
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        struct dirent **entries = NULL;
        int n = scandir(argv[i], &entries, is_input, alphasort);
        for (int k = 0; k < n; k++) {
            char path[4096];
            snprintf(path, sizeof(path), "%s/%s", argv[i], entries[k]->d_name);
            failed |= replay_file(path);
            replayed++;
            free(entries[k]);
        }
        free(entries);
    }
    printf("%d inputs replayed\n", replayed);
    /* A corpus that is not there would pass for one without a crash. */
    return failed != 0 || replayed == 0;
}
