// A receiver that can be broken and mended, on a port that stays its own.
//
// It writes down every call, also those it answers with an error, with what a receiver would make of it: the event, the
// decoded payload, and whether the signature is good.

import { createServer } from "node:http";

import { fault } from "./signature.mjs";
import { PATIENCE } from "./wait.mjs";

/** Below the ports that the kernel hands out by itself: while it refuses connections, nobody else gets its port. */
const LOWEST_PORT = 10_000;
const PORTS = 20_000;

export class Receiver {
    #server = createServer((request, response) => this.#receive(request, response));
    #status = 200;
    #waiting = new Set();
    #port;

    /** Every call so far: `{ status, headers, body, event, payload }`. */
    arrivals = [];
    /** What calls should be signed with; until it is set, signatures are only written down. */
    key;

    static async open() {
        const receiver = new Receiver();
        for (;;) {
            receiver.#port = LOWEST_PORT + Math.floor(Math.random() * PORTS);
            try {
                await receiver.#listen();
                return receiver;
            } catch (error) {
                if (error.code !== "EADDRINUSE") throw error;
            }
        }
    }

    get url() {
        return `http://127.0.0.1:${this.#port}/hook`;
    }

    /** From now on every call is answered with this. */
    answer(status) {
        this.#status = status;
    }

    /** From now on connections are refused, and those that are open are gone. */
    async refuse() {
        const closed = new Promise((resolve) => this.#server.close(resolve));
        this.#server.closeAllConnections();
        await closed;
    }

    /** Takes calls again, and answers them with 200. */
    async mend() {
        this.#status = 200;
        if (!this.#server.listening) await this.#listen();
    }

    async close() {
        if (this.#server.listening) await this.refuse();
    }

    /** The events of the calls that were answered with 2xx, as `type sequence`. */
    get delivered() {
        return this.arrivals.filter(({ status }) => status < 300).map(({ event }) => event.event_type + " " + event.sequence);
    }

    /**
     * The first call that answers to this, at once if it has come already.
     *
     * @param {string} what the sentence for the case that none comes
     * @param {(arrival: object) => boolean} wanted
     */
    async arrival(what, wanted) {
        const there = this.arrivals.find(wanted);
        if (there) return there;
        return new Promise((resolve, reject) => {
            const entry = { wanted, resolve };
            const timer = setTimeout(() => {
                this.#waiting.delete(entry);
                reject(new Error(`${what}: no such call came within ${PATIENCE} ms, of ${this.arrivals.length}`));
            }, PATIENCE);
            entry.resolve = (arrival) => {
                clearTimeout(timer);
                resolve(arrival);
            };
            this.#waiting.add(entry);
        });
    }

    /** What is wrong with the signature of a call; `undefined` if it is good. */
    fault({ headers, body }) {
        return fault(headers["zitadel-signature"], body, this.key);
    }

    #listen() {
        return new Promise((resolve, reject) => {
            this.#server.once("error", reject);
            this.#server.listen(this.#port, "127.0.0.1", () => {
                this.#server.off("error", reject);
                resolve();
            });
        });
    }

    async #receive(request, response) {
        const pieces = [];
        try {
            for await (const piece of request) pieces.push(piece);
        } catch {
            // The caller went away, or this receiver was broken: there was no call.
            return;
        }
        const body = Buffer.concat(pieces);
        const arrival = { status: this.#status, headers: request.headers, body, ...read(body) };
        this.arrivals.push(arrival);
        response.writeHead(arrival.status).end();
        for (const entry of this.#waiting) {
            if (entry.wanted(arrival)) {
                this.#waiting.delete(entry);
                entry.resolve(arrival);
            }
        }
    }
}

/** The event in a body, and its payload. What cannot be read is absent, and fails the test that asks for it. */
function read(body) {
    try {
        const event = JSON.parse(body.toString("utf8"));
        const encoded = event.event_payload;
        return { event, payload: encoded && JSON.parse(Buffer.from(encoded, "base64").toString("utf8")) };
    } catch {
        return {};
    }
}
