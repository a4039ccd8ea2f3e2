"""Write the manual pages from the command line's own help: cmpd.1, and cmpd-<noun>.1 for each noun.

Usage: python packaging/manual.py FOLDER
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from cmpd import __version__
from cmpd.cli import COMMANDS, build_parser


def _troff(text: str) -> str:
    """Text with what troff would take for its own made harmless."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def _subparsers(
    parser: argparse.ArgumentParser,
) -> argparse._SubParsersAction[argparse.ArgumentParser] | None:
    for action in parser._actions:  # argparse has no public way to ask a parser what it knows
        if isinstance(action, argparse._SubParsersAction):
            return action
    return None


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            continue
        name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
        value = ""
        if action.option_strings and action.nargs != 0:
            value = " " + str(action.metavar or action.dest.upper())
            if action.choices and not action.metavar:
                value = " " + "|".join(map(str, action.choices))
        text = (action.help or "") % {**vars(action), "prog": parser.prog}
        yield f".TP\n\\fB{_troff(name)}\\fR{_troff(value)}\n{_troff(text)}"


def _usage(parser: argparse.ArgumentParser) -> str:
    usage = " ".join(parser.format_usage().split()).removeprefix("usage: ")
    rest = usage.removeprefix(parser.prog)
    return f".TP\n\\fB{_troff(parser.prog)}\\fR{_troff(rest)}"


def _page(name: str, summary: str, body: list[str]) -> str:
    head = f'.TH {name.upper()} 1 "" "cmpd {__version__}" "User Commands"'
    return "\n".join([head, f".SH NAME\n{_troff(name)} \\- {_troff(summary)}", *body, ""])


def top(parser: argparse.ArgumentParser) -> str:
    """cmpd.1: the options every command takes, and the nouns."""
    nouns = [f".TP\n\\fBcmpd\\-{noun}\\fR(1)\n{_troff(summary)}" for noun, summary in COMMANDS.items()]
    sections = [
        ".SH SYNOPSIS\n" + _usage(parser),
        f".SH DESCRIPTION\n{_troff(parser.description or '')}\n.PP\n{_troff(parser.epilog or '')}",
        ".SH OPTIONS\n" + "\n".join(_arguments(parser)),
        ".SH COMMANDS\n" + "\n".join(nouns),
        ".SH EXIT STATUS\n0, or a value of sysexits.h: 64 wrong usage, 65 wrong data, 75 try again, "
        "77 no permission, 78 wrong configuration.",
    ]
    return _page("cmpd", "a server of the Certificate Management Protocol", sections)


def of_noun(noun: str, parser: argparse.ArgumentParser) -> str:
    """cmpd-<noun>.1: its own options, then each verb with its options."""
    verbs = _subparsers(parser)
    sections = [".SH SYNOPSIS", _usage(parser)]
    if verbs is not None:
        sections += [_usage(verb) for verb in verbs.choices.values()]
    if parser.description:
        sections.append(f".SH DESCRIPTION\n{_troff(parser.description)}")
    sections += [".SH OPTIONS", *_arguments(parser)]
    if verbs is not None:
        helps = {action.dest: action.help or "" for action in verbs._choices_actions}
        for word, verb in verbs.choices.items():
            sections.append(f".SH {_troff(word.upper())}\n{_troff(helps.get(word, ''))}")
            sections += _arguments(verb)
    sections.append(".SH SEE ALSO\n\\fBcmpd\\fR(1)")
    return _page(f"cmpd-{noun}", COMMANDS[noun], sections)


def write(folder: Path) -> list[Path]:
    """Write all pages; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    parser = build_parser(list(COMMANDS))
    subparsers = _subparsers(parser)
    assert subparsers is not None  # noqa: S101 - cmpd has commands
    pages = {"cmpd": top(parser)}
    pages.update({f"cmpd-{noun}": of_noun(noun, subparsers.choices[noun]) for noun in COMMANDS})
    paths = []
    for name, text in pages.items():
        path = folder / f"{name}.1"
        path.write_text(text, "utf-8")
        paths.append(path)
    return paths


if __name__ == "__main__":
    write(Path(sys.argv[1]))
