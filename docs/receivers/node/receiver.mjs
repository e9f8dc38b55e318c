// A receiver of postrider's events: Node.js 18 or newer, and pg for an inbox in PostgreSQL.
//
//     SIGNING_KEY=… DATABASE=postgres://… node receiver.mjs 127.0.0.1:9000
//
// While the signing key is changed, SIGNING_KEY_BEFORE is the one before it.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

import pg from "pg";

const TOLERANCE_SECONDS = 300;
const LARGEST_BODY = 10 * 1024 * 1024;

// ANCHOR: verify
/** Why a call is not to be believed, or undefined. Looks at the bytes as they came: verify first, parse then. */
function refusal(header, body, keys, now) {
    const parts = (header ?? "").split(",").map((part) => part.trim().split("=", 2));
    const times = parts.filter(([name]) => name === "t").map(([, value]) => value);
    const signatures = parts.filter(([name]) => name === "v1").map(([, value]) => Buffer.from(value ?? "", "hex"));
    if (times.length !== 1 || !/^\d+$/.test(times[0])) return "the signature does not say one time";
    let good = false;
    for (const key of keys) {
        const made = createHmac("sha256", key).update(`${times[0]}.`).update(body).digest();
        for (const signature of signatures) {
            // In constant time, and without stopping at the first one that fits.
            if (signature.length === made.length && timingSafeEqual(signature, made)) good = true;
        }
    }
    if (!good) return "no signature was made with a known key";
    if (Math.abs(now - Number(times[0])) > TOLERANCE_SECONDS) return "the signature is of another time";
}
// ANCHOR_END: verify

// ANCHOR: inbox
const SCHEMA = `
    CREATE TABLE IF NOT EXISTS inbox (
        webhook_id  text PRIMARY KEY,   -- the same for every attempt of an event
        instance_id text NOT NULL,
        position    text NOT NULL,
        body        bytea NOT NULL,     -- for whatever does the work, later
        received_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX IF NOT EXISTS inbox_position ON inbox (instance_id, position);`;

/** Writes an event down once: whether it is new, and whether something before it never came. One statement, one transaction. */
async function take(database, { webhookId, instance, position, previous, body }) {
    const { rows } = await database.query({
        name: "take",
        text: `
            WITH taken AS (
                INSERT INTO inbox (webhook_id, instance_id, position, body) VALUES ($1, $2, $3, $4)
                ON CONFLICT DO NOTHING RETURNING 1
            )
            SELECT EXISTS (SELECT 1 FROM taken) AS new,
                $5::text IS NOT NULL
                -- The very first event has nothing before it.
                AND EXISTS (SELECT 1 FROM inbox WHERE instance_id = $2)
                AND NOT EXISTS (SELECT 1 FROM inbox WHERE instance_id = $2 AND position = $5) AS gap`,
        values: [webhookId, instance, position, body, previous],
    });
    return { new: rows[0].new, gap: rows[0].new && rows[0].gap };
}
// ANCHOR_END: inbox

// ANCHOR: answer
async function receive(headers, body) {
    const why = refusal(headers["zitadel-signature"], body, keys, Date.now() / 1000);
    if (why) return [401, why];
    let event;
    try {
        event = JSON.parse(body.toString("utf8"));
    } catch {
        return [422, "the body is no event"]; // this event's own fault: retried, then parked
    }
    const position = headers["postrider-position"];
    const previous = headers["postrider-previous-position"];
    const instance = event.instanceID ?? "";
    let taken;
    try {
        taken = await take(database, { webhookId: headers["webhook-id"], instance, position, previous, body });
    } catch (error) {
        return [503, `the inbox is away: ${error.message}`]; // ours: postrider waits and parks nothing
    }
    if (taken.gap) console.log(`gap ${position}: ${previous} never came`);
    console.log(`${taken.new ? "new" : "duplicate"} ${position} ${event.event_type}`);
    return [200, ""];
}
// ANCHOR_END: answer

/** The whole body, or undefined if it is too large. */
async function read(request) {
    const pieces = [];
    let length = 0;
    for await (const piece of request) {
        length += piece.length;
        if (length > LARGEST_BODY) return undefined;
        pieces.push(piece);
    }
    return Buffer.concat(pieces);
}

const keys = [process.env.SIGNING_KEY, process.env.SIGNING_KEY_BEFORE].filter(Boolean);
if (keys.length === 0) throw new Error("SIGNING_KEY is not set");
const database = new pg.Pool({ connectionString: process.env.DATABASE, connectionTimeoutMillis: 3000, query_timeout: 5000 });
// A connection that breaks while nobody uses it is no reason to end.
database.on("error", () => {});
await database.query(SCHEMA);

const server = createServer(async (request, response) => {
    let status = 400;
    let text = "";
    try {
        const body = await read(request);
        [status, text] = body ? await receive(request.headers, body) : [413, "the body is too large"];
    } catch (error) {
        [status, text] = [500, error.message];
    }
    if (status >= 400) console.log(`refused ${status}: ${text}`);
    response.writeHead(status, { "content-type": "text/plain" }).end(text);
});
const [host, port] = (process.argv[2] ?? "127.0.0.1:9000").split(":");
server.listen(Number(port), host, () => console.log(`listening on ${host}:${server.address().port}`));
