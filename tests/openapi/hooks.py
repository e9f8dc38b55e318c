"""What no request may do, whatever else it does: reach another machine, or take away the token that all of them use."""

import os
from urllib.parse import urlsplit, urlunsplit

import schemathesis

# Nobody listens there.
NOWHERE = "127.0.0.1:9"
OWN_TOKEN = {os.environ["POSTRIDER_TOKEN_NAME"], os.environ["POSTRIDER_TOKEN_ID"]}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Seen by every request, from examples, from chance, and from links alike."""
    case.body = harmless(case.body)
    for part in (case.path_parameters, case.query):
        for name in part or {}:
            part[name] = harmless(part[name])


def harmless(value, name=None):
    """The same value, with endpoints on this machine and nobody's token."""
    if isinstance(value, dict):
        return {key: harmless(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [harmless(inner, name) for inner in value]
    if isinstance(value, str) and value in OWN_TOKEN:
        return "nobody"
    if isinstance(value, str) and name == "endpoint":
        return on_this_machine(value)
    return value


def on_this_machine(endpoint):
    """The endpoint with another host. What is no URL stays: the daemon has to refuse it."""
    try:
        url = urlsplit(endpoint)
    except ValueError:
        return endpoint
    if url.scheme.lower() not in ("http", "https") or not url.netloc:
        return endpoint
    return urlunsplit(url._replace(netloc=NOWHERE))
