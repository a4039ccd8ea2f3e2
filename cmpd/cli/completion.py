"""`cmpd completion`: a shell's completion of cmpd's own words, made from the parsers themselves."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Any

from cmpd.cli import COMMANDS, build_parser

BASH = """\
# bash completion of cmpd: . <(cmpd completion bash)
_cmpd() {{
    local word noun= verb= previous=${{COMP_WORDS[COMP_CWORD-1]}} i
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        case $word in
            -c|--config) ((i++)) ;;
            -*) ;;
            *) if [[ -z $noun ]]; then noun=$word; elif [[ -z $verb ]]; then verb=$word; fi ;;
        esac
    done
    local words
    case "$noun $verb" in
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
    if [[ $previous == -c || $previous == --config || -z ${{COMPREPLY[*]}} ]]; then
        COMPREPLY=()
        compopt -o default
    fi
}}
complete -F _cmpd cmpd
"""

ZSH = """\
#compdef cmpd
# zsh completion of cmpd: source <(cmpd completion zsh)
autoload -U +X bashcompinit && bashcompinit
{bash}"""

FISH = """\
# fish completion of cmpd: cmpd completion fish | source
{lines}
"""


def register(subparsers: Any) -> None:
    """Add the noun."""
    parser = subparsers.add_parser("completion", help=COMMANDS["completion"])
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    parser.set_defaults(run=_run)


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:  # argparse has no public way to ask a parser what it knows
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [word for action in parser._actions for word in action.option_strings if word.startswith("--")]


def _words() -> Iterator[tuple[str, list[str]]]:
    """(noun and verb so far, what may follow): the top, each noun, each verb of each noun."""
    parser = build_parser(list(COMMANDS))
    nouns = _subcommands(parser)
    yield "", [*nouns, *_options(parser)]
    for noun, of_noun in nouns.items():
        verbs = _subcommands(of_noun)
        yield noun, [*verbs, *_options(of_noun)]
        for verb, of_verb in verbs.items():
            yield f"{noun} {verb}", _options(of_verb)


def _bash() -> str:
    cases = []
    for words, following in _words():
        pattern = f'"{words}"' if " " in words else f'"{words} "*' if words else '" "'
        cases.append((pattern, f"        {pattern}) words='{' '.join(following)}' ;;"))
    # A noun alone matches whatever verb stands behind it, so the longer words come first.
    cases.sort(key=lambda case: case[0].endswith("*"))
    return BASH.format(cases="\n".join(line for _, line in cases))


def _fish() -> str:
    lines = []
    for words, following in _words():
        seen = " ".join(f"; and __fish_seen_subcommand_from {word}" for word in words.split())
        condition = seen.removeprefix("; and ") or "__fish_use_subcommand"
        options = " ".join(following)
        lines.append(f"complete -c cmpd -n '{condition}' -a '{options}'")
    return FISH.format(lines="\n".join(lines))


def _run(arguments: argparse.Namespace) -> int:
    """Print the script for the shell."""
    if arguments.shell == "fish":
        print(_fish(), end="")
    elif arguments.shell == "zsh":
        print(ZSH.format(bash=_bash()), end="")
    else:
        print(_bash(), end="")
    return os.EX_OK
