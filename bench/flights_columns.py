# SPDX-License-Identifier: BSD-3-Clause
"""What the flights case learns from: the columns that are known before the flight leaves."""

NUMBERS = ["month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance", "hour", "minute"]
TEXTS = ["carrier", "tailnum", "origin", "dest"]
# Known only when the flight has left or landed, the date (the features have it), and a constant.
DROPPED = ["year", "dep_time", "dep_delay", "arr_time", "air_time", "time_hour"]
TARGET = "arr_delay"
THRESHOLD = 15
