const firstCeilingMs = 500;
const ceilingMs = 10_000;

/**
 * How long to wait before the given attempt (0 is the first) to connect again, in milliseconds: anything between
 * nothing and a ceiling that doubles from 0.5 s to 10 s. The whole span is random, so that the clients of a server
 * that restarts do not all come back in the same moment.
 */
export function reconnectDelay(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(ceilingMs, firstCeilingMs * 2 ** Math.min(attempt, 16));
}
