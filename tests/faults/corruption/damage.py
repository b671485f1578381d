"""Ways to damage a piece of stored bytes, numbered: first every one of them once, then seeded mixtures of several.

    flip      one byte, changed by each mask                      cut      everything from one byte on is gone
    sector    512 bytes: zeros, ones, noise, or swapped with another sector
    page      4096 bytes: the same, where the piece has more than one page

The numbers walk through the list with a stride that is prime to its length, so that any beginning of it is spread over the whole piece
and all of it is met once. The number of the list's length and the ones after it are mixtures of 2 to 6, by their own seed.
Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

SECTOR, PAGE = 512, 4096
ALL_MASKS = tuple(range(1, 256))
FEW_MASKS = (0x01, 0xFF)
ONE_MASK = (0x01,)
_FILLS = 3  # zeros, ones, noise


@dataclass(frozen=True, slots=True)
class Damaged:
    """What became of the bytes, and the word for what was done."""

    how: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Damages:
    """The numbered damages of a piece of `length` bytes."""

    length: int
    masks: Sequence[int] = FEW_MASKS
    page: bool = False

    @property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """(size, number) of the kinds of blocks in the piece."""
        sizes = (SECTOR, PAGE) if self.page else (SECTOR,)
        return tuple((size, -(-self.length // size)) for size in sizes)

    @property
    def every(self) -> int:
        """How many single damages there are."""
        blocks = sum(_FILLS * n + n * (n - 1) // 2 for _, n in self.blocks)
        return self.length * len(self.masks) + self.length + blocks

    def done(self, data: bytes, number: int) -> Damaged:
        """`data` with damage `number`. The same bytes where a block is swapped for its like."""
        if len(data) != self.length:
            raise ValueError("these damages are for a piece of another length")
        if number < self.every:
            return self._single(data, number * _stride(self.every) % self.every, number)
        dice = random.Random(number)
        for _ in range(dice.randint(2, 6)):
            one = self._single(data.ljust(self.length, b"\0"), dice.randrange(self.every), dice.randrange(2**32))
            data = one.data if one.how == "cut" else one.data[: len(data)]
        return Damaged("mixture", data)

    def _single(self, data: bytes, number: int, noise: int) -> Damaged:
        if number < self.length * len(self.masks):
            at, mask = number // len(self.masks), self.masks[number % len(self.masks)]
            return Damaged("flip", data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :])
        number -= self.length * len(self.masks)
        if number < self.length:
            return Damaged("cut", data[:number])
        number -= self.length
        for size, n in self.blocks:
            word = "sector" if size == SECTOR else "page"
            if number < _FILLS * n:
                block = number // _FILLS
                fill = (bytes(size), b"\xff" * size, random.Random(noise).randbytes(size))[number % _FILLS]
                return Damaged(word, _put(data, block * size, fill))
            number -= _FILLS * n
            if number < n * (n - 1) // 2:
                one, other = _pair(number)
                return Damaged(f"{word} swap", _swapped(data, one * size, other * size, size))
            number -= n * (n - 1) // 2
        raise ValueError("there is no such damage")


def _put(data: bytes, at: int, fill: bytes) -> bytes:
    return data[:at] + fill[: len(data) - at] + data[at + len(fill) :]


def _swapped(data: bytes, one: int, other: int, size: int) -> bytes:
    low, high = min(one, other), max(one, other)
    first, second = data[low : low + size], data[high : high + size]
    return data[:low] + second + data[low + len(first) : high] + first + data[high + len(second) :]


def _pair(number: int) -> tuple[int, int]:
    """The number-th pair (low, high) with low < high: (0,1) (0,2) (1,2) (0,3) ..."""
    high = int((1 + (1 + 8 * number) ** 0.5) / 2)
    while high * (high - 1) // 2 > number:
        high -= 1
    while (high + 1) * high // 2 <= number:
        high += 1
    return number - high * (high - 1) // 2, high


def _stride(length: int) -> int:
    stride = max(1, int(length * 0.6180339887))
    while gcd(stride, length) != 1:
        stride += 1
    return stride
