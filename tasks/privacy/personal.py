"""Recognises personal data by its form: addresses of mail and machines, numbers of phones, cards, accounts, insurance.

What nobody can own is not personal: domains and addresses that are reserved for documentation (RFC 2606, 5737, 1918),
numbers for films (555-01xx), card numbers that payment providers publish for tests. Names and postal addresses have no
form and are not looked for.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple


class PrivateSpan(NamedTuple):
    """Something that is nobody's business."""

    kind: str
    """What it is, as its placeholder names it: EMAIL, PHONE, CARD, IBAN, SSN, IP, or a kind of secret."""
    start: int
    end: int


class Recogniser(NamedTuple):
    """One kind of data."""

    kind: str
    gates: tuple[str, ...] | re.Pattern[str]
    """What a text holds at least that holds one, in lower case: looked for first, since most texts hold none."""
    pattern: re.Pattern[str]
    """Its one group that matched, where it has any, is the value."""
    is_real: Callable[[re.Match[str]], bool]
    starts: re.Pattern[str] | None = None
    """Where the pattern may begin, in lower case: a pattern that ignores case is slow to look for; None = anywhere."""

    def find(self, text: str, lower: str) -> Iterator[PrivateSpan]:
        """Yield what is found, in order; `lower` is the text in lower case."""
        gates = self.gates
        if not (any(map(lower.__contains__, gates)) if isinstance(gates, tuple) else gates.search(text)):
            return
        if self.starts is None or len(lower) != len(text):
            matches: Iterable[re.Match[str] | None] = self.pattern.finditer(text)
        else:
            matches = (self.pattern.match(text, start.start()) for start in self.starts.finditer(lower))
        for match in matches:
            if match and self.is_real(match):
                yield PrivateSpan(self.kind, *match.span(match.lastindex or 0))


_RESERVED = re.compile(
    r"(?:^|\.)(?:example|test|invalid|localhost|local|internal|lan|home)$|(?:^|\.)example\.(?:com|net|org|edu|[a-z]{2})$"
    r"|(?:^|\.)(?:users\.noreply\.github\.com|yourdomain\.com|domain\.com|email\.com|company\.com|yourcompany\.com)$",
    re.IGNORECASE,
)
_NOT_MAIL = re.compile(r"^(?:git|svn|hg|noreply|no-reply|user|username|name|you|your|me|foo|someone)$", re.IGNORECASE)
_PUBLISHED_CARDS = """
4111111111111111 4242424242424242 4012888888881881 4000056655665556 4222222222222 5555555555554444
2223003122003222 5200828282828210 5105105105105100 378282246310005 371449635398431 378734493671000
6011111111111117 6011000990139424 3056930009020004 30569309025904 38520000023237 36227206271667
3530111333300000 3566002020360505 6200000000000005 4000000000000002 4000000000000077 4000000000003220
4917610000000000 4000002500003155
"""
_TEST_CARDS = frozenset(_PUBLISHED_CARDS.split())
"""As Stripe, PayPal and Braintree publish them."""
_CARD_FORMS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}"
    r"|35\d{14}|(?:5018|5020|5038|6304|6759|676[1-3]|0604)\d{8,15}|62\d{14,17}"
)
_TEST_IBANS = frozenset({"GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606"})
"""Examples of Wikipedia and of ISO 13616's registry."""
_PUBLIC_RESOLVERS = frozenset(
    {"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220"}
)
_NEAR = re.compile(
    r"(?:phone|mobile|\bcell|\btel\b|telephone|\bcall\b|\bfax\b|whatsapp|contact|\btext\b|\bsms\b|\bdial\b|reach)[^\n]{0,32}$",
    re.IGNORECASE,
)
_VERSIONED = re.compile(r"(?:version|\bv|release|build)\W{0,3}$", re.IGNORECASE)


def _is_mail(match: re.Match[str]) -> bool:
    local, _, domain = match[0].replace("%40", "@").rpartition("@")
    if _RESERVED.search(domain) or _NOT_MAIL.match(local):
        return False
    return not match.string.startswith((":", "("), match.end()) or not match.string[match.end() :][1:2].isalnum()


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _is_phone(match: re.Match[str]) -> bool:
    digits = _digits(re.split(r"(?i)\s?(?:x|ext)", match[0])[0])
    national = digits[-10:]
    if not 8 <= len(digits) <= 15 or re.fullmatch(r"(\d)\1+", national):
        return False
    return not (national[3:6] == "555" and national[6:8] == "01")


def _is_bare_phone(match: re.Match[str]) -> bool:
    return _is_phone(match) and _NEAR.search(match.string[max(0, match.start() - 48) : match.start()]) is not None


def _is_card(match: re.Match[str]) -> bool:
    digits = _digits(match[0])
    if digits in _TEST_CARDS or not _CARD_FORMS.fullmatch(digits) or len(set(digits)) < 4:
        return False
    doubled = (int(d) * 2 if place % 2 else int(d) for place, d in enumerate(reversed(digits)))
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _is_iban(match: re.Match[str]) -> bool:
    plain = match[0].replace(" ", "").replace("-", "")
    if plain in _TEST_IBANS or not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _is_ssn(match: re.Match[str]) -> bool:
    area, group, serial = re.split(r"[- ]", match[0])
    is_issued = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    return is_issued and match[0].replace(" ", "-") not in ("078-05-1120", "219-09-9999", "123-45-6789")


def _is_public(match: re.Match[str]) -> bool:
    if match[0] in _PUBLIC_RESOLVERS or _VERSIONED.search(match.string[max(0, match.start() - 12) : match.start()]):
        return False
    try:
        address = ipaddress.ip_address(match[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address) and max(address.packed) < 32:
        return False  # 1.2.3.4 is a version, or made up
    return address.is_global and not address.is_multicast


_NUMBERISH = re.compile(r"\d[\d() ./+-]{5,}\d")
PERSONAL: tuple[Recogniser, ...] = (
    Recogniser(
        "EMAIL",
        ("@", "%40"),
        re.compile(
            r"(?<![\w.+%/-])[\w+-](?:[\w.+'-]{0,62}[\w+-])?(?:@|%40)(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24}(?![\w(-])"
        ),
        _is_mail,
    ),
    Recogniser(
        "IBAN",
        re.compile(r"[A-Z]{2}\d{2}"),
        re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"),
        _is_iban,
    ),
    Recogniser(
        "CARD",
        _NUMBERISH,
        re.compile(
            r"(?<![\w.+-])(?:\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}|3\d{3}[ -]\d{6}[ -]\d{4,5}|\d{12,19})(?!\w|[.-]\d)"
        ),
        _is_card,
    ),
    Recogniser(
        "SSN", _NUMBERISH, re.compile(r"(?<![\w.-])(?:\d{3}-\d\d-\d{4}|\d{3} \d\d \d{4})(?![\w]|[.-]\d)"), _is_ssn
    ),
    Recogniser(
        "PHONE",
        _NUMBERISH,
        re.compile(
            r"(?<![\w.+-])(?:\+|00)[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,5}(?:[ .-]?\d{2,5}){1,4}"
            r"(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?!\w|[.-]\d)"
        ),
        _is_phone,
    ),
    Recogniser(
        "PHONE",
        _NUMBERISH,
        re.compile(
            r"(?<![\w.+-])(?:(?:\+?1|001)[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-.])[2-9]\d\d[-. ]\d{4}"
            r"(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?!\w|[.-]\d)"
        ),
        _is_phone,
    ),
    Recogniser(
        "PHONE",
        _NUMBERISH,
        re.compile(r"(?<![\w.+-])\(?0?\d{2,5}\)?(?:[ ./-]?\d{2,5}){1,4}(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?!\w|[.-]\d)"),
        _is_bare_phone,
    ),
    Recogniser(
        "IP",
        re.compile(r"\d\.\d"),
        re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)"),
        _is_public,
    ),
    Recogniser(
        "IP",
        re.compile(r":[0-9a-fA-F]{0,4}:"),
        re.compile(r"(?<![\w:.])(?:[0-9a-fA-F]{1,4}:){2,7}(?::|[0-9a-fA-F]{1,4})(?:[0-9a-fA-F:]{0,30})(?![\w:.])"),
        _is_public,
    ),
)
"""In this order: where two overlap, the earlier one counts."""
