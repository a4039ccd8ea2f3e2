"""`cmpd status`: how the server is, on one screen."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cmpd.cli import COMMANDS
from cmpd.cli.common import StoreCommand, now, print_json, set_command, time_text
from cmpd.printable import printable

if TYPE_CHECKING:
    from cmpd.server.admin.overview import Overview

BARS = " ▁▂▃▄▅▆▇█"
DAY = 86_400


def register(subparsers: Any) -> None:
    """Add the noun."""
    parser = subparsers.add_parser(
        "status",
        help=COMMANDS["status"],
        description="Listeners, store, CAs, CRLs, certificates, and what was asked and refused lately.",
    )
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        const=2.0,
        type=float,
        help="show it again and again, every SECONDS (default: 2)",
    )
    set_command(parser, _status, json=True)


async def _status(place: StoreCommand, arguments: argparse.Namespace) -> int:
    import asyncio

    from cmpd.server.admin.overview import overview

    while True:
        seen = await overview(place.store, place.config, place.master_key, now())
        if arguments.json:
            print_json(seen.as_json())
        else:
            if arguments.watch:
                print("\x1b[2J\x1b[H", end="")
            print("\n".join(lines(seen)))
        if not arguments.watch:
            return 0 if seen.ready else 1
        await asyncio.sleep(max(0.2, arguments.watch))


def lines(seen: Overview) -> list[str]:
    """The screen."""
    return [
        f"cmpd at {time_text(seen.time)}",
        "",
        *(f"listener  {address:<28} {state}" for address, state in seen.listeners),
        f"workers   {_workers(seen)}",
        f"store     {seen.store}",
        "",
        *(f"CA        {_authority(ca, seen.time)}" for ca in seen.authorities),
        *(f"CRL of    {_imported(*crl, seen.time)}" for crl in seen.imported_crls.items()),
        "",
        f"certificates   {_counts(seen.certificates)}",
        f"               {_counted(seen.expiring)} expire within 30 days, "
        f"{_counted(seen.waiting)} requests wait for approval",
        "",
        f"issued         {_bars(seen.issued)}",
        f"confirmed      {_bars(seen.confirmed)}",
        f"revoked        {_bars(seen.revoked)}",
        f"refused        {_bars(seen.refused)}",
        f"               the last {len(seen.issued)} minutes, the latest on the right",
        *(f"               {count:>5} {reason}" for reason, count in seen.reasons),
    ]


def _workers(seen: Overview) -> str:
    if not seen.alive:
        return f"none alive, {seen.workers} configured here: start cmpd"
    return f"{seen.alive} alive, {seen.workers} configured here"


def _counted(count: int) -> str:
    from cmpd.server.admin.overview import MOST

    return str(count) if count < MOST else f"{MOST} or more"


def _authority(ca: dict[str, Any], now: int) -> str:
    days = (ca["not_after"] - now) // DAY
    signer = (ca["signer_not_after"] - now) // DAY
    crl = ca["crl"]
    listed = "no CRL yet"
    if crl is not None:
        listed = f"CRL {crl['number']} of {time_text(crl['this_update'])}"
        if crl["next_update"] < now:
            listed += ", OUT OF DATE"
    return f"{ca['name']:<16} {_days(days)}, CMP signer {_days(signer)}, {listed}"


def _imported(issuer: str, next_update: int, now: int) -> str:
    late = ", OUT OF DATE" if next_update < now else ""
    return f"{printable(issuer)}, imported, until {time_text(next_update)}{late}"


def _days(days: int) -> str:
    return f"{days} days left" if days >= 0 else f"EXPIRED {-days} days ago"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"


def _bars(counts: Sequence[int]) -> str:
    """A bar a minute, the highest at full height, and the sum."""
    most = max(counts, default=0)
    heights = (-(-count * (len(BARS) - 1) // most) if most else 0 for count in counts)
    return f"{''.join(BARS[height] for height in heights)} {sum(counts):>6}"
