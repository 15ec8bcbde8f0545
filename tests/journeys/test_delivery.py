"""From the API to the payer's mailbox and the merchant's own program, through `paydue demo`; again after a crash."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

import apsw
import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from client import INVOICES, SETTINGS, Account, Client, an_invoice_body
from delivery.bounce_letters import a_delivery_report
from mail_server import Mode, mail_server
from paydue.delivery.mail_facts import MailKind
from receiver import ANSWERS, Received, Receiver, authority_file, receiving
from running import Server, in_a_thread, paydue, run_paydue, running_demo, running_server, running_worker

V1 = "/notification-subscriptions/v1/webhooks"
DELIVERIES = "/paydue/v1/deliveries"
EVENTS = [f"invoicing.customer.invoice.{name}" for name in ("send", "paid", "partial-payment", "cancel")]
PAYER = "tanya.lee@customer.example"
# What another process has changed is known everywhere by then.
NEWS_TRAVELS_SECONDS = 5.2
R = TypeVar("R")


def eventually(find: Callable[[], R | None], seconds: float = 15) -> R:
    """Return what is found, as soon as it is there."""
    give_up_at = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < give_up_at, "it never came"
        time.sleep(0.02)
    return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with in_a_thread(receiving(None)) as served:
        yield served


def mails_to(server: Server, address: str) -> list[EmailMessage]:
    return [
        mail
        for file in sorted(Path(server.ready["mailbox_dir"]).glob("*.eml"))
        if (mail := message_from_bytes(file.read_bytes(), policy=policy.default))["To"] == address
    ]


def subscribed(client: Client, receiver: Receiver, path: str = "/ok", **more: Any) -> tuple[str, str]:
    """Make a key and a subscription that a health check starts; return the subscription's id and the key."""
    key_request = {"clientRequestAction": "CREATE", "keyInformation": {"keyType": "sharedSecret"}}
    key = client.call("POST", "/kms/egress/v2/keys-sym", key_request).expect(201).json["keyInformation"]["key"]
    wanted = {"productId": "customerInvoicing", "eventTypes": EVENTS, "webhookUrl": receiver.url(path)}
    webhook_id = client.call("POST", V1, {"name": "Books"} | wanted | more).expect(201).json["webhookId"]
    client.call("PUT", f"{V1}/{webhook_id}/status", {"status": "ACTIVE"}).expect(200)
    return webhook_id, key


def verified(received: Received, key: str) -> Any:
    """Return the body after both signatures were found to be right."""
    headers = {name: received.headers(name)[0] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    body = Webhook(key).verify(received.body, headers)
    parts = dict(part.split("=", 1) for part in received.headers("V-C-Signature")[0].split(";"))
    signed = parts["t"].encode() + b"." + received.body
    assert hmac.compare_digest(
        parts["sig"], base64.b64encode(hmac.digest(base64.b64decode(key), signed, "sha256")).decode()
    )
    return body


def test_the_payer_gets_a_mail_whose_link_opens_the_invoice(demo: Server) -> None:
    payer = "first.mail@customer.example"
    with Client(Account.new(demo)) as client:
        invoice = client.create(an_invoice_body(send=True, email=payer))
        (mail,) = eventually(lambda: mails_to(demo, payer))
        link = invoice["invoiceInformation"]["paymentLink"]
        for kind in ("plain", "html"):
            part = mail.get_body((kind,))
            assert part is not None
            assert link.replace("&", "&amp;" if kind == "html" else "&") in part.get_content().replace("\r\n", "\n")
        page = httpx.get(link, trust_env=False)
        assert page.status_code == 200
        assert invoice["id"] in page.text
        (delivery,) = client.call("GET", f"{DELIVERIES}?invoiceId={invoice['id']}&channel=mail").json["deliveries"]
        shown = client.call("GET", f"{DELIVERIES}/{delivery['id']}").expect(200).json
        assert mail["Message-ID"] == f"<{shown['id']}@localhost>"
        assert shown["tries"][0]["isTaken"] is True


def test_a_subscriber_hears_of_an_invoice_from_sending_to_the_last_payment(demo: Server, receiver: Receiver) -> None:
    with Client(Account.new(demo)) as client:
        _, key = subscribed(client, receiver)
        number = client.create(an_invoice_body("100", send=True, email=PAYER))["id"]
        client.pay(number, "40")
        client.pay(number, "60")
        eventually(lambda: len(receiver.received) == 3)
        bodies = [verified(received, key) for received in receiver.received]
        assert [body["eventType"].rpartition(".")[2] for body in bodies] == ["send", "partial-payment", "paid"]
        assert [body["payload"]["data"]["balanceAmount"] for body in bodies] == ["100.00", "60.00", "0.00"]
        sequences = [body["sequence"] for body in bodies]
        assert sequences == sorted(sequences)
        for body in bodies:
            schema = client.call("GET", f"/paydue/v1/webhook-schemas/{body['eventType']}").expect(200).json
            assert set(schema["required"]) <= set(body)


def test_a_test_call_starts_a_subscription_and_a_refusal_says_why(demo: Server, receiver: Receiver) -> None:
    with Client(Account.new(demo)) as client:
        webhook_id, key = subscribed(client, receiver, "/drop")
        client.call("PUT", f"{V1}/{webhook_id}/status", {"status": "INACTIVE"}).expect(200)
        refused = client.call("POST", f"{V1}/{webhook_id}").expect(400).json
        assert (refused["reason"], "dropped" in refused["message"]) == ("NOTIFICATION_NOT_DELIVERED", True)
        client.call("PATCH", f"{V1}/{webhook_id}", {"webhookUrl": receiver.url("/ok")}).expect(200)
        client.call("POST", f"{V1}/{webhook_id}").expect(201)
        assert client.call("GET", f"{V1}/{webhook_id}").json["status"] == "ACTIVE"
        assert verified(receiver.received[-1], key)["payloads"]["testPayload"]["message"]


def test_a_health_check_starts_a_subscription(demo: Server, receiver: Receiver) -> None:
    with Client(Account.new(demo)) as client:
        wanted = {
            "products": [{"productId": "customerInvoicing", "eventTypes": EVENTS}],
            "webhookUrl": receiver.url("/ok"),
            "healthCheckUrl": receiver.url("/no-content"),
        }
        receiver.answers["/no-content"] = ANSWERS["/ok"]
        webhook_id = client.call("POST", V1, wanted).expect(201).json["webhookId"]
        eventually(lambda: client.call("GET", f"{V1}/{webhook_id}").json["status"] == "ACTIVE")


def test_what_failed_is_on_record_and_can_be_sent_again_by_api_and_by_command(demo: Server, receiver: Receiver) -> None:
    with Client(Account.new(demo)) as client:
        gave_up = {"numberOfRetries": 0, "firstRetry": 1, "interval": 1, "algorithm": "ARITHMETIC"}
        subscribed(client, receiver, "/busy", retryPolicy=gave_up)
        client.create(an_invoice_body(send=True, email=PAYER))
        (parked,) = eventually(lambda: client.call("GET", f"{DELIVERIES}?state=parked").json["deliveries"])
        assert (parked["channel"], parked["lastOutcome"]) == ("WEBHOOK", "answered 503")
        (tried,) = client.call("GET", f"{DELIVERIES}/{parked['id']}").json["tries"]
        assert tried["status"] == 503
        assert "payInvoice/***" in tried["request"]

        client.call("POST", f"{DELIVERIES}/{parked['id']}/resend").expect(202)
        eventually(lambda: len(receiver.received) == 2)
        eventually(lambda: client.call("GET", f"{DELIVERIES}?state=parked").json["deliveries"])
        place = ("--data", str(demo.data), "--merchant", client.account.merchant_id, "--json")
        assert paydue("deliveries", "list", *place, "--state", "parked")["deliveries"][0]["id"] == parked["id"]
        assert len(paydue("deliveries", "show", *place, parked["id"])["tries"]) == 2
        receiver.answers["/busy"] = ANSWERS["/ok"]
        assert paydue("deliveries", "recover", *place, "--since", "2020-01-01") == {"recovered": 1}
        eventually(lambda: len(receiver.received) == 3)
        eventually(lambda: client.call("GET", f"{DELIVERIES}/{parked['id']}").json["state"] == "DONE")
        assert len({received.headers("webhook-id")[0] for received in receiver.received}) == 1


def test_a_server_that_is_killed_delivers_the_same_after_its_restart(tmp_path: Path, receiver: Receiver) -> None:
    data = tmp_path / "demo"
    with running_demo(data) as server, Client(Account.demo(server)) as client:
        _, key = subscribed(client, receiver, "/hang")
        numbers = [client.create(an_invoice_body(send=True, email=PAYER))["id"] for _ in range(5)]
        eventually(lambda: len(receiver.received) >= 4)
        server.kill()
    begun = {json.loads(received.body)["notificationId"] for received in receiver.received}
    receiver.received.clear()
    receiver.answers["/hang"] = ANSWERS["/ok"]

    # What the dead process had begun is its own until its leases run out; so the clock of the outbox is put forward.
    _let_leases_run_out(data)
    with running_demo(data) as server, Client(Account.demo(server)) as client:
        eventually(lambda: len(client.call("GET", f"{DELIVERIES}?state=done&limit=100").json["deliveries"]) == 10, 30)
        told = {verified(received, key)["payload"]["data"]["invoiceNumber"] for received in receiver.received}
        assert told == set(numbers)
        assert len(receiver.received) == 5
        assert begun <= {received.headers("webhook-id")[0] for received in receiver.received}
        mails = mails_to(server, PAYER)
        assert len(mails) == len({mail["Message-ID"] for mail in mails}) == 5


def _let_leases_run_out(data: Path) -> None:
    connection = apsw.Connection(str(data / "paydue.db"))
    connection.execute("UPDATE outbox SET lease_until = '2000-01-01T00:00:00.000000Z' WHERE lease_until IS NOT NULL")
    connection.close()


def test_a_worker_of_its_own_delivers_for_a_server_without_one(tmp_path: Path) -> None:
    data, box = tmp_path / "data", tmp_path / "box"
    paydue("init", "--data", str(data))
    paydue("merchant", "add", "--data", str(data), "--id", "acme", "--name", "Acme Ltd")
    key = paydue("key", "add", "--data", str(data), "--merchant", "acme", "--json")
    with running_server(data, PAYDUE_MAILBOX_DIR=str(box)) as server:
        account = Account(
            url=server.ready["api_url"], merchant_id="acme", key_id=key["key_id"], shared_secret=key["shared_secret"]
        )
        with Client(account) as client:
            client.create(an_invoice_body(send=True, email=PAYER))
            time.sleep(0.3)
            assert not box.exists()
            with running_worker(data, "--public-url", "https://pay.example", PAYDUE_MAILBOX_DIR=str(box)) as worker:
                (mail,) = eventually(lambda: list(box.glob("*.eml")) if box.exists() else None)
                assert b"To: " + PAYER.encode() in mail.read_bytes()
                assert worker.stop() == 0
            client.create(an_invoice_body(send=True, email=PAYER))
    with running_server(data, "--with-worker", PAYDUE_MAILBOX_DIR=str(box)) as server:
        eventually(lambda: len(list(box.glob("*.eml"))) == 2)
        assert server.stop() == 0


def test_a_worker_beside_a_server_notices_what_is_changed_there_within_seconds(tmp_path: Path) -> None:
    data, box = tmp_path / "data", tmp_path / "box"
    paydue("init", "--data", str(data))
    paydue("merchant", "add", "--data", str(data), "--id", "acme", "--name", "Acme Ltd")
    key = paydue("key", "add", "--data", str(data), "--merchant", "acme", "--json")
    with in_a_thread(receiving(tmp_path)) as receiver:
        calls = {
            "PAYDUE_EGRESS_NETWORKS": "127.0.0.0/8",
            "PAYDUE_EGRESS_PORTS": str(receiver.port),
            "PAYDUE_EGRESS_CA_FILE": str(authority_file(tmp_path)),
        }
        with (
            running_server(data, **calls) as server,
            running_worker(data, "--public-url", "https://pay.example", PAYDUE_MAILBOX_DIR=str(box), **calls) as worker,
        ):
            account = Account(
                url=server.ready["api_url"],
                merchant_id="acme",
                key_id=key["key_id"],
                shared_secret=key["shared_secret"],
            )
            with Client(account) as client:
                key_request = {"clientRequestAction": "CREATE", "keyInformation": {"keyType": "sharedSecret"}}
                client.call("POST", "/kms/egress/v2/keys-sym", key_request).expect(201)
                wanted = {"productId": "customerInvoicing", "eventTypes": EVENTS}
                wanted["webhookUrl"] = receiver.url("/ok", "127.0.0.1")
                webhook_id = client.call("POST", V1, wanted).expect(201).json["webhookId"]
                client.call("PUT", f"{V1}/{webhook_id}/status", {"status": "ACTIVE"}).expect(200)
                client.create(an_invoice_body(send=True, email=PAYER))
                # The worker remembers now what it has read of merchant, settings and subscription.
                eventually(lambda: receiver.received and list(box.glob("*.eml")))

                changed = {"invoiceSettingsInformation": {"merchantDisplayName": "Another Name"}}
                client.call("PUT", SETTINGS, changed).expect(200)
                moved = {"webhookUrl": receiver.url("/elsewhere", "127.0.0.1")}
                client.call("PATCH", f"{V1}/{webhook_id}", moved).expect(200)
                client.call("PUT", f"{V1}/{webhook_id}/status", {"status": "ACTIVE"}).expect(200)
                time.sleep(NEWS_TRAVELS_SECONDS)
                client.create(an_invoice_body(send=True, email=PAYER))
                eventually(lambda: len(receiver.received) > 1 and len(list(box.glob("*.eml"))) > 1)
                assert receiver.received[-1].head[0] == "POST /elsewhere HTTP/1.1"
                names = [message_from_bytes(each.read_bytes(), policy=policy.default)["From"] for each in box.iterdir()]
                assert sorted(str(name) for name in names) == [
                    "Acme Ltd <invoices@pay.example>",
                    "Another Name <invoices@pay.example>",
                ]
            assert worker.stop() == 0
            assert server.stop() == 0


def test_a_mail_server_named_in_the_environment_gets_the_mails(tmp_path: Path) -> None:
    data = tmp_path / "data"
    paydue("init", "--data", str(data))
    paydue("merchant", "add", "--data", str(data), "--id", "acme", "--name", "Acme Ltd")
    key = paydue("key", "add", "--data", str(data), "--merchant", "acme", "--json")
    with in_a_thread(mail_server()) as mails:
        place = {"PAYDUE_SMTP_HOST": "127.0.0.1", "PAYDUE_SMTP_PORT": str(mails.port), "PAYDUE_SMTP_SECURITY": "none"}
        options = ("--with-worker", "--public-url", "https://pay.example.com")
        with running_server(data, *options, **place) as server:
            account = Account(
                url=server.ready["api_url"],
                merchant_id="acme",
                key_id=key["key_id"],
                shared_secret=key["shared_secret"],
            )
            with Client(account) as client:
                for _ in range(10):
                    client.create(an_invoice_body(send=True, email=PAYER))
                eventually(lambda: len(mails.taken) == 10)
            assert server.stop() == 0
    (taken, *_) = mails.taken
    assert taken.recipient == PAYER
    assert taken.sender.startswith("bounce+")
    assert taken.sender.endswith("@pay.example.com")
    assert taken.message_id.endswith("@pay.example.com>")


def test_an_address_that_is_refused_or_comes_back_is_left_alone_until_it_is_lifted(tmp_path: Path) -> None:
    data, returned = tmp_path / "data", tmp_path / "returned"
    paydue("init", "--data", str(data))
    paydue("merchant", "add", "--data", str(data), "--id", "acme", "--name", "Acme Ltd")
    key = paydue("key", "add", "--data", str(data), "--merchant", "acme", "--json")
    ours = ("--data", str(data), "--merchant", "acme", "--json")
    with in_a_thread(mail_server()) as mails:
        place = {"PAYDUE_SMTP_HOST": "127.0.0.1", "PAYDUE_SMTP_PORT": str(mails.port), "PAYDUE_SMTP_SECURITY": "none"}
        options = ("--with-worker", "--public-url", "https://pay.example.com")
        with running_server(data, *options, PAYDUE_BOUNCE_DIR=str(returned), **place) as server:
            account = Account(
                url=server.ready["api_url"],
                merchant_id="acme",
                key_id=key["key_id"],
                shared_secret=key["shared_secret"],
            )
            with Client(account) as client:
                # Refused while it is handed over.
                mails.mode = Mode.NEVER_FOR_RECIPIENT
                first = client.create(an_invoice_body(send=True, email=PAYER))
                assert first["status"] == "SENT"
                eventually(lambda: client.call("GET", f"{DELIVERIES}?state=PARKED").expect(200).json["deliveries"])
                mails.mode = Mode.WELL
                answer = client.call("POST", INVOICES, an_invoice_body(send=True, email=PAYER)).expect(202)
                assert (answer.json["status"], answer.json["reason"]) == ("ACCEPTED", "ACCEPTED")
                number = str(int(first["id"]) + 1)
                assert answer.json["message"] == (
                    f"Invoice {number} was created, but no mail can be delivered to {PAYER}. Send it separately."
                )
                assert client.get(number)["status"] == "DRAFT"
                refused = client.call("POST", f"{INVOICES}/{number}/delivery", {}).expect(400)
                assert list(refused.faults) == ["customerInformation.email"]

                (kept,) = paydue("mail", "suppressed", *ours)["suppressions"]
                assert (kept["address"], kept["reason"], kept["said"]) == (PAYER, "refused", "550 5.1.1 no such user")
                assert paydue("mail", "lift", *ours, PAYER)["lifted"] == PAYER
                eventually(lambda: client.call("POST", f"{INVOICES}/{number}/delivery", {}).status == 200)

                # Taken, and reported afterwards.
                eventually(lambda: mails.taken)
                assert mails.taken[0].recipient == PAYER
                report = a_delivery_report(mails.taken[0].sender)
                (tmp_path / "report.eml").write_bytes(report)
                (entered,) = paydue("mail", "bounce", "--data", str(data), "--json", str(tmp_path / "report.eml"))[
                    "bounces"
                ]
                assert (entered["recipient"], entered["report"]) == (PAYER, "dead")
                eventually(lambda: client.call("POST", f"{INVOICES}/{number}/delivery", {}).status == 400)
                paydue("mail", "lift", *ours, PAYER)
                returned.mkdir()
                (returned / "1.eml").write_bytes(report)
                eventually(lambda: paydue("mail", "suppressed", *ours)["suppressions"], seconds=30)
                assert list(returned.iterdir()) == []
            assert server.stop() == 0
    assert paydue("verify", "--data", str(data), "--json")["findings"] == []


def test_where_a_person_reviews_addresses_nothing_is_called_before_the_word(tmp_path: Path) -> None:
    with (
        running_demo(tmp_path / "demo", PAYDUE_WEBHOOK_REVIEW="person") as server,
        Client(Account.demo(server)) as client,
    ):
        wanted = {"productId": "customerInvoicing", "eventTypes": EVENTS, "webhookUrl": "http://127.0.0.1:9/hooks"}
        made = [client.call("POST", V1, wanted).expect(201).json for _ in range(2)]
        assert [each["status"] for each in made] == ["PENDING_REVIEW"] * 2
        client.call("PUT", f"{V1}/{made[0]['webhookId']}/status", {"status": "ACTIVE"}).expect(400)
        place = ("--data", str(server.data), "--json")
        listed = paydue("webhook", "list", *place)["subscriptions"]
        assert {each["webhook_id"] for each in listed} == {each["webhookId"] for each in made}
        merchant = ("--merchant", client.account.merchant_id)
        approved = paydue("webhook", "approve", *place, *merchant, made[0]["webhookId"])
        rejected = paydue("webhook", "reject", *place, *merchant, made[1]["webhookId"])
        assert (approved["status"], rejected["status"]) == ("INACTIVE", "BLOCKED")
        again = run_paydue("webhook", "approve", *place, *merchant, made[1]["webhookId"])
        assert (again.returncode, "only PENDING_REVIEW" in again.stderr) == (1, True)
        # A running server hears of it within some seconds.
        target = f"{V1}/{made[0]['webhookId']}/status"
        eventually(lambda: client.call("PUT", target, {"status": "ACTIVE"}).status == 200)


def test_previews_of_all_mails_are_written(tmp_path: Path) -> None:
    written = paydue("mail", "preview", "--to", str(tmp_path / "mails"), "--language", "de-DE", "--json")["files"]
    assert len(written) == 2 * len(MailKind)
    assert all(Path(file).is_file() for file in written)
    refused = run_paydue("mail", "preview", "--to", str(tmp_path), "--mail", "spam")
    assert (refused.returncode, "expected one of" in refused.stderr) == (1, True)
