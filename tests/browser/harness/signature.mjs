// ZITADEL's signature, checked as a receiver would: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>." + body>`, with a `v1` for
// every key in force. Written from that sentence alone, so that a mistake in the daemon is not made here as well.

import { createHmac, timingSafeEqual } from "node:crypto";

/** A call that is signed for another time than this is somebody's copy. */
const TOLERANCE_SECONDS = 300;

/**
 * What is wrong with a signature, in a sentence, or `undefined` if it is good.
 *
 * @param {string | undefined} header
 * @param {Buffer} body the bytes as they came
 * @param {string} key
 * @param {number} now in seconds
 */
export function fault(header, body, key, now = Date.now() / 1000) {
    if (!header) return "there is no ZITADEL-Signature";
    const parts = header.split(",").map((part) => {
        const at = part.indexOf("=");
        return [part.slice(0, at), part.slice(at + 1)];
    });
    const times = parts.filter(([name]) => name === "t").map(([, value]) => value);
    if (times.length !== 1 || !/^\d+$/.test(times[0])) return "it does not say one time";
    if (Math.abs(now - Number(times[0])) > TOLERANCE_SECONDS) return `its time is ${times[0]}`;
    const wanted = createHmac("sha256", key).update(`${times[0]}.`).update(body).digest();
    const good = parts.some(([name, value]) => {
        const given = Buffer.from(value, "hex");
        return name === "v1" && given.length === wanted.length && timingSafeEqual(given, wanted);
    });
    return good ? undefined : "no v1 was made with this key over this body";
}
