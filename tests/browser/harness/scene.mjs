// A stage for a test file: a daemon, a browser, receivers, and the folder for what is to be looked at afterwards.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Browser } from "./browser.mjs";
import { Daemon } from "./daemon.mjs";
import { Receiver } from "./receiver.mjs";

const RESULTS = fileURLToPath(new URL("../../../target/browser", import.meta.url));

/** No act takes longer, whatever waits in it. */
const LIMIT = 90_000;

export class Scene {
    #folder;
    #receivers = [];
    #visitors = [];
    daemon;
    browser;

    /** Sets it up. The name is that of the folder in the results. */
    static async open(name) {
        const scene = new Scene();
        try {
            scene.#folder = join(RESULTS, name);
            await mkdir(scene.#folder, { recursive: true });
            scene.daemon = await Daemon.start(scene.#folder);
            scene.browser = await Browser.open();
        } catch (error) {
            await scene.close().catch(() => {});
            throw error;
        }
        return scene;
    }

    /** A receiver that answers. */
    async receiver() {
        const receiver = await Receiver.open();
        this.#receivers.push(receiver);
        return receiver;
    }

    async visitor(looks) {
        const visitor = await this.browser.visitor(looks);
        this.#visitors.push(visitor);
        return visitor;
    }

    /** Keeps what the visitor sees, as `NAME.png`. */
    async keep(visitor, name) {
        await visitor.page.screenshot({ path: join(this.#folder, `${name}.png`), fullPage: true });
    }

    /** What comes before all acts. If it fails, what is seen is kept. */
    prepare(play) {
        before(() => this.#watched("before-all", play), { timeout: LIMIT });
    }

    /** A test. If it fails, what its visitors see is kept beside its name. Who came for it alone leaves with it. */
    act(sentence, play) {
        return test(sentence, { timeout: LIMIT }, async () => {
            const there = this.#visitors.length;
            try {
                await this.#watched(sentence.replaceAll(/\W+/g, "-"), play);
            } finally {
                for (const visitor of this.#visitors.splice(there)) await visitor.close();
            }
        });
    }

    /**
     * Ends everything, whatever of it does not end well; the first trouble is told. The daemon goes first: no page that is open
     * may keep it from ending.
     */
    async close() {
        const ends = [this.daemon && { close: () => this.daemon.stop() }, this.browser, ...this.#receivers];
        const troubles = [];
        for (const end of ends.filter(Boolean)) await end.close().catch((error) => troubles.push(error));
        if (troubles.length > 0) throw troubles[0];
    }

    async #watched(name, play) {
        try {
            await play();
        } catch (error) {
            await this.#keepAll(name).catch(() => {});
            throw error;
        }
    }

    async #keepAll(name) {
        for (const [number, visitor] of this.#visitors.entries()) {
            await this.keep(visitor, `failed-${name}-${number}`);
            const said = [visitor.page.url(), await visitor.page.content(), ...visitor.complaints];
            await writeFile(join(this.#folder, `failed-${name}-${number}.html`), said.join("\n"));
        }
    }
}
