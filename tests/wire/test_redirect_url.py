"""Where payers may be sent: what is taken, how it is written anew, and what no browser shall be trusted with."""

import pytest

from paydue.wire.redirect_url import redirect_url


@pytest.mark.parametrize(
    "text, kept",
    [
        ("https://example.com", "https://example.com"),
        ("https://example.com/", "https://example.com/"),
        ("https://example.com/success?order=1&x=a%20b#top", "https://example.com/success?order=1&x=a%20b#top"),
        ("HTTPS://EXAMPLE.com/Path", "https://example.com/Path"),
        ("https://shop.example.com:8443/a;b/c,d/[1]", "https://shop.example.com:8443/a;b/c,d/[1]"),
        ("https://example.com:0443/", "https://example.com:443/"),
        ("https://example.com:/a", "https://example.com/a"),
        ("https://localhost/a", "https://localhost/a"),
        ("https://127.0.0.1/a", "https://127.0.0.1/a"),
        ("https://[2001:DB8::1]:8443/a", "https://[2001:db8::1]:8443/a"),
        ("https://müller.example/straße?q=ä", "https://xn--mller-kva.example/stra%C3%9Fe?q=%C3%A4"),
        ("https://ｅｘａｍｐｌｅ.com/", "https://example.com/"),
        ("https://example.com/<script>\"'`{}|^", "https://example.com/%3Cscript%3E%22'%60%7B%7D%7C%5E"),
        ("https://example.com?next=//evil.example", "https://example.com?next=//evil.example"),
        ("https://example.com/@user:pass", "https://example.com/@user:pass"),
        ("https://example.com/100%", "https://example.com/100%"),
        ("https://example.com//double", "https://example.com//double"),
        ("https://example.com/?", "https://example.com/?"),
    ],
)
def test_an_absolute_https_address_is_kept_in_ascii(text, kept):
    assert redirect_url(text) == kept
    assert redirect_url(kept) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "/success",
        "//example.com/a",
        "https:",
        "https:/example.com",
        "https:example.com",
        "https:///example.com",
        "https://",
        "https://?a",
        "http://example.com",
        "ftp://example.com",
        "javascript:alert(1)",
        "javascript://example.com/%0aalert(1)",
        "data:text/html,hi",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://@example.com/",
        "https://example.com\\@evil.example/",
        "https:\\\\example.com",
        "https://exa mple.com/",
        "https://example.com/a b",
        " https://example.com/",
        "https://example.com/\u00a0",
        "https://example.com/\u2028",
        "https://example.com/\r\nSet-Cookie: a=b",
        "https://exam\tple.com/",
        "https://example.com/\x00",
        "https://example.com/\x85",
        "https://example.com/\ud800",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:999999/",
        "https://example.com:-1/",
        "https://example.com:8a/",
        "https://example.com:٣/",
        "https://example.com:80:80/",
        "https://[::1/",
        "https://[::1]x/",
        "https://[fe80::1%25eth0]/",
        "https://[nonsense]/",
        "https://::1/",
        "https://exam%70le.com/",
        "https://example..com/",
        "https://.example.com/",
        "https://-example.com/",
        "https://" + "a" * 64 + ".com/",
        "https://" + "a." * 130 + "com/",
        "https://example.com／evil.example/",
        "https://exam<ple.com/",
    ],
)
def test_whatever_browsers_may_understand_differently_is_refused(text):
    assert redirect_url(text) is None


def test_plain_http_is_taken_only_where_it_is_allowed():
    assert redirect_url("http://example.com/a", allows_plain_http=True) == "http://example.com/a"
    assert redirect_url("https://example.com/a", allows_plain_http=True) == "https://example.com/a"
    assert redirect_url("ftp://example.com/a", allows_plain_http=True) is None
