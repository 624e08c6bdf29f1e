/** How long a condition that should become true soon may take, in milliseconds. */
export const SOON = 20_000;

/** The time between two looks at a condition, in milliseconds. */
const LOOK_EVERY = 25;

/**
 * Looks at a condition until it holds, and gives what the probe gave.
 *
 * @template T
 * @param {string} what says in the failure what was waited for: "Bob sees the message"
 * @param {() => T | Promise<T>} probe called again and again, never twice at once; a truthy result ends the wait, a throw fails it
 * @param {number} within milliseconds until the wait fails
 * @returns {Promise<NonNullable<T>>}
 */
export async function eventually(what, probe, within = SOON) {
  const deadline = performance.now() + within;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (performance.now() > deadline) throw new Error(`waited ${within} ms in vain: ${what}`);
    await new Promise((look) => setTimeout(look, LOOK_EVERY));
  }
}
