"""Which policy does the firm go by, and how does it publish another?

A publication holds from the next look on, in every process: what has taken nothing yet is looked at
anew, and so is what waits for an hour or for its turn. What has taken a step goes on under the
version that it began with.
"""

import datetime as dt
import difflib
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import exists, func, update
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from billing import policy as policies
from billing import publication
from billing.models import (
    Client,
    Enrolment,
    EnrolmentState,
    Invoice,
    LegalEntity,
    PolicyPublication,
    PolicyVersion,
    StepTaken,
)
from billing.models import Sequence as Ladder
from billing.policy import Mistake, Policy, PolicyError, whole
from billing.policy.ladders import DEFAULT
from billing.store import table_of
from bot.app import App
from bot.report import Args, Progress, Report, Table, Wrong
from comms import outbox
from comms.processors import UNSIGNED
from comms.rendering import Templates
from comms.writing import template_lint

LONGEST = 100_000
"""Characters of a policy file."""
_ENROLMENTS = table_of(Enrolment)
_AT_THE_DOOR = ("budget_day", "budget_week", "loop_brake", "quiet_hours", UNSIGNED)
"""What the door waits for by policy."""
_PARTS = {"email": ("subject.txt", "email.txt", "email.html"), "sms": ("sms.txt",)}


class Asked(BaseModel):
    """The arguments of `counterfoil policy publish`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "policy.toml"
    text: str = Field(max_length=LONGEST)
    note: str = Field(default="", max_length=500)
    by: str = "cli"


async def publish(app: App, args: Args, _progress: Progress) -> Report:
    """Make a policy the one that holds; the one that holds already changes nothing.

    Raises:
        PolicyError: it has mistakes; nothing is published.
    """
    asked = Asked.model_validate(args)
    policy = policies.parse(asked.text, asked.name)
    if missing := tuple(missing_templates(policy, app.templates)):
        raise PolicyError(asked.name, missing)
    if unfit := tuple(unfit_templates(policy, app.settings.templates_dir)):
        raise PolicyError(str(app.settings.templates_dir), unfit)
    now = app.clock.now()
    row = PolicyPublication(
        version=policy.version, note=asked.note, published_at=now, published_by=asked.by
    )
    before = app.rules

    def make(session: Session) -> Report:
        if lacking := tuple(unfit_for_rows(session, policy)):
            raise PolicyError(asked.name, lacking)
        publication.keep(session, before, now)  # so that what it ruled can go on under it
        if publication.publish(session, policy, asked.text, row) is None:
            said = f"Nothing changed: version {policy.version} holds already."
            return Report({"version": policy.version, "published": False}, [said])
        looked = _look_anew(session, now)
        said = f"Version {policy.version} holds from now on; {looked:,} sequences are looked at."
        data = {"version": policy.version, "published": True, "before": before.version}
        return Report(data | {"looked_at": looked}, [said])

    report = await app.store.write(make)
    app.refresh()
    app.wake.set()
    return report


def unfit_for_rows(session: Session, policy: Policy) -> Iterator[Mistake]:
    """Every mistake that only the rows show: what they name, and the policy has not; and back."""
    yield from _ladders_in_use(session, policy)
    yield from _unknown(session, policy)


def _ladders_in_use(session: Session, policy: Policy) -> Iterator[Mistake]:
    """Ladders that clients or invoices have, and that this policy has not."""
    known = {DEFAULT, *(name for name, _ in policy.ladders.by_name)}
    for model, called in ((Client, Client.name), (Invoice, Invoice.number)):
        query = select(model.ladder, func.min(called), func.count())
        for name, first, many in session.exec(
            query.where(col(model.ladder).is_not(None)).group_by(col(model.ladder))
        ):
            if name not in known:
                others = f" and {many - 1:,} more" if many > 1 else ""
                what = f"{model.__name__.lower()} {first}{others}"
                yield Mistake(f"ladders.{name}", f"is missing, and {what} has it; keep it")


def _unknown(session: Session, policy: Policy) -> Iterator[Mistake]:
    """Packs of a legal entity that is not there would hold for nobody."""
    known = session.exec(select(LegalEntity.name)).all()
    for one in policy.entity_packs:
        if known and one.entity not in known:
            near = difflib.get_close_matches(one.entity, known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(known)}"
            yield Mistake(f"pack.entities.{one.entity}", f"is no legal entity of yours; {hint}")


def _look_anew(session: Session, now: dt.datetime) -> int:
    """Sequences that have taken nothing may be due sooner; what waits at the door as well."""
    begun = exists(
        core_select(col(StepTaken.id)).where(
            col(StepTaken.enrolment_id) == _ENROLMENTS.c.id,
            col(StepTaken.episode) == _ENROLMENTS.c.episode,
            col(StepTaken.how) != "cancelled",
        )
    )
    waiting = _ENROLMENTS.c.next_due_at.is_(None) | (_ENROLMENTS.c.next_due_at > now)
    unbegun = (_ENROLMENTS.c.sequence == Ladder.RENEWAL) | ~begun
    looked = session.execute(
        update(_ENROLMENTS)
        .where(_ENROLMENTS.c.state == EnrolmentState.ACTIVE, waiting, unbegun)
        .values(next_due_at=now)
    )
    for rule in _AT_THE_DOOR:
        outbox.wake_rule(session, rule, now)
    return int(looked.rowcount)  # type: ignore[attr-defined]


def unfit_templates(policy: Policy, folder: Path | None) -> Iterator[Mistake]:
    """Every mistake in the firm's own templates, for the packs that this policy names."""
    for one in template_lint.lint(folder, policy.packs()) if folder else ():
        yield Mistake(f"{one.file}, line {one.line}", one.sentence)


def missing_templates(policy: Policy, templates: Templates) -> Iterator[Mistake]:
    """Every template that the policy names and that is not there, once."""
    known = {file.partition("/")[0] for file in templates.environment.list_templates()}
    there = set(templates.environment.list_templates())
    seen: set[tuple[str, str]] = set()
    for key, name, channel in whole.named_templates(policy):
        absent = [part for part in _PARTS.get(channel, ()) if f"{name}/{part}.j2" not in there]
        if not absent or (name, channel) in seen:
            continue
        seen.add((name, channel))
        if name in known:
            yield Mistake(key, f"{name} has no {', '.join(absent)} for {channel}; write it")
        else:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else f"; there are {_some(known)}"
            yield Mistake(key, f"there is no template {name}{hint}")


def _some(names: set[str]) -> str:
    return ", ".join(sorted(name for name in names if not name.startswith("_")))


def listed(session: Session, holds: str) -> Report:
    """Every publication, the newest first, and which version holds."""
    query = select(PolicyPublication).order_by(col(PolicyPublication.id).desc())
    rows = [row.model_dump(exclude={"id"}) for row in session.exec(query)]
    shown = [
        [row["version"], f"{row['published_at']:%Y-%m-%d %H:%M}", row["published_by"], row["note"]]
        for row in rows
    ]
    lines = [f"Version {holds} holds."]
    if not rows:
        lines = [f"Nothing was published; version {holds} holds, as it is given."]
    table = Table("", ["version", "published", "by", "note"], shown)
    return Report({"holds": holds, "published": rows}, lines, [table] if rows else [])


def shown(session: Session, version: str, holds: Policy) -> Report:
    """What a version says: as it was published, or else all of it.

    Raises:
        Wrong: it is not kept, or more than one begins so.
    """
    asked = version or holds.version
    query = select(PolicyVersion).where(col(PolicyVersion.version).startswith(asked)).limit(2)
    rows = session.exec(query).all()
    if len(rows) != 1 and asked != holds.version:
        many = "More than one version begins" if rows else "No version is kept that begins"
        raise Wrong(f"{many} with {asked}; `counterfoil policy list` shows those published.")
    said = whole.dumped(holds) if asked == holds.version else rows[0].said
    text = rows[0].text if rows else ""
    data = {"version": rows[0].version if rows else asked, "text": text, "says": said}
    return Report(data, [text.rstrip() or said])
