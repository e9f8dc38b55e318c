"""A receiver of postrider's events: Python 3.9 or newer, nothing but the standard library.

    SIGNING_KEY=… DATABASE=inbox.db python3 receiver.py 127.0.0.1:9000

While the signing key is changed, SIGNING_KEY_BEFORE is the one before it.
"""

import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_SECONDS = 300
LARGEST_BODY = 10 * 1024 * 1024


# ANCHOR: verify
def refusal(header, body, keys, now):
    """Why a call is not to be believed, or None. Looks at the bytes as they came: verify first, parse then."""
    times, signatures = [], []
    for part in (header or "").split(","):
        name, _, value = part.strip().partition("=")
        if name == "t":
            times.append(value)
        elif name == "v1":
            signatures.append(value)
    if len(times) != 1 or not times[0].isdecimal() or not times[0].isascii():
        return "the signature does not say one time"
    good = False
    for key in keys:
        made = hmac.new(key.encode(), times[0].encode() + b"." + body, hashlib.sha256).hexdigest()
        for signature in signatures:
            # In constant time, and without stopping at the first one that fits.
            good |= hmac.compare_digest(made.encode(), signature.encode())
    if not good:
        return "no signature was made with a known key"
    if abs(now - int(times[0])) > TOLERANCE_SECONDS:
        return "the signature is of another time"
    return None


# ANCHOR_END: verify


# ANCHOR: inbox
SCHEMA = """
CREATE TABLE IF NOT EXISTS inbox (
    webhook_id  TEXT PRIMARY KEY,   -- the same for every attempt of an event
    instance_id TEXT NOT NULL,
    position    TEXT NOT NULL,
    body        TEXT NOT NULL,      -- for whatever does the work, later
    received_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS inbox_position ON inbox (instance_id, position);
"""


def take(database, webhook_id, instance_id, position, previous, body):
    """Writes an event down once. Returns whether it is new, and whether something before it never came."""
    with database:  # one transaction
        gap = False
        if previous:
            known = "SELECT count(*), count(*) FILTER (WHERE position = ?) FROM inbox WHERE instance_id = ?"
            events, before = database.execute(known, (previous, instance_id)).fetchone()
            # The very first event has nothing before it.
            gap = events > 0 and before == 0
        row = (webhook_id, instance_id, position, body)
        insert = "INSERT INTO inbox (webhook_id, instance_id, position, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        new = database.execute(insert, row).rowcount == 1
    return new, new and gap


# ANCHOR_END: inbox


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # postrider keeps its connections
    timeout = 60

    # ANCHOR: answer
    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self.close_connection = True
            return self.answer(413, "the body is too large")
        body = self.rfile.read(length)
        why = refusal(self.headers.get("ZITADEL-Signature"), body, KEYS, time.time())
        if why:
            return self.answer(401, why)
        webhook_id = self.headers.get("Webhook-Id", "")
        position = self.headers.get("Postrider-Position", "")
        previous = self.headers.get("Postrider-Previous-Position")
        try:
            event = json.loads(body)
            instance = event.get("instanceID", "")
        except (ValueError, AttributeError):
            return self.answer(422, "the body is no event")  # this event's own fault: retried, then parked
        database = sqlite3.connect(DATABASE)
        try:
            new, gap = take(database, webhook_id, instance, position, previous, body.decode())
        except sqlite3.Error as error:
            return self.answer(503, f"the inbox is away: {error}")  # ours: postrider waits and parks nothing
        finally:
            database.close()
        if gap:
            say(f"gap {position}: {previous} never came")
        say(f"{'new' if new else 'duplicate'} {position} {event.get('event_type')}")
        self.answer(200, "")

    # ANCHOR_END: answer

    def answer(self, status, text):
        if status >= 400:
            say(f"refused {status}: {text}")
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def say(text):
    print(text, flush=True)


KEYS = [key for key in (os.environ.get("SIGNING_KEY"), os.environ.get("SIGNING_KEY_BEFORE")) if key]
DATABASE = os.environ.get("DATABASE", "inbox.db")

if __name__ == "__main__":
    if not KEYS:
        sys.exit("SIGNING_KEY is not set")
    prepared = sqlite3.connect(DATABASE)
    prepared.execute("PRAGMA journal_mode = WAL")
    prepared.executescript(SCHEMA)
    prepared.close()
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9000").rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Receiver)
    say(f"listening on {host}:{server.server_address[1]}")
    server.serve_forever()
