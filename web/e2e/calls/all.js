import { channels } from './channels.js';
import { chat } from './chat.js';
import { http } from './http.js';
import { room } from './room.js';
import { rules } from './rules.js';
import { stage } from './stage.js';
import { stores } from './stores.js';
import { waiting } from './waiting.js';

/** Every call, in the order in which they are tried. */
export const calls = { ...room, ...waiting, ...chat, ...channels, ...rules, ...stores, ...stage, ...http };
