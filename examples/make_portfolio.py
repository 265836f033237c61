"""Which clients and bills does the example firm have? Writes portfolio.csv and agreements.csv.

The cast is written by hand, a story each; the others are drawn from a fixed seed, so that running
this again writes the same files.
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from babel.numbers import get_currency_precision

LAW, CLINIC, STUDIO = "Harrow Lark Law LLP", "Larkfield Clinic PLLC", "Lark & Lantern Studio Inc."
PREFIX = {LAW: "LAW", CLINIC: "CLN", STUDIO: "STU"}
SERVICE = {LAW: "legal services", CLINIC: "occupational health", STUDIO: "design"}
OWNER = {LAW: "dana", CLINIC: "priya", STUDIO: "tomas"}
EAST, MID, WEST = "America/New_York", "America/Chicago", "America/Los_Angeles"
FIRST, LAST, STORY_ENDS = date(2025, 11, 20), date(2026, 3, 20), date(2026, 4, 30)


@dataclass(frozen=True)
class Client:
    """One debtor; ``phone`` and ``email`` may be missing, ``sms`` is yes, no or unsaid."""

    id: str
    name: str
    contact: str
    entity: str
    phone: str = ""
    sms: str = ""
    timezone: str = EAST
    region: str = "NY"
    country: str = "US"
    language: str = "en"
    currency: str = "USD"
    owner: str | None = None
    has_email: bool = True


@dataclass(frozen=True)
class Bill:
    """One invoice; ``amount`` and ``part`` in minor units."""

    client: str
    issued: str
    net: int
    amount: int
    paid: str = ""
    part: int | None = None
    disputed: str = "no"
    entity: str = ""


CAST = (
    Client("alder-bakery", "Alder Street Bakery", "Nora", LAW, "+12125550101", "yes"),
    Client("brook-fen", "Brook & Fen Estates", "Ivan", LAW, "+12125550102", "yes"),
    Client("cobalt-cycles", "Cobalt Cycles", "Mina", STUDIO, "+13125550103", "yes", MID, "IL"),
    Client("dovetail", "Dovetail Joinery", "Saul", STUDIO, "+14155550104", "yes", WEST, "CA"),
    Client("elmgate", "Elmgate Supply", "Petra", CLINIC, "+15185550105", "yes"),
    Client("fernhill", "Fernhill Yoga", "Asha", STUDIO, "+15185550106", "yes"),
    Client("gable", "Gable Architects", "Henrik", LAW, "+12125550107", "yes"),
    Client("hollis", "Hollis Marine", "Greta", LAW, "+12075550108", "yes", region="ME"),
    Client("ivy-pottery", "Ivy Lane Pottery", "Wren", STUDIO, "+15185550109", "yes"),
    Client("ivy-framing", "Ivy Lane Framing", "Wren", STUDIO, "+15185550109", "yes"),
    Client("juniper", "Juniper Robotics", "Kofi", STUDIO, "+16175550110", "yes", region="MA"),
    Client("kestrel", "Kestrel Logistics", "Lena", LAW, "+19735550111", "yes", region="NJ"),
    Client("lantern", "Lantern Theatre", "Bruno", LAW, "+12125550112", "yes"),
    Client(
        "marlow",
        "Marlow Tea Company Ltd",
        "Imogen",
        STUDIO,
        "+442079460113",
        "yes",
        "Europe/London",
        "",
        "GB",
        currency="GBP",
    ),
    Client(
        "pennine",
        "Pennine Maps Ltd",
        "Rhys",
        LAW,
        "+442079460114",
        "no",
        "Europe/London",
        "",
        "GB",
        currency="GBP",
    ),
    Client(
        "nordlicht",
        "Nordlicht Optik GmbH",
        "Anke",
        STUDIO,
        "+493023125115",
        "no",
        "Europe/Berlin",
        "",
        "DE",
        "de",
        "EUR",
    ),
    Client(
        "okabe",
        "Okabe Ceramics KK",
        "Haruka",
        STUDIO,
        "",
        "",
        "Asia/Tokyo",
        "",
        "JP",
        "ja",
        "JPY",
    ),
    Client("pinecrest", "Pinecrest Animal Care", "Odile", CLINIC, "+15185550116", "no"),
    Client(
        "quarry-barbers",
        "Quarry Street Barbers",
        "Theo",
        CLINIC,
        "+15185550117",
        "yes",
        has_email=False,
    ),
    Client("rowan", "Rowan Fitness", "Yara", CLINIC, "+15185550118", "yes", owner=""),
    Client("sable", "Sable Transport", "Milo", CLINIC, "+15185550119", "yes", owner="jonas"),
)

BILLS = (
    # Reminded on day 30 (9 January), pays a week later: reminder, then receipt.
    Bill("alder-bakery", "2025-12-10", 21, 184_000, "2026-01-16"),
    # Past day 30 at the start (credited as imported), firmer on day 45 (15 January), then pays.
    Bill("brook-fen", "2025-12-01", 30, 425_000, "2026-01-20"),
    # Silent until day 60 (2 February): goes to its owner with the history; pays in March.
    Bill("cobalt-cycles", "2025-12-04", 14, 268_000, "2026-03-02"),
    # Pays on the morning of day 30, between the decision in New York and 8:00 in Los Angeles.
    Bill("dovetail", "2025-12-15", 21, 97_500, "2026-01-14"),
    # One bill in dispute, the other still owed and still chased.
    Bill("elmgate", "2025-11-28", 14, 312_000, "2026-03-16", disputed="yes"),
    Bill("elmgate", "2025-12-05", 14, 86_000, "2026-01-28"),
    # Pays a part just after the reminder; the firmer one asks for the rest, then the owner does.
    Bill("fernhill", "2025-12-08", 21, 360_000, "2026-01-12", 150_000),
    # Paid too much in December: 1,300.00 on account, so the open 900.00 is not chased.
    Bill("gable", "2025-11-24", 14, 120_000, "2025-12-22", 250_000),
    Bill("gable", "2025-12-08", 14, 90_000),
    # Owes two legal entities: two enrolments, one person, one budget.
    Bill("hollis", "2025-12-09", 14, 540_000, "2026-01-27"),
    Bill("hollis", "2025-12-11", 21, 145_000, "2026-02-04", entity=STUDIO),
    # Two clients, one phone: a STOP from it silences both.
    Bill("ivy-pottery", "2025-12-12", 14, 64_000, "2026-02-06"),
    Bill("ivy-framing", "2025-12-17", 14, 71_000, "2026-02-10"),
    # Renewal on 18 February is held by this one from 17 January, and released on the 11th.
    Bill("juniper", "2026-01-02", 14, 310_000, "2026-02-11"),
    # Pays three days after its renewal date: the late path, not the notice.
    Bill("kestrel", "2026-01-12", 30, 225_000, "2026-03-12"),
    # 75 days old at the start: listed for its owner, never a burst of letters.
    Bill("lantern", "2025-10-22", 30, 780_000, "2026-02-20"),
    Bill("marlow", "2025-12-11", 30, 215_000, "2026-01-22"),
    Bill("pennine", "2025-12-16", 30, 148_000, "2026-02-05"),
    Bill("nordlicht", "2025-12-15", 14, 390_000, "2026-02-03"),
    Bill("okabe", "2025-12-10", 30, 480_000, "2026-01-26"),
    # Said no to SMS: email only. The barbers have no email: SMS only.
    Bill("pinecrest", "2025-12-12", 14, 52_000, "2026-01-29"),
    Bill("quarry-barbers", "2025-12-12", 14, 38_500, "2026-01-23"),
    # Nobody owns it; its owner has left: finance takes over at day 60 (both in February).
    Bill("rowan", "2025-12-09", 14, 119_000),
    Bill("sable", "2025-12-11", 14, 176_000, "2026-03-10"),
)

AGREEMENTS = (
    ("juniper", "STU-R-01", "subscription", "Design subscription", 310_000, "2026-02-18", STUDIO),
    ("kestrel", "LAW-R-01", "retainer", "General counsel retainer", 225_000, "2026-03-09", LAW),
    ("marlow", "STU-R-02", "subscription", "Brand care", 95_000, "2026-03-02", STUDIO),
    ("nordlicht", "STU-R-03", "term", "Yearly design agreement", 1_450_000, "2026-03-31", STUDIO),
    ("okabe", "STU-R-04", "subscription", "Catalogue care", 240_000, "2026-02-27", STUDIO),
    ("pinecrest", "CLN-R-01", "term", "Yearly service plan", 180_000, "2026-03-16", CLINIC),
    ("alder-bakery", "LAW-R-02", "retainer", "Advice retainer", 60_000, "2026-02-02", LAW),
    ("rowan", "CLN-R-02", "term", "Yearly service plan", 240_000, "2026-02-25", CLINIC),
)

_NAMES = [
    "Amber Row Books",
    "Bramble Foods",
    "Cedar Point Rentals",
    "Driftwood Studio",
    "Eastgate Motors",
    "Foxglove Florists",
    "Granite Peak Gym",
    "Harbour Light Cafe",
    "Indigo Dyeworks",
    "Jasper Roofing",
    "Kiln Lane Tiles",
    "Larch Valley Farms",
    "Mosaic Travel",
    "Northwind Heating",
    "Opal Street Dance",
    "Poplar Print",
    "Quince Kitchens",
    "Russet Orchards",
    "Saltmarsh Sailing",
    "Thistle Textiles",
]
_CONTACTS = (
    "Ana Ben Cleo Dev Eva Finn Gia Hugo Ines Jude Kira Luca Maya Nils Ola Pia Remy Sana Toni Uma"
)
_PLACES = (
    ("212", EAST, "NY"),
    ("312", MID, "IL"),
    ("415", WEST, "CA"),
    ("303", "America/Denver", "CO"),
    ("602", "America/Phoenix", "AZ"),
)

ALONE = frozenset(
    [
        "cobalt-cycles",
        "elmgate",
        "fernhill",
        "gable",
        "juniper",
        "kestrel",
        "lantern",
        "rowan",
        "sable",
    ]
)
"""Their stories need to be told without another bill."""


def written(minor: int, currency: str) -> str:
    """An amount as the CSV has it."""
    digits = get_currency_precision(currency)
    return f"{minor // 10**digits}.{minor % 10**digits:0{digits}d}" if digits else str(minor)


def others() -> list[Client]:
    """The clients without a story of their own."""
    found = []
    for place, (name, contact) in enumerate(zip(_NAMES, _CONTACTS.split(), strict=True)):
        area, timezone, region = _PLACES[place % len(_PLACES)]
        entity = (LAW, CLINIC, STUDIO)[place % 3]
        phone, sms = f"+1{area}55501{40 + place}", ("yes", "yes", "no", "")[place % 4]
        made = name.lower().replace(" ", "-")
        found.append(Client(made, name, contact, entity, phone, sms, timezone, region))
    return found


def drawn(clients: list[Client], chance: random.Random) -> list[Bill]:
    """Bills from November to March; most are paid within 40 days, a few need the whole ladder."""
    bills = []
    for client in clients:
        count = 6 if client.id in {other.id for other in others()} else 1
        for _ in range(count):
            start = FIRST if count > 1 else date(2026, 2, 2)
            issued = workday(start + timedelta(chance.randint(0, (LAST - start).days - 3)))
            delay = chance.choice((6, 11, 15, 18, 22, 25, 28, 29, 33, 36, 39, 41, 48, 63))
            paid = workday(issued + timedelta(delay))
            scale = 100 if client.currency == "JPY" else 1
            amount = chance.randrange(30_000, 600_000, 500) // scale * scale
            net = chance.choice((14, 21, 30))
            said = paid.isoformat() if paid <= STORY_ENDS else ""
            bills.append(Bill(client.id, issued.isoformat(), net, amount, said))
    return bills


def workday(day: date) -> date:
    """The day, or the Monday after its weekend."""
    return day + timedelta((0, 0, 0, 0, 0, 2, 1)[day.weekday()])


def rows() -> list[dict[str, str]]:
    """Every row of portfolio.csv, numbered per legal entity in the order of issue."""
    everyone = [*CAST, *others()]
    clients = {client.id: client for client in everyone}
    quiet = [client for client in everyone if client.id not in ALONE]
    bills = [*BILLS, *drawn(quiet, random.Random(20260105))]
    numbers = dict.fromkeys(PREFIX, 0)
    made = []
    for bill in sorted(bills, key=lambda bill: (bill.issued, bill.client, bill.amount)):
        entity = bill.entity or clients[bill.client].entity
        numbers[entity] += 1
        made.append(_row(clients[bill.client], bill, entity, numbers[entity]))
    return made


def _row(client: Client, bill: Bill, entity: str, number: int) -> dict[str, str]:
    issued = date.fromisoformat(bill.issued)
    owner = OWNER[client.entity] if client.owner is None else client.owner
    domain = f"{client.id}.example"
    return {
        "client": client.id,
        "client_name": client.name,
        "contact_name": client.contact,
        "email": f"{client.contact.lower()}@{domain}" if client.has_email else "",
        "phone": client.phone,
        "sms_consent": client.sms,
        "timezone": client.timezone,
        "country": client.country,
        "region": client.region,
        "language": client.language,
        "owner": f"{owner}@harrowlark.example" if owner else "",
        "legal_entity": entity,
        "invoice": f"{PREFIX[entity]}-{1000 + number}",
        "issued": bill.issued,
        "due": (issued + timedelta(bill.net)).isoformat(),
        "amount": written(bill.amount, client.currency),
        "currency": client.currency,
        "paid": bill.paid,
        "paid_amount": "" if bill.part is None else written(bill.part, client.currency),
        "disputed": bill.disputed,
        "service_type": SERVICE[entity],
        "terms": f"Net {bill.net}",
        "po_number": f"PO-{7000 + number}" if number % 4 == 0 else "",
        "matter": f"M-{hash_of(client.id) % 900 + 100}" if entity == LAW else "",
    }


def hash_of(name: str) -> int:
    """The same small number for the same name, on every machine."""
    return sum(place * ord(sign) for place, sign in enumerate(name, 1))


def agreements() -> list[dict[str, str]]:
    """Every row of agreements.csv."""
    currencies = {client.id: client.currency for client in CAST}
    return [
        {
            "client": client,
            "agreement": agreement,
            "kind": kind,
            "name": name,
            "amount": written(amount, currencies[client]),
            "currency": currencies[client],
            "renews": renews,
            "legal_entity": entity,
        }
        for client, agreement, kind, name, amount, renews, entity in AGREEMENTS
    ]


def write(folder: Path) -> None:
    """Both files, into a folder."""
    for name, made in (("portfolio.csv", rows()), ("agreements.csv", agreements())):
        with (folder / name).open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(made[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(made)


if __name__ == "__main__":
    write(Path(__file__).parent)
