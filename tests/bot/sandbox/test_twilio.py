"""Does the stand-in speak to the official SDK as Twilio does?"""

import datetime as dt
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from billing.clock import TurnedClock
from bot.sandbox import carrier
from bot.sandbox.faults import Fault
from bot.sandbox.loopback import serve
from bot.sandbox.twilio import Twilio
from tests.waiting import unanswered

# twilio 9.13 still uses what aiohttp 3.14 deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

ACCOUNT = "AC" + "0" * 32
TOKEN = "sandbox-token"
OURS = "+14155550100"
POOLED = "+14155550101"
SERVICE = "MG" + "1" * 32
ADA = "+12125550123"
TIMEOUTS = (Fault.TIMEOUT, Fault.TIMEOUT_AFTER_ACCEPT)


@pytest.fixture
def twilio(clock: TurnedClock) -> Twilio:
    twilio = Twilio(ACCOUNT, TOKEN, clock)
    twilio.senders = {OURS}
    twilio.voice_only = {"+14155550199"}
    twilio.services = {SERVICE: [POOLED]}
    return twilio


@pytest.fixture
async def base(twilio: Twilio) -> AsyncIterator[str]:
    async with serve(twilio.app) as url:
        yield url
        await twilio.settle()


@pytest.fixture
async def messages(base: str) -> AsyncIterator[Any]:
    async with _client(base, TOKEN) as client:
        yield client.messages


class _client:  # noqa: N801 - read as a function
    """The official SDK, pointed at the stand-in."""

    def __init__(self, base: str, token: str) -> None:
        self._http = AsyncTwilioHttpClient()
        self._client = Client(ACCOUNT, token, http_client=self._http)
        self._client.api.base_url = base

    async def __aenter__(self) -> Any:
        return self._client

    async def __aexit__(self, *_error: object) -> None:
        await self._http.close()


async def _send(messages: Any, **params: Any) -> Any:
    return await messages.create_async(**({"to": ADA, "from_": OURS, "body": "Hello"} | params))


async def test_a_taken_message_is_a_full_resource(messages: Any, clock: TurnedClock) -> None:
    sent = await _send(messages, body="Invoice 7 is open")
    assert (sent.status, sent.direction, sent.num_segments) == ("queued", "outbound-api", "1")
    assert (sent.from_, sent.to, sent.body) == (OURS, ADA, "Invoice 7 is open")
    assert sent.sid.startswith("SM")
    assert len(sent.sid) == 34
    assert sent.date_created == clock.now()


async def test_a_messaging_service_accepts_first_and_chooses_a_number(
    messages: Any, twilio: Twilio
) -> None:
    sent = await messages.create_async(to=ADA, messaging_service_sid=SERVICE, body="Hello")
    assert (sent.status, sent.from_, sent.num_segments) == ("accepted", None, "0")
    await twilio.settle()
    later = await messages(sent.sid).fetch_async()
    assert (later.status, later.from_, later.messaging_service_sid) == (
        *("delivered", POOLED),
        SERVICE,
    )


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        pytest.param({"to": ""}, 400, 21604, id="no recipient"),
        pytest.param({"to": "+1"}, 400, 21211, id="not a number"),
        pytest.param({"to": "Ada"}, 400, 21211, id="letters"),
        pytest.param({"body": ""}, 400, 21602, id="no body"),
        pytest.param({"body": "x" * 1601}, 400, 21617, id="too long"),
        pytest.param({"from_": ""}, 400, 21603, id="no sender"),
        pytest.param({"from_": "+14155550177"}, 400, 21659, id="not our number"),
        pytest.param({"from_": "+14155550199"}, 400, 21606, id="voice only"),
        pytest.param({"to": "+12125550144"}, 400, 21614, id="landline"),
        pytest.param({"to": "+12125550145"}, 400, 21408, id="rule for a number"),
        pytest.param({"messaging_service_sid": "MGno"}, 400, 21705, id="unknown service"),
        pytest.param({"status_callback": "ftp://x"}, 400, 21609, id="callback not http"),
        pytest.param({"status_callback": "https://example.com"}, 400, 21609, id="not loopback"),
    ],
)
async def test_a_refusal_carries_twilios_code(
    messages: Any, twilio: Twilio, params: dict[str, str], status: int, code: int
) -> None:
    twilio.landline("+12125550144")
    twilio.refused["+12125550145"] = 21408
    with pytest.raises(TwilioRestException) as refusal:
        await _send(messages, **params)
    assert (refusal.value.status, refusal.value.code) == (status, code)
    assert refusal.value.msg
    assert twilio.messages == {}


async def test_exactly_1600_letters_go(messages: Any) -> None:
    assert (await _send(messages, body="x" * 1600)).num_segments == "11"


async def test_a_wrong_token_is_refused(base: str) -> None:
    async with _client(base, "wrong") as client:
        with pytest.raises(TwilioRestException) as refusal:
            await _send(client.messages)
    assert (refusal.value.status, refusal.value.code) == (401, 20003)


@pytest.mark.parametrize("path", ["Messages/SMno.json", "Calls.json"])
async def test_what_is_not_there_is_20404(messages: Any, base: str, path: str) -> None:
    del messages
    url = f"{base}/2010-04-01/Accounts/{ACCOUNT}/{path}"
    basic = aiohttp.encode_basic_auth(ACCOUNT, TOKEN)
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers={"Authorization": basic}) as answer,
    ):
        assert (answer.status, (await answer.json())["code"]) == (404, 20404)


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        pytest.param("x" * 160, 1, id="160 GSM"),
        pytest.param("x" * 161, 2, id="161 GSM"),
        pytest.param("x" * 307, 3, id="307 GSM"),
        pytest.param("€" * 80, 1, id="euro counts two"),
        pytest.param("€" * 81, 2, id="81 euros"),
        pytest.param("\N{RIGHT SINGLE QUOTATION MARK}" + "x" * 69, 1, id="70 UCS-2"),
        pytest.param("\N{RIGHT SINGLE QUOTATION MARK}" + "x" * 70, 2, id="71 UCS-2"),
        pytest.param(
            "\N{RIGHT SINGLE QUOTATION MARK}" + "x" * 142, 3, id="a curly quote makes three"
        ),
        pytest.param("🙂" * 35, 1, id="emoji count two"),
    ],
)
def test_parts_are_counted_as_the_network_does(body: str, parts: int) -> None:
    assert carrier.segments(body) == parts


async def test_callbacks_are_signed_and_in_order(
    messages: Any, twilio: Twilio, product: Any
) -> None:
    url = f"{product.url}/hooks/twilio/status?m=ab%2Bc&empty="
    sent = await _send(messages, status_callback=f"{url}#rc=1")
    await twilio.settle()
    assert [heard.form["MessageStatus"] for heard in product.heard] == ["sent", "delivered"]
    for heard in product.heard:
        assert heard.form["MessageSid"] == sent.sid
        assert RequestValidator(TOKEN).validate(
            url, heard.form, heard.headers["x-twilio-signature"]
        )
    assert (await messages(sent.sid).fetch_async()).status == "delivered"
    assert [text.body for text in twilio.phones[ADA]] == ["Hello"]


@pytest.mark.parametrize(
    ("fault", "code", "statuses", "shown"),
    [
        pytest.param(Fault.UNDELIVERED, 30003, ["sent", "undelivered"], 0, id="unreachable"),
        pytest.param(Fault.UNDELIVERED, 30007, ["sent", "undelivered"], 0, id="filtered"),
        pytest.param(Fault.UNDELIVERED, 30034, ["sent", "undelivered"], 0, id="unregistered"),
        pytest.param(Fault.FAILED, 30008, ["failed"], 0, id="failed"),
        pytest.param(Fault.REORDER_CALLBACKS, 0, ["delivered", "sent"], 1, id="reordered"),
        pytest.param(
            *(Fault.REPEAT_CALLBACKS, 0, ["sent", "sent", "delivered", "delivered"], 1),
            id="repeated",
        ),
        pytest.param(Fault.LOSE_CALLBACKS, 0, [], 1, id="lost"),
    ],
)
async def test_delivery_goes_wrong_as_planned(  # noqa: PLR0917 - fixtures and one row
    messages: Any,
    twilio: Twilio,
    product: Any,
    fault: Fault,
    code: int,
    statuses: list[str],
    shown: int,
) -> None:
    twilio.faults.plan("status", fault, code=code)
    await _send(messages, status_callback=f"{product.url}/status")
    await twilio.settle()
    assert [heard.form["MessageStatus"] for heard in product.heard] == statuses
    assert len(twilio.phones[ADA]) == shown
    if code:
        assert product.heard[-1].form["ErrorCode"] == str(code)


async def test_an_undeliverable_number_stays_so(messages: Any, twilio: Twilio) -> None:
    twilio.undeliverable[ADA] = 30003
    sids = [(await _send(messages)).sid for _ in range(2)]
    await twilio.settle()
    later = [await messages(sid).fetch_async() for sid in sids]
    assert [(one.status, one.error_code) for one in later] == [("undelivered", 30003)] * 2


@pytest.mark.parametrize("overrides", ["rp=5xx", "rc=1&rp=ct,5xx", "rp=all"])
async def test_a_failing_callback_comes_again_as_its_address_says(
    messages: Any, twilio: Twilio, product: Any, overrides: str
) -> None:
    product.answers = [(503, "", {})] * 3
    await _send(messages, status_callback=f"{product.url}/status#{overrides}")
    await twilio.settle()
    assert [one.form["MessageStatus"] for one in product.heard] == ["sent"] * 2 + ["delivered"] * 2
    tokens = [one.headers["i-twilio-idempotency-token"] for one in product.heard]
    assert tokens[0] == tokens[1] != tokens[2] == tokens[3]


@pytest.mark.parametrize("overrides", ["", "#rc=5", "#rc=0&rp=all"])
async def test_a_failing_callback_does_not_come_again_by_itself(
    messages: Any, twilio: Twilio, product: Any, overrides: str
) -> None:
    product.answers = [(500, "", {})] * 2
    await _send(messages, status_callback=f"{product.url}/status{overrides}")
    await twilio.settle()
    assert [one.form["MessageStatus"] for one in product.heard] == ["sent", "delivered"]


async def test_nobody_at_the_callback_is_recorded(messages: Any, twilio: Twilio) -> None:
    await _send(messages, status_callback="http://127.0.0.1:9/status")
    await twilio.settle()
    assert [hook.answer.status for hook in twilio.hooks] == [0] * 4


def _refuses(status: int, code: int | None) -> Callable[[BaseException], bool]:
    def check(error: BaseException) -> bool:
        return isinstance(error, TwilioRestException) and (error.status, error.code) == (
            *(status,),
            code,
        )

    return check


def _is_a(kind: type[BaseException]) -> Callable[[BaseException], bool]:
    return lambda error: isinstance(error, kind)


GARBLED = (TwilioException, ValueError, TypeError, KeyError)


@pytest.mark.parametrize(
    ("fault", "detail", "expected", "taken"),
    [
        pytest.param(
            *(Fault.REFUSE, {"code": 30034, "status": 400}, _refuses(400, 30034), 0), id="refused"
        ),
        pytest.param(Fault.RATE_LIMIT, {"seconds": 7}, _refuses(429, 20429), 0, id="429"),
        pytest.param(Fault.CUT, {}, _is_a(aiohttp.ClientError), 0, id="cut"),
        pytest.param(Fault.CUT_AFTER_ACCEPT, {}, _is_a(aiohttp.ClientError), 1, id="cut after"),
        pytest.param(Fault.TIMEOUT, {}, _is_a(TimeoutError), 0, id="timeout"),
        pytest.param(Fault.TIMEOUT_AFTER_ACCEPT, {}, _is_a(TimeoutError), 1, id="timeout after"),
        pytest.param(
            *(Fault.TIMEOUT_AFTER_ACCEPT, {"seconds": 0.01}, _is_a(aiohttp.ClientError), 1),
            id="held, then cut",
        ),
        pytest.param(Fault.UNAVAILABLE, {}, _is_a(Exception), 0, id="503"),
        pytest.param(Fault.UNAVAILABLE_AFTER_ACCEPT, {}, _is_a(Exception), 1, id="503 after"),
        pytest.param(Fault.GARBAGE, {}, _is_a(Exception), 0, id="garbage"),
        pytest.param(Fault.GARBAGE_AFTER_ACCEPT, {}, _is_a(Exception), 1, id="garbage after"),
        pytest.param(Fault.SLOW, {"seconds": 60}, _is_a(TimeoutError), 0, id="slow"),
    ],
)
async def test_the_wire_breaks_as_planned(
    messages: Any,
    twilio: Twilio,
    fault: Fault,
    detail: dict[str, Any],
    expected: Callable[[BaseException], bool],
    taken: int,
) -> None:
    twilio.faults.plan("send", fault, **detail)
    silent = fault is Fault.SLOW or (fault in TIMEOUTS and not detail)
    asking = _send(messages)
    if silent:
        asking = unanswered(asking, lambda: not twilio.faults.waiting())
    with pytest.raises(Exception) as broken:  # noqa: PT011 - the table says which
        await asking
    assert expected(broken.value), repr(broken.value)
    await twilio.settle()
    assert len(twilio.messages) == len(twilio.phones[ADA]) == taken
    assert (await _send(messages)).sid


async def test_a_rate_limit_says_how_long(base: str, twilio: Twilio) -> None:
    twilio.faults.plan("send", Fault.RATE_LIMIT, seconds=7)
    url = f"{base}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    basic = aiohttp.encode_basic_auth(ACCOUNT, TOKEN)
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, headers={"Authorization": basic}) as answer,
    ):
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")


async def test_a_fault_waits_for_its_match(messages: Any, twilio: Twilio) -> None:
    twilio.faults.plan("send", Fault.REFUSE, code=21612, match=lambda asked: asked["To"] != ADA)
    await _send(messages)
    assert twilio.faults.waiting() == 1
    with pytest.raises(TwilioRestException):
        await _send(messages, to="+12125550124")
    assert twilio.faults.waiting() == 0


def test_an_impossible_fault_is_refused(twilio: Twilio) -> None:
    with pytest.raises(ValueError, match="choose one of"):
        twilio.faults.plan("send", Fault.UNDELIVERED)


async def test_the_list_filters_by_recipient_and_day(
    messages: Any, twilio: Twilio, clock: TurnedClock
) -> None:
    first = await _send(messages, body="one")
    await _send(messages, to="+12125550124")
    await twilio.settle()
    clock.turn(clock.now() + dt.timedelta(days=1))
    second = await _send(messages, body="two")
    await twilio.settle()
    today = clock.now()
    yesterday = today - dt.timedelta(days=1)

    async def listed(**filters: Any) -> list[str]:
        return [one.sid for one in await messages.list_async(to=ADA, **filters)]

    assert await listed() == [second.sid, first.sid]
    assert await listed(date_sent=yesterday) == [first.sid]
    assert await listed(date_sent_after=today) == [second.sid]
    assert await listed(date_sent_before=yesterday) == [first.sid]
    assert await listed(from_="+14155550177") == []


async def test_the_list_turns_its_pages(messages: Any, twilio: Twilio) -> None:
    sids = [(await _send(messages, body=str(number))).sid for number in range(5)]
    found = await messages.list_async(to=ADA, page_size=2)
    assert [one.sid for one in found] == sids[::-1]


async def test_the_list_may_not_show_it_yet(messages: Any, twilio: Twilio) -> None:
    await _send(messages)
    twilio.faults.plan("list", Fault.EMPTY)
    assert await messages.list_async(to=ADA) == []
    assert len(await messages.list_async(to=ADA)) == 1


async def test_a_message_is_redacted_and_deleted(messages: Any, twilio: Twilio) -> None:
    sent = await _send(messages)
    await twilio.settle()
    assert (await messages(sent.sid).update_async(body="")).body == ""
    with pytest.raises(TwilioRestException):
        await messages(sent.sid).update_async(body="changed")
    assert await messages(sent.sid).delete_async()
    assert twilio.messages == {}


async def test_a_clients_text_arrives_signed(twilio: Twilio, product: Any) -> None:
    twilio.inbound_url = f"{product.url}/hooks/twilio/sms"
    status = await twilio.text(ADA, OURS, " Paid it\n", media=[("http://x/1", "image/png")])
    form = product.heard[0].form
    signature = product.heard[0].headers["x-twilio-signature"]
    assert status == 200
    assert RequestValidator(TOKEN).validate(twilio.inbound_url, form, signature)
    assert (form["From"], form["To"], form["Body"]) == (ADA, OURS, " Paid it\n")
    assert (form["NumMedia"], form["MediaUrl0"], form["AccountSid"]) == ("1", "http://x/1", ACCOUNT)
    assert "OptOutType" not in form


async def test_an_unreachable_product_is_502(twilio: Twilio) -> None:
    twilio.inbound_url = "http://127.0.0.1:9/"
    assert await twilio.text(ADA, OURS, "Hello") == 502


async def test_the_sandbox_calls_nobody_outside(twilio: Twilio) -> None:
    twilio.inbound_url = "https://example.com/hooks"
    with pytest.raises(ValueError, match="loopback"):
        await twilio.text(ADA, OURS, "Hello")


STOPS = ["STOP", " stop ", "StopAll", "UNSUBSCRIBE", "end", "QUIT", "revoke", "OptOut", "CANCEL"]


@pytest.mark.parametrize("word", STOPS)
async def test_the_carrier_obeys_stop(
    messages: Any, twilio: Twilio, product: Any, word: str
) -> None:
    twilio.inbound_url = product.url + "/"
    await twilio.text(ADA, OURS, word)
    assert product.heard[0].form["OptOutType"] == "STOP"
    assert [text.status for text in twilio.phones[ADA]] == ["delivered", "carrier"]
    with pytest.raises(TwilioRestException) as refusal:
        await _send(messages)
    assert refusal.value.code == 21610
    await _send(messages, to="+12125550124")
    assert (await messages.create_async(to=ADA, messaging_service_sid=SERVICE, body="x")).sid


@pytest.mark.parametrize("body", ["stop it", "Stop.", "please cancel", "I want to end this"])
async def test_other_words_are_not_the_carriers_business(
    messages: Any, twilio: Twilio, product: Any, body: str
) -> None:
    twilio.inbound_url = product.url + "/"
    await twilio.text(ADA, OURS, body)
    assert "OptOutType" not in product.heard[0].form
    assert (await _send(messages)).sid


@pytest.mark.parametrize("word", ["START", "unstop", "Yes"])
async def test_start_opens_the_pair_again(
    messages: Any, twilio: Twilio, product: Any, word: str
) -> None:
    twilio.inbound_url = product.url + "/"
    await twilio.text(ADA, OURS, "STOP")
    await twilio.text(ADA, OURS, word)
    assert product.heard[1].form["OptOutType"] == "START"
    assert (await _send(messages)).sid


@pytest.mark.parametrize("word", ["HELP", "info"])
async def test_the_carrier_helps(twilio: Twilio, product: Any, word: str) -> None:
    twilio.inbound_url = product.url + "/"
    await twilio.text(ADA, OURS, word)
    assert product.heard[0].form["OptOutType"] == "HELP"
    assert "Reply STOP" in twilio.phones[ADA][-1].body


async def test_stop_holds_for_the_whole_messaging_service(
    messages: Any, twilio: Twilio, product: Any
) -> None:
    twilio.inbound_url = product.url + "/"
    await twilio.text(ADA, POOLED, "STOP")
    with pytest.raises(TwilioRestException) as refusal:
        await messages.create_async(to=ADA, messaging_service_sid=SERVICE, body="x")
    assert refusal.value.code == 21610


async def test_without_its_filter_the_carrier_leaves_stop_to_us(
    messages: Any, twilio: Twilio, product: Any
) -> None:
    twilio.inbound_url = product.url + "/"
    twilio.stop_filter = False
    await twilio.text(ADA, OURS, "STOP")
    assert "OptOutType" not in product.heard[0].form
    assert len(twilio.phones[ADA]) == 1
    assert (await _send(messages)).sid
