// Who is let in, and what nobody can make an operator's browser do.

import assert from "node:assert/strict";
import { after } from "node:test";

import * as pages from "./console.mjs";
import { Foreign, fallFor } from "./harness/foreign.mjs";
import { Scene } from "./harness/scene.mjs";

const scene = await Scene.open("guard");
const foreign = await Foreign.open();
after(async () => {
    await foreign.close();
    await scene.close();
});

let url, token;
scene.prepare(async () => {
    ({ url } = scene.daemon);
    token = await scene.daemon.token("guard", "admin");
});

async function loggedIn(withToken = token) {
    const visitor = await scene.visitor();
    await pages.login(visitor.page, url, withToken);
    return visitor;
}

async function noTarget(name) {
    const targets = await scene.daemon.command("target", "list");
    assert.ok(!targets.some((target) => target.name === name), `there is a target ${name}`);
}

scene.act("without a token every page leads to the login and shows nothing", async () => {
    const { page } = await scene.visitor();
    for (const path of [...Object.values(pages.PAGES), pages.NEW_TARGET, "/targets/1"]) {
        await page.goto(url + path);
        assert.equal(new URL(page.url()).pathname, pages.LOGIN, path);
        assert.equal(await pages.navigation(page).count(), 0, path);
    }
});

scene.act("a token that is none is refused with a sentence, and is not repeated", async () => {
    const { page, context } = await scene.visitor();
    await page.goto(url + pages.LOGIN);
    await pages.tryLogin(page, "hush-hush");
    await pages.alert(page).waitFor();
    assert.ok(!(await page.content()).includes("hush-hush"));
    assert.deepEqual(await pages.sessionCookies(context), []);
});

scene.act("a session is out of reach of scripts and of other sites, and is not the token", async () => {
    const { context } = await loggedIn();
    const [cookie, ...more] = await pages.sessionCookies(context);
    assert.deepEqual(more, []);
    assert.ok(cookie.httpOnly);
    assert.ok(["Strict", "Lax"].includes(cookie.sameSite), cookie.sameSite);
    assert.ok(!cookie.value.includes(token));
});

scene.act("who has logged out is out, also with the cookie kept from before", async () => {
    const { page, context } = await loggedIn();
    const kept = await context.cookies();
    await pages.logout(page);
    await context.addCookies(kept);
    await page.goto(url + pages.PAGES.Overview);
    assert.equal(new URL(page.url()).pathname, pages.LOGIN);
});

scene.act("a token that is revoked ends the sessions that were begun with it", async () => {
    const { page } = await loggedIn(await scene.daemon.token("revoked", "admin"));
    await scene.daemon.command("token", "revoke", "revoked");
    await page.goto(url + pages.PAGES.Overview);
    assert.equal(new URL(page.url()).pathname, pages.LOGIN);
});

scene.act("a viewer is offered nothing that changes anything, and cannot do it either", async () => {
    const { page } = await loggedIn(await scene.daemon.token("viewer", "viewer"));
    assert.equal(await pages.newTargetLink(page).count(), 0);
    // With everything that a form of his own would have.
    const { action, fields } = await createForm("by-a-viewer", await pages.secretOf(page));
    const sent = await page.request.post(action, { form: Object.fromEntries(fields), headers: { origin: url } });
    assert.equal(sent.status(), 403);
    await noTarget("by-a-viewer");
    const answer = await page.goto(url + pages.NEW_TARGET);
    assert.equal(answer.status(), 403);
});

for (const [site, whose] of Object.entries({ sameSite: "another port", crossSite: "another host" })) {
    scene.act(`a form that a page of ${whose} posts is refused`, async () => {
        const { action, fields } = await createForm(`lure-${site}`);
        const victim = await loggedIn();
        foreign.lure(action, fields);
        const answer = await fallFor(victim, foreign[site], action);
        // Either as forbidden, or as somebody who is not logged in: a browser keeps the cookie from other hosts.
        const refused = answer.status() === 403 || (await answer.headerValue("location"))?.startsWith(pages.LOGIN);
        assert.ok(refused, `the answer is ${answer.status()}`);
        await noTarget(`lure-${site}`);
    });
}

/** What the console's own form for a new target would send. */
async function createForm(name, secret) {
    const { page } = await loggedIn();
    await pages.fillTarget(page, url, name, "https://example.com/");
    return pages.formOf(pages.createButton(page), secret);
}

scene.act("a login that another page posts is refused, so that nobody works in somebody else's name", async () => {
    const victim = await scene.visitor();
    await victim.page.goto(url + pages.LOGIN);
    foreign.lure(url + pages.LOGIN, [["token", token]]);
    const answer = await fallFor(victim, foreign.sameSite, url + pages.LOGIN);
    assert.equal(answer.status(), 403);
    assert.deepEqual(await pages.sessionCookies(victim.context), []);
});

scene.act("a script of another page cannot use the session for the API", async () => {
    const { page } = await loggedIn();
    await page.goto(foreign.sameSite);
    const body = JSON.stringify({ name: "lured", endpoint: "https://example.com/", restWebhook: {}, timeout: "10s" });
    for (const type of ["text/plain", "application/x-www-form-urlencoded"]) {
        // As a simple request, which no browser asks about first; the answer cannot be read.
        const send = ([to, body, type]) => {
            const headers = { "content-type": type };
            return fetch(to, { method: "POST", mode: "no-cors", credentials: "include", headers, body }).then(() => true);
        };
        await page.evaluate(send, [`${url}/v2/actions/targets`, body, type]);
    }
    await noTarget("lured");
});
