import { randomBytes } from 'node:crypto';
import { crc32, deflateSync } from 'node:zlib';

/**
 * Describes a file to hand to a method of the SDK.
 *
 * @param {string} name
 * @param {string} type never empty and never JSON: the SDK uploads those as the two bytes "{}"
 * @param {Buffer} bytes
 */
export function attachment(name, type, bytes) {
  return { $file: name, type, base64: bytes.toString('base64') };
}

/** Bytes that no text decoding leaves as they are: every value once, then random ones. */
export function anyBytes(length) {
  return Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, value) => value)), randomBytes(length - 256)]);
}

/** A PNG image of one colour, without metadata. */
export function png(width, height, colour) {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8); // eight bits a colour, RGB, not interlaced
  const row = Buffer.concat([Buffer.of(0), ...Array(width).fill(Buffer.from(colour))]);
  const rows = deflateSync(Buffer.concat(Array(height).fill(row)));
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
