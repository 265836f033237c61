"""Doctor against everybody it asks, over the wire: all is well, then one thing at a time is not."""

import datetime as dt
import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from typing_extensions import override

from billing.clock import SystemClock
from bot.doctor import smtp
from bot.doctor.finding import Finding, Verdict
from bot.sandbox.faults import Fault
from bot.sandbox.smtp import Mail
from tests.bot.doctor.breakage import (
    TOLL_FREE,
    Break,
    answered,
    application,
    channel,
    number,
    proxied,
    records,
    replaced,
    service,
    told,
    toll_free,
    without_login,
)
from tests.bot.doctor.town import (
    APP_TOKEN,
    DOMAIN,
    KEY,
    PASSWORD,
    PHONE,
    SECRETS,
    SENDER,
    SERVICE,
    Town,
    findings,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
DOCS = Path(__file__).parents[3] / "docs"
CLOSED = "127.0.0.1:9"
VERIFIED = f"twilio {PHONE}"


class Fast(SystemClock):
    @override
    def wall(self) -> dt.datetime:
        return super().wall() + dt.timedelta(seconds=90)


SLACK = [
    pytest.param(
        channel("C0FINANCE", is_ext_shared=True),
        {"slack finance channel": "nothing is posted there"},
        id="shared channel",
    ),
    pytest.param(
        told(SLACK_BOT_TOKEN="xoxb-another-one-9"), {"slack": "invalid_auth"}, id="Slack token"
    ),
    pytest.param(
        lambda town: setattr(town.slack.workspace, "bot_id", ""),
        {"slack": "a person's"},
        id="token of a person",
    ),
    pytest.param(
        lambda town: town.slack.scopes.remove("im:write"),
        {"slack scopes": "im:write is missing: the owner"},
        id="scope",
    ),
    pytest.param(
        channel("C0FINANCE", members=set()),
        {"slack finance channel": "/invite @Counterfoil in #finance"},
        id="not in channel",
    ),
    pytest.param(
        channel("C0CLIENTS", members=set()),
        {"slack clients channel": "knows no channel C0CLIENTS"},
        id="private channel",
    ),
    pytest.param(
        channel("C0FINANCE", is_archived=True),
        {"slack finance channel": "archived"},
        id="archived",
    ),
    pytest.param(
        told(SLACK_BASE_URL=f"http://{CLOSED}/api/"),
        dict.fromkeys(("slack", "slack finance channel", "slack clients channel"), "refuses"),
        id="no Slack",
    ),
    pytest.param(
        told(SLACK_APP_TOKEN="xapp-another-one-9"), {"slack socket": "invalid_auth"}, id="socket"
    ),
    pytest.param(
        told(SLACK_APP_TOKEN=SECRETS["SLACK_BOT_TOKEN"]),
        {"slack socket": "begins with xapp-"},
        id="socket with the bot's token",
    ),
]
TWILIO = [
    pytest.param(
        told(TWILIO_AUTH_TOKEN="x" * 32),
        {"twilio": "20003", "hook twilio": "401"},
        id="Twilio token",
    ),
    pytest.param(
        lambda town: setattr(town.twilio.holdings, "status", "suspended"),
        {"twilio": "suspended"},
        id="suspended",
    ),
    pytest.param(
        told(TWILIO_FROM="+12125550199"),
        {"twilio +12125550199": "not in this account"},
        id="number of others",
    ),
    pytest.param(
        number(capabilities={"voice": True, "SMS": False}), {VERIFIED: "cannot send"}, id="voice"
    ),
    pytest.param(
        number(sms_url="https://key:word@old.example/sms?k=1"),
        {f"{VERIFIED} webhook": "goes to https://old.example/sms, not"},
        id="webhook elsewhere",
    ),
    pytest.param(
        number(sms_url="https://demo.twilio.com/welcome/sms/reply/"),
        {f"{VERIFIED} webhook": "Nobody hears"},
        id="webhook as bought",
    ),
    pytest.param(number(sms_method="GET"), {f"{VERIFIED} webhook": "comes with GET"}, id="GET"),
    pytest.param(
        service(inbound_request_url=None),
        {f"{VERIFIED} webhook": "Nobody hears"},
        id="service drops",
    ),
    pytest.param(
        application("https://old.example/"),
        {f"{VERIFIED} webhook": "old.example"},
        id="application",
    ),
    pytest.param(
        lambda town: town.twilio.holdings.campaigns.update({SERVICE: "FAILED"}),
        {f"{VERIFIED} campaign": "was rejected"},
        id="campaign rejected",
    ),
    pytest.param(
        lambda town: town.twilio.services.clear(),
        {f"{VERIFIED} campaign": "30034"},
        id="no campaign",
    ),
    pytest.param(
        toll_free("IN_REVIEW"), {f"twilio {TOLL_FREE} toll-free": "under review"}, id="toll-free"
    ),
    pytest.param(
        told(TWILIO_MESSAGING_SERVICE_SID="MG" + "0" * 32),
        {"twilio service": "no messaging service"},
        id="service",
    ),
    pytest.param(
        told(TWILIO_BASE_URL=f"http://{CLOSED}"),
        dict.fromkeys(("twilio", "twilio numbers"), "refuses the connection"),
        id="no Twilio",
    ),
]
MAIL = [
    pytest.param(
        told(SMTP_URL=f"smtp://{CLOSED}"), {"smtp": "refuses the connection"}, id="closed"
    ),
    pytest.param(
        lambda town: town.mail.logins.update(relay="another"),
        {"smtp login": "refuses the login: 535"},
        id="password",
    ),
    pytest.param(
        lambda town: town.mail.logins.clear(), {"smtp login": "takes no login here"}, id="no login"
    ),
    pytest.param(lambda town: setattr(town.mail, "tls", None), {"smtp": "no STARTTLS"}, id="plain"),
    pytest.param(
        lambda town: town.show(town.mail_tls, "relay.example"),
        {"smtp": "certificate of localhost is not valid"},
        id="certificate",
    ),
    pytest.param(
        lambda town: town.mail.refused_senders.update({SENDER: "553 5.7.1 Not owned by user"}),
        {f"smtp {SENDER}": "553 5.7.1 Not owned"},
        id="sender",
    ),
]
NAMES = [
    pytest.param(records(DOMAIN, "TXT"), {f"spf {DOMAIN}": "no SPF record"}, id="spf"),
    pytest.param(
        records(f"s1._domainkey.{DOMAIN}", "TXT"), {f"dkim {DOMAIN}": "no DKIM key"}, id="dkim"
    ),
    pytest.param(
        records(f"_dmarc.{DOMAIN}", "TXT"), {f"dmarc {DOMAIN}": "no DMARC record"}, id="dmarc"
    ),
    pytest.param(records(DOMAIN, "MX"), {f"mx {DOMAIN}": "bounces"}, id="mx"),
    pytest.param(
        lambda town: town.names.dead.add(DOMAIN),
        {f"dns {DOMAIN}": "does not answer"},
        id="servfail",
    ),
]
HOOKS = ("hook slack", "hook twilio", "hook email", "hook facts")
PUBLIC = [
    pytest.param(
        told(PUBLIC_URL="https://counterfoil.invalid"),
        {"public address": "does not resolve", f"{VERIFIED} webhook": "not to us"},
        id="name",
    ),
    pytest.param(
        lambda town: town.show(town.proxy_tls, "other.example"),
        {"public address": "certificate of localhost is not valid"},
        id="certificate of another",
    ),
    pytest.param(
        lambda town: town.show(town.proxy_tls, "localhost", 90, 80),
        {"public address": "ends in 9 days"},
        id="certificate ends",
    ),
    pytest.param(answered(502), dict.fromkeys(HOOKS, "does not find Counterfoil"), id="502"),
    pytest.param(answered(301), dict.fromkeys(HOOKS, "do not follow"), id="redirect"),
    pytest.param(answered(401, "Login"), dict.fromkeys(HOOKS, "turns callers away"), id="login"),
    pytest.param(answered(200), dict.fromkeys(HOOKS, "forged request was taken"), id="another"),
    pytest.param(replaced(b"/hooks/", b"/"), dict.fromkeys(HOOKS, "not found"), id="path"),
    pytest.param(replaced(b"?ref=doctor%2F1", b""), {"hook twilio": "path, query"}, id="query"),
    pytest.param(replaced(b"doctor%2F1 ", b"doctor/1 "), {"hook twilio": "401"}, id="decoded"),
    pytest.param(replaced(b"&Empty=", b"&Other="), {"hook twilio": "401"}, id="form"),
    pytest.param(replaced(b'": "', b'"  :"'), {"hook slack": "refused (401)"}, id="json"),
    pytest.param(proxied(without_login), {"hook email": "body"}, id="login taken"),
    pytest.param(
        lambda town: setattr(town.proxy, "largest", 1_000_000),
        {"hook email size": "client_max_body_size 31m"},
        id="size",
    ),
    pytest.param(
        told(SLACK_SIGNING_SECRET="another-secret-0123"),
        {"hook slack": "restart it after a change"},
        id="secret of before",
    ),
    pytest.param(
        told(FACTS_HOOK_SECRET=f"whsec_{KEY}"),
        {"hook facts": "COUNTERFOIL_PUBLIC_URL and the secret"},
        id="another secret of facts",
    ),
    pytest.param(
        lambda town: setattr(town, "clock", Fast()),
        {"clock": "seconds ahead of Slack, Twilio"},
        id="clock",
    ),
]


def having(found: list[Finding], verdict: Verdict) -> dict[str, str]:
    return {one.what: f"{one.said} {one.advice}" for one in found if one.verdict is verdict}


@pytest.mark.parametrize(("change", "expected"), [*SLACK, *TWILIO, *MAIL, *NAMES, *PUBLIC])
async def test_one_wrong_thing_is_named(
    around: Town, change: Break, expected: dict[str, str]
) -> None:
    change(around)
    wrong = having(await around.asked(), Verdict.WRONG)
    assert set(wrong) == set(expected), wrong
    for what, words in expected.items():
        assert words in wrong[what]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            lambda town: setattr(town.twilio.holdings, "type", "Trial"),
            {"twilio": "verified"},
            id="trial",
        ),
        pytest.param(told(PORT="9"), {"service": "Nobody serves"}, id="service elsewhere"),
        pytest.param(
            lambda town: setattr(town.proxy, "doors", b"/"),
            {"public metrics": "/metrics"},
            id="open metrics",
        ),
        pytest.param(
            lambda town: setattr(town.mail, "size_limit", 1_000_000),
            {"smtp limits": "1,000,000 bytes"},
            id="small relay",
        ),
        pytest.param(told(DKIM_SELECTOR=""), {}, id="a usual selector is found"),
        pytest.param(
            lambda town: (
                told(DKIM_SELECTOR="")(town),
                town.names.records.pop((f"s1._domainkey.{DOMAIN}", "TXT")),
            ),
            {f"dkim {DOMAIN}": "COUNTERFOIL_DKIM_SELECTOR"},
            id="no usual selector",
        ),
        pytest.param(
            records(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=none"),
            {f"dmarc {DOMAIN}": "asks nobody"},
            id="dmarc asks nothing",
        ),
    ],
)
async def test_what_works_and_should_be_known_is_told(
    around: Town, change: Break, expected: dict[str, str]
) -> None:
    change(around)
    found = await around.asked()
    assert having(found, Verdict.WRONG) == {}
    notable = having(found, Verdict.WARNING)
    assert set(notable) == set(expected), notable
    for what, words in expected.items():
        assert words in notable[what]


async def test_a_complete_installation_is_well(
    around: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    around.told["SLACK_APP_TOKEN"] = APP_TOKEN
    report = await around.doctor(monkeypatch)
    assert dict(findings(report, "wrong")) == {}
    assert list(dict(findings(report, "warning"))) == ["go-live"]
    assert list(dict(findings(report, "skipped"))) == ["hook slack"]
    assert report.code == 0


async def test_nothing_is_sent_and_nothing_is_kept(
    around: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = await around.doctor(monkeypatch)
    assert dict(findings(report, "ok"))["work"].startswith("0 sequences, 0 messages")
    asked = {method for method, _ in around.slack.calls}
    assert asked == {"auth.test", "conversations.info", "conversations.members", "users.info"}
    assert (around.mail.letters, around.twilio.messages, around.slack.opened) == ([], {}, 0)
    assert "inbox" not in dict(findings(report, "wrong"))


async def test_no_secret_is_said(around: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one that a server repeats to us."""
    around.told["SLACK_APP_TOKEN"] = APP_TOKEN
    shown = [PASSWORD, quote(PASSWORD, safe=""), APP_TOKEN, *SECRETS.values()]
    around.mail.refused_senders[SENDER] = f"553 who is {PASSWORD}"
    around.slack.workspace.users[around.slack.workspace.bot_user].name = SECRETS["SLACK_BOT_TOKEN"]
    report = await around.doctor(monkeypatch)
    said = json.dumps(report.data) + str(report.tables)
    assert [one for one in shown if one in said] == []
    assert said.count("553 who is \u2022\u2022\u2022") + said.count("553 who is \\u2022") == 2


async def test_nobody_is_asked_offline(around: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    report = await around.doctor(monkeypatch, offline=True)
    assert dict(findings(report, "skipped")) == {"network": "Nobody was asked (--offline). "}
    assert (around.slack.calls, around.names.asked, around.proxy.heard) == ([], [], [])


async def test_who_does_not_answer_in_time_holds_up_nobody_else(around: Town) -> None:
    around.slack.faults.plan("auth.test", Fault.SLOW, seconds=60)
    around.names.silent.add(DOMAIN)
    wrong = having(await around.asked(patience=5), Verdict.WRONG)
    assert set(wrong) == {"slack", f"dns {DOMAIN}"}
    assert all("within 5 seconds" in one for one in wrong.values())


async def test_what_is_not_set_is_skipped(around: Town) -> None:
    needed = {"TWILIO_ACCOUNT_SID", "SLACK_BOT_TOKEN", "SMTP_URL", "PUBLIC_URL"}
    around.told = {name: value for name, value in around.told.items() if name not in needed}
    skipped = having(await around.asked(), Verdict.SKIPPED)
    assert {"slack", "twilio", "twilio numbers", "smtp", "public address"} <= set(skipped)


async def test_a_short_code_outside_a_service_leaves_stop_to_us(around: Town) -> None:
    around.told["TWILIO_FROM"], around.phones = "45678", ()
    around.twilio.holdings.short_codes.add("45678")
    wrong = having(await around.asked(), Verdict.WRONG)
    assert "carrier_answers_stop = false" in wrong["twilio 45678 STOP"]
    assert having(await around.asked(carrier=False), Verdict.WRONG) == {}


async def test_stop_is_not_answered_twice(around: Town) -> None:
    notable = having(await around.asked(carrier=False), Verdict.WARNING)
    assert "two answers" in notable[f"twilio {PHONE} STOP"]


async def test_an_application_of_ours_takes_the_answers(around: Town) -> None:
    application(around.twilio.inbound_url)(around)
    assert having(await around.asked(), Verdict.WRONG) == {}


async def test_a_relay_may_speak_tls_from_the_first_byte(around: Town) -> None:
    mail = Mail(around.clock)
    mail.tls, mail.implicit, mail.logins = around.mail_tls, True, {"relay": "word-0123456789"}
    async with mail.serving() as port:
        found = await smtp.look(f"smtps://relay:word-0123456789@localhost:{port}", [SENDER])
    assert {one.verdict for one in found} == {Verdict.OK}
    assert "first byte" in found[0].said


async def test_a_store_that_others_on_the_machine_may_read_is_told_of(
    around: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = around.folder / "cf.db"
    rows.chmod(0o640)
    report = await around.doctor(monkeypatch)
    rows.chmod(0o600)
    [found] = [one for one in report.data["findings"] if one["what"] == "database_url"]
    assert "(mode 640)" in found["said"]
    assert found["do"] == f"chmod 600 {rows}*"


async def test_a_guest_who_reads_where_we_speak_is_told_of(
    around: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    around.slack.add_user("U0GUEST", "guest", "guest@harrow.example", restricted=True)
    around.slack.workspace.channels["C0FINANCE"].members.add("U0GUEST")
    report = await around.doctor(monkeypatch)
    assert "A guest" in dict(findings(report, "wrong"))["slack finance channel"]
    assert dict(findings(report, "ok"))["slack clients channel"]


async def test_every_line_is_explained(around: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    around.told["SLACK_APP_TOKEN"] = APP_TOKEN
    report = await around.doctor(monkeypatch)
    table = (DOCS / "connect.md").read_text().partition("## What doctor says")[2]
    explained = set(re.findall(r"`([^`]+)`", table)) | {"Harrow Law"}
    said = {one["what"] for one in report.data["findings"]}
    for name, kind in ((SENDER, "ADDRESS"), (DOMAIN, "DOMAIN"), (PHONE, "NUMBER")):
        said = {one.replace(name, kind) for one in said}
    assert said <= explained
