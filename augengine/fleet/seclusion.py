"""Shuts off a Ray of our own: it listens on loopback alone, and answers only those who know this run's token.

Left alone Ray 2.60 listens on every address of a Linux machine, and turns ``_node_ip_address="127.0.0.1"`` back into
the machine's own address. Where it is made for one machine (macOS, Windows) it keeps to loopback; that constant is
what is set here. Its own tokens lie in ``~/.ray/auth_token``, one for all runs, where other users may read it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_MODE, _TOKEN = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"
_MANY_MACHINES = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


@contextmanager
def secluded(ray: Any) -> Iterator[None]:
    """Shut off the clusters that are started inside this context. Stop them before it ends.

    The token is 256 random bits. It is passed on in the environment alone, which only this user's processes may read.
    The user's own settings are kept: RAY_AUTH_MODE, or RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER for the addresses.

    Args:
        ray: The package.
    """
    own = {} if os.environ.get(_MODE) else {_MODE: "token", _TOKEN: secrets.token_hex(32)}
    with user_settings(ray, own), _on_loopback(ray):
        yield


@contextmanager
def user_settings(ray: Any, own: dict[str, str] | None = None) -> Iterator[None]:
    """Make Ray read the settings on tokens anew from the environment, and restore them afterwards.

    Args:
        ray: The package.
        own: Settings to use instead, inside this context.
    """
    before = {name: os.environ.get(name) for name in (_MODE, _TOKEN)}
    os.environ.update(own or {})
    _read_again(ray)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        _read_again(ray)


def _read_again(ray: Any) -> None:
    """Ray remembers its first answer for as long as the process lives: the mode, then the token."""
    ray._raylet.Config.initialize("")
    ray._raylet.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _on_loopback(ray: Any) -> Iterator[None]:
    constants = ray._private.ray_constants
    before = constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = before and _MANY_MACHINES in os.environ
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before
