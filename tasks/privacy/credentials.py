"""Recognises secrets: by the rules of detect-secrets (github.com/Yelp/detect-secrets), and other forms.

Its rules by entropy alone take every hash and id for a secret and are left out; a value behind a word such as
`password` counts where it looks drawn, and not where it is plainly made up.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterator

from tasks.privacy.personal import PrivateSpan, Recogniser

_LONG = re.compile(r"[A-Za-z0-9_-]{23}")
_PLUGINS: dict[str, tuple[str, tuple[str, ...] | re.Pattern[str]]] = {
    "aws": ("AWSKeyDetector", ("a3t", "abia", "acca", "akia", "asia", "aws")),
    "azure_storage_key": ("AzureStorageKeyDetector", ("accountkey=",)),
    "cloudant": ("CloudantDetector", ("cloudant", "clou")),
    "discord": ("DiscordBotTokenDetector", _LONG),
    "github_token": ("GitHubTokenDetector", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    "gitlab_token": (
        "GitLabTokenDetector",
        ("glpat-", "gldt-", "glft-", "glsoat-", "glrt-", "gr1348941", "glcbt-", "glimt-"),
    ),
    "ibm_cos_hmac": ("IbmCosHmacDetector", ("secret",)),
    "mailchimp": ("MailchimpDetector", _LONG),
    "npm": ("NpmDetector", ("_authtoken",)),
    "openai": ("OpenAIDetector", ("t3blbkfj",)),
    "pypi_token": ("PypiTokenDetector", ("pypi-age",)),
    "sendgrid": ("SendGridDetector", ("sg.",)),
    "slack": ("SlackDetector", ("xox", "hooks.slack")),
    "softlayer": ("SoftlayerDetector", ("softlayer", "sl_", "sl-", "slapi")),
    "square_oauth": ("SquareOAuthDetector", ("sq0csp",)),
    "stripe": ("StripeDetector", ("k_live_",)),
    "telegram_token": ("TelegramBotTokenDetector", _LONG),
    "twilio": ("TwilioKeyDetector", _LONG),
}
"""Of detect-secrets, by module, with what a text holds at least that holds one.

Basic auth, JWT, private keys and keywords stand below: its rules find less than the value."""
_MADE_UP = re.compile(
    r"^(?:pass(?:word|wd)?|pwd|secret|token|user(?:name)?|admin|root|guest|test\w*|postgres|mysql|example\w*|changeme|dummy\w*"
    r"|my[_-]?(?:pass|secret|key|token|api|super)\w*|your\w*|xxx+\w*|\*+|\.\.\.|none|null|undefined|true|false|hunter2"
    r"|(?:super|top)[_-]?secret\w*|p@ss\w*|.*(?:example|placeholder|changeme|redacted|your[_-]|xxxx|\.\.\.|1234567|abcdef).*)$",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(
    r"^\$\{?(?:[A-Z_][A-Z0-9_]*|[a-z_.]+)\}?$|^\{.*\}$|^<.*>$|^%[sdr(]|^\$\(|^https?:|^[A-Z_]+$|^[a-z_]+$"
)
"""What stands for a value, in quotes too."""
_CODE = re.compile(
    r"^[\w.]+[(\[]|^(?:process|os|self|this|env|config|settings|request)\.|^[a-zA-Z_]+(?:\.[a-zA-Z_]+)+$|^\w+=[a-z_]+"
    r"|^--?\w|^[\w.]+\s*[,)]|[)\]};]$"
)
"""What is computed, where no quotes say that it is a text."""
_WORDS = ("pass", "pwd", "secret", "key", "token", "credential")
_KEYS = "access|auth|private|client|service|account|db|database|encryption|signing|master|storage"
_NAMED = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|api[ _-]?key|token|credentials?"
    rf"|(?:{_KEYS})[ _-]?(?:key|token|pass|secret))"
    r"\w{0,20}[\"'`\]]{0,2}\s{0,3}"
)
_STARTS = re.compile(rf"pass|pwd|secret|api[ _-]?key|token|credential|(?:{_KEYS})[ _-]?key")


def _looks_drawn(value: str) -> bool:
    """Whether a value is one that somebody, or a machine, drew to be unlike any other."""
    if not 8 <= len(value) <= 200 or _MADE_UP.match(value) or _TEMPLATE.search(value):
        return False
    classes = sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", r"\d", r"[^\w\s]"))
    counts = Counter(value).values()
    entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
    return entropy >= 2.75 and (
        classes >= 3 or (classes == 2 and entropy >= 3 and re.search(r"\d|[^\w\s]", value) is not None)
    )


def _is_password(match: re.Match[str]) -> bool:
    value = match[match.lastindex or 0]
    return not _MADE_UP.match(value) and not _TEMPLATE.search(value) and len(set(value)) > 3


def _is_drawn(match: re.Match[str]) -> bool:
    return _looks_drawn(match[match.lastindex or 0])


def _is_drawn_bare(match: re.Match[str]) -> bool:
    return _is_drawn(match) and _CODE.search(match[match.lastindex or 0]) is None


def _is_token(match: re.Match[str]) -> bool:
    value = match[match.lastindex or 0]
    return not _MADE_UP.match(value) and len(set(value)) > 6 and re.search(r"\d", value) is not None


def _is_minted(match: re.Match[str]) -> bool:
    """Whether the longest run behind a prefix is letters of both cases and digits, all through each other."""
    run = max(re.split(r"[_.-]", match[1]), key=len)
    kinds = all(re.search(kind, run) for kind in ("[a-z]", "[A-Z]", r"\d"))
    return len(run) >= 22 and kinds and len(_CHANGES.findall(run)) * 5 >= len(run) and not _MADE_UP.match(match[1])


_CHANGES = re.compile(r"(?<=[A-Za-z])\d|(?<=\d)[A-Za-z]|(?<=[a-z])[A-Z]")
_OWN: tuple[Recogniser, ...] = (
    Recogniser(
        "PRIVATE_KEY",
        ("private key",),
        re.compile(
            r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----.{16,}?"
            r"(?:-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z))",
            re.DOTALL,
        ),
        lambda match: True,
    ),
    Recogniser(
        "TOKEN",
        ("eyj",),
        re.compile(r"(?<![\w.-])(eyJ[A-Za-z0-9_=-]{8,}\.[A-Za-z0-9_=-]{4,}(?:\.[A-Za-z0-9_.+/=-]*)?)"),
        lambda match: True,
    ),
    Recogniser(
        "TOKEN",
        (
            *(
                "sk-",
                "rk_",
                "sk_",
                "pk_",
                "hf_",
                "gsk_",
                "github_pat_",
                "xai-",
                "aiza",
                "ya29",
                "npm_",
                "dop_v1",
                "shp",
            ),
            *("lin_api", "atatt", "eaac", "nvapi", "pplx-", "r8_"),
        ),
        re.compile(
            r"(?<![\w-])((?:sk-(?:ant-|proj-|or-|svcacct-)?[\w-]{20,}|[rsp]k_(?:test|live)_[0-9A-Za-z]{16,}|hf_[A-Za-z0-9]{30,}"
            r"|gsk_[A-Za-z0-9]{30,}|github_pat_\w{30,}|xai-\w{40,}|AIza[\w-]{35}|ya29\.[\w-]{30,}|npm_[A-Za-z0-9]{36}"
            r"|dop_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|lin_api_\w{32,}|ATATT3[\w=-]{60,}|EAACEdEose0cBA\w+"
            r"|nvapi-[\w-]{40,}|pplx-[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{30,}))"
        ),
        _is_token,
    ),
    Recogniser(  # of other services, in the forms of gitleaks' rules: one case of letters, or hex
        "TOKEN",
        (
            *("dapi", "pmak-", "pul-", "sntry", "nrak-", "age-secret-key-", "sbp_", "ltai", "clojars_", "ezak", "eztk"),
            *("flwsec", "pnu_", "rdme_", "rubygems_", "xkeysib-", "xsmtpsib-", "shippo_", "pat"),
        ),
        re.compile(
            r"(?<![\w-])((?:dapi[a-h0-9]{32}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|pul-[a-f0-9]{40}|sntry[su]_[\w=+/-]{60,}"
            r"|NRAK-[A-Z0-9]{27}|AGE-SECRET-KEY-1[A-Z0-9]{58}|sbp_[a-f0-9]{40}|LTAI[A-Za-z0-9]{16,24}"
            r"|CLOJARS_[a-z0-9]{60}|EZ[AT]K[A-Za-z0-9]{54}|FLWSECK(?:_TEST)?-[a-h0-9]{12,32}(?:-X)?|pnu_[a-z0-9]{36}"
            r"|rdme_[a-z0-9]{70}|rubygems_[a-f0-9]{48}|x(?:key|smtp)sib-[a-f0-9]{64}-[A-Za-z0-9]{16}"
            r"|shippo_(?:live|test)_[a-f0-9]{40}|pat[A-Za-z0-9]{14}\.[a-f0-9]{64}))"
        ),
        _is_token,
    ),
    Recogniser(  # of any service: a prefix, and a long run that nobody made up
        "TOKEN",
        _LONG,
        re.compile(
            r"(?<![\w.+/@-])([A-Za-z][A-Za-z0-9]{1,12}(?:[_.-][A-Za-z0-9]{1,6}){0,2}[_.-]"
            r"(?=[A-Za-z0-9_-]{24})[A-Za-z0-9_-]*[A-Za-z0-9])(?![\w-]*(?:[+/=]|\.\w))"
        ),
        _is_minted,
    ),
    Recogniser(
        "PASSWORD",
        ("://",),
        re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s:/@'\"<>{}]{0,64}:([^\s/@'\"<>{}]{3,128})@[\w.-]+", re.IGNORECASE),
        _is_password,
    ),
    Recogniser(
        "TOKEN",
        ("bearer ", "basic "),
        re.compile(r"(?:bearer|basic)\s+([A-Za-z0-9._~+/-]{16,}=*)", re.IGNORECASE),
        _is_drawn,
    ),
    Recogniser(
        "SECRET",
        _WORDS,
        re.compile(
            _NAMED + r"(?:=>|:=|={1,3}|!==?|:|,|\()\s{0,3}"
            r"(?:\"((?:\\.|[^\"\\\s]){8,200})\"|'((?:\\.|[^'\\\s]){8,200})'|`([^`\s]{8,200})`)",
            re.IGNORECASE,
        ),
        _is_drawn,
        _STARTS,
    ),
    Recogniser(
        "SECRET",
        _WORDS,
        re.compile(_NAMED + r"\bis:?\s{1,3}(\S{7,200}[^\s.,;!?])", re.IGNORECASE),
        _is_drawn,
        _STARTS,
    ),
    Recogniser(
        "SECRET",
        _WORDS,
        re.compile(_NAMED + r"(?:=>|:=|={1,3}|:)\s{0,3}([^\s\"'`,;]{8,200})", re.IGNORECASE),
        _is_drawn_bare,
        _STARTS,
    ),
    Recogniser(
        "SECRET",
        (" -u", "--user"),
        re.compile(r"(?:\s-u|--user)[ =][\"']?[\w.@-]{1,64}:([^\s\"']{4,128})", re.IGNORECASE),
        _is_password,
    ),
)


def find_credentials(text: str, lower: str) -> Iterator[PrivateSpan]:
    """Yield the secrets in a text; they may overlap. `lower` is the text in lower case."""
    for recogniser in (*_OWN, *_theirs()):
        yield from recogniser.find(text, lower)


def _is_theirs(match: re.Match[str]) -> bool:
    return not _MADE_UP.match(match[match.lastindex or 0]) and len(set(match[match.lastindex or 0])) > 4


@functools.cache
def _theirs() -> tuple[Recogniser, ...]:
    """Return detect-secrets' rules, loaded once a process: its plugins import an HTTP client."""
    import importlib

    made = []
    for name, (of, gates) in _PLUGINS.items():
        plugin = getattr(importlib.import_module(f"detect_secrets.plugins.{name}"), of)
        made += [Recogniser("TOKEN", gates, _whole(pattern), _is_theirs) for pattern in plugin.denylist]
    return tuple(made)


def _whole(pattern: re.Pattern[str]) -> re.Pattern[str]:
    """Return a pattern whose first group is the value: the one that it has, where that is no mere prefix, else all."""
    is_value = pattern.groups == 1 and re.search(r"\([^?][^)]*\{(?:2[4-9]|[3-9]\d)", pattern.pattern)
    return pattern if is_value else re.compile(f"({pattern.pattern})", pattern.flags)
