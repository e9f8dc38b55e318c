// The real binary, in a folder of its own: started, asked by its own commands, and ended by a signal.
//
// Its folder is among the results, where the log stays; the databases stay if it did not end well. Nothing of the caller's
// environment reaches it.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
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
     * @param {string} folder where the results are: it works in `daemon` there
     */
    static async start(folder) {
        const daemon = new Daemon();
        daemon.#folder = join(folder, "daemon");
        await rm(daemon.#folder, { recursive: true, force: true });
        await mkdir(daemon.#folder, { recursive: true });
        daemon.store = await Store.create(join(daemon.#folder, "events.db"));
        await writeFile(join(daemon.#folder, "postrider.toml"), CONFIG);
        try {
            await daemon.#run();
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

    /** Whether it says that it can do its work. */
    async ready() {
        return (await fetch(`${this.#url}/readyz`, { signal: AbortSignal.timeout(PATIENCE) })).ok;
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

    /** A new token of this role, as it is shown this once: `admin`, `operator` or `viewer`. */
    createToken(name, role) {
        return this.command("token", "create", "--name", name, "--role", role);
    }

    /** The secret of a new token alone. */
    async token(name, role) {
        return (await this.createToken(name, role)).token;
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
        if (child.pid === undefined) return;
        if (child.exitCode === null && child.signalCode === null) {
            const exited = once(child, "exit");
            child.kill("SIGTERM");
            const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
            await exited;
            clearTimeout(timer);
        }
        if (child.exitCode !== 0) {
            throw new Error(`the daemon ended with ${child.signalCode ?? child.exitCode}; see ${this.#log}`);
        }
        await rename(this.#log, `${this.#folder}.log`);
        await rm(this.#folder, { recursive: true });
    }

    get #log() {
        return join(this.#folder, "log");
    }

    #options() {
        return { cwd: this.#folder, env: { PATH: process.env.PATH, USER: "browser" } };
    }

    async #run() {
        const options = { ...this.#options(), stdio: ["ignore", "ignore", "pipe"] };
        // However a test is broken off, it leaves no daemon behind.
        const command = ["--pdeathsig", "KILL", "--", BINARY, "run", "--log-format", "json"];
        const child = (this.#child = spawn("setpriv", command, options));
        await once(child, "spawn");
        const kept = createWriteStream(this.#log);
        const lines = createInterface({ input: child.stderr });
        let last = "nothing";
        const address = new Promise((resolve, reject) => {
            lines.on("line", (line) => {
                kept.write(`${line}\n`);
                last = line;
                const heard = listensOn(line);
                if (heard) resolve(heard);
            });
            lines.once("close", () => {
                kept.end();
                reject(new Error(`the daemon ended before it listened; the last it said is: ${last}`));
            });
        });
        this.#url = `http://${await address}`;
        await eventually("the daemon is ready", () => this.ready());
    }
}

/** The address in the line that says where the console is; whatever its words are. */
function listensOn(line) {
    try {
        return JSON.parse(line).address;
    } catch {
        // A panic, or what setpriv says: it is in the log.
        return undefined;
    }
}
