// Every page, as it looks in the dark and in the light, on a desk and on a telephone: nothing has to be scrolled sideways,
// nothing serious is in the way of somebody who cannot see it or has no mouse, nothing comes from elsewhere, and the headers
// allow no more than is needed. A picture of each is kept.

import assert from "node:assert/strict";
import { after } from "node:test";

import * as pages from "./console.mjs";
import { violations } from "./harness/axe.mjs";
import { SCHEMES, SIZES } from "./harness/browser.mjs";
import { laxness } from "./harness/policy.mjs";
import { Scene } from "./harness/scene.mjs";

const scene = await Scene.open("pages");
after(() => scene.close());

/** The pages by the names of their pictures; what is behind a click is added once it is there. */
const places = { login: pages.LOGIN, "new-target": pages.NEW_TARGET };
for (const [name, path] of Object.entries(pages.PAGES)) places[name.toLowerCase()] = path;

/** Who is logged in sees every page, but perhaps not the login. */
let operator, stranger, page, url;
scene.prepare(async () => {
    ({ url } = scene.daemon);
    operator = await scene.visitor();
    stranger = await scene.visitor();
    ({ page } = operator);
    await pages.login(page, url, await scene.daemon.token("pages", "admin"));
    await fill();
});

/** Something for every table: a target that works, one that holds, one with a parked event. */
async function fill() {
    const [works, gone, refuses] = await Promise.all([scene.receiver(), scene.receiver(), scene.receiver()]);
    await gone.refuse();
    refuses.answer(500);
    const path = () => new URL(page.url()).pathname;
    for (const [name, receiver] of Object.entries({ works, gone, refuses })) {
        await pages.createTarget(page, url, name, receiver.url);
        await pages.setExecution(page, url, `user.${name}`, name);
        await pages.openTarget(page, url, name);
        places[`target-${name}`] = path();
        await scene.daemon.store.write({ type: `user.${name}`, aggregate: "a-rather-long-name-of-a-user", payload: { name } });
    }
    await pages.failed(page, "user.refuses").waitFor();
    for (const [name, address] of Object.entries(pages.QUESTIONS)) places[`question-${name}`] = path() + address;
    places["question-discard"] = `${path()}/discard?status=parked`;
    places.explained = `${pages.PAGES.Executions}?event=user.refuses`;
    await page.getByRole("link", { name: "Details" }).first().click();
    await pages.heading(page, /^Attempt/).waitFor();
    places.attempt = path();
    await pages.openTarget(page, url, "refuses");
    await pages.openEvent(page, pages.failed(page, "user.refuses"));
    places.event = path();
    await pages.openTarget(page, url, "gone");
    await pages.state(page, "holding");
}

for (const scheme of SCHEMES) {
    for (const size of Object.keys(SIZES)) {
        scene.act(`every page is fit to be used: ${scheme}, ${size}`, async () => {
            const wrong = [];
            for (const [name, path] of Object.entries(places)) {
                const visitor = path === pages.LOGIN ? stranger : operator;
                await visitor.look({ scheme, size });
                wrong.push(...(await faults(visitor, path)).map((fault) => `${name}: ${fault}`));
                await scene.keep(visitor, `${name}-${scheme}-${size}`);
            }
            assert.deepEqual(wrong, []);
        });
    }
}

/** What is wrong with a page as it looks now, in sentences. */
async function faults(visitor, path) {
    const { page } = visitor;
    const answer = await page.goto(url + path);
    const wrong = await violations(page);
    if (answer.status() !== 200) wrong.push(`the answer is ${answer.status()}`);
    if ((await page.getByRole("heading", { level: 1 }).count()) !== 1) wrong.push("it has not one heading of the first level");
    const sideways = await visitor.sideways();
    if (sideways > 0) wrong.push(`it has to be scrolled sideways by ${sideways} pixels`);
    return wrong;
}

scene.act("dark and light are not the same", async () => {
    const ground = async (scheme) => {
        await operator.look({ scheme, size: "wide" });
        await page.goto(url + pages.PAGES.Overview);
        return page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    };
    assert.notEqual(await ground("dark"), await ground("light"));
});

scene.act("the navigation leads to every page, by the keyboard alone", async () => {
    await operator.look({ scheme: "light", size: "wide" });
    for (const [name, path] of Object.entries(pages.PAGES)) {
        // From another page: where one is already, nobody can wait to come.
        await page.goto(url + (path === pages.PAGES.Overview ? pages.PAGES.Workers : pages.PAGES.Overview));
        const link = pages.navigation(page).filter({ hasText: name });
        await pressTabUntil(link);
        await page.keyboard.press("Enter");
        await page.waitForURL(url + path);
    }
});

async function pressTabUntil(link) {
    for (let presses = 0; presses < 50; presses += 1) {
        await page.keyboard.press("Tab");
        if (await link.evaluate((element) => element === document.activeElement)) return;
    }
    assert.fail(`50 presses of Tab do not lead to ${await link.textContent()}`);
}

scene.act("the headers of every page allow nothing that is not needed", () => {
    const found = [...operator.documents, ...stranger.documents].filter(({ status }) => status === 200);
    assert.ok(found.length >= Object.keys(places).length);
    const wrong = found.flatMap(({ url, headers }) => laxness(headers).map((sentence) => `${url}: ${sentence}`));
    assert.deepEqual([...new Set(wrong)], []);
});

scene.act("nobody else was asked for anything, and no page complained", () => {
    for (const visitor of [operator, stranger]) {
        assert.deepEqual(visitor.strangers(url), []);
        assert.deepEqual(visitor.complaints, []);
    }
});
