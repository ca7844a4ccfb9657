"""What our own border says about the sender's domain, in Authentication-Results (RFC 8601).

Only the topmost field of a server that the config names is read; whatever stands below it may have been
written by the sender.
"""

from __future__ import annotations

import re

from gateway.screen.values import Mail

_RESULT = re.compile(r"\bdmarc\s*=\s*([a-z]+)", re.ASCII | re.IGNORECASE)
_METHOD = re.compile(r"\b(dkim|spf)\s*=\s*([a-z]+)([^;]*)", re.ASCII | re.IGNORECASE)
_DOMAIN = re.compile(
    r"(?:header\.d|header\.i|smtp\.mailfrom|header\.from)\s*=\s*\"?@?(?:[^\s@;\"]*@)?([^\s;\"]+)",
    re.ASCII | re.IGNORECASE,
)
_COMMENT = re.compile(r"\([^()]{0,2000}\)")


def own_results(mail: Mail) -> str | None:
    """The value of the topmost Authentication-Results field of ours, comments taken out; None: there is
    none."""
    wanted = {name.lower() for name in mail.settings.security.authserv_ids}
    for value in mail.message.headers.get_all("Authentication-Results"):
        # a border removes foreign fields by their first word: nothing may stand before it
        server, _, results = _COMMENT.sub(" ", value[:8000]).partition(";")
        name = server.split(maxsplit=1)[:1]
        if name and name[0].lower() in wanted and value.lower().startswith(name[0].lower()):
            return results
    return None


def domain_is_authentic(mail: Mail) -> bool | None:
    """Whether From's domain is authenticated: True by DMARC pass, or DKIM or SPF pass for the very domain;
    False by DMARC fail; None where nothing is known."""
    author = mail.message.author
    results = own_results(mail)
    if author is None or results is None:
        return None
    dmarc = _RESULT.search(results)
    if dmarc and dmarc[1].lower() in ("pass", "fail"):
        return dmarc[1].lower() == "pass"
    domain = author.key.rpartition("@")[2]
    for _, result, properties in _METHOD.findall(results):
        if result.lower() == "pass" and any(
            found.lower().rstrip(".") == domain for found in _DOMAIN.findall(properties)
        ):
            return True
    return None
