// Comforts of the console; every page works without them. Parts of an open page are put in place as the daemon sends them, what
// asks for a confirmation comes in a dialog instead of a page of its own, and a press on a time line says where.

"use strict";

// Parts of a page, as they change.

/** Makes an element what another is, and keeps what stays: the focus, what is unfolded, how far something is scrolled. */
function become(old, fresh) {
    if (old.nodeName !== fresh.nodeName) {
        old.replaceWith(fresh);
        return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
        if (old.data !== fresh.data) old.data = fresh.data;
        return;
    }
    for (const { name } of [...old.attributes]) {
        // Whoever has unfolded something wants to see it.
        if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
        if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    becomeWithin(old, fresh);
}

/** The same for what is in it. Rows have keys: a row that somebody is in never becomes another. */
function becomeWithin(old, fresh) {
    const keyOf = (node) => node.dataset?.key;
    const keyed = new Map([...old.children].filter(keyOf).map((child) => [keyOf(child), child]));
    let at = old.firstChild;
    for (const node of [...fresh.childNodes]) {
        const key = keyOf(node);
        const twin = key ? keyed.get(key) : at && !keyOf(at) ? at : undefined;
        if (!twin) {
            old.insertBefore(node, at);
            continue;
        }
        if (twin === at) at = at.nextSibling;
        else old.insertBefore(twin, at);
        become(twin, node);
    }
    while (at) {
        const next = at.nextSibling;
        at.remove();
        at = next;
    }
}

function put({ id, html }) {
    const old = document.getElementById(id);
    const template = document.createElement("template");
    template.innerHTML = html;
    const fresh = template.content.firstElementChild;
    if (old && fresh) become(old, fresh);
}

/** Says, once and aloud, that a page is not up to date; nothing while it is. */
function say(sentence) {
    const place = document.getElementById("following");
    if (!place || place.textContent === sentence) return;
    place.textContent = sentence;
    place.hidden = sentence === "";
}

function follow(address) {
    let source;
    const open = () => {
        source = new EventSource(address);
        source.onopen = () => say("");
        source.onmessage = ({ data }) => put(JSON.parse(data));
        source.addEventListener("trouble", ({ data }) => say(`This page is not up to date: ${JSON.parse(data).detail}.`));
        source.addEventListener("well", () => say(""));
        source.addEventListener("gone", () => {
            source.close();
            location.reload();
        });
        source.onerror = () => {
            // Where it is only interrupted, the browser tries again by itself.
            const ended = source.readyState === EventSource.CLOSED;
            say(ended ? "This page is no longer updated; load it again." : "The connection is interrupted; it is tried again.");
        };
    };
    // A page that nobody sees asks for nothing.
    document.addEventListener("visibilitychange", () => {
        source?.close();
        if (!document.hidden) open();
    });
    // What is posted leads to another page: that this one is over must not come in between.
    document.addEventListener("submit", (event) => {
        if (!event.defaultPrevented && event.target.method === "post") source?.close();
    });
    addEventListener("pagehide", () => source?.close());
    addEventListener("pageshow", ({ persisted }) => persisted && open());
    if (!document.hidden) open();
}

// Questions, in a dialog.

let dialog;
let asked = 0;

/** Shows the question that is the page at an address; whatever is no question is gone to. */
async function ask(address) {
    const number = (asked += 1);
    const answer = await fetch(address, { headers: { accept: "text/html" } }).catch(() => undefined);
    const page = answer && new DOMParser().parseFromString(await answer.text(), "text/html");
    const question = page?.querySelector("[data-asks]");
    if (number !== asked) return;
    if (!question) {
        location.assign(address);
        return;
    }
    show(document.adoptNode(question));
}

function show(question) {
    // On the page there is one heading of the first level already.
    const heading = document.createElement("h2");
    heading.textContent = question.dataset.asks;
    question.querySelector("h1")?.replaceWith(heading);
    for (const link of question.querySelectorAll("[data-cancel]")) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = link.textContent;
        button.addEventListener("click", () => dialog.close());
        link.replaceWith(button);
    }
    if (!dialog) {
        dialog = document.createElement("dialog");
        dialog.addEventListener("close", () => {
            dialog.remove();
            dialog = undefined;
        });
        document.body.append(dialog);
    }
    dialog.setAttribute("aria-label", question.dataset.asks);
    dialog.replaceChildren(question);
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("[autofocus]")?.focus();
}

document.addEventListener("click", (event) => {
    const line = event.target.closest?.("button[data-line]");
    if (line) {
        // By the keyboard it is pressed nowhere in particular: the place is chosen in the dialog.
        const { left, width } = line.getBoundingClientRect();
        const share = Math.round((1000 * (event.clientX - left)) / width);
        line.dataset.line = event.detail > 0 ? String(Math.min(1000, Math.max(0, share))) : "";
        return;
    }
    const link = event.target.closest?.("a[data-dialog]");
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    ask(link.href);
});

document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.dialog === undefined || form.method !== "get") return;
    event.preventDefault();
    const fields = new URLSearchParams(new FormData(form, event.submitter));
    const share = event.submitter?.dataset.line;
    if (share) {
        fields.delete("to");
        fields.set("share", share);
    }
    ask(`${form.action}?${fields}`);
});

const live = document.querySelector("main[data-live]");
if (live) follow(live.dataset.live);
