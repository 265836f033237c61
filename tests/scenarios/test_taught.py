"""What people seal and unseal teaches, who is counsel, what the log and the report say."""

import datetime as dt
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlmodel import Session, col, select

from billing import policy
from billing.models import Counsel, Staff, StaffRole
from billing.models import Role as StaffRoles
from bot.custody import learning, privilege, privilegelog, walls
from bot.report import Report, Wrong, silent
from bot.watching.metrics import Scrape
from comms import timeline
from comms.compliance.material import Learned, Parties, Role, role_of
from comms.facts import InboundMessage
from comms.law import counsel
from comms.models import Access, Touchpoint
from tests import factories
from tests.conftest import Database
from tests.factories import CLIENTS, MAIL_SECRET, MAILBOX, PHONE, Product
from tests.scenarios import test_sealed as sealing
from tests.scenarios.test_sealed import ADVICE, CLERK, COUNSEL

WRONG = "Attached is our price list for 2026, as every year. PRIVILEGED AND CONFIDENTIAL"
AGAIN = "Attached is our price list for 2027, as every year. PRIVILEGED AND CONFIDENTIAL"
MISSED = "Hi, our lawyer asked me to send you the W-9."
OTHER_PHONE, OTHER_MAIL = "+12125550142", "pay@southwind.example"


pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest_asyncio.fixture
async def product(database: Database, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        running.write(sealing._staffed)
        running.known()
        running.known("Southwind Trading", phone=OTHER_PHONE, email=OTHER_MAIL)
        yield running


async def mailed(product: Product, body: str, sender: str = MAILBOX, head: str = "") -> int:
    """A mailbox writes; the touchpoint, or 0 where nobody knows the sender."""
    number = len(product.slack.calls)
    raw = f"From: {sender}\r\nSubject: for you\r\nMessage-ID: <{number}@c>\r\n{head}\r\n{body}\r\n"
    secret = {"Authorization": f"Bearer {MAIL_SECRET}"}
    assert await product.post("/hooks/email", raw.encode(), secret) == 200
    await product.settle()
    with product.store.read() as session:
        newest = select(Touchpoint.id).order_by(col(Touchpoint.id).desc())
        return session.exec(newest.where(Touchpoint.direction == "in")).first() or 0


def labels(product: Product, touchpoint_id: int) -> str:
    with product.store.read() as session:
        return session.get_one(Touchpoint, touchpoint_id).labels


async def says(product: Product, what: Any, touchpoint: int, who: str = COUNSEL) -> Report:
    asked = {"touchpoint": touchpoint, "by": who, "reason": "as it is"}
    report: Report = await what(product.app, asked, silent)
    await product.settle()
    return report


def learned(product: Product) -> dict[str, Any]:
    with product.store.read() as session:
        return dict(learning.learned(session, product.app.office()).data)


# --- learning -------------------------------------------------------------------------------------


async def test_what_was_wrongly_sealed_is_not_sealed_again_of_that_sender(
    product: Product,
) -> None:
    first = await mailed(product, WRONG)
    assert labels(product, first) == "privileged"
    await says(product, privilege.unseal, first)
    assert labels(product, await mailed(product, AGAIN)) == ""
    [rule] = learned(product)["rules"]
    assert (rule["id"], rule["by"], rule["lesson"]) == (first, COUNSEL, "opened")
    assert "price list" not in json.dumps(learned(product))


async def test_another_sender_is_sealed_as_before(product: Product) -> None:
    await says(product, privilege.unseal, await mailed(product, WRONG))
    assert labels(product, await mailed(product, AGAIN, OTHER_MAIL)) == "privileged"


async def test_what_says_more_is_sealed_still(product: Product) -> None:
    await says(product, privilege.unseal, await mailed(product, WRONG))
    assert labels(product, await mailed(product, ADVICE)) == "privileged"


async def test_an_address_of_two_clients_opens_nothing(product: Product) -> None:
    first = await mailed(product, WRONG)
    await says(product, privilege.unseal, first)

    def share(session: Session) -> None:
        factories.client(
            session, product.app.keyring, product.clock.now(), "Eastwind", phone=None,
            email=MAILBOX,
        )  # fmt: skip

    product.write(share)
    assert labels(product, await mailed(product, AGAIN)) == "privileged"


async def test_what_was_missed_is_learned_of_its_sender_alone(product: Product) -> None:
    first = await mailed(product, MISSED)
    assert labels(product, first) == ""
    await says(product, privilege.seal, first, CLERK)
    [seen] = known(product, MAILBOX).learned.closed
    assert "topic_lawyers" in seen
    assert known(product, MAILBOX).learned.opened == frozenset()
    assert known(product, OTHER_MAIL).learned == Learned()
    assert known(product, PHONE, "sms").learned == Learned()


def known(product: Product, sender: str, channel: str = "email") -> Parties:
    """What is known of whoever writes from an address, before their message is screened."""
    message = InboundMessage(
        channel=channel, external_id="x", sender=sender, recipient="", body="", visible=""
    )
    with product.store.read() as session:
        return counsel.parties(session, product.app.office(), message)


async def test_what_was_learned_is_taken_back(product: Product) -> None:
    first = await mailed(product, WRONG)
    await says(product, privilege.unseal, first)
    with pytest.raises(Wrong, match="say who is counsel"):
        await says(product, privilege.forget, first, CLERK)
    await says(product, privilege.forget, first)
    assert learned(product)["rules"] == []
    assert labels(product, await mailed(product, AGAIN)) == "privileged"
    with pytest.raises(Wrong, match="Nothing was learned"):
        await says(product, privilege.forget, first)
    with product.store.read() as session:
        assert [one.change for one in session.exec(select(Access))] == ["unsealed", "forgotten"]
        assert list(timeline.verify(session)) == []


# --- counsel --------------------------------------------------------------------------------------


async def named(product: Product, **row: str) -> Report:
    asked = {"change": "add", "rows": [row], "by": COUNSEL}
    return await learning.change(product.app, asked, silent)


async def test_who_is_counsel_is_said_of_everybody_or_of_one_client(product: Product) -> None:
    lawyer, value = "jane@hale.example", "hale.example"
    product.write(
        lambda s: factories.client(
            s, product.app.keyring, product.clock.now(), "Hale", phone=None, email=lawyer
        )
    )
    assert role_of(lawyer, known(product, lawyer)) is Role.UNKNOWN
    await named(product, value=value, side="ours", name="Jane Hale")
    assert role_of(lawyer, known(product, lawyer)) is Role.COUNSEL
    assert known(product, MAILBOX).names == {"Jane Hale"}
    with pytest.raises(Wrong, match="end that first"):
        await named(product, value=value, side="opposing")
    await named(product, value=value, side="opposing", client="Hale")
    assert role_of(lawyer, known(product, lawyer)) is Role.THIRD_PARTY
    assert known(product, MAILBOX).counsel == {value}


async def test_the_policy_names_counsel_for_everybody(product: Product) -> None:
    said = policy.parse('[counsel]\nours = ["Hale.example"]\nnames = ["Jane Hale"]')
    product.app = replace(product.app, policy=said)
    assert known(product, MAILBOX).counsel == {"hale.example"}
    assert role_of("jane@hale.example", known(product, "jane@hale.example")) is Role.COUNSEL
    with pytest.raises(policy.PolicyError, match="which is ours as well"):
        policy.parse('[counsel]\nours = ["a.example"]\nopposing = ["a.example"]')
    with pytest.raises(policy.PolicyError, match="must be an address or a domain"):
        policy.parse('[counsel]\nours = ["Jane Hale"]')


async def test_a_seal_proposes_the_sender_and_a_person_confirms(product: Product) -> None:
    touchpoint = await mailed(product, MISSED)
    await says(product, privilege.seal, touchpoint, CLERK)
    [proposed] = learned(product)["proposed"]
    assert (proposed["value"], proposed["touchpoint"]) == (MAILBOX.partition("@")[2], touchpoint)
    asked = {"change": "confirm", "id": proposed["id"], "by": CLERK}
    with pytest.raises(Wrong, match="To say who is counsel"):
        await learning.change(product.app, asked, silent)
    await learning.change(product.app, asked | {"by": COUNSEL}, silent)
    with product.store.read() as session:
        row = session.exec(select(Counsel)).one()
        assert (row.state, row.settled_by) == ("known", COUNSEL)
        known = counsel.about(session, product.app.office(), row.client_id or 0)
        assert known.counsel == {row.value}
    again = await mailed(product, "Hello, and thanks for the coffee.")
    await says(product, privilege.seal, again, CLERK)
    assert learned(product)["proposed"] == []


async def test_what_is_no_address_names_nobody(product: Product) -> None:
    with pytest.raises(Wrong, match="is no address and no domain"):
        await named(product, value="the lawyer")


# --- walls ----------------------------------------------------------------------------------------


async def test_a_wall_needs_somebody_inside_and_an_admin(product: Product) -> None:
    asked: dict[str, Any] = {"matter": "Bram suit", "add": [COUNSEL], "by": CLERK}
    with pytest.raises(Wrong, match="To say who may know of a matter"):
        await walls.change(product.app, asked, silent)
    made = await walls.change(product.app, asked | {"by": "cli"}, silent)
    assert [one["email"] for one in made.data["walls"]] == [COUNSEL]
    out = {"matter": "Bram suit", "remove": [COUNSEL]}
    with pytest.raises(Wrong, match="Nobody would be left inside"):
        await walls.change(product.app, out, silent)
    gone = await walls.change(product.app, {"matter": "Bram suit", "down": True}, silent)
    assert gone.data["walls"] == []


# --- the log and the report -----------------------------------------------------------------------


async def test_c23_the_log_names_copies_and_kinds_of_files_and_no_name_of_a_file(
    product: Product,
) -> None:
    head = (
        f"To: accounts@firm.example, {COUNSEL}\r\nCc: Bram <bram@northwind.example>\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n'
    )
    parts = (
        "--b\r\nContent-Type: text/plain\r\n\r\n" + ADVICE + "\r\n--b\r\n"
        'Content-Type: text/plain; name="strategy.txt"\r\n'
        'Content-Disposition: attachment; filename="strategy.txt"\r\n\r\nSettle.\r\n--b--'
    )
    touchpoint = await mailed(product, parts, head=head)
    with product.store.read() as session:
        report = privilegelog.log(session, product.app.office(), None, "")
    [row] = report.data["rows"]
    assert (row["id"], row["to"]) == (touchpoint, f"accounts@firm.example; {COUNSEL}")
    assert (row["cc"], row["attachments"]) == ("bram@northwind.example", "1 txt")
    assert row["basis"] == "found by rule"
    assert row["privilege"] in ("attorney-client", "work product")
    told = json.dumps(row) + privilegelog.as_csv(report)
    assert not [word for word in ("strategy", "Settle", "second contract", "Bram ") if word in told]


async def test_caught_missed_and_wrongly_sealed_are_reported_together(product: Product) -> None:
    right = await mailed(product, ADVICE)
    wrong = await mailed(product, WRONG, OTHER_MAIL)
    missed = await mailed(product, MISSED, OTHER_MAIL)
    await mailed(product, "INV-5512 will be paid on Friday.")
    await says(product, privilege.unseal, wrong)
    await says(product, privilege.seal, missed, CLERK)
    assert right != wrong
    with product.store.read() as session:
        report = learning.report(session, product.app.office())
    rows = {row["label"]: row for row in report.data["labels"]}
    assert {key: rows["privileged"][key] for key in ("found", "wrong", "missed")} == {
        "found": 2, "wrong": 1, "missed": 1,
    }  # fmt: skip
    assert rows["privileged"]["missed_rate"] == 0.5
    signals = {row["signal"]: row for row in report.data["signals"]}
    assert signals["header"] == {"signal": "header", "found": 1, "wrong": 1, "missed": 0}
    assert "W-9" not in json.dumps(report.data)
    metrics = Scrape(product.app.meters, product.store, product.app.spool, ("sms",)).text(
        factories.NOON
    )
    assert b'counterfoil_sealed_total{label="privileged"} 2.0' in metrics
    assert b'counterfoil_seal_rulings{change="unsealed",label=""} 1.0' in metrics


# --- preservation ---------------------------------------------------------------------------------

DEMAND = "You are hereby directed to preserve all documents and emails concerning our account."
GUARD = "U0GUARD"


async def test_c25_a_demand_to_preserve_is_proposed_and_a_click_holds(product: Product) -> None:
    product.write(_guard)
    for user, email in ((GUARD, "guard@harrow.example"), ("U0CLERK", CLERK)):
        product.slack.add_user(user, user, email)
    began = product.clock.now()
    await mailed(product, DEMAND)
    desk = product.slack.workspace.im(GUARD).id
    [card] = [one for one in product.slack.messages(desk) if "hold.place" in repr(one.blocks)]
    assert product.clock.now() - began < dt.timedelta(minutes=1)
    clerk = [
        one for one in product.slack.messages(factories.FINANCE) if "hold.place" in repr(one.blocks)
    ]
    await product.slack.click("U0CLERK", factories.FINANCE, clerk[0].ts, "hold.place")
    await product.settle()
    assert holds(product) == []
    for _ in range(2):
        await product.slack.click(GUARD, desk, card.ts, "hold.place")
    await product.settle()
    assert holds(product) == [("held", "guard@harrow.example")]
    await mailed(product, DEMAND + " Again.")
    shown = [one for one in product.slack.messages(desk) if "hold.place" in repr(one.blocks)]
    assert shown == []


async def test_c25_a_demand_that_is_dismissed_holds_nothing(product: Product) -> None:
    product.write(_guard)
    product.slack.add_user(GUARD, GUARD, "guard@harrow.example")
    await mailed(product, DEMAND)
    desk = product.slack.workspace.im(GUARD).id
    [card] = [one for one in product.slack.messages(desk) if "hold.place" in repr(one.blocks)]
    await product.slack.click(GUARD, desk, card.ts, "hold.dismiss")
    await product.settle()
    assert holds(product) == []
    assert "hold.place" not in repr(product.slack.messages(desk)[0].blocks)


async def test_c25_of_a_stranger_compliance_hears_at_once(product: Product) -> None:
    product.write(_guard)
    product.slack.add_user(GUARD, GUARD, "guard@harrow.example")
    await mailed(product, DEMAND, "someone@elsewhere.example")
    told = repr(product.slack.messages(product.slack.workspace.im(GUARD).id))
    assert "demands that evidence is preserved" in told
    assert "concerning our account" not in told


def _guard(session: Session) -> None:
    person = Staff(name="Guard", email="guard@harrow.example", slack_user=GUARD)
    session.add(person)
    session.flush()
    session.add(
        StaffRole(staff_id=person.id, role=StaffRoles.COMPLIANCE, granted_at=factories.NOON)
    )


def holds(product: Product) -> list[tuple[str, str]]:
    with product.store.read() as session:
        assert list(timeline.verify(session)) == []
        rows = session.exec(select(Access).order_by(col(Access.id))).all()
        return [(one.change, one.by) for one in rows if one.change in ("held", "released")]


async def test_holds_and_requests_are_asked_for_with_acct(product: Product) -> None:
    product.write(_guard)
    product.slack.add_user(GUARD, GUARD, "guard@harrow.example")
    product.slack.add_user("U0CLERK", "clerk", CLERK)
    await product.slack.command("U0CLERK", CLIENTS, "/acct", "hold Northwind: Bram suit")
    assert "needs the role compliance or admin" in product.slack.messages(CLIENTS)[-1].text
    assert await clicks(product, "hold Northwind: Bram suit", "hold.set") == [
        "Everything of Northwind Trading is kept for Bram suit until it is released."
    ]
    assert "Release Northwind Trading" in repr(
        await last(product, "hold Northwind", "hold.release")
    )
    await product.slack.click(GUARD, CLIENTS, product.slack.messages(CLIENTS)[-1].ts, "hold.end")
    await product.settle()
    assert [change for change, _ in holds(product)] == ["held", "released"]
    said = await clicks(product, "erase-request Northwind", "rights.erasure")
    assert said[0].startswith("Case 1: Northwind Trading must have an answer by ")
    assert (await clicks(product, "rights Northwind", "rights.erasure"))[0].startswith("Case 1:")


async def clicks(product: Product, typed: str, action: str) -> list[str]:
    """Compliance types, and presses the first such button of the answer."""
    return [(await last(product, typed, action)).text]


async def last(product: Product, typed: str, action: str) -> Any:
    await product.slack.command(GUARD, CLIENTS, "/acct", typed)
    shown = product.slack.messages(CLIENTS)[-1]
    answer = await product.slack.click(GUARD, CLIENTS, shown.ts, action)
    assert answer.status == 200, answer
    await product.settle()
    return product.slack.messages(CLIENTS)[-1]
