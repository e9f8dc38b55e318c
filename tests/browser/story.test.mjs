// What an operator does in the console, and what becomes of it: in the daemon, at the receiver, and on the page that stays open.
//
// Each act has a target, a receiver and an event type of its own, so that one that fails spoils no other.

import assert from "node:assert/strict";
import { after } from "node:test";

import * as pages from "./console.mjs";
import { Scene } from "./harness/scene.mjs";
import { eventually } from "./harness/wait.mjs";

const scene = await Scene.open("story");
after(() => scene.close());

let operator, page, url;
scene.prepare(async () => {
    ({ url } = scene.daemon);
    operator = await scene.visitor();
    ({ page } = operator);
    await pages.login(page, url, await scene.daemon.token("story", "admin"));
});

/** A target with an execution for one event type, all made in the console, and its page open. */
async function stage(name) {
    const type = `user.${name}.changed`;
    const receiver = await scene.receiver();
    receiver.key = await pages.createTarget(page, url, name, receiver.url);
    await pages.setExecution(page, url, type, name);
    await pages.openTarget(page, url, name);
    const write = (payload) => scene.daemon.store.write({ type, aggregate: name, payload });
    return { type, receiver, write };
}

/** Whatever happens meanwhile must be seen without the page being loaded again. */
async function withoutReload(watch) {
    const { loads } = operator;
    await watch();
    assert.equal(operator.loads, loads, "the page was loaded again");
}

scene.act("an event reaches a target made in the console, signed, and the open page shows it", async () => {
    const { type, receiver, write } = await stage("live");
    await withoutReload(async () => {
        await write({ firstName: "Ada" });
        const arrival = await receiver.arrival("the event", ({ event }) => event.event_type === type);
        assert.equal(receiver.fault(arrival), undefined);
        assert.deepEqual(arrival.payload, { firstName: "Ada" });
        await pages.delivery(page, type).waitFor();
        await pages.state(page, "live");
    });
    await scene.keep(operator, "live");
});

scene.act("a target whose endpoint refuses connections holds, and goes on by itself once it is mended", async () => {
    const { type, receiver, write } = await stage("hold");
    await withoutReload(async () => {
        await receiver.refuse();
        await write({ number: 1 });
        await pages.state(page, "holding");
        await scene.keep(operator, "holding");
        await write({ number: 2 });
        await receiver.mend();
        await receiver.arrival("the second event", ({ payload }) => payload?.number === 2);
        await pages.state(page, "live");
    });
    assert.deepEqual(receiver.delivered, [`${type} 1`, `${type} 2`]);
});

scene.act("an event that is refused is parked, is read, and is delivered when it is retried", async () => {
    const { type, receiver, write } = await stage("park");
    // It is shown as what it is, whatever it would be on a page.
    const payload = { lastName: "King", note: "<img src=x onerror='document.title=1'></script><b>bold</b>" };
    receiver.answer(500);
    await withoutReload(async () => {
        await write(payload);
        await pages.failed(page, type).filter({ hasText: "parked" }).waitFor();
    });
    await scene.keep(operator, "parked");
    await receiver.mend();

    await pages.openEvent(page, pages.failed(page, type));
    assert.deepEqual(await pages.readPayload(page), payload);
    assert.equal(await pages.payload(page).getByRole("img").count(), 0);
    await scene.keep(operator, "payload");
    await pages.retry(page);
    const again = await receiver.arrival("the retry", ({ status }) => status === 200);
    assert.deepEqual(again.payload, payload);
    assert.equal(again.headers["webhook-id"], receiver.arrivals[0].headers["webhook-id"]);
    await pages.openTarget(page, url, "park");
    await pages.failed(page, type).waitFor({ state: "detached" });
});

scene.act("a click on the time line says how many events would be sent, and seeks only when that is confirmed", async () => {
    const { type, receiver, write } = await stage("seek");
    const count = 5;
    for (let number = 1; number <= count; number += 1) await write({ number });
    await receiver.arrival("the last event", ({ payload }) => payload?.number === count);
    await scene.daemon.settled("seek");

    await pages.pressTimeLine(page, 0);
    assert.equal(await pages.wouldBeSent(page), count);
    await scene.keep(operator, "seek");
    await pages.answerSeek(page, "Cancel");
    // What comes next comes alone.
    await write({ number: count + 1 });
    await receiver.arrival("the next event", ({ payload }) => payload?.number === count + 1);
    assert.equal(receiver.arrivals.length, count + 1);

    await scene.daemon.settled("seek");
    await pages.pressTimeLine(page, 0);
    assert.equal(await pages.wouldBeSent(page), count + 1);
    await pages.answerSeek(page, "Seek");
    await eventually("all events came again", () => receiver.arrivals.length === 2 * (count + 1));
    const once = Array.from({ length: count + 1 }, (_, at) => `${type} ${at + 1}`);
    assert.deepEqual(receiver.delivered, [...once, ...once]);
});

scene.act("a cursor is moved by the keyboard alone", async () => {
    const { type, receiver, write } = await stage("keys");
    await write({ number: 1 });
    await receiver.arrival("the event", () => true);
    await scene.daemon.settled("keys");
    await pages.typeTimeLine(page, "beginning");
    assert.equal(await pages.wouldBeSent(page), 1);
    await pages.answerSeek(page, "Seek");
    await eventually("it came again", () => receiver.arrivals.length === 2);
    assert.deepEqual(receiver.delivered, [`${type} 1`, `${type} 1`]);
});

scene.act("whoever has no scripts can do all of it", async () => {
    const { receiver, write } = await stage("plain");
    const visitor = await scene.visitor({ scripts: false });
    await pages.login(visitor.page, url, await scene.daemon.token("plain", "operator"));
    await write({ number: 1 });
    await receiver.arrival("the event", () => true);
    await scene.daemon.settled("plain");
    await pages.openTarget(visitor.page, url, "plain");
    await pages.seekAsPage(visitor.page, "beginning");
    assert.equal(await pages.wouldBeSent(visitor.page, visitor.page), 1);
    await pages.answer(visitor.page, "Seek", "The cursor was moved");
    await eventually("it came again", () => receiver.arrivals.length === 2);
    await pages.answer(visitor.page, "Pause", "Paused");
    await pages.state(visitor.page, "paused");
    await pages.answer(visitor.page, "Resume", "Resumed");
});

scene.act("what somebody is in stays theirs while rows come before it", async () => {
    const { type, receiver, write } = await stage("focus");
    receiver.answer(500);
    await write({ number: 1 });
    const first = pages.failed(page, type).filter({ hasText: "focus#1" });
    await pages.retryOf(first).focus();
    await write({ number: 2 });
    await pages.failed(page, type).filter({ hasText: "focus#2" }).waitFor();
    const row = await page.evaluate(() => document.activeElement.closest("tr").textContent);
    assert.match(row, /focus#1/);
});

scene.act("a test call says what the endpoint answered, and leaves the cursor alone", async () => {
    const { receiver } = await stage("test");
    await pages.asks(page, "Test call").click();
    await pages.answer(page, "Call", "delivered");
    const { event } = await receiver.arrival("the call", () => true);
    assert.equal(event.event_type, "postrider.test");
});

scene.act("what is discarded needs a reason, and is in the audit with it", async () => {
    const { type, receiver, write } = await stage("discard");
    receiver.answer(500);
    await write({ number: 1 });
    await pages.failed(page, type).getByRole("button", { name: /^Discard/ }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Discard", exact: true }).click();
    assert.ok(await dialog.isVisible(), "without a reason nothing is sent");
    await dialog.getByLabel("Reason").fill("no longer wanted");
    await pages.answer(page, "Discard", "Discarded");
    await pages.failed(page, type).waitFor({ state: "detached" });
    await page.goto(url + pages.PAGES.Audit);
    await pages.row(page, "Audit", "no longer wanted").waitFor();
});

scene.act("what was done is in the audit, with the name of the token", async () => {
    await stage("audit");
    await page.goto(url + pages.PAGES.Audit);
    for (const act of ["target.create", "execution.set"]) {
        await pages.row(page, "Audit", act).filter({ hasText: "story" }).waitFor();
    }
});

scene.act("nobody else was asked for anything, and no page complained", () => {
    assert.deepEqual(operator.strangers(url), []);
    assert.deepEqual(operator.complaints, []);
});
