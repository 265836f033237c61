"""Everybody whom doctor asks, at the wire on loopback, and all of them content."""

import asyncio
import base64
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from billing.clock import Clock, SystemClock
from bot import doctor
from bot.app import live
from bot.desk import Desk
from bot.doctor import network
from bot.doctor.finding import Finding
from bot.doctor.network import Installation
from bot.report import Report, silent
from bot.sandbox import loopback
from bot.sandbox.nameserver import Nameserver
from bot.sandbox.smtp import SIZE_LIMIT, Mail
from bot.sandbox.socket import SocketSlack
from bot.sandbox.twilio import Twilio
from bot.settings import Settings
from bot.slack.hook import slack_side
from bot.web import web

SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
SECRETS = {
    "TWILIO_AUTH_TOKEN": f"twilio{SECRET}",
    "SLACK_BOT_TOKEN": f"xoxb-{SECRET}",
    "SLACK_SIGNING_SECRET": f"signing{SECRET}",
    "EMAIL_HOOK_SECRET": f"mail{SECRET}",
    "FACTS_HOOK_SECRET": f"whsec_{base64.b64encode(bytes(range(32))).decode()}",
}
PASSWORD = "relay/pass@word"
APP_TOKEN = f"xapp-{SECRET}"
ACCOUNT = "AC" + "5a" * 16
SERVICE = "MG" + "5b" * 16
PHONE = "+12125550100"
DOMAIN = "harrow.example"
SENDER = f"accounts@{DOMAIN}"
KEY = base64.b64encode(bytes(32)).decode()
FIRM = f"""
[[legal_entity]]
name = "Harrow Law"
postal_address = "12 Tanner Row, Albany"
from_address = "{SENDER}"
pay_link = "https://pay.example/h"
phone = "{PHONE}"

[[staff]]
name = "Dana"
email = "dana@harrow.example"
roles = ["admin", "finance", "compliance", "account_manager"]
slack_user = "U1"
"""
RECORDS = {
    (DOMAIN, "TXT"): ["v=spf1 include:_spf.relay.example -all", "verification=abc"],
    ("_spf.relay.example", "TXT"): ["v=spf1 ip4:203.0.113.0/24 ~all"],
    (f"s1._domainkey.{DOMAIN}", "TXT"): [f"v=DKIM1; k=ed25519; p={KEY}"],
    (f"_dmarc.{DOMAIN}", "TXT"): ["v=DMARC1; p=reject; rua=mailto:d@harrow.example"],
    (DOMAIN, "MX"): ["10 mx.harrow.example."],
    ("mx.harrow.example", "A"): ["203.0.113.9"],
}


@dataclass
class Proxy:
    """The reverse proxy before the product: TLS, and whatever its keeper has got wrong."""

    target: str
    change: Callable[[bytes], bytes] = lambda request: request
    answer: bytes = b""
    largest: int = 31_000_000
    doors: bytes = b"/hooks/"
    heard: list[bytes] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self, context: ssl.SSLContext) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0, ssl=context)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await self._read(reader)
            self.heard.append(request)
            writer.write(self.answer or await self._reply(request))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(header(head, b"content-length") or 0)
        return head if b"100-continue" in head else head + await reader.readexactly(length)

    async def _reply(self, request: bytes) -> bytes:
        if int(header(request, b"content-length") or 0) > self.largest:
            return b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
        if b"100-continue" in request:
            return b"HTTP/1.1 100 Continue\r\n\r\n"
        if b" " + self.doors not in request.partition(b"\r\n")[0]:
            return refusal(404)
        port = int(self.target.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(self.change(request))
        reply = await reader.read()
        writer.close()
        return reply


def header(head: bytes, name: bytes) -> bytes:
    lines = head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    pairs = (line.partition(b":") for line in lines)
    return next((value.strip() for key, _, value in pairs if key.lower() == name), b"")


def refusal(status: int, text: str = "") -> bytes:
    body = text.encode()
    return b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


@dataclass
class Town:
    """The world around one installation; ``told`` is its environment."""

    folder: Path
    told: dict[str, str]
    twilio: Twilio
    slack: SocketSlack
    mail: Mail
    names: Nameserver
    proxy: Proxy
    proxy_tls: ssl.SSLContext
    mail_tls: ssl.SSLContext
    phones: tuple[str, ...] = (PHONE,)
    clock: Clock = field(default_factory=SystemClock)

    def content(self) -> "Town":
        """All is well again, whatever the test before has broken; the wires stay."""
        fresh = Twilio(ACCOUNT, SECRETS["TWILIO_AUTH_TOKEN"], self.clock)
        self.twilio.holdings, self.twilio.messages = fresh.holdings, {}
        self.twilio.senders, self.twilio.services = {PHONE}, {SERVICE: [PHONE]}
        self.twilio.inbound_url = f"{self.told['PUBLIC_URL']}/hooks/twilio/sms"
        other = SocketSlack(SECRETS["SLACK_BOT_TOKEN"], APP_TOKEN, self.clock)
        other.add_channel("C0FINANCE", "finance")
        other.add_channel("C0CLIENTS", "clients", private=True)
        self.slack.workspace, self.slack.scopes = other.workspace, other.scopes
        self.slack.faults, self.slack.calls = other.faults, []
        self.mail.tls, self.mail.logins = self.mail_tls, {"relay": PASSWORD}
        self.mail.refused_senders, self.mail.size_limit = {}, SIZE_LIMIT
        self.names.records = dict(RECORDS)
        self.names.dead, self.names.silent, self.names.asked = set(), set(), []
        whole = Proxy(self.proxy.target)
        self.proxy.change, self.proxy.answer = whole.change, whole.answer
        self.proxy.largest, self.proxy.doors, self.proxy.heard = whole.largest, whole.doors, []
        for context in (self.proxy_tls, self.mail_tls):
            self.show(context, "localhost")
        return replace(self, told=dict(self.told))

    async def doctor(self, monkeypatch: pytest.MonkeyPatch, *, offline: bool = False) -> Report:
        """What doctor says, in a thread of its own as in a process of its own."""
        for name, value in self.told.items():
            monkeypatch.setenv(f"COUNTERFOIL_{name}", value)
        return await asyncio.to_thread(doctor.examine, offline=offline, clock=self.clock)

    async def asked(self, *, patience: float = 10.0, carrier: bool = True) -> list[Finding]:
        """What the others say, without a look at our own store."""
        here = Installation(
            settings=settings(self.told),
            clock=self.clock,
            carrier_answers_stop=carrier,
            from_addresses=(SENDER,),
            phones=self.phones,
            patience=patience,
        )
        return await network.look(here, silent)

    def show(self, context: ssl.SSLContext, host: str, days: int = 90, used: int = 0) -> None:
        """Another certificate from now on; the machine trusts who signed it."""
        context.load_cert_chain(certificate(self.folder, host, days, used))


@asynccontextmanager
async def town(folder: Path, told: dict[str, str]) -> AsyncIterator[Town]:
    """Everybody serves, and the product behind its proxy."""
    clock = SystemClock()
    mail_tls, proxy_tls = served(folder), served(folder)
    there = Town(
        folder,
        told,
        twilio=Twilio(ACCOUNT, SECRETS["TWILIO_AUTH_TOKEN"], clock),
        slack=SocketSlack(SECRETS["SLACK_BOT_TOKEN"], APP_TOKEN, clock),
        mail=Mail(clock),
        names=Nameserver(),
        proxy=Proxy(""),
        proxy_tls=proxy_tls,
        mail_tls=mail_tls,
    )
    async with AsyncExitStack() as stack:
        on = stack.enter_async_context
        told["TWILIO_BASE_URL"] = await on(loopback.serve(there.twilio.app))
        told["SLACK_BASE_URL"] = f"{await on(there.slack.serving())}/api/"
        relay = f"relay:relay%2Fpass%40word@localhost:{await on(there.mail.serving())}"
        told["SMTP_URL"] = f"smtp://{relay}?starttls=required"
        told["DNS_SERVER"] = f"127.0.0.1:{await on(there.names.serving())}"
        told["PUBLIC_URL"] = f"https://localhost:{await on(there.proxy.serving(proxy_tls))}"
        app = live(settings(told))
        stack.push_async_callback(app.close)
        there.proxy.target = await on(loopback.serve(web(app, slack_side(Desk(app)))))
        told["PORT"] = there.proxy.target.rpartition(":")[2]
        yield there


def settings(told: dict[str, str]) -> Settings:
    given: dict[str, Any] = {name.lower(): value for name, value in told.items()}
    return Settings(**given)


def served(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder, "localhost"))
    return context


def certificate(folder: Path, host: str, days: int = 90, used: int = 0) -> Path:
    """A certificate from the authority of this folder, and its key."""
    key, authority = _authority(folder)
    own = ec.generate_private_key(ec.SECP256R1())
    began = SystemClock().wall() - dt.timedelta(days=used, hours=1)
    made = (
        _certificate(host, began, days, own.public_key())
        .issuer_name(authority.subject)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{host}-{days}-{used}.pem"
    file.write_bytes(made.public_bytes(Encoding.PEM) + _private(own))
    return file


def authority(folder: Path) -> Path:
    """The file that names the one authority that is trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    began = SystemClock().wall() - dt.timedelta(days=400)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority")])
    made = (
        _certificate("Authority", began, 4000, key.public_key())
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "authority.key").write_bytes(_private(key))
    (folder / "authority.pem").write_bytes(made.public_bytes(Encoding.PEM))
    return folder / "authority.pem"


def _authority(folder: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key((folder / "authority.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key, x509.load_pem_x509_certificate((folder / "authority.pem").read_bytes())


def _certificate(name: str, began: dt.datetime, days: int, key: Any) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + dt.timedelta(days=days))
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def findings(report: Report, verdict: str) -> Iterator[tuple[str, str]]:
    """What has this verdict: its name, and everything that is said of it."""
    for one in report.data["findings"]:
        if one["verdict"] == verdict:
            yield one["what"], f"{one['said']} {one['do']}"
