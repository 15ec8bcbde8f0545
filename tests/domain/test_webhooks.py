"""The life of a subscription, cell by cell, and what it listens to."""

from datetime import timedelta

import pytest

from paydue.domain.webhooks import (
    TABLE,
    OAuthConfig,
    ProductEvents,
    SecurityPolicy,
    SecurityType,
    SubscriptionAction,
    SubscriptionActionNotAllowed,
    SubscriptionStatus,
    Who,
)
from webhook_builders import NOON, URL, a_subscription

LATER = NOON + timedelta(minutes=5)
S = SubscriptionStatus
A = SubscriptionAction

# The table again, by hand, from the documents: columns are the present status, "-" is refused.
STATUSES = (S.PENDING_REVIEW, S.BLOCKED, S.INACTIVE, S.ACTIVE, S.SUSPENDED)
EXPECTED = {
    A.ACTIVATE:    "-              -              ACTIVE         ACTIVE         ACTIVE",
    A.DEACTIVATE:  "-              -              INACTIVE       INACTIVE       INACTIVE",
    A.TRY:         "-              -              ACTIVE         ACTIVE         ACTIVE",
    A.REPLAY:      "-              -              -              ACTIVE         SUSPENDED",
    A.SUBMIT_URLS: "PENDING_REVIEW PENDING_REVIEW PENDING_REVIEW PENDING_REVIEW PENDING_REVIEW",
    A.APPROVE:     "INACTIVE       -              -              -              -",
    A.REJECT:      "BLOCKED        -              -              -              -",
    A.RESUME:      "-              -              ACTIVE         ACTIVE         ACTIVE",
    A.TAKE:        "-              -              -              ACTIVE         SUSPENDED",
    A.FAIL:        "-              -              -              ACTIVE         SUSPENDED",
    A.SUSPEND:     "-              -              -              SUSPENDED      SUSPENDED",
    A.GIVE_UP:     "-              -              -              INACTIVE       INACTIVE",
}  # fmt: skip
CELLS = [
    (action, status, leads)
    for action, row in EXPECTED.items()
    for status, leads in zip(STATUSES, row.split(), strict=True)
]


def test_the_expected_table_names_every_action():
    assert set(EXPECTED) == set(A) == set(TABLE)


@pytest.mark.parametrize("action, status, leads", CELLS)
def test_an_action_leads_where_the_table_says_or_is_refused(action, status, leads):
    before = a_subscription(status)
    if leads == "-":
        with pytest.raises(SubscriptionActionNotAllowed) as refused:
            before.after(action, LATER)
        assert (refused.value.action, refused.value.status) == (action, status)
    else:
        after = before.after(action, LATER)
        assert after.status.value == leads
        assert after.updated_at == (LATER if after is not before else NOON)


def test_the_merchant_switches_the_reviewer_judges_and_the_worker_sees():
    by = {who: {action for action, rule in TABLE.items() if rule.who is who} for who in Who}

    assert by == {
        Who.MERCHANT: {A.ACTIVATE, A.DEACTIVATE, A.TRY, A.REPLAY, A.SUBMIT_URLS},
        Who.REVIEWER: {A.APPROVE, A.REJECT},
        Who.WORKER: {A.RESUME, A.TAKE, A.FAIL, A.SUSPEND, A.GIVE_UP},
    }


def test_a_healthy_probe_starts_a_subscription_that_never_started():
    assert a_subscription(S.INACTIVE).after(A.RESUME, LATER).status is S.ACTIVE


@pytest.mark.parametrize("switched_off_by", [A.DEACTIVATE, A.GIVE_UP])
def test_a_healthy_probe_does_not_undo_a_decision_to_stop(switched_off_by):
    stopped = a_subscription(S.ACTIVE).after(switched_off_by, LATER)

    assert stopped.after(A.RESUME, LATER) is stopped
    moved = stopped.after(A.SUBMIT_URLS, LATER).after(A.APPROVE, LATER)
    assert moved.after(A.RESUME, LATER).status is S.INACTIVE


@pytest.mark.parametrize("switched_on_by", [A.ACTIVATE, A.TRY])
def test_what_the_merchant_switched_off_the_merchant_starts_again(switched_on_by):
    stopped = a_subscription(S.ACTIVE).after(A.DEACTIVATE, LATER)

    assert stopped.after(switched_on_by, LATER).after(A.SUSPEND, LATER).after(A.RESUME, LATER).status is S.ACTIVE


def test_switching_off_what_never_started_is_remembered():
    stopped = a_subscription(S.INACTIVE).after(A.DEACTIVATE, LATER)

    assert stopped.after(A.RESUME, LATER).status is S.INACTIVE


@pytest.mark.parametrize("failed", [A.FAIL, A.SUSPEND])
def test_days_of_failing_count_from_the_first_until_something_is_taken(failed):
    failing = a_subscription(S.ACTIVE).after(failed, LATER)
    assert failing.failing_since == LATER
    later = LATER + timedelta(days=1)
    again = failing.after(A.RESUME, later).after(failed, later)
    assert again.failing_since == LATER
    for taken in (A.TAKE, A.ACTIVATE, A.TRY):
        assert again.after(taken, later).failing_since is None


def test_every_address_that_would_be_called_has_to_be_reviewed():
    oauth = SecurityPolicy(security_type=SecurityType.OAUTH, oauth=OAuthConfig(token_url="https://idp.example/token"))
    subscription = a_subscription(health_check_url="https://receiver.example/health", security=oauth)

    assert subscription.urls == {URL, "https://receiver.example/health", "https://idp.example/token"}
    assert a_subscription().urls == {URL}


def test_an_event_is_wanted_only_of_the_product_it_was_named_for():
    subscription = a_subscription(
        products=(
            ProductEvents(product_id="customerInvoicing", event_types=("a", "b")),
            ProductEvents(product_id="payByLink", event_types=("c",)),
        )
    )

    assert subscription.wants("customerInvoicing", "b")
    assert subscription.wants("payByLink", "c")
    assert not subscription.wants("payByLink", "b")
    assert not subscription.wants("customerInvoicing", "d")
