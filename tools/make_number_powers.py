#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write src/data/number_powers.h: 128-bit approximations of the powers of five that reading and writing numbers need.

    python3 tools/make_number_powers.py > src/data/number_powers.h

Entry q holds the 128 most significant bits of 5^q, the highest set: rounded down for q >= 0; for q < 0 a reciprocal that
is rounded up where 5^-q has at most 64 bits, and down elsewhere (Lemire 2021, section 5 and theorem 1).
"""

FIRST, LAST = -342, 324


def entry(q: int) -> int:
    """The 128-bit approximation of 5^q."""
    if q >= 0:
        power = 5**q
        bits = power.bit_length()
        return power << (128 - bits) if bits <= 128 else power >> (bits - 128)
    power = 5**-q
    bits = (power - 1).bit_length()
    if q >= -27:
        return (1 << (bits + 127)) // power + 1
    reciprocal = (1 << (2 * bits + 128)) // power + 1
    return reciprocal >> (reciprocal.bit_length() - 128)


def main() -> None:
    print("/* SPDX-License-Identifier: BSD-3-Clause */")
    print("/* Powers of five, 128 bits each (high word, low word). Written by tools/make_number_powers.py: do not edit. */")
    print("#ifndef SKIMPI_NUMBER_POWERS_H")
    print("#define SKIMPI_NUMBER_POWERS_H")
    print()
    print("#include <stdint.h>")
    print()
    print(f"#define SKIMPI_POWER_FIRST ({FIRST})")
    print(f"#define SKIMPI_POWER_LAST {LAST}")
    print()
    print("static const uint64_t skimpi_powers_of_five[SKIMPI_POWER_LAST - SKIMPI_POWER_FIRST + 1][2] = {")
    row = []
    for q in range(FIRST, LAST + 1):
        value = entry(q)
        assert value >> 127 == 1
        row.append(f"{{ 0x{value >> 64:016x}, 0x{value & (2**64 - 1):016x} }}")
        if len(row) == 2 or q == LAST:
            print("    " + ", ".join(row) + ",")
            row = []
    print("};")
    print()
    print("#endif")


if __name__ == "__main__":
    main()
