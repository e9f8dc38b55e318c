// Asks a running daemon whatever its own description of the API allows, and much that it does not.
//
//     node run.mjs SCHEMATHESIS [FLAG…]
//
// The flags are those of `schemathesis run`. Ends with its exit code, or with 1 if the daemon did not live through it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { Daemon } from "../browser/harness/daemon.mjs";

const RESULTS = fileURLToPath(new URL("../../target/openapi", import.meta.url));
const HERE = fileURLToPath(new URL(".", import.meta.url));
const TOKEN = "openapi";

/** Something to be found: targets, an execution, and an event that waits, because nobody listens. */
async function fill(daemon) {
    for (const name of ["first", "second"]) await daemon.command("target", "create", name, "--endpoint", "http://127.0.0.1:9/");
    await daemon.command("execution", "set", "event/user.added", "--targets", "first,second");
    await daemon.store.write({ type: "user.added", aggregate: "ada", payload: { name: "Ada" } });
}

async function ask(url, { id, token }, [program, ...flags]) {
    const settings = { POSTRIDER_TOKEN: token, POSTRIDER_TOKEN_NAME: TOKEN, POSTRIDER_TOKEN_ID: id ?? TOKEN };
    const env = { ...process.env, ...settings, PYTHONDONTWRITEBYTECODE: "1" };
    const words = ["run", `${url}/openapi.json`, "--report", "junit", "--report-dir", RESULTS, ...flags];
    const child = spawn(program, words, { cwd: HERE, env, stdio: "inherit" });
    const [code, signal] = await once(child, "exit");
    return signal ? 1 : code;
}

await mkdir(RESULTS, { recursive: true });
const daemon = await Daemon.start(RESULTS);
try {
    await fill(daemon);
    process.exitCode = await ask(daemon.url, await daemon.createToken(TOKEN, "admin"), process.argv.slice(2));
    // Whatever was asked, it still does its work.
    if (!(await daemon.ready())) throw new Error("the daemon is not ready any more");
} finally {
    await daemon.stop();
}
