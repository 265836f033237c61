import asyncio
import contextlib
import datetime as dt
import email
import email.policy
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage, MIMEPart

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.clock import SystemClock
from bot.sandbox.faults import Fault
from bot.sandbox.smtp import Mail
from comms.channels import email as channel
from comms.channels import mime
from comms.channels.email import Email
from comms.ports import Attachment, Channel, DeliveryError, Outgoing, Uncertain

FIRM = "Smith, Jones & Söhne <billing@firm.example>"
CLIENT = "client@example.org"
EXTENSIONS = ("SIZE 10000000", "SMTPUTF8", "8BITMIME")
DATE = dt.datetime(2026, 3, 2, 15, 0, tzinfo=dt.UTC)


@dataclass
class Post:
    """An SMTP server whose every answer can be replaced: by a reply, or by a deed."""

    replies: dict[str, list[str]]
    extensions: tuple[str, ...]
    said: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    connections: int = 0
    talks: list[asyncio.Task[None] | None] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.talks.append(asyncio.current_task())
        ends = (OSError, asyncio.IncompleteReadError, asyncio.CancelledError)
        with contextlib.suppress(*ends):
            if await self._say(writer, "GREETING", "220 post"):
                while await self._turn(reader, writer):
                    pass
        writer.close()
        with contextlib.suppress(*ends):
            await writer.wait_closed()

    async def close(self) -> None:
        for talk in self.talks:
            if talk is not None:
                talk.cancel()
                await asyncio.wait([talk])

    async def _turn(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        line = (await reader.readuntil(b"\r\n")).decode().strip()
        self.said.append(line)
        verb = line[:4].upper()
        usual = "".join(f"250-{line}\r\n" for line in ("post", *self.extensions)) + "250 HELP"
        answers = {"EHLO": usual, "DATA": "354 go", "QUIT": "221 bye"}
        if not await self._say(writer, verb, answers.get(verb, "250 ok")):
            return False
        if verb == "DATA" and not self.said[-1].startswith("#"):
            self.mails.append((await reader.readuntil(b"\r\n.\r\n"))[:-3])
            return await self._say(writer, "END", "250 2.0.0 queued")
        return verb != "QUIT"

    async def _say(self, writer: asyncio.StreamWriter, verb: str, usual: str) -> bool:
        queue = self.replies.get(verb, [])
        reply = queue.pop(0) if queue else usual
        if reply == "hang up":
            return False
        if reply == "silence":
            await asyncio.Event().wait()
            return False
        writer.write(reply.encode() + b"\r\n")
        await writer.drain()
        if verb == "DATA" and not reply.startswith("354"):
            self.said.append("# refused")
        return not reply.startswith("421")


@contextlib.asynccontextmanager
async def posting(
    replies: Mapping[str, list[str]] | None = None, extensions: tuple[str, ...] = EXTENSIONS
) -> AsyncIterator[tuple[Post, Email]]:
    post = Post(dict(replies or {}), extensions)
    server = await asyncio.start_server(post.serve, "127.0.0.1", 0)
    url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    silent = any("silence" in said for said in post.replies.values())
    sender = Email(url, SystemClock(), timeout=1.5 if silent else 60, local_name="localhost")
    async with server:
        try:
            yield post, sender
        finally:
            await sender.close()
            await post.close()


def mail(**more: object) -> Outgoing:
    usual = {"reference": "m-1", "to": CLIENT, "sender": FIRM, "subject": "Invoice", "text": "Pay"}
    return Outgoing(**usual | more)  # type: ignore[arg-type]


def parsed(message: Outgoing) -> EmailMessage:
    content = mime.compose(message, DATE).content
    found = email.message_from_bytes(content, policy=email.policy.SMTP.clone(raise_on_defect=True))
    assert isinstance(found, EmailMessage)
    return found


def words(part: MIMEPart) -> str:
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n").rstrip("\n")


async def test_a_mail_is_handed_over() -> None:
    async with posting() as (post, sender):
        way: Channel = sender
        sent = await way.send(mail(text="Dear client\n.\n..dots"))
        assert await way.find(mail(), DATE) is None
    assert sent.provider_id == "<m-1@firm.example>"
    got = email.message_from_bytes(post.mails[0].replace(b"\r\n..", b"\r\n."))
    assert got["Message-ID"] == "<m-1@firm.example>"
    assert got["Auto-Submitted"] == "auto-generated"
    envelope = [line.partition(" size")[0] for line in post.said if line[:4] in {"MAIL", "RCPT"}]
    assert envelope == ["MAIL FROM:<billing@firm.example>", f"RCPT TO:<{CLIENT}>"]


async def test_one_connection_carries_many_mails_in_turn() -> None:
    async with posting() as (post, sender):
        subjects = [f"Mail {number}" for number in range(200)]
        await asyncio.gather(
            *(sender.send(mail(reference=f"m-{s[5:]}", subject=s)) for s in subjects)
        )
    assert post.connections == 1
    got = [email.message_from_bytes(one) for one in post.mails]
    assert sorted(one["Subject"] for one in got) == sorted(subjects)
    assert all(one["Message-ID"][3:].startswith(one["Subject"][5:] + "@") for one in got)


async def test_a_mail_lies_in_the_clients_mailbox_as_it_was_written() -> None:
    stand_in = Mail(SystemClock())
    stand_in.refused["gone@example.org"] = "550 5.1.1 User unknown"
    async with stand_in.serving() as port:
        sender = Email(f"smtp://127.0.0.1:{port}", SystemClock(), local_name="localhost")
        try:
            await sender.send(mail(subject="Über 1.200 €", text="Zahlen, bitte", html="<b>x</b>"))
            with pytest.raises(DeliveryError) as caught:
                await sender.send(mail(to="gone@example.org"))
            stand_in.faults.plan("data", Fault.CUT_AFTER_ACCEPT)
            with pytest.raises(Uncertain):
                await sender.send(mail(reference="m-2"))
            await sender.send(mail(reference="m-2"))
        finally:
            await sender.close()
    assert (caught.value.code, caught.value.permanent) == ("5.1.1", True)
    first, *again = stand_in.mailboxes[CLIENT]
    assert (first.subject, first.text.strip(), first.sender) == (
        "Über 1.200 €",
        "Zahlen, bitte",
        "billing@firm.example",
    )
    assert {letter.message_id for letter in again} == {"<m-2@firm.example>"}


@pytest.mark.parametrize("ending", ["hang up", "421 4.4.2 idle"])
async def test_a_kept_connection_that_died_is_opened_again(ending: str) -> None:
    async with posting() as (post, sender):
        await sender.send(mail())
        post.replies["MAIL"] = [ending]
        await sender.send(mail(reference="m-2"))
    assert (post.connections, len(post.mails)) == (2, 2)


@pytest.mark.parametrize("deed", ["hang up", "silence", "nonsense"])
async def test_a_mail_without_a_last_word_is_in_doubt(deed: str) -> None:
    async with posting({"END": [deed]}) as (post, sender):
        with pytest.raises(Uncertain):
            await sender.send(mail())
        await sender.send(mail())
    ids = {email.message_from_bytes(one)["Message-ID"] for one in post.mails}
    assert (len(post.mails), ids) == (2, {"<m-1@firm.example>"})


@pytest.mark.parametrize("step", ["GREETING", "EHLO", "MAIL", "RCPT"])
@pytest.mark.parametrize("deed", ["hang up", "silence"])
async def test_before_the_content_there_is_no_doubt(step: str, deed: str) -> None:
    async with posting({step: [deed]}) as (_, sender):
        with pytest.raises(DeliveryError) as caught:
            await sender.send(mail())
        assert not isinstance(caught.value, Uncertain)
        assert not caught.value.permanent
        await sender.send(mail())


async def test_nothing_listening_is_no_doubt() -> None:
    sender = Email("smtp://127.0.0.1:9", SystemClock(), timeout=1, local_name="localhost")
    with pytest.raises(DeliveryError, match="COUNTERFOIL_SMTP_URL") as caught:
        await sender.send(mail())
    assert (caught.value.permanent, isinstance(caught.value, Uncertain)) == (False, False)


@pytest.mark.parametrize(
    ("step", "reply", "permanent", "code"),
    [
        ("RCPT", "550 5.1.1 <client@example.org> unknown", True, "5.1.1"),
        ("RCPT", "552 5.2.2 full", True, "5.2.2"),
        ("RCPT", "451 4.7.1 greylisted", False, "4.7.1"),
        ("RCPT", "550 no", True, "550"),
        ("RCPT", "550-5.7.1 no\r\n550 5.7.1 really", True, "5.7.1"),
        ("MAIL", "452 4.3.1 full", False, "4.3.1"),
        ("DATA", "554 5.5.1 no valid recipients", True, "5.5.1"),
        ("END", "554 5.7.1 spam", True, "5.7.1"),
        ("END", "451 4.3.0 later", False, "4.3.0"),
        ("GREETING", "554 5.7.1 blocked", False, "554"),
        ("MAIL", "nonsense", False, "-1"),
    ],
)
async def test_a_refusal_says_whether_to_try_again(
    step: str,
    reply: str,
    permanent: bool,  # noqa: FBT001
    code: str,
) -> None:
    async with posting({step: [reply]}) as (post, sender):
        with pytest.raises(DeliveryError) as caught:
            await sender.send(mail())
        error = caught.value
        assert (error.permanent, error.code, isinstance(error, Uncertain)) == (
            permanent,
            code,
            False,
        )
        assert CLIENT not in error.sentence
        await sender.send(mail(reference="next"))
    assert b"<next@firm.example>" in post.mails[-1]


async def test_a_cancelled_mail_leaves_no_answer_for_the_next() -> None:
    async with posting({"END": ["silence"]}) as (post, sender):
        sending = asyncio.create_task(sender.send(mail()))
        while not post.mails:  # noqa: ASYNC110 - it is on the other side of the wire
            await asyncio.sleep(0.01)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        post.replies["RCPT"] = ["550 5.1.1 unknown"]
        with pytest.raises(DeliveryError) as caught:
            await sender.send(mail(reference="m-2"))
    assert caught.value.code == "5.1.1"
    assert post.connections == 2


async def test_an_address_beyond_ascii_needs_smtputf8() -> None:
    async with posting() as (post, sender):
        await sender.send(mail(to="jörg@example.org"))
    assert any("SMTPUTF8" in line for line in post.said)
    async with posting(extensions=()) as (post, sender):
        with pytest.raises(DeliveryError, match="SMTPUTF8") as caught:
            await sender.send(mail(to="jörg@example.org"))
    assert caught.value.permanent


async def test_an_unsendable_mail_never_touches_the_wire() -> None:
    async with posting() as (post, sender):
        with pytest.raises(DeliveryError) as caught:
            await sender.send(mail(to="a@example.org, b@example.org"))
    assert (caught.value.permanent, post.connections) == (True, 0)


@pytest.mark.parametrize(
    "address",
    ["a@example.org,b@example.org", "A <a@example.org>", "a@example.org\r\nBcc: b@example.org", ""],
)
def test_anything_but_one_mailbox_is_refused(address: str) -> None:
    with pytest.raises(mime.Unsendable):
        mime.compose(mail(to=address), DATE)


def test_a_whole_mail_reads_back_as_it_was() -> None:
    ids = " ".join(f"<{number}@firm.example>" for number in range(40))
    found = parsed(
        mail(
            subject="Rechnung über 1.200 €, Mahnung " + "sehr " * 30,
            text="Grüße\n" + "x" * 3000 + "\nFrom here\n",
            html="<p>Grüße</p>",
            headers={
                "Reply-To": "Firm <billing+r-abc@firm.example>",
                "In-Reply-To": "<1@client.example>",
                "References": ids,
                "List-Unsubscribe": "<https://firm.example/u/1>, <mailto:u@firm.example>",
                "Auto-Submitted": "no",
                "Return-Path": "<>",
            },
            attachments=(Attachment("Rechnung Ü.pdf", "application/pdf", b"%PDF" * 99),),
        )
    )
    assert found["Subject"] == "Rechnung über 1.200 €, Mahnung " + " ".join(["sehr"] * 30)
    assert found["From"].addresses[0].display_name == "Smith, Jones & Söhne"
    assert found["From"].addresses[0].addr_spec == "billing@firm.example"
    assert [one.addr_spec for one in found["To"].addresses] == [CLIENT]
    assert found["References"] == ids
    assert found["Auto-Submitted"] == "no"
    assert found["Return-Path"] is None
    assert found["Date"].datetime == DATE
    plain, html = found.get_body(("plain",)), found.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert words(plain) == "Grüße\n" + "x" * 3000 + "\nFrom here"
    assert html.get_content().strip() == "<p>Grüße</p>"
    (file,) = found.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("Rechnung Ü.pdf", b"%PDF" * 99)


def test_every_line_fits_the_protocol() -> None:
    long = mail(subject="w" * 5000, text="é" * 5000, html="<b>" + "y" * 5000 + "</b>")
    content = mime.compose(long, DATE).content
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert b"\r" not in content.replace(b"\r\n", b"")


def test_the_same_mail_has_the_same_bytes() -> None:
    twice = [mime.compose(mail(html="<p>x</p>"), DATE) for _ in range(2)]
    assert twice[0] == twice[1]


def test_an_automatic_answer_has_no_return_path() -> None:
    assert mime.compose(mail(headers={"Return-Path": "<>"}), DATE).sender == ""
    assert mime.compose(mail(), DATE).sender == "billing@firm.example"


@pytest.mark.parametrize(
    "headers",
    [
        {"Bcc": "b@example.org"},
        {"To": "b@example.org"},
        {"Content-Type": "text/html"},
        {"X-A": "b\r\nBcc: c@example.org"},
        {"X-A\r\nBcc": "c@example.org"},
        {"X A": "b"},
        {"": "b"},
        {"Reply-To": "a@example.org, b@example.org"},
        {"In-Reply-To": "hello"},
        {"References": "<a b>"},
        {"X-A": "1", "x-a": "2"},
        {"Resent-Bcc": "b@example.org"},
    ],
    ids=str,
)
def test_a_header_that_could_redirect_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(mime.Unsendable):
        mime.compose(mail(headers=headers), DATE)


NASTY = st.text(
    st.sampled_from("ab \t\r\n\x00\x0b\x0c\x85\u2028,;:<>@\"'\\=?é€\ud800😀\u200d.")
    | st.characters()
)


@given(NASTY, NASTY, NASTY, NASTY, NASTY)
def test_no_text_adds_a_header_or_a_recipient(
    subject: str, name: str, value: str, text: str, reference: str
) -> None:
    message = mail(
        reference=reference,
        sender=f"{name} <billing@firm.example>",
        subject=subject,
        headers={"X-Token": value, "Reply-To": f"{name} <r@firm.example>"},
        text=text,
        html=text,
    )
    for one in (message, mail(subject=subject, text=text), mail(headers={"X-Token": value})):
        with contextlib.suppress(mime.Unsendable):
            content = mime.compose(one, DATE).content
            found = email.message_from_bytes(content, policy=email.policy.SMTP)
            assert [a.addr_spec for a in found["To"].addresses] == [CLIENT]
            assert [a.addr_spec for a in found["From"].addresses] == ["billing@firm.example"]
            assert set(found.keys()) <= {
                *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Reply-To"),
                *("X-Token", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
            }


@given(st.text(max_size=300), st.text(max_size=300))
def test_text_survives_the_way(text: str, subject: str) -> None:
    with contextlib.suppress(mime.Unsendable):
        found = parsed(mail(text=text, subject=subject))
        assert words(found) == text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


@pytest.mark.parametrize(
    ("given_header", "valid"),
    [
        ("Bearer right-secret", True),
        ("bearer  right-secret ", True),
        ("Bearer older-secret", True),
        ("Bearer wrong", False),
        ("Bearer ", False),
        ("Bearer", False),
        ("", False),
        ("Basic right-secret", False),
        ("right-secret", False),
        ("Bearer right-secret\ud800", False),
        ("Bearer ключ", False),
    ],
)
def test_the_hook_takes_a_bearer_secret(given_header: str, valid: bool) -> None:  # noqa: FBT001
    secrets = ["right-secret", "", "older-secret"]
    assert channel.verify({"authorization": given_header}, secrets) is valid
    assert channel.verify({"Authorization": given_header}, []) is False
    assert channel.verify({}, secrets) is False


@pytest.mark.parametrize(
    ("url", "use_tls", "start_tls"),
    [
        ("smtp://mail.example", False, True),
        ("smtp://127.0.0.1", False, None),
        ("smtp://u:p%40@mail.example:587", False, True),
        ("smtp://u:p@127.0.0.1", False, None),
        ("smtp://u:p@mail.example?starttls=never", False, False),
        ("smtp://mail.example?starttls=required", False, True),
        ("smtps://u:p@mail.example", True, False),
    ],
)
def test_mail_never_crosses_a_network_in_clear_unless_told_to(
    url: str,
    use_tls: bool,  # noqa: FBT001
    start_tls: bool | None,  # noqa: FBT001
) -> None:
    smtp = Email(url, SystemClock())._smtp
    assert (smtp.use_tls, smtp._start_tls_on_connect) == (use_tls, start_tls)


@pytest.mark.parametrize("url", ["", "mail.example:25", "http://mail", "smtp://h?starttls=perhaps"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="COUNTERFOIL_SMTP_URL"):
        Email(url, SystemClock())
