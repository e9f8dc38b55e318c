// What the tests know of the console's pages, all in this file: addresses, roles, and the names that people read.
//
// A part is found as somebody finds it who cannot see the page: by its role and its name, never by how it is made. So whatever
// breaks here is broken for them as well. Pages that change their words change this file and no test.
//
// The pages, and what each has to have:
//
//     /login            a field "Token", a button "Log in"; an alert if the token is none
//     every other page  a navigation with the links of PAGES, a button "Log out", one heading of the first level
//     /                 a table "Targets": a row for each target with a link of its name, and its state; a link "New target"
//     /targets/new      fields "Name" and "Endpoint", a button "Create target"; then the target's page, with "Signing key" once
//     /targets/{id}     a heading of its name; a status "State"; tables "Deliveries" and "Failed events", newest first, each
//                       event a link; a button "Time line", whose left end is the oldest event; a dialog "Seek" says how many
//                       events would be sent, with buttons "Seek" and "Cancel"
//     /executions       a choice "Condition" (event, group, all), a field "Event type", a box for each target, a button
//                       "Set execution"; a table "Executions", a row for each
//     /events           a table "Events", newest first, each a link
//     an event's page   a region "Payload" with the decoded JSON as code; where it has failed, a button "Retry"
//     /workers          a table "Workers"
//     /audit            a table "Audit", newest first: who, what, when
//     /docs             every operation of the API, from its description
//     /tokens           a table "Tokens"; fields "Name" and "Role", a button "Create token"; "Token" once
//
// What asks for a confirmation is a page of its own, which the script shows in a dialog: everything can be done without the script.
// The state and the tables change by themselves while a page is open; what has the focus keeps it. A session is a cookie with "session" in its name.

/** The pages that the navigation leads to, by the names of its links. */
export const PAGES = {
    Overview: "/",
    Executions: "/executions",
    Events: "/events",
    Workers: "/workers",
    Audit: "/audit",
    Tokens: "/tokens",
    API: "/docs",
};
/** Pages of a target, by the names of their pictures, behind its own address. */
export const QUESTIONS = {
    seek: "/seek?to=beginning",
    halt: "/halt",
    test: "/test",
    settings: "/settings",
    rotate: "/rotate-key",
    delete: "/delete",
};
export const NEW_TARGET = "/targets/new";
export const LOGIN = "/login";

/** What a form knows that a stranger cannot: fields of these names. */
export const SECRET_FIELDS = ["csrf"];

/** Logs in, and waits for the overview. */
export async function login(page, url, token) {
    await page.goto(url + LOGIN);
    await tryLogin(page, token);
    await heading(page, "Overview").waitFor();
}

/** Fills the form and sends it, whatever comes of it. */
export async function tryLogin(page, token) {
    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Log in" }).click();
}

export async function logout(page) {
    await page.getByRole("button", { name: "Log out" }).click();
    await page.waitForURL(`**${LOGIN}?*`);
}

export function heading(page, name) {
    return page.getByRole("heading", { level: 1, name, exact: typeof name === "string" });
}

export function alert(page) {
    return page.getByRole("alert");
}

/** What the browser keeps of a session; none while nobody is logged in. */
export async function sessionCookies(context) {
    return (await context.cookies()).filter(({ name }) => /session/i.test(name));
}

export function navigation(page) {
    return page.getByRole("navigation").getByRole("link");
}

/** Creates a target and stays on its page. Returns the key that is shown this once. */
export async function createTarget(page, url, name, endpoint) {
    await fillTarget(page, url, name, endpoint);
    await createButton(page).click();
    await heading(page, name).waitFor();
    return (await page.getByLabel("Signing key").textContent()).trim();
}

/** The form of a new target, filled and not sent. */
export async function fillTarget(page, url, name, endpoint) {
    await page.goto(url + NEW_TARGET);
    await page.getByLabel("Name", { exact: true }).fill(name);
    await page.getByLabel("Endpoint").fill(endpoint);
}

export function createButton(page) {
    return page.getByRole("button", { name: "Create target" });
}

/** Lets one event type call one target. */
export async function setExecution(page, url, eventType, target) {
    await page.goto(url + PAGES.Executions);
    await page.getByLabel("Condition").selectOption("event");
    await page.getByLabel("Event type").fill(eventType);
    await page.getByLabel(target, { exact: true }).check();
    await page.getByRole("button", { name: "Set execution" }).click();
    await row(page, "Executions", eventType).waitFor();
}

/** From the overview to the page of a target, as people go. */
export async function openTarget(page, url, name) {
    await page.goto(url + PAGES.Overview);
    await targetRow(page, name).getByRole("link", { name, exact: true }).click();
    await heading(page, name).waitFor();
}

export function targetRow(page, name) {
    return row(page, "Targets", name);
}

/** The state of the target whose page is open, once it is this: a word of `cursor list`. */
export async function state(page, word) {
    await page.getByRole("status", { name: "State" }).getByText(word, { exact: true }).waitFor();
}

/** Attempts of the target whose page is open, at this event. */
export function delivery(page, eventType) {
    return row(page, "Deliveries", eventType);
}

/** An event that the target whose page is open has failed to take. */
export function failed(page, eventType) {
    return row(page, "Failed events", eventType);
}

/** From a row to the page of its event. */
export async function openEvent(page, row) {
    await row.getByRole("link").first().click();
    await payload(page).waitFor();
}

export function payload(page) {
    return page.getByRole("region", { name: "Payload" });
}

/** The payload as it can be read there, decoded. */
export async function readPayload(page) {
    return JSON.parse(await payload(page).getByRole("code").textContent());
}

export async function retry(page) {
    await page.getByRole("button", { name: "Retry" }).click();
}

/** Presses the time line at this share of its length, 0 at its oldest event. */
export async function pressTimeLine(page, share) {
    const line = page.getByRole("button", { name: "Time line" });
    await line.scrollIntoViewIfNeeded();
    const { width, height } = await line.boundingBox();
    await line.click({ position: { x: 1 + share * (width - 2), y: height / 2 } });
    await seekDialog(page).waitFor();
}

/** The same by the keyboard, where a place is typed in. */
export async function typeTimeLine(page, place) {
    await page.getByRole("button", { name: "Time line" }).press("Enter");
    await seekDialog(page).getByLabel("Move to").fill(place);
    await seekDialog(page).getByLabel("Move to").press("Enter");
}

/** The question about a seek, as a page, for whoever has no scripts. */
export async function seekAsPage(page, place) {
    await page.getByRole("button", { name: "Time line" }).click();
    await page.getByLabel("Move to").fill(place);
    await page.getByRole("button", { name: "Count" }).click();
}

/** What a question is answered with on its page or in its dialog, and what is said afterwards. */
export async function answer(page, button, says) {
    await page.getByRole("button", { name: button, exact: true }).click();
    await page.getByRole("status").getByText(says).first().waitFor();
}

/** A button that asks first, by the words on it. */
export function asks(page, words) {
    return page.getByRole("link", { name: words });
}

/** The button that retries a failed event, in its row. */
export function retryOf(row) {
    return row.getByRole("button", { name: "Retry" });
}

export function seekDialog(page) {
    return page.getByRole("dialog", { name: "Seek" });
}

/** How many events the dialog says would be sent, once it says so. */
export async function wouldBeSent(page, where = seekDialog(page)) {
    const says = /(\d+) events? would be sent/;
    const sentence = where.getByText(says);
    return Number(says.exec(await sentence.textContent())[1]);
}

export async function answerSeek(page, button) {
    await seekDialog(page).getByRole("button", { name: button, exact: true }).click();
    await seekDialog(page).waitFor({ state: "hidden" });
}

/** The newest row of a table that has this text in it. */
export function row(page, table, text) {
    return page.getByRole("table", { name: table }).getByRole("row").filter({ hasText: text }).first();
}

/** The link to the form of a new target; only for those who may create one. */
export function newTargetLink(page) {
    return page.getByRole("link", { name: "New target" });
}

/** The form that a button sends: where to, and the fields, with this in place of what is secret. */
export async function formOf(button, secret = "a guess") {
    const { action, fields } = await button.evaluate(({ form }) => ({ action: form.action, fields: [...new FormData(form)] }));
    return { action, fields: fields.map(([name, value]) => [name, SECRET_FIELDS.includes(name) ? secret : value]) };
}

/** What is secret in the forms of whoever is logged in, if anything is. */
export async function secretOf(page) {
    const fields = await page.getByRole("button", { name: "Log out" }).evaluate(({ form }) => [...new FormData(form)]);
    return fields.find(([name]) => SECRET_FIELDS.includes(name))?.[1];
}
