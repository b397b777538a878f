/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands and the options: data only. */
#include "command.h"
#include "command_options.h"

/* Tables are read by columns and paragraphs. */
/* clang-format off */
const command commands[] = {
    {
        .name = "fit", .operands = "ESTIMATOR FILE...", .least = 2, .most = SIZE_MAX, .run = command_fit, .bit = FOR_FIT,
        .summary = "train a model inside a memory budget",
        .description =
            "Trains ESTIMATOR on the rows of the FILEs, which are read as one data set, and writes the model to the file that -o names. "
            "The process's resident set, as the kernel counts it, stays at or below --max-memory, whatever the size of the data: the text is "
            "parsed once into a chunk store, in memory when the budget allows and else on disk, and the solver reads the store.\n\n"
            "A FILE is CSV or TSV, svmlight, NPY, any of these compressed with gzip or zstd, a chunk store made by `skimp convert`, or - for "
            "standard input.\n\n"
            "A budget that is too small is refused before the data is read, with the smallest that works. "
            "`skimp estimators` lists the estimators and the steps, `skimp help NAME` the parameters of one.",
        .examples = "skimp fit logistic_regression train.csv --target label --max-memory 64M -o model.safetensors\n"
                    "skimp fit ridge a.csv.zst b.csv.zst --target price --drop id,date -p alpha=10 --step standard_scaler -o model.safetensors\n"
                    "skimp fit sgd_classifier flights.csv --target 'arr_delay>15' --step simple_imputer --step standard_scaler --holdout 0.2 -o m.safetensors\n",
    },
    {
        .name = "plan", .operands = "ESTIMATOR FILE...", .least = 2, .most = SIZE_MAX, .run = command_plan, .bit = FOR_PLAN,
        .summary = "say what a fit will take, before the data is read",
        .description =
            "Says how much memory the same `skimp fit` takes at most, what for, how often it reads the data, how much disk it needs, roughly how "
            "long it takes, and the smallest budget that works. It reads a few samples of the data, whatever its size, and lists what it assumed "
            "from them; of a chunk store, or a file that a sample holds whole, the plan is exact.",
        .examples = "skimp plan logistic_regression train.csv --target label --max-memory 64M\n",
    },
    {
        .name = "predict", .operands = "MODEL FILE...", .least = 2, .most = SIZE_MAX, .run = command_predict, .bit = FOR_PREDICT,
        .summary = "apply a model to new data",
        .description =
            "Streams the FILEs through a model and writes a CSV with a row for each of theirs: a column `prediction` and, with --proba, a column "
            "`probability_CLASS` for each class. Columns are found by their names where there is a header, else by their places; the model's "
            "steps, dropped columns and categories apply. Categories that training did not see count as none, and are reported. "
            "A FILE may be a chunk store made by `skimp convert`, alone.",
        .examples = "skimp predict model.safetensors test.csv -o predictions.csv\n"
                    "zcat new.csv.gz | skimp predict model.safetensors - --proba > predictions.csv\n",
    },
    {
        .name = "score", .operands = "MODEL FILE...", .least = 2, .most = SIZE_MAX, .run = command_score, .bit = FOR_SCORE,
        .summary = "measure a model on data with known targets",
        .description =
            "Streams the FILEs through a model and compares its predictions with the target: log_loss, accuracy and roc_auc of a classifier, r2, "
            "mean_squared_error and mean_absolute_error of a regressor, as scikit-learn defines them. The target is the model's unless --target says otherwise.",
        .examples = "skimp score model.safetensors test.csv --target label\n",
    },
    {
        .name = "convert", .operands = "FILE...", .least = 1, .most = SIZE_MAX, .run = command_convert, .bit = FOR_CONVERT,
        .summary = "write a chunk store to keep",
        .description =
            "Reads the FILEs into a chunk store: parsed, encoded, with checksums. `skimp fit` takes it as input and starts at once; its plan is then "
            "exact. The target, the weight, the dropped columns and hashing of the fit are chosen here. `skimp predict` and `skimp score` take it too, "
            "whatever roles its columns have.",
        .examples = "skimp convert train.csv.gz --target label -o train.skimp\n"
                    "skimp fit logistic_regression train.skimp --max-memory 64M -o model.safetensors\n",
    },
    {
        .name = "info", .operands = "FILE...", .least = 1, .most = SIZE_MAX, .run = command_info, .bit = FOR_INFO,
        .summary = "show what is in a model, a chunk store or a data file",
        .description = "Of a model: its metadata and arrays. Of data: format, expected rows, columns with their types and roles, from a sample.",
        .examples = "skimp info model.safetensors\nskimp info train.csv --target label\n",
    },
    {
        .name = "estimators", .operands = "[NAME...]", .least = 0, .most = SIZE_MAX, .run = command_estimators, .bit = FOR_ESTIMATORS,
        .summary = "list estimators and steps, and their parameters",
        .description = "Lists the estimators and the steps; with a NAME, its parameters with their defaults. Names and parameters are scikit-learn's.",
        .examples = "skimp estimators\nskimp estimators logistic_regression\n",
    },
    {
        .name = "help", .operands = "[COMMAND|ESTIMATOR]", .least = 0, .most = 1, .run = command_help, .bit = FOR_HELP,
        .summary = "explain a command or an estimator",
        .description = "Prints the help of skimp, of one of its commands, or of an estimator; with --man as a man page, with --completion a script "
                       "that completes skimp's command line in a shell.",
        .examples = "skimp help fit\nskimp help logistic_regression\nsource <(skimp help --completion bash)\n",
    },
    {
        .name = "version", .operands = "", .least = 0, .most = 0, .run = command_version, .bit = FOR_VERSION,
        .summary = "print the version",
        .description = "Prints the version of skimp.",
        .examples = "skimp version\n",
    },
    { 0 },
};

#define READS (FOR_FIT | FOR_PLAN | FOR_PREDICT | FOR_SCORE | FOR_CONVERT)
#define FITS (FOR_FIT | FOR_PLAN)

static const char data[] = "Data", model[] = "Model", means[] = "Memory and speed", output[] = "Output";

const option command_options[] = {
    { "target", 't', "COLUMN", OPTION_TEXT, offsetof(settings, target), NULL, 0, data, FITS | FOR_SCORE | FOR_CONVERT | FOR_INFO,
      "the column to learn, or a comparison such as 'delay>15'" },
    { "weight", 'w', "COLUMN", OPTION_TEXT, offsetof(settings, weight), NULL, 0, data, FITS | FOR_CONVERT | FOR_INFO, "the column of sample weights" },
    { "drop", 'd', "COLUMN,...", OPTION_NAMES, offsetof(settings, drop), NULL, 0, data, FITS | FOR_CONVERT | FOR_INFO,
      "columns that are not read; may be repeated; a name with a comma goes in double quotes" },
    { "format", 'f', "FORMAT", OPTION_WORD, offsetof(settings, format), "csv|tsv|svmlight|npy|store", 0, data, READS | FOR_INFO,
      "csv, tsv, svmlight, npy or store, instead of what name and first bytes say" },
    { "delimiter", 0, "CHARACTER", OPTION_CHARACTER, offsetof(settings, delimiter), NULL, 0, data, READS | FOR_INFO,
      "what separates the fields of a CSV, 'tab' for a tabulator, instead of a guess" },
    { "header", 0, NULL, OPTION_SWITCH, offsetof(settings, header), NULL, 0, data, READS | FOR_INFO,
      "the first row of a CSV holds the names of the columns, or none does, instead of a guess" },
    { "zero-based", 0, "auto|true|false", OPTION_CHOICE, offsetof(settings, zero_based), "auto|false|true", -1, data, READS | FOR_INFO,
      "whether svmlight indices count from 0 (default: auto)" },
    { "index64", 0, NULL, OPTION_FLAG, offsetof(settings, index64), NULL, 0, data, READS | FOR_INFO,
      "svmlight indices may need 64 bits, even if a sample shows none that does" },
    { "on-missing", 0, "error|drop", OPTION_CHOICE, offsetof(settings, on_missing), "error|drop", 0, data, READS,
      "what a missing value that no step imputes does: an error (default), or its row is dropped and counted" },
    { "on-bad-row", 0, "error|skip", OPTION_CHOICE, offsetof(settings, on_bad_row), "error|skip", 0, data, READS,
      "what a row with too few fields or the like does: an error (default), or it is skipped and counted" },
    { "holdout", 0, "SHARE", OPTION_SHARE, offsetof(settings, holdout), NULL, 0, data, FITS,
      "keep this share of the rows out of the fit and score the model on them" },
    { "seed", 0, "N", OPTION_INTEGER, offsetof(settings, seed), NULL, 0, data, FITS, "which rows are held out (default: 0)" },

    { "param", 'p', "NAME=VALUE", OPTION_PARAM, 0, NULL, 0, model, FITS,
      "a parameter of the estimator, or STEP__NAME=VALUE of a step; VALUE is JSON or a bare string; may be repeated" },
    { "step", 's', "NAME[@COLUMNS]", OPTION_LIST, offsetof(settings, steps), NULL, 0, model, FITS,
      "a step before the estimator, on the numeric columns or those named (@text: the text columns); may be repeated, in order" },
    { "hash-bits", 0, "N", OPTION_COUNT, offsetof(settings, hash_bits), NULL, 0, model, FITS | FOR_CONVERT,
      "hash text columns into 2^N features, 1 to 28, instead of one feature a category" },

    { "max-memory", 'm', "SIZE", OPTION_SIZE, offsetof(settings, max_memory), NULL, 0, means, READS,
      "the budget: bytes, or a number with K, M, G (powers of 1024) or KB, MB, GB (of 1000); default: $SKIMP_MAX_MEMORY, else half of what is free" },
    { "threads", 'j', "N", OPTION_COUNT, offsetof(settings, threads), NULL, 0, means, READS, "at most this many threads (default: one for each CPU)" },
    { "spill-dir", 0, "DIRECTORY", OPTION_FILE, offsetof(settings, spill_dir), NULL, 0, means, READS,
      "where the chunk store goes when memory does not hold it (default: $TMPDIR, else /var/tmp)" },
    { "spill-to-memory", 0, NULL, OPTION_FLAG, offsetof(settings, spill_to_memory), NULL, 0, means, READS, "allow a spill directory that is memory (tmpfs)" },
    { "checkpoint", 0, "FILE", OPTION_FILE, offsetof(settings, checkpoint), NULL, 0, means, FITS,
      "write the state to FILE after every pass, and continue from it when it is there" },

    { "output", 'o', "MODEL", OPTION_FILE, offsetof(settings, output), NULL, 0, output, FOR_FIT, "the model file to write; - for standard output" },
    { "output", 'o', "FILE", OPTION_FILE, offsetof(settings, output), NULL, 0, output, FOR_PREDICT, "the CSV to write (default: -, standard output)" },
    { "output", 'o', "STORE", OPTION_FILE, offsetof(settings, output), NULL, 0, output, FOR_CONVERT, "the chunk store to write" },
    { "proba", 0, NULL, OPTION_FLAG, offsetof(settings, proba), NULL, 0, output, FOR_PREDICT, "write the probability of each class too" },
    { "man", 0, NULL, OPTION_FLAG, offsetof(settings, man_page), NULL, 0, output, FOR_HELP, "as a man page (troff)" },
    { "completion", 0, "bash|zsh|fish", OPTION_WORD, offsetof(settings, completion), "bash|zsh|fish", 0, output, FOR_HELP, "a completion script for a shell" },
    { "json", 0, NULL, OPTION_FLAG, offsetof(settings, json), NULL, 0, output, FOR_ALL, "print one JSON object on standard output" },
    { "progress", 0, NULL, OPTION_SWITCH, offsetof(settings, progress), NULL, 0, output, READS & ~FOR_PLAN,
      "show progress on standard error, or not (default: on a terminal)" },
    { "quiet", 'q', NULL, OPTION_FLAG, offsetof(settings, quiet), NULL, 0, output, READS, "print warnings and errors only" },
    { "verbose", 'v', NULL, OPTION_FLAG, offsetof(settings, verbose), NULL, 0, output, READS | FOR_INFO, "say more" },
    { "help", 'h', NULL, OPTION_FLAG, offsetof(settings, help), NULL, 0, output, FOR_ALL, "print this help" },
    { 0 },
};
/* clang-format on */
