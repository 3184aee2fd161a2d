"""Generated interactions that need no file: users follow a few interests, items have popularity and successors.

The items are of a few genres, and those of a genre lie on rings. A user has one ring in each genre, its interests, and
mostly turns from genre to genre in order, to go on to one of the next items on its ring there; else it takes an item of
the genre by popularity. So the last item tells the genre of the next one, and what the user took in *that* genre,
several steps ago, tells which: a sequential model beats popularity, and one that keeps the interests apart beats one
that blurs them into a single mean of the history, which has to tell all rings of all genres from each other at once.

Only the raw output of a bit generator and exactly rounded arithmetic are used (no exp, log or pow, whose last bits
differ between machines): the data is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypersweep.errors import DataError
from hypersweep.recommend.interactions import Codes, Interactions, Numbers

VERSION = 2  # of what is generated: raise it with any change, so that no older data is taken from the cache
_SEED = 2020
_TURNS_IN_ORDER, _FOLLOWS_RING = 0.85, 0.8
_FIRST_TIME, _STEP_S = 1_500_000_000, 512  # float32 tells such times apart


@dataclass(frozen=True)
class SampleSize:
    """`num_genres` genres of `num_rings` rings of `ring_size` items each; a user has `min_length` interactions or
    more, `mean_length` on average before the cut at `max_length`."""

    num_users: int
    num_genres: int
    num_rings: int
    ring_size: int
    min_length: int
    mean_length: int
    max_length: int

    @property
    def genre_size(self) -> int:
        return self.num_rings * self.ring_size


SAMPLES: Mapping[str, SampleSize] = {
    "sample": SampleSize(800, num_genres=4, num_rings=15, ring_size=5, min_length=10, mean_length=24, max_length=80),
    "sample:ml-1m": SampleSize(
        6_034, num_genres=4, num_rings=11, ring_size=71, min_length=12, mean_length=152, max_length=1_200
    ),
    "sample:amazon-books": SampleSize(
        40_550, num_genres=5, num_rings=42, ring_size=148, min_length=10, mean_length=30, max_length=1_200
    ),
}


class _Draws:
    """Uniform numbers in [0, 1)."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self, *shape: int) -> Numbers:
        raw = self._bits.random_raw(int(np.prod(shape)))
        numbers: Numbers = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return numbers.reshape(shape)

    def below(self, limit: int, *shape: int) -> Codes:
        return (self.uniform(*shape) * limit).astype(np.int64)


def generate(name: str, settings: Mapping[str, Any]) -> Interactions:
    """The rows of a sample, with ratings 3 … 5 and times; raises `DataError` for an interval on another column."""
    user_N, item_N, step_N, rating_N = _walk(SAMPLES[name])
    numbers = {
        settings["RATING_FIELD"]: rating_N,
        settings["TIME_FIELD"] or "timestamp": (_FIRST_TIME + _STEP_S * step_N).astype(np.float64),
    }
    wanted = settings["val_interval"] or {}
    unknown = [field for field, values in wanted.items() if field not in numbers or isinstance(values, list)]
    if unknown:
        raise DataError(
            f"{name}: there is no such column, got {unknown[0]!r}; expected intervals of {' or '.join(numbers)}. "
            "Change val_interval"
        )
    size = SAMPLES[name]
    user_tokens = [str(user + 1) for user in range(size.num_users)]
    item_tokens = [str(item + 1) for item in range(size.num_genres * size.genre_size)]
    return Interactions(user_N, item_N, user_tokens, item_tokens, numbers, {}, len(user_N))


def _walk(size: SampleSize) -> tuple[Codes, Codes, Codes, Numbers]:
    """Users, items, steps and ratings, step by step for all users that are still going on (A of them; the longest
    come first, so these are the first A)."""
    draws = _Draws(_SEED)
    length_U = np.sort(_draw_lengths(draws, size))[::-1]
    popularity = _Popularity(draws, size)
    ring_UG = draws.below(size.num_rings, size.num_users, size.num_genres)
    place_UG = draws.below(size.ring_size, size.num_users, size.num_genres)
    genre_U = draws.below(size.num_genres, size.num_users)
    users, items, steps, ratings = [], [], [], []
    for step in range(int(length_U[0])):
        user_A = np.arange(np.searchsorted(-length_U, -step, side="left"))
        turns_A = draws.uniform(len(user_A)) < _TURNS_IN_ORDER
        genre_A = np.where(turns_A, genre_U[user_A] + 1, draws.below(size.num_genres, len(user_A))) % size.num_genres
        follows_A = draws.uniform(len(user_A)) < _FOLLOWS_RING
        jump_A = draws.uniform(len(user_A))
        next_A = (place_UG[user_A, genre_A] + 1 + (3 * jump_A * jump_A).astype(np.int64)) % size.ring_size
        place_UG[user_A, genre_A] = np.where(follows_A, next_A, place_UG[user_A, genre_A])
        followed_A = ring_UG[user_A, genre_A] * size.ring_size + next_A
        within_A = np.where(follows_A, followed_A, popularity.draw(genre_A, draws.uniform(len(user_A))))
        genre_U[user_A] = genre_A
        users.append(user_A)
        items.append(genre_A * size.genre_size + within_A)
        steps.append(np.full(len(user_A), step))
        ratings.append(3.0 + draws.below(3, len(user_A)))
    return np.concatenate(users), np.concatenate(items), np.concatenate(steps), np.concatenate(ratings)


def _draw_lengths(draws: _Draws, size: SampleSize) -> Codes:
    """Many short histories and a few long ones: a Pareto tail of index 2."""
    tail_U = 1.0 / np.sqrt(1.0 - draws.uniform(size.num_users)) - 1.0
    length_U = size.min_length + ((size.mean_length - size.min_length) * tail_U).astype(np.int64)
    return np.minimum(length_U, size.max_length)


class _Popularity:
    """In each genre the items' weights fall like 1 / (rank + 1), the ranks shuffled."""

    def __init__(self, draws: _Draws, size: SampleSize) -> None:
        rank_GI = np.argsort(draws.uniform(size.num_genres, size.genre_size), axis=1, kind="stable")
        summed_GI = np.cumsum(1.0 / (rank_GI + 1.0), axis=1)
        share_GI = summed_GI / summed_GI[:, -1:]
        self._genre_size = size.genre_size
        self._share = (share_GI + np.arange(size.num_genres)[:, None]).ravel()  # genre g covers (g, g + 1]

    def draw(self, genre_A: Codes, uniform_A: Numbers) -> Codes:
        """An item of each of the genres, by popularity, counted within the genre."""
        found_A = np.searchsorted(self._share, genre_A + uniform_A, side="right")
        item_A: Codes = np.minimum(found_A - genre_A * self._genre_size, self._genre_size - 1)
        return item_A
