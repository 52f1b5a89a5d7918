"""How far a visitor's own endpoint may reach: nowhere, the public internet, or anything this server can see.

A server that sends requests wherever a visitor says is a door into its own network: to the cloud's metadata service, to
databases that trust their neighbours, to itself. So the door is shut unless this is clearly a person's own computer, and
where it is open to the public internet only, each address is judged by what it is, not by how it was written.
"""

import ipaddress
import re
from collections.abc import Mapping
from enum import StrEnum

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Reach(StrEnum):
    """What a visitor's own endpoints may reach."""

    OFF = "off"
    PUBLIC = "public"
    ANY = "any"


_LOOPBACK = r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?"
# What a proxy, a tunnel or a hosting service adds on the way: then whoever asks sits somewhere else, whatever Host says.
_FORWARDED = (
    "forwarded", "via", "x-forwarded", "x-real-ip", "x-original-", "x-client-ip", "x-cluster-client-ip", "x-envoy-", "x-amzn-", "x-azure-",
    "x-appengine-", "x-vercel-", "cf-", "cdn-loop", "true-client-ip", "fastly-", "fly-", "ngrok-", "tailscale-",
)


def visitor_reach(setting: str, server_address: str | None, headers: Mapping[str, str]) -> Reach:
    """Return what a visitor's own endpoints may reach. Whatever is not known for certain counts as another's computer.

    `setting` is "off", "public", "any" or "auto", which means any address where server and visitor are clearly one computer
    and off elsewhere. The Host and Origin headers are looked at too: a page of another site that made its name lead here still
    says its own name.
    """
    if setting != "auto":
        return Reach(setting) if setting in tuple(Reach) else Reach.OFF
    sent = {name.lower(): value.strip().lower() for name, value in headers.items()}
    own = (
        _bound_to_loopback(server_address)
        and re.fullmatch(_LOOPBACK, sent.get("host", ""), re.ASCII) is not None
        and not any(name.startswith(_FORWARDED) for name in sent)
        and re.fullmatch(f"https?://{_LOOPBACK}", sent.get("origin", "http://localhost"), re.ASCII) is not None
    )
    return Reach.ANY if own else Reach.OFF


def _bound_to_loopback(server_address: str | None) -> bool:
    if server_address == "localhost":
        return True
    try:
        return ipaddress.ip_address(server_address or "").is_loopback
    except ValueError:
        return False


# Beside what `is_global` refuses: addresses of the public ranges that no public server has.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments, among them a cloud's metadata service
        "192.88.99.0/24",  # relays into 6to4
        "168.63.129.16/32",  # a cloud's own service beside each machine
        "2001::/23",  # protocol assignments, among them Teredo, which holds an IPv4 address
        "2002::/16",  # 6to4, which holds one too
        "3fff::/20",  # documentation
    )
)
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether this is the address of a server on the public internet.

    Python's own `is_global` is not enough: by it multicast is global, and so, in some versions, are 6to4 and site-local
    addresses. In IPv6 only 2000::/3 was ever given to anyone, so everything outside it is refused: unique local (a metadata
    service among them), link-local, IPv4-compatible. An address that holds an IPv4 one leads there: mapped (::ffff:0:0/96) and
    NAT64 (64:ff9b::/96) ones are judged by it; 6to4 and Teredo serve nobody any more and are refused.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _PUBLIC_6:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _NOT_PUBLIC)
