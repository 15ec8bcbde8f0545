"""What the client's users do with webhooks: keys, subscriptions, and a receiver of their own that checks signatures."""

import base64
import hmac
import json
import queue
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from walking import ANOTHER_SECRET, Walk, refused, step, without_none

PRODUCT = "customerInvoicing"
SEND = "invoicing.customer.invoice.send"
PAID = "invoicing.customer.invoice.paid"
PARTIAL_PAYMENT = "invoicing.customer.invoice.partial-payment"
# Nobody is asked there: a subscription is not called before it is switched on.
ELSEWHERE = "http://127.0.0.1:9/hooks"


@step
def the_products_list_names_the_events_of_invoicing(walk: Walk) -> None:
    products, status, _ = walk.new_webhooks.find_products_to_subscribe(walk.merchant_id)
    assert status == 200
    (invoicing,) = [product for product in products if product.product_id == PRODUCT]
    events = {event.event_name: event for event in invoicing.event_types}
    assert {SEND, PAID, PARTIAL_PAYMENT} <= set(events)
    assert (events[SEND].frequency, events[SEND].time_sensitivity, events[SEND].payload_encryption) == (
        -1,
        False,
        False,
    )
    with refused(404):
        walk.new_webhooks.find_products_to_subscribe("somebody_else")


@step
def a_signing_key_is_made_and_shown(walk: Walk) -> None:
    made = a_signing_key(walk)
    assert len(base64.b64decode(made.key)) == 32
    assert (made.provider, made.tenant, made.organization_id) == ("nrtd", walk.merchant_id, walk.merchant_id)
    assert (made.key_type, made.status) == ("sharedSecret", "active")
    assert made.key_id
    assert made.expiration_date > "2026"
    assert made.key != a_signing_key(walk).key


@step
def a_key_for_another_organization_is_refused(walk: Walk) -> None:
    with refused(400) as refusal:
        a_signing_key(walk, organization_id="somebody_else")
    assert [detail["field"] for detail in refusal["details"]] == ["keyInformation.organizationId"]


@step
def client_credentials_are_stored_and_used_by_a_subscription(walk: Walk) -> None:
    from CyberSource import Kmsegressv2keyssymKeyInformation, SaveSymEgressKey

    # Two sources have provider and tenant the other way round.
    for provider, tenant in (("nrtd", walk.merchant_id), (walk.merchant_id, "nrtd")):
        credentials = Kmsegressv2keyssymKeyInformation(
            provider=provider,
            tenant=tenant,
            key_type="oAuthClientCredentials",
            organization_id=walk.merchant_id,
            client_key_id="books",
            key="a secret of the token server",
            expiry_duration="365",
        )
        request = SaveSymEgressKey(client_request_action="STORE", key_information=credentials.__dict__)
        stored, status, _ = walk.new_webhooks.save_sym_egress_key(save_sym_egress_key=as_the_samples(request))
        assert (status, stored.status, stored.key_information.client_key_id) == (201, "SUCCESS", "books")
        assert (stored.key_information.provider, stored.key_information.tenant) == (provider, tenant)

    with subscription(walk, security_policy=an_oauth_policy("oAuth")) as made:
        assert made.security_policy.security_type == "oAuth"
        assert made.security_policy.config.o_auth_url == "http://127.0.0.1:9/token"
        assert made.security_policy.config.o_auth_token_type == "Bearer"


@step
def a_subscription_may_prove_itself_with_a_signed_token(walk: Walk) -> None:
    from CyberSource import Notificationsubscriptionsv2webhooksSecurityPolicyConfigAdditionalConfig

    more = Notificationsubscriptionsv2webhooksSecurityPolicyConfigAdditionalConfig(
        aud="idp.receiver.example", client_id="650538A1", key_id="y-daaaAVyF0176M7", scope="invoices:write"
    )
    policy = an_oauth_policy("oAuth_JWT", additional_config=more.__dict__)
    with subscription(walk, security_policy=policy) as made:
        kept = made.security_policy.config.additional_config
        assert (kept.aud, kept.client_id, kept.key_id, kept.scope) == (
            "idp.receiver.example",
            "650538A1",
            "y-daaaAVyF0176M7",
            "invoices:write",
        )


@step
def a_certificate_is_stored(walk: Walk) -> None:
    from CyberSource import Kmsegressv2keysasymKeyInformation, SaveAsymEgressKey

    der = ssl.PEM_cert_to_DER_cert(walk.order["certificate"])
    certificate = Kmsegressv2keysasymKeyInformation(
        provider="nrtd",
        tenant=walk.merchant_id,
        key_type="publickey",
        organization_id=walk.merchant_id,
        pub=base64.b64encode(der).decode(),
    )
    request = SaveAsymEgressKey(client_request_action="STORE", key_information=certificate.__dict__)
    stored, status, body = walk.webhooks.save_asym_egress_key(as_the_samples(request))
    assert (status, stored.status) == (201, "SUCCESS")
    assert stored.submit_time_utc
    # The client's model has no more members; the answer has.
    assert json.loads(body)["keyInformation"]["keyType"] == "publickey"


@step
def a_subscription_is_made_fetched_listed_and_deleted(walk: Walk) -> None:
    from CyberSource import Notificationsubscriptionsv2webhooksRetryPolicy

    policy = Notificationsubscriptionsv2webhooksRetryPolicy(
        algorithm="GEOMETRIC",
        first_retry=3,
        interval=5,
        number_of_retries=4,
        deactivate_flag="false",
        repeat_sequence_count=0,
        repeat_sequence_wait_time=0,
    )
    with subscription(walk, retry_policy=policy.__dict__) as made:
        assert (made.status, made.webhook_url, made.organization_id) == ("INACTIVE", ELSEWHERE, walk.merchant_id)
        assert (made.name, made.description, made.notification_scope) == ("Our books", "Told by walk", "DESCENDANTS")
        (product,) = made.products
        # The client's own documents spell one event in two ways.
        assert (product.product_id, product.event_types) == (PRODUCT, [SEND, PAID, PARTIAL_PAYMENT])
        assert (made.retry_policy.algorithm, made.retry_policy.interval) == ("GEOMETRIC", 5)
        assert made.security_policy.security_type == "KEY"

        fetched, status, _ = walk.webhooks.get_webhook_subscription_by_id(made.webhook_id)
        assert (status, fetched) == (200, made)

        for wish in ({}, {"product_id": PRODUCT}, {"product_id": PRODUCT, "event_type": PAID}):
            listed, status, _ = walk.webhooks.get_webhook_subscriptions_by_org(walk.merchant_id, **wish)
            assert status == 200
            assert made.webhook_id in [each.webhook_id for each in listed]
        for organization_id, product_id in ((walk.merchant_id, "tokenManagement"), ("somebody_else", PRODUCT)):
            listed, status, _ = walk.webhooks.get_webhook_subscriptions_by_org(organization_id, product_id=product_id)
            assert (status, listed) == (200, [])
    for call in (walk.webhooks.get_webhook_subscription_by_id, walk.webhooks.delete_webhook_subscription):
        with refused(404) as refusal:
            call(made.webhook_id)
        assert refusal["reason"] == "NOT_FOUND"


@step
def an_update_changes_what_it_names(walk: Walk) -> None:
    from CyberSource import UpdateWebhook

    with subscription(walk) as made:
        change = as_the_samples(UpdateWebhook(name="The books", webhook_url="http://127.0.0.1:9/other"))
        changed, status, _ = walk.webhooks.notification_subscriptions_v2_webhooks_webhook_id_patch(
            made.webhook_id, update_webhook=change
        )
        assert (status, changed.name, changed.webhook_url) == (200, "The books", "http://127.0.0.1:9/other")
        assert (changed.description, changed.products) == (made.description, made.products)
        assert changed.updated_on >= changed.created_on == made.created_on
        with refused(400) as refusal:
            walk.webhooks.notification_subscriptions_v2_webhooks_webhook_id_patch(
                made.webhook_id, update_webhook=as_the_samples(UpdateWebhook(webhook_url="ftp://receiver.example"))
            )
        assert [detail["field"] for detail in refusal["details"]] == ["webhookUrl"]
    with refused(404):
        walk.webhooks.notification_subscriptions_v2_webhooks_webhook_id_patch(made.webhook_id, update_webhook=change)


@step
def a_subscription_is_switched_on_and_off(walk: Walk) -> None:
    with subscription(walk) as made:
        for status in ("ACTIVE", "INACTIVE"):
            switch(walk, made.webhook_id, status)
            assert walk.webhooks.get_webhook_subscription_by_id(made.webhook_id)[0].status == status
        with refused(400):
            switch(walk, made.webhook_id, "SUSPENDED")
    with refused(404):
        switch(walk, made.webhook_id, "ACTIVE")


@step
def a_test_reaches_the_receiver_and_switches_the_subscription_on(walk: Walk) -> None:
    key = a_signing_key(walk).key
    with receiver() as (url, calls), subscription(walk, url=url) as made:
        answer, status, _ = walk.webhooks.notification_subscriptions_v1_webhooks_webhook_id_post(made.webhook_id)
        assert (status, answer.webhook_id, answer.product_id) == (201, made.webhook_id, PRODUCT)
        assert (answer.event_type, answer.request_type, answer.retry_number) == (SEND, "NEW", 0)
        assert answer.organization_id == walk.merchant_id
        called = calls.get(timeout=10)
        called.check(key)
        assert called.headers["V-C-Transaction-Trace-Id"] == answer.transaction_trace_id
        assert json.loads(called.body)["payloads"]["testPayload"]["message"] == answer.payloads.test_payload.message
        assert walk.webhooks.get_webhook_subscription_by_id(made.webhook_id)[0].status == "ACTIVE"
    with subscription(walk) as made:
        with refused(400) as refusal:
            walk.webhooks.notification_subscriptions_v1_webhooks_webhook_id_post(made.webhook_id)
        assert refusal["reason"] == "NOTIFICATION_NOT_DELIVERED"


@step
def an_invoice_that_is_sent_is_told_and_told_again_on_demand(walk: Walk) -> None:
    key = a_signing_key(walk).key
    with receiver() as (url, calls), subscription(walk, url=url) as made:
        switch(walk, made.webhook_id, "ACTIVE")
        invoice = walk.create(send=True, mode="email")
        told = calls.get(timeout=20)
        told.check(key)
        body = json.loads(told.body)
        assert (body["eventType"], body["webhookId"], body["productId"]) == (SEND, made.webhook_id, PRODUCT)
        assert body["payload"]["data"]["invoiceNumber"] == invoice.id
        assert body["payload"]["data"]["invoiceUrl"] == invoice.invoice_information.payment_link

        again = replayed(walk, made.webhook_id, told.headers["V-C-Transaction-Trace-Id"], calls)
        again.check(key)
        assert json.loads(again.body)["notificationId"] == body["notificationId"] == again.headers["webhook-id"]


@step
def what_old_versions_of_the_client_called_is_still_answered(walk: Walk) -> None:
    v1 = "/notification-subscriptions/v1/webhooks"
    for products in (
        f"/notification-subscriptions/v1/products/{walk.merchant_id}",
        # So the guide has it, once.
        f"/webhooks/notification-subscriptions/v1/products/{walk.merchant_id}",
    ):
        listed, status, _ = old_call(walk, "GET", products)
        assert (status, [each["productId"] for each in listed]) == (200, [PRODUCT])
    wanted = {
        "name": "Our books",
        "organizationId": walk.merchant_id,
        "productId": PRODUCT,
        "eventTypes": [SEND],
        "webhookUrl": ELSEWHERE,
        "securityPolicy": {"securityType": "KEY", "proxyType": "external"},
    }
    made, status, _ = old_call(walk, "POST", v1, wanted)
    assert (status, made["productId"], made["eventTypes"], made["notificationScope"]) == (201, PRODUCT, [SEND], "SELF")
    one = f"{v1}/{made['webhookId']}"
    change = {"status": "INACTIVE", "notificationScope": {"scope": "SELF", "scopeData": []}}
    changed, status, _ = old_call(walk, "PATCH", one, change)
    assert (status, changed["status"], changed["eventTypes"]) == (200, "INACTIVE", [SEND])
    assert old_call(walk, "GET", one)[0]["webhookId"] == made["webhookId"]
    assert old_call(walk, "DELETE", one)[1] == 200


@step
def a_wrong_secret_gets_no_webhooks(walk: Walk) -> None:
    if "merchant_secretkey" not in walk.settings:
        # A P12 file has no secret to be wrong about.
        return
    wrong = walk.with_settings(merchant_secretkey=ANOTHER_SECRET)
    for call in (
        lambda: wrong.new_webhooks.find_products_to_subscribe(walk.merchant_id),
        lambda: wrong.webhooks.get_webhook_subscriptions_by_org(walk.merchant_id),
        lambda: a_signing_key(wrong),
        lambda: wrong.webhooks.notification_subscriptions_v1_webhooks_webhook_id_post("any"),
    ):
        with refused(401) as refusal:
            call()
        assert refusal == {"response": {"rmsg": "Authentication Failed"}}


class Call(NamedTuple):
    """What the receiver was sent."""

    headers: Any
    body: bytes

    def check(self, key: str) -> None:
        """Refuse it unless it was signed with the key, as the vendor's guide says to check it."""
        parts = dict(part.split("=", 1) for part in self.headers["V-C-Signature"].split(";"))
        assert list(parts) == ["t", "keyId", "sig"]
        signed = hmac.digest(base64.b64decode(key), parts["t"].encode() + b"." + self.body, "sha256")
        assert hmac.compare_digest(base64.b64encode(signed).decode(), parts["sig"])


@contextmanager
def receiver() -> Iterator[tuple[str, "queue.Queue[Call]"]]:
    """Lend a program that takes everything, and what it has taken."""
    calls: queue.Queue[Call] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls.put(Call(self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *values: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks", calls
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def subscription(walk: Walk, *, url: str = ELSEWHERE, **more: Any) -> Iterator[Any]:
    """Make a subscription the way the vendor's samples do, and delete it in the end."""
    from CyberSource import CreateWebhook, Notificationsubscriptionsv2webhooksProducts1
    from CyberSource.rest import ApiException

    product = Notificationsubscriptionsv2webhooksProducts1(
        product_id=PRODUCT, event_types=[SEND, PAID, "invoicing.customer.invoice.partialpayment"]
    )
    more = {"security_policy": {"security_type": "KEY"}, **more}
    request = CreateWebhook(
        name="Our books",
        description="Told by walk",
        organization_id=walk.merchant_id,
        products=[product.__dict__],
        webhook_url=url,
        notification_scope="DESCENDANTS",
        **more,
    )
    made, status, _ = walk.new_webhooks.notification_subscriptions_v2_webhooks_post(
        create_webhook=as_the_samples(request)
    )
    assert status == 201
    try:
        yield made
    except BaseException:
        with suppress(ApiException):
            walk.webhooks.delete_webhook_subscription(made.webhook_id)
        raise
    assert walk.webhooks.delete_webhook_subscription(made.webhook_id)[1] == 200


def switch(walk: Walk, webhook_id: str, status: str) -> None:
    from CyberSource import UpdateStatus

    _, code, _ = walk.webhooks.notification_subscriptions_v2_webhooks_webhook_id_status_put(
        webhook_id, update_status=as_the_samples(UpdateStatus(status=status))
    )
    assert code == 200


def a_signing_key(walk: Walk, **more: Any) -> Any:
    from CyberSource import (
        Kmsegressv2keyssymClientReferenceInformation,
        Kmsegressv2keyssymKeyInformation,
        SaveSymEgressKey,
    )

    wanted = Kmsegressv2keyssymKeyInformation(
        **{
            "provider": "nrtd",
            "tenant": walk.merchant_id,
            "key_type": "sharedSecret",
            "organization_id": walk.merchant_id,
            **more,
        }
    )
    request = SaveSymEgressKey(
        client_reference_information=Kmsegressv2keyssymClientReferenceInformation(code="walk").__dict__,
        client_request_action="CREATE",
        key_information=wanted.__dict__,
    )
    made, status, _ = walk.new_webhooks.save_sym_egress_key(
        v_c_correlation_id="a-walk",
        v_c_sender_organization_id=walk.merchant_id,
        v_c_permissions="none",
        save_sym_egress_key=as_the_samples(request),
    )
    assert (status, made.status) == (201, "SUCCESS")
    return made.key_information


def an_oauth_policy(security_type: str, **more: Any) -> dict[str, Any]:
    from CyberSource import (
        Notificationsubscriptionsv2webhooksSecurityPolicy,
        Notificationsubscriptionsv2webhooksSecurityPolicyConfig,
    )

    config = Notificationsubscriptionsv2webhooksSecurityPolicyConfig(
        o_auth_url="http://127.0.0.1:9/token", o_auth_token_type="Bearer", **more
    )
    policy = Notificationsubscriptionsv2webhooksSecurityPolicy(security_type=security_type, config=config.__dict__)
    return dict(policy.__dict__)


def replayed(walk: Walk, webhook_id: str, trace_id: str, calls: "queue.Queue[Call]") -> Call:
    """Have an attempt sent again. The client had a call for this until its version of March 2025."""
    selection = {"byTransactionTraceIdentifiers": [trace_id]}
    for _ in range(5):
        _, status, _ = old_call(walk, "POST", f"/nrtf/v1/webhooks/{webhook_id}/replays", selection)
        assert status == 202
        # We may have asked before the server had written down that we took it.
        with suppress(queue.Empty):
            return calls.get(timeout=4)
    raise AssertionError("it never came again")


def as_the_samples(model: Any) -> str:
    """Return the body as the vendor's samples write it, which leaves it to the client to mend the names."""
    return json.dumps(without_none(model.__dict__))


def old_call(walk: Walk, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Call what the client has no function for any more, by the function that all of its own go through."""
    headers = {"Accept": "application/json;charset=utf-8", "Content-Type": "application/json;charset=utf-8"}
    return walk.webhooks.api_client.call_api(
        path,
        method,
        {},
        [],
        headers,
        body=json.dumps(body) if body is not None else None,
        response_type="object",
        auth_settings=[],
    )
