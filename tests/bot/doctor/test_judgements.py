"""What is made of each answer, without anybody who gives it."""

import asyncio
import base64
import datetime as dt
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from typing_extensions import override

from billing.clock import SystemClock
from bot.doctor import dkim, dmarc, domains, public, slack, spf, twilio, wire
from bot.doctor.clock import Heard, judge_clock
from bot.doctor.dkim import judge_dkim
from bot.doctor.finding import Finding, Verdict, hushed, ok, report, skipped, warning, wrong
from bot.doctor.names import Names
from bot.doctor.smtp import judge_extensions, relay_of
from bot.doctor.spf import Zone, judge_spf
from bot.sandbox import loopback
from bot.settings import Settings

ME = "harrow.example"
NOW = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
OPS = Path(__file__).parents[3] / "ops"
MANY = " ".join(f"include:i{number}.example" for number in range(11))


def zone(*records: str, **others: str) -> Zone:
    """Ours, and those of others by the first label of their name."""
    texts = {ME: list(records)} | {f"{name}.example": [text] for name, text in others.items()}
    hosts = {"a:harrow.example": ["198.51.100.7"], "mx:harrow.example": []}
    return Zone(texts, hosts | {"a:mail.example": ["9.9.9.200"], "a:six.example": ["2001:db8::1"]})


@pytest.mark.parametrize(
    ("given", "verdict", "words"),
    [
        pytest.param(zone("v=spf1 ip4:9.9.9.0/24 -all"), "ok", "0 of 10", id="good"),
        pytest.param(
            zone("v=spf1 include:r.example ~all", r="v=spf1 ip4:9.9.9.9 -all"),
            "ok",
            "1 of 10",
            id="included",
        ),
        pytest.param(
            zone("v=spf1 redirect=r.example", r="v=spf1 ip4:9.9.9.9 -all"),
            "ok",
            "1 of 10 look-ups, -all",
            id="redirected",
        ),
        pytest.param(zone("v=spf1 a ip4:9.9.9.9 -all"), "ok", "1 of 10", id="a counts"),
        pytest.param(zone("spf2.0 -all", "hello"), "wrong", "no SPF record", id="none"),
        pytest.param(zone("v=spf1 -all", "v=spf1 ~all"), "wrong", "2 SPF records", id="two"),
        pytest.param(zone("v=spf1 ip4:9.9.9.9 +all"), "wrong", "anybody", id="anybody"),
        pytest.param(zone("v=spf1 ip4:9.9.9.9 all"), "wrong", "anybody", id="bare all"),
        pytest.param(zone("v=spf1 ip4:9.9.9.9 ?all"), "warning", "nothing", id="neutral"),
        pytest.param(zone("v=spf1 ip4:9.9.9.9"), "warning", "nothing about", id="no end"),
        pytest.param(zone("v=spf1 ipv4:9.9.9.9 -all"), "wrong", "'ipv4:", id="mistyped"),
        pytest.param(zone("v=spf1 include:gone.example -all"), "wrong", "no SPF", id="dangling"),
        pytest.param(
            zone("v=spf1 include:r.example -all", r="v=spf1 include:harrow.example -all"),
            "wrong",
            "includes itself",
            id="circle",
        ),
        pytest.param(
            zone(f"v=spf1 {MANY} -all", **{f"i{n}": "v=spf1 -all" for n in range(11)}),
            "wrong",
            "needs 11 look-ups",
            id="too many",
        ),
        pytest.param(zone("v=spf1 ip4:192.0.2.1 -all"), "warning", "cover", id="another relay"),
        pytest.param(
            zone("v=spf1 exists:%{i}.r.example ip4:9.9.9.9 -all"), "ok", "1 of", id="macro"
        ),
        pytest.param(zone("v=spf1 a:mail.example/24 -all"), "ok", "1 of", id="its neighbours"),
        pytest.param(zone("v=spf1 a:mail.example -all"), "warning", "cover", id="a neighbour"),
        pytest.param(zone("v=spf1 a:six.example//64 -all"), "warning", "cover", id="of IPv6"),
        pytest.param(
            zone("v=spf1 ip4:9.9.9.999 -all"), "wrong", "'ip4:9.9.9.999'", id="no address"
        ),
        pytest.param(zone("v=spf1 ip4:2001:db8:: -all"), "wrong", "is nothing", id="of the other"),
        pytest.param(zone("v=spf1 ip4 -all"), "wrong", "'ip4'", id="no network"),
        pytest.param(
            zone("v=spf1 -all include:r.example", r="v=spf1 ip4:9.9.9.9 -all"),
            "warning",
            "cover",
            id="behind all",
        ),
        pytest.param(zone("v=spf1 -ip4:9.9.9.9 ~all"), "warning", "cover", id="kept out"),
        pytest.param(
            zone("v=spf1 redirect=r.example ip4:9.9.9.9 ~all", r="v=spf1 +all"),
            "ok",
            "0 of 10 look-ups, ~all",
            id="redirected in vain",
        ),
        pytest.param(
            zone("v=spf1 include:r.example -all", r="v=spf1 +all"),
            "wrong",
            "anybody",
            id="anybody is included",
        ),
    ],
)
def test_spf_is_judged(given: Zone, verdict: str, words: str) -> None:
    found = judge_spf(ME, given, "smtp.relay.example", ["9.9.9.9"])
    assert (found.verdict, words in found.said) == (verdict, True), found


@pytest.mark.parametrize(
    ("relay", "include"),
    [
        ("smtp.sendgrid.net", "sendgrid.net"),
        ("email-smtp.us-east-1.amazonaws.com", "amazonses.com"),
        ("smtp.office365.com", "spf.protection.outlook.com"),
        ("smtp.gmail.com", "_spf.google.com"),
    ],
)
def test_a_relay_is_known_by_the_name_it_sends_with(relay: str, include: str) -> None:
    texts = {ME: [f"v=spf1 include:{include} -all"], include: ["v=spf1 ip4:192.0.2.0/24 -all"]}
    assert judge_spf(ME, Zone(texts), relay, ["9.9.9.9"]).verdict is Verdict.OK


def rsa_key(bits: int) -> str:
    """What looks like one: nobody signs with it, and to find two primes takes long."""
    key = rsa.RSAPublicNumbers(65537, (1 << bits) - 1).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


LONG, SHORT, ED = rsa_key(2048), rsa_key(1024), base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("records", "verdict", "words"),
    [
        pytest.param([f"v=DKIM1; k=rsa; p={LONG}"], "ok", "can be read", id="good"),
        pytest.param([f"p={LONG[:90]} {LONG[90:]}"], "ok", "can be read", id="blanks, no version"),
        pytest.param([f"v=DKIM1; k=ed25519; p={ED}"], "ok", "can be read", id="ed25519"),
        pytest.param([f"v=DKIM1; p={SHORT}"], "warning", "1,024 bits", id="short"),
        pytest.param([f"v=DKIM1; t=y; p={LONG}"], "warning", "test", id="testing"),
        pytest.param([], "wrong", "no DKIM key", id="none"),
        pytest.param(["v=DKIM1; p="], "wrong", "revoked", id="revoked"),
        pytest.param([f"v=DKIM1; p={LONG[:-9]}"], "wrong", "cannot be read", id="cut off"),
        pytest.param(["v=DKIM1; k=ed25519; p=AAAA"], "wrong", "cannot be read", id="no key"),
        pytest.param([f"v=DKIM1; h=sha1; p={LONG}"], "wrong", "sha256", id="sha1 alone"),
        pytest.param(["hello"], "wrong", "is no DKIM key", id="another text"),
        pytest.param([f"p={LONG}", f"p={SHORT}"], "wrong", "2 records", id="two"),
    ],
)
def test_dkim_is_judged(records: list[str], verdict: str, words: str) -> None:
    found = judge_dkim(ME, "s1", records)
    assert (found.verdict, words in found.said) == (verdict, True), found


@pytest.mark.parametrize(
    ("records", "place", "passes", "verdict", "words"),
    [
        pytest.param(["v=DMARC1; p=reject"], ME, True, "ok", "reject mail", id="reject"),
        pytest.param(["v=DMARC1;p=quarantine;aspf=s;adkim=s"], ME, True, "ok", "", id="strict"),
        pytest.param(["v=DMARC1; p=none"], ME, True, "warning", "asks nobody", id="none"),
        pytest.param(["v=DMARC1; p=reject; pct=20"], ME, True, "warning", "20 %", id="a part"),
        pytest.param(
            ["v=DMARC1; p=reject; sp=none"], "example", True, "warning", "asks", id="subdomain"
        ),
        pytest.param([], ME, True, "wrong", "no DMARC", id="no record"),
        pytest.param(["v=DMARC1; p=block"], ME, True, "wrong", "p=block", id="no policy"),
        pytest.param(["v=DMARC1; p=none"] * 2, ME, True, "wrong", "2 DMARC", id="two"),
        pytest.param(["v=DMARC1; p=reject"], ME, False, "wrong", "Neither", id="nothing passes"),
    ],
)
def test_dmarc_is_judged(
    records: list[str], place: str, *, passes: bool, verdict: str, words: str
) -> None:
    found = dmarc.judge_dmarc(ME, place, records, spf=passes, dkim=False)
    assert (found.verdict, words in found.said) == (verdict, True), found


@pytest.mark.parametrize(
    ("exchangers", "reached", "bare", "verdict"),
    [
        pytest.param(["mx1", "mx2"], {"mx1": True, "mx2": True}, False, "ok", id="good"),
        pytest.param(["mx1", "mx2"], {"mx1": True, "mx2": False}, False, "warning", id="one dead"),
        pytest.param(["mx1"], {"mx1": False}, False, "wrong", id="all dead"),
        pytest.param(["."], {}, False, "wrong", id="null MX"),
        pytest.param([], {}, True, "warning", id="an address alone"),
        pytest.param([], {}, False, "wrong", id="nothing"),
    ],
)
def test_the_way_of_answers_is_judged(
    exchangers: list[str], reached: dict[str, bool], *, bare: bool, verdict: str
) -> None:
    assert domains.judge_route(ME, exchangers, reached, bare=bare).verdict == verdict


@pytest.mark.parametrize(
    ("life", "left", "verdict"),
    [(90, 30, "ok"), (90, 15, "ok"), (90, 14, "wrong"), (6, 3, "ok"), (6, 1, "wrong")],
    ids=["fresh", "in time", "not renewed", "short-lived", "short-lived, not renewed"],
)
def test_a_certificate_is_renewed_in_time(life: int, left: int, verdict: str) -> None:
    ends = NOW + dt.timedelta(days=left)
    shown = {"notBefore": ends - dt.timedelta(days=life), "notAfter": ends}
    written = {key: day.strftime("%b %d %H:%M:%S %Y GMT") for key, day in shown.items()}
    assert public.judge_certificate("h.example", written, NOW).verdict == verdict


@pytest.mark.parametrize(
    ("peer", "noted"),
    [
        *(("10.0.0.7", True), ("100.64.0.7", True), ("fd00::1", True)),
        *(("9.9.9.9", False), ("127.0.0.1", False)),
    ],
)
def test_an_address_that_nobody_outside_can_call_is_noted(peer: str, *, noted: bool) -> None:
    assert (public.judge_place("h.example", peer) is not None) is noted


def heard(seconds: float, who: str = "Slack") -> Heard:
    return Heard(who, "Mon, 05 Jan 2026 09:00:00 GMT", NOW + dt.timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        pytest.param([heard(1)], "ok", id="right"),
        pytest.param([heard(30)], "ok", id="half a minute"),
        pytest.param([heard(31)], "wrong", id="ahead"),
        pytest.param([heard(-40)], "wrong", id="behind"),
        pytest.param([heard(1), heard(2), heard(900)], "ok", id="another one is wrong"),
        pytest.param([], "skipped", id="nobody"),
        pytest.param([Heard("Slack", "yesterday", NOW)], "skipped", id="no date"),
    ],
)
def test_the_clock_is_judged(seen: list[Heard], verdict: str) -> None:
    assert judge_clock(seen).verdict == verdict


def test_the_scopes_are_those_of_the_manifest() -> None:
    for name in ("slack-manifest.json", "slack-manifest-socket.json"):
        manifest = json.loads((OPS / name).read_text())
        assert sorted(slack.SCOPES) == manifest["oauth_config"]["scopes"]["bot"]


@pytest.mark.parametrize(
    ("word", "verdict"),
    [
        ("channel_not_found", "wrong"),
        ("missing_scope", "skipped"),
        ("invalid_auth", "skipped"),
        ("internal_error", "wrong"),
    ],
)
def test_a_silent_channel_is_judged_by_the_reason(word: str, verdict: str) -> None:
    refused = slack.Refused(word, "channels:read")
    found = slack.judge_refusal("slack x", "slack_finance_channel", "C0", refused)
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        (["VERIFIED"], "ok"),
        (["FAILED", "VERIFIED"], "ok"),
        (["IN_PROGRESS"], "wrong"),
        (["SOMETHING"], "wrong"),
        ([], "wrong"),
    ],
)
def test_a_campaign_is_judged(states: list[str], verdict: str) -> None:
    pool = twilio.Pool("MG1", "Ours", "", "POST", asks_number=False, campaigns=states)
    assert twilio.judge_campaign("twilio x", pool).verdict == verdict


@pytest.mark.parametrize(
    ("states", "verdict"),
    [(["TWILIO_APPROVED"], "ok"), (["PENDING_REVIEW"], "wrong"), ([], "wrong")],
)
def test_a_toll_free_number_is_judged(states: list[str], verdict: str) -> None:
    assert twilio.judge_toll_free("twilio x", states).verdict == verdict


@pytest.mark.parametrize(
    ("url", "demands", "implicit"),
    [
        ("smtp://u:p@relay.example:587", True, False),
        ("smtp://relay.example", True, False),
        ("smtp://u:p@127.0.0.1", False, False),
        ("smtp://u:p@relay.example?starttls=never", False, False),
        ("smtps://u:p@relay.example:465", True, True),
    ],
)
def test_the_relay_is_read_as_the_channel_reads_it(
    url: str, *, demands: bool, implicit: bool
) -> None:
    relay = relay_of(url)
    assert relay is not None
    assert (relay.demands_tls, relay.implicit) == (demands, implicit)


@pytest.mark.parametrize("url", ["relay.example:587", "smtp://relay.example:no", "smtp://[relay"])
def test_what_is_no_address_is_no_relay(url: str) -> None:
    assert relay_of(url) is None


def test_a_relay_without_8bitmime_is_noted() -> None:
    assert [one.verdict for one in judge_extensions({"size": "35882577"})] == ["warning"]
    assert [one.verdict for one in judge_extensions({"8bitmime": "", "size": "0"})] == ["ok"]


@pytest.mark.parametrize(
    ("base", "asked"),
    [
        ("https://api.twilio.com", "https://messaging.twilio.com/v1/Services"),
        (
            "https://api.dublin.ie1.twilio.com",
            "https://messaging.dublin.ie1.twilio.com/v1/Services",
        ),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/v1/Services"),
    ],
)
def test_a_product_of_twilio_is_asked_at_its_own_host(base: str, asked: str) -> None:
    line = twilio._Line(base, wire.Wire.__new__(wire.Wire))
    assert line._place("https://messaging.twilio.com/v1/Services") == asked


@pytest.mark.parametrize(
    ("status", "what"), [(401, twilio.Refused), (429, wire.Unreachable), (503, wire.Unreachable)]
)
def test_only_what_twilio_refuses_is_a_refusal(status: int, what: type[Exception]) -> None:
    """A token was said to be wrong, to be copied again, while Twilio was down."""
    assert isinstance(twilio._refusal(status, '{"code": 20500, "message": "Hm"}'), what)


async def test_an_answer_in_pieces_is_read_whole() -> None:
    async def in_pieces() -> AsyncIterator[str]:
        for _ in range(3):
            yield "piece"
            await asyncio.sleep(0.01)

    async def answer(_request: Request) -> StreamingResponse:
        return StreamingResponse(in_pieces())

    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])])
    async with loopback.serve(app) as url, aiohttp.ClientSession() as pool:
        heard = await wire.Wire(pool, SystemClock()).ask("GET", url)
        assert heard.text == "piece" * 3
        assert (await loopback.post(url, b"", {})).body == "piece" * 3


class Published(Names):
    """TXT records by the selector of their name."""

    def __init__(self, **records: str) -> None:
        self.records = records

    @override
    async def texts(self, name: str) -> list[str]:
        found = self.records.get(name.partition(".")[0])
        return [found] if found else []


@pytest.mark.parametrize(
    ("published", "verdict"),
    [
        pytest.param(
            {"google": "v=DKIM1; p=", "s1": f"p={LONG}"}, "ok", id="an old one is revoked"
        ),
        pytest.param({"default": "v=spf1 -all", "s1": f"p={LONG}"}, "ok", id="no key at all"),
        pytest.param(dict.fromkeys(dkim.COMMON, "v=spf1 -all"), "warning", id="any name"),
        pytest.param({"google": "v=DKIM1; p="}, "wrong", id="revoked alone"),
    ],
)
async def test_without_a_selector_the_best_of_the_usual_keys_counts(
    published: dict[str, str], verdict: str
) -> None:
    assert (await dkim.look(Published(**published), ME, "")).verdict == verdict


def test_the_answer_is_no_only_where_something_is_wrong() -> None:
    noted = [ok("a", "Good."), warning("b", "Hm.", "Look."), skipped("c", "Not set.")]
    assert report(noted).code == 0
    bad = report([*noted, wrong("d", "Bad.", "Mend it.")])
    assert (bad.code, bad.lines) == (1, ["1 thing is wrong. 1 thing is worth a look."])


def test_a_secret_is_hidden_wherever_it_stands() -> None:
    (found,) = hushed(
        [Finding("x pass", Verdict.WRONG, "pass word", "password")], ["pass", "password"]
    )
    assert "pass" not in f"{found.what}{found.said}{found.advice}"


def test_who_includes_whom_is_followed() -> None:
    walked = spf.walk(ME, zone("v=spf1 include:r.example -all", r="v=spf1 ip6:2001:db8::/32 -all"))
    assert (walked.included, walked.networks) == (["r.example"], ["2001:db8::/32"])


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ("9.9.9.9", ("9.9.9.9", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]:5353", ("::1", 5353)),
        ("", None),
    ],
)
def test_a_resolver_is_named_by_its_address(server: str, address: tuple[str, int] | None) -> None:
    assert Settings(dns_server=server).dns_address == address


@pytest.mark.parametrize("server", ["dns.example", "9.9.9.9:0", "9.9.9.9:99999", "9.9.9", "[::1"])
def test_a_resolver_without_an_address_is_refused(server: str) -> None:
    with pytest.raises(ValueError, match=r"must be an address like 9\.9\.9\.9"):
        Settings(dns_server=server)
