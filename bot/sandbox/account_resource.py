"""What does Twilio's API say of the account itself: its numbers, services and registrations?  Pure.

The shapes are those of the API of 2010 (accounts, numbers, short codes, applications) and of its
messaging product, v1. Nothing here sends; it is what an administrator has set up.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any

Json = dict[str, Any]
_OLD = re.compile(r"/2010-04-01/Accounts/(AC\w+)(?:/(SMS/ShortCodes|\w+)(?:/(\w+))?)?\.json")
_NEW = re.compile(r"/v1/Services(?:/(MG\w+)(?:/([\w/]+))?)?")
_TOLL_FREE = "/v1/Tollfree/Verifications"
_LISTS = {"IncomingPhoneNumbers": "incoming_phone_numbers", "SMS/ShortCodes": "short_codes"}


@dataclass(slots=True)
class Holdings:
    """What the account has; by default everything is as it should be.

    ``changed`` maps a number, a short code or a service's SID to fields that differ;
    ``campaigns`` a service's SID and ``verifications`` a number to the state of its registration.
    """

    status: str = "active"
    type: str = "Full"
    short_codes: set[str] = field(default_factory=set)
    applications: dict[str, str] = field(default_factory=dict)
    changed: dict[str, Json] = field(default_factory=dict)
    campaigns: dict[str, str] = field(default_factory=dict)
    verifications: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """The account at the moment at which it is asked about."""

    sid: str
    token: str
    inbound_url: str
    numbers: Sequence[str]
    voice_only: frozenset[str]
    services: Mapping[str, Sequence[str]]
    holdings: Holdings

    def answer(self, path: str, asked: Mapping[str, str]) -> Json | None:
        """The JSON at this path; None where there is nothing."""
        if path == _TOLL_FREE:
            return self._verifications(asked.get("TollfreePhoneNumberSid", ""))
        if found := _NEW.fullmatch(path):
            return self._messaging(found[1] or "", found[2] or "")
        found = _OLD.fullmatch(path)
        if found is None or found[1] != self.sid:
            return None
        return self._account(found[2] or "", found[3] or "", asked)

    def _account(self, kind: str, sid: str, asked: Mapping[str, str]) -> Json | None:
        if not kind:
            return self._self()
        if kind == "Applications" and sid in self.holdings.applications:
            url = self.holdings.applications[sid]
            return {"sid": sid, "account_sid": self.sid, "sms_url": url, "sms_method": "POST"}
        if kind not in _LISTS or sid:
            return None
        short = kind == "SMS/ShortCodes"
        wanted = asked.get("ShortCode" if short else "PhoneNumber", "")
        all_of = sorted(self.holdings.short_codes) if short else self.numbers
        shown = [self._short_code(one) if short else self._number(one) for one in all_of]
        key = "short_code" if short else "phone_number"
        found = [one for one in shown if wanted in str(one[key])]
        uri = f"/2010-04-01/Accounts/{self.sid}/{kind}.json"
        last = {"end": max(len(found) - 1, 0), "uri": uri, "first_page_uri": uri}
        pages = {"page": 0, "page_size": 50, "start": 0, "next_page_uri": None}
        return {_LISTS[kind]: found, "previous_page_uri": None} | last | pages

    def _self(self) -> Json:
        return {
            "sid": self.sid,
            "owner_account_sid": self.sid,
            "auth_token": self.token,
            "friendly_name": "Sandbox",
            "status": self.holdings.status,
            "type": self.holdings.type,
            "date_created": "Mon, 05 Jan 2026 09:00:00 +0000",
            "date_updated": "Mon, 05 Jan 2026 09:00:00 +0000",
            "subresource_uris": {},
            "uri": f"/2010-04-01/Accounts/{self.sid}.json",
        }

    def _number(self, number: str) -> Json:
        plain = {
            "sid": sid("PN", number),
            "account_sid": self.sid,
            "phone_number": number,
            "friendly_name": number,
            "capabilities": {
                "voice": True,
                "sms": number not in self.voice_only,
                "mms": False,
                "fax": False,
            },
            "sms_url": self.inbound_url,
            "sms_method": "POST",
            "sms_application_sid": "",
            "status": "in-use",
            "origin": "twilio",
        }
        return plain | self.holdings.changed.get(number, {})

    def _short_code(self, code: str) -> Json:
        plain = {
            "sid": sid("SC", code),
            "account_sid": self.sid,
            "short_code": code,
            "friendly_name": code,
            "sms_url": self.inbound_url,
            "sms_method": "POST",
        }
        return plain | self.holdings.changed.get(code, {})

    def _messaging(self, service: str, part: str) -> Json | None:
        if not service:
            return _page("services", [self._service(one) for one in self.services])
        if service not in self.services:
            return None
        return self._pool(service, self.services[service], part)

    def _pool(self, service: str, pool: Sequence[str], part: str) -> Json | None:
        match part:
            case "":
                return self._service(service)
            case "PhoneNumbers":
                numbers = [one for one in pool if one.startswith("+")]
                return _page("phone_numbers", [self._number(one) for one in numbers])
            case "ShortCodes":
                codes = [one for one in pool if not one.startswith("+")]
                return _page("short_codes", [self._short_code(one) for one in codes])
            case "Compliance/Usa2p":
                state = self.holdings.campaigns.get(service, "VERIFIED")
                campaign = {"sid": sid("QE", service), "campaign_status": state, "errors": []}
                return _page("compliance", [campaign] if state else [])
            case _:
                return None

    def _service(self, service: str) -> Json:
        plain = {
            "sid": service,
            "account_sid": self.sid,
            "friendly_name": "Sandbox",
            "inbound_request_url": self.inbound_url,
            "inbound_method": "POST",
            "status_callback": None,
            "use_inbound_webhook_on_number": False,
            "us_app_to_person_registered": True,
            "usecase": "notifications",
        }
        return plain | self.holdings.changed.get(service, {})

    def _verifications(self, number_sid: str) -> Json:
        found = [
            {"sid": sid("HH", number), "tollfree_phone_number_sid": number_sid, "status": state}
            for number in self.numbers
            if sid("PN", number) == number_sid
            and (state := self.holdings.verifications.get(number, "TWILIO_APPROVED"))
        ]
        return _page("verifications", found)


def sid(kind: str, name: str) -> str:
    """The same SID for the same thing, whenever it is asked for."""
    return kind + md5(name.encode(), usedforsecurity=False).hexdigest()


def _page(key: str, found: Sequence[Json]) -> Json:
    meta = {"key": key, "page": 0, "page_size": 50, "next_page_url": None}
    return {key: list(found), "meta": meta | {"previous_page_url": None}}
