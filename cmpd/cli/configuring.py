"""What the commands share that change configuration: drafts, and settings as KEY=VALUE words."""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cmpd.cli.common import Command, CommandError, StoreCommand, actor, now

if TYPE_CHECKING:
    from cmpd.clm.configuration.objects import Draft
    from cmpd.clm.model import Act


def act() -> Act:
    """Who acts, and when."""
    from cmpd.clm.model import Act

    return Act(actor(), now())


async def draft(place: StoreCommand) -> Draft:
    """The configuration of the workplace's store, to be changed."""
    from cmpd.clm.configuration.objects import Draft

    return await Draft.of(place.store, place.master_key, act())


def deleting(noun: str) -> Command:
    """The command that deletes an object of this kind; the argument that names it is called as the kind."""

    async def delete(place: StoreCommand, arguments: argparse.Namespace) -> int:
        from cmpd.clm.configuration.objects import NOUNS
        from cmpd.clm.model import ObjectKind

        kind = ObjectKind(noun)
        changes = await draft(place)
        stored = changes.get(kind, getattr(arguments, noun))
        await changes.delete(stored)
        await changes.commit()
        print(f"{NOUNS[kind]} {stored.name} deleted")
        return os.EX_OK

    return delete


def add_settings(parser: argparse.ArgumentParser, example: str) -> None:
    """Give a parser that makes something --set."""
    help_text = f"a setting, its value as in TOML, as {example}; repeatable"
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="KEY=VALUE", help=help_text
    )


def add_changes(parser: argparse.ArgumentParser, example: str) -> None:
    """Give a parser that changes something KEY=VALUE words."""
    help_text = f"a setting, its value as in TOML, as {example}; KEY= puts the default back"
    parser.add_argument("settings", nargs="+", metavar="KEY=VALUE", help=help_text)


def assigned(document: dict[str, Any], words: Iterable[str]) -> dict[str, Any]:
    """The document with the settings in it. Raises CommandError for what is no setting."""
    changed: dict[str, Any] = _copied(document)
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise CommandError(f"{word!r} is not a setting of the form KEY=VALUE", os.EX_USAGE)
        _assign(changed, key.split("."), text, word)
    return changed


def _copied(value: Any) -> Any:
    return {key: _copied(item) for key, item in value.items()} if isinstance(value, dict) else value


def _assign(document: dict[str, Any], path: list[str], text: str, word: str) -> None:
    *above, last = path
    for key in above:
        document = document.setdefault(key, {})
        if not isinstance(document, dict):
            raise CommandError(f"{word!r}: {key} is not a table", os.EX_USAGE)
    if text:
        document[last] = _value(text)
    else:
        document.pop(last, None)


def _value(text: str) -> Any:
    """A TOML value; what is none is taken as text, so that names and durations need no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
