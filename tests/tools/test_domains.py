"""Which hosts a sandboxed command may reach, and where they may lead."""

import pytest

from flowchat.tools.domains import domains_of
from flowchat.tools.outward import Unreached, is_public, proxy_for
from flowchat.tools.proxy import Asked, parse
from flowchat.tools.rules import Rule, parse_rule


def rules(*written: str) -> list[Rule]:
    """`+x` allows, `-x` denies, `?x` asks."""
    effects = {"+": "allow", "-": "deny", "?": "ask"}
    return [parse_rule(one[1:], effects[one[0]]) for one in written]


@pytest.mark.parametrize(
    ("written", "allowed", "off", "told"),
    [
        (["+web_fetch(domain:a.org)"], ["a.org", "A.org.", "A.ORG"], ["b.a.org", "xa.org", "a.org.evil.org", "org"], "a.org"),
        (["+web_fetch(domain:*.a.org)"], ["b.a.org", "c.b.a.org"], ["a.org", "ba.org"], "*.a.org"),
        (["+web_fetch(domain:*.a.org)", "-web_fetch(domain:b.a.org)"], ["c.a.org"], ["b.a.org", "B.A.org."], "*.a.org"),
        (["-web_fetch(domain:a.org)", "+web_fetch(domain:a.org)", "+web_fetch(domain:b.org)"], ["b.org"], ["a.org"], "b.org"),
        (["?WebFetch(domain:*.a.org)", "+web_fetch(domain:*.b.a.org)"], [], ["c.b.a.org"], ""),
        (["+WebFetch(domain:a.org)", "-web_fetch"], [], ["a.org"], ""),
        (["+web_fetch"], [], ["a.org"], ""),
        (["+shell(curl:*)"], [], ["a.org"], ""),
        ([f"+web_fetch(domain:{name}.org)" for name in "abcde"], ["e.org"], ["f.org"], "a.org, b.org, c.org and 2 more"),
        (["+web_fetch(domain:a.org)", "+web_fetch(domain:b.org)"], ["b.org"], [], "a.org and b.org"),
    ],
)
def test_a_host_is_reached_that_a_rule_allows_and_none_forbids(
    written: list[str], allowed: list[str], off: list[str], told: str
) -> None:
    domains = domains_of(rules(*written))
    assert [host for host in (*allowed, *off) if domains.is_allowed(host)] == allowed
    assert str(domains) == told


def test_the_rule_that_decides_is_known() -> None:
    domains = domains_of(rules("+web_fetch(domain:*.a.org)", "-web_fetch(domain:b.a.org)"))
    decided = [domains.decides(host) for host in ("b.a.org", "c.a.org", "a.org")]
    assert [rule and (rule.effect, rule.spec) for rule in decided] == [
        ("deny", "domain:b.a.org"),
        ("allow", "domain:*.a.org"),
        None,
    ]


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16", "192.0.0.192", "198.18.0.1"),
        *("::", "::1", "fe80::1", "fe80::1%2", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "::127.0.0.1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1"),
        *("64:ff9b:1::1", "a.org", ""),
    ],
)
def test_an_address_that_is_not_out_in_the_internet_is_not_open(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "151.101.0.223", "2a04:4e42::223", "64:ff9b::808:808"])
def test_an_address_in_the_internet_is_open(address: str) -> None:
    assert is_public(address)


def test_a_request_is_forwarded_to_the_host_it_names_without_what_is_for_the_proxy() -> None:
    head = (
        b"POST http://A.org/x?y=1#z HTTP/1.1\r\nHost: evil.org\r\nProxy-Authorization: Basic x\r\nConnection: X-Hop\r\n"
        b"X-Hop: 1\r\nContent-Length: 3\r\nAccept: */*\r\n\r\n"
    )
    sent = b"POST /x?y=1 HTTP/1.1\r\nHost: A.org\r\nContent-Length: 3\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    assert parse(head) == Asked("a.org", 80, False, sent, 3)
    assert parse(b"CONNECT a.org:443 HTTP/1.1\r\n\r\n") == Asked("a.org", 443, True)
    assert parse(b"GET http://a.org?q HTTP/1.0\r\n\r\n").head == b"GET /?q HTTP/1.0\r\nHost: a.org\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        *(b"", b"GET / HTTP/1.1", b"GET http://a.org/ HTTP/2", b"GET ftp://a.org/ HTTP/1.1", b"CONNECT a.org HTTP/1.1"),
        *(b"GET http://u:p@a.org/ HTTP/1.1", b"GET http://a.org\\@b.org/ HTTP/1.1", b"CONNECT a.org:443:1 HTTP/1.1"),
        b"GET http://a.org/ HTTP/1.1\r\n Host: b.org",
        b"GET http://a.org/ HTTP/1.1\r\nX: 1\nHost: b.org",
        b"GET http://a.org/ HTTP/1.1\r\nContent-Length : 3",
        b"POST http://a.org/ HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4",
        b"POST http://a.org/ HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
        b"POST http://a.org/ HTTP/1.1\r\nContent-Length: -1",
    ],
)
def test_a_request_that_can_be_read_in_two_ways_is_refused(head: bytes) -> None:
    with pytest.raises(Unreached) as why:
        parse(head + b"\r\n\r\n")
    assert why.value.status == 400


def test_the_machines_own_proxy_is_used_but_where_it_says_not() -> None:
    environ = {"HTTPS_PROXY": "http://me:pass@proxy.example:3128", "NO_PROXY": "b.org"}
    found = proxy_for(environ, "a.org")
    assert found is not None
    assert (found.hostname, found.port, found.password) == ("proxy.example", 3128, "pass")
    assert (proxy_for(environ, "b.org"), proxy_for({}, "a.org")) == (None, None)
