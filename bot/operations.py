"""What may be asked of the process that writes, by name?"""

from collections.abc import Mapping

from bot import checkpoints, imports, remittances, worker
from bot.api import tokens
from bot.app import App
from bot.custody import (
    erasure,
    learning,
    legalholds,
    nightly,
    privilege,
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

_SAID = {
    "understand": "understood",
    "match": "matched",
    "ask": "asked",
    "advance": "advanced",
    "deliver": "delivered",
    "recover": "recovered",
    "recall": "recalled",
}
"""What tick says of each step of the worker."""


async def tick(app: App, _args: Args, _progress: Progress) -> Report:
    """Work until nothing is due; rows that fail are put off and named at the end."""
    spooled = await drain_spool(app)
    done = await worker.work(app)
    moved = {"spooled": spooled} | {said: done.moved[name] for name, said in _SAID.items()}
    failed = [f"{_SAID[name]}: {type(error).__name__}" for name, error in done.failed]
    await nightly.tidy(app)
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
