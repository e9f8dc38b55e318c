// Writes events into the embedded store while the daemon reads it, as an application would.
//
// By the command `sqlite3`: what Debian calls nodejs has no SQLite of its own.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";

const SCHEMA = new URL("../../events.sql", import.meta.url);

export class Store {
    #file;

    constructor(file) {
        this.#file = file;
    }

    static async create(file) {
        const store = new Store(file);
        await store.#run(await readFile(SCHEMA, "utf8"));
        return store;
    }

    /**
     * Writes events in one transaction and returns their positions, as texts. The time and the sequence are the store's.
     *
     * @param {...{ type: string, aggregate: string, payload?: unknown }} events
     */
    async write(...events) {
        const statements = events.map(insert);
        const said = await this.#run(["BEGIN IMMEDIATE;", ...statements, "COMMIT;"].join("\n"));
        return said.trim().split("\n");
    }

    #run(sql) {
        return new Promise((resolve, reject) => {
            // Without a file for settings: whose machine it is must not matter.
            const flags = ["-init", "/dev/null", "-batch", "-bail", "-noheader", "-cmd", ".timeout 5000", this.#file];
            const child = execFile("sqlite3", flags, (error, out, said) => {
                if (error) reject(new Error(`sqlite3 failed: ${said || error.message}`));
                else resolve(out);
            });
            child.stdin.end(sql);
        });
    }
}

function insert({ type, aggregate, payload }) {
    const [instance, kind] = ["browser", type.split(".", 1)[0]];
    const key = `instance_id = ${text(instance)} AND aggregate_type = ${text(kind)} AND aggregate_id = ${text(aggregate)}`;
    const values = [
        text(instance),
        text(kind),
        text(aggregate),
        text(type),
        `(SELECT coalesce(max(sequence), 0) + 1 FROM events2 WHERE ${key})`,
        "1",
        "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')",
        payload === undefined ? "NULL" : text(JSON.stringify(payload)),
        text("somebody"),
        text("org-1"),
    ];
    return `INSERT INTO events2 (instance_id, aggregate_type, aggregate_id, event_type, sequence, revision, created_at, payload,
        creator, owner) VALUES (${values.join(", ")}) RETURNING position;`;
}

/** A text as SQL writes it. */
function text(value) {
    return `'${value.replaceAll("'", "''")}'`;
}
