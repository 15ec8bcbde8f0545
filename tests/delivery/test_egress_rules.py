"""Where we call: addresses that are refused however they are spelled, and URLs that only one reading is left of."""

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paydue.delivery.egress_rules import EgressRules, RefusedByRules, Target, read_networks

RULES = EgressRules()
DEVELOPMENT = EgressRules(is_development=True)

NOT_PUBLIC = """
    0.0.0.0 0.255.255.255 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.254
    169.254.169.254 169.254.0.1 172.16.0.1 172.31.255.255 192.0.0.8 192.0.0.171 192.0.2.1 192.31.196.1 192.52.193.1
    192.88.99.1 192.168.1.1 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255
    240.0.0.1 255.255.255.255 168.63.129.16
    :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:0:7f00:1 64:ff9b::7f00:1 64:ff9b::808:808
    64:ff9b:1::7f00:1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:20::1 2001:db8::1
    2002:7f00:1:: 2002:808:808::
    2620:4f:8000::1 3fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1
    ff0e::1
""".split()
PUBLIC = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
    172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 198.17.255.255 198.20.0.0 198.241.206.21 223.255.255.255
    2606:4700:4700::1111 2a00:1450:4001:80e::200e 2001:4860:4860::8888 2003::1
""".split()


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_a_strangers_public_host_is_refused(address):
    with pytest.raises(RefusedByRules):
        RULES.check(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_dialled(address):
    RULES.check(ip_address(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_development_allows_this_machine_and_nothing_else_inside(address):
    DEVELOPMENT.check(ip_address(address))
    for inside in set(NOT_PUBLIC) - {"127.0.0.1", "127.255.255.254", "::1"}:
        with pytest.raises(RefusedByRules):
            DEVELOPMENT.check(ip_address(inside))


def test_an_operator_may_allow_private_networks_by_name():
    rules = EgressRules(allowed_networks=read_networks(("10.1.0.0/16", "fd00:1::/32")))

    rules.check(ip_address("10.1.2.3"))
    rules.check(ip_address("fd00:1::7"))
    for outside in ("10.2.0.1", "127.0.0.1", "fd00:2::7", "::ffff:10.1.2.3"):
        with pytest.raises(RefusedByRules):
            rules.check(ip_address(outside))


def test_a_network_that_is_none_is_refused():
    assert read_networks(("10.0.0.0/8", "fc00::/7")) == (IPv4Network("10.0.0.0/8"), IPv6Network("fc00::/7"))
    with pytest.raises(ValueError, match="host bits"):
        read_networks(("10.0.0.1/8",))


@given(st.integers(0, 2**32 - 1))
def test_no_form_that_carries_an_ipv4_address_inside_an_ipv6_one_is_dialled(number):
    carried = IPv4Address(number).packed
    forms = (
        bytes(12) + carried,
        bytes(10) + b"\xff\xff" + carried,
        bytes(8) + b"\xff\xff\x00\x00" + carried,
        bytes.fromhex("0064ff9b") + bytes(8) + carried,
        bytes.fromhex("0064ff9b0001") + bytes(6) + carried,
        bytes.fromhex("2002") + carried + bytes(10),
        bytes.fromhex("20010000") + bytes(8) + bytes(byte ^ 0xFF for byte in carried),
    )
    for form in forms:
        with pytest.raises(RefusedByRules):
            RULES.check(ip_address(form))


@given(st.ip_addresses())
def test_no_address_is_dialled_that_the_standard_library_calls_private(address):
    try:
        RULES.check(address)
    except RefusedByRules:
        return
    assert address.is_global
    assert not any((address.is_private, address.is_loopback, address.is_multicast))


@pytest.mark.parametrize(
    "url, target",
    [
        ("https://example.com", Target("https", "example.com", 443, "/")),
        ("HTTPS://Example.COM:443/a?b=c#d", Target("https", "example.com", 443, "/a?b=c")),
        ("https://example.com:8443/hooks/%7Ea", Target("https", "example.com", 8443, "/hooks/%7Ea")),
        ("https://example.com?a", Target("https", "example.com", 443, "/?a")),
        ("https://example.com./", Target("https", "example.com", 443, "/")),
        ("https://example.com:/", Target("https", "example.com", 443, "/")),
        ("https://münchen.example/ä", Target("https", "xn--mnchen-3ya.example", 443, "/%C3%A4")),
        ("https://straße.example/", Target("https", "xn--strae-oqa.example", 443, "/")),
        ("https://例え。テスト/", Target("https", "xn--r8jz45g.xn--zckzah", 443, "/")),
        ("https://my_host.internal/", Target("https", "my_host.internal", 443, "/")),
        ("https://receiver/", Target("https", "receiver", 443, "/")),
        ("https://1.1.1.1/", Target("https", "1.1.1.1", 443, "/")),
        ("https://１.１.１.１/", Target("https", "1.1.1.1", 443, "/")),
        ("https://127.0.0.1./", Target("https", "127.0.0.1", 443, "/")),
        ("https://[2606:4700:0:0::1111]:8443/", Target("https", "2606:4700::1111", 8443, "/")),
        ("https://[::ffff:127.0.0.1]/", Target("https", "::ffff:7f00:1", 443, "/")),
        ("https://example.com/a/../b//c", Target("https", "example.com", 443, "/a/../b//c")),
    ],
)  # fmt: skip
def test_a_url_is_read_in_one_way(url, target):
    assert RULES.read(url) == target


@pytest.mark.parametrize(
    "target, authority",
    [
        (Target("https", "example.com", 443, "/"), "example.com"),
        (Target("https", "example.com", 8443, "/"), "example.com:8443"),
        (Target("http", "example.com", 80, "/"), "example.com"),
        (Target("http", "example.com", 443, "/"), "example.com:443"),
        (Target("https", "2606:4700::1111", 443, "/"), "[2606:4700::1111]"),
        (Target("https", "2606:4700::1111", 8443, "/"), "[2606:4700::1111]:8443"),
    ],
)
def test_the_host_header_names_the_port_only_where_it_is_not_the_usual(target, authority):
    assert target.authority == authority


@pytest.mark.parametrize(
    "url, reason",
    [
        ("", "absolute https"),
        ("example.com", "absolute https"),
        ("//example.com/", "absolute https"),
        ("/hooks", "absolute https"),
        ("http://example.com/", "absolute https"),
        ("ftp://example.com/", "absolute https"),
        ("gopher://example.com/", "absolute https"),
        ("file:///etc/passwd", "absolute https"),
        ("javascript:alert(1)", "absolute https"),
        ("httpſ://example.com/", "absolute https"),
        ("https:example.com", "absolute https"),
        ("https:/example.com", "absolute https"),
        ("https:\\\\example.com", "backslashes"),
        ("https://example.com\\@127.0.0.1/", "backslashes"),
        (" https://example.com", "spaces"),
        ("https://example.com/a b", "spaces"),
        ("https://example.com/\r\nHost: a", "control"),
        ("https://example.com/\x00", "control"),
        ("https://exam\tple.com/", "control"),
        ("https://example.com/\u2028", "spaces"),
        ("https://example.com/\ud800", "control"),
        ("https://", "host"),
        ("https:///path", "host"),
        ("https://:443/", "host"),
        ("https://./", "host"),
        ("https://example..com/", "host"),
        ("https://example.com../", "host"),
        ("https://.example.com/", "host"),
        ("https://-a.example/", "host"),
        ("https://a%2eb.example/", "host"),
        ("https://127.0.0.1%2f@example.com/", "user name"),
        ("https://user@example.com/", "user name"),
        ("https://user:password@example.com/", "user name"),
        ("https://@example.com/", "user name"),
        ("https://example.com:443@127.0.0.1/", "user name"),
        ("https://" + "a" * 64 + ".example/", "host"),
        ("https://" + "a." * 127 + "example/", "host"),
        ("https://exam<ple.com/", "host"),
        ("https://xn--\u00e9.example/", "host"),
        ("https://\u2488com/", "host"),
        ("https://[::1", "host"),
        ("https://[::1]a/", "host"),
        ("https://[::1%25eth0]/", "host"),
        ("https://[fe80::1%eth0]/", "host"),
        ("https://[1.2.3.4]/", "host"),
        ("https://[v1.a]/", "host"),
        ("https://[]/", "host"),
        ("https://::1/", "host"),
        ("https://127.1/", "four decimal numbers"),
        ("https://0x7f.1/", "four decimal numbers"),
        ("https://0x7f000001/", "four decimal numbers"),
        ("https://0X7F.0.0.0x1/", "four decimal numbers"),
        ("https://2130706433/", "four decimal numbers"),
        ("https://2130706433./", "four decimal numbers"),
        ("https://017700000001/", "four decimal numbers"),
        ("https://0177.0.0.1/", "four decimal numbers"),
        ("https://127.0.0.01/", "four decimal numbers"),
        ("https://0/", "four decimal numbers"),
        ("https://0x/", "four decimal numbers"),
        ("https://256.0.0.1/", "four decimal numbers"),
        ("https://1.2.3.4.5/", "four decimal numbers"),
        ("https://a.1/", "four decimal numbers"),
        ("https://①②⑦.⓪.⓪.①.1/", "four decimal numbers"),
        ("https://example.com:0/", "port"),
        ("https://example.com:65536/", "port"),
        ("https://example.com:-1/", "port"),
        ("https://example.com:４４３/", "port"),
        ("https://example.com:443a/", "port"),
        ("https://example.com:443:443/", "port"),
        ("https://example.com:80/", "port 80 is not allowed: use 443, 8443"),
        ("https://example.com:22/", "port 22"),
        ("https://example.com/" + "a" * 2048, "2048"),
    ],
)
def test_a_url_of_another_form_is_refused_saying_why(url, reason):
    assert reason in (RULES.fault_in(url) or "")
    with pytest.raises(RefusedByRules):
        RULES.read(url)


@pytest.mark.parametrize("host", ["①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.０.０.１"])
def test_other_digits_and_dots_are_judged_as_the_address_they_mean(host):
    target = RULES.read(f"https://{host}/")

    assert target.address == IPv4Address("127.0.0.1")


def test_development_allows_plain_http_and_any_port():
    assert DEVELOPMENT.read("http://localhost:3000/hooks") == Target("http", "localhost", 3000, "/hooks")
    assert DEVELOPMENT.fault_in("ftp://localhost/") is not None
    assert DEVELOPMENT.fault_in("http://user@localhost/") is not None


def test_an_operator_may_allow_more_ports():
    assert EgressRules(ports=frozenset((443, 9443))).fault_in("https://example.com:9443/") is None


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda rest: "https://" + rest))
def test_any_text_is_either_refused_or_becomes_a_request_line_without_surprises(text):
    try:
        target = RULES.read(text)
    except RefusedByRules:
        return
    assert target.host.isascii()
    assert target.path.isascii()
    assert target.path.startswith("/")
    assert not set(target.path + target.authority) & set(" \r\n\t\\#\x00")
    assert target.port in RULES.ports
