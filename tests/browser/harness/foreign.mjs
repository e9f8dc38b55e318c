// A page of somebody else, whom an operator visits while logged in to the console.

import { once } from "node:events";
import { createServer } from "node:http";

export class Foreign {
    #server;
    #form = "";

    static async open() {
        const foreign = new Foreign();
        foreign.#server = createServer((_, response) => {
            response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
            response.end(`<!doctype html><html lang="en"><title>A prize</title><h1>A prize</h1>${foreign.#form}</html>`);
        }).listen(0);
        await once(foreign.#server, "listening");
        return foreign;
    }

    /** Another port: another origin, though cookies do not tell them apart. */
    get sameSite() {
        return `http://127.0.0.1:${this.#server.address().port}/`;
    }

    /** Another host. */
    get crossSite() {
        return `http://localhost:${this.#server.address().port}/`;
    }

    /** From now on the page has a button that posts this to the console. */
    lure(action, fields) {
        const inputs = fields.map(([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`);
        this.#form = `<form method="post" action="${escape(action)}">${inputs.join("")}<button>Claim</button></form>`;
    }

    async close() {
        this.#server.closeAllConnections();
        this.#server.close();
    }
}

/**
 * What somebody who falls for it does: opens the page, presses the button. Returns the console's answer.
 *
 * @param {import("./browser.mjs").Visitor} visitor
 */
export async function fallFor(visitor, url, action) {
    await visitor.page.goto(url);
    const posted = (response) => response.url() === action && response.request().method() === "POST";
    const answer = visitor.page.waitForResponse(posted);
    await visitor.page.getByRole("button", { name: "Claim" }).click();
    return answer;
}

function escape(text) {
    return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
