import { chat } from './chat.js';
import { room } from './room.js';

/** Every call, in the order in which they are tried. */
export const calls = { ...room, ...chat };
