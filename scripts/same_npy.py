# SPDX-License-Identifier: Apache-2.0
"""same_npy.py GOT EXPECTED: do two .npy files hold the same dtype, shape and bits?"""

import ast
import sys


def read_npy(path):
    with open(path, "rb") as file:
        magic = file.read(8)
        if magic[:6] != b"\x93NUMPY":
            sys.exit(f"{path}: not an .npy file")
        size = int.from_bytes(file.read(2 if magic[6] == 1 else 4), "little")
        header = ast.literal_eval(file.read(size).decode("latin-1").strip())
        return header["descr"], header["fortran_order"], header["shape"], file.read()


def main():
    got, expected = read_npy(sys.argv[1]), read_npy(sys.argv[2])
    for what, left, right in zip(("dtype", "order", "shape"), got, expected):
        if left != right:
            sys.exit(f"{sys.argv[1]}: {what} {left}, expected {right}")
    width = len(got[3]) // max(1, count_values(got[2]))
    if got[3] != expected[3]:
        first = next(i for i in range(len(expected[3])) if got[3][i] != expected[3][i]) // width
        sys.exit(f"{sys.argv[1]}: value {first} differs")
    print(f"{count_values(got[2])} values of {got[0]}, all bits equal")


def count_values(shape):
    count = 1
    for length in shape:
        count *= length
    return count


if __name__ == "__main__":
    main()
