import { appendFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';

/** Shorter texts may occur in a log by chance. */
const SHORTEST = 6;

const known = new Set();

/**
 * Remembers what people say, are called or prove themselves by: no log of the server may hold it, which scripts/checklogs
 * checks when all tests are over. Kept in the folder that PARLEY_TEST_LOGS names, if it names one.
 *
 * @param {...unknown} values texts, and whatever holds some
 */
export function secret(...values) {
  const folder = process.env.PARLEY_TEST_LOGS;
  if (!folder) return;
  const fresh = texts(values).filter((text) => Buffer.byteLength(text) >= SHORTEST && !known.has(text));
  if (fresh.length === 0) return;
  mkdirSync(path.join(folder, 'secrets'), { recursive: true });
  const file = path.join(folder, 'secrets', `node-${process.pid}.txt`);
  appendFileSync(file, fresh.map((text) => `${JSON.stringify(text)}\n`).join(''));
  for (const text of fresh) known.add(text);
}

/** All texts in a value but ids, which logs may name. */
function texts(value) {
  if (typeof value === 'string') return /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(value) ? [] : [value];
  if (value === null || typeof value !== 'object') return [];
  return Object.values(value).flatMap(texts);
}
