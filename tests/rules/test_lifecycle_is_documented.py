"""The page on statuses says what the code does: where each action leads, what it leaves behind, what it announces."""

from documented import ROOT, table
from paydue.domain.events import What
from paydue.domain.lifecycle import TABLE, WITH_PAYMENT_LINK, Action, Status, allows
from paydue.usecases.announcements import ANNOUNCEMENTS

STATUSES = ROOT / "docs" / "reference" / "statuses.md"
LINKED_ACTIONS = {"update": Action.UPDATE, "deliver": Action.SEND_BY_MAIL, "cancel": Action.CANCEL}


def test_the_table_of_actions_is_the_one_in_the_code() -> None:
    rows = table(STATUSES, "lifecycle")

    documented = {row["action"]: {status: row[status] for status in Status if row[status] != "-"} for row in rows}
    assert documented == {action.value: dict(leads) for action, leads in TABLE.items()}


def test_every_status_is_explained_with_its_links() -> None:
    rows = {row["status"]: row for row in table(STATUSES, "statuses")}

    assert set(rows) == {status.value for status in Status}
    for status in Status:
        links = ["self", *(name for name, action in LINKED_ACTIONS.items() if allows(status, action))]
        assert rows[status]["links in an answer"] == ", ".join(links), status
        assert rows[status]["payment link"].startswith("yes") is (status in WITH_PAYMENT_LINK), status


def test_every_event_of_the_history_is_explained() -> None:
    rows = table(STATUSES, "events")

    assert {event for row in rows for event in row["event"].split(", ")} == {what.value for what in What}


def test_the_announcements_are_those_in_the_code() -> None:
    rows = table(STATUSES, "announcements")

    documented = {
        (row["event"], row["status afterwards"]): (
            row["mail to the payer"],
            row["webhook"] if row["webhook"] != "-" else None,
        )
        for row in rows
    }
    assert documented == {(what.value, status.value): owed for (what, status), owed in ANNOUNCEMENTS.items()}
