/**
 * Messages as they can be compared over time. Links to files are made anew whenever a message is sent out, and their
 * queries hold an expiry that moves on with the hour; the rest of a link stays.
 *
 * @template {{link: string}} T
 * @param {T[]} messages
 * @returns {T[]}
 */
export function withoutExpiry(messages) {
  return messages.map((message) => ({ ...message, link: message.link.replace(/\?.*$/, '') }));
}
