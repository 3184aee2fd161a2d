"""Whether a Ray cluster wants to see a token, and which this process has.

Ray asks for one if there was one when the head was started (`~/.ray/auth_token`, which `ray.init()` writes). But a
process shows its own only to a cluster that it has found itself, not to one whose address it was given.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import ray

from hypersweep.errors import PoolError

MODE = "RAY_AUTH_MODE"


@contextlib.contextmanager
def token_shown(address: str) -> Iterator[None]:
    """What joins the cluster meanwhile shows the token, if one is wanted there. Raises `PoolError` if it is refused."""
    given = os.environ.get(MODE)
    try:
        if not any(_is_accepted(address, mode) for mode in ([given] if given else ["disabled", "token"])):
            raise PoolError(
                f"--ray-address: the cluster at {address} asks for a token, and does not accept what is here "
                "(~/.ray/auth_token, RAY_AUTH_TOKEN); expected the one that its head was started with. "
                "Copy ~/.ray/auth_token from the head's machine to this one"
            )
        yield
    finally:
        os.environ.pop(MODE, None)
        if given:
            os.environ[MODE] = given


def _is_accepted(address: str, mode: str) -> bool:
    os.environ[MODE] = mode
    try:
        from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled
        from ray._raylet import AuthenticationTokenLoader, Config, GcsClient
    except ImportError:  # an older Ray, which knows of no tokens
        return True
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
    try:
        ensure_token_if_auth_enabled(create_token_if_missing=False)
        with _silence():
            GcsClient(address=address)
    except ray.exceptions.AuthenticationError:
        return False
    return True


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Of what Ray's C++ says of a refusal, which is no error yet."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
