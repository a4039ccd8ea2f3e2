"""What a reload takes of a changed configuration, and what waits for a restart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cmpd.config import AdminConfig, CMPConfig, Config, HTTPConfig, ListenConfig, LogConfig
from cmpd.server.process.reloading import reloaded


@pytest.mark.parametrize(
    ("changes", "changed", "waiting"),
    [
        ({}, (), ()),
        ({"http": HTTPConfig(body_size=2048)}, ("http.body_size",), ()),
        ({"cmp": CMPConfig(time_tolerance=0)}, ("cmp.time_tolerance",), ()),
        ({"log": LogConfig("json", "debug")}, ("log.format", "log.level"), ()),
        ({"http": HTTPConfig(drain_timeout=1)}, (), ("http.drain_timeout",)),
        (
            {"listen": (ListenConfig(tls_client_ca=Path("cas.pem"), tls_minimum="1.3"),)},
            ("listen 127.0.0.1:8504: tls_client_ca", "listen 127.0.0.1:8504: tls_minimum"),
            (),
        ),
        ({"admin": AdminConfig("127.0.0.1:8505")}, (), ("admin.listen",)),
        ({"listen": (ListenConfig("127.0.0.1:1", tls_minimum="1.3"),)}, (), ("listen",)),
        ({"workers": 2, "listen": ()}, (), ("workers", "listen")),
        ({"path": Path("elsewhere")}, (), ()),
    ],
)
def test_a_reload_takes_what_is_marked_so(
    changes: dict[str, Any], changed: tuple[str, ...], waiting: tuple[str, ...]
) -> None:
    result = reloaded(Config(), replace(Config(), **changes))
    assert (result.changed, result.waiting) == (changed, waiting)
    assert result.config.workers == 1
    assert [one.address for one in result.config.listen] == ["127.0.0.1:8504"]
