"""Every place into which something may have been written on the way, as bytes."""

import json
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from sqlalchemy import inspect, text

from billing import vault
from billing.keyring import KeyGone, Keyring
from billing.store import Store
from bot.sandbox.desk import SandboxDesk
from bot.sandbox.world import World

Place = tuple[str, bytes]
Json = Any


def files(folder: Path) -> Iterator[Place]:
    """Every file below a folder: databases with their free pages and logs, spools, copies."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield f"file {path.relative_to(folder)}", path.read_bytes()


def rows(name: str, store: Store) -> Iterator[Place]:
    """Every column of every table, as the database hands it out."""
    with store.read() as session:
        connection = session.connection()
        for table in inspect(connection).get_table_names():
            for at, row in enumerate(connection.execute(text(f'SELECT * FROM "{table}"'))):
                parts = [one if isinstance(one, bytes) else str(one).encode() for one in row]
                yield f"{name} {table} row {at}", b"\n".join(parts)


def opened(store: Store, keyring: Keyring) -> Iterator[Place]:
    """Every body, as whoever holds the keys reads it."""
    with store.read() as session:
        ids = session.execute(text("SELECT id FROM vault ORDER BY id")).scalars().all()
        for body_id in ids:
            try:
                yield f"opened body {body_id}", vault.get(session, keyring, body_id)
            except KeyGone:
                continue


def in_slack(world: World) -> Iterator[Place]:
    """What Slack was sent, and what stands there of ours."""
    for method, asked in world.slack.calls:
        yield f"slack call {method}", _json(asked)
    space = world.slack.workspace
    for channel in space.channels.values():
        for post in channel.messages:
            if post.user == space.bot_user or post.bot_id == space.bot_id:
                whom = f" to {post.ephemeral_to}" if post.ephemeral_to else ""
                yield f"slack post in {channel.id}{whom}", _json([post.text, post.blocks])
    for view in (*space.views.values(), *space.homes.values()):
        yield f"slack view of {view.user}", _json(view.content)


def sent(world: World) -> Iterator[Place]:
    """What clients got."""
    for letter in world.mail.letters:
        yield f"mail to {', '.join(letter.recipients)}", letter.raw
    for record in world.twilio.messages.values():
        if record.direction != "inbound":
            yield f"text to {record.to}", _json([record.body, record.asked])


async def page(world: World, whom: AbstractSet[str]) -> Iterator[Place]:
    """What the sandbox's page shows, but for what the client's own phone and mailbox wrote."""
    desk = SandboxDesk(world)
    first: Json = desk.snapshot(None)
    found: list[Place] = [("page calendar", _json(await desk.calendar(5)))]
    for name in [str(one["id"]) for one in first["clients"] if whom & {one["id"], one["id"][:3]}]:
        shown: Json = desk.snapshot(name)
        for box in ("texts", "mails"):
            part = shown["selected"]["phone" if box == "texts" else "mailbox"]
            part[box] = [one for one in part[box] if one["direction"] != "in"]
        shown["slack"] = _of_ours(shown["slack"])
        found.append((f"page of {name}", _json(shown)))
        asked = [("client", name)] + [
            ("decision" if str(row["id"])[0] == "d" else "message", str(row["id"]))
            for row in shown["selected"]["timeline"][-20:]
        ]
        for kind, id_ in asked:
            if not id_.startswith("t"):
                found.append((f"page why {kind} {id_}", _json(await _why(desk, kind, id_))))
    return iter(found)


def _of_ours(shown: Json) -> Json:
    """Without what people typed into Slack themselves."""
    if isinstance(shown, dict):
        return {name: _of_ours(one) for name, one in shown.items()}
    if isinstance(shown, list | tuple):
        return [_of_ours(one) for one in shown if not _is_theirs(one)]
    return shown


def _is_theirs(one: Json) -> bool:
    return isinstance(one, dict) and one.get("user", "Counterfoil") != "Counterfoil"


async def _why(desk: SandboxDesk, kind: str, id_: str) -> Json:
    from bot.sandbox.page import Refused

    try:
        return await desk.why(kind, id_)
    except Refused as refused:
        return str(refused)


def spans(seen: Sequence[ReadableSpan]) -> Iterator[Place]:
    """What a collector of traces would have got."""
    for span in seen:
        yield f"span {span.name}", span.to_json().encode()


def _json(value: Json) -> bytes:
    return json.dumps(value, default=str, ensure_ascii=False).encode()
