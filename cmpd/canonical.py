"""JSON for what is stored, compared and hashed: a leaf, so that every room writes it the same."""

from __future__ import annotations

import json
from typing import Any

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def json_text(value: Any) -> str:
    """JSON in one spelling: keys sorted, no blanks, ASCII."""
    return _canonical(value)
