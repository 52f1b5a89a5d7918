"""A visitor's endpoint stays out of private networks however its address is written, and reaches the public internet.

The name service and the network are the world outside: where a test needs an answer of theirs, it gives one.
"""

import ipaddress
import socket
import ssl
import subprocess
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.client import Client, Exchange
from playground.completion import CompletionRequest
from playground.credentials import AccessToken, ApplicationKeys
from playground.endpoints import Endpoint
from playground.errors import ConnectionFailed, EndpointError, ServiceError
from playground.message import message
from playground.reach import Reach, is_public, visitor_reach
from playground.redaction import Secret
from playground.settings import Retry
from playground.wire import Cancel, Cancelled, Timeouts, open_request
from tests.scripted_server import HANG, ScriptedServer, reply
from tests.toolchains import tool

PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
DECIMAL = f"http://{int(ipaddress.IPv4Address(PUBLIC))}"
PRIVATE = "leads into a private network"
QUICK = Timeouts(connect=5, silence=5)
TOKEN = AccessToken(token=Secret("24.token-of-reach"))
KEYS = ApplicationKeys(api_key=Secret("reach-api-key"), secret_key=Secret("reach-secret-key"))
ANSWER = reply(b'data: {"result":"reached","is_end":true}\n\n')


def endpoint(base_url, credentials=TOKEN):
    return Endpoint(
        name="mine/x", title="x", group="g", note=message("n"), base_url=base_url, path="x", credentials=credentials, public_only=True
    )


def complete(base_url, credentials=TOKEN, *, timeouts=QUICK, exchange=None, cancel=None):
    client = Client(timeouts=timeouts, retry=Retry(attempts=3))
    asked = CompletionRequest(prompt="p", parameters={"stream": True})
    return [one.text for one in client.complete(endpoint(base_url, credentials), asked, cancel or Cancel(), exchange or Exchange())]


class World:
    """The name service and the network: what names stand for, and where a connection to a public address ends up."""

    def __init__(self, monkeypatch):
        self.names = {}
        self.asked = []
        self.connected = []
        self.leads_to = None
        self.peer = None
        really_resolve, really_connect, real_peer = socket.getaddrinfo, socket.socket.connect, socket.socket.getpeername

        def resolve(host, port, *args, **values):
            self.asked.append(host)
            found = self.names.get(host.rstrip(".").lower() if isinstance(host, str) else host)
            if found is None:
                return really_resolve(host, port, *args, **values)
            addresses = found.pop(0) if isinstance(found[0], list) else found
            stream = socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
            return [(socket.AF_INET6, *stream, (one, port, 0, 0)) if ":" in one else (socket.AF_INET, *stream, (one, port)) for one in addresses]

        def connect(one, place):
            self.connected.append(place[0])
            if ipaddress.ip_address(place[0]).is_loopback:
                return really_connect(one, place)
            if self.leads_to is None:
                raise ConnectionRefusedError(111, "Connection refused")
            return really_connect(one, ("127.0.0.1", self.leads_to))

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr(socket.socket, "connect", connect)
        monkeypatch.setattr(socket.socket, "getpeername", lambda one: (self.peer, 80) if self.peer else real_peer(one))

    def route(self, server, *, peer=PUBLIC):
        """Let every public address lead to this server; it says of itself that it is `peer`."""
        self.leads_to, self.peer = server.port, peer


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


# --- addresses that lead inside ---

INSIDE = {
    "dotted": "http://127.0.0.1:{port}", "other loopback": "http://127.99.1.2:{port}", "decimal": "http://2130706433:{port}",
    "hex": "http://0x7f000001:{port}", "hex parts": "http://0x7f.0x0.0x0.0x1:{port}", "octal": "http://0177.0.0.1:{port}",
    "octal in one": "http://017700000001:{port}", "two parts": "http://127.1:{port}", "three parts": "http://127.0.1:{port}",
    "zero": "http://0.0.0.0:{port}", "short zero": "http://0:{port}", "IPv6": "http://[::1]:{port}",
    "IPv6 in full": "http://[0:0:0:0:0:0:0:1]:{port}", "IPv6 zero": "http://[::]:{port}", "mapped": "http://[::ffff:127.0.0.1]:{port}",
    "mapped in hex": "http://[::ffff:7f00:1]:{port}", "compatible": "http://[::127.0.0.1]:{port}", "NAT64": "http://[64:ff9b::7f00:1]:{port}",
    "local NAT64": "http://[64:ff9b:1::7f00:1]:{port}", "6to4": "http://[2002:7f00:1::]:{port}", "Teredo": "http://[2001:0:7f00:1::]:{port}",
    "metadata": "http://169.254.169.254", "metadata in IPv6": "http://[fd00:ec2::254]", "metadata in 100.64/10": "http://100.100.100.200",
    "metadata in 192.0.0/24": "http://192.0.0.192", "a cloud's own service": "http://168.63.129.16",
    "10/8": "http://10.0.0.1:{port}", "172.16/12": "http://172.16.0.1", "end of 172.16/12": "http://172.31.255.254", "192.168/16": "http://192.168.1.1",
    "100.64/10": "http://100.64.0.1", "multicast": "http://224.0.0.1", "broadcast": "http://255.255.255.255", "reserved": "http://240.0.0.1",
    "benchmarks": "http://198.18.0.1", "unique local": "http://[fd00::1]", "link-local": "http://[fe80::1]", "site-local": "http://[fec0::1]",
    "IPv6 multicast": "http://[ff02::1]", "localhost": "http://localhost:{port}",
    "localhost with a dot": "http://localhost.:{port}", "upper case": "HTTP://LOCALHOST:{port}",
    "a user name": "http://93.184.215.14@127.0.0.1:{port}",
    "a user name and a port": "http://93.184.215.14:80@127.0.0.1:{port}", "over TLS": "https://127.0.0.1:{port}", "a name": "http://inside.example:{port}",
    "a name with a dot": "http://inside.example.:{port}", "a name in IPv6": "http://inside-6.example:{port}",
    "a mapped name": "http://mapped.example:{port}", "one address of several": "http://both.example:{port}",
    "one address of several, last": "http://both-last.example:{port}",
}
NAMES = {
    "localhost": ["127.0.0.1"], "inside.example": ["127.0.0.1"], "inside-6.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"], "both.example": ["10.0.0.1", PUBLIC],
    "both-last.example": [PUBLIC, PUBLIC_6, "127.0.0.1"],
}


@pytest.mark.parametrize("credentials", [TOKEN, KEYS], ids=["completion", "token"])
@pytest.mark.parametrize("base_url", INSIDE.values(), ids=INSIDE)
def test_an_address_that_leads_inside_is_refused_and_nothing_is_sent(world, base_url, credentials):
    world.names.update(NAMES)
    exchange = Exchange()
    with ScriptedServer(ANSWER) as server:
        with pytest.raises(ConnectionFailed, match=PRIVATE) as caught:
            complete(base_url.format(port=server.port), credentials, exchange=exchange)
        assert (server.connections, world.connected) == (0, [])
    assert not caught.value.retryable and exchange.attempts == 1
    assert str(caught.value.remedy)


@pytest.mark.parametrize("base_url", ["http://127。0。0。1:{port}", "http://１２７.０.０.１:{port}", "http://127.0.0.1。:{port}", "http://[fe80::1%25lo]:{port}",
                                      "http://127.0.0.1.:{port}", "http://127.0.0.1..:{port}", "http://①②⑦.0.0.1:{port}",
                                      "http://[::1%25lo]:{port}", "http://[::1]%lo:{port}", "http://127.0.0.1%00.example:{port}",
                                      "http://127.0.0.1\\@93.184.215.14:{port}"])
def test_an_address_that_parsers_may_disagree_about_reaches_nothing_inside(world, base_url):
    with ScriptedServer(ANSWER) as server:
        with pytest.raises(EndpointError):
            complete(base_url.format(port=server.port))
        assert server.connections == 0


@pytest.mark.parametrize("base_url", ["ftp://93.184.215.14", "file:///etc/passwd", "gopher://93.184.215.14", "http+unix://%2Fvar%2Frun%2Fdocker.sock"])
def test_another_scheme_is_no_address(world, base_url):
    with pytest.raises(ConnectionFailed, match="not a web address"):
        with open_request("POST", base_url, cancel=Cancel(), timeouts=QUICK, public_only=True):
            pass
    assert world.connected == []


def test_a_name_is_asked_once_and_only_what_was_judged_is_connected_to(world):
    with ScriptedServer(ANSWER) as server:
        world.names["rebinding.example"] = [[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]]
        with pytest.raises(ConnectionFailed, match="Nothing answers"):
            with open_request("POST", f"http://rebinding.example:{server.port}", cancel=Cancel(), timeouts=QUICK, public_only=True):
                pass
        assert world.asked == ["rebinding.example"]
        assert world.connected == [PUBLIC]
        assert server.connections == 0


def test_every_attempt_judges_anew(world):
    with ScriptedServer(ANSWER) as server:
        world.names["rebinding.example"] = [[PUBLIC], ["127.0.0.1"]]
        with pytest.raises(ConnectionFailed, match=PRIVATE):
            complete(f"http://rebinding.example:{server.port}")
        assert (len(world.asked), server.connections) == (2, 0)


def test_a_connection_that_ends_inside_all_the_same_is_dropped_before_anything_is_sent(world):
    with ScriptedServer(ANSWER) as server:
        world.route(server, peer=None)
        with pytest.raises(ConnectionFailed, match=PRIVATE):
            complete(f"http://{PUBLIC}:{server.port}")
        assert world.connected == [PUBLIC]
        assert server.client_left.wait(1)
        assert server.requests == []


def test_a_redirect_inside_is_not_followed(world):
    with ScriptedServer(ANSWER) as inside:
        with ScriptedServer(reply(b"", status="307 Temporary Redirect", headers=(f"Location: {inside.url}/x",))) as server:
            world.route(server)
            with pytest.raises(ServiceError, match="redirect"):
                complete("http://93.184.215.14")
        assert (inside.connections, server.connections) == (0, 1)


def test_the_environment_s_proxy_is_passed_by(world, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with ScriptedServer(ANSWER) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(ConnectionFailed, match="Nothing answers"):
            complete(f"http://{PUBLIC}")
        assert (proxy.connections, set(world.connected)) == (0, {PUBLIC})


def test_without_the_guard_the_same_address_is_reached():
    with ScriptedServer(ANSWER) as server:
        with open_request("POST", server.url.replace("127.0.0.1", "2130706433"), cancel=Cancel(), timeouts=QUICK) as answer:
            assert len(list(answer.events([].append))) == 1


# --- addresses that lead outside ---


@pytest.mark.parametrize(
    ("base_url", "addresses"),
    [
        (f"http://{PUBLIC}", [PUBLIC]), (f"http://[{PUBLIC_6}]:8080", [PUBLIC_6]), (DECIMAL, [PUBLIC]), ("https://public.example", [PUBLIC]),
        ("http://several.example", [PUBLIC_6, PUBLIC]), (f"http://[::ffff:{PUBLIC}]", [f"::ffff:{PUBLIC}"]), ("http://bücher.example", [PUBLIC]),
    ],
    ids=["IPv4", "IPv6", "decimal", "a name", "several addresses", "mapped", "umlaut"],
)
def test_a_public_address_is_connected_to(world, base_url, addresses):
    world.names.update({"public.example": [PUBLIC], "several.example": [PUBLIC_6, PUBLIC], "xn--bcher-kva.example": [PUBLIC]})
    with pytest.raises(ConnectionFailed, match="Nothing answers") as caught:
        with open_request("POST", base_url, cancel=Cancel(), timeouts=QUICK, public_only=True):
            pass
    assert world.connected == addresses
    assert caught.value.retryable


@pytest.mark.parametrize("host", [PUBLIC, "public.example"])
def test_a_public_endpoint_answers(world, host):
    world.names["public.example"] = [PUBLIC]
    with ScriptedServer(ANSWER) as server:
        world.route(server)
        assert complete(f"http://{host}") == ["reached"]
        assert server.requests[0].headers["host"] == host


def test_the_next_address_is_tried_where_one_fails(world):
    world.names["several.example"] = [PUBLIC_6, PUBLIC]
    with ScriptedServer(ANSWER) as server:
        world.route(server)  # which no IPv6 socket can be led to
        assert complete("http://several.example") == ["reached"]
    assert world.connected[:2] == [PUBLIC_6, PUBLIC]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    place = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", place / "key.pem", "-out", place / "cert.pem", "-days", "2",
         "-subj", "/CN=public.example", "-addext", "subjectAltName=DNS:public.example"],
        check=True, capture_output=True,
    )
    return place


@pytest.mark.parametrize(("host", "named"), [("public.example", True), ("other.example", False), (PUBLIC, False)])
def test_tls_verifies_the_name_and_not_the_address(world, certificate, monkeypatch, host, named):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
    world.names.update({"public.example": [PUBLIC], "other.example": [PUBLIC]})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with ScriptedServer(ANSWER, wrap=lambda one: context.wrap_socket(one, server_side=True)) as server:
        world.route(server)
        if named:
            assert complete(f"https://{host}") == ["reached"]
        else:
            with pytest.raises(ConnectionFailed, match="certificate"):
                complete(f"https://{host}")
            assert server.requests == []


def test_the_connect_timeout_bounds_all_addresses_together(world, monkeypatch):
    world.names["slow.example"] = [PUBLIC] * 20
    waits = []

    def connect(one, place):
        waits.append(one.gettimeout())
        time.sleep(waits[-1])
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(ConnectionFailed, match=r"No connection within 0\.2 s"):
        with open_request("POST", "http://slow.example", cancel=Cancel(), timeouts=Timeouts(connect=0.2, silence=5), public_only=True):
            pass
    assert waits[0] == pytest.approx(0.2, abs=0.1) and sum(waits) < 1


def test_an_unknown_name_is_told(world):
    with pytest.raises(ConnectionFailed, match="host name is not known"):
        complete("http://nonexistent.invalid")


@pytest.mark.parametrize("host", ["a" * 64 + ".invalid", "例え..invalid"], ids=["long", "dots"])
def test_an_odd_name_is_told(world, host):
    with pytest.raises(ConnectionFailed, match="not a web address"):
        complete(f"http://{host}")


def test_a_cancel_ends_a_silent_public_endpoint_at_both_ends(world):
    cancel, caught = Cancel(), []

    def read():
        try:
            complete(f"http://{PUBLIC}", cancel=cancel)
        except Cancelled as error:
            caught.append(error)

    with ScriptedServer(reply(HANG)) as server:
        world.route(server)
        thread = threading.Thread(target=read)
        thread.start()
        waiting = threading.Event()
        while not server.requests:
            waiting.wait(0.01)
        cancel.cancel()
        assert server.client_left.wait(1)
        thread.join(5)
    assert len(caught) == 1


# --- what is public ---


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6, "8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2a00:1450::1", "64:ff9b::808:808"])
def test_servers_on_the_internet_are_public(address):
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_within_an_address_counts(inner):
    assert is_public(ipaddress.IPv6Address(f"::ffff:{inner}")) == is_public(inner)
    assert is_public(ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(inner))) == is_public(inner)
    assert not is_public(ipaddress.IPv6Address(int(inner)))
    assert not is_public(ipaddress.IPv6Address(int(ipaddress.IPv6Address("2002::")) + (int(inner) << 80)))


@given(st.ip_addresses())
def test_nothing_is_public_that_python_knows_to_be_private(address):
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast or address.is_reserved or address.is_unspecified:
        assert not is_public(address) or getattr(address, "ipv4_mapped", None) or address in ipaddress.ip_network("64:ff9b::/96")


# --- what a visitor may ---

LOCAL = {"Host": "localhost:8501"}


@pytest.mark.parametrize(
    ("server_address", "headers"),
    [
        ("localhost", LOCAL), ("127.0.0.1", {"host": "127.0.0.1:8501"}), ("::1", {"HOST": "[::1]:8501"}), ("127.5.5.5", {"Host": "127.5.5.5"}),
        ("localhost", {"Host": "LOCALHOST"}), ("localhost", {**LOCAL, "Origin": "http://localhost:8501"}),
        ("localhost", {**LOCAL, "Origin": "https://127.0.0.1:8501", "User-Agent": "x", "Sec-Fetch-Site": "same-origin"}),
    ],
)
def test_on_one_s_own_computer_any_address_may_be_reached(server_address, headers):
    assert visitor_reach("auto", server_address, headers) is Reach.ANY


@pytest.mark.parametrize(
    ("server_address", "headers"),
    [
        (None, LOCAL), ("", LOCAL), ("0.0.0.0", LOCAL), ("::", LOCAL), ("192.168.1.5", LOCAL), ("localhost.example", LOCAL), ("example.com", LOCAL),
        ("localhost", {}), ("localhost", {"Host": ""}), ("localhost", {"Host": "example.com"}), ("localhost", {"Host": "localhost.example.com"}),
        ("localhost", {"Host": "localhost@example.com"}), ("localhost", {"Host": "127.0.0.1.example.com"}), ("localhost", {"Host": "192.168.1.5:8501"}),
        ("localhost", {"Host": "localhost:8501, example.com"}), ("localhost", {"Host": "localhost:8501\nexample.com"}),
        ("localhost", {"Host": "١٢٧.0.0.1"}), ("localhost", {**LOCAL, "Origin": "http://example.com"}), ("localhost", {**LOCAL, "Origin": "null"}),
        ("localhost", {**LOCAL, "Origin": ""}), ("localhost", {**LOCAL, "Origin": "http://localhost.example.com"}),
        ("localhost", {**LOCAL, "Origin": "http://localhost:8501@example.com"}), ("localhost", {**LOCAL, "origin": "file://localhost"}),
        *(("localhost", {**LOCAL, name: "x"}) for name in (
            "Forwarded", "X-Forwarded-For", "x-forwarded-host", "X-FORWARDED-PROTO", "X-Real-Ip", "Via", "Cf-Connecting-Ip", "CF-Ray", "True-Client-Ip",
            "X-Client-Ip", "X-Original-Host", "Fly-Client-Ip", "X-Envoy-External-Address", "X-Amzn-Trace-Id", "Tailscale-User-Login", "Ngrok-Trace-Id",
        )),
    ],
)
def test_wherever_that_is_not_certain_none_may_be(server_address, headers):
    assert visitor_reach("auto", server_address, headers) is Reach.OFF


@pytest.mark.parametrize(
    ("setting", "reach"), [("off", Reach.OFF), ("public", Reach.PUBLIC), ("any", Reach.ANY), ("", Reach.OFF), ("Any", Reach.OFF), ("yes", Reach.OFF)]
)
@pytest.mark.parametrize("server_address", ["localhost", "0.0.0.0"])
def test_a_setting_is_obeyed_and_a_senseless_one_is_off(setting, reach, server_address):
    assert visitor_reach(setting, server_address, LOCAL) is reach
