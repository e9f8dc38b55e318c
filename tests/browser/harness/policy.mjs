// What the headers of a page have to say, so that nothing in an event or a name can ever act in an operator's name.

const NOTHING = "'none'";
const WITHOUT_LIMITS = ["*", "'unsafe-inline'", "'unsafe-eval'", "'unsafe-hashes'", "http:", "https:", "data:", "blob:"];

/** What is too lax in the headers of a page, in sentences; none if all is well. */
export function laxness(headers) {
    const policy = parse(headers["content-security-policy"] ?? "");
    const wrong = [];
    const want = (right, sentence) => right || wrong.push(sentence);

    want(policy.size > 0, "there is no Content-Security-Policy");
    want([NOTHING, "'self'"].includes(policy.get("default-src")?.join(" ")), "default-src is neither 'none' nor 'self'");
    for (const [directive, sources] of policy) {
        // An image of the page's own making runs nothing.
        const allowed = directive === "img-src" ? ["data:"] : [];
        const lax = sources.filter((source) => WITHOUT_LIMITS.includes(source) && !allowed.includes(source));
        want(lax.length === 0, `${directive} allows ${lax.join(" ")}`);
    }
    // What default-src says nothing about.
    want(policy.get("frame-ancestors")?.join(" ") === NOTHING, "another page may frame it");
    want([NOTHING, "'self'"].includes(policy.get("base-uri")?.join(" ")), "base-uri is open");
    want(policy.get("form-action")?.join(" ") === "'self'", "forms may be sent elsewhere");

    want(headers["x-content-type-options"] === "nosniff", "X-Content-Type-Options is not nosniff");
    want(["no-referrer", "same-origin"].includes(headers["referrer-policy"]), "the referrer is told to others");
    want(/\bno-store\b/.test(headers["cache-control"] ?? ""), "the page may be kept (Cache-Control is not no-store)");
    return wrong;
}

function parse(text) {
    const directives = text.split(";").map((directive) => directive.trim().split(/\s+/)).filter(([name]) => name);
    return new Map(directives.map(([name, ...sources]) => [name.toLowerCase(), sources]));
}
