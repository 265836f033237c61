"""One thing in the town that is not as it should be."""

from collections.abc import Callable

from tests.bot.doctor.town import PHONE, SERVICE, Town, header, refusal

Break = Callable[[Town], object]
APPLICATION = "AP" + "1" * 32
TOLL_FREE = "+18005550100"


def told(**changes: str) -> Break:
    return lambda town: town.told.update(changes)


def number(**fields: object) -> Break:
    """The number answers for itself, and has these fields."""

    def change(town: Town) -> None:
        town.twilio.holdings.changed[SERVICE] = {"use_inbound_webhook_on_number": True}
        town.twilio.holdings.changed[PHONE] = fields

    return change


def service(**fields: object) -> Break:
    return lambda town: town.twilio.holdings.changed.update({SERVICE: fields})


def application(url: str) -> Break:
    def change(town: Town) -> None:
        number(sms_application_sid=APPLICATION, sms_url="")(town)
        town.twilio.holdings.applications[APPLICATION] = url

    return change


def toll_free(state: str) -> Break:
    def change(town: Town) -> None:
        town.told["TWILIO_FROM"], town.phones = TOLL_FREE, (TOLL_FREE,)
        town.twilio.senders.add(TOLL_FREE)
        town.twilio.holdings.verifications[TOLL_FREE] = state

    return change


def records(name: str, kind: str, *values: str) -> Break:
    return lambda town: town.names.records.update({(name, kind): list(values)})


def proxied(change: Callable[[bytes], bytes]) -> Break:
    return lambda town: setattr(town.proxy, "change", change)


def answered(status: int, text: str = "") -> Break:
    return lambda town: setattr(town.proxy, "answer", refusal(status, text))


def replaced(old: bytes, new: bytes) -> Break:
    return proxied(lambda request: request.replace(old, new))


def without_login(request: bytes) -> bytes:
    given = header(request, b"authorization")
    return request.replace(b"Authorization: " + given + b"\r\n", b"")


def channel(name: str, **changes: object) -> Break:
    def change(town: Town) -> None:
        for field, value in changes.items():
            setattr(town.slack.workspace.channels[name], field, value)

    return change
