// Chromium without a screen, and what it did: every request, every header of a page, every complaint on its console.
//
// Whatever is not this machine does not exist for it: a page that asked for something elsewhere would get an error, and the
// request is on the record.

import { execFileSync } from "node:child_process";

import { chromium } from "playwright-core";

import { PATIENCE } from "./wait.mjs";

const FLAGS = [
    // /dev/shm is 64 MB in most containers.
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

/** Widths that pages are looked at with: a desk and a telephone. */
export const SIZES = { wide: { width: 1280, height: 900 }, narrow: { width: 390, height: 844 } };
export const SCHEMES = ["light", "dark"];

export class Browser {
    #browser;

    static async open() {
        const browser = new Browser();
        // Its sandbox needs privileges that containers do not have; all that it shows here is our own.
        browser.#browser = await chromium.launch({ executablePath: binary(), args: FLAGS, chromiumSandbox: false });
        return browser;
    }

    /** Somebody who comes for the first time: no cookies, nothing cached; and with no scripts, if that is asked for. */
    async visitor({ scheme = "light", size = "wide", scripts = true } = {}) {
        const looks = { colorScheme: scheme, viewport: SIZES[size], javaScriptEnabled: scripts };
        return Visitor.of(await this.#browser.newContext({ ...looks, locale: "en-GB" }));
    }

    async close() {
        await this.#browser.close();
    }
}

/** One person's browser: a page, the cookies, and the record of what went on. */
export class Visitor {
    /** What the browser asked for: `{ method, url, type }`. */
    requests = [];
    /** The pages that came, with their headers: `{ url, status, headers }`. */
    documents = [];
    /** Errors and violations on the console, and exceptions that nobody caught. */
    complaints = [];
    /** How often the page was left for another, or loaded again. */
    loads = 0;
    page;

    static async of(context) {
        const visitor = new Visitor();
        visitor.context = context;
        context.setDefaultTimeout(PATIENCE);
        visitor.page = await context.newPage();
        visitor.#record();
        return visitor;
    }

    /** Looks as others do, from the next page on. */
    async look({ scheme, size }) {
        await this.page.emulateMedia({ colorScheme: scheme });
        await this.page.setViewportSize(SIZES[size]);
    }

    /** By how many pixels the page has to be scrolled sideways to see all of it. */
    sideways() {
        return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    }

    /** Hosts that were asked for anything, beside this one. */
    strangers(url) {
        const own = new URL(url).host;
        const hosts = this.requests.map((request) => new URL(request.url)).filter(({ protocol }) => protocol !== "data:");
        return [...new Set(hosts.map(({ host }) => host).filter((host) => host !== own))];
    }

    async close() {
        await this.context.close();
    }

    #record() {
        this.context.on("request", (request) => {
            this.requests.push({ method: request.method(), url: request.url(), type: request.resourceType() });
        });
        this.context.on("response", async (response) => {
            if (response.request().resourceType() !== "document") return;
            const [url, status] = [response.url(), response.status()];
            this.documents.push({ url, status, headers: response.headers() });
        });
        this.page.on("framenavigated", (frame) => {
            if (frame === this.page.mainFrame()) this.loads += 1;
        });
        this.page.on("console", (message) => {
            if (message.type() === "error") this.complaints.push(`${this.page.url()}: ${message.text()}`);
        });
        this.page.on("pageerror", (error) => this.complaints.push(`${this.page.url()}: ${error.message}`));
    }
}

/** Debian calls it `chromium`; POSTRIDER_TEST_CHROMIUM names one that is elsewhere. */
function binary() {
    if (process.env.POSTRIDER_TEST_CHROMIUM) return process.env.POSTRIDER_TEST_CHROMIUM;
    try {
        return execFileSync("sh", ["-c", "command -v chromium || command -v chromium-browser"], { encoding: "utf8" }).trim();
    } catch {
        throw new Error("there is no chromium on the PATH; name one in POSTRIDER_TEST_CHROMIUM");
    }
}
