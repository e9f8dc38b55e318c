// Waiting for things that happen elsewhere. Never for time to pass: for the thing, and no longer than a limit.

/** How long anything may take that a person would see at once. Generous, because machines that test are busy. */
export const PATIENCE = 15_000;

const LOOK_EVERY = 25;

/**
 * Looks until `look` gives something that is true of itself, and returns that. What the look throws counts as "not yet".
 *
 * @param {string} what the sentence for the case that it never comes, such as "the daemon is ready"
 * @param {() => unknown} look
 */
export async function eventually(what, look, patience = PATIENCE) {
    const deadline = Date.now() + patience;
    let cause;
    for (;;) {
        try {
            const seen = await look();
            if (seen) return seen;
            cause = undefined;
        } catch (error) {
            cause = error;
        }
        if (Date.now() > deadline) throw new Error(`within ${patience} ms it did not come true that ${what}`, { cause });
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
    }
}
