"""A seeded permutation of 0 … size-1 that needs no memory: a Feistel network with cycle walking.

Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002: a Feistel cipher permutes a power of four
numbers just above `size`; walking the cycle until it comes back below `size` makes it a permutation of those.
"""

from __future__ import annotations

import hashlib

NUM_ROUNDS = 6


class Permutation:
    """A bijection of 0 … size-1, and its inverse; the same for the same size and seed everywhere."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.half_bits = max(1, ((size - 1).bit_length() + 1) // 2)  # the domain has less than 4 × size numbers
        self.mask = (1 << self.half_bits) - 1
        self.seed = str(seed).encode()

    def at(self, position: int) -> int:
        """Which number stands at `position`."""
        number = self._encrypt(position)
        while number >= self.size:
            number = self._encrypt(number)
        return number

    def index(self, number: int) -> int:
        """At which position `number` stands: the inverse of `at`."""
        position = self._decrypt(number)
        while position >= self.size:
            position = self._decrypt(position)
        return position

    def _encrypt(self, number: int) -> int:
        left, right = number >> self.half_bits, number & self.mask
        for round_number in range(NUM_ROUNDS):
            left, right = right, left ^ self._scramble(round_number, right)
        return left << self.half_bits | right

    def _decrypt(self, number: int) -> int:
        left, right = number >> self.half_bits, number & self.mask
        for round_number in reversed(range(NUM_ROUNDS)):
            left, right = right ^ self._scramble(round_number, left), left
        return left << self.half_bits | right

    def _scramble(self, round_number: int, half: int) -> int:
        text = b"%s/%d/%d" % (self.seed, round_number, half)
        return int.from_bytes(hashlib.blake2b(text).digest(), "big") & self.mask
