"""Facts as another system tells them: over the hook, signed, and over the API, with a token."""

import datetime as dt
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlmodel import Session, col, select
from standardwebhooks import Webhook

from billing.models import LegalEntity
from bot.api import handbook, tokens
from bot.factsheet import KINDS
from bot.models import Incoming
from bot.report import silent
from bot.sandbox import loopback
from bot.sandbox.loopback import Answer
from tests import factories
from tests.factories import Product

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OLD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CLIENT: dict[str, Any] = {
    "type": "client_described", "source": "crm", "external_id": "a-17", "name": "Northwind Trading",
    "timezone": "America/New_York", "email": "ann@northwind.example",
}  # fmt: skip
INVOICE: dict[str, Any] = {
    "type": "invoice_issued", "source": "crm", "client_external_id": "a-17", "number": "INV-204",
    "amount": 31_000, "currency": "USD", "issued_on": "2026-01-05", "due_on": "2026-02-04",
}  # fmt: skip
PAID: dict[str, Any] = {
    "type": "payment_settled", "source": "crm", "external_id": "x-1", "client_external_id": "a-17",
    "amount": 31_000, "currency": "USD", "received_on": "2026-01-06", "invoice_number": "INV-204",
}  # fmt: skip
DISPUTED: dict[str, Any] = {
    "type": "invoice_disputed", "source": "crm", "client_external_id": "a-17",
    "invoice_number": "INV-204", "opened_on": "2026-01-06",
}  # fmt: skip
DEARER = INVOICE | {"amount": 99_000}
EVERY = [CLIENT, INVOICE, PAID, *(handbook.example(kind, whole=True) for kind in KINDS.values())]
"""A world, then an example of every fact there is."""


@asynccontextmanager
async def listening(database: Any, folder: Path, **more: Any) -> AsyncIterator[Product]:
    """The product with a secret for told facts, and the one before it."""
    asked = {
        "facts_hook_secret": SecretStr(SECRET), "facts_hook_secret_previous": SecretStr(OLD_SECRET),
    }  # fmt: skip
    async with factories.outside(database, folder) as around:
        around.settings = around.settings.model_copy(update=asked | more)
        async with factories.serving(around) as running:
            running.write(_established)
            yield running


def _established(session: Session) -> None:
    if session.exec(select(LegalEntity)).first() is None:
        factories.firm(session, factories.NOON)


def body(*told: Mapping[str, Any]) -> bytes:
    return json.dumps(told[0] if len(told) == 1 else {"facts": told}).encode()


def signed(
    product: Product, raw: bytes, name: str = "msg_1", secret: str = SECRET, age: float = 0
) -> dict[str, str]:
    """As the reference library signs."""
    moment = product.clock.wall() - dt.timedelta(seconds=age)
    return {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, moment, raw.decode()),
    }


async def hook(product: Product, raw: bytes, name: str = "msg_1", **more: Any) -> Answer:
    headers = signed(product, raw, name, **more)
    return await loopback.post(f"{product.url}/hooks/facts", raw, headers)


async def tell(product: Product, name: str, *told: Mapping[str, Any]) -> None:
    """Told, kept and taken in."""
    answer = await hook(product, body(*told), name)
    assert answer.status == 200, answer.body
    await product.settle()


async def token(product: Product, *scopes: str, name: str = "sync", **more: Any) -> str:
    asked = {"name": name, "scopes": scopes or ("facts:write",)} | more
    return str((await tokens.make(product.app, asked, silent)).data["token"])


async def post(
    product: Product, secret: str, raw: bytes, query: str = "", **more: str
) -> tuple[int, Any, Mapping[str, str]]:
    """Status, JSON and headers of ``POST /api/v1/facts``."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"} | more
    answer = await loopback.post(f"{product.url}/api/v1/facts{query}", raw, headers)
    return answer.status, json.loads(answer.body), answer.headers


def rows(product: Product) -> list[Incoming]:
    with product.store.read() as session:
        return list(session.exec(select(Incoming).order_by(col(Incoming.id))))


def states(product: Product) -> dict[str, str]:
    """The state of every delivery, by its source; of several the last."""
    return {row.source: row.state for row in rows(product)}


def count(product: Product, model: Any) -> int:
    with product.store.read() as session:
        return len(session.exec(select(model)).all())
