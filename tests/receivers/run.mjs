// The receivers of the guide, each with a daemon that delivers to it.
//
//     node run.mjs NAME PROGRAM [WORD…] [-- NAME PROGRAM [WORD…]]…
//
// Between the daemon and each receiver stands a wire that keeps every call, so that it can be sent again: as it was, with
// another body, with another time. It can also answer in the receiver's place, and lose an event so.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Daemon } from "../browser/harness/daemon.mjs";
import { eventually } from "../browser/harness/wait.mjs";

const RESULTS = fileURLToPath(new URL("../../target/receivers", import.meta.url));
const HEADERS = ["content-type", "zitadel-signature", "webhook-id", "postrider-attempt", "postrider-position", "postrider-previous-position"];

/** A receiver as a process; what it says, line by line. */
class Receiver {
    lines = [];
    #child;
    #address;

    static async start(words, environment) {
        const receiver = new Receiver();
        const [program, ...rest] = words;
        const options = { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "inherit"] };
        // However this is broken off, nothing is left behind.
        receiver.#child = spawn("setpriv", ["--pdeathsig", "KILL", "--", program, ...rest, "127.0.0.1:0"], options);
        createInterface({ input: receiver.#child.stdout }).on("line", (line) => receiver.lines.push(line));
        const said = await eventually("the receiver listens", () => {
            if (receiver.#child.exitCode !== null) throw new Error(`it ended with ${receiver.#child.exitCode}`);
            return receiver.lines.find((line) => line.startsWith("listening on "));
        });
        receiver.#address = said.slice("listening on ".length);
        return receiver;
    }

    /** Hands a call on, and returns the status. */
    async call(headers, body) {
        const answer = await fetch(`http://${this.#address}/hook`, { method: "POST", headers, body });
        await answer.arrayBuffer();
        return answer.status;
    }

    says(line) {
        return eventually(`the receiver says ${line}; it said ${this.lines}`, () => this.lines.some((said) => line.test(said)));
    }

    async stop() {
        if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
        const exited = once(this.#child, "exit");
        this.#child.kill("SIGTERM");
        await exited;
    }
}

/** What stands between the daemon and a receiver. */
class Wire {
    calls = [];
    receiver;
    #lose = 0;
    #server = createServer(async (request, response) => {
        const pieces = [];
        for await (const piece of request) pieces.push(piece);
        const headers = Object.fromEntries(HEADERS.filter((name) => request.headers[name]).map((name) => [name, request.headers[name]]));
        const call = { headers, body: Buffer.concat(pieces) };
        if (this.#lose > 0) {
            this.#lose -= 1;
            call.status = 200;
        } else {
            try {
                call.status = await this.receiver.call(call.headers, call.body);
            } catch {
                return request.socket.destroy();
            }
        }
        this.calls.push(call);
        response.writeHead(call.status).end();
    });

    async open() {
        this.#server.listen(0, "127.0.0.1");
        await once(this.#server, "listening");
        return `http://127.0.0.1:${this.#server.address().port}/hook`;
    }

    /** The next so many events are said to have been received, and are not. */
    lose(count) {
        this.#lose = count;
    }

    close() {
        this.#server.close();
        this.#server.closeAllConnections();
    }
}

/** Runs SQL in a receiver's own database, behind its back. */
function inPlace(database, sql) {
    const [program, ...words] = database.startsWith("postgres:")
        ? [join(process.env.POSTRIDER_TEST_PG_BIN, "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]
        : ["sqlite3", "-init", "/dev/null", "-batch", "-bail", "-cmd", ".timeout 5000", database, sql];
    return promisify(execFile)(program, words);
}

/** A signature as the daemon would make it, for another time. */
function signed(body, key, seconds) {
    return `t=${seconds},v1=${createHmac("sha256", key).update(`${seconds}.`).update(body).digest("hex")}`;
}

async function check(name, words, daemon) {
    const wire = new Wire();
    const endpoint = await wire.open();
    const created = await daemon.command("target", "create", name, "--endpoint", endpoint);
    const key = created.signing_key;
    const type = `${name}.added`;
    await daemon.command("execution", "set", `event/${type}`, "--targets", name);
    const environment = { DATABASE: process.env[`DATABASE_${name.toUpperCase()}`] || join(RESULTS, `${name}.db`) };
    wire.receiver = await Receiver.start(words, { ...environment, SIGNING_KEY: key });
    const deliver = async (...aggregates) => {
        const positions = await daemon.store.write(...aggregates.map((aggregate) => ({ type, aggregate, payload: { of: aggregate } })));
        await daemon.settled(name);
        return positions;
    };
    const said = (what) => console.log(`  ${name}: ${what}`);
    try {
        const [first, second] = await deliver("a", "b", "c");
        await wire.receiver.says(new RegExp(`^new ${first}/0 ${type}$`));
        await wire.receiver.says(new RegExp(`^new ${second}/0 `));
        assert.deepEqual(wire.calls.map(({ status }) => status), [200, 200, 200]);
        assert.ok(!wire.receiver.lines.some((line) => line.startsWith("gap")), "a gap where there is none");
        said("three events were accepted");

        const call = wire.calls[1];
        assert.equal(await wire.receiver.call(call.headers, call.body), 200);
        await wire.receiver.says(new RegExp(`^duplicate ${second}/0 `));
        said("one that came again was known, and answered as if it were new");

        const tampered = Buffer.from(call.body.toString().replace('"b"', '"z"'));
        assert.notDeepEqual(tampered, call.body);
        assert.equal(await wire.receiver.call(call.headers, tampered), 401);
        for (const signature of ["", "t=1", "v1=00", "nonsense", `${signed(call.body, key, 1)},t=2`]) {
            const headers = { ...call.headers, "zitadel-signature": signature };
            assert.equal(await wire.receiver.call(headers, call.body), 401, signature);
        }
        said("a body that was changed was refused, and so were signatures that are none");

        const now = Math.floor(Date.now() / 1000);
        for (const [seconds, status] of [[now - 3600, 401], [now + 3600, 401], [now - 200, 200]]) {
            const headers = { ...call.headers, "zitadel-signature": signed(call.body, key, seconds) };
            assert.equal(await wire.receiver.call(headers, call.body), status, `${seconds - now} s`);
        }
        said("a call of an hour ago was refused, and one of an hour ahead");

        wire.lose(1);
        const [lost] = await deliver("d");
        const [behind] = await deliver("e");
        await wire.receiver.says(new RegExp(`^gap ${behind}/0: ${lost}/0 never came$`));
        await deliver("f");
        assert.equal(wire.receiver.lines.filter((line) => line.startsWith("gap")).length, 1, "a gap is told once");
        said("an event that got lost behind the daemon's back was missed at the next one");

        const parked = (await daemon.command("failed", "list", name)).length;
        await inPlace(environment.DATABASE, "ALTER TABLE inbox RENAME TO away");
        await daemon.store.write({ type, aggregate: "away" });
        await wire.receiver.says(/^refused 503: the inbox is away/);
        await eventually("the target holds", async () => (await daemon.command("cursor", "show", name))[0].state === "holding");
        await inPlace(environment.DATABASE, "ALTER TABLE away RENAME TO inbox");
        await daemon.settled(name);
        assert.equal(wire.calls.at(-1).status, 200);
        assert.equal((await daemon.command("failed", "list", name)).length, parked);
        said("while its inbox was away the target was held, and nothing was parked");

        // The daemon signs with both keys; a receiver that knows one of them, whichever, takes what comes.
        const rotated = await daemon.command("target", "rotate-key", name, "--grace", "1h");
        const both = await eventually("the daemon signs with both keys", async () => {
            await deliver("g");
            const last = wire.calls.at(-1);
            return last.headers["zitadel-signature"].match(/v1=/g).length === 2 && last;
        });
        assert.equal(both.status, 200);
        await wire.receiver.stop();
        wire.receiver = await Receiver.start(words, { ...environment, SIGNING_KEY: rotated.signing_key });
        await deliver("h");
        assert.equal(wire.calls.at(-1).status, 200);
        assert.equal(await wire.receiver.call(both.headers, both.body), 200);
        await wire.receiver.says(/^duplicate /);
        await wire.receiver.stop();
        const keys = { SIGNING_KEY: rotated.signing_key, SIGNING_KEY_BEFORE: key };
        wire.receiver = await Receiver.start(words, { ...environment, ...keys });
        assert.equal(await wire.receiver.call(call.headers, call.body), 200, "the key before is taken where it is named");
        await wire.receiver.stop();
        wire.receiver = await Receiver.start(words, { ...environment, SIGNING_KEY: "somebody else's key" });
        assert.equal(await wire.receiver.call(both.headers, both.body), 401);
        said("while the key was changed, the old one and the new one were taken, and no other");
    } finally {
        await wire.receiver.stop();
        wire.close();
        await daemon.command("target", "pause", name);
    }
}

/** The words between `--`. */
function groups(words) {
    const groups = [[]];
    for (const word of words) {
        if (word === "--") groups.push([]);
        else groups.at(-1).push(word);
    }
    return groups;
}

await rm(RESULTS, { recursive: true, force: true });
await mkdir(RESULTS, { recursive: true });
const daemon = await Daemon.start(RESULTS);
try {
    for (const [name, ...words] of groups(process.argv.slice(2))) await check(name, words, daemon);
} finally {
    await daemon.stop();
}
