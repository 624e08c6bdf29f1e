import { channels } from './channels.js';
import { chat } from './chat.js';
import { room } from './room.js';
import { stage } from './stage.js';
import { stores } from './stores.js';
import { waiting } from './waiting.js';

/** Every call, in the order in which they are tried. */
export const calls = { ...room, ...waiting, ...chat, ...channels, ...stores, ...stage };
