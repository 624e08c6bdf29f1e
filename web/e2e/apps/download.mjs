// What an app's server does with a link to a chat: fetches it, and streams it into a file.

import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

const [link, file] = process.argv.slice(2);
const answer = await fetch(link);
if (!answer.ok) throw new Error(`GET of a chat: ${answer.status}`);
await finished(Readable.fromWeb(answer.body).pipe(createWriteStream(file)));
