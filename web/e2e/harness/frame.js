/**
 * Reads the envelope of the socket's frames, as far as tests look at raw frames: what was refused, and what reached
 * whom. Everything else is judged by what the SDK makes of it.
 *
 * message Frame { uint32 event = 1; string id = 2; bytes payload = 3; bytes metadata = 4; }
 */

/** The event of a refusal; its payload is { string error_message = 1; int32 event_id = 2; }. */
export const REFUSED = 65_535;

/**
 * @param {Buffer} bytes one binary message of the socket
 * @returns {{event: number, id: string, payload: Buffer}}
 */
export function readFrame(bytes) {
  const fields = readFields(bytes);
  return {
    event: fields.get(1) ?? 0,
    id: fields.get(2)?.toString() ?? '',
    payload: fields.get(3) ?? Buffer.alloc(0),
  };
}

/** The sentence a refusal carries. */
export function refusalText(frame) {
  return readFields(frame.payload).get(1)?.toString() ?? '';
}

/** Fields of one protobuf message by number: numbers for varints, bytes for everything with a length. */
function readFields(bytes) {
  const fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= bytes.length) throw new Error('frame ends inside a number');
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const [number, form] = [Math.floor(key / 8), key % 8];
    if (form === 0) {
      fields.set(number, varint());
    } else if (form === 2) {
      const length = varint();
      if (at + length > bytes.length) throw new Error('frame ends inside a field');
      fields.set(number, bytes.subarray(at, (at += length)));
    } else {
      throw new Error(`frame with a field of form ${form}`);
    }
  }
  return fields;
}
