"""What may be asked of the process that writes, by name?"""

from collections.abc import Awaitable, Callable, Mapping

from bot import checkpoints, imports, remittances, understanding, worker
from bot.api import tokens
from bot.app import App
from bot.custody import (
    erasure,
    learning,
    legalholds,
    privilege,
    recalls,
    rights,
    strictures,
    unencrypted,
    unscreened,
    walls,
)
from bot.desk import drain_spool
from bot.report import DONE, NO, Args, Operation, Progress, Report, Table
from bot.staff import (
    declarations,
    duplicates,
    grants,
    ladders,
    overrides,
    publishing,
    switch,
    tasks,
    verdicts,
)
from comms.writing import covering

_PASSES = 10_000
"""More than any day needs: rows that never rest are a bug."""
_STEPS: Mapping[str, Callable[[App], Awaitable[int]]] = {
    "spooled": drain_spool,
    "understood": understanding.understand,
    "matched": duplicates.match,
    "asked": tasks.ask,
    "advanced": worker.advance,
    "delivered": worker.deliver,
    "recovered": worker.recover,
    "recalled": recalls.recall,
}


async def tick(app: App, _args: Args, progress: Progress) -> Report:
    """Work until nothing is due; rows that fail are put off and named at the end."""
    moved = dict.fromkeys(_STEPS, 0)
    failed: list[str] = []
    for number in range(_PASSES):
        before = sum(moved.values())
        for name, step in _STEPS.items():
            try:
                moved[name] += await step(app)
            except ExceptionGroup as group:
                failed.extend(f"{name}: {type(one).__name__}" for one in group.exceptions)
                moved[name] += 1
        progress(number + 1, number + 2)
        if sum(moved.values()) == before:
            break
    await worker.tidy(app)
    await strictures.keep(app)
    rows = [[name, f"{count:,}"] for name, count in moved.items()]
    lines = (
        [f"{len(failed)} rows failed and are put off: {'; '.join(failed[:10])}."] if failed else []
    )
    data = {"moved": moved, "failed": failed}
    return Report(data, lines, [Table("", ["step", "rows"], rows)], NO if failed else DONE)


_TYPED = frozenset({"reason", "note", "matter", "wording"})
"""What a person says in words of their own."""


def _covered(operation: Operation) -> Operation:
    """The same, with no number in its words that nobody may see."""

    async def run(app: App, args: Args, progress: Progress) -> Report:
        said = {name: args[name] for name in _TYPED & args.keys()}
        return await operation(app, {**args, **covering.told(said)}, progress)

    return run


_ASKED: Mapping[str, Operation] = {
    "checkpoint": checkpoints.run,
    "open_rights": rights.open_,
    "extend_rights": rights.extend,
    "close_rights": rights.close,
    "export_rights": rights.exported,
    "place_hold": legalholds.place,
    "release_hold": legalholds.release,
    "read_incident": unscreened.read,
    "close_incident": unscreened.close,
    "erase": erasure.erase,
    "replay_erasures": erasure.replay,
    "import": imports.run,
    "remittance": remittances.run,
    "again": ladders.again,
    "choose_ladder": ladders.choose,
    "decide": verdicts.decide,
    "golive": switch.golive,
    "stop": switch.stop,
    "publish_policy": publishing.publish,
    "grant": grants.grant,
    "revoke": grants.revoke,
    "merge": duplicates.merge,
    "unmerge": duplicates.unmerge,
    "different": duplicates.different,
    "handled": tasks.handled,
    "legal_state": declarations.place,
    "lift_legal_state": declarations.lift,
    "final_notice": declarations.notice,
    "prefer": declarations.prefer,
    "unencrypted": unencrypted.state,
    "seal": privilege.seal,
    "unseal": privilege.unseal,
    "read_sealed": privilege.read,
    "attribute": privilege.attribute,
    "wall": walls.change,
    "forget": privilege.forget,
    "counsel": learning.change,
    "override": overrides.grant,
    "end_override": overrides.end,
    "make_token": tokens.make,
    "revoke_token": tokens.revoke,
    "tick": tick,
}
OPERATIONS: Mapping[str, Operation] = {name: _covered(one) for name, one in _ASKED.items()}
