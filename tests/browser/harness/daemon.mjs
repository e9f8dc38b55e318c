// The real binary, in a folder of its own: started, asked by its own commands, and ended by a signal.
//
// Its log is kept in the folder of the results. Nothing of the caller's environment reaches it.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { Store } from "./store.mjs";
import { PATIENCE, eventually } from "./wait.mjs";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const BINARY = resolve(process.env.POSTRIDER_BIN || join(ROOT, "target/debug/postrider"));

/** Impatient, so that what takes minutes in earnest can be watched; one failure parks an event. */
const CONFIG = `
[event_store]
url = "sqlite://events.db"
[admin]
listen = "127.0.0.1:0"
[projection]
max_failure_count = 1
retry_failed_after = "100ms"
max_retry_interval = "500ms"
[delivery]
log = "all"
[delivery.egress]
allow = ["127.0.0.1"]
`;

export class Daemon {
    #child;
    #folder;
    #url;

    /** Where events are written. */
    store;

    /**
     * Starts one and waits until it is ready.
     *
     * @param {string} log the file that keeps what it says
     */
    static async start(log) {
        const daemon = new Daemon();
        daemon.#folder = await mkdtemp(join(tmpdir(), "postrider-browser."));
        try {
            daemon.store = await Store.create(join(daemon.#folder, "events.db"));
            await writeFile(join(daemon.#folder, "postrider.toml"), CONFIG);
            await daemon.#run(log);
        } catch (error) {
            await daemon.stop().catch(() => {});
            throw error;
        }
        return daemon;
    }

    /** Where the console is, without a slash at the end. */
    get url() {
        return this.#url;
    }

    /** Runs one of the binary's commands beside the daemon and returns what it printed, which is JSON. */
    async command(...words) {
        const said = await new Promise((resolve, reject) => {
            execFile(BINARY, [...words, "-o", "json"], this.#options(), (error, out, said) => {
                if (error) reject(new Error(`postrider ${words.join(" ")}: ${said || error.message}`));
                else resolve(out);
            });
        });
        return JSON.parse(said);
    }

    /** A new token of this role: `admin`, `operator` or `viewer`. */
    async token(name, role) {
        const { token } = await this.command("token", "create", "--name", name, "--role", role);
        return token;
    }

    /** Waits until everything that was written is settled for a target, and committed. */
    async settled(target) {
        await eventually(`everything is settled for ${target}`, async () => {
            const cursors = await this.command("cursor", "list", "--count");
            return cursors.find((cursor) => cursor.target === target)?.lag_events === 0;
        });
    }

    /** Ends it as an operator would. Anything but an orderly end is an error. */
    async stop() {
        const child = this.#child;
        try {
            if (child && child.exitCode === null && child.signalCode === null) {
                const exited = once(child, "exit");
                child.kill("SIGTERM");
                const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
                await exited;
                clearTimeout(timer);
            }
            if (child && child.exitCode !== 0) throw new Error(`the daemon ended with ${child.signalCode ?? child.exitCode}`);
        } finally {
            await rm(this.#folder, { recursive: true, force: true });
        }
    }

    #options() {
        return { cwd: this.#folder, env: { PATH: process.env.PATH, USER: "browser" } };
    }

    async #run(log) {
        const options = { ...this.#options(), stdio: ["ignore", "ignore", "pipe"] };
        const child = (this.#child = spawn(BINARY, ["run", "--log-format", "json"], options));
        // A test that is broken off leaves nobody behind.
        process.once("exit", () => child.kill("SIGKILL"));
        await once(child, "spawn");
        const kept = createWriteStream(log);
        const lines = createInterface({ input: child.stderr });
        const address = new Promise((resolve, reject) => {
            lines.on("line", (line) => {
                kept.write(`${line}\n`);
                const heard = listensOn(line);
                if (heard) resolve(heard);
            });
            lines.once("close", () => {
                kept.end();
                reject(new Error(`the daemon ended before it listened; its log is ${log}`));
            });
        });
        this.#url = `http://${await address}`;
        await eventually("the daemon is ready", async () => (await fetch(`${this.#url}/readyz`)).ok);
    }
}

/** The address in the line that says where the console is; whatever its words are. */
function listensOn(line) {
    try {
        return JSON.parse(line).address;
    } catch {
        // A panic, or a warning of a library: it is in the log.
        return undefined;
    }
}
