// The harness against itself: what it would find is planted, so that a test of the console that passes says something.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, test } from "node:test";

import { violations } from "./harness/axe.mjs";
import { Foreign, fallFor } from "./harness/foreign.mjs";
import { laxness } from "./harness/policy.mjs";
import { Scene } from "./harness/scene.mjs";
import { fault } from "./harness/signature.mjs";

const STRICT = {
    "content-security-policy":
        "default-src 'none'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
};

const SOUND = `<!doctype html><html lang="en"><title>Sound</title><main><h1>Sound</h1></main></html>`;
const PLANTED = `<!doctype html><html><title>Planted</title><main><h1>Planted</h1><table width="2000"><tr><td><input></table>
    <img src="http://elsewhere.example/dot.png" alt=""><script>document.title = "run"</script></main></html>`;

const site = createServer((request, response) => {
    response.writeHead(200, { ...STRICT, "content-type": "text/html; charset=utf-8" });
    response.end(request.url === "/planted" ? PLANTED : SOUND);
}).listen(0, "127.0.0.1");
await once(site, "listening");
const url = `http://127.0.0.1:${site.address().port}`;

const scene = await Scene.open("harness");
after(async () => {
    site.closeAllConnections();
    site.close();
    await scene.close();
});

scene.act("a sound page is found sound under a strict policy", async () => {
    const visitor = await scene.visitor();
    await visitor.page.goto(`${url}/sound`);
    assert.deepEqual(await violations(visitor.page), []);
    assert.deepEqual(visitor.strangers(url), []);
    assert.deepEqual(visitor.complaints, []);
    assert.deepEqual(laxness(visitor.documents[0].headers), []);
    assert.equal(await visitor.sideways(), 0);
    assert.equal(visitor.loads, 1);
    await scene.keep(visitor, "sound");
});

scene.act("what is planted in a page is found", async () => {
    const visitor = await scene.visitor({ size: "narrow", scheme: "dark" });
    await visitor.page.goto(`${url}/planted`);
    const found = (await violations(visitor.page)).map((sentence) => sentence.split(" ", 1)[0]);
    assert.ok(found.includes("html-has-lang") && found.includes("label"), found.join());
    // The policy kept both from happening, and the page complained of it.
    assert.equal(await visitor.page.title(), "Planted");
    assert.equal(visitor.complaints.filter((complaint) => complaint.includes("Content Security Policy")).length, 2);
    assert.ok((await visitor.sideways()) > 1000);
    assert.ok(await visitor.page.evaluate(() => matchMedia("(prefers-color-scheme: dark)").matches));
});

scene.act("a request to somebody else is on the record, and goes nowhere", async () => {
    const visitor = await scene.visitor();
    const gone = await visitor.page.goto("http://elsewhere.example/").catch((error) => error);
    assert.match(gone.message, /ERR_NAME_NOT_RESOLVED/);
    assert.deepEqual(visitor.strangers(url), ["elsewhere.example"]);
});

scene.act("a page of somebody else posts what it likes, and from the same site with cookies", async () => {
    const foreign = await Foreign.open();
    const visitor = await scene.visitor();
    await visitor.context.addCookies([{ name: "session", value: "1", url, sameSite: "Strict" }]);
    foreign.lure(`${url}/sound`, [["name", `<"&'>`]]);
    for (const [from, cookie] of [[foreign.sameSite, "session=1"], [foreign.crossSite, undefined]]) {
        const answer = await fallFor(visitor, from, `${url}/sound`);
        const sent = answer.request();
        assert.equal(new URLSearchParams(sent.postData()).get("name"), `<"&'>`);
        const headers = await sent.allHeaders();
        assert.deepEqual([headers.cookie, headers.origin], [cookie, from.slice(0, -1)]);
    }
    await foreign.close();
});

test("every way in which headers are too lax is said", () => {
    assert.ok(laxness({}).length >= 6);
    const lax = STRICT["content-security-policy"].replace("default-src 'none'", "default-src 'self' 'unsafe-inline'");
    const said = laxness({ ...STRICT, "content-security-policy": lax });
    assert.deepEqual(said, ["default-src is neither 'none' nor 'self'", "default-src allows 'unsafe-inline'"]);
});

test("a signature is good for its key, its body and its time alone", () => {
    const [key, body, now] = ["key", Buffer.from("{}"), 1_700_000_000];
    const digest = createHmac("sha256", key).update(`${now}.{}`).digest("hex");
    const header = `t=${now},v1=${"0".repeat(64)},v1=${digest}`;
    assert.equal(fault(header, body, key, now + 299), undefined);
    assert.match(fault(header, body, key, now + 301), /time/);
    for (const wrong of [fault(header, body, "another", now), fault(header, Buffer.from("[]"), key, now)]) {
        assert.match(wrong, /no v1/);
    }
    assert.match(fault(undefined, body, key, now), /no ZITADEL-Signature/);
    assert.match(fault(`v1=${digest}`, body, key, now), /one time/);
    assert.match(fault(`t=${now},v1=`, body, key, now), /no v1/);
});

scene.act("the daemon delivers what is written into the store, to a receiver that was broken and mended", async () => {
    const [receiver, { daemon }] = [await scene.receiver(), scene];
    await receiver.refuse();
    const created = await daemon.command("target", "create", "crm", "--endpoint", receiver.url);
    receiver.key = created.signing_key;
    await daemon.command("execution", "set", "event/user.added", "--targets", "crm");
    const positions = await daemon.store.write(
        { type: "user.added", aggregate: "it's", payload: { name: "it's" } },
        { type: "user.added", aggregate: "it's" },
    );
    assert.deepEqual(positions, ["1", "2"]);
    await receiver.mend();
    await receiver.arrival("the second event", ({ event }) => event.sequence === 2);
    assert.deepEqual(receiver.delivered, ["user.added 1", "user.added 2"]);
    assert.deepEqual(receiver.arrivals.map((arrival) => receiver.fault(arrival)), [undefined, undefined]);
    assert.deepEqual(receiver.arrivals.map(({ payload }) => payload), [{ name: "it's" }, undefined]);
});
