"""
The two groups of a subscription that say how it is delivered: retry policy and security policy, as JSON has them.

Read leniently, because the official examples write numbers and flags as text and spell one name in two ways; answered
with proper types.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from paydue.domain.retry_policy import Algorithm, RetryPolicy
from paydue.domain.webhooks import OAuthConfig, SecurityPolicy, SecurityType
from paydue.wire.fields import Faults, Reader

LONGEST_URL: Final = 2048
LONGEST_NAME: Final = 255
_LARGEST_MINUTES: Final = 1_000_000
_MOST_RETRIES: Final = 1000
_MOST_ATTRIBUTES: Final = 20
_MOST_DAYS: Final = 1_000_000

_ALGORITHMS: Final = {algorithm.value.lower(): algorithm for algorithm in Algorithm}
_SECURITY_TYPES: Final = {each.value.lower(): each for each in SecurityType}
_NUMBERS: Final = {
    "firstRetry": ("first_retry", _LARGEST_MINUTES),
    "interval": ("interval", _LARGEST_MINUTES),
    "numberOfRetries": ("number_of_retries", _MOST_RETRIES),
    "repeatSequenceCount": ("repeat_sequence_count", _MOST_RETRIES),
    "repeatSequenceWaitTime": ("repeat_sequence_wait_minutes", _LARGEST_MINUTES),
}
# The guide spells it both ways.
_TOKEN_URL: Final = ("oAuthURL", "oAuthUrl")

# It becomes the first word of a header.
_TOKEN_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*", re.ASCII)
_ADDITIONAL: Final = {"audience": "aud", "client_id": "client_id", "key_id": "keyId", "scope": "scope"}
# The official Python client knows no underscores in names: what it is given as client_id arrives so.
_CLIENT_ID: Final = ("client_id", "clientId")

UrlFault = Callable[[str], str | None]


def read_url(reader: Reader, name: str, fault_in: UrlFault, *, required: bool = False) -> str | None:
    """Read an address that we may be able to call, kept as it was written."""
    url = reader.text(name, LONGEST_URL, required=required)
    if url is not None and (fault := fault_in(url)) is not None:
        reader.fault(name, f"Invalid: {fault}")
        return None
    return url


def read_retry_policy(body: Reader, document: Mapping[str, Any]) -> dict[str, Any] | None:
    """
    Return what is said about retries, by the names of `RetryPolicy`; None when nothing is.

    One example has the flag beside the group instead of in it, in two spellings.
    """
    group = body.group("retryPolicy")
    found: dict[str, Any] = {}
    for name in ("deactivateflag", "deactivateFlag"):
        if (flag := body.flag(name)) is not None:
            found["suspends"] = flag
    if group is None:
        return found or None
    if (algorithm := group.choice("algorithm", _ALGORITHMS)) is not None:
        found["algorithm"] = algorithm
    for name, (field, largest) in _NUMBERS.items():
        if (number := group.integer(name, 0, largest)) is not None:
            found[field] = number
    if (flag := group.flag("deactivateFlag")) is not None:
        found["suspends"] = flag
    if group.has("additionalAttributes"):
        found["additional_attributes"] = _read_attributes(group, document["retryPolicy"])
    return found


def write_retry_policy(policy: RetryPolicy) -> "RetryPolicyBody":
    """Return the group with every member typed, defaults included."""
    return RetryPolicyBody(
        algorithm=policy.algorithm.value,
        first_retry=policy.first_retry,
        interval=policy.interval,
        number_of_retries=policy.number_of_retries,
        deactivate_flag=policy.suspends,
        repeat_sequence_count=policy.repeat_sequence_count,
        repeat_sequence_wait_time=policy.repeat_sequence_wait_minutes,
        additional_attributes=policy.additional_attributes or None,
    )


def read_security_policy(body: Reader, fault_in: UrlFault) -> SecurityPolicy | None:
    """Return the security policy; None when there is no such group."""
    group = body.group("securityPolicy")
    if group is None:
        return None
    security_type = group.choice("securityType", _SECURITY_TYPES) or SecurityType.KEY
    proxy_type = group.text("proxyType", LONGEST_NAME)
    if security_type is SecurityType.KEY:
        return SecurityPolicy(proxy_type=proxy_type)
    config = group.group("config", required=True)
    oauth = _read_oauth(config, security_type, fault_in) if config is not None else None
    return SecurityPolicy(security_type=security_type, oauth=oauth, proxy_type=proxy_type)


def write_security_policy(policy: SecurityPolicy, *, as_one_product: bool) -> "SecurityPolicyBody":
    """Return the group. The old API's answers also say that notifications are signed."""
    oauth = policy.oauth
    return SecurityPolicyBody(
        security_type=policy.security_type.value,
        proxy_type=policy.proxy_type,
        digital_signature_enabled="yes" if as_one_product else None,
        config=_write_oauth(oauth) if oauth is not None else None,
    )


def _read_attributes(group: Reader, values: Mapping[str, Any]) -> tuple[dict[str, str], ...]:
    """Read an array of objects of short texts."""
    name = "additionalAttributes"
    if not group.items(name, _MOST_ATTRIBUTES):
        return ()
    given: list[Any] = values[name]
    for position, each in enumerate(given):
        if type(each) is dict and not _is_of_short_texts(each):
            group.fault(
                f"{name}[{position}]",
                f"Invalid: has to be at most {_MOST_ATTRIBUTES} texts of at most {LONGEST_NAME} characters",
            )
    return tuple(dict(each) for each in given if type(each) is dict and _is_of_short_texts(each))


def _is_of_short_texts(values: dict[str, Any]) -> bool:
    faults = Faults()
    texts = [Reader({"text": text}, "", faults).text("text", LONGEST_NAME) for pair in values.items() for text in pair]
    return len(values) <= _MOST_ATTRIBUTES and None not in texts


def _read_oauth(config: Reader, security_type: SecurityType, fault_in: UrlFault) -> OAuthConfig | None:
    url = read_url(config, _spelling(config, _TOKEN_URL), fault_in, required=True)
    token_type = config.text("oAuthTokenType", 20, pattern=_TOKEN_TYPE, form="has to be one word")
    expiry = config.integer("oAuthTokenExpiry", 0, _MOST_DAYS)
    more = config.group("additionalConfig", required=security_type is SecurityType.OAUTH_JWT)
    needed = security_type is SecurityType.OAUTH_JWT
    found: dict[str, str | None] = {}
    if more is not None:
        for field, member in (_ADDITIONAL | {"client_id": _spelling(more, _CLIENT_ID)}).items():
            found[field] = more.text(member, LONGEST_NAME, required=needed and field != "scope")
    if url is None:
        return None
    return OAuthConfig(token_url=url, token_type=token_type or "Bearer", token_expiry=expiry, **found)


def _spelling(reader: Reader, spellings: tuple[str, ...]) -> str:
    """Return the spelling that is used; of none the documented one, which comes first."""
    return next((name for name in spellings if reader.has(name)), spellings[0])


def _write_oauth(oauth: OAuthConfig) -> "_OAuthBody":
    more = {member: text for field, member in _ADDITIONAL.items() if (text := getattr(oauth, field)) is not None}
    return _OAuthBody(
        o_auth_token_expiry=oauth.token_expiry,
        o_auth_url=oauth.token_url,
        o_auth_token_type=oauth.token_type,
        additional_config=more or None,
    )


class RetryPolicyBody(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """Members in the order of the wire."""

    algorithm: str
    first_retry: int
    interval: int
    number_of_retries: int
    deactivate_flag: bool
    repeat_sequence_count: int
    repeat_sequence_wait_time: int
    additional_attributes: tuple[dict[str, str], ...] | None = None


class _OAuthBody(
    msgspec.Struct,
    kw_only=True,
    omit_defaults=True,
    rename={
        "o_auth_token_expiry": "oAuthTokenExpiry",
        "o_auth_url": "oAuthURL",
        "o_auth_token_type": "oAuthTokenType",
        "additional_config": "additionalConfig",
    },
):
    o_auth_token_expiry: int | None = None
    o_auth_url: str
    o_auth_token_type: str
    additional_config: dict[str, str] | None = None


class SecurityPolicyBody(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    security_type: str
    proxy_type: str | None = None
    digital_signature_enabled: str | None = None
    config: _OAuthBody | None = None
