"""What of asn1tools a daemon loads."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> str:
    """What the code prints in a Python of its own."""
    return subprocess.run(
        (sys.executable, "-c", code), check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("module", ["asn1tools", "asn1tools.codecs.per", "asn1tools.compiler"])
def test_the_schema_does_not_load_what_it_has_no_use_for(module: str) -> None:
    assert run(
        f"import sys; from cmpd.cmp.wire import schema; schema.load(); print({module!r} in sys.modules)"
    ) == ("False")


@pytest.mark.parametrize("first", ["cmpd.cmp.wire.codec", "asn1tools"])
def test_asn1tools_is_whole_and_has_the_same_codecs_whichever_came_first(first: str) -> None:
    assert run(
        f"import {first}; import asn1tools; from cmpd.cmp.wire import codec; "
        "from asn1tools.codecs import der; "
        "print(codec.der is der, asn1tools.compile_string('A DEFINITIONS ::= BEGIN B ::= NULL END', 'der')"
        ".encode('B', None).hex())"
    ) == ("True 0500")
