"""Which refusals mean that an address is good for nothing, and which only that this mail was not wanted now."""

import pytest

from paydue.domain.mail_address import is_dead_address


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (550, "5.1.1 no such user"),
        (550, "5.1.10 Recipient not found"),
        (553, "5.1.2 the domain is not there"),
        (550, "5.2.1 the mailbox is disabled"),
        (550, "No such user here"),
        (551, "user not local"),
        (None, "smtp; 550 5.1.1 <a@b.example> unknown"),
        (None, "5.1.1"),
    ],
)
def test_a_mailbox_that_is_not_there_is_dead(code, said):
    assert is_dead_address(code, said)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (550, "5.7.1 your mail looks like spam"),
        (552, "5.2.2 mailbox full"),
        (552, "too much"),
        (554, "transaction failed"),
        (450, "4.1.1 try later"),
        (550, "5.7.26 unauthenticated mail"),
        (None, ""),
        (None, "client 15.1.1.1 is blocked"),
        (550, "4.2.1 the mailbox is disabled for the moment"),
    ],
)
def test_what_says_nothing_about_the_mailbox_leaves_it_alive(code, said):
    assert not is_dead_address(code, said)
