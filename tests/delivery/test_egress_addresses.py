"""Whom a call reaches: names that turn out to lead inside, addresses that change, certificates that do not fit."""

import asyncio
import socket
import ssl
from collections.abc import Sequence

import pytest

from paydue.delivery.egress import Egress, EgressLimits, _trusting, resolve
from paydue.delivery.egress_answers import Why
from paydue.delivery.egress_rules import EgressRules, read_networks
from receiver import DEVELOPMENT, HASTY, PATIENT, answering, why_of


async def test_the_address_dialled_is_the_one_judged_and_the_name_is_kept(receiver, an_egress):
    answer = await an_egress().send("POST", receiver.url("/ok", host="receiver.example"))

    assert answer.status == 200
    (request,) = receiver.received
    assert request.server_name == "receiver.example"
    assert request.headers("host") == [f"receiver.example:{receiver.port}"]


async def test_the_name_is_looked_up_once(receiver, an_egress):
    asked = []

    async def count(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    await an_egress(resolver=count).send("POST", receiver.url("/ok"))
    assert asked == [("localhost", receiver.port)]


# What a name may turn out to mean. Port 443 stands in the URL: in earnest only that and 8443 are allowed.
@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["2606:4700:4700::1111", "::1"],
        ["8.8.8.8"] * 20 + ["10.0.0.1"],
        ["169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["::ffff:169.254.169.254"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["fe80::1%lo"],
        ["100.100.100.200"],
    ],
)
async def test_a_name_with_one_address_inside_is_not_called_at_all(addresses, monkeypatch):
    monkeypatch.setattr(asyncio, "open_connection", dialled := Dialled())
    answer = await Egress(EgressRules(), resolver=answering(addresses)).send("POST", "https://receiver.example/hooks")

    assert why_of(answer) is Why.REFUSED_BY_RULES
    assert dialled.addresses == []


class Dialled:
    """Stands where connections are opened, and refuses to open any."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    async def __call__(self, host: str, port: int, **_: object) -> None:
        self.addresses.append(host)
        raise ConnectionRefusedError


async def test_a_name_that_is_public_when_judged_is_not_looked_up_again_to_be_dialled(monkeypatch):
    monkeypatch.setattr(asyncio, "open_connection", dialled := Dialled())
    rebinding = Egress(EgressRules(), resolver=answering(["8.8.8.8"], ["127.0.0.1"]))

    assert await rebinding.admits("https://receiver.example/") is True
    answer = await rebinding.send("POST", "https://receiver.example/")
    assert why_of(answer) is Why.REFUSED_BY_RULES
    assert dialled.addresses == []

    rebinding = Egress(EgressRules(), resolver=answering(["8.8.8.8"], ["127.0.0.1"]))
    answer = await rebinding.send("POST", "https://receiver.example/")
    assert why_of(answer) is Why.CONNECTION_REFUSED
    assert dialled.addresses == ["8.8.8.8"]


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver.example/", "https://receiver.example:22/", "https://user@receiver.example/", "https://127.0.0.1/",
        "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://0x7f.1/", "https://2130706433/", "https://①②⑦.0.0.①/",
        "https://169.254.169.254/latest/meta-data/", "not a url", "",
    ],
)  # fmt: skip
async def test_a_url_that_is_refused_is_neither_looked_up_nor_dialled(url, monkeypatch):
    monkeypatch.setattr(asyncio, "open_connection", dialled := Dialled())
    egress = Egress(EgressRules(), resolver=answering(["8.8.8.8"]))
    answer = await egress.send("POST", url)

    assert why_of(answer) is Why.REFUSED_BY_RULES
    assert dialled.addresses == []
    assert await egress.admits(url) is False


async def test_an_address_inside_is_refused_alike_whether_somebody_listens_or_not(receiver):
    rules = EgressRules(ports=frozenset((receiver.port, 9)))
    egress = Egress(rules, resolver=answering(["127.0.0.1"]))
    listening, silent = [
        await egress.send("POST", f"https://receiver.example:{port}/ok") for port in (receiver.port, 9)
    ]

    assert listening == silent
    assert receiver.connections == 0


async def test_a_network_that_the_operator_allowed_is_called(receiver, an_egress):
    rules = EgressRules(ports=frozenset((receiver.port,)), allowed_networks=read_networks(("127.0.0.0/8",)))

    assert (await an_egress(rules=rules).send("POST", receiver.url("/ok"))).status == 200


async def test_the_next_address_is_dialled_when_the_first_does_not_answer(receiver, an_egress):
    answer = await an_egress("127.0.0.2", "127.0.0.3", "127.0.0.1").send("POST", receiver.url("/ok"))

    assert answer.status == 200


async def test_a_first_address_that_is_silent_leaves_time_for_the_next(receiver, an_egress):
    with socket.socket() as full:
        # Its queue takes one connection; further ones are left without any answer.
        full.bind(("127.0.0.2", receiver.port))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.2", receiver.port))
        limits = EgressLimits(connect_seconds=4, total_seconds=20)
        answer = await an_egress("127.0.0.2", "127.0.0.1", limits=limits).send("POST", receiver.url("/ok"))
        for each in waiting:
            each.close()

    assert answer.status == 200


async def test_nobody_listening_is_a_connection_refused(an_egress):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    answer = await an_egress().send("POST", f"https://localhost:{port}/")

    assert why_of(answer) is Why.CONNECTION_REFUSED


@pytest.mark.parametrize("failure", [socket.gaierror(socket.EAI_NONAME, "unknown"), UnicodeError("label too long")])
async def test_a_name_that_leads_nowhere_is_unresolvable_and_admitted_for_now(failure):
    async def fail(host: str, port: int) -> Sequence[str]:
        raise failure

    egress = Egress(EgressRules(), resolver=fail)
    answer = await egress.send("POST", "https://receiver.example/")

    assert why_of(answer) is Why.UNRESOLVABLE
    assert await egress.admits("https://receiver.example/") is True


async def test_a_name_without_addresses_is_unresolvable():
    answer = await Egress(EgressRules(), resolver=answering([])).send("POST", "https://receiver.example/")

    assert why_of(answer) is Why.UNRESOLVABLE


async def test_a_name_server_that_does_not_answer_costs_the_time_to_connect():
    async def hang(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    answer = await Egress(EgressRules(), resolver=hang, limits=HASTY).send("POST", "https://receiver.example/")
    assert why_of(answer) is Why.TIMED_OUT


async def test_the_machines_resolver_finds_this_machine():
    assert set(await resolve("localhost", 443)) & {"127.0.0.1", "::1"}


async def test_a_certificate_that_nobody_vouches_for_is_refused(receiver):
    answer = await Egress(DEVELOPMENT, resolver=answering(["127.0.0.1"]), limits=PATIENT).send(
        "POST", receiver.url("/ok")
    )

    assert why_of(answer) is Why.TLS_FAILED
    assert receiver.received == []


async def test_a_certificate_for_another_name_is_refused(receiver, an_egress):
    answer = await an_egress().send("POST", receiver.url("/ok", host="other.example"))

    assert why_of(answer) is Why.TLS_FAILED
    assert receiver.received == []


async def test_an_address_in_the_place_of_a_name_is_checked_against_the_certificate(receiver, an_egress):
    assert (await an_egress().send("POST", receiver.url("/ok", host="127.0.0.1"))).status == 200


def test_a_file_of_trusted_certificates_that_cannot_be_used_is_named(tmp_path):
    for content in (b"", b"no certificate", b"\xff"):
        file = tmp_path / "authority.pem"
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"authority\.pem"):
            Egress(DEVELOPMENT, extra_ca=file)
    with pytest.raises(ValueError, match=r"missing\.pem"):
        Egress(DEVELOPMENT, extra_ca=tmp_path / "missing.pem")


def test_only_modern_tls_is_spoken():
    context = _trusting(None, None)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
