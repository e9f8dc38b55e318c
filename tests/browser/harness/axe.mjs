// Accessibility, by axe-core, in the page as it is.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const SOURCE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const GRAVE = ["serious", "critical"];

/**
 * The serious and critical violations of a page, each as a sentence with the elements that it is about.
 *
 * The rules come through the debugger's door, so that they work under the strictest policy and the page stays as it is served.
 */
export async function violations(page) {
    await page.evaluate(SOURCE);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    return violations
        .filter(({ impact }) => GRAVE.includes(impact))
        .map(({ id, help, nodes }) => `${id} (${help}): ${nodes.map(({ target }) => target.join(" ")).join("; ")}`);
}
